//! `amtool silence`.

use crate::amtool::{Amtool, both};
use crate::expect::{ensure, same, text, texts};
use crate::suite::Outcome;
use crate::support::alerts::rfc3339;
use crate::support::now;
use crate::target::{SOON, Target};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn add(amtool: &Amtool, target: &Target, arguments: &[&str]) -> Result<String, String> {
    let words = ["silence", "add", "-a", "ann", "-c", "at work"];
    let id = amtool.good(target, &[&words, arguments].concat())?.trim().to_owned();
    ensure!(id.len() == 36 && id.matches('-').count() == 4, "no id: {id}");
    Ok(id)
}

fn one(target: &Target, id: &str) -> Result<Value, String> {
    target.get(&format!("/api/v2/silence/{id}"))
}

/// Ids that a query prints, sorted.
fn ids(amtool: &Amtool, target: &Target, arguments: &[&str]) -> Result<Vec<String>, String> {
    let printed = amtool.good(target, &[&["silence", "query", "-q"], arguments].concat())?;
    let mut ids: Vec<_> = printed.lines().map(str::to_owned).collect();
    ids.sort();
    Ok(ids)
}

fn whole_seconds(time: SystemTime) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(time.duration_since(UNIX_EPOCH).unwrap().as_secs())
}

pub(crate) fn add_prints_the_id(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    for amtool in both() {
        let id = add(&amtool, target, &["-d", "2h", "foo", "x=~1|2", "y!=z", "w!~v"])?;
        let silence = one(target, &id)?;
        let matcher = |name: &str, value: &str, is_regex: bool, is_equal: bool| json!({ "name": name, "value": value, "isRegex": is_regex, "isEqual": is_equal });
        let want = [
            matcher("alertname", "foo", false, true),
            matcher("x", "1|2", true, true),
            matcher("y", "z", false, false),
            matcher("w", "v", true, false),
        ];
        for matcher in want {
            let found = silence["matchers"].as_array().is_some_and(|all| all.contains(&matcher));
            ensure!(found, "{matcher} is not in {silence}");
        }
        same("createdBy", text(&silence, "/createdBy")?, "ann")?;
        same("comment", text(&silence, "/comment")?, "at work")?;
        same("state", text(&silence, "/status/state")?, "active")?;
    }
    Ok(())
}

pub(crate) fn add_takes_times(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    let hours = |hours: u64| rfc3339(whole_seconds(now()) + Duration::from_secs(hours * 3600));
    for amtool in both() {
        let (start, end) = (hours(1), hours(3));
        let id = add(&amtool, target, &[&format!("--start={start}"), &format!("--end={end}"), "foo"])?;
        let silence = one(target, &id)?;
        same("startsAt", text(&silence, "/startsAt")?, start)?;
        same("endsAt", text(&silence, "/endsAt")?, end)?;
        same("state", text(&silence, "/status/state")?, "pending")?;
    }
    Ok(())
}

/// A newer one has it; an older server leaves it out.
pub(crate) fn add_takes_annotations(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    let mut silence = super::silence(&[("a", "=", "b")]);
    silence["annotations"] = json!({ "ticket": "INC1" });
    let id = super::post_silence(target, &silence)?;
    let annotations = one(target, &id)?["annotations"].clone();
    let is_old = !target.is_ours() && annotations.is_null();
    ensure!(is_old || annotations == silence["annotations"], "annotations {annotations}");
    for amtool in both().into_iter().filter(|amtool| amtool.version != "0.25") {
        add(&amtool, target, &["--annotation=ticket=INC2", "foo"])?;
        let listed = amtool.good(target, &["-o", "json", "silence", "query", "foo"])?;
        ensure!(is_old || listed.contains("INC2"), "annotation is not in {listed}");
    }
    Ok(())
}

pub(crate) fn query_finds_by_words_and_matchers(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    for amtool in both() {
        let (name, other) = (amtool.word("foo"), amtool.word("bar"));
        let equal = add(&amtool, target, &[&name, "x=1"])?;
        let like = add(&amtool, target, &[&other, "x=~1"])?;
        for (words, want) in [
            (vec![name.as_str()], vec![equal.clone()]),
            (vec![&name, "x=1"], vec![equal.clone()]),
            (vec![&name, "x=~1"], vec![]),
            (vec![&other, "x=~1"], vec![like.clone()]),
        ] {
            same(&words.join(" "), ids(&amtool, target, &words)?, want)?;
        }
        // The older one has no such flag.
        if amtool.version != "0.25" {
            same("--id", ids(&amtool, target, &["--id", &like])?, [like.clone()])?;
        }
        let mut both = vec![equal, like];
        both.sort();
        let all = ids(&amtool, target, &[])?;
        ensure!(both.iter().all(|id| all.contains(id)), "{both:?} are not in {all:?}");
    }
    Ok(())
}

