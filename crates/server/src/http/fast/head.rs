//! Which requests the fast loop answers: those that leave no room for two
//! readings. Everything else is hyper's.
//!
//! Self-contained, so that it can be fuzzed alone.

use std::mem::MaybeUninit;

/// Largest head that is read here.
pub(crate) const HEAD_BYTES_MAX: usize = 8 << 10;

/// Largest body that is read here.
pub(crate) const BODY_BYTES_MAX: usize = 64 << 10;

/// Headers of a request that is read here.
const HEADERS_MAX: usize = 64;

/// What may stand in a query; other bytes are allowed in some readings of a
/// target and not in all.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let (mut byte, marks) = (0, b"-._~%!$&'()*+,;=:@/?");
    while byte < 256 {
        plain[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut at = 0;
    while at < marks.len() {
        plain[marks[at] as usize] = true;
        at += 1;
    }
    plain
};

/// What lies at the front of what has been received.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Judged<'b> {
    /// A request that is answered here, whole.
    Hot(Hot<'b>),
    /// The start of a request that may be.
    Partial,
    /// Something else.
    Elsewhere,
}

/// Which question is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Rate,
    Decisions,
    Auth,
}

/// A request. Each header that is named here stood at most once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Hot<'b> {
    pub(crate) kind: Kind,
    /// Whether its answer has no body.
    pub(crate) is_head: bool,
    pub(crate) query: &'b str,
    pub(crate) headers: Headers<'b>,
    pub(crate) body: &'b [u8],
    /// Whether the connection ends with the answer.
    pub(crate) closes: bool,
    /// Bytes of head and body.
    pub(crate) length: usize,
}

/// Headers that decide something.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Headers<'b> {
    pub(crate) authorization: Option<&'b str>,
    pub(crate) tenant: Option<&'b str>,
    pub(crate) client: Option<&'b [u8]>,
    pub(crate) original_uri: Option<&'b [u8]>,
    pub(crate) original_method: Option<&'b [u8]>,
    host: Option<&'b [u8]>,
    connection: Option<&'b [u8]>,
    content_length: Option<&'b [u8]>,
    /// Whether a browser says of which page it comes, which matters for what
    /// changes something.
    is_of_page: bool,
}

/// A request that may be answered here, or some other.
struct Other;

/// Looks at the front of `received`.
pub(crate) fn judge(received: &[u8]) -> Judged<'_> {
    // Two KiB that need not be written for each request.
    let mut headers = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(received, &mut headers) {
        Ok(httparse::Status::Complete(head_bytes)) if head_bytes <= HEAD_BYTES_MAX => {
            whole(&request, head_bytes, received).unwrap_or(Judged::Elsewhere)
        }
        Ok(httparse::Status::Partial) if received.len() < HEAD_BYTES_MAX => Judged::Partial,
        _ => Judged::Elsewhere,
    }
}

fn whole<'b>(
    request: &httparse::Request<'_, 'b>,
    head_bytes: usize,
    received: &'b [u8],
) -> Result<Judged<'b>, Other> {
    let (kind, query) = asked(request)?;
    let headers = Headers::read(request.headers)?;
    let closes = match headers.connection {
        None => false,
        Some(value) if value.eq_ignore_ascii_case(b"keep-alive") => false,
        Some(value) if value.eq_ignore_ascii_case(b"close") => true,
        Some(_) => return Err(Other),
    };
    let body_bytes = match (kind, headers.content_length) {
        (Kind::Decisions, Some(value)) if !headers.is_of_page => length(value)?,
        (Kind::Rate | Kind::Auth, None | Some(b"0")) if !headers.are_of_browser() => 0,
        _ => return Err(Other),
    };
    let length = head_bytes + body_bytes;
    let Some(body) = received.get(head_bytes..length) else { return Ok(Judged::Partial) };
    let is_head = request.method == Some("HEAD");
    Ok(Judged::Hot(Hot { kind, is_head, query, headers, body, closes, length }))
}

