//! The fields of a new incident and of a change.

use super::plan::{NewState, news};
use super::record::{Incident, Mark};
use super::settings::Settings;
use crate::headline::done;
use crate::plain::{description, headline, lines, one_line, told_deeds, with_alerts};
use crate::situation::Situation;
use crate::wording::Wording;
use crate::words::Words;
use openclaw_alert::Notification;
use serde_json::{Map, Value, json};

const SHORT_DESCRIPTION_UNITS_MAX: usize = 160;
const DESCRIPTION_UNITS_MAX: usize = 4000;
const NOTE_UNITS_MAX: usize = 4000;
const CLOSE_NOTES_UNITS_MAX: usize = 1000;
const FIELD_UNITS_MAX: usize = 4000;
const LINE_UNITS_MAX: usize = 600;
const ENDED: &str = "All alerts have ended.";

type Fields = Map<String, Value>;

/// A new incident.
pub(crate) fn created(settings: &Settings, notification: &Notification, words: &Words<'_>) -> Fields {
    let wording = Wording::new(notification, words);
    let mut out = Fields::new();
    let mut put = |key: &str, text: String| drop(out.insert(key.to_owned(), json!(text)));
    for (field, template) in &settings.fields {
        if let Some(text) = wording.text(field.as_str(), Some(template)) {
            put(field.as_str(), lines(text.trim(), FIELD_UNITS_MAX));
        }
    }
    let (urgency, impact) = settings.urgency_of(notification.top_score());
    put("urgency", urgency.digit().into());
    put("impact", impact.digit().into());
    put("correlation_id", notification.dedup_key.clone());
    put("correlation_display", Mark::of(notification, urgency).text());
    let title = wording.text("short_description", settings.short_description.as_ref());
    let title = title.map(|text| one_line(&text, SHORT_DESCRIPTION_UNITS_MAX));
    put("short_description", title.unwrap_or_else(|| headline(notification, SHORT_DESCRIPTION_UNITS_MAX)));
    if let Situation::Taken(_) = Situation::of(notification) {
        put("state", NewState::InProgress.number().to_owned());
        let told = told_deeds(&news(notification, None), notification.alerts.len());
        if !told.is_empty() {
            put("work_notes", lines(&told.join("\n"), NOTE_UNITS_MAX));
        }
    }
    // Last, so that it can say which template failed.
    put("description", text(settings, notification, words, &wording));
    out
}

fn text(
    settings: &Settings,
    notification: &Notification,
    words: &Words<'_>,
    wording: &Wording<'_>,
) -> String {
    let own = wording.text("description", settings.description.as_ref());
    let note = wording.note();
    match (own, note) {
        (Some(own), None) => lines(&own, DESCRIPTION_UNITS_MAX),
        (Some(own), Some(note)) => {
            lines(&format!("{}\n{own}", one_line(&note, LINE_UNITS_MAX)), DESCRIPTION_UNITS_MAX)
        }
        (None, note) => description(notification, words.external_url, note.as_deref(), DESCRIPTION_UNITS_MAX),
    }
}

/// A change of an incident: its news as a work note, and with it perhaps a
/// state. Title and text are left to people once it is there.
pub(crate) fn updated(
    settings: &Settings,
    notification: &Notification,
    words: &Words<'_>,
    incident: &Incident,
    state: Option<NewState>,
) -> Fields {
    let wording = Wording::new(notification, words);
    let mut out = Fields::new();
    let mut put = |key: &str, text: String| drop(out.insert(key.to_owned(), json!(text)));
    if let Some(state) = state {
        put("state", state.number().to_owned());
    }
    if state == Some(NewState::Resolved) {
        put("close_code", settings.close_code.clone());
        put("close_notes", close_notes(settings, notification, &wording));
    }
    let (urgency, impact) = settings.urgency_of(notification.top_score());
    // It only rises: people may have set another one.
    let last = incident.mark.map(|mark| mark.urgency);
    if state != Some(NewState::Resolved) && last.is_some_and(|last| urgency < last) {
        put("urgency", urgency.digit().into());
        put("impact", impact.digit().into());
    }
    let urgency = last.map_or(urgency, |last| last.min(urgency));
    let mark = Mark::of(notification, urgency);
    let latest = incident.mark.map_or(0, |mark| mark.latest).max(mark.latest);
    put("correlation_display", Mark { latest, ..mark }.text());
    put("work_notes", work_note(notification, incident, &wording));
    out
}

fn work_note(notification: &Notification, incident: &Incident, wording: &Wording<'_>) -> String {
    let mut head =
        vec![headline(notification, LINE_UNITS_MAX), one_line(notification.reason.text(), LINE_UNITS_MAX)];
    if let Situation::Over(_) = Situation::of(notification) {
        head.push(ENDED.to_owned());
    }
    head.extend(notification.on_call.as_deref().map(|person| format!("On call: {}", one_line(person, 120))));
    head.extend(wording.note().map(|note| one_line(&note, LINE_UNITS_MAX)));
    head.extend(told_deeds(&news(notification, incident.mark), notification.alerts.len()));
    with_alerts(&head, notification, NOTE_UNITS_MAX)
}

fn close_notes(settings: &Settings, notification: &Notification, wording: &Wording<'_>) -> String {
    let own = wording.text("close_notes", settings.close_notes.as_ref());
    let ours = || match Situation::of(notification) {
        Situation::Over(Some(acted)) => format!("{} by {}.", done(acted.action), one_line(&acted.by, 120)),
        _ => ENDED.to_owned(),
    };
    lines(&own.unwrap_or_else(ours), CLOSE_NOTES_UNITS_MAX)
}
