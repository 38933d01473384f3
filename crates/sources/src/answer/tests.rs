use super::*;
use insta::assert_snapshot;
use openclaw_alert::PartitionId;

fn line(answer: &Answer) -> String {
    let headers: String = answer.headers.iter().map(|(name, value)| format!(" {name}: {value}")).collect();
    format!("{} {}{headers} {}", answer.status, answer.content_type, answer.body)
}

#[test]
fn every_trouble_in_every_form() {
    let troubles = [
        Trouble::Unauthorized("no credential"),
        Trouble::Forbidden("key lacks scope `ingest`"),
        Trouble::NotFound,
        Trouble::NotAllowed("POST"),
        Trouble::TooLarge { bytes_max: 8 << 20 },
        Trouble::Unread { status: 408, why: "the body did not come in time" },
        Trouble::Limited { alerts: 3, retry_after_s: 0 },
        Trouble::Unavailable { why: "the disk is full", retry_after_s: 5 },
        Trouble::Internal,
    ];
    let mut shown = String::new();
    for (format, name) in Format::ALL {
        shown += &format!("# {name}\n");
        for trouble in &troubles {
            shown += &format!("{}\n", line(&refuse(format, trouble)));
        }
    }
    assert_snapshot!(shown);
}

#[test]
fn ids_and_refusals_of_a_batch() {
    let mut decoded = Decoded::new(Format::Json, Reply::Ours);
    let id = EpisodeId { partition: PartitionId::new(3).unwrap(), offset: 99 };
    let kept = Kept { accepted: 2, ids: &[Some(id), None], ..Kept::default() };
    assert_eq!(
        line(&decoded.answer(&kept)),
        format!(r#"202 application/json {{"accepted":2,"ids":["{id}",null]}}"#)
    );
    decoded.reject(1, Fault::new("/1/a~1b", "is bad"));
    assert_eq!(
        line(&Decoded { batch: one_signal(), ..decoded }.answer(&kept)),
        format!(
            r#"202 application/json {{"accepted":2,"ids":["{id}",null],"rejected":[{{"detail":"`1.a/b` is bad","index":1}}],"rejected_count":1}}"#
        )
    );
    let limited = Decoded::new(Format::PagerDuty, Reply::PagerDuty { dedup_key: "k".into() });
    let answer = limited.answer(&Kept { refused: 1, retry_after_s: Some(7), ..Kept::default() });
    assert_eq!((answer.status, &answer.headers[..]), (429, &[("retry-after", "7".to_owned())][..]));
}

fn one_signal() -> Batch {
    use openclaw_alert::{Signal, SignalKind};
    let mut batch = Batch::default();
    batch.push_signal(Signal { key: "k", kind: SignalKind::Ended(None), by: "", note: "" });
    batch
}

#[test]
fn an_answer_to_nothing_but_bad_alerts_stays_short() {
    let mut decoded = Decoded::new(Format::Json, Reply::Ours);
    for index in 0..20_000 {
        decoded.reject(index, Fault::new(format!("/{index}"), "is bad"));
    }
    let answer = decoded.answer(&Kept::default());
    assert_eq!(answer.status, 400);
    assert!(answer.body.len() < 8000, "{}", answer.body.len());
    decoded.batch = one_signal();
    assert!(decoded.answer(&Kept::default()).body.len() < 8000);
}
