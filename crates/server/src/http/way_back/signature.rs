//! Whether a request was signed with a secret that we share with its tool.

use http::HeaderMap;
use openclaw_alert::Timestamp;
use openclaw_sources::SignatureError;
use openclaw_sources::signature::{check_time, from_hex, is_any_signed};

const SLACK_TIME: &str = "x-slack-request-timestamp";
const SLACK_SIGNATURE: &str = "x-slack-signature";
const PAGERDUTY_SIGNATURE: &str = "x-pagerduty-signature";

/// Signatures of one request: one for each secret that is being rotated.
const SIGNATURES_MAX: usize = 8;

/// SHA-256's.
type Digest = [u8; 32];

/// Why a request can't be taken for its tool's. Says nothing of secrets, and
/// the same whether there is such a tenant or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unsigned {
    /// A header is missing or not in its form.
    #[error("the header `{0}` is missing, given twice, or not in its form")]
    Header(&'static str),
    /// Slack's time is too far off.
    #[error("the request was signed more than 300 seconds ago or ahead: check both clocks")]
    Stale,
    /// No secret of any tenant that may be meant fits.
    #[error("the signature fits none of the secrets in the settings")]
    Wrong,
    /// Too many secrets to try.
    #[error("more tenants share this address than are tried: use `/t/<tenant>/api/v1/…`")]
    Crowded,
}

/// How a tool signs: what is signed besides the body, and what came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signature {
    /// Before the body.
    prefix: String,
    /// Any of them is enough.
    digests: Vec<Digest>,
}

impl Signature {
    /// Slack's version 0: over `v0:<time>:<body>`.
    pub(super) fn of_slack(headers: &HeaderMap, now: Timestamp) -> Result<Self, Unsigned> {
        let time = single(headers, SLACK_TIME)?;
        check_time(SLACK_TIME, time, now).map_err(|error| match error {
            SignatureError::Stale => Unsigned::Stale,
            _ => Unsigned::Header(SLACK_TIME),
        })?;
        let digest = single(headers, SLACK_SIGNATURE)?.strip_prefix("v0=").and_then(digest);
        let digests = vec![digest.ok_or(Unsigned::Header(SLACK_SIGNATURE))?];
        Ok(Self { prefix: format!("v0:{time}:"), digests })
    }

    /// PagerDuty's version 1: over the body alone, once for each secret.
    pub(super) fn of_pagerduty(headers: &HeaderMap) -> Result<Self, Unsigned> {
        let list = single(headers, PAGERDUTY_SIGNATURE)?;
        let signatures = list.split(',').take(SIGNATURES_MAX);
        let digests: Vec<_> =
            signatures.filter_map(|one| one.trim().strip_prefix("v1=").and_then(digest)).collect();
        if digests.is_empty() {
            return Err(Unsigned::Header(PAGERDUTY_SIGNATURE));
        }
        Ok(Self { prefix: String::new(), digests })
    }

    /// Whether `secret` made it of this body; takes as long either way.
    pub(super) fn fits(&self, secret: &str, body: &[u8]) -> bool {
        let parts = [self.prefix.as_bytes(), body];
        is_any_signed(secret.as_bytes(), &parts, self.digests.iter())
    }

    /// Names the request among those of the same secret.
    pub(super) fn first(&self) -> Digest {
        self.digests.first().copied().unwrap_or_default()
    }
}

/// A header that stands once.
fn single<'h>(headers: &'h HeaderMap, name: &'static str) -> Result<&'h str, Unsigned> {
    let mut values = headers.get_all(name).iter();
    let (first, second) = (values.next(), values.next());
    let text = first.filter(|_| second.is_none()).and_then(|value| value.to_str().ok());
    text.ok_or(Unsigned::Header(name))
}

