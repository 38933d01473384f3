//! An incident export of ServiceNow as CSV: a row for each update of an
//! incident, the oldest first. The first row of a number fires an alert, the
//! last says when and how it was resolved. Times are taken as UTC.

use super::file::{ALERTS_MAX, Failure, Fault, LINE_BYTES_MAX};
use super::{DemoEvent, Pairs, PostableAlert, What};
use csv::{ErrorKind, Reader, StringRecord};
use openclaw_alert::{Feedback, Timestamp, Zoned};
use std::cell::Cell;
use std::collections::HashMap;
use std::io::{self, Read};
use std::rc::Rc;

/// Whose incidents they are: an export doesn't say.
const TENANT: &str = "acme";

const TIME: &str = "a time such as `2016-02-29 01:16:00`, or day first `29/2/2016 01:16`";

/// Words in a closing code that say that nobody was needed.
const DISMISSED: [&str; 8] = [
    "dismiss",
    "duplicate",
    "false alarm",
    "false positive",
    "no fault",
    "not an issue",
    "not reproducible",
    "cancel",
];

/// True for the header of an export.
pub(super) fn is_header(head: &[u8]) -> bool {
    let line = head.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line).to_ascii_lowercase();
    let has = |name: &str| line.split(',').any(|column| column.trim().trim_matches('"') == name);
    has("number") && line.contains(',')
}

/// The events of each incident together, in order of their first rows.
pub(super) fn read(input: impl Read) -> Result<Vec<DemoEvent>, Failure> {
    let budget = Rc::new(Cell::new(LINE_BYTES_MAX));
    let mut rows = Reader::from_reader(Budgeted { inner: input, left: Rc::clone(&budget) });
    let header = rows.headers().map_err(|error| failure(error, 1, &budget))?;
    let columns = Columns::of(header).map_err(|fault| fault.at(1))?;
    let mut incidents = Incidents::default();
    let mut row = StringRecord::new();
    loop {
        budget.set(LINE_BYTES_MAX);
        let line = rows.position().line();
        if !rows.read_record(&mut row).map_err(|error| failure(error, line, &budget))? {
            return Ok(incidents.into_events());
        }
        let line = row.position().map_or(line, csv::Position::line);
        incidents.add(&Row { columns: &columns, fields: &row }).map_err(|fault| fault.at(line))?;
    }
}

fn failure(error: csv::Error, line: u64, budget: &Cell<usize>) -> Failure {
    let line = error.position().map_or(line, csv::Position::line);
    let fault = match error.into_kind() {
        ErrorKind::Io(_) if budget.get() == 0 => Fault::LineTooLong,
        ErrorKind::Io(source) => Fault::Read(source),
        ErrorKind::UnequalLengths { expected_len, len, .. } => {
            Fault::RowLength { found: len, expected: expected_len }
        }
        ErrorKind::Utf8 { .. } => Fault::NotUtf8,
        other => Fault::Read(io::Error::other(format!("{other:?}"))),
    };
    fault.at(line)
}

/// Gives no more than is left for the row being read, so that a quote that is
/// never closed doesn't take the rest of the file into memory.
struct Budgeted<R> {
    inner: R,
    left: Rc<Cell<usize>>,
}

impl<R: Read> Read for Budgeted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.left.get();
        if left == 0 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let most = buffer.len().min(left);
        let bytes = self.inner.read(&mut buffer[..most])?;
        self.left.set(left - bytes);
        Ok(bytes)
    }
}

