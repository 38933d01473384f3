//! Matchers, wherever they are written.

use super::{post_silence, silence};
use crate::expect::{names, same, text};
use crate::suite::Outcome;
use crate::support::Alert;
use crate::target::{SOON, Target};
use serde_json::{Value, json};

/// One alert a line of a table: its label `x`.
fn fire_with(target: &Target, values: &[&str]) -> Outcome {
    target.fire(
        &values.iter().map(|value| Alert::new(&format!("v{value}")).label("x", value)).collect::<Vec<_>>(),
    )
}

/// Starts with a route for each of these lists of matchers, in YAML.
fn start_with_routes(target: &mut Target, matchers: &[&str]) -> Outcome {
    let mut routes = String::new();
    let mut receivers = "receivers:\n- { name: rest }\n".to_owned();
    for (n, matchers) in matchers.iter().enumerate() {
        routes += &format!("  - receiver: r{n}\n    continue: true\n    matchers: {matchers}\n");
        receivers += &format!("- {{ name: r{n} }}\n");
    }
    target.start(&format!("route:\n  receiver: rest\n  group_wait: 1h\n  routes:\n{routes}{receivers}"))
}

/// The alerts of a receiver, once all that was posted has been dispatched.
fn received(target: &Target, receiver: &str) -> Result<String, String> {
    target.wait("all are dispatched", || {
        let unprocessed = target.listed("?active=false&silenced=false&inhibited=false")?;
        Ok((unprocessed == json!([]) && names(&target.listed("")?) != [""; 0]).then_some(()))
    })?;
    Ok(names(&target.listed(&format!("?receiver={receiver}"))?).join(" "))
}

