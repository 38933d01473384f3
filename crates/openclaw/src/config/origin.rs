//! What the register of integrations keeps: a tenant's file with everything
//! that it names elsewhere put in its place, so that an integration can still
//! be built when its file, its secrets and its templates have gone.

use super::env::Environment;
use super::place;
use super::reach::{NoFile, Reach};
use super::read::Secrets;
use super::service::RatingDefaults;
use super::tenant::{self, TenantConfig};
use super::yaml::{Entry, Node, Value};
use openclaw_alert::{TenantName, fnv1a};
use openclaw_delivery::Integration;
use serde_json::{Map, Value as Json, json};
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// As much as a template may be long.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Keys that say where an integration sends to and who it is there.
const TARGET_KEYS: [&str; 23] = [
    "url",
    "api_url",
    "app_url",
    "app_token",
    "channel",
    "http_config",
    "to",
    "from",
    "smarthost",
    "auth_username",
    "auth_password",
    "auth_identity",
    "tls_config",
    "routing_key",
    "api_key",
    "instance_url",
    "table",
    "username",
    "password",
    "bot_token",
    "chat_id",
    "message_thread_id",
    "webhook_url",
];

/// An integration, as far as its register needs it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    /// A hash of where it sends to and with what credential.
    pub(crate) target: u64,
    /// A hash of where it sends to.
    pub(crate) place: u64,
    /// A tenant's file with this integration alone, without templates.
    pub(crate) settings: String,
    /// The tenant's templates.
    pub(crate) templates: Arc<str>,
}

/// Its settings hold secrets.
impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Origin").finish_non_exhaustive()
    }
}

/// A tenant's file as one document.
#[derive(Clone)]
pub(crate) struct Document {
    /// All but templates.
    root: Json,
    /// As JSON; empty for none. They may also change what messages look like
    /// by default, so each integration needs them.
    templates: Arc<str>,
    /// Files that it is made of besides itself.
    pub(crate) files: Vec<PathBuf>,
}

/// It holds secrets.
impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Document {
    pub(super) fn of(root: &Node, folder: &Path, reach: &Reach, environment: &Environment) -> Self {
        let mut inliner = Inliner { folder, reach, environment, files: Vec::new() };
        let mut root = inliner.inline(root);
        let mut templates = root.as_object_mut().and_then(|root| root.remove("templates"));
        if let Some(Json::Array(templates)) = &mut templates {
            templates.iter_mut().for_each(|template| inliner.inline_template(template));
        }
        let templates = templates.map_or_else(String::new, |templates| templates.to_string());
        Self { root, templates: templates.into(), files: inliner.files }
    }

    /// Differs where anything that it says differs.
    pub(crate) fn version(&self) -> u64 {
        fnv1a(&[self.root.to_string().as_bytes(), self.templates.as_bytes()])
    }

    /// Of a receiver's integrations, in their order.
    pub(crate) fn origins(&self, receiver: &str, integrations: &[Integration]) -> Vec<Origin> {
        let all = self.root.get("receivers").and_then(Json::as_array);
        let mine = all.into_iter().flatten().find(|known| known.get("name") == Some(&json!(receiver)));
        let origin = |(at, integration): (usize, &Integration)| {
            let kind = integration.name();
            let nth = integrations[..at].iter().filter(|before| before.name() == kind).count();
            let key = format!("{kind}_configs");
            let section = mine.and_then(|mine| mine.get(&key)?.get(nth)).unwrap_or(&Json::Null);
            self.origin(receiver, &key, section)
        };
        integrations.iter().enumerate().map(origin).collect()
    }

    /// What mail receivers leave to `global`.
    fn mail_defaults(&self) -> Map<String, Json> {
        let global = self.root.get("global").and_then(Json::as_object).into_iter().flatten();
        let of_mail = global.filter(|(key, _)| key.starts_with("smtp_"));
        of_mail.map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    fn origin(&self, receiver: &str, key: &str, section: &Json) -> Origin {
        let global = if key == "email_configs" { self.mail_defaults() } else { Map::new() };
        let own = TARGET_KEYS.map(|key| section.get(key).unwrap_or(&Json::Null).to_string());
        let above = Json::Object(global.clone()).to_string();
        let target: Vec<&[u8]> = own.iter().chain([&above]).map(String::as_bytes).collect();
        let file = json!({
            "global": global,
            "receivers": [{ "name": receiver, key: [section] }],
            "route": { "receiver": receiver },
        });
        Origin {
            target: fnv1a(&target),
            place: place::of(section),
            settings: file.to_string(),
            templates: Arc::clone(&self.templates),
        }
    }
}

/// An integration from what [`Document::origins`] gave. An error never quotes
/// it: there may be a secret anywhere.
pub(crate) fn integration(
    tenant: &TenantName,
    settings: &str,
    templates: &str,
) -> Result<Integration, String> {
    let broken = |what: &dyn fmt::Display| format!("what was kept of it can't be read: {what}");
    let not_json = |error: serde_json::Error| broken(&format_args!("no JSON at column {}", error.column()));
    let mut file: Map<String, Json> = serde_json::from_str(settings).map_err(not_json)?;
    file.insert("tenant".to_owned(), json!(tenant.as_str()));
    if !templates.is_empty() {
        file.insert("templates".to_owned(), serde_json::from_str(templates).map_err(not_json)?);
    }
    let path = Path::new("register").into();
    let text = Json::Object(file).to_string();
    let (config, faults) = tenant::parse(
        &text,
        &path,
        tenant,
        RatingDefaults::default(),
        Secrets::Fetched,
        &Reach::Everything,
        // Only for the operator's proxies: secrets were fetched when it was kept.
        &Environment::of_process(),
    );
    if let Some(fault) = faults.first() {
        return Err(broken(&format_args!("a fault at {}", fault.place)));
    }
    let first = |config: TenantConfig| config.receivers.into_iter().next()?.integrations.into_iter().next();
    config.and_then(first).ok_or_else(|| broken(&"it has no integration"))
}

struct Inliner<'a> {
    folder: &'a Path,
    reach: &'a Reach,
    environment: &'a Environment,
    files: Vec<PathBuf>,
}

