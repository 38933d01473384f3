//! `openclaw serve` from outside: HTTP, files and signals.

mod bounds;
mod compare;
mod console;
mod delivery;
mod email;
mod envoy;
mod errors;
mod groups;
mod grpc;
mod intake;
mod isolation;
mod keys;
mod lies;
mod life;
mod listing;
mod metrics;
mod models;
mod nginx;
mod nginx_limits;
mod operator;
mod pages;
mod pki;
mod rate;
mod rating;
mod reload;
mod removal;
mod replay;
mod restart;
mod shares;
mod silences;
#[path = "../support/mod.rs"]
mod support;
mod telemetry;
mod tls;
mod tokens;
mod way_back;
