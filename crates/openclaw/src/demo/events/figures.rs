//! What real systems do, as measured; the generator follows these figures.
//! What is made up instead stands in `generator.rs` and `kinds.rs` and says so.
//!
//! Sources and licences:
//! - NAB: numenta/NAB, `data/realAWSCloudwatch/` and `data/realTweets/`, MIT.
//!   Counts per 5 minutes at a load balancer (elb_8c0756, 14 days) and of
//!   mentions of a company (tweets_AAPL, tweets_AMZN, tweets_CRM, 55 days).
//! - weblog: elastic/examples, `Common Data Formats/apache_logs/apache_logs`,
//!   Apache-2.0. 10,000 requests of 1,753 clients; the log holds one minute of
//!   each hour, so that it tells bursts but not hours.
//! - UCI: "Incident management process enriched event log" (Amaral, Fantinato,
//!   Peres 2019), UCI Machine Learning Repository, CC BY 4.0. The first 19,934
//!   incidents of a ServiceNow instance.

/// A series of arrivals.
pub(super) struct Arrivals {
    /// Mean of each hour of the day, divided by the mean of all.
    pub(super) hours: [f64; 24],
    /// Quantiles of a 5-minute count divided by the mean of its hour of the
    /// day: (share, factor). The mean of the factors is 1.02 to 1.06.
    pub(super) factors: [(f64, f64); 12],
}

/// NAB elb_8c0756: flat over the day, rough from tick to tick (the correlation
/// with the tick before is 0.14, so that ticks can be drawn alone).
pub(super) const LOAD_BALANCER: Arrivals = Arrivals {
    hours: [
        0.92, 1.00, 0.85, 0.84, 0.82, 0.77, 0.68, 0.71, 0.73, 0.73, 0.76, 0.73, 0.99, 1.11, 1.21, 1.22, 1.21,
        1.53, 1.23, 1.38, 1.49, 1.26, 0.90, 0.93,
    ],
    factors: [
        (0.0, 0.02),
        (0.01, 0.04),
        (0.05, 0.09),
        (0.1, 0.13),
        (0.25, 0.28),
        (0.5, 0.79),
        (0.75, 1.43),
        (0.9, 2.2),
        (0.95, 2.73),
        (0.99, 4.0),
        (0.999, 5.56),
        (1.0, 7.69),
    ],
};

/// NAB tweets_CRM: quiet nights, a quarter of the ticks below a third.
pub(super) const OFFICE: Arrivals = Arrivals {
    hours: [
        0.96, 0.76, 0.69, 0.54, 0.43, 0.36, 0.37, 0.40, 0.42, 0.53, 0.56, 0.73, 0.94, 1.20, 1.43, 1.47, 1.64,
        1.72, 1.70, 1.59, 1.53, 1.38, 1.24, 1.41,
    ],
    factors: [
        (0.0, 0.0),
        (0.01, 0.0),
        (0.05, 0.0),
        (0.1, 0.0),
        (0.25, 0.32),
        (0.5, 0.75),
        (0.75, 1.41),
        (0.9, 2.18),
        (0.95, 2.85),
        (0.99, 4.69),
        (0.999, 7.78),
        (1.0, 44.36),
    ],
};

/// NAB tweets_AMZN: a daily swing of 1 to 2.4, smooth from tick to tick.
pub(super) const RETAIL: Arrivals = Arrivals {
    hours: [
        1.18, 1.08, 1.01, 0.93, 0.78, 0.65, 0.56, 0.57, 0.57, 0.64, 0.66, 0.78, 0.95, 1.11, 1.18, 1.24, 1.32,
        1.34, 1.36, 1.30, 1.27, 1.23, 1.15, 1.13,
    ],
    factors: [
        (0.0, 0.0),
        (0.01, 0.41),
        (0.05, 0.55),
        (0.1, 0.62),
        (0.25, 0.76),
        (0.5, 0.94),
        (0.75, 1.15),
        (0.9, 1.4),
        (0.95, 1.59),
        (0.99, 2.18),
        (0.999, 5.04),
        (1.0, 24.74),
    ],
};

/// NAB tweets_AAPL: 3.1 surges a day (runs of ticks above three times the mean
/// of their hour), over all tenants: one each.
pub(super) const STORMS_PER_TENANT: u64 = 1;

/// NAB tweets_AAPL: the part of the volume inside those surges.
#[cfg(test)]
pub(super) const STORM_SHARE: f64 = 0.28;