pub(crate) fn four_operators_in_filters(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    fire_with(target, &["1", "2", "12"])?;
    for (filter, want) in [
        (r#"x="1""#, "v1"),
        (r#"x!="1""#, "v12 v2"),
        (r#"x=~"1.?""#, "v1 v12"),
        (r#"x!~"1.?""#, "v2"),
        (r#"x = "1""#, "v1"),
    ] {
        same(filter, names(&target.listed(&format!("?filter={filter}"))?).join(" "), want)?;
    }
    Ok(())
}

pub(crate) fn four_operators_in_routes(target: &mut Target) -> Outcome {
    start_with_routes(target, &["['x=\"1\"']", "['x!=\"1\"']", "['x=~\"1.?\"']", "['x!~\"1.?\"']"])?;
    fire_with(target, &["1", "2", "12"])?;
    for (receiver, want) in [("r0", "v1"), ("r1", "v12 v2"), ("r2", "v1 v12"), ("r3", "v2")] {
        same(receiver, received(target, receiver)?, want)?;
    }
    Ok(())
}

pub(crate) fn four_operators_in_silences(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    fire_with(target, &["1", "2", "12"])?;
    for (operator, value, want) in
        [("=", "1", "v1"), ("!=", "1", "v12 v2"), ("=~", "1.?", "v1 v12"), ("!~", "1.?", "v2")]
    {
        let id = post_silence(target, &silence(&[("x", operator, value)]))?;
        let silenced = names(&target.listed("?active=false&unprocessed=false")?).join(" ");
        same(operator, silenced, want)?;
        super::expire_silence(target, &id)?;
    }
    Ok(())
}

pub(crate) fn four_operators_in_inhibition(target: &mut Target) -> Outcome {
    let rules = ["x=\"1\"", "x!=\"1\"", "x=~\"1.?\"", "x!~\"1.?\""];
    let rules: String = rules
        .iter()
        .enumerate()
        .map(|(n, matcher)| {
            format!("- source_matchers: ['s=\"{n}\"']\n  target_matchers: ['{matcher}', 's=\"\"']\n")
        })
        .collect();
    target.start(&format!("inhibit_rules:\n{rules}{SOON}"))?;
    fire_with(target, &["1", "2", "12"])?;
    for (n, want) in ["v1", "v12 v2", "v1 v12", "v2"].iter().enumerate() {
        let source = || Alert::new("source").label("s", &n.to_string());
        target.fire(&[source()])?;
        target.wait(want, || {
            let quiet = names(&target.listed("?active=false&unprocessed=false")?).join(" ");
            Ok((quiet == *want).then_some(()))
        })?;
        target.fire(&[source().resolved()])?;
    }
    Ok(())
}

pub(crate) fn lists_and_braces_in_a_configuration(target: &mut Target) -> Outcome {
    start_with_routes(
        target,
        &["['{x=\"1\",y=~\"a|b\"}']", "['x=\"1\",y=\"a\"']", "['x=\"2\"', 'y!=\"a\"']"],
    )?;
    let alert = |name: &str, x: &str, y: &str| Alert::new(name).label("x", x).label("y", y);
    target.fire(&[
        alert("1a", "1", "a"),
        alert("1b", "1", "b"),
        alert("2a", "2", "a"),
        alert("2b", "2", "b"),
    ])?;
    for (receiver, want) in [("r0", "1a 1b"), ("r1", "1a"), ("r2", "2b")] {
        same(receiver, received(target, receiver)?, want)?;
    }
    Ok(())
}

pub(crate) fn neither_in_a_filter(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    for filter in ["%7Ba=%22b%22%7D", "a=%22b%22,c=%22d%22", "", "a", "=b", "a=%22b"] {
        let answer = target.ask("GET", &format!("/api/v2/alerts?filter={filter}"))?;
        same(filter, answer.status, 400)?;
    }
    Ok(())
}

pub(crate) fn values_need_no_quotes(target: &mut Target) -> Outcome {
    start_with_routes(target, &["[x=1]", "[x=~1.*]", "[x!=1]"])?;
    fire_with(target, &["1", "2", "12"])?;
    for (receiver, want) in [("r0", "v1"), ("r1", "v1 v12"), ("r2", "v12 v2")] {
        same(receiver, received(target, receiver)?, want)?;
    }
    for (filter, want) in [("x=1", "v1"), ("x=~1.*", "v1 v12"), ("x!=1", "v12 v2")] {
        same(filter, names(&target.listed(&format!("?filter={filter}"))?).join(" "), want)?;
    }
    Ok(())
}

/// What one parser alone can read: names of any letters, escapes of patterns.
pub(crate) fn what_either_parser_reads_is_good(target: &mut Target) -> Outcome {
    start_with_routes(target, &["['größe=1']", "['\"a b\"=\"1\"']", "['x=~\"\\d+\"']", "['x=a b']"])?;
    let alert = |name: &str, label: &str, value: &str| Alert::new(name).label(label, value);
    target.fire(&[alert("utf8", "größe", "1"), alert("quoted", "a b", "1"), alert("digits", "x", "12")])?;
    target.fire(&[alert("spaced", "x", "a b")])?;
    let filters = ["größe=1", "\"a b\"=\"1\"", "x=~\"\\d+\"", "x=a b"];
    for (n, (filter, want)) in filters.iter().zip(["utf8", "quoted", "digits", "spaced"]).enumerate() {
        same(filter, names(&target.listed(&format!("?filter={filter}"))?).join(" "), want)?;
        same(filter, received(target, &format!("r{n}"))?, want)?;
    }
    Ok(())
}

pub(crate) fn is_equal_is_true_where_it_is_not_said(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    let mut old = silence(&[("a", "=", "b")]);
    old["matchers"] = json!([{ "name": "a", "value": "b", "isRegex": false }]);
    let id = post_silence(target, &old)?;
    let matcher = target.get(&format!("/api/v2/silence/{id}"))?["matchers"][0].clone();
    same("matcher", matcher, json!({ "name": "a", "value": "b", "isRegex": false, "isEqual": true }))
}

pub(crate) fn maps_of_old_still_load(target: &mut Target) -> Outcome {
    let config = "\
route:
  receiver: rest
  group_wait: 1h
  routes:
  - { receiver: r0, match: { x: \"1\" } }
  - { receiver: r1, match_re: { x: \"1.?\" } }
receivers: [{ name: rest }, { name: r0 }, { name: r1 }]
";
    target.start(config)?;
    fire_with(target, &["1", "2", "12"])?;
    for (receiver, want) in [("r0", "v1"), ("r1", "v12"), ("rest", "v2")] {
        same(receiver, received(target, receiver)?, want)?;
    }
    Ok(())
}

pub(crate) fn a_value_is_unescaped(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    let value = "say \"hi\" \\ over\nnext";
    target.fire(&[Alert::new("odd").label("x", value), Alert::new("plain").label("x", "say")])?;
    let filter = r#"?filter=x="say \"hi\" \\ over\nnext""#;
    let found: Value = target.listed(filter)?;
    same("found", names(&found), ["odd"])?;
    same("label", text(&found, "/0/labels/x")?, value)
}
