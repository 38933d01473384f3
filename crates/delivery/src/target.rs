//! The address a message is posted to.

use crate::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Uri};
use std::fmt;

/// Longest address taken: what servers commonly accept as a request line.
const LENGTH_MAX: usize = 8000;

/// An absolute `http://` or `https://` address. Path and query often are the
/// credential, so `Debug` shows nothing and only [`Target::host`] is for people.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Target {
    uri: Uri,
    authorization: Option<HeaderValue>,
}

/// Text that can't be posted to. Says nothing of the text, since it is secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Longer than any server takes.
    #[error("the address is {length_bytes} bytes long: at most {LENGTH_MAX} are taken")]
    TooLong {
        /// Its length.
        length_bytes: usize,
    },
    /// Not a URL at all.
    #[error("not an address: write it as `https://host/path`, with spaces and other odd characters as `%XX`")]
    Syntax,
    /// Relative, or another protocol.
    #[error("the address must start with `https://` or `http://`")]
    Scheme,
    /// A part of the path that a server would take for the way up, or for none.
    #[error("a part of the address's path is empty, `.` or `..`")]
    Segment,
    /// `user:password@` that doesn't decode to text.
    #[error("`user:password@` in the address must be UTF-8, with odd characters as `%XX`")]
    UserInfo,
}

impl Target {
    /// Reads an address; `user:password@` becomes basic authentication.
    ///
    /// # Errors
    /// Says what is wrong without repeating the text.
    pub fn parse(address: &Secret) -> Result<Self, TargetError> {
        let text = address.expose();
        if text.len() > LENGTH_MAX {
            return Err(TargetError::TooLong { length_bytes: text.len() });
        }
        let uri: Uri = text.parse().map_err(|_| TargetError::Syntax)?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(TargetError::Scheme);
        }
        let authority = uri.authority().ok_or(TargetError::Syntax)?;
        let Some((user_info, host)) = authority.as_str().rsplit_once('@') else {
            return Ok(Self { uri, authorization: None });
        };
        let authorization = Some(basic(user_info)?);
        Ok(Self { uri: with_authority(&uri, host)?, authorization })
    }

    /// An address below this one: `segments` after its path and `pairs` after
    /// its query, each as one piece whatever stands in it.
    ///
    /// # Errors
    /// When a segment is empty or dots, or the whole gets too long.
    pub(crate) fn join(&self, segments: &[&str], pairs: &[(&str, &str)]) -> Result<Self, TargetError> {
        let mut path = self.uri.path().trim_end_matches('/').to_owned();
        for segment in segments {
            if matches!(*segment, "" | "." | "..") {
                return Err(TargetError::Segment);
            }
            path.push('/');
            push_encoded(&mut path, segment);
        }
        push_query(&mut path, self.uri.query(), pairs);
        if path.len() > LENGTH_MAX {
            return Err(TargetError::TooLong { length_bytes: path.len() });
        }
        let mut parts = self.uri.clone().into_parts();
        parts.path_and_query = Some(path.parse().map_err(|_| TargetError::Syntax)?);
        let uri = Uri::from_parts(parts).map_err(|_| TargetError::Syntax)?;
        Ok(Self { uri, authorization: self.authorization.clone() })
    }

    /// The address whose path ends in `other` instead of `last`; `None` where
    /// it doesn't end so.
    ///
    /// # Errors
    /// When the whole gets too long.
    pub(crate) fn beside(&self, last: &str, other: &str) -> Result<Option<Self>, TargetError> {
        let Some((folder, found)) = self.uri.path().rsplit_once('/') else { return Ok(None) };
        if found != last {
            return Ok(None);
        }
        let query = self.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        let mut parts = self.uri.clone().into_parts();
        let path = format!("{folder}/{other}{query}").parse();
        parts.path_and_query = Some(path.map_err(|_| TargetError::Syntax)?);
        let uri = Uri::from_parts(parts).map_err(|_| TargetError::Syntax)?;
        Ok(Some(Self { uri, authorization: self.authorization.clone() }))
    }

    /// Host and port, the part that messages for people may name.
    #[must_use]
    pub fn host(&self) -> &str {
        self.uri.authority().map_or("", |authority| authority.as_str())
    }

    pub(crate) fn uri(&self) -> &Uri {
        &self.uri
    }

    pub(crate) fn authorization(&self) -> Option<&HeaderValue> {
        self.authorization.as_ref()
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

fn with_authority(uri: &Uri, host: &str) -> Result<Uri, TargetError> {
    let mut parts = uri.clone().into_parts();
    parts.authority = Some(host.parse().map_err(|_| TargetError::Syntax)?);
    Uri::from_parts(parts).map_err(|_| TargetError::Syntax)
}

fn basic(user_info: &str) -> Result<HeaderValue, TargetError> {
    let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
    let pair = format!("{}:{}", percent_decoded(user)?, percent_decoded(password)?);
    let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair)))
        .map_err(|_| TargetError::UserInfo)?;
    value.set_sensitive(true);
    Ok(value)
}

