//! Translations beside what Go makes of the originals.

use super::*;
use openclaw_delivery::template::{Rendering, SampleGroup, Source, TemplateSet, sample_groups};
use openclaw_delivery::webhook;
use proptest::prelude::*;
use std::path::Path;
use std::process::Command;

const FILE: &str = include_str!("corpus/slack.tmpl");
const FIELDS: &str = include_str!("corpus/fields.txt");
const EXTERNAL_URL: &str = "https://alerts.example";
const BETWEEN: &str = "\n=====\n";

/// The texts of settings as Go's parts, so that all are rendered at once.
fn with_fields() -> (String, Vec<String>) {
    let mut file = FILE.to_owned();
    let mut names = Vec::new();
    for (index, field) in FIELDS.split("\n---\n").enumerate() {
        let name = format!("field {index}");
        file.push_str(&format!("{{{{ define \"{name}\" }}}}{field}{{{{ end }}}}\n"));
        names.push(name);
    }
    (file, names)
}

fn amtool() -> Option<&'static str> {
    let found = Command::new("amtool").arg("--version").output().is_ok_and(|output| output.status.success());
    assert!(found || std::env::var_os("CI").is_none(), "`amtool` must be on the PATH in CI");
    found.then_some("amtool")
}

/// What Go makes of all named parts, in order.
fn rendered_by_go(amtool: &str, folder: &Path, names: &[String], group: &SampleGroup) -> Vec<String> {
    let data = folder.join(format!("{}.json", group.name));
    std::fs::write(&data, webhook::body(&group.notification, 0, EXTERNAL_URL)).unwrap();
    let uses: Vec<String> = names.iter().map(|name| format!("{{{{ template {name:?} . }}}}")).collect();
    let output = Command::new(amtool)
        .env("TZ", "UTC")
        .args(["template", "render"])
        .arg(format!("--template.glob={}", folder.join("*.tmpl").display()))
        .arg(format!("--template.text={}", uses.join(BETWEEN)))
        .arg(format!("--template.data={}", data.display()))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}: {}", group.name, String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().split(BETWEEN).map(str::to_owned).collect()
}

