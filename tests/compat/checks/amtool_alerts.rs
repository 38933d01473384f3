//! `amtool alert`.

use super::silence_named;
use crate::amtool::{Amtool, both};
use crate::expect::{ensure, same, text};
use crate::suite::Outcome;
use crate::support::Alert;
use crate::target::{SOON, Target};
use serde_json::{Value, json};

/// Names of the alerts that a query prints, sorted.
fn query(amtool: &Amtool, target: &Target, arguments: &[&str]) -> Result<String, String> {
    let printed = amtool.good(target, &[&["-o", "json", "alert", "query"], arguments].concat())?;
    let found: Value = serde_json::from_str(&printed).map_err(|error| format!("{error}: {printed}"))?;
    Ok(crate::expect::names(&found).join(" "))
}

pub(crate) fn add_stores_all_that_is_said(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    for amtool in both() {
        let name = amtool.word("foo");
        let times = ["--start=2026-01-02T03:04:05Z", "--end=2099-01-02T03:04:05+00:00"];
        let url = "--generator-url=http://prometheus.example/graph";
        let words = ["alert", "add", &name, "a=b", "--annotation=summary=\"x y\"", url];
        let printed = amtool.good(target, &[&words[..], &times].concat())?;
        same("printed", printed, "")?;
        let alert = target.alert(&name)?;
        same("labels", &alert["labels"], &json!({ "alertname": name, "a": "b" }))?;
        same("annotations", &alert["annotations"], &json!({ "summary": "x y" }))?;
        same("startsAt", text(&alert, "/startsAt")?, "2026-01-02T03:04:05.000Z")?;
        same("endsAt", text(&alert, "/endsAt")?, "2099-01-02T03:04:05.000Z")?;
        same("generatorURL", text(&alert, "/generatorURL")?, "http://prometheus.example/graph")?;
    }
    Ok(())
}

pub(crate) fn add_without_times_fires_now(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    for amtool in both() {
        let name = amtool.word("foo");
        // The older one knows classic names alone.
        let label = if amtool.version == "0.25" { "size" } else { "größe" };
        let words = ["alert", "add", &format!("alertname={name}"), &format!("{label}=x")];
        same("printed", amtool.good(target, &words)?, "")?;
        let alert = target.wait_state(&name, "active")?;
        same("label", text(&alert, &format!("/labels/{label}"))?, "x")?;
    }
    Ok(())
}

fn one_of_each(target: &mut Target) -> Outcome {
    let rule = "[{ source_matchers: [alertname=active], target_matchers: [alertname=inhibited] }]";
    target.start(&format!("inhibit_rules: {rule}\n{SOON}"))?;
    target.fire(&["active", "silenced", "inhibited"].map(Alert::new))?;
    silence_named(target, "silenced")?;
    target.wait_state("silenced", "suppressed")?;
    target.wait_state("inhibited", "suppressed")?;
    target.wait_state("active", "active").map(drop)
}

pub(crate) fn query_shows_active_ones(target: &mut Target) -> Outcome {
    one_of_each(target)?;
    for amtool in both() {
        same("without words", query(&amtool, target, &[])?, "active")?;
        same("-a", query(&amtool, target, &["-a"])?, "active")?;
    }
    Ok(())
}

pub(crate) fn query_flags_replace_active(target: &mut Target) -> Outcome {
    one_of_each(target)?;
    for amtool in both() {
        for (flags, want) in [
            (vec!["-s"], "silenced"),
            (vec!["-i"], "inhibited"),
            (vec!["-u"], ""),
            (vec!["-s", "-i"], "inhibited silenced"),
            (vec!["-a", "-s", "-i", "-u"], "active inhibited silenced"),
        ] {
            same(&flags.join(" "), query(&amtool, target, &flags)?, want)?;
        }
    }
    Ok(())
}

pub(crate) fn query_takes_matchers(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    let alert = |name: &str, x: &str| Alert::new(name).label("x", x);
    target.fire(&[alert("a", "1"), alert("b", "2"), alert("c c", "1")])?;
    target.wait_state("c c", "active")?;
    for amtool in both() {
        for (words, want) in [
            (vec!["a"], "a"),
            (vec!["c c"], "c c"),
            (vec!["x=1"], "a c c"),
            (vec!["x!=1"], "b"),
            (vec!["x=~1|2", "alertname=~[ab]"], "a b"),
            (vec!["alertname!~a|b"], "c c"),
            (vec!["a", "x=2"], ""),
            (vec!["nobody{"], ""),
        ] {
            same(&words.join(" "), query(&amtool, target, &words)?, want)?;
        }
    }
    Ok(())
}

