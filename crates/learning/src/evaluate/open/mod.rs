//! Open loop: what each policy would have let through of recorded arrivals,
//! and how close it was. Nothing that a policy does changes what comes.

mod client;
mod figures;
mod policy;
mod replay;
mod report;

pub use client::Client;
pub use figures::{Figures, HEADROOMS};
pub use policy::{Policy, PredictedLog};
pub use report::{
    OpenError, OpenReport, OpenSettings, PolicyFigures, SetFigures, clients, evaluate, figures, train,
};
