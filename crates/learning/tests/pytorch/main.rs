//! PyTorch itself reads our `.pt`, we read its, and both compute the same.

#[path = "../../../../tests/support/programs.rs"]
#[allow(dead_code, reason = "shared with tests that need more of it")]
mod programs;

use openclaw_admission::{Features, Predictor as _, Weights};
use openclaw_alert::Timestamp;
use openclaw_learning::Random;
use openclaw_learning::artifact::{Card, Model};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Debian's PyTorch is for the system's Python, which need not come first.
const PYTHONS: [&str; 2] = ["python3", "/usr/bin/python3"];

fn python() -> Option<&'static str> {
    let arguments = ["-c", "import torch"];
    let has_torch = |python: &&str| {
        Command::new(python).args(arguments).output().is_ok_and(|output| output.status.success())
    };
    let found = PYTHONS.into_iter().find(has_torch);
    found.or_else(|| programs::is_there("python3", &arguments).then_some("python3"))
}

fn row<const N: usize>(random: &mut Random) -> [f32; N] {
    std::array::from_fn(|_| random.normal(0.0, 0.5) as f32)
}

fn numbers(random: &mut Random, count: usize) -> Vec<f32> {
    (0..count).map(|_| random.normal(0.0, 0.5) as f32).collect()
}

fn mlp(hidden: usize, random: &mut Random) -> Weights {
    Weights::Mlp {
        hidden_weight: (0..hidden).map(|_| row(random)).collect(),
        hidden_bias: numbers(random, hidden),
        weight: [numbers(random, hidden), numbers(random, hidden)],
        bias: row(random),
    }
}

fn outputs_of(model: &Model, inputs: &[Features]) -> Vec<[f32; 2]> {
    let mut outputs = vec![[0.0; 2]; inputs.len()];
    model.network().predict(inputs, &mut outputs);
    outputs
}

fn assert_alike(name: &str, ours: &[[f32; 2]], theirs: &[[f32; 2]]) {
    assert_eq!(ours.len(), theirs.len());
    for (ours, theirs) in ours.as_flattened().iter().zip(theirs.as_flattened()) {
        let tolerance = 1e-5 * theirs.abs().max(1.0);
        assert!((ours - theirs).abs() <= tolerance, "{name}: {ours} of ours, {theirs} of PyTorch's");
    }
}

/// Models of ours in a folder, as `.pt` and the rest.
fn write_ours(folder: &Path, random: &mut Random) -> Vec<Model> {
    let linear = Weights::Linear { weight: [row(random), row(random)], bias: row(random) };
    let all = [linear, mlp(32, random), mlp(256, random)];
    let model = |(index, weights): (usize, Weights)| {
        let name = format!("model-2026110{}", index + 1).parse().unwrap();
        let model = Model::new(Card::new(name, Timestamp::from_secs(0), [0.99; 2]), weights).unwrap();
        model.save(folder).unwrap();
        model
    };
    all.into_iter().enumerate().map(model).collect()
}

fn run(python: &str, folder: &Path) -> BTreeMap<String, Vec<[f32; 2]>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pytorch/other_side.py");
    let output = Command::new(python).arg(script).arg(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&fs::read(folder.join("outputs.json")).unwrap()).unwrap()
}

#[test]
fn both_sides_read_the_others_files_and_compute_the_same() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random::new(7);
    let ours = write_ours(&folder.path().join("ours"), &mut random);
    let inputs: Vec<Features> = (0..200).map(|_| row(&mut random)).collect();
    fs::write(folder.path().join("inputs.json"), serde_json::to_vec(&inputs).unwrap()).unwrap();
    let mut theirs = run(python, folder.path());

    for model in &ours {
        let name = model.name().to_string();
        assert_alike(&name, &outputs_of(model, &inputs), &theirs.remove(&name).unwrap());
    }
    assert_eq!(theirs.len(), 6);
    let name = "model-20261122".parse().unwrap();
    for (file, theirs) in theirs {
        let path = folder.path().join(format!("{file}.pt"));
        let model = Model::open(&path, name, Timestamp::from_secs(0)).unwrap();
        assert_alike(&file, &outputs_of(&model, &inputs), &theirs);
    }

    let mut refused = Vec::new();
    for entry in fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        if file.starts_with("refused-") {
            let error = Model::open(&path, name, Timestamp::from_secs(0)).unwrap_err();
            refused.push(format!("{file}: {error}"));
        }
    }
    refused.sort();
    insta::assert_snapshot!(refused.join("\n"));
}
