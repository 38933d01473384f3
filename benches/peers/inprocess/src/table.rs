//! The table for docs/benchmarks.md.

use std::fmt::Write as _;

/// What a decision cost a thread.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cost {
    pub(crate) nanos: f64,
    pub(crate) refused_share: f64,
}

impl Cost {
    pub(crate) fn plus(self, other: Self) -> Self {
        Self { nanos: self.nanos + other.nanos, refused_share: self.refused_share + other.refused_share }
    }

    pub(crate) fn divided_by(self, threads: usize) -> Self {
        let threads = threads as f64;
        Self { nanos: self.nanos / threads, refused_share: self.refused_share / threads }
    }
}

/// One limiter's measures: of each case, those of the rounds.
#[derive(Debug)]
pub(crate) struct Row {
    name: &'static str,
    bytes_a_key: f64,
    pub(crate) growth_mib: f64,
    pub(crate) costs: [Vec<Cost>; 4],
}

impl Row {
    pub(crate) fn new(name: &'static str, bytes_a_key: f64) -> Self {
        Self { name, bytes_a_key, growth_mib: 0.0, costs: Default::default() }
    }

    fn nanos(&self, case: usize) -> Vec<f64> {
        self.costs[case].iter().map(|cost| cost.nanos).collect()
    }

    /// To another row's, or to another case's, of the same round.
    fn ratio(&self, case: usize, other: &Self, other_case: usize) -> f64 {
        let pairs = self.nanos(case).into_iter().zip(other.nanos(other_case));
        median(pairs.map(|(own, other)| own / other).collect())
    }

    fn refused_share(&self) -> f64 {
        self.costs.iter().flatten().map(|cost| cost.refused_share).fold(0.0, f64::max)
    }
}

const HEAD: &str = "\
| in process | ns | × governor | two threads: ns | speed | Zipf: ns | × governor | two threads: ns | speed | bytes a key | grows by, MiB | refused |
|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|
";

/// Cases come in pairs: one thread, two threads.
pub(crate) fn of(rows: &[Row]) -> String {
    let mut out = HEAD.to_owned();
    let Some(first) = rows.first() else { return out };
    for row in rows {
        let _ = write!(out, "| {} |", row.name);
        for one in [0, 2] {
            let speed = 2.0 * row.ratio(one, row, one + 1);
            let (nanos, both) = (median(row.nanos(one)), median(row.nanos(one + 1)));
            let _ = write!(out, " {nanos:.1} | {:.2} | {both:.1} | {speed:.2} |", row.ratio(one, first, one));
        }
        let _ =
            writeln!(out, " {:.1} | {:.1} | {:.2} |", row.bytes_a_key, row.growth_mib, row.refused_share());
    }
    out
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[test]
fn ratios_are_those_of_the_rounds() {
    let row = |name, nanos: [f64; 3]| {
        let mut row = Row::new(name, 16.0);
        let costs = nanos.map(|nanos| Cost { nanos, refused_share: 0.0 }).to_vec();
        row.costs = [costs.clone(), costs.clone(), costs.clone(), costs];
        row
    };
    let text = of(&[row("governor", [100.0, 200.0, 400.0]), row("ours", [50.0, 50.0, 40.0])]);
    assert!(
        text.ends_with(
            "| ours | 50.0 | 0.25 | 50.0 | 2.00 | 50.0 | 0.25 | 50.0 | 2.00 | 16.0 | 0.0 | 0.00 |\n"
        )
    );
}
