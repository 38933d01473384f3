//! The two programs that are asked.

use super::labels::{self, Labels};
use super::tree::Tree;
use crate::support::server::ServeOptions;
use crate::support::{Folder, programs};
use serde_json::{Value, json};
use std::fs;
use std::process::{Command, Output};

/// What a program says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// Receivers in order, as often as they are told.
    Receivers(Vec<String>),
    /// The configuration is not taken.
    Refused,
}

pub(super) fn amtool(tree: &Tree, labels: &Labels) -> Answer {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("alertmanager.yml");
    fs::write(&file, tree.yaml()).unwrap();
    let output = Command::new(programs::find("amtool").unwrap())
        .args(["config", "routes", "test", "--config.file"])
        .arg(&file)
        .args(labels::words(labels))
        .output()
        .unwrap();
    if !output.status.success() {
        return Answer::Refused;
    }
    // Warnings about the parsers come first.
    let printed = String::from_utf8(output.stdout).unwrap();
    let last = printed.lines().last().unwrap_or_default();
    Answer::Receivers(last.split(',').map(str::to_owned).collect())
}

/// Our answers for sets of labels, from one process.
pub(super) fn ours(tree: &Tree, sets: &[Labels]) -> Vec<Answer> {
    let folder = folder(tree);
    let lines: String = sets.iter().map(|set| format!("{}\n", json!({ "labels": set }))).collect();
    fs::write(folder.path().join("cases.jsonl"), lines).unwrap();
    let output = route_test(&folder, &["--cases", "cases.jsonl"]);
    answers(&output, sets.len())
}

/// Our answer where the labels are arguments.
pub(super) fn ours_by_words(tree: &Tree, labels: &Labels) -> Answer {
    let words = labels::words(labels);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    answers(&route_test(&folder(tree), &words), 1).remove(0)
}

fn folder(tree: &Tree) -> Folder {
    Folder::new(&[("acme", &tree.yaml())])
}

fn route_test(folder: &Folder, arguments: &[&str]) -> Output {
    folder
        .command(&ServeOptions::default())
        .args(["route", "test", "--tenant", "acme", "--config", "openclaw.yaml", "--output", "json"])
        .args(arguments)
        .output()
        .unwrap()
}

fn answers(output: &Output, count: usize) -> Vec<Answer> {
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        assert_ne!(output.status.code(), Some(2), "wrong usage of our own command: {said}");
        return vec![Answer::Refused; count];
    }
    let found: Vec<Answer> = serde_json::Deserializer::from_slice(&output.stdout)
        .into_iter::<Value>()
        .map(|answer| receivers(&answer.unwrap()))
        .collect();
    assert_eq!(found.len(), count, "{}", String::from_utf8_lossy(&output.stdout));
    found
}

fn receivers(answer: &Value) -> Answer {
    let names = answer["receivers"].as_array().unwrap_or_else(|| panic!("no receivers in {answer}"));
    Answer::Receivers(names.iter().map(|name| name.as_str().unwrap().to_owned()).collect())
}
