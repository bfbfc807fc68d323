//! Evidence as guests leave it, and the same spoiled in every way that the oracle must notice.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};

use proptest::prelude::*;

use super::*;

const GUEST: u32 = 3;
const SLOTS: u32 = 64;
const PER_LINE: u32 = 5;

fn report(epoch: u32, counter: u32) -> Report {
    Report {
        guest: GUEST,
        boot: 1,
        epoch,
        counter,
        wrong: 0,
        conflicts: 0,
        errors: 0,
        scans: counter / 7,
        dirtied: counter * 12,
    }
}

/// What a guest leaves behind, to be spoiled before it is judged.
struct Scene {
    records: Vec<Report>,
    logs: BTreeMap<u32, String>,
}

impl Scene {
    /// A guest that ran well on each host in turn, up to the given counter.
    fn of(stays: &[(u32, u32)]) -> Self {
        let mut scene = Self {
            records: Vec::new(),
            logs: BTreeMap::from([(1, String::new()), (2, String::new())]),
        };
        let mut counter = 0;
        for &(epoch, last) in stays {
            while counter < last {
                counter += 1;
                scene.records.push(report(epoch, counter));
                if counter % PER_LINE == 0 {
                    scene.print(epoch, &report(epoch, counter));
                }
            }
        }
        scene
    }

    fn print(&mut self, log: u32, report: &Report) {
        self.logs
            .entry(log)
            .or_default()
            .push_str(&serial::line(report));
    }

    /// Prints what the records say now, in the place of what was printed.
    fn print_anew(&mut self) {
        self.logs.values_mut().for_each(String::clear);
        for record in self.records.clone() {
            if record.counter % PER_LINE == 0 {
                self.print(record.epoch, &record);
            }
        }
    }

    fn record(&mut self, counter: u32) -> &mut Report {
        self.records
            .iter_mut()
            .find(|record| record.counter == counter)
            .unwrap()
    }

    /// Writes the files as guests do, reads them as tests do, and judges.
    fn judge(&self, path: &[u32]) -> Result<History, Vec<Violation>> {
        self.judge_with(Expected::Path(path), |_| {})
    }

    fn judge_with(
        &self,
        expected: Expected<'_>,
        spoil: impl FnOnce(&mut File),
    ) -> Result<History, Vec<Violation>> {
        let directory = tempfile::tempdir().unwrap();
        let journal = directory.path().join("journal");
        let mut file = File::create(&journal).unwrap();
        file.set_len(u64::from(SLOTS) * journal::SECTOR as u64)
            .unwrap();
        for record in &self.records {
            write_at(&mut file, record.counter % SLOTS, &journal::encode(record));
        }
        spoil(&mut file);
        let mut logs = Vec::new();
        for (&epoch, text) in &self.logs {
            let path = directory.path().join(epoch.to_string());
            std::fs::write(&path, text).unwrap();
            logs.push((epoch, path));
        }
        let evidence = Evidence::read(GUEST, SLOTS, PER_LINE, &journal, logs).unwrap();
        super::judge(&evidence, expected).map_err(|violations| violations.0)
    }
}

fn write_at(file: &mut File, slot: u32, bytes: &[u8]) {
    file.seek(SeekFrom::Start(u64::from(slot) * journal::SECTOR as u64))
        .unwrap();
    file.write_all(bytes).unwrap();
}

#[test]
fn a_guest_that_moved_there_and_back_is_proven() {
    let history = Scene::of(&[(1, 12), (2, 33), (1, 50)])
        .judge(&[1, 2, 1])
        .unwrap();
    let stay = |epoch, first, last| Stay { epoch, first, last };
    assert_eq!(
        history.stays,
        [stay(1, 1, 12), stay(2, 13, 33), stay(1, 34, 50)]
    );
    assert_eq!(history.latest, report(1, 50));
}

#[test]
fn the_ring_may_have_gone_round() {
    let history = Scene::of(&[(1, 100), (2, 150)]).judge(&[1, 2]).unwrap();
    assert_eq!(history.stays[0].first, 150 - SLOTS + 1);
}

#[test]
fn an_empty_journal_proves_nothing() {
    assert_eq!(Scene::of(&[]).judge(&[1]), Err(vec![Violation::Empty]));
}

#[test]
fn a_move_that_the_test_does_not_know_of() {
    let expected = Violation::Path {
        expected: vec![1],
        found: vec![1, 2],
    };
    assert_eq!(
        Scene::of(&[(1, 12), (2, 33)]).judge(&[1]),
        Err(vec![expected])
    );
}

/// The source went on after the hand-over, and its records were not overwritten.
#[test]
fn two_writers_that_take_turns() {
    let mut scene = Scene::of(&[(1, 12), (2, 33)]);
    for counter in [17, 22, 23] {
        *scene.record(counter) = report(1, counter);
    }
    let found = vec![1, 2, 1, 2, 1, 2];
    let violations = scene.judge(&[1, 2]).unwrap_err();
    assert_eq!(
        violations,
        [Violation::Path {
            expected: vec![1, 2],
            found
        }]
    );
}

