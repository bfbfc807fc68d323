//! Withdraw: one host gives the guest up, which belongs elsewhere.

use godwit_core::discrepancy::DiscrepancyKind;
use godwit_core::event::Event;
use godwit_rpc::agent::AgentClient;
use godwit_rpc::command::Withdraw;
use serde_json::Value;

use super::performer::{Performed, Performer};

/// Tells it to the host of `agent`.
pub(super) async fn send(performer: &Performer<'_>, agent: AgentClient) -> Performed {
    let withdraw = Withdraw {
        command: performer.command()?,
        began_at: performer.record.created_at,
    };
    match performer.told(agent.withdraw(withdraw).await)? {
        Ok(()) => performer.done(Event::Withdrawn, Value::Null).await,
        Err(refusal) => {
            let kind = DiscrepancyKind::Overdue;
            Err(performer.held_up(kind, None, refusal.to_string()).await)
        }
    }
}
