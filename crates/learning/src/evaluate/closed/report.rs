//! All limiters in all trials, with how sure the figures are.

use super::{
    Abuse, Baseline, Composed, Figures, Limiter, Oracle, Scenario, Served, Source, World, WorldError, run,
};
use crate::evaluate::{Bar, Page, Point};
use openclaw_admission::Predictor;
use serde::Serialize;
use std::fmt::{self, Display, Formatter};

/// Headroom that limits are served with: what is usual, and for those who would
/// rather let abuse through than refuse anybody.
const HEADROOM: [f32; 2] = [1.0, 2.5];

/// What is evaluated.
#[derive(Debug, Clone, PartialEq)]
pub struct ClosedSettings {
    /// A world is made from each; ten or more for figures that say something.
    pub seeds: Vec<u64>,
    /// Measured capacity over its median; empty for a backend that is always
    /// the same.
    pub noise: Vec<f64>,
}

impl Default for ClosedSettings {
    fn default() -> Self {
        Self { seeds: (0..10).collect(), noise: Vec::new() }
    }
}

/// A mean over worlds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// So far does the 95 % interval reach to either side; 0 of one world.
    pub within: f64,
}

impl Estimate {
    fn of(values: &[f64]) -> Self {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count.max(1.0);
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let within = match values.len() {
            0 | 1 => 0.0,
            _ => student(values.len() - 1) * libm::sqrt(squares / (count - 1.0) / count),
        };
        Self { mean, within }
    }
}

/// Student's t at 97.5 %, to a thousandth or two (Cornish and Fisher's expansion).
fn student(freedom: usize) -> f64 {
    const EXACT: [f64; 4] = [12.706, 4.303, 3.182, 2.776];
    let (z, n) = (1.959_964_f64, freedom as f64);
    let first = (z.powi(3) + z) / 4.0;
    let second = (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0;
    let third = (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / 384.0;
    EXACT.get(freedom - 1).copied().unwrap_or(z + first / n + second / (n * n) + third / (n * n * n))
}

/// One limiter in one kind of trial.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LimiterFigures {
    /// Who.
    pub limiter: String,
    /// As [`Figures::NAMES`] names them.
    pub figures: [Estimate; Figures::NAMES.len()],
}

/// One kind of trial.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrialFigures {
    /// What happens in it.
    pub trial: &'static str,
    /// Everybody who was tried.
    pub limiters: Vec<LimiterFigures>,
}

/// What came of all trials.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClosedReport {
    /// Clients in each world.
    pub clients: usize,
    /// Worlds of each kind.
    pub worlds: usize,
    /// Names of the figures.
    pub names: [&'static str; Figures::NAMES.len()],
    /// One after another.
    pub trials: Vec<TrialFigures>,
}

/// Tries all limiters, those served with each of these models among them.
///
/// # Errors
/// [`WorldError`] where recordings are too short or seeds are missing.
pub fn evaluate(
    sources: &[Source],
    models: &[&dyn Predictor],
    settings: &ClosedSettings,
) -> Result<ClosedReport, WorldError> {
    if settings.seeds.is_empty() {
        return Err(WorldError::NoSeeds);
    }
    let worlds = |abuse: Abuse, has_outage: bool| {
        let scenario = Scenario { abuse, has_outage, noise: settings.noise.clone(), ..Scenario::default() };
        settings.seeds.iter().map(|seed| World::new(sources, &scenario, *seed)).collect::<Result<Vec<_>, _>>()
    };
    let telling = worlds(Abuse::Telling, false)?;
    let clients = telling[0].clients.len();
    let trials = vec![
        trial("abuse", &telling, models),
        trial("silent abuse", &worlds(Abuse::Silent, false)?, models),
        trial("outage without abuse", &worlds(Abuse::None, true)?, models),
        trial("constant rates and a burst of 1,000", &[World::steady()], models),
    ];
    Ok(ClosedReport { clients, worlds: settings.seeds.len(), names: Figures::NAMES, trials })
}

