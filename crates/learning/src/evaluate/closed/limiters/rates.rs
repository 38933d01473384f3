//! How each client's bucket follows what it did.

use super::super::WindowSeen;
use super::super::run::SLO_MS;
use super::super::world::{Bucket, ClientTrace, World};
use super::buckets::Buckets;
use openclaw_admission::{ClientState, TICKS, Window};

const WINDOW: f64 = TICKS as f64;

/// What sets buckets at the end of each window.
#[derive(Debug, Clone)]
pub(super) enum Rates {
    /// Nothing.
    Fixed,
    /// Grows while it is used, shrinks while the backend suffers.
    Aimd { start: Vec<Bucket> },
    /// So many deviations above an exponential mean; windows count at most
    /// `wins` times what was granted, where that is more than 0.
    Mean { deviations: f64, wins: f64, states: Vec<ClientState> },
    /// As yesterday at this time, or as a moment ago.
    Seasonal { past: Vec<Vec<Window>>, day_windows: Vec<usize> },
}

impl Rates {
    pub(super) fn aimd(world: &World) -> Self {
        Self::Aimd { start: world.clients.iter().map(|client| client.p95).collect() }
    }

    pub(super) fn mean(world: &World, deviations: f64, wins: f64) -> Self {
        Self::Mean { deviations, wins, states: world.clients.iter().map(|client| known(client, 0)).collect() }
    }

    pub(super) fn seasonal(world: &World) -> Self {
        Self::Seasonal {
            past: world.clients.iter().map(|client| client.past.clone()).collect(),
            day_windows: world.clients.iter().map(|client| client.day_windows).collect(),
        }
    }

    pub(super) fn end_window(&mut self, seen: &WindowSeen<'_>, buckets: &mut Buckets) {
        let is_hot = seen.p95_ms > SLO_MS;
        for (at, (ticks, bucket)) in seen.ticks.iter().zip(&mut buckets.sizes).enumerate() {
            let window = Window::of(*ticks);
            match self {
                Self::Fixed => {}
                Self::Aimd { start } => aimd(window, start[at], is_hot || seen.has_failed, bucket),
                Self::Mean { deviations, wins, states } => {
                    let times = if is_hot { 1.0 } else { *wins };
                    let clipped = if *wins > 0.0 { clip(window, *bucket, times) } else { window };
                    states[at].roll(clipped);
                    *bucket = above(&states[at], *deviations);
                }
                Self::Seasonal { past, day_windows } => {
                    past[at].push(window);
                    *bucket = seasonal(&past[at], day_windows[at]);
                }
            }
        }
    }
}

/// What is known of a client from its past.
pub(super) fn known(client: &ClientTrace, phase: u8) -> ClientState {
    let mut state = ClientState::starting_after(phase);
    client.past.iter().for_each(|window| state.roll(*window));
    state
}

fn aimd(window: Window, start: Bucket, is_hot: bool, bucket: &mut Bucket) {
    let used = f64::from(window.count) / WINDOW;
    if is_hot {
        if used > 0.5 * bucket.rate {
            bucket.rate *= 0.7;
        }
    } else if used > 0.8 * bucket.rate {
        bucket.rate += 0.1 * start.rate;
    }
    bucket.rate = bucket.rate.clamp(0.1 * start.rate, 50.0 * start.rate);
    bucket.depth = 2.0 * bucket.rate + start.depth;
}

fn clip(window: Window, granted: Bucket, times: f64) -> Window {
    let most = |value: f64| (value * times).max(1.0) as f32;
    Window {
        count: window.count.min(most(granted.rate * WINDOW)),
        burst: window.burst.min(most(granted.depth)),
    }
}

fn above(state: &ClientState, deviations: f64) -> Bucket {
    let base = state.base();
    let log = |at: usize| f64::from(base.centre[at]) + deviations * f64::from(base.scale[at]);
    from_logs(log(0), log(1))
}

fn from_logs(rate: f64, burst: f64) -> Bucket {
    let rate = libm::expm1(rate).max(0.05 * WINDOW) / WINDOW;
    Bucket { rate, depth: libm::expm1(burst).max(1.0) + rate }
}

fn seasonal(past: &[Window], day_windows: usize) -> Bucket {
    let last = past.len() - 1;
    let yesterday =
        if day_windows > 0 && past.len() >= day_windows { past[past.len() - day_windows].count } else { 0.0 };
    let burst = past[last.saturating_sub(5)..].iter().map(|window| window.burst).fold(0.0, f32::max);
    let log = |value: f32| libm::log1p(f64::from(value)) + 0.2;
    from_logs(log(past[last].count.max(yesterday)), log(burst))
}
