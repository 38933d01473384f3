use super::*;
use openclaw_alert::LabelsBuilder;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(seconds)
}

fn id(number: u8) -> SilenceId {
    SilenceId::from_random([number; 16])
}

fn posted(matcher: &str, starts: i64, ends: i64) -> PostedSilence {
    PostedSilence {
        id: None,
        matchers: Matcher::parse_list(matcher).unwrap(),
        starts_at: Some(at(starts)),
        ends_at: at(ends),
        created_by: "ann".into(),
        comment: "".into(),
        annotations: Vec::new(),
    }
}

fn set(silences: &mut Silences, posted: PostedSilence, number: u8, now: i64) -> SilenceId {
    let change = silences.change(posted, id(number), at(now)).unwrap();
    if let Some(old) = change.expire {
        silences.expire(old, at(now));
    }
    let set = change.set.id;
    silences.set(change.set, at(now));
    set
}

#[test]
fn an_id_is_read_as_it_is_written() {
    let text = id(7).to_string();
    assert_eq!(text.len(), 36);
    assert_eq!(text.parse(), Ok(id(7)));
    for bad in ["", "x", "+7070707-0707-4707-8707-070707070707", "0707070707074707870707070707-07-07-0-7"] {
        assert_eq!(bad.parse::<SilenceId>(), Err(NoUuid), "{bad}");
    }
}

#[test]
fn changes_keep_the_id_only_where_the_past_stays_true() {
    let mut silences = Silences::default();
    let first = set(&mut silences, posted("a=b", 0, 100), 1, 10);
    assert_eq!(silences.get(first).unwrap().starts_at, at(10), "a start in the past becomes now");
    let change = |ends: i64, starts: i64, matcher: &str| PostedSilence {
        id: Some(first),
        ..posted(matcher, starts, ends)
    };
    assert_eq!(set(&mut silences, change(200, 10, "a=b"), 2, 20), first);
    assert_eq!(silences.get(first).unwrap().ends_at, at(200));
    let second = set(&mut silences, change(200, 20, "a=b"), 3, 20);
    assert_ne!(second, first);
    assert_eq!(silences.get(first).unwrap().state(at(20)), SilenceState::Expired);
    let unknown = PostedSilence { id: Some(id(99)), ..posted("a=b", 20, 30) };
    assert_eq!(silences.change(unknown, id(4), at(20)), Err(SilenceRefusal::NotFound));
}

#[test]
fn a_pending_one_may_move() {
    let mut silences = Silences::default();
    let first = set(&mut silences, posted("a=b", 100, 200), 1, 10);
    let moved = PostedSilence { id: Some(first), ..posted("a=b", 150, 200) };
    assert_eq!(set(&mut silences, moved, 2, 20), first);
    assert_eq!(silences.get(first).unwrap().state(at(120)), SilenceState::Pending);
}

#[test]
fn what_would_silence_everything_is_refused() {
    let silences = Silences::default();
    let refused = |posted: PostedSilence| silences.change(posted, id(1), at(10)).unwrap_err();
    assert_eq!(refused(posted("", 10, 20)), SilenceRefusal::NoMatcher);
    assert_eq!(refused(posted(r#"a="",b=~"x|""#, 10, 20)), SilenceRefusal::MatchesAll);
    assert!(silences.change(posted(r#"a!="x""#, 10, 20), id(1), at(10)).is_ok());
    assert_eq!(refused(posted("a=b", 20, 20)), SilenceRefusal::EndsBeforeStart);
    assert_eq!(refused(posted("a=b", 5, 8)), SilenceRefusal::EndsInThePast);
}

#[test]
fn those_that_expired_long_ago_make_room() {
    let mut silences = Silences::default();
    let first = silences.change(posted("a=b", 0, 10), id(1), at(1)).unwrap().set;
    for number in 0..SILENCES_MAX as u128 {
        let id = SilenceId::from_random((number << 80).to_be_bytes());
        silences.set(Silence { id, ..first.clone() }, at(1));
    }
    let later = 10 + RETENTION.as_secs() as i64;
    let new = || posted("a=b", later, later + 9);
    assert_eq!(silences.change(new(), id(1), at(later)), Err(SilenceRefusal::TooMany));
    let change = silences.change(new(), id(1), at(later + 1)).unwrap();
    silences.set(change.set, at(later + 3600));
    assert_eq!(silences.iter().count(), 1);
}

#[test]
fn an_ended_one_and_a_changed_one_are_found_as_they_are() {
    let mut silences = Silences::default();
    let ids: Vec<_> = (1..100).map(|number| set(&mut silences, posted("a=b", 0, 100), number, 1)).collect();
    for ended in &ids[..98] {
        silences.expire(*ended, at(2));
    }
    let bytes = LabelsBuilder::encode([("a", "b")]);
    let found =
        |silences: &Silences, now: i64| silences.matching(Labels::from_encoded(&bytes), at(now)).len();
    assert_eq!(found(&silences, 3), 1);
    let longer = PostedSilence { id: Some(ids[98]), ..posted("a=b", 1, 500) };
    assert_eq!(set(&mut silences, longer, 200, 4), ids[98]);
    assert_eq!((found(&silences, 400), found(&silences, 500)), (1, 0));
}

#[test]
fn only_those_in_force_match() {
    let mut silences = Silences::default();
    let one = set(&mut silences, posted("team=db", 0, 100), 1, 10);
    let two = set(&mut silences, posted(r#"team=~"d.""#, 50, 100), 2, 10);
    set(&mut silences, posted("team=web", 0, 100), 3, 10);
    let bytes = LabelsBuilder::encode([("team", "db")]);
    let matching = |silences: &Silences, now: i64| -> Vec<_> {
        silences.matching(Labels::from_encoded(&bytes), at(now)).iter().map(|silence| silence.id).collect()
    };
    assert_eq!(matching(&silences, 20), [one]);
    assert_eq!(matching(&silences, 60), [one, two]);
    assert!(matching(&silences, 101).is_empty());
    silences.expire(one, at(60));
    assert_eq!(matching(&silences, 60), [two]);
}

#[test]
fn the_wishes_are_read_from_the_annotations_and_come_back() {
    let annotations = [
        ("openclaw/receivers", "a, b"),
        ("openclaw/until", "resolved"),
        ("openclaw/during", "sat"),
        ("x", "y"),
    ];
    let annotations = annotations.map(|(name, value)| (name.into(), value.into())).into();
    let mut silences = Silences::default();
    let set = set(&mut silences, PostedSilence { annotations, ..posted("a=b", 0, 9) }, 1, 1);
    let silence = silences.get(set).unwrap();
    assert!(silence.scope.is_until_resolved && silence.scope.covers("b") && !silence.scope.covers("c"));
    assert_eq!(silence.scope.during.as_deref(), Some("sat"));
    let mut out = Vec::new();
    silence.write(&mut out);
    assert_eq!(Silence::read(&mut Reader::new(&out)).unwrap(), *silence);
}
