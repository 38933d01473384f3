//! One bad settings file a rule, with what `openclaw check` says about it
//! beside it. `UPDATE_EXPECT=1 cargo test -p openclaw --test config` writes
//! these texts anew.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

const GOOD_TENANT: &str = "tenant: acme\nreceivers: [{ name: ops }]\nroute: { receiver: ops }\n";

fn check(folder: &Path, variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_openclaw"))
        .args(["check", "--config", "openclaw.yaml"])
        .current_dir(folder)
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

fn folder_with(service: &str, tenant: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("tenants")).unwrap();
    fs::write(folder.path().join("openclaw.yaml"), service).unwrap();
    fs::write(folder.path().join("tenants/acme.yaml"), tenant).unwrap();
    folder
}

fn stderr_of(folder: &Path, variables: &[(&str, &str)]) -> String {
    let output = check(folder, variables);
    assert_eq!(output.status.code(), Some(1), "a fault must be found");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    String::from_utf8(output.stderr).unwrap()
}

fn cases(kind: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config").join(kind);
    let mut cases: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    cases.sort();
    assert!(!cases.is_empty());
    cases
}

fn compare(case: &Path, found: &str) -> Option<String> {
    let beside = case.with_extension("stderr");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&beside, found).unwrap();
    }
    let want = fs::read_to_string(&beside).unwrap_or_default();
    (want != found).then(|| format!("{}:\n--- want\n{want}--- found\n{found}", case.display()))
}

