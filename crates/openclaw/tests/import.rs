//! Alertmanager configurations, and what `openclaw import alertmanager` makes
//! of them: the tenant's file in `.out` and the rest in `.stderr`, beside each.
//! `UPDATE_EXPECT=1 cargo test -p openclaw --test import` writes these anew.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn folder(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import").join(kind)
}

fn cases(kind: &str) -> Vec<PathBuf> {
    let mut cases: Vec<PathBuf> =
        fs::read_dir(folder(kind)).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|path| path.extension().is_some_and(|extension| extension == "yml"));
    cases.sort();
    assert!(!cases.is_empty());
    cases
}

fn import(case: &Path, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_openclaw"))
        .args(["import", "alertmanager"])
        .arg(case.file_name().unwrap())
        .args(["--tenant", "acme"])
        .args(more)
        .current_dir(case.parent().unwrap())
        .env_clear()
        .output()
        .unwrap()
}

fn compare(case: &Path, extension: &str, found: &[u8]) -> Option<String> {
    let beside = case.with_extension(extension);
    let found = String::from_utf8_lossy(found);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&beside, &*found).unwrap();
    }
    let want = fs::read_to_string(&beside).unwrap_or_default();
    (want != found).then(|| format!("{}:\n--- want\n{want}--- found\n{found}", beside.display()))
}

#[test]
fn good_files_are_carried_over_and_losses_listed() {
    let mut differing = Vec::new();
    for case in cases("good") {
        let output = import(&case, &[]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{}: {stderr}", case.display());
        differing.extend(compare(&case, "out", &output.stdout));
        differing.extend(compare(&case, "stderr", &output.stderr));
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

#[test]
fn bad_files_are_refused_with_all_their_faults() {
    let mut differing = Vec::new();
    for case in cases("bad") {
        let output = import(&case, &[]);
        assert_eq!(output.status.code(), Some(1), "{}", case.display());
        assert!(output.stdout.is_empty(), "{}", case.display());
        differing.extend(compare(&case, "stderr", &output.stderr));
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

/// The real program's verdict is ours. A machine without it skips this; the
/// project's own checks bring it along.
#[test]
fn the_verdict_is_the_real_one() {
    let amtool = |case: &Path| Command::new("amtool").arg("check-config").arg(case).output();
    if amtool(&folder("good").join("smallest.yml")).is_err() {
        assert!(std::env::var_os("CI").is_none(), "`amtool` is needed on the path");
        return;
    }
    for (kind, want) in [("good", true), ("bad", false)] {
        for case in cases(kind) {
            let output = amtool(&case).unwrap();
            let said = String::from_utf8_lossy(&output.stdout);
            assert_eq!(output.status.success(), want, "{}: {said}", case.display());
        }
    }
}

#[test]
fn the_imported_file_is_a_tenant_of_the_service() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("tenants")).unwrap();
    fs::write(folder.path().join("openclaw.yaml"), "").unwrap();
    let target = folder.path().join("tenants/acme.yaml");
    let case = self::folder("good").join("templates.yml");
    let to_file = ["--output", target.to_str().unwrap()];
    assert_eq!(import(&case, &to_file).status.code(), Some(0));
    let mode = fs::metadata(&target).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "it holds secrets");
    let check = Command::new(env!("CARGO_BIN_EXE_openclaw"))
        .args(["check", "--config", "openclaw.yaml"])
        .current_dir(folder.path())
        .env_clear()
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&check.stdout), "openclaw.yaml is valid: 1 tenant, 1 receiver\n");
    let before = fs::read_to_string(&target).unwrap();
    let again = import(&case, &to_file);
    assert_eq!(again.status.code(), Some(1), "a file that is there is never replaced");
    assert_eq!(fs::read_to_string(&target).unwrap(), before);
}
