//! However a request is read, it is read in one way: the answers on a new
//! connection are those on one that another request has moved elsewhere.

use super::{World, world};
use crate::support::client::{Response, exchange_open};

/// What can be made of a question. `{key}` is a good key.
const ODD: &[&str] = &[
    "GET /api/v1/rate?cost=0 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n",
    "HEAD /api/v1/rate?cost=0 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n",
    "GET /api/v1/rate?cost=0 HTTP/1.1\nHost: x\nAuthorization: Bearer {key}\n\n",
    "\r\n\r\nGET /api/v1/rate?cost=0 HTTP/1.1\r\nAuthorization: Bearer {key}\r\n\r\n",
    "GET /api/v1/rate?cost=0 HTTP/1.0\r\nAuthorization: Bearer {key}\r\n\r\n",
    "GET /api/v1/rate?cost=0 HTTP/1.0\r\nConnection: keep-alive\r\nAuthorization: Bearer {key}\r\n\r\n",
    "GET http://x/api/v1/rate?cost=0 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n",
    "GET /api/v1/rate?cost=0 HTTP/1.1\r\nHost: x\r\nHost: y\r\nAuthorization: Bearer {key}\r\n\r\n",
    "GET /api/v1/rate?cost=0 HTTP/1.1\r\nAuthorization: Bearer {key}\r\nAuthorization: Bearer x\r\n\r\n",
    "GET /api/v1/rate?cost=0 HTTP/1.1\r\nAuthorization: bearer   {key}  \r\n\r\n",
    "GET /api/v1/rate?cost=0 HTTP/1.1\r\nAUTHORIZATION:Bearer {key}\r\n\r\n",
    "GET /api/v1/rate?cost=0 HTTP/1.1\r\nAuthorization : Bearer {key}\r\n\r\n",
    "GET /api/v1/rate?cost=0 HTTP/1.1\r\nAuthorization:\r\n Bearer {key}\r\n\r\n",
    "GET /api/v1/rate?cost=0 HTTP/1.1\r\nAuthorization: Bearer \u{e9}\r\n\r\n",
    "GET /api/v1/rate?cost=0 HTTP/1.1\r\nAuthorization: Bearer {key}\r\nX-Scope-OrgID: globex\r\n\r\n",
    "GET /api/v1/rate?cost=0 HTTP/1.1\r\nAuthorization: Bearer no\r\nX-Scope-OrgID: acme\r\n\r\n",
    "GET /api/v1/rate?cost=0 HTTP/1.1\r\nX-Scope-OrgID: a\r\nX-Scope-OrgID: b\r\n\r\n",
    "GET /api/v1/rate?cost=0 HTTP/1.1\r\n\r\n",
    "GET /api/v1/rate?cost=x HTTP/1.1\r\nAuthorization: Bearer {key}\r\n\r\n",
    "GET /api/v1/rate?cost=1001&client=%E4%BD%A0+%26 HTTP/1.1\r\nAuthorization: Bearer {key}\r\n\r\n",
    "GET /api/v1/rate?cost=0&policy=\u{e9} HTTP/1.1\r\nAuthorization: Bearer {key}\r\n\r\n",
    "GET /api/v1/rate?cost=0&policy=a\"b<c> HTTP/1.1\r\nAuthorization: Bearer {key}\r\n\r\n",
    "GET /api/v1/rate?cost=0#x HTTP/1.1\r\nAuthorization: Bearer {key}\r\n\r\n",
    "GET /api/v1/rate?&cost=0 HTTP/1.1\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\r\n",
    "GET /api/v1/rate?cost=0 HTTP/1.1\r\nAuthorization: Bearer {key}\r\nConnection: close, x\r\n\r\n",
    "GET /api/v1/rate?cost=0 HTTP/1.1\r\nAuthorization: Bearer {key}\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    "GET /api/v1/rate?cost=0 HTTP/1.1\r\nAuthorization: Bearer {key}\r\nContent-Length: 3\r\n\r\nabc",
    "GET /api/v1/rate?cost=0 HTTP/1.1\r\nAuthorization: Bearer {key}\r\nContent-Length: 0\r\n\r\n",
    "GET /api/v1/rate?cost=0 HTTP/1.1\r\nAuthorization: Bearer {key}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "OPTIONS /api/v1/rate HTTP/1.1\r\nAuthorization: Bearer {key}\r\n\r\n",
    "DELETE /api/v1/rate HTTP/1.1\r\nAuthorization: Bearer {key}\r\n\r\n",
    "GET /api/v1/decisions HTTP/1.1\r\nAuthorization: Bearer {key}\r\n\r\n",
    "POST /api/v1/decisions HTTP/1.1\r\nAuthorization: Bearer {key}\r\nContent-Length: 12\r\n\r\n[{\"cost\":0}]",
    "POST /api/v1/decisions HTTP/1.1\r\nAuthorization: Bearer {key}\r\nContent-Length: 012\r\n\r\n[{\"cost\":0}]",
    "POST /api/v1/decisions HTTP/1.1\r\nAuthorization: Bearer {key}\r\nContent-Length: +12\r\n\r\n[{\"cost\":0}]",
    "POST /api/v1/decisions HTTP/1.1\r\nAuthorization: Bearer {key}\r\nContent-Length: 12, 12\r\n\r\n[{\"cost\":0}]",
    "POST /api/v1/decisions HTTP/1.1\r\nAuthorization: Bearer {key}\r\nContent-Length: 2\r\nContent-Length: 12\r\n\r\n[{\"cost\":0}]",
    "POST /api/v1/decisions HTTP/1.1\r\nAuthorization: Bearer {key}\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nc\r\n[{\"cost\":0}]\r\n0\r\n\r\n",
    "POST /api/v1/decisions HTTP/1.1\r\nAuthorization: Bearer {key}\r\nTransfer-Encoding: chunked\r\n\r\nc\r\n[{\"cost\":0}]\r\n0\r\n\r\n",
    "POST /api/v1/decisions HTTP/1.1\r\nAuthorization: Bearer {key}\r\nTransfer-Encoding: xchunked\r\n\r\n[]",
    "POST /api/v1/decisions HTTP/1.1\r\nAuthorization: Bearer {key}\r\n\r\n",
    "POST /api/v1/decisions HTTP/1.1\r\nAuthorization: Bearer {key}\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n[]",
    "POST /api/v1/decisions HTTP/1.1\r\nAuthorization: Bearer no\r\nContent-Length: 2\r\n\r\n[]",
    "POST /api/v1/decisions HTTP/1.1\r\nAuthorization: Bearer {key}\r\nContent-Length: 1\r\n\r\n[",
    "POST /api/v1/decisions HTTP/1.1\r\nAuthorization: Basic eA==\r\nOrigin: https://y\r\nContent-Length: 2\r\n\r\n[]",
    "POST /api/v1/decisions HTTP/1.1\r\nAuthorization: Bearer {key}\r\nOrigin: https://y\r\nContent-Length: 2\r\n\r\n[]",
    "GET /auth?cost=0 HTTP/1.1\r\nAuthorization: Bearer {key}\r\nX-OpenClaw-Client: a%\u{e9}\r\n\r\n",
    "GET /auth?cost=0 HTTP/1.1\r\nAuthorization: Bearer {key}\r\nX-OpenClaw-Client: a\r\nX-OpenClaw-Client: b\r\n\r\n",
    "GET /auth?cost=1001&deny=429 HTTP/1.1\r\nAuthorization: Bearer {key}\r\nX-Original-URI: /a\r\n\r\n",
    "POST /auth?cost=0 HTTP/1.1\r\nAuthorization: Bearer {key}\r\n\r\n",
    "POST /auth?cost=0 HTTP/1.1\r\nAuthorization: Bearer {key}\r\nContent-Length: 3\r\n\r\nabc",
    "GET /auth?cost=0 HTTP/1.1\r\n\r\n",
    "GET /auth/?cost=0 HTTP/1.1\r\nAuthorization: Bearer {key}\r\n\r\n",
    "GET  /auth?cost=0 HTTP/1.1\r\nAuthorization: Bearer {key}\r\n\r\n",
    "GET /auth?cost=0 HTTP/1.1 \r\nAuthorization: Bearer {key}\r\n\r\n",
    "GET /auth?cost=0 HTTP/2.0\r\nAuthorization: Bearer {key}\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "GET /auth?cost=0 HTTP/1.1\r\nX: \u{0}\r\n\r\n",
    "\u{16}\u{3}\u{1}",
];

