//! Where an alert goes: the route, the group it joins there, and when that
//! group is told. Pure: (settings, labels, time) in, decisions out; receivers
//! are known by name only.

#![forbid(unsafe_code)]

mod digest;
mod flush;
mod group;
mod index;
mod inhibit;
mod interval;
mod rota;
mod settings;
mod silence;
mod tree;

pub use digest::{DigestSchedule, DigestScheduleError};
pub use flush::{Hold, IntegrationLog, MAX_INTEGRATIONS, Member, NUMBERS, Standing, Told, flush_reason};
pub use group::{group_key, group_labels};
pub use inhibit::{InhibitRule, Inhibitor};
pub use interval::{
    DayOfMonthRange, IntervalError, Location, MinuteOfDay, MonthRange, NamedIntervals, TimeInterval,
    TimeRange, Weekday, WeekdayRange, YearRange,
};
pub use rota::{OVERRIDES_MAX, Override, PEOPLE_MAX, Rota, RotaError, RotaSettings, Turn, WEEKS_MAX};
pub use settings::{Integration, Receiver, Routing};
pub use silence::{
    NoUuid, PostedSilence, Silence, SilenceChange, SilenceId, SilenceRefusal, SilenceScope, SilenceState,
    Silences,
};
pub use tree::{Escalation, GroupBy, ROUTES_MAX, Route, RouteId, RouteSettings, RouteTree, Unmet, Verdict};
