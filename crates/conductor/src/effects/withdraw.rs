//! Withdraw: one host gives the guest up, which belongs elsewhere.

use godwit_core::discrepancy::DiscrepancyKind;
use godwit_core::event::Event;
use godwit_rpc::agent::AgentClient;
use godwit_rpc::command::Withdraw;
use serde_json::Value;

use super::performer::{Answer, OUTDATED, Performed, Performer, Retry};

/// Tells it to the host of `agent`.
pub(super) async fn send(performer: &Performer<'_>, agent: AgentClient) -> Performed {
    let withdraw = Withdraw {
        command: performer.command()?,
        began_at: performer.record.created_at,
    };
    match performer.answer(agent.withdraw(withdraw).await)? {
        Answer::Acknowledged => performer.done(Event::Withdrawn, Value::Null).await,
        Answer::Superseded => Err(Retry::because(OUTDATED)),
        Answer::Refused(refusal) => {
            let why = refusal.to_string();
            performer
                .open_discrepancy(DiscrepancyKind::Overdue, None, &why)
                .await;
            Err(Retry::because(why))
        }
    }
}
