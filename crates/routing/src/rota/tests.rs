use super::*;
use openclaw_alert::Zoned;
use proptest::prelude::*;
use std::time::Duration;

fn at(text: &str) -> Timestamp {
    Zoned::parse(text).unwrap().at
}

fn settings(zone: &str, every: Turn, handover_at: &str, people: &[&str]) -> RotaSettings {
    RotaSettings {
        name: "primary".into(),
        timezone: zone.parse().unwrap(),
        every,
        handover_at: handover_at.parse().unwrap(),
        starts: "2026-01-05".to_owned(),
        people: people.iter().map(|person| (*person).into()).collect(),
        overrides: Vec::new(),
    }
}

const MONDAYS: Turn = Turn::Weeks { weeks: 1, handover: Weekday::Monday };

fn check(rota: &Rota, time: &str, person: &str, next: &str) {
    assert_eq!(&**rota.on_call(at(time)), person, "{time}");
    assert_eq!(rota.next_handover(at(time)), at(next), "{time}");
}

#[test]
fn turns_change_at_local_wall_time() {
    let rota = Rota::new(settings("Europe/Berlin", MONDAYS, "09:00", &["ada", "bob", "cyd"])).unwrap();
    check(&rota, "2025-12-01T00:00:00Z", "ada", "2026-01-05T08:00:00Z");
    check(&rota, "2026-01-05T08:00:00Z", "ada", "2026-01-12T08:00:00Z");
    check(&rota, "2026-01-12T07:59:59Z", "ada", "2026-01-12T08:00:00Z");
    check(&rota, "2026-01-12T08:00:00Z", "bob", "2026-01-19T08:00:00Z");
    // Clocks went forward on March 29th: nine o'clock is an hour earlier in UTC.
    check(&rota, "2026-03-30T06:59:59Z", "cyd", "2026-03-30T07:00:00Z");
    check(&rota, "2026-03-30T07:00:00Z", "ada", "2026-04-06T07:00:00Z");
    check(&rota, "2026-10-26T08:00:00Z", "ada", "2026-11-02T08:00:00Z");
}

#[test]
fn daily_turns_start_on_the_day_and_weekly_ones_on_the_next_such_day() {
    let rota = Rota::new(settings("UTC", Turn::Day, "00:00", &["ada", "bob"])).unwrap();
    check(&rota, "2026-01-05T12:00:00Z", "ada", "2026-01-06T00:00:00Z");
    check(&rota, "2026-01-06T00:00:00Z", "bob", "2026-01-07T00:00:00Z");
    let fridays = Turn::Weeks { weeks: 2, handover: Weekday::Friday };
    let rota = Rota::new(settings("UTC", fridays, "17:00", &["ada", "bob"])).unwrap();
    check(&rota, "2026-01-05T00:00:00Z", "ada", "2026-01-09T17:00:00Z");
    check(&rota, "2026-01-09T17:00:00Z", "ada", "2026-01-23T17:00:00Z");
    check(&rota, "2026-01-23T17:00:00Z", "bob", "2026-02-06T17:00:00Z");
}

#[test]
fn a_handover_in_a_skipped_hour_happens_after_it() {
    let rota = Rota::new(settings("Europe/Berlin", Turn::Day, "02:30", &["ada", "bob"])).unwrap();
    check(&rota, "2026-03-29T00:59:00Z", "ada", "2026-03-29T01:30:00Z");
    check(&rota, "2026-03-29T01:30:00Z", "bob", "2026-03-30T00:30:00Z");
}

#[test]
fn the_later_override_counts_and_its_edges_are_handovers() {
    let mut settings = settings("UTC", MONDAYS, "09:00", &["ada", "bob"]);
    let take = |from: &str, until: &str, person: &str| Override {
        from: at(from),
        until: at(until),
        person: person.into(),
    };
    settings.overrides = vec![
        take("2026-01-06T00:00:00Z", "2026-01-08T00:00:00Z", "cyd"),
        take("2026-01-07T00:00:00Z", "2026-01-07T12:00:00Z", "dan"),
    ];
    let rota = Rota::new(settings).unwrap();
    check(&rota, "2026-01-05T23:59:59Z", "ada", "2026-01-06T00:00:00Z");
    check(&rota, "2026-01-06T00:00:00Z", "cyd", "2026-01-07T00:00:00Z");
    check(&rota, "2026-01-07T00:00:00Z", "dan", "2026-01-07T12:00:00Z");
    check(&rota, "2026-01-07T12:00:00Z", "cyd", "2026-01-08T00:00:00Z");
    check(&rota, "2026-01-08T00:00:00Z", "ada", "2026-01-12T09:00:00Z");
}

