//! What the person who clicked is told, where the message itself won't show
//! it. It goes out after the answer, to Slack alone.

use crate::http::service::App;
use crate::tenants::{Came, Silenced, TenantHandle};
use openclaw_alert::{Feedback, SendOutcome};
use openclaw_delivery::{Secret, Target};
use openclaw_sources::way_back::slack::Click;
use serde_json::json;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Replies on their way; further ones are dropped, they are courtesy.
const REPLIES_MAX: usize = 32;

static ROOM: Semaphore = Semaphore::const_new(REPLIES_MAX);

/// What there is to say.
#[derive(Debug)]
pub(super) enum Reply {
    /// No tenant that may be meant has such a group.
    Unknown,
    /// What became of the click.
    Came(Came),
    /// What became of the silence.
    Silenced(Silenced),
}

/// Says it, if there is anything to say and anywhere to say it.
pub(super) fn reply(app: &Arc<App>, handle: &TenantHandle, click: &Click, said: &Reply) {
    let Some(text) = said.text() else { return };
    let Some(to) = click.response_url.as_deref().and_then(|url| address(handle, url)) else { return };
    let Ok(room) = ROOM.try_acquire() else {
        tracing::warn!(tenant = %handle.name(), "too many replies on their way: one is left out");
        return;
    };
    let body = json!({ "response_type": "ephemeral", "replace_original": false, "text": text }).to_string();
    let (app, tenant) = (Arc::clone(app), handle.name().clone());
    let work = app.work.clone();
    work.spawn(async move {
        let outcome = app.host.reply(&tenant, &to, body.into_bytes()).await;
        drop(room);
        if let SendOutcome::Retry { detail, .. } | SendOutcome::Never { detail } = outcome {
            tracing::warn!(%tenant, detail, "the person who clicked could not be answered");
        }
    });
}

/// The address, if the tenant's settings allow to answer there.
fn address(handle: &TenantHandle, url: &str) -> Option<Target> {
    let target = Target::parse(&Secret::new(url)).ok()?;
    let mut integrations = handle.config().receivers.iter().flat_map(|receiver| &receiver.integrations);
    integrations.any(|integration| integration.answers_at(&target)).then_some(target)
}

impl Reply {
    fn text(&self) -> Option<String> {
        match self {
            Self::Unknown => Some("These alerts are not known here any more.".to_owned()),
            Self::Came(Came::Done) => None,
            Self::Came(Came::NoNews(before)) => {
                Some(format!("{} has {} this already.", before.by, past(before.action)))
            }
            Self::Came(Came::Noted) => {
                Some("All of these alerts have ended already. What you say of them is remembered.".to_owned())
            }
            Self::Came(Came::Over) => Some("All of these alerts have ended already.".to_owned()),
            Self::Silenced(silenced) => Some(silenced_text(silenced)),
        }
    }
}

fn past(action: Feedback) -> &'static str {
    match action {
        Feedback::Ack => "acknowledged",
        Feedback::Resolve => "resolved",
        Feedback::Dismiss => "dismissed",
        Feedback::Escalate => "escalated",
    }
}

fn silenced_text(silenced: &Silenced) -> String {
    match silenced {
        Silenced::Until(matchers, until) => {
            let matchers: Vec<_> = matchers.iter().map(ToString::to_string).collect();
            // Slack reads `&`, `<` and `>` as markup.
            let text = matchers.join(", ").replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            format!("Silenced until {until}: {text}")
        }
        Silenced::NothingShared => {
            "These alerts share no labels: set a silence for those that you mean.".to_owned()
        }
        Silenced::Over => "All of these alerts have ended already: nothing was silenced.".to_owned(),
        Silenced::Refused(refusal) => format!("The silence could not be set: {refusal}"),
    }
}
