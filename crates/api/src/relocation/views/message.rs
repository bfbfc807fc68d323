//! What people are told of a plan, a run or a maintenance.

use godwit_core::failure::FailureCode;
use godwit_core::time::Timestamp;
use godwit_store::Message;
use serde::Serialize;

use crate::relocation::visibility::Visibility;

#[derive(Debug, Serialize)]
pub struct MessageView<'a> {
    code: &'a str,
    text: &'a str,
    at: Timestamp,
}

/// The code of a message about times that were left out. It names no host.
pub const TIMES_PASSED: &str = "times-passed";

impl<'a> MessageView<'a> {
    /// To who may not see hosts the meaning of a failure, and nothing of which nobody knows what it
    /// says.
    pub fn all(messages: &'a [Message], sees: Visibility<'_>) -> Vec<Self> {
        let view = |message: &'a Message| {
            let text = match sees.hosts {
                true => message.text.as_str(),
                false if message.code == TIMES_PASSED => message.text.as_str(),
                false => message.code.parse::<FailureCode>().ok()?.meaning(),
            };
            Some(Self {
                code: &message.code,
                text,
                at: message.at,
            })
        };
        messages.iter().filter_map(view).collect()
    }
}
