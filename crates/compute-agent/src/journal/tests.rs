use std::fs;

use godwit_core::trace::TraceContext;
use godwit_rpc::progress::{Ended, Outcome};
use godwit_test_support::fleet::at;
use godwit_test_support::fleet::rpc::command;
use tempfile::TempDir;
use uuid::Uuid;

use super::*;

async fn with_one_entry() -> (TempDir, Journal) {
    let directory = tempfile::tempdir().unwrap();
    let journal = Journal::open(directory.path(), Outlives::Machine).unwrap();
    let taken = journal.take(&command(3, 1), Side::Source, at(0)).await;
    assert_eq!(taken.unwrap().stage, Stage::Known);
    (directory, journal)
}

fn only_file(directory: &TempDir) -> PathBuf {
    let mut files = fs::read_dir(directory.path()).unwrap();
    let path = files.next().unwrap().unwrap().path();
    assert!(files.next().is_none());
    path
}

#[tokio::test]
async fn an_older_command_is_refused_also_after_a_restart() {
    let (directory, journal) = with_one_entry().await;
    for journal in [
        journal,
        Journal::open(directory.path(), Outlives::Machine).unwrap(),
    ] {
        for older in [command(2, 9), command(3, 0)] {
            let refused = journal.take(&older, Side::Source, at(1)).await;
            let newest = command(3, 1).rank;
            assert!(matches!(refused, Err(NotTaken::Stale(rank)) if rank == newest));
        }
        journal
            .take(&command(3, 1), Side::Source, at(1))
            .await
            .unwrap();
    }
    let journal = Journal::open(directory.path(), Outlives::Machine).unwrap();
    journal
        .take(&command(4, 0), Side::Source, at(1))
        .await
        .unwrap();
}

#[tokio::test]
async fn what_was_amended_is_there_after_a_restart() {
    let (directory, journal) = with_one_entry().await;
    let migration = command(0, 0).what.migration;
    let recorded = RecordedOutcome {
        ended: Ended {
            outcome: Outcome::HandedOver,
            progress: None,
        },
        at: at(5),
        acknowledged: false,
    };
    journal
        .amend(migration, at(5), |entry| {
            entry.stage = Stage::Moving;
            entry.outcome = Some(recorded.clone());
            entry.driver_state = Some(serde_json::json!({"disks": ["/a"]}));
            entry.trace = TraceContext::new(1, 2, 1);
        })
        .await
        .unwrap();

    let entry = Journal::open(directory.path(), Outlives::Machine)
        .unwrap()
        .find(migration)
        .unwrap();
    assert_eq!(entry, journal.find(migration).unwrap());
    assert_eq!(entry.outcome, Some(recorded));
    assert_eq!(entry.trace, TraceContext::new(1, 2, 1));
    assert!(entry.is_unreported());
}

#[tokio::test]
async fn only_what_is_over_is_forgotten() {
    let (directory, journal) = with_one_entry().await;
    let migration = command(0, 0).what.migration;
    let week = Duration::from_secs(7 * 86_400);
    let later = at(0).plus(week * 2);

    journal.prune(later, week).await.unwrap();
    assert!(journal.find(migration).is_some(), "it is not settled");

    let settle = |entry: &mut Entry| entry.stage = Stage::Settled;
    journal.amend(migration, at(9), settle).await.unwrap();
    journal.prune(at(10), week).await.unwrap();
    assert!(journal.find(migration).is_some(), "a late command may come");

    journal.prune(later, week).await.unwrap();
    assert!(journal.find(migration).is_none());
    assert!(
        Journal::open(directory.path(), Outlives::Machine)
            .unwrap()
            .find(migration)
            .is_none()
    );
}

