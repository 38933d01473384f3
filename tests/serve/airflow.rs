//! The DAG that ships, run by a real Airflow on what was recorded. Airflow takes
//! half a minute for a run, most of which it waits.

use crate::life::{record, record_nights};
use crate::support::Folder;
use crate::support::programs;
use crate::support::server::{SERVICE, SILENT};
use rusqlite::Connection;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const TRAINING: &str = "training: { enabled: false, days: 20, quantile: 0.98 }\n";

/// Does its work, and says the first time that it has failed.
const FLAKY: &str = r#"#!/bin/sh
"$OPENCLAW_REAL" "$@" || exit
case "$2" in
extract | train | push)
    tried=$0.$2
    [ -e "$tried" ] || { touch "$tried" && exit 1; }
    ;;
esac
"#;

struct Airflow {
    program: PathBuf,
    folder: Folder,
}

impl Airflow {
    fn new() -> Option<Self> {
        let program = programs::find("airflow");
        let is_checked = std::env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(program.is_some() || !is_checked, "`airflow` is needed: run scripts/test");
        let folder = Folder::with_service(&format!("{SERVICE}{TRAINING}"), &[("acme", SILENT)]);
        let airflow = Self { program: program?, folder };
        let flaky = airflow.path("flaky");
        fs::write(&flaky, FLAKY).unwrap();
        fs::set_permissions(&flaky, fs::Permissions::from_mode(0o755)).unwrap();
        let made = airflow.run(&["db", "migrate"]);
        assert!(made.status.success(), "{}", said(&made));
        Some(airflow)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let dags = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/airflow/dags");
        let mut command = Command::new(&self.program);
        command.args(arguments).current_dir(self.folder.path()).env_clear().env("PATH", path);
        command.env("HOME", self.path("home")).env("AIRFLOW_HOME", self.path("airflow"));
        command.env("AIRFLOW__CORE__DAGS_FOLDER", dags).env("PYTHONDONTWRITEBYTECODE", "1");
        command.env("AIRFLOW__CORE__LOAD_EXAMPLES", "False");
        command.env("AIRFLOW__USAGE_DATA_COLLECTION__ENABLED", "False");
        for (variable, value) in [("CONFIG", "openclaw.yaml"), ("BIN", "flaky"), ("WORK", "work")] {
            command.env(format!("AIRFLOW_VAR_OPENCLAW_{variable}"), self.path(value));
        }
        command.env("AIRFLOW_VAR_OPENCLAW_RETRY_S", "1");
        command.env("OPENCLAW_REAL", env!("CARGO_BIN_EXE_openclaw"));
        command.output().unwrap()
    }

    /// Runs the whole DAG for a day.
    fn run_dag(&self, day: &str) -> Output {
        self.run(&["dags", "test", "openclaw_retrain", day])
    }

    /// What became of each task of the last run, in the order of their names,
    /// and how often it was tried.
    fn states(&self) -> Vec<(String, String, u32)> {
        let database = Connection::open(self.path("airflow/airflow.db")).unwrap();
        let ask = "SELECT task_id, state, try_number FROM task_instance WHERE run_id = \
                   (SELECT run_id FROM dag_run ORDER BY id DESC LIMIT 1) ORDER BY task_id";
        let mut asked = database.prepare(ask).unwrap();
        let rows = asked.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
        rows.map(Result::unwrap).collect()
    }

    fn models(&self) -> Vec<String> {
        let listed: Value =
            serde_json::from_str(&self.folder.run(&["model", "list", "--output", "json"])).unwrap();
        let models = listed["models"].as_array().or(listed.as_array()).unwrap();
        models.iter().map(|model| model["name"].as_str().unwrap().to_owned()).collect()
    }

    /// What is left in the folder of what is under way.
    fn left(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("work")).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// The report of the last run.
    fn report(&self) -> Value {
        let reports = fs::read_dir(self.path("work/reports")).unwrap();
        let newest = reports
            .map(|entry| entry.unwrap())
            .max_by_key(|entry| entry.metadata().unwrap().modified().unwrap());
        serde_json::from_slice(&fs::read(newest.unwrap().path().join("report.json")).unwrap()).unwrap()
    }
}

fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat()
}

fn of_each(states: &[(&str, &str, u32)]) -> Vec<(String, String, u32)> {
    states.iter().map(|(task, state, tries)| ((*task).to_owned(), (*state).to_owned(), *tries)).collect()
}

#[test]
fn airflow_makes_one_model_of_two_tries_and_none_that_a_gate_refuses() {
    let Some(airflow) = Airflow::new() else { return };
    record_nights(&airflow.folder);
    let done = airflow.run_dag("2026-11-20");
    assert!(done.status.success(), "{}", said(&done));
    let tries = [("clean", 1), ("extract", 2), ("push", 2), ("train", 2), ("validate", 1)];
    assert_eq!(airflow.states(), of_each(&tries.map(|(task, tries)| (task, "success", tries))));
    let [model] = &airflow.models()[..] else { panic!("{:?}", airflow.models()) };
    let inspected = airflow.folder.run(&["model", "inspect", model, "--output", "json"]);
    let inspected: Value = serde_json::from_str(&inspected).unwrap();
    assert_eq!(inspected["card"]["quantile"], serde_json::json!([0.98, 0.98]), "{inspected}");
    assert_eq!(airflow.left(), ["reports"]);
    assert!(airflow.report()["gates"].as_array().unwrap().len() > 20);

    // Another kind of traffic these days: a model of it is refused.
    record(&airflow.folder, 1, 300, |index| if index % 9 == 0 { 40.0 } else { 0.05 });
    let refused = airflow.run_dag("2026-11-21");
    assert!(!refused.status.success(), "{}", said(&refused));
    let states = [
        ("clean", "success", 1),
        ("extract", "success", 1),
        ("push", "upstream_failed", 0),
        ("train", "success", 1),
        ("validate", "failed", 1),
    ];
    assert_eq!(airflow.states(), of_each(&states), "{}", said(&refused));
    assert_eq!(airflow.models(), [model.as_str()]);
    assert_eq!(airflow.left(), ["reports"]);
    let report = airflow.report();
    let failed = |gate: &Value| {
        gate["name"].as_str().unwrap().starts_with("drift of") && gate["value"].as_f64() > Some(0.25)
    };
    assert!(report["gates"].as_array().unwrap().iter().any(failed), "{report}");
}

#[test]
fn too_little_is_no_model() {
    let folder = Folder::with_service(&format!("{SERVICE}{TRAINING}"), &[("acme", SILENT)]);
    record(&folder, 1, 20, |_| 1.0);
    let arguments = ["model", "train", "--min-rows", "5000", "--output", "new"];
    let output = folder.command(&Default::default()).args(arguments).output().unwrap();
    let said = said(&output);
    assert!(output.status.code() == Some(1) && said.contains("too few to learn from"), "{said}");
    assert!(!folder.path().join("new").exists());
}
