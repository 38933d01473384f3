//! What an Opsgenie or Jira Service Management integration's owner may set.

use crate::template::Template;
use crate::{HttpConfig, HttpConfigError, Secret, Target, Timeout};

/// One API integration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The base that `v2/alerts` stands below.
    pub api_url: Target,
    /// The integration's key and the owner's headers.
    pub http: HttpConfig,
    /// The alert's title.
    pub message: Option<Template>,
    /// Its text.
    pub description: Option<Template>,
    /// Where it comes from.
    pub source: Option<Template>,
    /// By name, beside the labels that all alerts share.
    pub details: Vec<(String, Template)>,
    /// What it is about.
    pub entity: Option<Template>,
    /// Who is told.
    pub responders: Vec<Responder>,
    /// Custom actions, with commas between.
    pub actions: Option<Template>,
    /// Words, with commas between.
    pub tags: Option<Template>,
    /// Beside the alert.
    pub note: Option<Template>,
    /// `P1` to `P5`; unset for what the score says.
    pub priority: Option<Template>,
    /// Also change title and text of the alert that is there.
    pub update_alerts: bool,
    /// Also tell when alerts resolve. On unless set.
    pub send_resolved: bool,
    /// For the whole send.
    pub timeout: Timeout,
}

/// Somebody who is told; at least one of the first three names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Responder {
    /// By id.
    pub id: Option<Template>,
    /// By name; of `teams`, with commas between.
    pub name: Option<Template>,
    /// A user.
    pub username: Option<Template>,
    /// `team`, `teams`, `user`, `escalation`, `schedule`.
    pub kind: Option<Template>,
}

impl Settings {
    /// The defaults for an integration.
    ///
    /// # Errors
    /// When `http` has a credential of its own, or the key can't be sent.
    pub fn new(api_url: Target, api_key: &Secret, mut http: HttpConfig) -> Result<Self, HttpConfigError> {
        http.set_authorization("GenieKey", api_key)?;
        Ok(Self {
            api_url,
            http,
            message: None,
            description: None,
            source: None,
            details: Vec::new(),
            entity: None,
            responders: Vec::new(),
            actions: None,
            tags: None,
            note: None,
            priority: None,
            update_alerts: false,
            send_resolved: true,
            timeout: Timeout::default(),
        })
    }
}