fn rendered_by_us(set: &TemplateSet, text: &str, group: &SampleGroup) -> String {
    let template = set.template(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let rendering = Rendering::new(&group.notification, EXTERNAL_URL, group.notification.decided_at);
    rendering.render(&template).unwrap_or_else(|error| panic!("{}: {error}: {text}", group.name))
}

fn set_of(file: &str) -> TemplateSet {
    let translated = translate_file(file, None);
    assert_eq!(translated.losses, [], "{}", translated.text);
    let source = Source { name: "corpus".to_owned(), text: translated.text.clone() };
    TemplateSet::new(&[source]).unwrap_or_else(|errors| panic!("{errors:#?}\n{}", translated.text))
}

#[test]
fn reads_as_gos() {
    let Some(amtool) = amtool() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (file, fields) = with_fields();
    std::fs::write(folder.path().join("corpus.tmpl"), &file).unwrap();
    let nodes = parser::parse(&file).unwrap();
    let names: Vec<String> = parser::defines(&nodes)
        .iter()
        .map(|define| define.name.clone())
        // These take an alert or labels, not the whole; others use them.
        .filter(|name| name != "__line" && name != "team.block")
        .collect();
    let set = set_of(&file);
    let mut compared = 0;
    for group in sample_groups() {
        let wants = rendered_by_go(amtool, folder.path(), &names, &group);
        assert_eq!(wants.len(), names.len(), "{}", group.name);
        for (name, want) in names.iter().zip(&wants) {
            let ours = rendered_by_us(&set, &format!("{{% include {name:?} %}}"), &group);
            assert_eq!(&ours, want, "{name} with {}", group.name);
            compared += 1;
        }
        for (field, name) in FIELDS.split("\n---\n").zip(&fields) {
            let want = &wants[names.iter().position(|known| known == name).unwrap()];
            let translated =
                translate_field(field, None).unwrap_or_else(|losses| panic!("{losses:?}: {field}"));
            let ours = rendered_by_us(&set, &translated, &group);
            assert_eq!(&ours, want, "{translated} with {}", group.name);
            compared += 1;
        }
    }
    assert!(compared > 300, "{compared}");
}

#[test]
fn translations_read_like_their_originals() {
    let check = |go: &str, want: &str| assert_eq!(translate_field(go, None).as_deref(), Ok(want), "{go}");
    check("{{ .Status | toUpper }}", "{{ Status | toUpper }}");
    check(
        "{{ range .Alerts -}} {{ .Labels.job }} {{- end }}",
        "{% for alert in Alerts -%} {{ alert.Labels.job }} {%- endfor %}",
    );
    check(
        "{{ if gt (len .Alerts.Firing) 0 }}a{{ else if .CommonLabels.x }}b{{ end }}",
        "{% if len(Alerts.Firing) > 0 %}a{% elif CommonLabels.x %}b{% endif %}",
    );
    check(
        "{{ .GroupLabels.SortedPairs.Values | join \" \" }}",
        "{{ GroupLabels.SortedPairs.Values | join(\" \") }}",
    );
    check(
        "{{ with .CommonAnnotations.summary }}{{ . }}{{ end }}",
        "{% if CommonAnnotations.summary %}{{ CommonAnnotations.summary }}{% endif %}",
    );
    check(
        "{{ $n := 1 }}{{ range .Alerts }}{{ $n = 2 }}{{ end }}{{ $n }}",
        "{% set n = namespace(value=1) %}{% for alert in Alerts %}{% set n.value = 2 %}{% endfor %}{{ n.value }}",
    );
    check("{{ template \"a.b\" . }}", "{% with dot = dot %}{% include \"a.b\" %}{% endwith %}");
}

#[test]
fn what_has_no_equal_is_told_with_its_line() {
    let check = |go: &str, line: usize, part: &str| {
        let losses = translate_field(go, None).unwrap_err();
        assert_eq!(losses[0].line, line, "{losses:?}");
        assert!(losses[0].reason.contains(part), "{losses:?}");
    };
    check("a\n{{ .Nope }}", 2, "`.Nope` is not a part of the data");
    check("{{ toDate \"2006\" .Status }}", 1, "function `toDate` has no equal");
    check("\n\n{{ if .Status }}", 3, "has no `end`");
    check("{{ end }}", 1, "without a beginning");
    check("{{ $x }}", 1, "`$x` is never set");
    check("{{ define \"a\" }}{{ end }}", 1, "move it to a file");
    check("{{ .Status", 1, "never closed");
    check("{{ \"a", 1, "never closed");
    check("{{ (index .Alerts 0).StartsAt.AddDate 1 2 3 }}", 1, "`AddDate` has no equal");
}

#[test]
fn a_lost_part_stays_as_a_comment() {
    let translated =
        translate_file("{{ define \"a\" }}{{ call .X }} #} {{ end }}{{ define \"b\" }}fine{{ end }}", None);
    insta::assert_snapshot!(translated.text);
    assert_eq!(translated.losses.len(), 1);
    let source = Source { name: "x".to_owned(), text: translated.text };
    TemplateSet::new(&[source]).unwrap();
}

/// Pieces that meet in templates, in any order.
fn soup() -> impl Strategy<Value = String> {
    let pieces = [
        "{{",
        "}}",
        "{{-",
        " -}}",
        "{{ if .Status }}",
        "{{ else }}",
        "{{ else if $x }}",
        "{{ end }}",
        "{{ range .Alerts }}",
        "{{ with $x := .CommonLabels }}",
        "{{ $x := 1 }}",
        "{{ $x = 2 }}",
        "{{/* c */}}",
        "{{ template \"a\" . }}",
        "{{ define \"a\" }}",
        "{%",
        "{#",
        "#}",
        "\"",
        "`",
        "(",
        ")",
        ".",
        "|",
        " ",
        "\n",
        "é",
        "$",
        "1e9",
        "0x",
        "\\",
        "eq",
        "{{ .Labels.x | join \",\" }}",
        "{{ break }}",
        "{{ block \"b\" . }}",
        "text",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..14).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn any_text_is_translated_or_refused(text in prop_oneof![soup(), any::<String>()]) {
        let translated = translate_file(&text, None);
        let source = Source { name: "x".to_owned(), text: translated.text };
        // What is translated is a template, whatever it says.
        if let Err(errors) = TemplateSet::new(&[source]) {
            let told: Vec<_> = errors.iter().filter(|error| !error.detail.starts_with("unknown part")).collect();
            prop_assert!(told.is_empty(), "{:?}", told);
        }
        if let Ok(field) = translate_field(&text, None)
            && let Err(error) = TemplateSet::default().template(&field)
        {
            prop_assert!(error.detail.starts_with("unknown part"), "{}: {}", error, field);
        }
    }
}

#[test]
fn marks_of_ours_that_were_text_stay_text() {
    for mark in ["{#", "{%", "#}", "{% enddefine %}", "{# {{ end }}{{ define \"c\" }}{%"] {
        for (open, name) in [("{{ define \"a\" }}", "a"), ("{{ block \"a\" . }}", "a")] {
            let translated = translate_file(&format!("{open}{mark}{{{{ end }}}}"), None);
            let source = Source { name: "x".to_owned(), text: translated.text };
            let set =
                TemplateSet::new(std::slice::from_ref(&source)).unwrap_or_else(|_| panic!("{source:?}"));
            assert!(set.part(name).is_ok(), "{source:?}");
        }
    }
}

#[test]
fn nesting_has_a_bound() {
    for (open, close) in [("{{ if true }}", "{{ end }}"), ("{{ range .Alerts }}{{ else }}", "{{ end }}")] {
        assert!(translate_field(&(open.repeat(5000) + &close.repeat(5000)), None).is_err());
    }
    let chain = format!("{{{{ if true }}}}{}{{{{ end }}}}", "{{ else if true }}".repeat(5000));
    assert!(translate_field(&chain, None).is_err());
    assert!(translate_field(&format!("{{{{ {}1{} }}}}", "(".repeat(5000), ")".repeat(5000)), None).is_err());
}
