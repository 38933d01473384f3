//! What the owner of a table of incidents may set.

use crate::template::Template;
use crate::{HttpConfig, Target, Timeout};
use std::time::Duration;

const NAME_BYTES_MAX: usize = 80;
/// An instance works on each of a send's calls for seconds at its busy times.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Fields that the service fills itself, and the setting that says what with.
const OWN_FIELDS: [(&str, &str); 13] = [
    ("close_code", "use the setting `close_code`"),
    ("close_notes", "use the setting `close_notes`"),
    ("correlation_display", "leave it out, the service needs it"),
    ("correlation_id", "leave it out, the service needs it"),
    ("description", "use the setting `description`"),
    ("impact", "use the setting `urgency`"),
    ("incident_state", "leave it out, the service follows the alerts"),
    ("number", "leave it out, the instance gives it"),
    ("priority", "leave it out, the instance works it out from urgency and impact"),
    ("short_description", "use the setting `short_description`"),
    ("state", "leave it out, the service follows the alerts"),
    ("sys_id", "leave it out, the instance gives it"),
    ("urgency", "use the setting `urgency`"),
];

/// Incidents of one ServiceNow instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The instance.
    pub instance_url: Target,
    /// Credentials and headers.
    pub http: HttpConfig,
    /// The table, or one that extends it.
    pub table: Table,
    /// What new incidents have beside the service's own fields.
    pub fields: Vec<(Field, Template)>,
    /// Whether `fields` hold names as people see them rather than ids.
    pub display_values: bool,
    /// How urgent an incident is, by score: the first step that the score
    /// reaches counts.
    pub urgency: Vec<Step>,
    /// The incident's title.
    pub short_description: Option<Template>,
    /// Its text.
    pub description: Option<Template>,
    /// One of the instance's resolution codes.
    pub close_code: String,
    /// What is written when an incident is resolved.
    pub close_notes: Option<Template>,
    /// Whether incidents are resolved once all is over; otherwise only noted.
    pub resolve: bool,
    /// Also tell when alerts resolve. On unless set.
    pub send_resolved: bool,
    /// For all calls of a send.
    pub timeout: Timeout,
}

/// A step of the table from score to urgency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// In hundredths of a percent, so that it can be compared exactly.
    pub min_score_e4: u16,
    /// As ServiceNow counts.
    pub urgency: Level,
    /// As ServiceNow counts.
    pub impact: Level,
}

/// 1 is the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// 1.
    High = 1,
    /// 2.
    Medium = 2,
    /// 3.
    Low = 3,
}

/// A table's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table(String);

/// The name of a field that an owner may fill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field(String);

/// A name that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not how ServiceNow names things.
    #[error("`{name}` is not a name of ServiceNow's: use `a-z`, `0-9` and `_`, at most 80 of them")]
    Form {
        /// As given.
        name: String,
    },
    /// One of the service's own.
    #[error("`fields` can't have `{name}`: {remedy}")]
    Own {
        /// As given.
        name: &'static str,
        /// What to do.
        remedy: &'static str,
    },
}

fn checked(name: &str) -> Result<String, NameError> {
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(is_name) {
        let shown = name.chars().take(NAME_BYTES_MAX).flat_map(char::escape_debug).collect();
        return Err(NameError::Form { name: shown });
    }
    Ok(name.to_owned())
}

impl Table {
    /// Reads a table's name.
    ///
    /// # Errors
    /// For other characters than ServiceNow's names have.
    pub fn parse(name: &str) -> Result<Self, NameError> {
        checked(name).map(Self)
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Field {
    /// Reads a field's name.
    ///
    /// # Errors
    /// For what is no name, and for the fields that the service fills.
    pub fn parse(name: &str) -> Result<Self, NameError> {
        match OWN_FIELDS.iter().find(|(own, _)| *own == name) {
            Some((name, remedy)) => Err(NameError::Own { name, remedy }),
            None => checked(name).map(Self),
        }
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Level {
    /// From its number.
    #[must_use]
    pub fn from_number(number: u64) -> Option<Self> {
        [Self::High, Self::Medium, Self::Low].into_iter().find(|level| *level as u64 == number)
    }

    /// As ServiceNow takes it.
    #[must_use]
    pub fn digit(self) -> char {
        char::from(b'0' + self as u8)
    }
}

impl Step {
    /// 0.9 and more, 0.75 and more, the rest.
    pub const DEFAULTS: [Self; 3] = [
        Self { min_score_e4: 9000, urgency: Level::High, impact: Level::High },
        Self { min_score_e4: 7500, urgency: Level::Medium, impact: Level::Medium },
        Self { min_score_e4: 0, urgency: Level::Low, impact: Level::Low },
    ];
}

impl Settings {
    /// The defaults for an instance.
    #[must_use]
    pub fn new(instance_url: Target, http: HttpConfig) -> Self {
        Self {
            instance_url,
            http,
            table: Table("incident".to_owned()),
            fields: Vec::new(),
            display_values: false,
            urgency: Step::DEFAULTS.to_vec(),
            short_description: None,
            description: None,
            close_code: "Solution provided".to_owned(),
            close_notes: None,
            resolve: true,
            send_resolved: true,
            timeout: Timeout::new(TIMEOUT).unwrap_or_default(),
        }
    }

    /// Urgency and impact of a score.
    pub(super) fn urgency_of(&self, score: f32) -> (Level, Level) {
        let score_e4 = (score.clamp(0.0, 1.0) * 10_000.0).round() as u16;
        let step = self.urgency.iter().find(|step| score_e4 >= step.min_score_e4);
        step.map_or((Level::Low, Level::Low), |step| (step.urgency, step.impact))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Secret;

    #[test]
    fn names_are_servicenows_and_not_ours() {
        assert_eq!(Table::parse("u_my_incident2").unwrap().as_str(), "u_my_incident2");
        for bad in ["", "Incident", "a/b", "a b", "../x", &"x".repeat(81)] {
            assert!(matches!(Table::parse(bad), Err(NameError::Form { .. })), "{bad}");
        }
        assert!(Field::parse("assignment_group").is_ok());
        let error = Field::parse("priority").unwrap_err();
        let want =
            "`fields` can't have `priority`: leave it out, the instance works it out from urgency and impact";
        assert_eq!(error.to_string(), want);
    }

    #[test]
    fn the_first_step_that_the_score_reaches_counts() {
        let target = Target::parse(&Secret::new("https://x.example")).unwrap();
        let mut settings = Settings::new(target, HttpConfig::default());
        for (score, want) in
            [(0.9, Level::High), (0.899, Level::Medium), (0.75, Level::Medium), (0.1, Level::Low)]
        {
            assert_eq!(settings.urgency_of(score), (want, want), "{score}");
        }
        assert_eq!(settings.urgency_of(f32::NAN).0, Level::Low);
        settings.urgency = vec![Step { min_score_e4: 9000, urgency: Level::High, impact: Level::Medium }];
        assert_eq!(settings.urgency_of(1.0), (Level::High, Level::Medium));
        assert_eq!(settings.urgency_of(0.5), (Level::Low, Level::Low), "what no step reaches is low");
    }
}
