//! What listings leave out, and in which order they show the rest.

use super::{expire_silence, hours, later, post_silence, silence, silence_named};
use crate::expect::{ensure, names, same, text, texts};
use crate::suite::Outcome;
use crate::support::Alert;
use crate::target::{SOON, Target};
use serde_json::{Value, json};
use std::time::Duration;

/// Routes by a label, one group of several alerts each.
const TWO: &str = "\
route:
  receiver: rest
  group_by: [team]
  group_wait: 100ms
  group_interval: 1s
  routes:
  - { matchers: [team=db], receiver: db }
receivers: [{ name: rest }, { name: db }]
";

fn one_of_each(target: &mut Target) -> Outcome {
    target.start(&format!(
        "inhibit_rules: [{{ source_matchers: [alertname=active], target_matchers: [alertname=inhibited] }}]\n{SOON}"
    ))?;
    target.fire(&["active", "silenced", "inhibited"].map(Alert::new))?;
    silence_named(target, "silenced")?;
    target.wait_state("silenced", "suppressed")?;
    target.wait_state("inhibited", "suppressed")?;
    target.wait_state("active", "active").map(drop)
}

pub(crate) fn states_are_left_out_by_name(target: &mut Target) -> Outcome {
    one_of_each(target)?;
    for (query, want) in [
        ("", vec!["active", "inhibited", "silenced"]),
        ("?active=false", vec!["inhibited", "silenced"]),
        ("?silenced=false", vec!["active", "inhibited"]),
        ("?inhibited=false", vec!["active", "silenced"]),
        ("?unprocessed=false", vec!["active", "inhibited", "silenced"]),
        ("?active=false&silenced=false&inhibited=false", vec![]),
        ("?active=true&silenced=false&inhibited=false", vec!["active"]),
    ] {
        same(query, names(&target.listed(query)?), want)?;
    }
    Ok(())
}

pub(crate) fn what_is_no_boolean_is_false(target: &mut Target) -> Outcome {
    one_of_each(target)?;
    same("active=zz", names(&target.listed("?active=zz")?), ["inhibited", "silenced"])
}

pub(crate) fn groups_leave_states_out_too(target: &mut Target) -> Outcome {
    one_of_each(target)?;
    let shown = |query: &str| -> Result<Vec<String>, String> {
        let groups = target.groups(query)?;
        let mut shown: Vec<_> =
            groups.as_array().into_iter().flatten().flat_map(|group| names(&group["alerts"])).collect();
        shown.sort();
        Ok(shown)
    };
    same("all", shown("")?, ["active", "inhibited", "silenced"])?;
    same("active=false", shown("?active=false")?, ["inhibited", "silenced"])?;
    same("silenced=false", shown("?silenced=false")?, ["active", "inhibited"])?;
    same("inhibited=false", shown("?inhibited=false")?, ["active", "silenced"])
}