/// The source went on for one tick, and the destination's copy overwrote its record: it says so.
#[test]
fn two_writers_of_which_the_later_wins() {
    let mut scene = Scene::of(&[(1, 12), (2, 33)]);
    for record in scene
        .records
        .iter_mut()
        .filter(|record| record.counter >= 13)
    {
        record.conflicts = 1;
    }
    let expected = Violation::Conflict {
        count: 1,
        counter: 13,
        epoch: 2,
    };
    assert!(scene.judge(&[1, 2]).unwrap_err().contains(&expected));
}

/// The second copy's records are all lost, but the host that ran it kept its line.
#[test]
fn two_writers_of_which_one_left_but_a_line() {
    let mut scene = Scene::of(&[(1, 12), (2, 33)]);
    scene.print(
        1,
        &Report {
            conflicts: 3,
            ..report(1, 15)
        },
    );
    let violations = scene.judge(&[1, 2]).unwrap_err();
    assert!(violations.contains(&Violation::Conflict {
        count: 3,
        counter: 15,
        epoch: 1
    }));
    assert!(violations.contains(&Violation::Repeated {
        counter: 15,
        first: 1,
        second: 2
    }));
}

#[test]
fn a_lost_record() {
    let mut scene = Scene::of(&[(1, 33)]);
    scene.records.retain(|record| record.counter != 17);
    assert_eq!(
        scene.judge(&[1]),
        Err(vec![Violation::Gap {
            after: 16,
            before: 18
        }])
    );
}

#[test]
fn lost_records_at_the_beginning() {
    let mut scene = Scene::of(&[(1, 33)]);
    scene.records.retain(|record| record.counter > 2);
    assert_eq!(
        scene.judge(&[1]),
        Err(vec![Violation::Gap {
            after: 0,
            before: 3
        }])
    );
}

/// Of the round before, one record was never replaced.
#[test]
fn a_record_of_a_round_ago() {
    let mut scene = Scene::of(&[(1, 100)]);
    scene.records.retain(|record| record.counter != 80);
    let violations = scene.judge(&[1]).unwrap_err();
    assert!(
        violations.contains(&Violation::Gap {
            after: 79,
            before: 81
        }),
        "{violations:?}"
    );
}

#[test]
fn a_damaged_record() {
    let scene = Scene::of(&[(1, 33)]);
    let spoil = |file: &mut File| {
        let mut sector = journal::encode(&report(1, 17));
        sector[16] ^= 1;
        write_at(file, 17, &sector);
    };
    let violations = scene.judge_with(Expected::Path(&[1]), spoil).unwrap_err();
    assert!(violations.contains(&Violation::Damaged { slot: 17 }));
}

#[test]
fn a_record_in_the_wrong_place() {
    let scene = Scene::of(&[(1, 33)]);
    let spoil = |file: &mut File| write_at(file, 40, &journal::encode(&report(1, 17)));
    assert_eq!(
        scene.judge_with(Expected::Path(&[1]), spoil),
        Err(vec![Violation::Damaged { slot: 40 }])
    );
}

#[test]
fn a_wrong_page() {
    let mut scene = Scene::of(&[(1, 12), (2, 33)]);
    scene.record(20).wrong = 2;
    let violations = scene.judge(&[1, 2]).unwrap_err();
    assert!(violations.contains(&Violation::Wrong {
        count: 2,
        counter: 20,
        epoch: 2
    }));
}

/// The guest noticed after the last record that the journal keeps.
#[test]
fn a_wrong_page_that_only_a_line_reports() {
    let mut scene = Scene::of(&[(1, 33)]);
    scene.print(
        1,
        &Report {
            wrong: 1,
            ..report(1, 35)
        },
    );
    let expected = Violation::Wrong {
        count: 1,
        counter: 35,
        epoch: 1,
    };
    assert_eq!(scene.judge(&[1]), Err(vec![expected]));
}

#[test]
fn a_failing_disk() {
    let mut scene = Scene::of(&[(1, 33)]);
    scene.record(21).errors = 1;
    let expected = Violation::DiskError {
        count: 1,
        counter: 21,
        epoch: 1,
    };
    assert_eq!(scene.judge(&[1]), Err(vec![expected]));
}

#[test]
fn a_reboot() {
    let mut scene = Scene::of(&[(1, 33)]);
    for record in scene
        .records
        .iter_mut()
        .filter(|record| record.counter > 31)
    {
        record.boot = 2;
    }
    assert_eq!(
        scene.judge(&[1]),
        Err(vec![Violation::Rebooted {
            boot: 2,
            counter: 32
        }])
    );
}

