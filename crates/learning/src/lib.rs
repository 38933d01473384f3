//! The model's life, in order: [`traces`] and telemetry ([`extract`]) become training rows
//! ([`train`]), a model is kept with its card ([`artifact`]), held beside its
//! peers ([`evaluate`]), let through or not ([`validate`]), signed and stored
//! ([`publish`]), brought to clients step by step ([`rollout`]), and all of it
//! again the next night ([`schedule`]).

#![forbid(unsafe_code)]

pub mod artifact;
pub mod evaluate;
pub mod extract;
pub mod publish;
mod random;
pub mod rollout;
pub mod schedule;
pub mod traces;
pub mod train;
pub mod validate;

pub use random::Random;
