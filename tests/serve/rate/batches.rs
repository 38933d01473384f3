//! `POST /api/v1/decisions`.

use super::{shown, world};
use insta::assert_snapshot;
use serde_json::json;

#[test]
fn answers_come_in_order() {
    let body = r#"[{"client":"a"},{"client":"a","peek":true},{"client":"b","cost":1001},{"policy":"gold"}]"#;
    assert_snapshot!(shown(&world().batch(body)).replace("},{", "},\n{"), @r#"
    200
    content-type: application/json
    cache-control: no-store
    content-length: 390
    connection: close
    [{"allowed":true,"remaining":999,"limit":1000,"reset_after_ms":10,"policy":"default","model":"static"},
    {"allowed":true,"remaining":999,"limit":1000,"reset_after_ms":10,"policy":"default","model":"static"},
    {"allowed":false,"remaining":1000,"limit":1000,"reset_after_ms":0,"policy":"default","model":"static","retry_after_ms":null},
    {"allowed":false,"error":"the tenant has no policy `gold`"}]
    "#);
}

#[test]
fn what_was_reserved_is_settled() {
    let world = world();
    let one = |item: serde_json::Value| world.batch(&json!([item]).to_string()).expect(200).json()[0].clone();
    let remaining = |answer: serde_json::Value| answer["remaining"].as_u64().unwrap();
    let reserved = one(json!({ "client": "a", "cost": 600 }));
    assert_eq!(reserved["remaining"], 400);
    // Cheaper than thought: the rest comes back.
    let settled = remaining(one(json!({ "client": "a", "settle": { "reserved": 600, "actual": 100 } })));
    assert!((900..=1000).contains(&settled), "{settled}");
    // Dearer than thought: into debt.
    let settled = one(json!({ "client": "a", "settle": { "reserved": 0, "actual": 1500 } }));
    assert_eq!(settled["remaining"], 0);
    assert!(settled["reset_after_ms"].as_u64().unwrap() > 10_000, "{settled}");
    assert_eq!(one(json!({ "client": "a" }))["allowed"], false);
}

#[test]
fn a_batch_is_read_in_both_forms_and_sizes() {
    let world = world();
    let wrapped = world.batch(r#"{"decisions":[{"client":"a"}]}"#).expect(200).json();
    assert_eq!(wrapped[0]["allowed"], true);
    // Beyond what is answered inline.
    let many = vec![json!({ "client": "many", "peek": true }); 10_000];
    assert_eq!(world.batch(&json!(many).to_string()).expect(200).json().as_array().unwrap().len(), 10_000);
}

#[test]
fn a_bad_batch_takes_nothing() {
    let world = world();
    let refused = world.batch(r#"[{"client":"a","cost":500},{"client":"a","cost":"1"}]"#).expect(400).json();
    assert_eq!(refused["errors"][0]["pointer"], "/1", "{refused}");
    let left = world.batch(r#"[{"client":"a","peek":true}]"#).expect(200).json();
    assert_eq!(left[0]["remaining"], 1000);
}