fn digest(text: &str) -> Option<Digest> {
    from_hex(text)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::Sha256;

    const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
    const AT: i64 = 1_531_420_618;
    const BODY: &[u8] = b"payload=%7B%22type%22%3A%22block_actions%22%7D";
    const FITS: &str = "v0=9dffc25b49a4a7fc2e15c9c9450bf8af09eb501fcef9039eaea3deb58af0c82c";

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn slack(time: &str, signature: &str, now: i64) -> Result<Signature, Unsigned> {
        let headers = headers(&[(SLACK_TIME, time), (SLACK_SIGNATURE, signature)]);
        Signature::of_slack(&headers, Timestamp::from_secs(now))
    }

    #[test]
    fn slack_is_known_by_its_vector() {
        let signature = slack("1531420618", FITS, AT).unwrap();
        assert!(signature.fits(SECRET, BODY));
        assert!(!signature.fits("8f742231b10e8888abcd99yyyzzz85a6", BODY));
        assert!(!signature.fits("", BODY));
        assert!(!signature.fits(SECRET, b"payload=%7B%22type%22%3A%22block_actions%22%7d"));
        assert!(!slack("1531420619", FITS, AT).unwrap().fits(SECRET, BODY), "the time is signed");
        // The example of Slack's documentation.
        let body = b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
        let documented = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
        assert!(slack("1531420618", documented, AT).unwrap().fits(SECRET, body));
    }

    #[test]
    fn slack_has_a_window() {
        for (now, want) in [(AT + 300, true), (AT - 300, true), (AT + 301, false), (AT - 301, false)] {
            let got = slack("1531420618", FITS, now);
            assert_eq!(got.is_ok(), want, "{now}");
            assert!(want || got == Err(Unsigned::Stale));
        }
    }

    #[test]
    fn odd_headers_are_no_signature() {
        for time in ["", " ", "+1531420618", "-1", "1531420618.0", "0x5b479c4a", "99999999999999999999"] {
            assert_eq!(slack(time, FITS, AT), Err(Unsigned::Header(SLACK_TIME)), "{time}");
        }
        let (short, no_hex) = (&FITS[..66], FITS.replace('9', "g"));
        for signature in ["", "v0=", &FITS[3..], short, &no_hex, &FITS.replace("v0", "v1"), "v0=é"] {
            assert_eq!(
                slack("1531420618", signature, AT),
                Err(Unsigned::Header(SLACK_SIGNATURE)),
                "{signature}"
            );
        }
        let twice = [(SLACK_TIME, "1531420618"), (SLACK_SIGNATURE, FITS), (SLACK_SIGNATURE, FITS)];
        let twice = Signature::of_slack(&headers(&twice), Timestamp::from_secs(AT));
        assert_eq!(twice, Err(Unsigned::Header(SLACK_SIGNATURE)));
        assert!(Signature::of_slack(&HeaderMap::new(), Timestamp::from_secs(AT)).is_err());
    }

    /// HMAC from its definition: H((key ^ 5c) || H((key ^ 36) || text)).
    fn hmac(secret: &str, body: &[u8]) -> String {
        use sha2::Digest as _;
        let mut block = [0_u8; 64];
        block[..secret.len()].copy_from_slice(secret.as_bytes());
        let inner = Sha256::new().chain_update(block.map(|b| b ^ 0x36)).chain_update(body).finalize();
        let outer = Sha256::new().chain_update(block.map(|b| b ^ 0x5c)).chain_update(inner).finalize();
        outer.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn any_of_pagerdutys_signatures_is_enough() {
        let (right, wrong) =
            (format!("v1={}", hmac("s3cret", b"{}")), format!("v1={}", hmac("other", b"{}")));
        let fits = |list: &str| {
            let signature = Signature::of_pagerduty(&headers(&[(PAGERDUTY_SIGNATURE, list)]));
            signature.is_ok_and(|signature| signature.fits("s3cret", b"{}"))
        };
        assert!(fits(&right));
        assert!(fits(&format!("{wrong},{right}")));
        assert!(fits(&format!("{right}, {wrong}, v2=00")));
        assert!(!fits(&wrong));
        assert!(!fits(&right.replace("v1", "v2")));
        assert!(!fits(""));
        let late = format!("{}{right}", format!("{wrong},").repeat(SIGNATURES_MAX));
        assert!(!fits(&late), "their number has a bound");
    }
}
