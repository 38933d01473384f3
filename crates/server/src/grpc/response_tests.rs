//! What is written, read back by prost.

use super::super::proto::envoy::service::ratelimit::v3::RateLimitResponse;
use super::*;
use openclaw_admission::{
    Descriptor, DomainSettings, LimitSettings, Numbers, PolicySet, RuleLimit, RuleSettings, UnitRate,
};
use openclaw_limiter::{CoreId, LevelId, Limiter, PolicyId, Seed, Sizes};
use proptest::prelude::*;
use prost::Message as _;
use std::cell::RefCell;
use std::sync::Arc;

struct Count(u16);

impl Numbers for Count {
    fn policy(&mut self, _: &Arc<str>) -> (PolicyId, u64) {
        self.0 += 1;
        (PolicyId(self.0), u64::from(self.0))
    }

    fn policy_level(&mut self, _: &Arc<str>) -> LevelId {
        LevelId(0)
    }

    fn tenant_level(&mut self) -> LevelId {
        LevelId(1)
    }

    fn backend_level(&mut self) -> LevelId {
        LevelId(2)
    }
}

struct World {
    limiter: Limiter,
    policies: PolicySet,
    writer: RefCell<Writer>,
}

const ROOMY: u32 = 100;

impl World {
    /// `tight` lets one through in an hour, `trial` would, the nameless one a
    /// hundred in a minute.
    fn new() -> Self {
        let rule = |key: &str, name: Option<&str>, requests_per_unit, unit| RuleSettings {
            limit: Some(RuleLimit::Bucket { rate: UnitRate { requests_per_unit, unit }, burst: None }),
            name: name.map(Into::into),
            ..RuleSettings::new(key)
        };
        let rules = vec![
            rule("tight", Some("ti\"ght é"), 1, Unit::Hour),
            rule("roomy", None, ROOMY, Unit::Minute),
            RuleSettings { dry_run: true, ..rule("trial", Some("trial"), 1, Unit::Hour) },
        ];
        let descriptors = vec![DomainSettings { domain: "edge".into(), rules }];
        let sizes = Sizes { clients: 1000, policies: 200, levels: 2, cores: 1 };
        let limiter = Limiter::new(sizes, Seed::new([7; 16]));
        let policies =
            PolicySet::new(&LimitSettings { descriptors, ..LimitSettings::default() }, &mut Count(0));
        policies.install(&limiter, 1);
        Self { limiter, policies, writer: RefCell::default() }
    }

    fn ask(&self, keys: &[&str]) -> RateLimitResponse {
        let entries: Vec<[(&str, &str); 1]> = keys.iter().map(|key| [(*key, "a")]).collect();
        let asked: Vec<_> =
            entries.iter().map(|entries| Descriptor { entries, hits: 1, limit: None }).collect();
        let answers = self.policies.decide_descriptors(&self.limiter, CoreId(0), "edge", &asked, 1);
        let mut out = b"before".to_vec();
        let told = Told { tenant: "acme", domain: "edge", model: "plain", x_ratelimit: true };
        self.writer.borrow_mut().write(&mut out, &answers, told);
        let mut anew = b"before".to_vec();
        Writer::default().write(&mut anew, &answers, told);
        assert_eq!(out, anew, "what was said before shows");
        let (head, message) = out[6..].split_at(HEAD_BYTES);
        assert_eq!((head[0], &head[1..]), (0, &(message.len() as u32).to_be_bytes()[..]));
        RateLimitResponse::decode(message).unwrap()
    }
}

fn shown(response: &RateLimitResponse) -> String {
    use std::fmt::Write as _;
    let mut text = format!("{:?}\n", response.overall_code());
    for status in &response.statuses {
        let until = status.duration_until_reset.map(|until| format!("{until}"));
        let limit = status.current_limit.as_ref();
        let limit =
            limit.map(|limit| format!("{} {:?} {:?}", limit.requests_per_unit, limit.unit(), limit.name));
        writeln!(text, "{:?} {limit:?} {} {until:?}", status.code(), status.limit_remaining).unwrap();
    }
    for header in &response.response_headers_to_add {
        writeln!(text, "{}: {}", header.key, header.value).unwrap();
    }
    for (key, value) in &response.dynamic_metadata.as_ref().unwrap().fields {
        writeln!(text, "{key} = {:?}", value.kind.as_ref().unwrap()).unwrap();
    }
    text
}

#[test]
fn an_answer_says_all_that_envoy_can_show() {
    let world = World::new();
    insta::assert_snapshot!("allowed", shown(&world.ask(&["roomy", "tight", "nobody"])));
    insta::assert_snapshot!("over_limit", shown(&world.ask(&["roomy", "tight", "nobody"])));
    assert!(world.ask(&["trial"]).overall_code() == world.ask(&["roomy"]).overall_code());
    insta::assert_snapshot!("would_deny", shown(&world.ask(&["trial"])));
    insta::assert_snapshot!("free", shown(&world.ask(&["nobody"])));
}

proptest! {
    /// However long texts are, and however many: lengths are right.
    #[test]
    fn nested_messages_of_any_length_are_read_back(keys in proptest::collection::vec("[a-z]{1,6}", 1..90)) {
        let keys: Vec<&str> = keys.iter().map(String::as_str).chain(["roomy"]).collect();
        let response = World::new().ask(&keys);
        prop_assert_eq!(response.statuses.len(), keys.len());
        prop_assert_eq!(response.statuses[keys.len() - 1].limit_remaining < ROOMY, true);
    }

    #[test]
    fn a_text_of_any_length_is_read_back(length in 0..20_000_usize) {
        let mut out = Vec::new();
        let text = "x".repeat(length);
        Message::at_end_of(&mut out).nested(3, |out| {
            out.text(1, "k");
            out.nested(2, |out| out.raw(&text));
        });
        let response = RateLimitResponse::decode(&out[..]).unwrap();
        prop_assert_eq!(&response.response_headers_to_add[0].value, &text);
    }
}