fn run(kind: &str, folder_of: impl Fn(&str) -> TempDir) {
    let differing: Vec<String> = cases(kind)
        .iter()
        .filter_map(|case| {
            let folder = folder_of(&fs::read_to_string(case).unwrap());
            compare(case, &stderr_of(folder.path(), &[]))
        })
        .collect();
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

#[test]
fn every_bad_service_file_gets_its_message() {
    run("service", |text| folder_with(text, GOOD_TENANT));
}

#[test]
fn every_bad_tenant_file_gets_its_message() {
    run("tenant", |text| folder_with("", text));
}

#[test]
fn faults_of_all_files_are_told_together() {
    let folder = folder_with("datta: x\n", "tenant: acme\n");
    fs::write(folder.path().join("tenants/globex.yaml"), "tenant: globex\nroute: {}\n").unwrap();
    insta::assert_snapshot!(stderr_of(folder.path(), &[]));
}

#[test]
fn who_has_no_route_cannot_hear_of_the_service() {
    let limits = "tenant: acme\nlimits: { policies: { api: { rate: 5/s, burst: 10 } } }\n";
    let stderr = stderr_of(folder_with("operator: { tenant: acme }\n", limits).path(), &[]);
    assert!(
        stderr.contains("openclaw.yaml:1:21: tenant `acme` has no `route`: it could tell nobody"),
        "{stderr}"
    );
}

#[test]
fn the_tenants_folder_is_looked_through() {
    let folder = folder_with("", GOOD_TENANT);
    let tenants = folder.path().join("tenants");
    for sub in ["acme", "globex", "initech", "lost+found", "..data"] {
        fs::create_dir(tenants.join(sub)).unwrap();
    }
    fs::write(tenants.join("acme/tenant.yaml"), GOOD_TENANT).unwrap();
    fs::write(tenants.join("initech/tenant.yaml"), GOOD_TENANT.replace("acme", "initech")).unwrap();
    fs::write(tenants.join("hooli.yml"), GOOD_TENANT).unwrap();
    fs::write(tenants.join("Bad Name.yaml"), GOOD_TENANT).unwrap();
    fs::write(tenants.join("README.md"), "not a tenant").unwrap();
    fs::write(tenants.join("slack-url"), "not a tenant").unwrap();
    fs::write(tenants.join(".acme.yaml.swp"), "not a tenant").unwrap();
    insta::assert_snapshot!(stderr_of(folder.path(), &[]));
}

#[test]
fn variables_win_over_the_file_and_are_named_in_faults() {
    let folder = folder_with("listen: { http: 127.0.0.1:1 }\nrating: { threshold: 0.5 }\n", GOOD_TENANT);
    let good = [
        ("OPENCLAW_LISTEN__HTTP", "127.0.0.1:2"),
        ("OPENCLAW_METRICS__PUBLIC", "true"),
        ("OPENCLAW_JOURNAL__EMBEDDED__SEGMENT_BYTES", "1048576"),
        ("RATING_THRESHOLD", "0.9"),
        ("LOG_LEVEL", "debug"),
        ("OPENCLAW_SERVICE_HOST", "10.0.0.1"),
        ("OPENCLAW_DATA__", ""),
    ];
    assert_eq!(check(folder.path(), &good).status.code(), Some(0));
    let bad = [
        ("OPENCLAW_LISTEN__HTTP", "nowhere"),
        ("OPENCLAW_METRICS__PUBLIC", "maybe"),
        ("OPENCLAW_METRIX__PUBLIC", "true"),
        ("OPENCLAW_JOURNAL__EMBEDDED__SEGMENT_BYTES", "1"),
        ("RATING_THRESHOLD", "2"),
        ("LOG_LEVEL", "loud"),
    ];
    insta::assert_snapshot!(stderr_of(folder.path(), &bad));
}

#[test]
fn secrets_come_from_files_and_variables_and_are_never_shown() {
    let tenant = "tenant: acme
receivers:
  - name: ops
    webhook_configs:
      - { url: { file: url }, secret: { env: KEY } }
      - { url: { file: bad-url }, secret: { env: BAD_KEY } }
route: { receiver: ops }
";
    let folder = folder_with("", tenant);
    fs::write(folder.path().join("tenants/url"), "https://example.com/hidden\n").unwrap();
    fs::write(folder.path().join("tenants/bad-url"), "hidden-but-no-url\n").unwrap();
    let variables = [("KEY", "whsec_aGlkZGVuLWhpZGRlbi1oaWRkZW4="), ("BAD_KEY", "whsec_hidden!")];
    let stderr = stderr_of(folder.path(), &variables);
    assert!(!stderr.contains("hidden"), "{stderr}");
    insta::assert_snapshot!(stderr);
}

#[test]
fn tenants_take_secrets_and_templates_from_where_the_operator_lists() {
    let tenant = "tenant: acme
templates: [../words.tmpl, words.tmpl]
receivers:
  - name: ops
    webhook_configs:
      - { url: { file: ../secrets/url }, secret: { env: ACME_KEY } }
      - { url: { file: /etc/hostname }, secret: { env: OTHER_KEY } }
      - { url_file: ../openclaw.yaml }
      - { url_file: /nowhere/at/all, http_config: { tls_config: { ca_file: ../secrets/../openclaw.yaml } } }
route: { receiver: ops }
jwt: { jwks_file: ../openclaw.yaml }
";
    let folder = folder_with("tenant_secrets: { folders: [secrets], variables: [ACME_] }\n", tenant);
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    fs::create_dir(folder.path().join("secrets")).unwrap();
    write("secrets/url", "https://example.com/hidden\n");
    write("words.tmpl", "");
    write("tenants/words.tmpl", "");
    let key = "whsec_aGlkZGVuLWhpZGRlbi1oaWRkZW4=";
    insta::assert_snapshot!(stderr_of(folder.path(), &[("ACME_KEY", key), ("OTHER_KEY", key)]));
    let own = "tenant: globex
templates: [words.tmpl]
receivers: [{ name: ops, webhook_configs: [{ url_file: url, secret: { env: ACME_KEY } }] }]
route: { receiver: ops }
";
    fs::remove_file(folder.path().join("tenants/acme.yaml")).unwrap();
    fs::create_dir(folder.path().join("tenants/globex")).unwrap();
    write("tenants/globex/tenant.yaml", own);
    write("tenants/globex/words.tmpl", "");
    write("tenants/globex/url", "https://example.com/hidden\n");
    let output = check(folder.path(), &[("ACME_KEY", key)]);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn the_examples_are_valid() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let output = check(&examples, &[]);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "openclaw.yaml is valid: 1 tenant, 3 receivers\n");
}

#[test]
fn a_tenant_with_limits_alone_has_no_receivers() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("tenants")).unwrap();
    fs::write(folder.path().join("openclaw.yaml"), "").unwrap();
    let limits = "tenant: shop\nlimits: { policies: { api: { rate: 5/s, burst: 5 } } }\n";
    fs::write(folder.path().join("tenants/shop.yaml"), limits).unwrap();
    let output = check(folder.path(), &[]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "openclaw.yaml is valid: 1 tenant, 0 receivers\n");
}
