//! What a Slack channel's owner may set.

use crate::template::Template;
use crate::{HttpConfig, Target, Timeout};

/// One Slack incoming webhook.
///
/// Where nothing of the message is set, it is ours; where anything is, it is
/// Alertmanager's attachment, and what is unset comes from `slack.default.*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The webhook's address; all of it is the credential.
    pub api_url: Target,
    /// Credentials and headers, for servers that take Slack's messages.
    pub http: HttpConfig,
    /// Asks for another channel or person than the webhook's own, which only
    /// Slack's older webhooks and compatible servers follow.
    pub channel: Option<Template>,
    /// Who speaks, where the server follows it.
    pub username: Option<Template>,
    /// `:name:` of an emoji as the speaker's picture.
    pub icon_emoji: Option<Template>,
    /// A picture of the speaker.
    pub icon_url: Option<Template>,
    /// Makes links of channels and people in the text.
    pub link_names: bool,
    /// The text above the attachment.
    pub message_text: Option<Template>,
    /// `good`, `warning`, `danger` or `#rrggbb`.
    pub color: Option<Template>,
    /// First line of the attachment.
    pub title: Option<Template>,
    /// Where the title leads.
    pub title_link: Option<Template>,
    /// Before the attachment.
    pub pretext: Option<Template>,
    /// The attachment's body.
    pub text: Option<Template>,
    /// Shown on phones and where attachments can't be.
    pub fallback: Option<Template>,
    /// Names the message to the server's own programs.
    pub callback_id: Option<Template>,
    /// Small print below.
    pub footer: Option<Template>,
    /// A picture below the text.
    pub image_url: Option<Template>,
    /// A small picture beside the text.
    pub thumb_url: Option<Template>,
    /// A table of short texts.
    pub fields: Vec<Field>,
    /// Whether fields that don't say so stand side by side.
    pub short_fields: bool,
    /// Buttons.
    pub actions: Vec<Action>,
    /// Which parts are Slack's markup; empty for Alertmanager's choice.
    pub mrkdwn_in: Vec<String>,
    /// Also tell when alerts resolve. Off unless set, as in Alertmanager;
    /// turning it on is advised.
    pub send_resolved: bool,
    /// For the whole send.
    pub timeout: Timeout,
}

/// A cell of the attachment's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// In bold.
    pub title: Template,
    /// Below it.
    pub value: Template,
    /// Beside another; unset for the settings' `short_fields`.
    pub short: Option<bool>,
}

/// A button.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// `type` in settings; `button`.
    pub kind: Template,
    /// On the button.
    pub text: Template,
    /// Where it leads.
    pub url: Option<Template>,
    /// `primary` or `danger`.
    pub style: Option<Template>,
    /// For the server's own programs.
    pub name: Option<Template>,
    /// For the server's own programs.
    pub value: Option<Template>,
    /// Asks before.
    pub confirm: Option<Confirm>,
}

/// A question before a button does its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirm {
    /// The question.
    pub text: Template,
    /// Above it.
    pub title: Option<Template>,
    /// On the button that agrees.
    pub ok_text: Option<Template>,
    /// On the one that doesn't.
    pub dismiss_text: Option<Template>,
}

impl Settings {
    /// The defaults for an address.
    #[must_use]
    pub fn new(api_url: Target) -> Self {
        Self {
            api_url,
            http: HttpConfig::default(),
            channel: None,
            username: None,
            icon_emoji: None,
            icon_url: None,
            link_names: false,
            message_text: None,
            color: None,
            title: None,
            title_link: None,
            pretext: None,
            text: None,
            fallback: None,
            callback_id: None,
            footer: None,
            image_url: None,
            thumb_url: None,
            fields: Vec::new(),
            short_fields: false,
            actions: Vec::new(),
            mrkdwn_in: Vec::new(),
            send_resolved: false,
            timeout: Timeout::default(),
        }
    }

    /// Whether anything at all is the owner's.
    pub(super) fn has_words(&self) -> bool {
        let around = [&self.channel, &self.username, &self.icon_emoji, &self.icon_url];
        around.into_iter().any(Option::is_some) || self.link_names || self.has_own_message()
    }

    /// Whether any part of the message is.
    pub(super) fn has_own_message(&self) -> bool {
        let parts = [
            &self.message_text,
            &self.color,
            &self.title,
            &self.title_link,
            &self.pretext,
            &self.text,
            &self.fallback,
            &self.callback_id,
            &self.footer,
            &self.image_url,
            &self.thumb_url,
        ];
        parts.into_iter().any(Option::is_some) || !self.fields.is_empty() || !self.actions.is_empty()
    }
}
