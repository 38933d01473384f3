use super::*;
use crate::observe::Metrics;
use std::time::Instant;

/// A trainer whose runs are due each second of its own clock, with a shell for
/// a training process.
fn trainer(data: &Path, script: &str, clock: &Arc<Clock>) -> Trainer {
    let command = ["sh", "-c", script].map(OsString::from).to_vec();
    let schedule = Schedule::parse("0 3 * * *", "UTC").unwrap();
    let options = TrainerOptions { schedule, command, time_max: Duration::from_secs(2) };
    Trainer::start(options, data, None, Arc::clone(clock), Metrics::new().trainer.clone()).unwrap()
}

fn night(day: i64) -> Arc<Clock> {
    Arc::new(Clock::manual(openclaw_alert::Timestamp::from_secs(day * 86_400 + 3 * 3600)))
}

fn runs_once(data: &Path, until: impl Fn(&Runs) -> bool) -> Runs {
    let began = Instant::now();
    loop {
        if let Ok(Some(runs)) = read(&data.join(RUNS))
            && until(&runs)
        {
            return runs;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "it never happens");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

fn is_over(runs: &Runs) -> bool {
    runs.last.as_ref().is_some_and(|last| last.ended.is_some())
}

/// Yesterday nothing ran; today it is caught up.
fn after_one_night(script: &str) -> Outcome {
    let data = tempfile::tempdir().unwrap();
    write(&data.path().join(RUNS), &Runs::beginning(Timestamp::from_second(100 * 86_400).unwrap())).unwrap();
    let _trainer = trainer(data.path(), script, &night(101));
    runs_once(data.path(), is_over).last.unwrap().ended.unwrap().outcome
}

#[test]
fn what_the_process_says_is_its_outcome() {
    assert_eq!(
        after_one_night(r#"echo working >&2; echo '{"outcome":"published","model":"m"}'"#),
        Outcome::Published
    );
    assert_eq!(after_one_night(r#"echo '{"outcome":"refused"}'; exit 1"#), Outcome::Refused);
}

#[test]
fn a_process_that_ends_without_a_word_or_never_has_failed() {
    assert_eq!(after_one_night("exit 0"), Outcome::Failed);
    assert_eq!(after_one_night("exec sleep 60"), Outcome::Failed);
}

#[test]
fn a_stop_ends_the_process_and_the_run_is_tried_again() {
    let data = tempfile::tempdir().unwrap();
    write(&data.path().join(RUNS), &Runs::beginning(Timestamp::from_second(100 * 86_400).unwrap())).unwrap();
    let pid_file = data.path().join("pid");
    let script = format!("echo $$ > {}; exec sleep 60", pid_file.display());
    let mut running = trainer(data.path(), &script, &night(101));
    runs_once(data.path(), |_| std::fs::read_to_string(&pid_file).is_ok_and(|pid| pid.ends_with('\n')));
    running.stop();
    let pid = std::fs::read_to_string(&pid_file).unwrap();
    assert!(!Path::new("/proc").join(pid.trim()).exists(), "it goes on");
    let runs = read(&data.path().join(RUNS)).unwrap().unwrap();
    assert!(runs.last.as_ref().unwrap().ended.is_none());
    let clock = night(101);
    clock.advance_to(clock.now().plus(Duration::from_secs(600)));
    let _again = trainer(data.path(), r#"echo '{"outcome":"too_little"}'"#, &clock);
    let last = runs_once(data.path(), is_over).last.unwrap();
    assert_eq!((last.attempt, last.ended.unwrap().outcome), (2, Outcome::TooLittle));
}

#[test]
fn the_first_start_runs_nothing_that_was_due_before() {
    let data = tempfile::tempdir().unwrap();
    let mut trainer = trainer(data.path(), "exit 1", &night(101));
    let runs = runs_once(data.path(), |_| true);
    trainer.stop();
    assert_eq!(runs.last, None);
}
