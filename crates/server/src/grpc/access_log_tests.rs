//! Entries as Envoy sends them.

use super::super::proto::envoy::config::core::v3::{Address as Whole, SocketAddress};
use super::super::proto::envoy::data::accesslog::v3::{HttpRequestProperties, HttpResponseProperties};
use super::*;
use std::collections::HashMap;

const END: i32 = 6;

fn span(millis: i32) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds: 0, nanos: millis * 1_000_000 })
}

/// 200 for a client at an address: 30 of 40 ms at the backend.
fn entry() -> HttpAccessLogEntry {
    let socket = SocketAddress { address: "10.1.2.3".to_owned() };
    HttpAccessLogEntry {
        common_properties: Some(AccessLogCommon {
            downstream_remote_address: Some(Whole { address: Some(Address::SocketAddress(socket)) }),
            time_to_first_upstream_tx_byte: span(5),
            time_to_first_upstream_rx_byte: span(35),
            duration: span(40),
            access_log_type: END,
            ..AccessLogCommon::default()
        }),
        request: Some(HttpRequestProperties::default()),
        response: Some(HttpResponseProperties { response_code: Some(200) }),
    }
}

fn with(change: impl FnOnce(&mut AccessLogCommon)) -> HttpAccessLogEntry {
    let mut entry = entry();
    change(entry.common_properties.as_mut().unwrap());
    entry
}

fn answered(status: Option<u32>, flags: ResponseFlags) -> Option<u16> {
    let mut entry = with(|common| common.response_flags = Some(flags));
    entry.response = Some(HttpResponseProperties { response_code: status });
    observation(&entry).map(|observation| observation.status)
}

#[test]
fn a_request_is_counted_once_at_its_end() {
    let seen = entry();
    let seen = observation(&seen).unwrap();
    assert_eq!((seen.client, seen.status, seen.latency), (&b"10.1.2.3"[..], 200, Duration::from_millis(30)));
    for (kind, counts) in [(0, true), (END, true), (1, false), (2, false), (5, false), (99, false)] {
        assert_eq!(observation(&with(|common| common.access_log_type = kind)).is_some(), counts, "{kind}");
    }
    assert_eq!(observation(&HttpAccessLogEntry::default()), None);
}

#[test]
fn a_tag_names_the_client_before_a_header_and_a_header_before_its_address() {
    let mut entry = entry();
    let header = HashMap::from([(CLIENT_HEADER.to_owned(), "by-header".to_owned())]);
    entry.request = Some(HttpRequestProperties { request_headers: header });
    assert_eq!(observation(&entry).unwrap().client, b"by-header");
    let common = entry.common_properties.as_mut().unwrap();
    common.custom_tags.insert(CLIENT_TAG.to_owned(), "by-tag".to_owned());
    assert_eq!(observation(&entry).unwrap().client, b"by-tag");
    assert_eq!(observation(&with(|common| common.downstream_remote_address = None)), None);
}

#[test]
fn faults_of_the_backend_are_no_faults_of_the_client() {
    let none = ResponseFlags::default;
    assert_eq!(answered(Some(404), none()), Some(404));
    assert_eq!(answered(Some(404), ResponseFlags { upstream_overflow: true, ..none() }), Some(503));
    assert_eq!(answered(Some(504), ResponseFlags { upstream_request_timeout: true, ..none() }), Some(504));
    assert_eq!(answered(None, ResponseFlags { no_healthy_upstream: true, ..none() }), Some(503));
    assert_eq!(answered(None, none()), None, "the client went away");
    assert_eq!(answered(Some(0), none()), None);
    assert_eq!(answered(Some(u32::MAX), none()), None);
}

#[test]
fn times_that_make_no_sense_are_none() {
    let backwards = with(|common| common.time_to_first_upstream_rx_byte = span(1));
    assert_eq!(observation(&backwards).unwrap().latency, Duration::ZERO);
    let whole = with(|common| common.time_to_first_upstream_rx_byte = None);
    assert_eq!(observation(&whole).unwrap().latency, Duration::from_millis(40));
    let negative = with(|common| {
        common.time_to_first_upstream_tx_byte = None;
        common.duration = span(-3);
    });
    assert_eq!(observation(&negative).unwrap().latency, Duration::ZERO);
}
