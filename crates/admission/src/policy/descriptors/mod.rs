//! Limits by what Envoy says about a request: lists of keys and values.

mod decide;
mod overrides;
mod settings;
mod tree;

pub use decide::{Descriptor, DescriptorAnswer, DescriptorAnswers, DescriptorCode, DescriptorLimit};
pub(super) use overrides::Overrides;
pub use settings::{DomainSettings, RuleLimit, RuleSettings, Unit, UnitRate};
pub use tree::{DescriptorTree, Rule};