pub(crate) fn query_finds_by_end(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    for amtool in both() {
        let name = amtool.word("foo");
        let soon = add(&amtool, target, &["-d", "1h", &name])?;
        let late = add(&amtool, target, &["-d", "10h", &name])?;
        let over = add(&amtool, target, &["-d", "5h", &name])?;
        super::expire_silence(target, &over)?;
        let mut open = vec![soon.clone(), late];
        open.sort();
        same("open", ids(&amtool, target, &[&name])?, open)?;
        same("--within", ids(&amtool, target, &["--within=2h", &name])?, [soon])?;
        same("--expired", ids(&amtool, target, &["--expired", &name])?, [over.clone()])?;
        same("--expired --within", ids(&amtool, target, &["--expired", "--within=1h", &name])?, [over])?;
    }
    Ok(())
}

pub(crate) fn query_prints_in_three_ways(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    for amtool in both() {
        let name = amtool.word("foo");
        let id = add(&amtool, target, &[&name])?;
        let simple = amtool.good(target, &["silence", "query", &name])?;
        ensure!(
            simple.starts_with("ID") && simple.contains(&id) && simple.contains("at work"),
            "simple: {simple}"
        );
        let extended = amtool.good(target, &["-o", "extended", "silence", "query", &name])?;
        ensure!(extended.contains("Updated At") && extended.contains(&id), "extended: {extended}");
        let json = amtool.good(target, &["-o", "json", "silence", "query", &name])?;
        let json: Value = serde_json::from_str(&json).map_err(|error| format!("{error}: {json}"))?;
        same("json", texts(&json, "/id"), [id])?;
    }
    Ok(())
}

pub(crate) fn update_keeps_the_id(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    for amtool in both() {
        let id = add(&amtool, target, &["-d", "1h", &amtool.word("foo")])?;
        let before = one(target, &id)?;
        let printed =
            amtool.good(target, &["-o", "json", "silence", "update", "-d", "2h", "-c", "longer", &id])?;
        let printed: Value = serde_json::from_str(&printed).map_err(|error| format!("{error}: {printed}"))?;
        same("id", texts(&printed, "/id"), [id.as_str()])?;
        let after = one(target, &id)?;
        same("startsAt", &after["startsAt"], &before["startsAt"])?;
        ensure!(text(&after, "/endsAt")? > text(&before, "/endsAt")?, "endsAt of {after}");
        same("comment", text(&after, "/comment")?, "longer")?;
    }
    Ok(())
}

pub(crate) fn expire_ends_all_that_are_named(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    for amtool in both() {
        let made = [add(&amtool, target, &[&amtool.word("a")])?, add(&amtool, target, &[&amtool.word("b")])?];
        same("printed", amtool.good(target, &["silence", "expire", &made[0], &made[1]])?, "")?;
        for id in &made {
            same("state", text(&one(target, id)?, "/status/state")?, "expired")?;
        }
    }
    Ok(())
}

pub(crate) fn import_takes_what_query_prints(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    for amtool in both() {
        let name = amtool.word("foo");
        let made = add(&amtool, target, &[&name, "x=~1|2"])?;
        let exported = amtool.good(target, &["-o", "json", "silence", "query", &name])?;
        super::expire_silence(target, &made)?;
        let file = target.http_file("exported.json", &exported);
        let printed = amtool.good(target, &["silence", "import", "--force", &file])?;
        let new: Vec<_> =
            printed.lines().map(|line| line.trim().to_owned()).filter(|id| id.len() == 36).collect();
        same("imported", new.len(), 1)?;
        ensure!(new[0] != made, "the id stayed");
        same("matchers", &one(target, &new[0])?["matchers"], &one(target, &made)?["matchers"])?;
        same("state", text(&one(target, &new[0])?, "/status/state")?, "active")?;
    }
    Ok(())
}
