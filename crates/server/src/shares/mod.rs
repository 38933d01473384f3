//! Limits that replicas share, through Redis.

mod ledger;
mod redis;
mod reply;
#[cfg(test)]
mod tests;

pub use redis::RedisOptions;