impl Inliner<'_> {
    fn inline(&mut self, node: &Node) -> Json {
        match &node.value {
            Value::Null => Json::Null,
            Value::Flag(flag) => json!(flag),
            Value::Number(digits) => serde_json::from_str(digits).unwrap_or_else(|_| json!(digits)),
            Value::Text(text) | Value::Variable(text) => json!(text),
            Value::List(items) => items.iter().map(|item| self.inline(item)).collect(),
            Value::Section(entries) => self.fetched(entries).unwrap_or_else(|| self.section(entries)),
        }
    }

    /// A secret that is kept elsewhere.
    fn fetched(&mut self, entries: &[Entry]) -> Option<Json> {
        let [Entry { key, node, .. }] = entries else { return None };
        let Value::Text(name) = &node.value else { return None };
        match key.as_str() {
            "env" if self.reach.has_variable(name) => self.environment.get(name).map(|text| json!(text)),
            "file" => self.read(name).map(|text| json!(without_break(&text))),
            _ => None,
        }
    }

    fn section(&mut self, entries: &[Entry]) -> Json {
        let mut section = Map::new();
        for Entry { key, node, .. } in entries {
            let named = match (key.strip_suffix("_file"), &node.value) {
                (Some(key), Value::Text(name)) => self.read(name).map(|text| (key, text)),
                _ => None,
            };
            match named {
                Some((key, text)) => section.insert(key.to_owned(), json!(without_break(&text))),
                None => section.insert(key.clone(), self.inline(node)),
            };
        }
        Json::Object(section)
    }

    fn inline_template(&mut self, template: &mut Json) {
        if let Some(name) = template.as_str()
            && let Some(text) = self.read(name)
        {
            *template = json!({ "name": name, "text": text });
        }
    }

    /// What can't be read is told where the settings are checked.
    fn read(&mut self, name: &str) -> Option<String> {
        let path = self.folder.join(name);
        let found = self.reach.file(&path);
        if let Err(NoFile::BeyondReach) = found {
            return None;
        }
        let mut text = String::new();
        let open = |found: PathBuf| Ok(File::open(found)?.take(FILE_BYTES_MAX).read_to_string(&mut text)?);
        let read: Result<_, NoFile> = found.and_then(open);
        self.files.push(path);
        read.ok().map(|_| text)
    }
}

/// Editors end files with a line break that isn't part of the secret.
fn without_break(text: &str) -> &str {
    text.trim_end_matches(['\n', '\r'])
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: &str = "tenant: acme
templates: [words.tmpl]
receivers:
  - name: ops
    slack_configs:
      - { api_url_file: slack.url, channel: '#a', text: '{% include \"told\" %}', send_resolved: true }
    telegram_configs: [{ bot_token_file: bot.token, chat_id_file: chat.id }]
    webhook_configs:
      - { url: { file: hook.url }, http_config: { basic_auth: { username: me, password_file: hook.password } } }
route: { receiver: ops }
";

    fn load(text: &str, folder: &Path) -> TenantConfig {
        let path = folder.join("acme.yaml").as_path().into();
        let (name, defaults) = (TenantName::new("acme").unwrap(), RatingDefaults::default());
        let environment = Environment::default();
        let (config, faults) =
            tenant::parse(text, &path, &name, defaults, Secrets::Fetched, &Reach::Everything, &environment);
        let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(faults, [""; 0]);
        config.unwrap()
    }

    #[test]
    fn an_integration_is_built_again_when_all_its_files_have_gone() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("words.tmpl", "{% define \"told\" %}{{ Status }}{% enddefine %}");
        write("slack.url", "https://hooks.example/slack\n");
        write("hook.url", "https://hooks.example/hook\n");
        write("hook.password", "pass\n");
        write("bot.token", "1:t\n");
        write("chat.id", "-5\n");
        let before = load(TENANT, folder.path());
        let receiver = &before.receivers[0];
        let origins = before.document.origins(&receiver.name, &receiver.integrations);
        assert_eq!(before.document.files.len(), 6);
        drop(folder);
        let name = TenantName::new("acme").unwrap();
        for (origin, known) in origins.iter().zip(&receiver.integrations) {
            assert_eq!(integration(&name, &origin.settings, &origin.templates).as_ref(), Ok(known));
        }
    }

    /// Everything that text can be put into.
    const WHOLE: &str = "tenant: acme