#[test]
fn a_guest_that_was_powered_off_and_on_is_as_well_as_ever() {
    let restarted = |stays: &[(u32, u32)], first: u32| {
        let mut scene = Scene::of(stays);
        let records = scene.records.iter_mut();
        for record in records.filter(|record| record.counter >= first) {
            record.boot = 2;
        }
        scene.print_anew();
        scene
    };
    let on = |host| Expected::Restarted { host };
    let scene = restarted(&[(1, 31), (2, 63)], 32);
    scene.judge_with(on(2), |_| {}).unwrap();
    assert!(scene.judge(&[1, 2]).is_err());
    let elsewhere = Violation::Path {
        expected: vec![1],
        found: vec![1, 2],
    };
    assert_eq!(scene.judge_with(on(1), |_| {}), Err(vec![elsewhere]));

    let mut scene = restarted(&[(1, 33)], 32);
    scene.judge_with(on(1), |_| {}).unwrap();
    scene.records[32].conflicts = 1;
    assert!(scene.judge_with(on(1), |_| {}).is_err());
}

#[test]
fn another_guests_record() {
    let mut scene = Scene::of(&[(1, 33)]);
    scene.record(21).guest = 4;
    let expected = Violation::Foreign {
        guest: 4,
        counter: 21,
    };
    assert_eq!(scene.judge(&[1]), Err(vec![expected]));
}

#[test]
fn a_line_that_was_never_printed() {
    let mut scene = Scene::of(&[(1, 12), (2, 33)]);
    let line = serial::line(&report(2, 20));
    let log = scene.logs.get_mut(&2).unwrap();
    *log = log.replace(&line, "");
    assert_eq!(
        scene.judge(&[1, 2]),
        Err(vec![Violation::Lost { counter: 20 }])
    );
}

#[test]
fn a_line_on_a_host_that_did_not_run_the_guest() {
    let mut scene = Scene::of(&[(1, 12), (2, 33)]);
    let line = serial::line(&report(2, 20));
    let log = scene.logs.get_mut(&2).unwrap();
    *log = log.replace(&line, "");
    scene.print(1, &report(2, 20));
    let expected = Violation::Misplaced {
        counter: 20,
        epoch: 2,
        log: 1,
    };
    assert_eq!(scene.judge(&[1, 2]), Err(vec![expected]));
}

#[test]
fn a_line_that_says_something_else_than_the_record() {
    let mut scene = Scene::of(&[(1, 33)]);
    scene.record(20).dirtied += 1;
    assert_eq!(
        scene.judge(&[1]),
        Err(vec![Violation::Disagreement { counter: 20 }])
    );
}

/// The tick that was under way at the hand-over prints its line, or the rest of it, elsewhere.
#[test]
fn a_line_cut_by_the_hand_over_is_no_violation() {
    let whole = Scene::of(&[(1, 15), (2, 33), (1, 50)]);
    let line = serial::line(&report(1, 15));
    for cut in 0..=line.len() {
        let mut scene = Scene::of(&[(1, 15), (2, 33), (1, 50)]);
        let log = scene.logs.get_mut(&1).unwrap();
        *log = log.replace(&line, &line[..cut]);
        let log = scene.logs.get_mut(&2).unwrap();
        log.insert_str(0, &line[cut..]);
        assert_eq!(
            scene.judge(&[1, 2, 1]),
            whole.judge(&[1, 2, 1]),
            "cut at {cut}"
        );
    }
}

#[test]
fn broken_lines_without_a_hand_over() {
    let mut scene = Scene::of(&[(1, 33)]);
    scene
        .logs
        .get_mut(&1)
        .unwrap()
        .push_str("guest=3 boot=1 epo\n");
    assert_eq!(
        scene.judge(&[1]),
        Err(vec![Violation::Noise {
            fragments: 1,
            handovers: 0
        }])
    );
}

proptest! {
    /// Two copies run on from the same state for a while and write in any order, each as the
    /// guest does: reading the place first. However it goes, it shows.
    #[test]
    fn two_copies_never_go_unnoticed(
        start in 1..SLOTS,
        turns in proptest::collection::vec(any::<bool>(), 1..120),
    ) {
        let mut disk: BTreeMap<u32, Report> =
            (1..=start).map(|counter| (counter % SLOTS, report(1, counter))).collect();
        let mut copies = [report(1, start), report(2, start)];
        for turn in turns {
            let copy = &mut copies[usize::from(turn)];
            copy.counter += 1;
            let place = disk.entry(copy.counter % SLOTS);
            let found = match place {
                std::collections::btree_map::Entry::Vacant(_) => 0,
                std::collections::btree_map::Entry::Occupied(ref entry) => entry.get().counter,
            };
            copy.conflicts += u32::from(found != copy.counter.saturating_sub(SLOTS));
            place.insert_entry(*copy);
        }
        let both_ran = copies.iter().all(|copy| copy.counter > start);
        let scene = Scene { records: disk.into_values().collect(), logs: BTreeMap::new() };
        if both_ran {
            let verdicts = [scene.judge(&[1]), scene.judge(&[2]), scene.judge(&[1, 2])];
            let unnoticed = |verdict: &Result<History, Vec<Violation>>| match verdict {
                Ok(_) => true,
                // Nothing but the lines that this scene does not have.
                Err(found) => found.iter().all(|v| matches!(v, Violation::Lost { .. })),
            };
            prop_assert!(!verdicts.iter().any(unnoticed), "{:?}", verdicts);
        }
    }
}
