//! What a person can do from a message.

use crate::situation::ended_by;
use crate::stage::Stage;
use openclaw_alert::Notification;
use serde_json::{Value, json};

/// A button: what it says, and its name when it is pressed.
struct Button {
    action_id: &'static str,
    text: &'static str,
    is_main: bool,
}

impl Button {
    const ACK: Self = Self { action_id: "openclaw_ack", text: "Acknowledge", is_main: true };
    const RESOLVE: Self = Self { action_id: "openclaw_resolve", text: "Resolve", is_main: false };
    const DISMISS: Self = Self { action_id: "openclaw_dismiss", text: "Dismiss", is_main: false };
    const SILENCE: Self = Self { action_id: "openclaw_silence", text: "Silence 4h", is_main: false };
    const NOISE: Self = Self { action_id: "openclaw_dismiss", text: "Was noise", is_main: false };

    fn element(&self, dedup_key: &str) -> Value {
        let text = json!({ "type": "plain_text", "text": self.text });
        let mut element =
            json!({ "type": "button", "action_id": self.action_id, "text": text, "value": dedup_key });
        if self.is_main {
            element["style"] = json!("primary");
        }
        element
    }
}

/// The row of buttons; none where nothing is left to do.
pub(super) fn row(notification: &Notification) -> Option<Value> {
    let buttons = buttons(notification);
    let elements: Vec<_> = buttons.iter().map(|button| button.element(&notification.dedup_key)).collect();
    let row = json!({ "type": "actions", "block_id": "openclaw", "elements": elements });
    (!buttons.is_empty()).then_some(row)
}

fn buttons(notification: &Notification) -> &'static [Button] {
    match Stage::of(notification) {
        Stage::Open => &[Button::ACK, Button::RESOLVE, Button::DISMISS, Button::SILENCE],
        Stage::Taken => &[Button::RESOLVE, Button::DISMISS, Button::SILENCE],
        Stage::Over if !notification.alerts.iter().all(|alert| ended_by(alert).is_some()) => &[Button::NOISE],
        Stage::Over | Stage::Judged | Stage::Digest => &[],
    }
}
