use super::*;
use crate::testing::{check, check_all, post};
use insta::assert_snapshot;

#[test]
fn records() {
    assert_snapshot!(check_all(
        Format::ServiceNow,
        &[
            (
                "the documentation's example",
                r#"{"records":[
            {"source":"SCOM","event_class":"SCOM 2012 on scom.server.com","resource":"C:","node":"name.of.node.com",
             "metric_name":"Percentage Logical Disk Free Space","type":"Disk space",
             "message_key":"Disk space on C:","severity":"4",
             "description":"The disk C: on computer V-W2K8-dfg.dfg.com is running out of disk space.\nThe value that exceeded the threshold is 41% free space.",
             "additional_info":"{\"evt.type\":\"Warning\",\"CPU\":\"100\"}","time_of_event":"2026-03-01 07:08:09","resolution_state":"New"},
            {"source":"SCOM","node":"other","type":"Disk","severity":"1"}]}"#
            ),
            ("ends by severity", r#"{"records":[{"node":"n","message_key":"k","severity":"0"}]}"#),
            (
                "ends by state",
                r#"{"records":[{"node":"n","message_key":"k","severity":"2","resolution_state":"Closing"}]}"#
            ),
            (
                "ends without a key",
                r#"{"records":[{"source":"SCOM","node":"other","type":"Disk","severity":0}]}"#
            ),
            ("only a class", r#"{"records":[{"event_class":"C","severity":"5"}]}"#),
            (
                "info that is no object, and a column of its own",
                r#"{"records":[{"node":"n","severity":"3","additional_info":"plain","ci_type":"x","time_of_event":"soon"}]}"#
            ),
            ("no records", r#"{"records":[]}"#),
        ]
    ));
}

#[test]
fn refusals() {
    let long =
        format!(r#"{{"records":[{{"node":"n","severity":"1","message_key":"{}"}}]}}"#, "k".repeat(1025));
    assert_snapshot!(check_all(
        Format::ServiceNow,
        &[
            ("no JSON", "records"),
            ("nothing", "{}"),
            ("records of the wrong type", r#"{"records":"x"}"#),
            ("some are good", r#"{"records":[{"node":"n","severity":"9"},{"node":"n","severity":"1"},5]}"#),
            ("no severity", r#"{"records":[{"node":"n"}]}"#),
            ("neither node nor class", r#"{"records":[{"severity":"1"}]}"#),
            ("a source of the wrong type", r#"{"records":[{"node":"n","severity":"1","source":["x"]}]}"#),
            ("a key too long", &long),
        ]
    ));
}

#[test]
fn the_table_answers_a_line_a_record() {
    let body = br#"{"records":[{"node":"n","severity":"9"},{"node":"n","severity":"1"}]}"#;
    let table = Post { path: "/em_event.do", query: "JSONv2&sysparm_action=insertMultiple", ..post(body) };
    assert_snapshot!(check(Format::ServiceNow, &table, None));
    let single = Post { body: br#"{"node":"n","severity":"1"}"#, ..table };
    assert!(
        check(Format::ServiceNow, &single, None)
            .ends_with("-> 200 {\"records\":[{\"__status\":\"success\"}]}\n")
    );
}