pub(crate) fn query_takes_a_receiver(target: &mut Target) -> Outcome {
    target.start(
        "route: { receiver: rest, routes: [{ receiver: db, matchers: [team=db] }] }\n\
         receivers: [{ name: rest }, { name: db }]\n",
    )?;
    target.fire(&[Alert::new("d").label("team", "db"), Alert::new("r")])?;
    target.wait_state("d", "active")?;
    target.wait_state("r", "active")?;
    for amtool in both() {
        for (receiver, want) in [("db", "d"), ("d", ""), ("d.|rest", "d r"), ("", "d r")] {
            same(receiver, query(&amtool, target, &[&format!("--receiver={receiver}")])?, want)?;
        }
    }
    Ok(())
}

pub(crate) fn query_prints_in_three_ways(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    target.fire(&[Alert::new("disk").label("host", "h1").annotation("summary", "disk is full")])?;
    target.wait_state("disk", "active")?;
    for amtool in both() {
        let simple = amtool.good(target, &["alert"])?;
        ensure!(simple.starts_with("Alertname") && simple.contains("disk is full"), "simple: {simple}");
        ensure!(simple.contains("active"), "simple: {simple}");
        let extended = amtool.good(target, &["-o", "extended", "alert"])?;
        ensure!(extended.starts_with("Labels") && extended.contains("host=\"h1\""), "extended: {extended}");
        let json = amtool.good(target, &["-o", "json", "alert"])?;
        let json: Value = serde_json::from_str(&json).map_err(|error| format!("{error}: {json}"))?;
        same("fingerprint", &json[0]["fingerprint"], &target.alert("disk")?["fingerprint"])?;
    }
    Ok(())
}

pub(crate) fn what_the_server_says_is_passed_on(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    for amtool in both() {
        let bad = ["alert", "add", "late", "--start=2099-01-02T03:04:05Z", "--end=2026-01-02T03:04:05Z"];
        let printed = amtool.run(target, &bad);
        same("exit code", printed.code, 1)?;
        ensure!(
            printed.err.contains("start time must be before end time"),
            "{}: {}",
            amtool.version,
            printed.err
        );
        let unknown = ["silence", "expire", "00000000-0000-4000-8000-000000000000"];
        let printed = amtool.run(target, &unknown);
        same("exit code", printed.code, 1)?;
        ensure!(printed.err.contains("404"), "{}: {}", amtool.version, printed.err);
    }
    Ok(())
}

pub(crate) fn it_works_under_a_prefix(target: &mut Target) -> Outcome {
    target.start_under_prefix(SOON)?;
    for amtool in both() {
        let name = amtool.word("foo");
        amtool.good(target, &["alert", "add", &name])?;
        target.wait_state(&name, "active")?;
        same("query", query(&amtool, target, &[&name])?, name.clone())?;
        let id = amtool.good(target, &["silence", "add", &name, "-c", "c", "-a", "me"])?;
        amtool.good(target, &["silence", "expire", id.trim()])?;
        ensure!(amtool.good(target, &["config", "show"])?.contains("receiver:"), "config show");
    }
    Ok(())
}

pub(crate) fn it_shows_who_it_is(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    let bearer =
        target.http_file("bearer.yml", &format!("authorization: {{ credentials: \"{}\" }}\n", target.key()));
    let wrong = target.http_file("wrong.yml", "basic_auth: { username: acme, password: wrong }\n");
    for amtool in both() {
        let name = amtool.word("foo");
        same("bearer", amtool.run_as(target, &bearer, &["alert", "add", &name]).code, 0)?;
        target.alert(&name)?;
        let refused = amtool.run_as(target, &wrong, &["alert", "add", "refused"]);
        same("wrong password", refused.code, 1)?;
        ensure!(refused.err.contains("401"), "{}: {}", amtool.version, refused.err);
    }
    Ok(())
}
