//! What a PagerDuty service's owner may set.

use crate::template::Template;
use crate::{HttpConfig, Secret, Target, Timeout};
use serde_json::Value;

/// One PagerDuty service, through its Events API v2 integration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where events go.
    pub url: Target,
    /// Credentials and headers, for servers that take PagerDuty's events.
    pub http: HttpConfig,
    /// Names the service; stands in each event.
    pub routing_key: Secret,
    /// Proves that what comes back is PagerDuty's.
    pub webhook_secret: Option<Secret>,
    /// What sees the problem, in PagerDuty's words.
    pub client: Option<Template>,
    /// Where it shows it.
    pub client_url: Option<Template>,
    /// The incident's title.
    pub description: Option<Template>,
    /// `critical`, `error`, `warning` or `info`; unset for the top alert's own.
    pub severity: Option<Template>,
    /// Kind of the event.
    pub class: Option<Template>,
    /// Part of the system.
    pub component: Option<Template>,
    /// What the component belongs to.
    pub group: Option<Template>,
    /// What is affected.
    pub source: Option<Template>,
    /// Beside and in place of our own custom details.
    pub details: Vec<(String, Detail)>,
    /// Pictures.
    pub images: Vec<Image>,
    /// Links.
    pub links: Vec<Link>,
    /// Also tell when alerts resolve. On unless set.
    pub send_resolved: bool,
    /// For the whole send.
    pub timeout: Timeout,
}

/// A custom detail: text is a template, the rest goes as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Detail {
    /// Text that is a JSON list or object once it is rendered goes as that.
    Text(Template),
    /// A number, a flag, nothing.
    Value(Value),
    /// A list.
    List(Vec<Detail>),
    /// By name.
    Section(Vec<(String, Detail)>),
}

/// A picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its address, `https` only.
    pub src: Template,
    /// What it shows.
    pub alt: Option<Template>,
    /// Where it leads.
    pub href: Option<Template>,
}

/// A link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Where it leads.
    pub href: Template,
    /// What it says.
    pub text: Option<Template>,
}

impl Settings {
    /// The defaults for a service.
    #[must_use]
    pub fn new(url: Target, routing_key: Secret) -> Self {
        Self {
            url,
            http: HttpConfig::default(),
            routing_key,
            webhook_secret: None,
            client: None,
            client_url: None,
            description: None,
            severity: None,
            class: None,
            component: None,
            group: None,
            source: None,
            details: Vec::new(),
            images: Vec::new(),
            links: Vec::new(),
            send_resolved: true,
            timeout: Timeout::default(),
        }
    }
}