global: { smtp_from: c@d.example, smtp_smarthost: 'mail.example:587', smtp_auth_password: p }
receivers:
  - name: ops
    slack_configs:
      - api_url: 'https://hooks.example/slack'
        channel: '#a'
        timeout: 5s
        title: t
        color: c
        fields: [{ title: t, value: v }]
        actions: [{ type: button, text: t, url: 'https://x/', confirm: { text: t } }]
        mrkdwn_in: [text]
        http_config: { basic_auth: { username: u, password: p }, http_headers: { X-A: { secrets: [s] } } }
      - { app_token: xoxb, app_url: 'https://slack.example/post', channel: '#a', signing_secret: s }
    email_configs:
      - { to: a@b.example, hello: us, headers: { Subject: s, X-A: a }, html: h, text: t, auth_username: u }
    telegram_configs:
      - { bot_token: '1:t', chat_id: -5, message: m, parse_mode: '', api_url: 'https://telegram.example' }
    msteamsv2_configs:
      - { webhook_url: 'https://hooks.example/teams', title: t, summary: s, text: t }
    pagerduty_configs:
      - { routing_key: k, webhook_secret: s, details: { a: [t, { b: 1 }] }, images: [{ src: s }], links: [{ href: h }] }
    opsgenie_configs:
      - { api_key: k, details: { a: t }, responders: [{ name: n, type: team }], tags: t }
    servicenow_configs:
      - { instance_url: 'https://x.example', username: u, password: p, table: u_x, fields: { a: t }, close_code: c }
    servicenow_em_configs:
      - { instance_url: 'https://x.example', api_key: k, source: s, node_labels: [n] }
    webhook_configs:
      - { url: 'https://hooks.example/hook', secret: 'whsec_c2VjcmV0c2VjcmV0', timeout: 5s, max_alerts: 3,
          http_config: { authorization: { type: Bearer, credentials: c } } }
      - { url: 'https://hooks.example/{{ Status }}', http_config: { bearer_token: t } }
route: { receiver: ops }
";

    fn texts(value: &mut Json, visit: &mut dyn FnMut(&mut Json)) {
        match value {
            Json::Array(items) => items.iter_mut().for_each(|item| texts(item, visit)),
            Json::Object(entries) => entries.values_mut().for_each(|value| texts(value, visit)),
            _ => visit(value),
        }
    }

    #[test]
    fn what_is_wrong_with_kept_settings_is_told_without_them() {
        const SPOILT: [&str; 5] =
            ["hunter2", "{{ hunter2 }}", "{% include \"hunter2\" %}", "hunter2\n\u{7f}", "https://hunter2 /"];
        let name = TenantName::new("acme").unwrap();
        let config = load(WHOLE, Path::new(""));
        let receiver = &config.receivers[0];
        let mut refused = 0;
        for origin in config.document.origins(&receiver.name, &receiver.integrations) {
            assert!(!format!("{origin:?} {:?}", config.document).contains("hooks"));
            let kept: Json = serde_json::from_str(&origin.settings).unwrap();
            let mut count = 0;
            texts(&mut kept.clone(), &mut |_| count += 1);
            for (spoilt, which) in SPOILT.into_iter().flat_map(|text| (0..count).map(move |n| (text, n))) {
                let (mut file, mut at) = (kept.clone(), 0);
                texts(&mut file, &mut |value| {
                    if at == which {
                        *value = json!(spoilt);
                    }
                    at += 1;
                });
                let result = integration(&name, &file.to_string(), "");
                let Err(told) = result else { continue };
                refused += 1;
                assert!(!told.contains("hunter2"), "{told}");
            }
        }
        assert!(refused > 50, "{refused}");
        for [settings, templates] in [["\"hunter2\"", ""], ["{}", "hunter2"], ["{}", "[\"hunter2\"]"]] {
            let told = integration(&name, settings, templates).unwrap_err();
            assert!(!told.contains("hunter2"), "{told}");
        }
    }
}
