//! The reader against prost, which reads the same messages with copies.

use super::super::proto::envoy::extensions::common::ratelimit::v3::RateLimitDescriptor;
use super::super::proto::envoy::extensions::common::ratelimit::v3::rate_limit_descriptor::{
    Entry, RateLimitOverride,
};
use super::super::proto::envoy::service::ratelimit::v3::RateLimitRequest as Whole;
use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message as _;

prop_compose! {
    fn entry()(key in "[a-zé]{1,3}", value in ".{0,9}") -> Entry {
        Entry { key, value }
    }
}

prop_compose! {
    fn descriptor()(
        entries in vec(entry(), 1..6),
        limit in proptest::option::of((any::<u32>(), 1..=6)),
        hits_addend in proptest::option::of(any::<u64>()),
        is_negative_hits in any::<bool>(),
    ) -> RateLimitDescriptor {
        let limit = limit.map(|(requests_per_unit, unit)| RateLimitOverride { requests_per_unit, unit });
        RateLimitDescriptor { entries, limit, hits_addend, is_negative_hits }
    }
}

prop_compose! {
    fn request()(
        domain in "[a-z]{1,9}",
        descriptors in vec(descriptor(), 1..6),
        hits_addend in any::<u32>(),
    ) -> Whole {
        Whole { domain, descriptors, hits_addend }
    }
}

/// What the reader must make of a message.
fn wanted(whole: &Whole) -> Result<String, BadRequest> {
    if whole.domain.is_empty() {
        return Err(BadRequest::NoDomain);
    }
    let mut said = whole.domain.clone();
    for descriptor in &whole.descriptors {
        if descriptor.entries.is_empty() {
            return Err(BadRequest::NoEntries);
        }
        let of_request = u64::from(whole.hits_addend.max(1));
        let hits = u32::try_from(descriptor.hits_addend.unwrap_or(of_request)).unwrap_or(u32::MAX);
        let mut limit = None;
        if let Some(RateLimitOverride { requests_per_unit, unit: unit @ 1.. }) = descriptor.limit {
            let units = [Unit::Second, Unit::Minute, Unit::Hour, Unit::Day, Unit::Month, Unit::Year];
            let unit = *units.get(unit as usize - 1).ok_or(BadRequest::Unit)?;
            limit = Some(UnitRate { requests_per_unit, unit });
        }
        let entries: Vec<_> = descriptor.entries.iter().map(|entry| (&*entry.key, &*entry.value)).collect();
        if entries.iter().any(|(key, _)| key.is_empty()) {
            return Err(BadRequest::NoKey);
        }
        said +=
            &format!(" {:?}", (Descriptor { entries: &entries, hits, limit }, descriptor.is_negative_hits));
    }
    if whole.descriptors.is_empty() { Err(BadRequest::NoDescriptors) } else { Ok(said) }
}

fn read(bytes: &[u8]) -> Result<String, BadRequest> {
    let request = RateLimitRequest::read(bytes)?;
    let said = |asked: (Descriptor<'_>, bool)| format!(" {asked:?}");
    Ok(request.domain.to_owned() + &request.descriptors().map(said).collect::<String>())
}

/// Fields that a later version may have, of each wire type.
const UNKNOWN: [&[u8]; 4] = [
    &[0xf8, 0x07, 0x96, 0x01],
    &[0xf9, 0x07, 1, 2, 3, 4, 5, 6, 7, 8],
    &[0xfa, 0x07, 2, 0xff, 0xfe],
    &[0xfd, 0x07, 1, 2, 3, 4],
];

proptest! {
    #[test]
    fn every_message_is_read_as_prost_reads_it(whole in request(), unknown in 0..4_usize) {
        let bytes = [UNKNOWN[unknown], &whole.encode_to_vec(), UNKNOWN[3 - unknown]].concat();
        prop_assert_eq!(read(&bytes), wanted(&whole));
    }

    /// Bytes turned, cut or put in: the same is refused, and what both take
    /// says the same.
    #[test]
    fn damage_is_read_as_prost_reads_it(
        whole in request(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
    ) {
        let mut bytes = whole.encode_to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if is_cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        match (Whole::decode(&bytes[..]), read(&bytes)) {
            // Groups are of no message of ours, and prost takes them.
            (Ok(_), Err(BadRequest::Malformed)) => {}
            (Ok(whole), said) => prop_assert_eq!(said, wanted(&whole)),
            (Err(_), said) => prop_assert!(said.is_err(), "{:?}", said),
        }
    }

    #[test]
    fn no_bytes_are_too_strange(bytes in vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes);
    }
}

fn asked(domain: &str, descriptors: Vec<RateLimitDescriptor>) -> Vec<u8> {
    Whole { domain: domain.to_owned(), descriptors, hits_addend: 0 }.encode_to_vec()
}

fn of(entries: usize) -> RateLimitDescriptor {
    let entry = Entry { key: "k".to_owned(), value: String::new() };
    RateLimitDescriptor { entries: vec![entry; entries], ..RateLimitDescriptor::default() }
}

#[test]
fn what_cannot_be_decided_is_named() {
    let entry = Entry { key: String::new(), value: "v".to_owned() };
    let nobody = RateLimitDescriptor { entries: vec![entry], ..RateLimitDescriptor::default() };
    let weekly = RateLimitOverride { requests_per_unit: 1, unit: 7 };
    let weekly = RateLimitDescriptor { limit: Some(weekly), ..of(1) };
    for (bytes, want) in [
        (asked("", vec![of(1)]), BadRequest::NoDomain),
        (asked("d", vec![]), BadRequest::NoDescriptors),
        (asked("d", vec![of(1), of(0)]), BadRequest::NoEntries),
        (asked("d", vec![nobody]), BadRequest::NoKey),
        (asked("d", vec![weekly]), BadRequest::Unit),
        (asked("d", vec![of(ENTRIES_MAX + 1)]), BadRequest::ManyEntries),
        (asked("d", vec![of(1); DESCRIPTORS_MAX + 1]), BadRequest::ManyDescriptors),
        (b"\x0a\xff".to_vec(), BadRequest::Malformed),
        (b"\x0a\x01\xff".to_vec(), BadRequest::Malformed),
        (b"\x08\x01".to_vec(), BadRequest::Malformed),
        (b"\x1b\x1c".to_vec(), BadRequest::Malformed),
    ] {
        assert_eq!(read(&bytes), Err(want));
    }
    assert!(read(&asked("d", vec![of(ENTRIES_MAX); DESCRIPTORS_MAX])).is_ok());
}
