//! Turns the settings of other programs into ours.

pub(crate) mod alertmanager;
mod template;

pub(crate) use template::{Loss, Parts, translate_field, translate_file};
