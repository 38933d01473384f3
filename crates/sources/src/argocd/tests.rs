use crate::Format;
use crate::testing::check_all;
use insta::assert_snapshot;

#[test]
fn applications() {
    let of = |fields: &str| {
        format!(
            r#"{{"app":"guestbook","project":"default","destination":"prod","revision":"d7927a2",{fields}}}"#
        )
    };
    let failed = of(
        r#""sync":"OutOfSync","health":"Healthy","phase":"Failed","message":"one or more objects failed to apply","finished_at":"2026-03-01T12:30:00Z","url":"https://cd.example.com/applications/guestbook""#,
    );
    assert_snapshot!(check_all(
        Format::ArgoCd,
        &[
            ("a sync failed", &failed),
            (
                "all is well again",
                &of(
                    r#""sync":"Synced","health":"Healthy","phase":"Succeeded","message":"","finished_at":"2026-03-01T12:31:00Z""#
                )
            ),
            (
                "its health is gone, and it was never synced",
                &of(
                    r#""health":"Degraded","phase":"<no value>","message":"<no value>","finished_at":"<no value>""#
                )
            ),
            ("on its way", &of(r#""health":"Progressing","phase":"Running""#)),
            ("missing, no project", r#"{"app":"a","health":"Missing"}"#),
            ("no application", r#"{"health":"Healthy"}"#),
            ("nothing said", r#"{"app":"a"}"#),
            ("a text of the wrong type", r#"{"app":"a","health":["Healthy"]}"#),
            ("no JSON", "app=guestbook"),
            ("an array", "[]"),
        ]
    ));
}
