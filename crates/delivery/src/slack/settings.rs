//! What a Slack channel's owner may set.

use crate::template::Template;
use crate::{HttpConfig, Secret, Target, TargetError, Timeout};

/// One Slack channel.
///
/// Where nothing of the message is set, it is ours; where anything is, it is
/// Alertmanager's attachment, and what is unset comes from `slack.default.*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The way there.
    pub way: Way,
    /// Credentials and headers, for servers that take Slack's messages.
    pub http: HttpConfig,
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

/// The two ways into a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// An incoming webhook: messages go there and stay as they are.
    Webhook(Webhook),
    /// An app's bot: messages are edited as their group changes.
    App(App),
}

/// An incoming webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its address; all of it is the credential.
    pub api_url: Target,
    /// Asks for another channel or person than the webhook's own, which only
    /// Slack's older webhooks and compatible servers follow.
    pub channel: Option<Template>,
}

/// An app's bot that is a member of the channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// Where messages are posted.
    pub(super) post_url: Target,
    /// Where they are edited; servers that only take messages have none.
    pub(super) update_url: Option<Target>,
    /// The bot's token, `xoxb-…`.
    pub token: Secret,
    /// Name or id of the channel.
    pub channel: Template,
    /// With it, messages have buttons: what is pressed comes signed with it.
    pub signing_secret: Option<Secret>,
}

impl App {
    /// Slack's own address for messages, in Alertmanager's form of `app_url`.
    pub const URL: &'static str = "https://slack.com/api/chat.postMessage";

    /// `app_url` is the address of `chat.postMessage`, or of the API that has
    /// it: one that ends in `/` or `/api`. Any other address is a server's own,
    /// to which messages are posted and where none are edited.
    ///
    /// # Errors
    /// When the addresses below it get too long.
    pub fn new(app_url: &Target, token: Secret, channel: Template) -> Result<Self, TargetError> {
        const POST: &str = "chat.postMessage";
        const UPDATE: &str = "chat.update";
        let path = app_url.uri().path();
        let (post_url, update_url) = if let Some(update_url) = app_url.beside(POST, UPDATE)? {
            (app_url.clone(), Some(update_url))
        } else if path.ends_with('/') || path.ends_with("/api") {
            (app_url.join(&[POST], &[])?, Some(app_url.join(&[UPDATE], &[])?))
        } else {
            (app_url.clone(), None)
        };
        Ok(Self { post_url, update_url, token, channel, signing_secret: None })
    }

    /// Whether the address is of the server that it speaks to.
    pub(crate) fn is_at(&self, address: &Target) -> bool {
        let (own, other) = (self.post_url.uri(), address.uri());
        own.scheme() == other.scheme() && own.authority() == other.authority()
    }
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
    /// The defaults for an incoming webhook.
    #[must_use]
    pub fn new(api_url: Target) -> Self {
        Self::by(Way::Webhook(Webhook { api_url, channel: None }))
    }

    /// The defaults.
    #[must_use]
    pub fn by(way: Way) -> Self {
        Self {
            way,
            http: HttpConfig::default(),
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
        let channel = match &self.way {
            Way::Webhook(webhook) => &webhook.channel,
            Way::App(_) => &None,
        };
        let around = [channel, &self.username, &self.icon_emoji, &self.icon_url];
        around.into_iter().any(Option::is_some) || self.link_names || self.has_own_message()
    }

    /// What the channel is called.
    #[must_use]
    pub fn channel(&self) -> Option<&Template> {
        match &self.way {
            Way::Webhook(webhook) => webhook.channel.as_ref(),
            Way::App(app) => Some(&app.channel),
        }
    }

    /// What signs what people press, where messages have buttons.
    #[must_use]
    pub fn signing_secret(&self) -> Option<&Secret> {
        match &self.way {
            Way::Webhook(_) => None,
            Way::App(app) => app.signing_secret.as_ref(),
        }
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
