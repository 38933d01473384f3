//! How models come into service.

use super::fault::Place;
use super::problem::Problem;
use super::read::{At, Context, Field, choice, section};
use super::secret::{self, SecretText};
use super::units::format_duration;
use super::values::{Count, Span, Text};
use openclaw_learning::publish::{
    GitAuthor, GitBranch, GitCredentials, GitOptions, GitPath, GitPlaceError, GitRemote,
};
use openclaw_learning::rollout::{Settings, Stage, Step};
use openclaw_server::{ROLLOUT_HOLD_MAX, RolloutMode};
use std::ops::RangeInclusive;
use std::time::Duration;

const HOLD: RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(30 * 86_400);
const HOLD_MAX: RangeInclusive<Duration> = Duration::from_secs(3600)..=Duration::from_secs(365 * 86_400);
const POLL: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(86_400);
const WINDOWS: RangeInclusive<u64> = 100..=1_000_000_000;

section! {
    /// How models come into service: in shadow first, then for more and more clients.
    RolloutSection {
        /// `auto` (the default): each that is published is begun with. `gitops`: only `file` says what runs.
        mode: ModeName,
        /// For `gitops`: the file that names `version` and `digest`. Relative paths start at this file's folder.
        file: Text,
        /// For `gitops`: that file in a Git repository, in place of `file`.
        gitops: GitopsSection,
        /// Percent of clients whose limits a model sets, after it was in shadow. Default `[5, 25, 50, 100]`.
        steps: Vec<At<Count>>,
        /// How long a model is in shadow at least. Default `2h`.
        shadow: Span,
        /// How long each step is held at least. Default `1h`.
        hold: Span,
        /// Windows of clients, of 12 seconds each, that are seen in each step at least. Default 2000.
        windows: Count,
        /// How long a step may take before a newer model takes its model's place. Default `2d`.
        max_hold: Span,
    }
}

section! {
    /// A file in a Git repository that says which model runs. The program `git` is needed.
    GitopsSection {
        /// `https://HOST/PATH`, `ssh://USER@HOST/PATH`, or a path that starts at this file's folder.
        remote: Text,
        /// The branch that is followed and pushed to. Default `main`.
        branch: Text,
        /// The file's path in the repository, such as `environments/prod/model.yaml`.
        path: Text,
        /// Who commits: `NAME <MAIL>`. Default `OpenClaw Rating <openclaw@localhost>`.
        author: Text,
        /// For `https://`: a user. Default `openclaw`.
        username: SecretText,
        /// For `https://`: the user's token or password.
        token: SecretText,
        /// For `ssh://`: a private key, as `ssh-keygen` writes it, without a passphrase.
        ssh_key: SecretText,
        /// For `ssh://`: a file with the server's keys, as `ssh-keyscan` writes it.
        known_hosts: Text,
        /// Certificates that are trusted in place of the system's, PEM.
        ca_file: Text,
        /// Between two looks at the branch. Default `30s`.
        poll: Span,
    }
}

choice! {
    /// Who says which model runs.
    ModeName {
        Auto = "auto",
        Gitops = "gitops",
    }
}

/// The section, checked.
#[derive(Debug, Clone, Default)]
pub(crate) struct RolloutSettings {
    pub(crate) mode: RolloutMode,
    pub(crate) steps: Settings,
    pub(crate) hold_max: Option<Duration>,
}

impl RolloutSettings {
    /// How long a step may take before a newer model takes its model's place.
    pub(crate) fn hold_max(&self) -> Duration {
        self.hold_max.unwrap_or(ROLLOUT_HOLD_MAX)
    }

    /// The file in a Git repository that says which model runs.
    pub(crate) fn git(&self) -> Option<&GitOptions> {
        match &self.mode {
            RolloutMode::Git { options, .. } => Some(options),
            RolloutMode::Auto | RolloutMode::Gitops { .. } => None,
        }
    }
}

pub(super) fn checked(field: Field<RolloutSection>, cx: &mut Context<'_>) -> RolloutSettings {
    let section = field.into_value().unwrap_or_default();
    let mode = mode(section.mode, section.file, section.gitops, cx);
    let hold_max = section.max_hold.as_set().is_some().then(|| {
        let usual = ROLLOUT_HOLD_MAX;
        span("max_hold", section.max_hold, usual, &HOLD_MAX, cx)
    });
    let hours = |hours: u64| Duration::from_secs(hours * 3600);
    let shadow = span("shadow", section.shadow, hours(2), &HOLD, cx);
    let hold = span("hold", section.hold, hours(1), &HOLD, cx);
    let windows = windows(section.windows, cx);
    let first = Step { stage: Stage::SHADOW, hold: shadow, windows };
    let mut steps = vec![first];
    let Some(At { value: percents, place }) = section.steps.into_set() else {
        let usual = Settings::default();
        steps.extend(usual.steps()[1..].iter().map(|step| Step { hold, windows, ..*step }));
        return RolloutSettings { mode, steps: Settings::new(steps).unwrap_or_default(), hold_max };
    };
    for At { value: Count(percent), place } in percents {
        match u8::try_from(percent).ok().and_then(Stage::of_percent) {
            Some(stage) => steps.push(Step { stage, hold, windows }),
            None => {
                let (least, most) = ("1".to_owned(), "100".to_owned());
                cx.fault(&place, Problem::OutOfRange { key: "steps", least, most });
            }
        }
    }
    let steps = match Settings::new(steps) {
        Ok(steps) => steps,
        Err(error) => {
            cx.fault(&place, Problem::Steps { reason: error.to_string() });
            Settings::default()
        }
    };
    RolloutSettings { mode, steps, hold_max }
}