/// weblog: how many requests of one client follow each other within
/// [`BURST_GAP_SECONDS_MAX`] of the one before: (share of the bursts, size).
pub(super) const BURST_SIZES: [(f64, u64); 13] = [
    (0.5856, 1),
    (0.7271, 2),
    (0.7683, 3),
    (0.7867, 4),
    (0.8146, 5),
    (0.9162, 6),
    (0.9564, 8),
    (0.9727, 12),
    (0.9816, 20),
    (0.9896, 32),
    (0.9963, 40),
    (0.9991, 60),
    (1.0, 108),
];

/// weblog: mean of the burst sizes.
pub(super) const BURST_SIZE_MEAN: f64 = 3.07;

/// weblog: the gap that ends a burst.
pub(super) const BURST_GAP_SECONDS_MAX: u64 = 30;

/// A category of incidents.
pub(super) struct Category {
    /// Its part of all incidents.
    pub(super) share: f64,
    /// The part of its incidents that missed their objective: a person was
    /// needed, and soon.
    pub(super) needed: f64,
}

const fn category(share: f64, needed: f64) -> Category {
    Category { share, needed }
}

/// UCI, `category` and the last row's `made_sla`: the 28 largest of 45
/// categories, 99 % of the incidents. Three make 38 %, ten 74 %.
pub(super) const CATEGORIES: [Category; 28] = [
    category(0.1365, 0.238),
    category(0.1318, 0.337),
    category(0.1124, 0.390),
    category(0.0881, 0.519),
    category(0.0603, 0.272),
    category(0.0445, 0.421),
    category(0.0441, 0.380),
    category(0.0433, 0.271),
    category(0.0427, 0.498),
    category(0.0335, 0.566),
    category(0.0320, 0.777),
    category(0.0318, 0.396),
    category(0.0285, 0.771),
    category(0.0262, 0.488),
    category(0.0259, 0.180),
    category(0.0219, 0.092),
    category(0.0210, 0.702),
    category(0.0203, 0.277),
    category(0.0139, 0.549),
    category(0.0084, 0.506),
    category(0.0067, 0.391),
    category(0.0056, 0.396),
    category(0.0050, 0.818),
    category(0.0029, 0.466),
    category(0.0021, 0.452),
    category(0.0021, 0.786),
    category(0.0018, 0.917),
    category(0.0015, 0.517),
];

/// UCI, the first row's `priority`, as severities: 1 to 4 are critical,
/// error, warning and info.
pub(super) const PRIORITY_SHARES: [f64; 4] = [0.0075, 0.0125, 0.9493, 0.0307];

/// UCI: the part of the incidents of a priority that missed their objective.
/// Priority 3 is left to the categories.
pub(super) const NEEDED_BY_PRIORITY: [Option<f64>; 4] = [Some(0.807), Some(0.976), None, Some(0.173)];

/// UCI: incidents without `resolved_at` (1,388): nobody said what was done.
pub(super) const UNANSWERED_SHARE: f64 = 0.0696;

/// UCI, incidents that missed their objective and were resolved within eight
/// hours (a shift; 9.7 % of them, since the half takes a week, which a day
/// can't show): minutes from opening to `resolved_at`.
pub(super) const NEEDED_RESOLVE_MINUTES: [(f64, f64); 9] = [
    (0.0, 0.0),
    (0.05, 2.0),
    (0.1, 5.0),
    (0.25, 11.0),
    (0.5, 57.0),
    (0.75, 182.0),
    (0.9, 321.0),
    (0.95, 389.0),
    (1.0, 476.0),
];

/// UCI, the same for incidents that met their objective (58.6 % of them).
pub(super) const OTHER_RESOLVE_MINUTES: [(f64, f64); 9] = [
    (0.0, 0.0),
    (0.05, 2.0),
    (0.1, 3.0),
    (0.25, 7.0),
    (0.5, 18.0),
    (0.75, 69.0),
    (0.9, 221.0),
    (0.95, 325.0),
    (1.0, 480.0),
];

/// UCI, incidents that missed their objective and left the state "New" within
/// eight hours (54.9 % of them): minutes from opening to that.
pub(super) const NEEDED_RESPONSE_MINUTES: [(f64, f64); 7] =
    [(0.0, 0.0), (0.25, 3.0), (0.5, 10.0), (0.75, 56.0), (0.9, 215.0), (0.95, 312.0), (1.0, 480.0)];

/// UCI, the same for incidents that met their objective (82.9 % of them).
pub(super) const OTHER_RESPONSE_MINUTES: [(f64, f64); 7] =
    [(0.0, 0.0), (0.25, 0.0), (0.5, 5.0), (0.75, 25.0), (0.9, 111.0), (0.95, 227.0), (1.0, 480.0)];
