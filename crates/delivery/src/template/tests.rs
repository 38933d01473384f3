//! Templates on sample groups.

use super::*;
use crate::fixture::{NOW, alert, page};

fn rendered(set: &TemplateSet, text: &str, group: &SampleGroup) -> Result<String, RenderError> {
    let now = group.notification.decided_at;
    let rendering = Rendering::new(&group.notification, "https://openclaw.example", now);
    rendering.render(&set.template(text).unwrap())
}

fn firing(text: &str) -> Result<String, RenderError> {
    rendered(&TemplateSet::default(), text, &sample_groups()[0])
}

#[test]
fn names_and_functions() {
    for (text, want) in [
        ("{{ Status | toUpper }} {{ len(Alerts) }}", "FIRING 1"),
        ("{{ GroupLabels }}", "alertname=HighLatency, cluster=eu"),
        ("{{ CommonLabels.Remove(GroupLabels.Names) }}", "instance=eu-1:9090, job=api, severity=critical"),
        ("{{ CommonLabels.nope }}|{{ CommonLabels.nope.deeper }}|{{ Alerts[7].Labels.x }}", "||"),
        ("{{ CommonLabels.nope | default('nobody') }}", "nobody"),
        (
            "{% for name, value in GroupLabels.items() %}{{ name }}:{{ value }};{% endfor %}",
            "alertname:HighLatency;cluster:eu;",
        ),
        ("{{ GroupLabels.Values }}", "[HighLatency eu]"),
        ("{{ Alerts[0].StartsAt }}", "2026-01-15 09:19:57.123456789 +0000 UTC"),
        ("{{ Alerts[0].EndsAt }}", "0001-01-01 00:00:00 +0000 UTC"),
        ("{{ Alerts[0].StartsAt | tz('Europe/Paris') | date('Mon 15:04 MST') }}", "Thu 10:19 CET"),
        ("{{ since(Alerts[0].StartsAt) | humanizeDuration }}", "10m 2s"),
        ("{{ now().Unix() }}", "1768469400"),
        ("{{ 'a.b' | reReplaceAll('([a-z])[.]', '$1-') }}{{ match('^a', 'ab') }}", "a-btrue"),
        ("{{ Score }} {{ Factors }}", "0.7773 severity +2.00, source reliability +0.25"),
        ("{{ Tenant }} {{ Kind }} {{ NotificationReason }}", "acme page first notification"),
        ("{{ GroupLabels | toJson }}", r#"{"alertname":"HighLatency","cluster":"eu"}"#),
        ("{% include \"slack.default.title\" %}", "[FIRING:1] HighLatency eu (eu-1:9090 api critical)"),
        ("no template", "no template"),
    ] {
        assert_eq!(firing(text).as_deref(), Ok(want), "{text}");
    }
}

fn source(text: &str) -> Source {
    Source { name: "messages.tmpl".to_owned(), text: text.to_owned() }
}

#[test]
fn parts_are_shared_and_later_ones_win() {
    let files = [
        source("{% define \"a\" %}{{ dot.Status }} {% include \"b\" %}{% enddefine %}"),
        source("{% define \"b\" %}b{% enddefine %}{% define \"__subject\" %}mine{% enddefine %}"),
    ];
    let set = TemplateSet::new(&files).unwrap();
    let group = &sample_groups()[0];
    assert_eq!(rendered(&set, "{% include 'a' %}", group).unwrap(), "firing b");
    assert_eq!(rendered(&set, "{% include 'slack.default.title' %}", group).unwrap(), "mine");
    assert_eq!(set.names().collect::<Vec<_>>(), ["a", "b", "__subject"]);
    assert_eq!(set, TemplateSet::new(&files).unwrap());
    assert_ne!(set, TemplateSet::default());
}

#[test]
fn faults_are_told_together_with_file_and_line() {
    let set = TemplateSet::new(&[
        source("{% define \"a\" %}\n{{ nope }}\n{% include \"gone\" %}{% enddefine %}"),
        source("{% define \"b\" %}{{ dot.x }}{% enddefine %}"),
    ]);
    let told: Vec<_> = set.unwrap_err().iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(told.join("\n"));
    let broken = TemplateSet::new(&[
        source("\n{% define \"a\" %}\n{% if %}{% enddefine %}"),
        source("{% define \"b\" %}"),
    ]);
    let told: Vec<_> = broken.unwrap_err().iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn a_field_is_checked_when_it_is_set() {
    let set = TemplateSet::default();
    for (text, line, part) in [
        ("{{ Statsu }}", 1, "unknown name `Statsu`: known are dot, Receiver"),
        ("\n{{ ' | no ' ~ Status | upcase }}", 2, "unknown filter `upcase`"),
        ("{% include 'gone' %}", 1, "unknown part `gone`"),
        ("{% for a in Alerts %}", 1, "unexpected end of input"),
        ("{% define \"a\" %}{% enddefine %}", 1, "belongs in a file"),
    ] {
        let error = set.template(text).unwrap_err();
        assert_eq!(error.line, line, "{error}");
        assert!(error.detail.contains(part), "{error}");
    }
}

#[test]
fn work_and_text_have_bounds() {
    let doubled =
        "{% set x = namespace(v='aaaaaaaa') %}{% for i in range(60) %}{% set x.v = x.v ~ x.v %}{% endfor %}";
    let set =
        TemplateSet::new(&[source("{% define \"loop\" %}{% include \"loop\" %}{% enddefine %}")]).unwrap();
    let fanned = source("{% define \"fan\" %}{% include \"fan\" %}{% include \"fan\" %}{% enddefine %}");
    let fanned = TemplateSet::new(&[fanned]).unwrap();
    let group = &sample_groups()[0];
    for (set, text) in [
        (&TemplateSet::default(), doubled),
        (
            &TemplateSet::default(),
            "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}",
        ),
        (&TemplateSet::default(), "{% for a in range(30000) %}xxxxxxxxxx{% endfor %}"),
        (&TemplateSet::default(), "{{ 'x' * 99999999999 }}"),
        (&set, "{% include 'loop' %}"),
        (&fanned, "{% include 'fan' %}"),
        (&TemplateSet::default(), "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"),
        (&TemplateSet::default(), "{{ printf('%99999s', 'x') * 99999 }}"),
        (&TemplateSet::default(), "{{ match('(x{999}){999}', 'x') }}"),
    ] {
        assert!(rendered(set, text, group).is_err(), "{text}");
    }
}

#[test]
fn every_part_that_comes_along_can_be_shown() {
    let file = source(include_str!("defaults.tmpl"));
    let set = TemplateSet::new(&[file]).unwrap();
    let names: Vec<_> = set.names().collect();
    assert!(names.len() > 60, "{}", names.len());
    for group in sample_groups() {
        let rendering =
            Rendering::new(&group.notification, "https://openclaw.example", group.notification.decided_at);
        // These take a list of alerts, not the whole.
        for name in names.iter().filter(|name| !name.starts_with("__text") && !name.ends_with("instances")) {
            rendering
                .render(&TemplateSet::default().part(name).unwrap())
                .unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
    assert_eq!(sample_groups().len(), 6);
}

mod fuzz {
    use super::*;
    use proptest::prelude::*;

    fn soup() -> impl Strategy<Value = String> {
        let pieces = [
            "{{ ",
            " }}",
            "{% if ",
            "{% for a in ",
            " %}",
            "{% endif %}",
            "{% endfor %}",
            "Status",
            "Alerts",
            "dot",
            ".Labels",
            ".Firing",
            "[0]",
            ".StartsAt",
            " | ",
            "date('2006')",
            "tz('UTC')",
            "len",
            "join(',')",
            "printf('%d %s')",
            "humanizeDuration",
            "since(Alerts[0].StartsAt)",
            "Score",
            "-1",
            "'x'",
            "pairs(dot)",
            "elements(9)",
            "toJson",
            "slice('äb', 1, 2)",
            "index(Alerts, 9)",
            ".Format('x')",
            ".Sub(Alerts[0].EndsAt)",
            "now()",
        ];
        prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..10).prop_map(|parts| parts.concat())
    }

    proptest! {
        // Each one compiles and renders two templates, unoptimised.
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_template_is_refused_or_rendered(text in soup(), expression in soup()) {
            let set = TemplateSet::default();
            for text in [text, format!("{{{{ {expression} }}}}")] {
                if let Ok(template) = set.template(&text) {
                    let group = &sample_groups()[3];
                    let _ = Rendering::new(&group.notification, "", group.notification.decided_at).render(&template);
                }
            }
        }

        #[test]
        fn any_layout_formats(layout in "[ -~é]{0,20}|(2006|01|02|Jan|Mon|_2|__2|MST|-07|Z07:00|15|PM|[.]000|[.]999| ){0,8}") {
            let text = format!("{{{{ Alerts[0].StartsAt | date({}) }}}}", serde_json::Value::from(layout.as_str()));
            let group = &sample_groups()[2];
            let template = TemplateSet::default().template(&text).unwrap();
            prop_assert!(Rendering::new(&group.notification, "", group.notification.decided_at).render(&template).is_ok());
        }
    }
}

#[test]
fn values_are_no_markup_where_html_is_written() {
    let file = "{% define \"part\" %}<i>{{ dot.CommonLabels.x }}</i>{% enddefine %}";
    let set = TemplateSet::new(&[Source { name: "x".to_owned(), text: file.to_owned() }]).unwrap();
    let notification = page(vec![alert(&[("x", "<b>&\"'")], &[])]);
    let rendering = Rendering::new(&notification, "", NOW);
    for (text, want) in [
        ("<b>{{ CommonLabels.x }}</b>", "<b>&lt;b&gt;&amp;&#34;&#39;</b>"),
        ("{% include \"part\" %}", "<i>&lt;b&gt;&amp;&#34;&#39;</i>"),
        (
            "{% set a %}<u>{{ CommonLabels.x | toUpper }}</u>{% endset %}{{ a }}",
            "<u>&lt;B&gt;&amp;&#34;&#39;</u>",
        ),
        ("{{ safeHtml(CommonLabels.x) }}", "<b>&\"'"),
        ("{{ html(CommonLabels.x) }}", "&lt;b&gt;&amp;&#34;&#39;"),
        ("{{ CommonLabels }}", "x=&lt;b&gt;&amp;&#34;&#39;"),
        ("1 < 2", "1 < 2"),
    ] {
        assert_eq!(rendering.render_html(&set.template(text).unwrap()).unwrap(), want, "{text}");
    }
    let plain = rendering.render(&set.template("{% include \"part\" %}").unwrap()).unwrap();
    assert_eq!(plain, "<i><b>&\"'</i>");
}