fn mode(
    mode: Field<ModeName>,
    file: Field<Text>,
    gitops: Field<GitopsSection>,
    cx: &mut Context<'_>,
) -> RolloutMode {
    let Some(At { value: ModeName::Gitops, place }) = mode.into_set() else { return RolloutMode::Auto };
    let Some(gitops) = gitops.into_set() else {
        let file = file.required("file", &place, cx);
        return file
            .map_or(RolloutMode::Auto, |file| RolloutMode::Gitops { file: cx.folder.join(file.value.0) });
    };
    if let Some(file) = file.into_set() {
        cx.fault(&file.place, Problem::Exclusive { keys: vec!["file", "gitops"] });
    }
    let At { value: mut section, place } = gitops;
    let poll = span("poll", std::mem::take(&mut section.poll), Duration::from_secs(30), &POLL, cx);
    let options = git(section, &place, cx).map(Box::new);
    options.map_or(RolloutMode::Auto, |options| RolloutMode::Git { options, poll })
}

fn git(section: GitopsSection, place: &Place, cx: &mut Context<'_>) -> Option<GitOptions> {
    let remote = section.remote.required("remote", place, cx);
    let path = section.path.required("path", place, cx);
    let remote = remote.and_then(|remote| {
        let parsed = GitRemote::parse(&remote.value.0, &cx.folder);
        cx.keep(&remote.place, parsed)
    });
    let branch =
        parsed(section.branch, GitBranch::parse, cx).unwrap_or_else(|| GitBranch::parse("main").ok());
    let author = parsed(section.author, GitAuthor::parse, cx).unwrap_or_else(|| Some(GitAuthor::default()));
    let path = path.and_then(|path| cx.keep(&path.place, GitPath::parse(&path.value.0)));
    let ca = section.ca_file.into_set().and_then(|file| secret::from_file(&file, cx));
    let remote = remote?;
    let way = Credentials {
        username: section.username,
        token: section.token,
        ssh_key: section.ssh_key,
        known_hosts: section.known_hosts,
    };
    let credentials = way.checked(&remote, place, cx)?;
    Some(GitOptions { remote, branch: branch?, path: path?, author: author?, credentials, ca })
}

/// Nothing where it isn't set, nothing within where it can't be.
fn parsed<T>(
    field: Field<Text>,
    parse: impl FnOnce(&str) -> Result<T, GitPlaceError>,
    cx: &mut Context<'_>,
) -> Option<Option<T>> {
    field.into_set().map(|set| cx.keep(&set.place, parse(&set.value.0)))
}

/// What goes with which way.
struct Credentials {
    username: Field<SecretText>,
    token: Field<SecretText>,
    ssh_key: Field<SecretText>,
    known_hosts: Field<Text>,
}

impl Credentials {
    fn checked(self, remote: &GitRemote, place: &Place, cx: &mut Context<'_>) -> Option<GitCredentials> {
        let text = |set: At<SecretText>| set.value.0.expose().to_owned();
        let (username, token) = (self.username.into_set(), self.token.into_set());
        let (key, known_hosts) = (self.ssh_key.into_set(), self.known_hosts.into_set());
        if let Some(token) = token.as_ref().filter(|_| !remote.takes_token()) {
            cx.fault(&token.place, Problem::GitCredential { key: "token", way: "https://" });
        }
        if let Some(key) = key.as_ref().filter(|_| !remote.is_ssh()) {
            cx.fault(&key.place, Problem::GitCredential { key: "ssh_key", way: "ssh://" });
        }
        if !remote.is_ssh() {
            let username = username.map_or_else(|| "openclaw".to_owned(), text);
            return Some(token.map_or(GitCredentials::None, |token| GitCredentials::Token {
                username,
                token: text(token),
            }));
        }
        let missing = if key.is_none() { Some("ssh_key") } else { None };
        if let Some(key) = missing.or(known_hosts.is_none().then_some("known_hosts")) {
            cx.fault(place, Problem::Missing { key });
        }
        let known_hosts = secret::from_file(&known_hosts?, cx)?;
        Some(GitCredentials::Ssh { key: text(key?), known_hosts })
    }
}

fn span(
    key: &'static str,
    field: Field<Span>,
    usual: Duration,
    bounds: &RangeInclusive<Duration>,
    cx: &mut Context<'_>,
) -> Duration {
    let Some(set) = field.into_set() else { return usual };
    if !bounds.contains(&set.value.0) {
        let (least, most) = (format_duration(*bounds.start()), format_duration(*bounds.end()));
        cx.fault(&set.place, Problem::OutOfRange { key, least, most });
    }
    set.value.0
}

fn windows(field: Field<Count>, cx: &mut Context<'_>) -> u64 {
    let Some(set) = field.into_set() else { return 2_000 };
    if !WINDOWS.contains(&set.value.0) {
        let (least, most) = (WINDOWS.start().to_string(), WINDOWS.end().to_string());
        cx.fault(&set.place, Problem::OutOfRange { key: "windows", least, most });
    }
    set.value.0
}
