//! Requests that carry a key, so that they can be sent again: what one is to an earlier one.

use std::time::Duration;

use crate::time::Timestamp;

/// The longest key, in characters.
pub const KEY_MAX: usize = 255;

/// How long a key is kept.
pub const KEPT: Duration = Duration::from_secs(24 * 3_600);

/// What a request is to the one before it with the same key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Repetition {
    /// The same one: it gets the answer of the first.
    Answered,
    /// The same one, while the first is being answered.
    InProgress,
    /// Another one.
    Other,
}

/// Compares what was asked now with what was asked first. The first is being answered until
/// `open_until`, if at all; should nobody have answered it by then, what was promised counts.
pub fn compare(
    first: &str,
    open_until: Option<Timestamp>,
    asked: &str,
    now: Timestamp,
) -> Repetition {
    if first != asked {
        Repetition::Other
    } else if open_until.is_some_and(|until| now < until) {
        Repetition::InProgress
    } else {
        Repetition::Answered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_request_is_another_one_even_while_the_first_is_answered() {
        let at = |micros| Timestamp::from_micros(micros).unwrap();
        let compared = |open, asked| compare("a", open, asked, at(5));
        assert_eq!(compared(None, "a"), Repetition::Answered);
        assert_eq!(compared(Some(at(6)), "a"), Repetition::InProgress);
        assert_eq!(compared(Some(at(5)), "a"), Repetition::Answered);
        assert_eq!(compared(Some(at(6)), "b"), Repetition::Other);
        assert_eq!(compared(None, "b"), Repetition::Other);
    }
}
