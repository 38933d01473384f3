//! What the query of a question says.

use super::super::CLIENT_BYTES_MAX;
use super::super::problem::Problem;
use super::head::Head;
use http::StatusCode;
use std::borrow::Cow;

/// Bytes of what a request says about itself, but for its client's name.
pub(super) const TEXT_BYTES_MAX: usize = 1024;

/// A question's parameters; empty texts stand for what nobody says.
#[derive(Debug)]
pub(super) struct Ask<'r> {
    pub(super) client: Option<Cow<'r, str>>,
    pub(super) policy: Option<Cow<'r, str>>,
    pub(super) cost: u32,
    pub(super) path: Cow<'r, str>,
    pub(super) method: Cow<'r, str>,
    pub(super) plan: Cow<'r, str>,
    /// What a proxy is told over the limit, instead of 403.
    pub(super) deny: Option<u16>,
}

/// Parameters that stand once each.
const NAMES: [&str; 7] = ["client", "policy", "cost", "path", "method", "plan", "deny"];

impl<'r> Ask<'r> {
    pub(super) fn parse(query: &'r str) -> Result<Self, Problem> {
        let mut ask = Self {
            client: None,
            policy: None,
            cost: 1,
            path: "".into(),
            method: "".into(),
            plan: "".into(),
            deny: None,
        };
        if query.is_empty() {
            return Ok(ask);
        }
        let mut seen = 0_u8;
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let fault = match NAMES.iter().position(|known| *known == name) {
                Some(at) if seen & (1 << at) != 0 => Err("is given twice".to_owned()),
                Some(at) => {
                    seen |= 1 << at;
                    ask.take(&name, value)
                }
                None => Err(format!("is not known: use `{}`", NAMES[..6].join("`, `"))),
            };
            fault.map_err(|fault| Problem::parameter(&name, fault))?;
        }
        Ok(ask)
    }

    fn take(&mut self, name: &str, value: Cow<'r, str>) -> Result<(), String> {
        let bytes_max = if name == "client" { CLIENT_BYTES_MAX } else { TEXT_BYTES_MAX };
        if value.len() > bytes_max {
            return Err(format!("is longer than {bytes_max} bytes"));
        }
        match name {
            "client" if value.is_empty() => return Err("is empty: leave it out or name a client".to_owned()),
            "client" => self.client = Some(value),
            "policy" => self.policy = Some(value),
            "cost" => self.cost = value.parse().map_err(|_| COST_FAULT.to_owned())?,
            "path" => self.path = value,
            "method" => self.method = value,
            "plan" => self.plan = value,
            _ if value == "429" => self.deny = Some(429),
            _ if value == "403" => self.deny = Some(403),
            _ => return Err("must be 403 or 429".to_owned()),
        }
        Ok(())
    }

    /// What a proxy says in headers stands where the query says nothing.
    pub(super) fn or_of_headers(&mut self, head: &Head<'r>) -> Result<(), Problem> {
        let client = head.client.filter(|client| !client.is_empty());
        if self.client.is_none() {
            self.client = client.map(|client| bounded("X-OpenClaw-Client", client)).transpose()?;
        }
        if self.path.is_empty()
            && let Some(uri) = head.original_uri
        {
            self.path = path_of(uri);
        }
        if self.method.is_empty()
            && let Some(method) = head.original_method
        {
            self.method = String::from_utf8_lossy(method);
        }
        Ok(())
    }
}

/// What is remembered for as long as its pass holds.
fn bounded<'h>(header: &str, value: &'h [u8]) -> Result<Cow<'h, str>, Problem> {
    if value.len() > CLIENT_BYTES_MAX {
        let said = format!("the header `{header}` is longer than {CLIENT_BYTES_MAX} bytes");
        return Err(Problem::new(StatusCode::BAD_REQUEST, said));
    }
    Ok(String::from_utf8_lossy(value))
}

const COST_FAULT: &str = "must be a whole number from 0 to 4294967295";

/// The path of a request's target, as whoever serves it will read it: `%61` is
/// an `a`, or else a limit on `/a` could be passed by.
fn path_of(target: &[u8]) -> Cow<'_, str> {
    let end = target.iter().position(|byte| *byte == b'?' || *byte == b'#').unwrap_or(target.len());
    let decoded: Cow<'_, [u8]> = percent_encoding::percent_decode(&target[..end]).into();
    match decoded {
        Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
        Cow::Owned(bytes) => String::from_utf8_lossy(&bytes).into_owned().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read() {
        let ask = Ask::parse("client=a%20b&cost=0&policy=api&path=/v1&method=GET&plan=gold").unwrap();
        assert_eq!((ask.client.as_deref(), ask.policy.as_deref(), ask.cost), (Some("a b"), Some("api"), 0));
        assert_eq!((&*ask.path, &*ask.method, &*ask.plan), ("/v1", "GET", "gold"));
        assert_eq!(Ask::parse("").unwrap().cost, 1);
    }

    #[test]
    fn faults_name_the_parameter() {
        let long = format!("client={}", "x".repeat(CLIENT_BYTES_MAX + 1));
        for query in
            ["cost=-1", "cost=x", "cost=4294967296", "cost=1&cost=1", "client=", "clinet=a", "deny=1", &long]
        {
            let name = query.split('=').next().unwrap();
            let problem = Ask::parse(query).unwrap_err();
            assert!(
                problem.body().contains(&format!("\"parameter\":\"{name}\"")),
                "{query}: {}",
                problem.body()
            );
        }
    }

    #[test]
    fn a_path_is_read_as_it_will_be_served() {
        for (target, path) in
            [("/v1/%61?x=/y", "/v1/a"), ("/v1#f", "/v1"), ("/", "/"), ("/%ff", "/\u{fffd}"), ("", "")]
        {
            assert_eq!(path_of(target.as_bytes()), path);
        }
    }
}