fn trial(name: &'static str, worlds: &[World], models: &[&dyn Predictor]) -> TrialFigures {
    let baselines = Baseline::ALL.into_iter().map(|baseline| {
        figures(worlds, &|world: &World| Box::new(Composed::new(baseline, world)) as Box<dyn Limiter>)
    });
    let each = HEADROOM.into_iter().flat_map(|headroom| models.iter().map(move |model| (headroom, *model)));
    let served = each.map(|(headroom, model)| {
        let make = |world: &World| Box::new(Served::new(model, headroom, world)) as Box<dyn Limiter + '_>;
        figures(worlds, &make)
    });
    let oracle = figures(worlds, &|world: &World| Box::new(Oracle::new(world)) as Box<dyn Limiter>);
    TrialFigures { trial: name, limiters: baselines.chain(served).chain([oracle]).collect() }
}

fn figures<'m>(worlds: &[World], make: &dyn Fn(&World) -> Box<dyn Limiter + 'm>) -> LimiterFigures {
    let mut limiter = String::new();
    let mut all = Vec::with_capacity(worlds.len());
    for world in worlds {
        let mut made = make(world);
        all.push(run(world, made.as_mut()).numbers());
        limiter = made.name();
    }
    let column = |at: usize| Estimate::of(&all.iter().map(|numbers| numbers[at]).collect::<Vec<_>>());
    LimiterFigures { limiter, figures: std::array::from_fn(column) }
}

impl ClosedReport {
    /// Adds its tables and plots to a page.
    pub fn show(&self, page: &mut Page) {
        page.heading("Closed loop");
        page.text(&format!(
            "{} clients, {} worlds of each kind; means and 95 % intervals, in percent but for `react` (ticks) \
             and `jain`.",
            self.clients, self.worlds
        ));
        let head: Vec<&str> = std::iter::once("limiter").chain(self.names).collect();
        for trial in &self.trials {
            page.heading(trial.trial);
            page.table(&head, &trial.limiters.iter().map(LimiterFigures::cells).collect::<Vec<_>>());
            page.bars("honest requests refused, percent", &trial.bars());
            if trial.has_abuse() {
                page.points("what is refused, and what passes", ["abuse passed", "refused"], &trial.points());
            }
        }
    }
}

impl LimiterFigures {
    fn cells(&self) -> Vec<String> {
        let figures = self.figures.iter().map(|of| format!("{:.2} ± {:.2}", of.mean, of.within));
        std::iter::once(self.limiter.clone()).chain(figures).collect()
    }
}

impl TrialFigures {
    fn bars(&self) -> Vec<Bar> {
        let bar = |row: &LimiterFigures| {
            let Estimate { mean, within } = row.figures[0];
            Bar { label: row.limiter.clone(), value: mean, within }
        };
        self.limiters.iter().map(bar).collect()
    }

    fn points(&self) -> Vec<Point> {
        let point = |row: &LimiterFigures| Point {
            label: row.limiter.clone(),
            x: row.figures[2].mean,
            y: row.figures[0].mean,
        };
        self.limiters.iter().map(point).collect()
    }

    fn has_abuse(&self) -> bool {
        self.limiters.iter().any(|row| row.figures[2].mean > 0.0)
    }
}

impl Display for ClosedReport {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} clients, {} worlds, means and 95 % intervals", self.clients, self.worlds)?;
        for trial in &self.trials {
            write!(f, "\n\n{:<42}", trial.trial)?;
            self.names.iter().try_for_each(|name| write!(f, "{name:>14}"))?;
            for row in &trial.limiters {
                write!(f, "\n{:<42}", row.limiter)?;
                for Estimate { mean, within } in row.figures {
                    write!(f, "{:>14}", format!("{mean:.2} ±{within:.2}"))?;
                }
            }
        }
        writeln!(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_students() {
        let estimate = Estimate::of(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0]);
        assert!((estimate.mean - 5.5).abs() < 1e-12);
        // 3.02765 / sqrt(10) * 2.262
        assert!((estimate.within - 2.1657).abs() < 0.005, "{}", estimate.within);
        assert!((student(19) - 2.093).abs() < 0.003 && (student(5) - 2.571).abs() < 0.02);
        assert_eq!(Estimate::of(&[3.0]), Estimate { mean: 3.0, within: 0.0 });
    }
}