/// Moves a connection away from the fast loop.
const FIRST: &str = "GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n";

/// Follows the odd one, so that what is taken for its end shows.
const LAST: &str = "GET /api/v1/rate?cost=0&client=last HTTP/1.1\r\nAuthorization: Bearer {key}\r\n\r\n";

type Told = (u16, Vec<(String, String)>, String);

fn told(answer: &Response) -> Told {
    let kept = |(name, value): &(String, String)| {
        // Passes differ by the second that they are made in.
        let value = if name == "x-openclaw-token" { "…" } else { value };
        (name != "date").then(|| (name.clone(), value.to_owned()))
    };
    let mut headers: Vec<_> = answer.headers.iter().filter_map(kept).collect();
    headers.sort_unstable();
    (answer.status, headers, String::from_utf8_lossy(&answer.body).into_owned())
}

fn answers(world: &World, text: &str) -> Vec<Told> {
    // HEAD's answers announce a body that doesn't come.
    let bytes = text.replace("{key}", &world.key);
    let found = exchange_open(world.server.address, bytes.as_bytes());
    found.unwrap_or_default().iter().map(told).collect()
}

#[test]
fn both_ways_give_the_same_answers() {
    let world = world();
    let compare = |odd: &str| {
        let here = answers(&world, odd);
        let mut there = answers(&world, &format!("{FIRST}{odd}"));
        assert_eq!(there.remove(0).0, 200);
        assert_eq!(here, there, "{odd:?}");
    };
    let odd: Vec<String> = ODD
        .iter()
        .filter(|odd| !odd.starts_with("HEAD"))
        .flat_map(|odd| [(*odd).to_owned(), format!("{odd}{LAST}")])
        .collect();
    // Each waits until nothing more comes; together they wait once.
    std::thread::scope(|scope| {
        for part in odd.chunks(odd.len().div_ceil(64)) {
            scope.spawn(move || part.iter().for_each(|odd| compare(odd)));
        }
    });
}

#[test]
fn head_is_the_same_in_both_ways() {
    let world = world();
    let head = |text: String| {
        use std::io::{Read, Write};
        let mut stream = crate::support::client::connect(world.server.address).unwrap();
        stream.write_all(text.replace("{key}", &world.key).as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let head = answer[answer.rfind("HTTP/1.1 ").unwrap()..].strip_suffix("\r\n\r\n").unwrap();
        let mut lines: Vec<_> =
            head.lines().filter(|line| !line.starts_with("date")).map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    };
    let odd = ODD[1].replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    let there = head(format!("{FIRST}{odd}"));
    assert_eq!(head(odd), there);
}