pub(crate) fn an_absent_label_is_an_empty_one(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    target.fire(&[Alert::new("with").label("foo", "x"), Alert::new("without")])?;
    for (query, want) in [
        (r#"?filter=foo="""#, "without"),
        (r#"?filter=foo!="""#, "with"),
        (r#"?filter=foo=~"""#, "without"),
        (r#"?filter=foo!~"""#, "with"),
        (r#"?filter=foo=~"x|""#, "with without"),
        (r#"?filter=foo!~"x""#, "without"),
        (r#"?filter=foo!="x""#, "without"),
    ] {
        same(query, names(&target.listed(query)?).join(" "), want)?;
    }
    Ok(())
}

pub(crate) fn patterns_are_anchored_at_both_ends(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    target.fire(&["ab", "b", "bc", "abc"].map(Alert::new))?;
    for (pattern, want) in [("b", "b"), ("a|b", "b"), ("ab|c", "ab"), (".*b", "ab b"), ("(?i)B.?", "b bc")] {
        let query = format!("?filter=alertname=~\"{pattern}\"");
        same(&query, names(&target.listed(&query)?).join(" "), want)?;
        let others = target.listed(&format!("?filter=alertname!~\"{pattern}\""))?;
        let count = 4 - want.split(' ').count();
        same("the others", names(&others).len(), count)?;
    }
    Ok(())
}

pub(crate) fn all_filters_must_match(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    target.fire(&[Alert::new("a").label("x", "1"), Alert::new("b").label("x", "1"), Alert::new("c")])?;
    let both = r#"?filter=x="1"&filter=alertname!="b""#;
    same(both, names(&target.listed(both)?), ["a"])?;
    let groups = target.groups(both)?;
    same("groups", groups.as_array().map_or(0, Vec::len), 1)?;
    same("in the group", names(&groups[0]["alerts"]), ["a"])
}

pub(crate) fn alerts_come_by_fingerprint(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    let alerts: Vec<_> = (0..40).map(|n| Alert::new("many").label("n", &n.to_string())).collect();
    target.fire(&alerts)?;
    let prints = texts(&target.listed("")?, "/fingerprint");
    same("alerts", prints.len(), 40)?;
    ensure!(prints.is_sorted(), "not sorted: {prints:?}");
    Ok(())
}

pub(crate) fn a_receivers_alerts_are_listed_by_pattern(target: &mut Target) -> Outcome {
    target.start(TWO)?;
    target.fire(&[Alert::new("d").label("team", "db"), Alert::new("w").label("team", "web")])?;
    for (query, want) in [
        ("?receiver=db", vec!["d"]),
        ("?receiver=d", vec![]),
        ("?receiver=d.|rest", vec!["d", "w"]),
        ("?receiver=", vec!["d", "w"]),
    ] {
        // Who is told is known as soon as it was dispatched.
        target.wait(query, || Ok((names(&target.listed(query)?) == want).then_some(())))?;
        let groups = target.groups(query)?;
        let mut in_groups: Vec<_> =
            groups.as_array().into_iter().flatten().flat_map(|group| names(&group["alerts"])).collect();
        in_groups.sort();
        same(query, in_groups, want)?;
    }
    same("receivers", target.listed("?receiver=db")?[0]["receivers"].clone(), json!([{ "name": "db" }]))
}

pub(crate) fn groups_are_listed(target: &mut Target) -> Outcome {
    target.start(TWO)?;
    let of = |name: &str, team: &str| Alert::new(name).label("team", team);
    target.fire(&[of("d", "db"), of("e", "db"), of("w", "web"), Alert::new("none")])?;
    let groups = target.wait("three groups", || {
        let groups = target.groups("")?;
        Ok((groups.as_array().map(Vec::len) == Some(3)).then_some(groups))
    })?;
    let told = |group: &Value| {
        let receiver = group["receiver"]["name"].as_str().unwrap_or_default().to_owned();
        (receiver, group["labels"].to_string(), names(&group["alerts"]).join(" "))
    };
    let mut told: Vec<_> = groups.as_array().into_iter().flatten().map(told).collect();
    told.sort();
    let want =
        [("db", r#"{"team":"db"}"#, "d e"), ("rest", r#"{"team":"web"}"#, "w"), ("rest", "{}", "none")];
    same(
        "groups",
        told,
        want.map(|(receiver, labels, names)| (receiver.into(), labels.into(), names.into())).to_vec(),
    )
}

pub(crate) fn silences_come_by_state_and_time(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    let made = |comment: &str, starts: String, ends: String| -> Result<String, String> {
        let mut made = silence(&[("a", "=", comment)]);
        (made["comment"], made["startsAt"], made["endsAt"]) = (comment.into(), starts.into(), ends.into());
        post_silence(target, &made)
    };
    let now = || later(Duration::ZERO);
    expire_silence(target, &made("expired first", now(), hours(1))?)?;
    target.pause(Duration::from_millis(20));
    expire_silence(target, &made("expired last", now(), hours(1))?)?;
    made("starts last", hours(3), hours(4))?;
    made("starts first", hours(2), hours(5))?;
    made("ends last", now(), hours(2))?;
    made("ends first", now(), hours(1))?;
    let listed = target.wait("all begin", || {
        let listed = target.get("/api/v2/silences")?;
        let active = texts(&listed, "/status/state").iter().filter(|state| *state == "active").count();
        Ok((active == 2).then_some(listed))
    })?;
    let want = ["ends first", "ends last", "starts first", "starts last", "expired last", "expired first"];
    same("silences", texts(&listed, "/comment"), want)
}

pub(crate) fn a_silence_filter_compares_matchers(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    let id = post_silence(target, &silence(&[("a", "=", "b"), ("c", "=~", "d.*")]))?;
    for (query, is_found) in [
        ("?filter=a=\"b\"", true),
        ("?filter=a=b&filter=c=~\"d.*\"", true),
        ("?filter=a=~\"b\"", false),
        ("?filter=a!=\"x\"", false),
        ("?filter=c=\"dd\"", false),
        ("?filter=c=~\"d\"", false),
        ("?filter=a=b&filter=x=y", false),
    ] {
        let path = format!("/api/v2/silences{}", query.replace('"', "%22"));
        let ids = texts(&target.get(&path)?, "/id");
        let want = if is_found { vec![id.clone()] } else { Vec::new() };
        same(query, ids, want)?;
    }
    same("the whole", text(&target.get("/api/v2/silences")?, "/0/id")?, id)
}
