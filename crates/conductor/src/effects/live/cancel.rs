//! Cancel: nothing has begun, so nobody has to be asked.

use godwit_core::event::Event;
use serde_json::Value;

use crate::effects::performer::{Performed, Performer};

pub(super) async fn perform(performer: &Performer<'_>) -> Performed {
    performer.done(Event::CancelledUnstarted, Value::Null).await
}