/// Where the columns are; only the first two are needed.
struct Columns {
    number: usize,
    opened_at: usize,
    resolved_at: Option<usize>,
    closed_at: Option<usize>,
    close_code: Option<usize>,
    close_notes: Option<usize>,
    resolved_by: Option<usize>,
    category: Option<usize>,
    subcategory: Option<usize>,
    priority: Option<usize>,
    assignment_group: Option<usize>,
    contact_type: Option<usize>,
    short_description: Option<usize>,
    /// Column and the annotation that it becomes.
    annotations: Vec<(usize, &'static str)>,
}

/// Kept as annotations: column and name.
const ANNOTATIONS: [(&str, &str); 7] = [
    ("description", "description"),
    ("impact", "impact"),
    ("urgency", "urgency"),
    ("u_symptom", "symptom"),
    ("cmdb_ci", "configuration_item"),
    ("location", "location"),
    ("caller_id", "caller"),
];

impl Columns {
    fn of(header: &StringRecord) -> Result<Self, Fault> {
        let at = |name: &str| header.iter().position(|column| column.trim().eq_ignore_ascii_case(name));
        let needed = |column: &'static str| at(column).ok_or(Fault::ColumnMissing { column });
        Ok(Self {
            number: needed("number")?,
            opened_at: needed("opened_at")?,
            resolved_at: at("resolved_at"),
            closed_at: at("closed_at"),
            close_code: at("close_code").or(at("closed_code")),
            close_notes: at("close_notes"),
            resolved_by: at("resolved_by").or(at("closed_by")),
            category: at("category"),
            subcategory: at("subcategory"),
            priority: at("priority"),
            assignment_group: at("assignment_group"),
            contact_type: at("contact_type"),
            short_description: at("short_description"),
            annotations: ANNOTATIONS.iter().filter_map(|(column, name)| Some((at(column)?, *name))).collect(),
        })
    }
}

struct Row<'r> {
    columns: &'r Columns,
    fields: &'r StringRecord,
}

impl<'r> Row<'r> {
    /// Empty where there is no such column, or `?`, as some exports write it.
    fn get(&self, column: Option<usize>) -> &'r str {
        let text = column.and_then(|at| self.fields.get(at)).unwrap_or_default().trim();
        if text == "?" { "" } else { text }
    }

    fn time(&self, column: Option<usize>, field: &'static str) -> Result<Option<Timestamp>, Fault> {
        match self.get(column) {
            "" => Ok(None),
            text => parse_time(text).map(Some).ok_or_else(|| Fault::time(field, text, TIME)),
        }
    }

    fn opened_at(&self) -> Result<Timestamp, Fault> {
        let opened_at = self.time(Some(self.columns.opened_at), "opened_at")?;
        opened_at.ok_or(Fault::FieldEmpty { field: "opened_at" })
    }

    fn end(&self) -> Result<Option<Timestamp>, Fault> {
        let closed_at = self.time(self.columns.closed_at, "closed_at")?;
        Ok(self.time(self.columns.resolved_at, "resolved_at")?.or(closed_at))
    }

    fn alert(&self, opened_at: Timestamp) -> PostableAlert {
        let columns = self.columns;
        let name = match (self.get(columns.category), self.get(columns.subcategory)) {
            ("", "") => "Incident".to_owned(),
            (category, "") => category.to_owned(),
            ("", subcategory) => subcategory.to_owned(),
            (category, subcategory) => format!("{category}/{subcategory}"),
        };
        let summary = match self.get(columns.short_description) {
            "" => &name,
            text => text,
        };
        let others = columns.annotations.iter().map(|&(at, name)| (name, self.get(Some(at))));
        let others = others.filter(|(_, value)| !value.is_empty());
        PostableAlert {
            annotations: Pairs::annotations(others.chain([("summary", summary)])),
            labels: Pairs::labels([
                ("alertname", &*name),
                ("severity", severity(self.get(columns.priority))),
                ("job", self.get(columns.assignment_group)),
                ("source", self.get(columns.contact_type)),
                // Two open incidents of a kind are two alerts.
                ("incident", self.get(Some(columns.number))),
            ]),
            starts_at: opened_at,
            ends_at: None,
            generator_url: String::new(),
        }
    }

    fn closing(&self) -> Closing {
        let columns = self.columns;
        let code = self.get(columns.close_code);
        let lower = code.to_lowercase();
        let dismissed = DISMISSED.iter().any(|word| lower.contains(word));
        let by = match self.get(columns.resolved_by) {
            "" => "servicenow",
            name => name,
        };
        let note = match self.get(columns.close_notes) {
            "" => code,
            notes => notes,
        };
        Closing {
            action: if dismissed { Feedback::Dismiss } else { Feedback::Resolve },
            by: by.to_owned(),
            note: note.to_owned(),
        }
    }
}

