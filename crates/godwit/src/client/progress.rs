//! What people are told of how far something is. What was said once is not taken back.

use std::time::Duration;

use tokio::time::Instant;

/// How much is done, of a hundred. It cannot decrease.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub(super) struct Progress(u64);

impl Progress {
    const ALL: u64 = 100;

    /// Goes on to `percent`, unless it is there already.
    pub(super) fn advance(&mut self, percent: u64) {
        self.0 = self.0.max(percent.min(Self::ALL));
    }

    pub(super) const fn percent(self) -> u64 {
        self.0
    }
}

/// How a guest's memory gets to the other host.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Memory {
    arrived: u64,
    total: u64,
    sent: u64,
}

impl Memory {
    /// What a hypervisor says now. A guest that writes faster than it moves has more and more to be
    /// sent again, which is no step back: it is shown beside what has arrived.
    pub(super) fn told(&mut self, total: u64, remaining: u64, sent: u64) {
        self.total = self.total.max(total);
        self.arrived = self.arrived.max(total.saturating_sub(remaining));
        self.sent = self.sent.max(sent);
    }

    /// Of a hundred; the last of them is for whoever knows that it has ended.
    pub(super) fn percent(self) -> u64 {
        let hundredth = (self.total / 100).max(1);
        match self.total {
            0 => 0,
            _ => (self.arrived / hundredth).min(99),
        }
    }

    /// Bytes that were sent more than once.
    pub(super) const fn again(self) -> u64 {
        self.sent.saturating_sub(self.arrived)
    }
}

/// When something will probably have ended. It does not move away without a reason.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Remaining {
    until: Option<Instant>,
    /// The end that was estimated has passed before; nobody is told one until something happens.
    is_late: bool,
}

impl Remaining {
    /// Takes a new estimate, in seconds from now. A later end is believed for the reason `because`,
    /// or once the former one has passed; the answer is the line that tells of it. When it passes
    /// again, the remaining time is not known until there is a reason.
    pub(super) fn estimate(
        &mut self,
        seconds: f64,
        now: Instant,
        because: Option<&str>,
    ) -> Option<String> {
        let left = Duration::try_from_secs_f64(seconds.max(0.0)).ok()?;
        let end = now.checked_add(left)?;
        if because.is_some() {
            self.is_late = false;
        } else if self.until.is_none() && self.is_late {
            return None;
        }
        let Some(until) = self.until else {
            self.until = Some(end);
            return None;
        };
        // Clocks and roundings differ by as much.
        if end <= until + Duration::from_secs(1) {
            self.until = Some(until.min(end));
            return None;
        }
        let because = match because {
            Some(because) => because,
            None if until > now => return None,
            None if std::mem::replace(&mut self.is_late, true) => {
                self.until = None;
                return Some("remaining time is not known: it takes longer and longer".to_owned());
            }
            None => "it takes longer than was estimated",
        };
        self.until = Some(end);
        Some(format!(
            "remaining time grows to {}: {because}",
            span(left.as_secs_f64())
        ))
    }

    pub(super) fn left(self, now: Instant) -> Option<Duration> {
        self.until.map(|until| until.saturating_duration_since(now))
    }
}

/// A span of time, in the two largest units that it has.
pub(super) fn span(seconds: f64) -> String {
    let whole = Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX);
    if whole < Duration::from_secs(1) && !whole.is_zero() {
        return format!("{} ms", whole.as_millis());
    }
    let seconds = whole.as_secs() + u64::from(whole.subsec_millis() >= 500);
    let (minutes, hours) = (seconds / 60, seconds / 3_600);
    match (hours, minutes) {
        (0, 0) => format!("{seconds} s"),
        (0, _) => format!("{minutes} min {} s", seconds % 60),
        _ => format!("{hours} h {} min", minutes % 60),
    }
}

/// Bytes, in the largest unit of which there is one.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    let unit = UNITS.iter().find(|(shift, _)| bytes >> shift > 0);
    match unit {
        None => format!("{bytes} B"),
        Some((shift, name)) => {
            let tenths = (u128::from(bytes) * 10) >> shift;
            format!("{}.{} {name}", tenths / 10, tenths % 10)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_bar_never_runs_backwards(told in proptest::collection::vec(0_u64..200, 1..50)) {
            let mut progress = Progress::default();
            for percent in told {
                let before = progress;
                progress.advance(percent);
                prop_assert!(progress >= before && progress.percent() <= 100);
            }
        }

        #[test]
        fn memory_never_comes_back(
            told in proptest::collection::vec((0_u64..1 << 40, 0_u64..1 << 50), 1..50)
        ) {
            let mut memory = Memory::default();
            let total = 1 << 40;
            for (remaining, sent) in told {
                let before = memory;
                memory.told(total, remaining, sent);
                prop_assert!(memory.percent() >= before.percent() && memory.percent() < 100);
            }
        }

        #[test]
        fn remaining_time_grows_with_a_line_or_not_at_all(
            told in proptest::collection::vec((0.0_f64..10_000.0, 0_u64..100, proptest::bool::ANY), 1..50)
        ) {
            let (mut remaining, mut now) = (Remaining::default(), Instant::now());
            for (seconds, passed, has_reason) in told {
                let before = remaining.left(now);
                now += Duration::from_secs(passed);
                let line = remaining.estimate(seconds, now, has_reason.then_some("an event"));
                let grew = before.is_some_and(|before| remaining.left(now) > Some(before));
                prop_assert!(!grew || line.is_some());
            }
        }
    }

    #[test]
    fn what_is_sent_again_is_counted_beside_what_arrived() {
        let mut memory = Memory::default();
        memory.told(1000, 400, 600);
        assert_eq!((memory.percent(), memory.again()), (60, 0));
        memory.told(1000, 700, 1500);
        assert_eq!((memory.percent(), memory.again()), (60, 900));
    }

    #[test]
    fn a_later_end_is_told_with_its_reason() {
        let (mut remaining, now) = (Remaining::default(), Instant::now());
        assert_eq!(remaining.estimate(60.0, now, None), None);
        assert_eq!(remaining.estimate(90.0, now, None), None);
        assert_eq!(remaining.left(now), Some(Duration::from_secs(60)));
        assert_eq!(
            remaining
                .estimate(90.0, now, Some("vm-1 goes elsewhere"))
                .unwrap(),
            "remaining time grows to 1 min 30 s: vm-1 goes elsewhere"
        );
        let late = now + Duration::from_secs(90);
        let line = remaining.estimate(30.0, late, None).unwrap();
        assert!(
            line.ends_with("it takes longer than was estimated"),
            "{line}"
        );
        let later = late + Duration::from_secs(30);
        let line = remaining.estimate(30.0, later, None).unwrap();
        assert!(line.contains("not known"), "{line}");
        assert_eq!(remaining.left(later), None);
        assert_eq!(remaining.estimate(30.0, later, None), None);
        assert_eq!(remaining.left(later), None);
        assert_eq!(remaining.estimate(30.0, later, Some("an event")), None);
        assert_eq!(remaining.left(later), Some(Duration::from_secs(30)));
    }

    #[test]
    fn spans_and_sizes_are_for_people() {
        for (seconds, text) in [
            (0.0, "0 s"),
            (0.25, "250 ms"),
            (59.4, "59 s"),
            (61.0, "1 min 1 s"),
            (3_661.0, "1 h 1 min"),
        ] {
            assert_eq!(span(seconds), text);
        }
        for (bytes, text) in [(0, "0 B"), (1536, "1.5 KiB"), (8 << 30, "8.0 GiB")] {
            assert_eq!(size(bytes), text);
        }
    }
}