/// The question and its query.
fn asked<'b>(request: &httparse::Request<'_, 'b>) -> Result<(Kind, &'b str), Other> {
    let (Some(method), Some(target), Some(1)) = (request.method, request.path, request.version) else {
        return Err(Other);
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let kind = match (path, method) {
        ("/api/v1/rate", "GET" | "HEAD") => Kind::Rate,
        ("/api/v1/decisions", "POST") => Kind::Decisions,
        ("/auth", "GET" | "HEAD") => Kind::Auth,
        _ => return Err(Other),
    };
    if query.bytes().all(|byte| PLAIN[usize::from(byte)]) { Ok((kind, query)) } else { Err(Other) }
}

fn length(value: &[u8]) -> Result<usize, Other> {
    if value.is_empty() || value.len() > 6 || !value.iter().all(u8::is_ascii_digit) {
        return Err(Other);
    }
    let bytes = value.iter().fold(0, |sum, digit| sum * 10 + usize::from(digit & 0xf));
    if bytes <= BODY_BYTES_MAX { Ok(bytes) } else { Err(Other) }
}

impl<'b> Headers<'b> {
    fn read(headers: &[httparse::Header<'b>]) -> Result<Self, Other> {
        let mut read = Self::default();
        for header in headers {
            read.take(header.name, header.value)?;
        }
        Ok(read)
    }

    /// By length first: most headers are none of these.
    fn take(&mut self, name: &str, value: &'b [u8]) -> Result<(), Other> {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        match name.len() {
            4 if is("host") => once(&mut self.host, value),
            10 if is("connection") => once(&mut self.connection, value),
            13 if is("authorization") => once(&mut self.authorization, text(value)?),
            13 if is("x-scope-orgid") => once(&mut self.tenant, text(value)?),
            14 if is("content-length") => once(&mut self.content_length, value),
            14 if is("x-original-uri") => once(&mut self.original_uri, value),
            17 if is("x-openclaw-client") => once(&mut self.client, value),
            17 if is("x-original-method") => once(&mut self.original_method, value),
            6 if is("expect") => Err(Other),
            7 if is("upgrade") => Err(Other),
            17 if is("transfer-encoding") => Err(Other),
            6 if is("origin") => self.of_page(),
            14 if is("sec-fetch-site") => self.of_page(),
            _ => Ok(()),
        }
    }

    /// Whether a browser may have added the credential by itself: then it
    /// matters which page asks.
    fn are_of_browser(&self) -> bool {
        let shows_key =
            |text: &str| text.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("bearer "));
        self.is_of_page && !self.authorization.is_some_and(shows_key)
    }

    fn of_page(&mut self) -> Result<(), Other> {
        self.is_of_page = true;
        Ok(())
    }
}

/// A header that stands twice can be read in two ways.
fn once<T>(place: &mut Option<T>, value: T) -> Result<(), Other> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(Other),
    }
}