#[test]
fn the_ends_of_time_have_somebody_on_call() {
    let rota = Rota::new(settings("Pacific/Apia", MONDAYS, "09:00", &["ada", "bob"])).unwrap();
    assert_eq!(&**rota.on_call(Timestamp::MIN), "ada");
    assert!(["ada", "bob"].contains(&&**rota.on_call(Timestamp::MAX)));
    assert_eq!(rota.next_handover(Timestamp::MAX), Timestamp::MAX);
}

#[test]
fn nonsense_is_refused_by_name() {
    let refused = |change: fn(&mut RotaSettings)| {
        let mut settings = settings("UTC", MONDAYS, "09:00", &["ada"]);
        change(&mut settings);
        Rota::new(settings).unwrap_err().to_string()
    };
    for (message, want) in [
        (refused(|s| s.every = Turn::Weeks { weeks: 9, handover: Weekday::Monday }), "`every: 9w`"),
        (refused(|s| s.every = Turn::Weeks { weeks: 0, handover: Weekday::Monday }), "`every: 0w`"),
        (refused(|s| s.handover_at = MinuteOfDay::END), "`handover` at `24:00`"),
        (refused(|s| s.starts = "2026-02-30".to_owned()), "`starts: 2026-02-30`"),
        (refused(|s| s.starts = "0001-01-01".to_owned()), "`starts: 0001-01-01`"),
        (refused(|s| s.people.clear()), "`people` has 0 names"),
        (refused(|s| s.people.push(" ".into())), "`people` has an empty name"),
        (
            refused(|s| {
                let now = Timestamp::from_secs(0);
                s.overrides.push(Override { from: now, until: now, person: "x".into() });
            }),
            "`overrides[0]` must have its `until`",
        ),
    ] {
        assert!(message.starts_with(want), "{message}");
    }
}

/// Walks day by day in local time, handing over where the rules say so.
fn slow_on_call(settings: &RotaSettings, at: Timestamp) -> Arc<str> {
    let zone = settings.timezone.zone();
    let minutes = settings.handover_at.minutes();
    let clock = jiff::civil::time((minutes / 60) as i8, (minutes % 60) as i8, 0, 0);
    let mut date: Date = settings.starts.parse().unwrap();
    let (mut person, mut days) = (0, None);
    loop {
        let due = zone.to_timestamp(date.to_datetime(clock)).unwrap();
        if due.as_nanosecond() > i128::from(at.nanos()) {
            return settings.people[person].clone();
        }
        let handover = match (settings.every, days) {
            (Turn::Day, _) => true,
            (Turn::Weeks { handover, .. }, None) => Weekday::of(date.weekday()) == handover,
            (Turn::Weeks { weeks, .. }, Some(days)) => days == 7 * u32::from(weeks),
        };
        if handover {
            person = if days.is_none() { 0 } else { (person + 1) % settings.people.len() };
            days = Some(0);
        }
        days = days.map(|days| days + 1);
        date = date.tomorrow().unwrap();
    }
}

fn any_turn() -> impl Strategy<Value = Turn> {
    let day =
        (0_i8..7).prop_map(|day| Weekday::of(jiff::civil::Weekday::from_sunday_zero_offset(day).unwrap()));
    prop_oneof![
        Just(Turn::Day),
        (1..=WEEKS_MAX, day).prop_map(|(weeks, handover)| Turn::Weeks { weeks, handover })
    ]
}

proptest! {
    #[test]
    fn agrees_with_a_walk_through_the_days(
        zone in prop_oneof![
            Just("Europe/Berlin"), Just("America/New_York"), Just("Australia/Lord_Howe"), Just("Pacific/Apia"),
            Just("Africa/Casablanca"), Just("America/Sao_Paulo"), Just("UTC"),
        ],
        every in any_turn(),
        (hour, minute) in (0_u32..24, 0_u32..60),
        count in 1_usize..5,
        start in 0_i64..365,
        second in 0_i64..(1500 * 86_400),
    ) {
        let people: Vec<String> = (0..count).map(|number| format!("p{number}")).collect();
        let people: Vec<&str> = people.iter().map(String::as_str).collect();
        let mut settings = settings(zone, every, &format!("{hour:02}:{minute:02}"), &people);
        let starts: Date = "2011-06-01".parse().unwrap();
        settings.starts = starts.checked_add(jiff::Span::new().days(start)).unwrap().to_string();
        let now = at("2011-06-01T00:00:00Z").plus(Duration::from_secs(second.unsigned_abs()));
        let rota = Rota::new(settings.clone()).unwrap();
        prop_assert_eq!(rota.on_call(now), &slow_on_call(&settings, now));
        let next = rota.next_handover(now);
        prop_assert!(next > now);
        let just_before = next.minus(Duration::from_nanos(1));
        prop_assert_eq!(rota.on_call(just_before), rota.on_call(now));
        prop_assert_eq!(rota.next_handover(just_before), next);
        prop_assert_eq!(rota.on_call(next), &slow_on_call(&settings, next));
    }
}
