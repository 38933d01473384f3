//! Turns the settings of other programs into ours.

pub(crate) mod alertmanager;
pub(crate) mod envoy_ratelimit;
mod template;

pub(crate) use template::{Loss, Parts, translate_field, translate_file};
