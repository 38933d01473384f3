//! The demo's alerts, by themselves; their tests are beside them.

#[path = "../src/demo/events/mod.rs"]
mod events;
