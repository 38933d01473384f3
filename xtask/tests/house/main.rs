//! House rules. A test that fails here says which file breaks a rule and what
//! to do about it.

mod checklist;
mod documents;
mod imports;
mod manifests;
mod metrics;
mod rust;
mod shape;
mod tree;
mod words;

/// Fails with all faults at once, so that one run is enough to mend them.
fn report(faults: &[String], what_to_do: &str) {
    assert!(faults.is_empty(), "\n  {}\n\nwhat to do: {what_to_do}\n", faults.join("\n  "));
}