/// Visible ASCII, spaces and tabs, as a header's text is read elsewhere.
fn text(value: &[u8]) -> Result<&str, Other> {
    let is_text = value.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~'));
    if is_text { std::str::from_utf8(value).map_err(|_| Other) } else { Err(Other) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: &str = "GET /api/v1/rate?client=a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\n\r\n";

    fn with(line: &str) -> String {
        RATE.replace("\r\n\r\n", &format!("\r\n{line}\r\n\r\n"))
    }

    #[test]
    fn a_plain_question_is_answered_here() {
        let pipelined = format!("{RATE}GET /");
        let Judged::Hot(hot) = judge(pipelined.as_bytes()) else { panic!("not hot") };
        assert_eq!((hot.kind, hot.query, hot.length), (Kind::Rate, "client=a", RATE.len()));
        assert_eq!(hot.headers.authorization, Some("Bearer k"));
        assert!(!hot.closes && !hot.is_head && hot.body.is_empty());
        for end in 0..RATE.len() {
            assert_eq!(judge(&RATE.as_bytes()[..end]), Judged::Partial, "{end}");
        }
    }

    #[test]
    fn a_batch_waits_for_its_body() {
        let head = "POST /api/v1/decisions HTTP/1.1\r\nContent-Length: 4\r\nConnection: Close\r\n\r\n";
        let batch = format!("{head}[{{}}]");
        for end in 0..batch.len() {
            assert_eq!(judge(&batch.as_bytes()[..end]), Judged::Partial, "{end}");
        }
        let Judged::Hot(hot) = judge(batch.as_bytes()) else { panic!("not hot") };
        assert_eq!((hot.kind, hot.body, hot.closes), (Kind::Decisions, &b"[{}]"[..], true));
        assert_eq!(hot.length, batch.len());
    }

    #[test]
    fn whatever_could_be_read_otherwise_is_not_read_here() {
        let lines = [
            "Transfer-Encoding: chunked",
            "Transfer-Encoding: identity",
            "Content-Length: 5",
            "Content-Length: 0\r\nContent-Length: 0",
            "Expect: 100-continue",
            "Upgrade: h2c",
            "Connection: Upgrade",
            "Connection: keep-alive, close",
            "Connection: close\r\nConnection: close",
            "Host: y",
            "Authorization: Bearer k",
            "X-Scope-OrgID: a\r\nX-Scope-OrgID: a",
            "X-OpenClaw-Client: a\r\nx-openclaw-client: b",
            "X-Scope-OrgID: \u{e9}",
            "X : y",
            " folded",
        ];
        for line in lines {
            assert_eq!(judge(with(line).as_bytes()), Judged::Elsewhere, "{line}");
        }
        let firsts = [
            "GET /api/v1/rate HTTP/1.0",
            "GET http://x/api/v1/rate HTTP/1.1",
            "GET //api/v1/rate HTTP/1.1",
            "GET /api/v1/rate/ HTTP/1.1",
            "GET /api/v1/%72ate HTTP/1.1",
            "GET /t/acme/api/v1/rate HTTP/1.1",
            "GET /api/v1/rate?a#b HTTP/1.1",
            "GET /api/v1/rate?a\"b HTTP/1.1",
            "get /api/v1/rate HTTP/1.1",
            "POST /api/v1/rate HTTP/1.1",
            "POST /auth HTTP/1.1",
            "POST /api/v1/decisions HTTP/1.1",
            "OPTIONS * HTTP/1.1",
            "nonsense",
        ];
        for first in firsts {
            let request = RATE.replace("GET /api/v1/rate?client=a HTTP/1.1", first);
            assert_eq!(judge(request.as_bytes()), Judged::Elsewhere, "{first}");
        }
        for value in ["", "+4", "4 ", "0x4", "4,4", "65537", "9999999", "99999999999999999999999", "-1"] {
            let batch = format!("POST /api/v1/decisions HTTP/1.1\r\nContent-Length: {value}\r\n\r\n[{{}}]");
            let is_trimmed = value.trim() == "4";
            assert_eq!(judge(batch.as_bytes()) == Judged::Elsewhere, !is_trimmed, "{value:?}");
        }
    }

    #[test]
    fn heads_have_a_bound() {
        let filler = "x".repeat(HEAD_BYTES_MAX);
        assert_eq!(judge(with(&format!("X: {filler}")).as_bytes()), Judged::Elsewhere);
        assert_eq!(judge(format!("GET /{filler}").as_bytes()), Judged::Elsewhere);
        let many: String = (0..HEADERS_MAX).map(|n| format!("X-{n}: y\r\n")).collect();
        assert_eq!(judge(with(many.trim_end()).as_bytes()), Judged::Elsewhere);
    }

    #[test]
    fn a_page_may_ask_and_change_nothing() {
        let from_page = with("Origin: https://x.example\r\nSec-Fetch-Site: cross-site");
        assert!(matches!(judge(from_page.as_bytes()), Judged::Hot(_)));
        let batch = "POST /api/v1/decisions HTTP/1.1\r\nContent-Length: 2\r\nOrigin: x\r\n\r\n[]";
        assert_eq!(judge(batch.as_bytes()), Judged::Elsewhere);
    }
}
