//! What a mail server's replies mean.

use openclaw_alert::SendOutcome;
use std::fmt;

/// How far a send has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Connect,
    Greeting,
    Hello,
    StartTls,
    Auth,
    Sender,
    Recipient,
    Data,
    /// Once the mail itself has been written, it may have been taken.
    Mail,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "the connection",
            Self::Greeting => "the greeting",
            Self::Hello => "EHLO",
            Self::StartTls => "STARTTLS",
            Self::Auth => "AUTH",
            Self::Sender => "MAIL FROM",
            Self::Recipient => "RCPT TO",
            Self::Data => "DATA",
            Self::Mail => "the mail",
        })
    }
}

/// Why a conversation ended early.
#[derive(Debug)]
pub(super) enum Fault {
    /// The server said no. Its words stay out: they repeat what was said to it.
    Code(u16),
    /// For ever, by what the settings or the mail are.
    Never(String),
    /// The network, or a server that speaks something else.
    Broken(String),
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        Self::Broken(error.to_string())
    }
}

/// The verdict of a send that ended at `stage`.
pub(super) fn judge(host: &str, stage: Stage, fault: Fault) -> SendOutcome {
    let ambiguous = stage == Stage::Mail;
    match fault {
        Fault::Never(detail) => SendOutcome::Never { detail: format!("`{host}`: {detail}") },
        Fault::Code(code @ 500..=599) => {
            SendOutcome::Never { detail: format!("`{host}` answered {code} to {stage}") }
        }
        Fault::Code(code) => SendOutcome::Retry {
            after: None,
            ambiguous: ambiguous && !(400..500).contains(&code),
            detail: format!("`{host}` answered {code} to {stage}"),
        },
        Fault::Broken(detail) => {
            SendOutcome::Retry { after: None, ambiguous, detail: format!("`{host}`, at {stage}: {detail}") }
        }
    }
}
