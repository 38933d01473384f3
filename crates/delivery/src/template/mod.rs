//! Messages in the words of their owners.
//!
//! Templates are Jinja, over the names that Alertmanager's have (`Status`,
//! `Alerts.Firing`, `CommonLabels`, …) and with its functions. They are
//! checked when they are set; what fails at the time of a message costs the
//! wording, never the message. A template reads no file and no clock, its
//! work and its text have bounds.

mod data;
mod functions;
mod layout;
mod printf;
mod samples;
mod sections;
mod set;
#[cfg(test)]
mod tests;
mod time;
mod value;

pub use data::{ALERTMANAGER_NAMES, root_names};
pub(crate) use functions::html_escaped as escaped;
pub use samples::{SampleGroup, sample_groups};
pub use set::{RenderError, Rendering, Source, Template, TemplateError, TemplateSet};
