//! The differences that are wanted: the table in `known-differences.md`.

use std::collections::{BTreeMap, BTreeSet};

use crate::exchange::contract;

/// What differs, by exchange.
type Found = BTreeMap<u32, BTreeSet<String>>;

/// What is listed, by exchange.
pub(crate) struct Known {
    wanted: Found,
    not_compared: Found,
}

impl Known {
    /// The list. Each row of its tables names exchanges, what differs in them, and why; what
    /// nobody can compare is marked `not compared`.
    pub(crate) fn listed() -> Self {
        let text = std::fs::read_to_string(contract().join("known-differences.md")).unwrap();
        Self::parse(&text)
    }

    fn parse(text: &str) -> Self {
        let mut known = Self {
            wanted: Found::new(),
            not_compared: Found::new(),
        };
        for line in text.lines() {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let &["", numbers, what, why, ""] = cells.as_slice() else {
                continue;
            };
            if !numbers.starts_with(|it: char| it.is_ascii_digit()) {
                continue;
            }
            assert!(!why.is_empty(), "{line}: says no reason");
            for number in numbers.split(',') {
                let number: u32 = number.trim().parse().unwrap();
                for what in what.split(',').map(str::trim) {
                    let (list, what) = match what.strip_suffix(" (not compared)") {
                        Some(what) => (&mut known.not_compared, what),
                        None => (&mut known.wanted, what),
                    };
                    let new = list.entry(number).or_default().insert(what.to_owned());
                    assert!(new, "{line}: listed twice");
                }
            }
        }
        known
    }

    /// What was found and is not listed, and what is listed and was not found.
    pub(crate) fn judge(&self, found: &Found) -> Vec<String> {
        let none = BTreeSet::new();
        let all: BTreeSet<u32> = found.keys().chain(self.wanted.keys()).copied().collect();
        let mut wrong = Vec::new();
        for n in all {
            let [found, wanted, excused] =
                [found, &self.wanted, &self.not_compared].map(|it| it.get(&n).unwrap_or(&none));
            for what in found.difference(wanted).filter(|it| !excused.contains(*it)) {
                wrong.push(format!("exchange {n} differs: {what}"));
            }
            for what in wanted.difference(found) {
                wrong.push(format!(
                    "exchange {n} is listed and does not differ: {what}"
                ));
            }
        }
        wrong
    }
}

#[test]
fn both_lists_must_agree() {
    let list = "| Exchange | What | Why |\n|---|---|---|\n| 1, 2 | status, body | because |\n\
                | 3 | body (not compared) | no order |\n";
    let known = Known::parse(list);
    let set = |list: &[&str]| list.iter().map(|it| (*it).to_owned()).collect();
    let found = BTreeMap::from([
        (1, set(&["status", "body"])),
        (2, set(&["body", "Vary"])),
        (3, set(&["body", "status"])),
        (4, set(&["body"])),
    ]);
    assert_eq!(
        known.judge(&found),
        [
            "exchange 2 differs: Vary",
            "exchange 2 is listed and does not differ: status",
            "exchange 3 differs: status",
            "exchange 4 differs: body",
        ]
    );
}
