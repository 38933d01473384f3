//! Recorded arrivals: requests a tick, client by client, one JSON object a
//! line, gzipped or not:
//! `{"client": "…", "dataset": "…", "tick_s": 300, "counts": [12, 7, …]}`.
//! Other keys are passed over.

mod read;

pub use read::{TraceError, TraceFault, read, read_from};

use openclaw_admission::TICKS;

/// Ticks in a week of minutes.
const WEEK: usize = 7 * 1440;
/// Weeks with less than this a minute tell nothing.
const MEAN_MIN: f32 = 5.0;
/// The data set whose one series is as many clients as it has weeks.
const IN_WEEKS: &str = "worldcup98";
/// Clients that are never trained on, besides the last two weeks of
/// [`IN_WEEKS`].
const HELD_OUT: [&str; 4] = ["tweets_PFE", "tweets_GOOG", "elb_8c0756", "azurellm_conv"];
const WEEKS_HELD_OUT: usize = 2;

/// A client's arrivals.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// Its name.
    pub client: String,
    /// Where it is from.
    pub dataset: String,
    /// Windows a day; 0 where a day isn't looked back to.
    pub windows_a_day: usize,
    /// Requests a tick.
    pub counts: Vec<f32>,
}

impl Trace {
    /// Whole windows.
    #[must_use]
    pub fn windows(&self) -> &[[f32; TICKS]] {
        self.counts.as_chunks().0
    }

    /// The client's name without what tells its weeks apart.
    fn is_week(&self) -> bool {
        self.dataset == IN_WEEKS
    }
}

/// Windows a day by the length of a tick, where there are few enough to be
/// worth looking back to.
fn windows_a_day(tick_s: u32) -> usize {
    match tick_s {
        300 => 24,
        60 => 120,
        _ => 0,
    }
}

/// A long series becomes as many clients as it has weeks.
fn in_weeks(trace: Trace) -> Vec<Trace> {
    if !trace.is_week() {
        return vec![trace];
    }
    let ends = trace.counts.len().saturating_sub(WEEK / 2);
    (0..ends)
        .step_by(WEEK)
        .map(|start| Trace {
            client: format!("{}_w{}", trace.client, start / WEEK),
            counts: trace.counts[start..(start + WEEK).min(trace.counts.len())].to_vec(),
            dataset: trace.dataset.clone(),
            windows_a_day: trace.windows_a_day,
        })
        .filter(|week| week.counts.iter().sum::<f32>() / week.counts.len() as f32 > MEAN_MIN)
        .collect()
}

/// The clients of the protocol that are never trained on, those of them that
/// are there.
#[must_use]
pub fn held_out(traces: &[Trace]) -> Vec<String> {
    let mut weeks: Vec<&str> = traces.iter().filter(|t| t.is_week()).map(|t| t.client.as_str()).collect();
    weeks.sort_unstable();
    let last = &weeks[weeks.len().saturating_sub(WEEKS_HELD_OUT)..];
    let is_held_out = |client: &str| HELD_OUT.contains(&client) || last.contains(&client);
    traces.iter().map(|trace| &trace.client).filter(|client| is_held_out(client)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minutes(counts: Vec<f32>) -> Trace {
        Trace { client: "c".to_owned(), dataset: IN_WEEKS.to_owned(), windows_a_day: 120, counts }
    }

    #[test]
    fn weeks_are_clients_of_their_own() {
        let mut counts = vec![10.0; WEEK * 3 + WEEK / 2 + 1];
        counts[WEEK..2 * WEEK].fill(5.0);
        let weeks = in_weeks(minutes(counts.clone()));
        let names: Vec<&str> = weeks.iter().map(|week| week.client.as_str()).collect();
        assert_eq!(names, ["c_w0", "c_w2", "c_w3"], "a week with hardly anything is left out");
        assert_eq!(weeks[2].counts.len(), WEEK / 2 + 1);
        counts.pop();
        assert_eq!(in_weeks(minutes(counts)).len(), 2, "half a week is none");
        assert_eq!(held_out(&weeks), ["c_w2", "c_w3"]);
    }
}
