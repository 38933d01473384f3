//! A second model beside the one that runs.

mod evidence;
mod part;

pub use evidence::{Cluster, Evidence};
pub use part::{CLUSTERS, Part};