fn push_query(path: &mut String, query: Option<&str>, pairs: &[(&str, &str)]) {
    let mut mark = '?';
    if let Some(query) = query {
        path.push_str(&format!("?{query}"));
        mark = '&';
    }
    for (name, value) in pairs {
        path.push(std::mem::replace(&mut mark, '&'));
        push_encoded(path, name);
        path.push('=');
        push_encoded(path, value);
    }
}

/// All but what RFC 3986 calls unreserved.
fn push_encoded(out: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}

fn percent_decoded(text: &str) -> Result<String, TargetError> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2).ok_or(TargetError::UserInfo)?;
        out.push(hex(digits[0])? << 4 | hex(digits[1])?);
        rest = after;
    }
    String::from_utf8(out).map_err(|_| TargetError::UserInfo)
}

fn hex(digit: u8) -> Result<u8, TargetError> {
    let value = char::from(digit).to_digit(16).ok_or(TargetError::UserInfo)?;
    Ok(value as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Target, TargetError> {
        Target::parse(&Secret::new(text))
    }

    #[test]
    fn user_and_password_leave_the_address() {
        let target = parse("https://al%40ice:p%3Aw@hooks.example:8443/a?b=c").unwrap();
        assert_eq!(target.uri().to_string(), "https://hooks.example:8443/a?b=c");
        assert_eq!(target.host(), "hooks.example:8443");
        let header = target.authorization().unwrap().to_str().unwrap();
        assert_eq!(STANDARD.decode(header.strip_prefix("Basic ").unwrap()).unwrap(), b"al@ice:p:w");
        assert!(parse("https://hooks.example/").unwrap().authorization().is_none());
    }

    #[test]
    fn what_cannot_be_posted_to_is_refused() {
        for (text, want) in [
            ("", TargetError::Syntax),
            ("not a url", TargetError::Syntax),
            ("/path", TargetError::Scheme),
            ("hooks.example", TargetError::Scheme),
            ("ftp://hooks.example/", TargetError::Scheme),
            ("https://", TargetError::Syntax),
            ("https:///path", TargetError::Syntax),
            ("https://%zz@hooks.example/", TargetError::UserInfo),
            ("https://a%f@hooks.example/", TargetError::UserInfo),
            ("https://%ff@hooks.example/", TargetError::UserInfo),
        ] {
            assert_eq!(parse(text), Err(want), "{text}");
        }
        let long = format!("https://hooks.example/{}", "x".repeat(LENGTH_MAX));
        assert!(matches!(parse(&long), Err(TargetError::TooLong { .. })));
    }

    fn joined(base: &str, segments: &[&str], pairs: &[(&str, &str)]) -> Result<String, TargetError> {
        parse(base).unwrap().join(segments, pairs).map(|target| target.uri().to_string())
    }

    #[test]
    fn below_an_address() {
        for base in ["https://x.example/api", "https://x.example/api/"] {
            assert_eq!(
                joined(base, &["now", "a/b ?"], &[]).unwrap(),
                "https://x.example/api/now/a%2Fb%20%3F"
            );
        }
        assert_eq!(
            joined("https://x.example?a=b", &["c"], &[("q", "k=1^n!=2&x"), ("é", "")]).unwrap(),
            "https://x.example/c?a=b&q=k%3D1%5En%21%3D2%26x&%C3%A9="
        );
        assert_eq!(joined("https://x.example", &[], &[("a", "b")]).unwrap(), "https://x.example/?a=b");
        for odd in ["", ".", ".."] {
            assert_eq!(joined("https://x.example/", &["a", odd], &[]), Err(TargetError::Segment));
        }
        let long = "x".repeat(LENGTH_MAX);
        assert!(matches!(joined("https://x.example/", &[&long], &[]), Err(TargetError::TooLong { .. })));
        let below = parse("https://me:hunter2@x.example/").unwrap().join(&["a"], &[]).unwrap();
        assert!(below.authorization().is_some(), "the credential goes along");
    }

    #[test]
    fn beside_an_address() {
        let beside = |text: &str| {
            let found = parse(text).unwrap().beside("chat.postMessage", "chat.update").unwrap();
            found.map(|target| target.uri().to_string())
        };
        let url = "https://x.example/api/chat.postMessage";
        assert_eq!(beside(url).unwrap(), "https://x.example/api/chat.update");
        assert_eq!(beside(&format!("{url}?a=b")).unwrap(), "https://x.example/api/chat.update?a=b");
        for other in
            ["https://x.example/api/chat.postMessage/", "https://x.example", "https://x.example/hook"]
        {
            assert_eq!(beside(other), None, "{other}");
        }
    }

    #[test]
    fn nothing_of_it_is_shown() {
        let target = parse("https://me:hunter2@hooks.example/T0/B0/xyzzy?key=xyzzy").unwrap();
        assert_eq!(format!("{target:?}"), "<secret>");
        assert_eq!(format!("{:?}", Secret::new("xyzzy")), "<secret>");
    }
}
