//! Rate-limit decisions over HTTP.

mod answers;
mod auth;
mod batches;
mod bounds;
mod readings;
mod stock_client;

use crate::support::client::{Response, exchange};
use crate::support::server::{SILENT, Server};
use crate::support::{Folder, Request};
use std::fmt::Write as _;

const SERVICE: &str = "listen: { http: \"127.0.0.1:0\" }\n\
    journal: { embedded: { segment_bytes: 1MiB, reserve_bytes: 1MiB } }\n\
    auth: { anonymous_tenant: public }\nmetrics: { public: true }\n";

struct World {
    server: Server,
    /// A key of `acme` that may ask.
    key: String,
    folder: Folder,
}

fn world() -> World {
    let folder = Folder::with_service(SERVICE, &[("acme", SILENT), ("globex", SILENT), ("public", SILENT)]);
    let key = folder.key("acme", "limit");
    World { server: folder.serve(), key, folder }
}

impl World {
    fn get(&self, target: &str) -> Response {
        self.server.get(target, &self.key)
    }

    /// Bytes on one connection, and all answers to them.
    fn exchange(&self, bytes: &str) -> Vec<Response> {
        exchange(self.server.address, bytes.as_bytes()).unwrap()
    }

    /// A request's text.
    fn text(&self, first: &str, more: &str) -> String {
        format!("{first} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n{more}\r\n", self.key)
    }

    fn batch(&self, body: &str) -> Response {
        self.server.post("/api/v1/decisions", &self.key, body)
    }
}

/// An answer as text, without what differs from run to run.
fn shown(answer: &Response) -> String {
    let mut text = format!("{}\n", answer.status);
    for (name, value) in &answer.headers {
        let value = if name == "x-openclaw-token" { "…" } else { value };
        if name != "date" {
            let _ = writeln!(text, "{name}: {value}");
        }
    }
    text + &answer.text()
}