/// `3 - Moderate`, `P3` or `3`; an empty label is none.
fn severity(priority: &str) -> &'static str {
    match priority.trim_start_matches(['P', 'p']).bytes().next() {
        Some(b'1') => "critical",
        Some(b'2') => "error",
        Some(b'3') => "warning",
        Some(b'4' | b'5') => "info",
        _ => "",
    }
}

/// ISO 8601 with or without seconds and zone, or `29/2/2016 01:16`, day first.
fn parse_time(text: &str) -> Option<Timestamp> {
    if let Ok(time) = Zoned::parse(text) {
        return Some(time.at);
    }
    let (date, clock) = text.split_once([' ', 'T'])?;
    let date = match date.split('/').collect::<Vec<_>>()[..] {
        [day, month, year] => format!("{year}-{month:0>2}-{day:0>2}"),
        _ => date.to_owned(),
    };
    let clock = match clock.matches(':').count() {
        1 => format!("{clock:0>5}:00"),
        _ => format!("{clock:0>8}"),
    };
    Zoned::parse(&format!("{date}T{clock}Z")).ok().map(|time| time.at)
}

/// How an incident ended.
struct Closing {
    action: Feedback,
    by: String,
    note: String,
}

struct Incident {
    alert: PostableAlert,
    /// By its last row so far: a resolved incident may be opened again.
    end: Option<(Timestamp, Closing)>,
}

#[derive(Default)]
struct Incidents {
    places: HashMap<String, usize>,
    all: Vec<Incident>,
}

impl Incidents {
    fn add(&mut self, row: &Row<'_>) -> Result<(), Fault> {
        let place = match row.get(Some(row.columns.number)) {
            "" => return Err(Fault::FieldEmpty { field: "number" }),
            number => self.place(number, row)?,
        };
        self.all[place].end = row.end()?.map(|end| (end, row.closing()));
        Ok(())
    }

    fn place(&mut self, number: &str, row: &Row<'_>) -> Result<usize, Fault> {
        if let Some(&place) = self.places.get(number) {
            return Ok(place);
        }
        if self.all.len() == ALERTS_MAX {
            return Err(Fault::TooManyAlerts);
        }
        self.all.push(Incident { alert: row.alert(row.opened_at()?), end: None });
        self.places.insert(number.to_owned(), self.all.len() - 1);
        Ok(self.all.len() - 1)
    }

    fn into_events(self) -> Vec<DemoEvent> {
        self.all.into_iter().flat_map(Incident::into_events).collect()
    }
}

impl Incident {
    /// Fires, is judged, resolves.
    fn into_events(self) -> impl Iterator<Item = DemoEvent> {
        let fires = self.alert.starts_at;
        let event = |at, what| DemoEvent { at, tenant: Some(TENANT.to_owned()), what };
        let posted = |alert| What::Post { alerts: vec![alert] };
        let ending = self.end.map(|(end, Closing { action, by, note })| {
            // People enter the end of an incident that they open afterwards.
            let end = end.max(fires);
            let labels = self.alert.labels.clone();
            let resolved = PostableAlert { ends_at: Some(end), ..self.alert.clone() };
            [event(end, What::Feedback { labels, action, by, note }), event(end, posted(resolved))]
        });
        std::iter::once(event(fires, posted(self.alert))).chain(ending.into_iter().flatten())
    }
}
