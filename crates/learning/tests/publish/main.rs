//! Models pushed and pulled: what is whole, signed and of its name comes back
//! as it was, and nothing else does.

mod conformance;
mod directory;
#[path = "../../../../tests/support/programs.rs"]
#[allow(dead_code, reason = "shared with tests that need more of it")]
mod programs;
mod registry;
mod support;
