//! Cancel: nothing has begun, so nobody has to be asked.

use godwit_core::event::Event;
use serde_json::Value;

use super::task::{Performed, Task};

pub(super) async fn perform(task: &Task<'_>) -> Performed {
    task.conclude(Event::CancelledUnstarted, Value::Null)
        .await
        .map(drop)
}
