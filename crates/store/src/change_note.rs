//! What is written down beside a change of a plan, a run or a maintenance.

use godwit_core::requester::Requester;
use godwit_core::time::Timestamp;
use godwit_core::trace::TraceContext;
use serde::{Deserialize, Serialize};

use crate::effects::Lease;
use crate::{ActionNote, Actor};

/// Messages that are kept of one thing; older ones are dropped.
const MESSAGES_MAX: usize = 100;

/// Something that people are told of a plan or a run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Message {
    /// For programs.
    pub code: String,
    /// For people.
    pub text: String,
    /// When.
    pub at: Timestamp,
}

/// Who changes something, and when.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChangeNote {
    /// Who makes it happen.
    pub actor: Actor,
    /// Who asked for it; nothing is known where nobody did.
    pub by: Requester,
    /// The request in its trace, where it is traced.
    pub trace: Option<TraceContext>,
    /// The present.
    pub at: Timestamp,
    /// The effect whose outcome this is; it becomes done in the same transaction, if the lease is
    /// still held.
    pub performed: Option<Lease>,
    /// What people are told of it.
    pub message: Option<Message>,
}

impl ChangeNote {
    /// It follows from something else.
    pub fn new(actor: Actor, at: Timestamp) -> Self {
        Self {
            actor,
            by: Requester::default(),
            trace: None,
            at,
            performed: None,
            message: None,
        }
    }

    /// Somebody asked for it.
    pub fn requested(action: &ActionNote) -> Self {
        Self {
            by: action.requester(),
            trace: action.trace,
            ..Self::new(Actor::Api, action.at)
        }
    }
}

/// Adds what a note has to say.
pub(crate) fn add_message(messages: &mut Vec<Message>, note: &ChangeNote) {
    messages.extend(note.message.clone());
    let surplus = messages.len().saturating_sub(MESSAGES_MAX);
    messages.drain(..surplus);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_kept_and_the_oldest_go_where_they_are_too_many() {
        let at = Timestamp::from_micros(0).unwrap();
        let mut messages = Vec::new();
        for number in 0..=MESSAGES_MAX {
            let message = Message {
                code: "told".to_owned(),
                text: number.to_string(),
                at,
            };
            let note = ChangeNote {
                message: Some(message),
                ..ChangeNote::new(Actor::Conductor, at)
            };
            add_message(&mut messages, &note);
        }
        add_message(&mut messages, &ChangeNote::new(Actor::Conductor, at));
        assert_eq!(messages.len(), MESSAGES_MAX);
        assert_eq!(messages[0].text, "1");
    }
}
