//! Whether a page of another site makes a request.

use http::HeaderMap;
use http::header::{HOST, ORIGIN};

/// By what the browser says of the page; where it says nothing of that, by the
/// page's address, which a proxy may make another's.
pub(super) fn is_other(headers: &HeaderMap) -> bool {
    match headers.get("sec-fetch-site") {
        Some(site) => site != "same-origin" && site != "none",
        None => headers.get(ORIGIN).is_some_and(|origin| !is_host(origin.as_bytes(), headers)),
    }
}

fn is_host(origin: &[u8], headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).map_or(&b""[..], |host| host.as_bytes());
    let authority = origin.strip_prefix(b"https://").or_else(|| origin.strip_prefix(b"http://"));
    authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
}