#[tokio::test]
async fn damage_is_named() {
    let (directory, _journal) = with_one_entry().await;
    let path = only_file(&directory);
    let text = fs::read_to_string(&path).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
    for damaged in [
        "",
        &text[..text.len() / 2],
        "{}",
        &text.replace("\"format\": 1", "\"format\": 2"),
        &text.replace("\"known\"", "\"unknown\""),
        &text.replace("00000001", "00000009"),
    ] {
        assert_ne!(damaged, text);
        fs::write(&path, damaged).unwrap();
        let error = Journal::open(directory.path(), Outlives::Machine).unwrap_err();
        assert!(matches!(error, JournalError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains(&name), "{error}");
    }
}

#[tokio::test]
async fn what_a_kill_left_of_a_replacement_is_no_damage() {
    let (directory, journal) = with_one_entry().await;
    fs::write(directory.path().join(".half-written.json.tmp"), "{").unwrap();
    let again = Journal::open(directory.path(), Outlives::Machine).unwrap();
    let migration = command(0, 0).what.migration;
    assert_eq!(again.find(migration), journal.find(migration));
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Journal::open(file.join("journal"), Outlives::Machine)
        .unwrap_err()
        .to_string();
    assert!(error.contains("file/journal"), "{error}");
}

/// Writes until it is killed; says the number of each command once it is taken.
#[tokio::test]
#[ignore = "the victim of what_was_said_to_be_taken_survives_a_kill"]
async fn victim() {
    let journal = Journal::open(
        std::env::var("GODWIT_TEST_JOURNAL").unwrap(),
        Outlives::Machine,
    )
    .unwrap();
    for sequence in 1.. {
        let command = command(sequence, 0);
        let taken = journal.take(&command, Side::Source, at(sequence));
        taken.await.unwrap();
        println!("taken {sequence}");
    }
}

#[test]
fn what_was_said_to_be_taken_survives_a_kill() {
    use std::io::{BufRead, BufReader};
    use std::process::{Command as Process, Stdio};

    let directory = tempfile::tempdir().unwrap();
    let mut victim = Process::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "journal::tests::victim",
            "--ignored",
            "--nocapture",
        ])
        .env("GODWIT_TEST_JOURNAL", directory.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(victim.stdout.take().unwrap()).lines();
    let mut taken = lines.map_while(Result::ok).filter_map(|line| {
        let number = line.split("taken ").nth(1)?.parse::<i64>();
        number.ok()
    });
    let heard = taken.by_ref().take(25).last().unwrap();
    victim.kill().unwrap();
    victim.wait().unwrap();
    let heard = taken.last().unwrap_or(heard);

    let journal = Journal::open(directory.path(), Outlives::Machine).unwrap();
    let entry = journal.find(command(0, 0).what.migration).unwrap();
    assert!(
        entry.rank.sequence >= heard,
        "{} < {heard}",
        entry.rank.sequence
    );
}

/// What agents of earlier releases wrote is read by this one, and the other way round.
#[tokio::test]
async fn an_entry_has_the_fields_that_it_always_had() {
    let (_directory, journal) = with_one_entry().await;
    let entry = journal.find(command(0, 0).what.migration).unwrap();
    let written = serde_json::to_value(entry).unwrap();
    let mut fields: Vec<_> = written.as_object().unwrap().keys().collect();
    fields.sort();
    assert_eq!(
        fields,
        [
            "created_at",
            "definition",
            "notes",
            "rank",
            "side",
            "stage",
            "updated_at",
            "verdict",
            "what"
        ]
    );
}

#[tokio::test]
async fn one_that_need_not_outlive_the_machine_outlives_the_process() {
    let directory = tempfile::tempdir().unwrap();
    let open = || Journal::open(directory.path(), Outlives::Process).unwrap();
    let journal = open();
    for sequence in 1..=3 {
        let newer = command(sequence, 1);
        let taken = journal.take(&newer, Side::Source, at(sequence)).await;
        taken.unwrap();
    }
    // What is shorter leaves nothing of what was longer, and a kill may have left a file without
    // anything.
    let amended = journal.amend(command(1, 1).what.migration, at(4), |entry| {
        entry.stage = Stage::Known;
    });
    amended.await.unwrap();
    let empty = directory
        .path()
        .join(format!("{}.json", Uuid::from_u128(9)));
    fs::write(&empty, "").unwrap();
    let entry = open().find(command(1, 1).what.migration).unwrap();
    assert_eq!(entry.rank.sequence, 3);
}
