//! Which servers a run has left on a host, with why.

use std::collections::{BTreeMap, BTreeSet};

use crate::failure::FailureCode;
use crate::host::maintenance::Left;
use crate::ids::{HostName, ServerUuid};
use crate::plan::options::Immovable;
use crate::run::{Operation, OperationKind, OperationState, Run};

/// Servers that a plan to empty a host does not move.
pub fn of_plan(
    blocked: impl IntoIterator<Item = ServerUuid>,
    immovable: Immovable,
) -> BTreeMap<ServerUuid, Left> {
    let left = blocked_as(immovable);
    blocked.into_iter().map(|server| (server, left)).collect()
}

/// Servers that are left on `host` by a run that was to empty it, and whose plan did not move those
/// that are `blocked`.
pub fn of_emptying(
    run: &Run,
    host: &HostName,
    blocked: impl IntoIterator<Item = ServerUuid>,
    immovable: Immovable,
) -> BTreeMap<ServerUuid, Left> {
    let mut left = of_plan(blocked, immovable);
    let of_host = run
        .operations
        .iter()
        .filter(|it| it.source == host.as_str());
    for operation in of_host {
        match of_operation(operation, immovable) {
            Some(why) => drop(left.insert(operation.server, why)),
            None => drop(left.remove(&operation.server)),
        }
    }
    left
}

/// Servers that were shut down, and that a run that was to start them again has not.
pub fn of_returning(
    run: &Run,
    shut_down: impl IntoIterator<Item = ServerUuid>,
) -> BTreeMap<ServerUuid, Left> {
    let starts = run
        .operations
        .iter()
        .filter(|it| it.kind == OperationKind::Start);
    let settled = starts.filter(|it| match it.state {
        OperationState::Completed => true,
        // Somebody wants it to stay off.
        OperationState::Skipped => it.failure.is_none(),
        OperationState::Failed
        | OperationState::Cancelled
        | OperationState::Waiting
        | OperationState::Running => false,
    });
    let started: BTreeSet<ServerUuid> = settled.map(|it| it.server).collect();
    let left = shut_down.into_iter().filter(|it| !started.contains(it));
    left.map(|server| (server, Left::ShutDown)).collect()
}

const fn blocked_as(immovable: Immovable) -> Left {
    match immovable {
        Immovable::Skip => Left::Skipped,
        Immovable::Wait | Immovable::ShutdownRestart => Left::Blocked,
    }
}

/// Was it left out as nobody was there to do it with?
fn is_gone(operation: &Operation) -> bool {
    let failure = operation.failure.as_ref();
    failure.is_some_and(|it| it.code == FailureCode::Superseded)
}

/// `None`: its server is not there.
fn of_operation(operation: &Operation, immovable: Immovable) -> Option<Left> {
    match (operation.kind, operation.state) {
        // It was off before, so nobody starts it again.
        (OperationKind::Shutdown, OperationState::Completed) if operation.attempts == 0 => None,
        (OperationKind::Shutdown, OperationState::Completed) => Some(Left::ShutDown),
        (
            OperationKind::Live
            | OperationKind::Cold
            | OperationKind::Evacuate
            | OperationKind::Storage
            | OperationKind::Start,
            OperationState::Completed,
        ) => None,
        // There is no such server any more.
        (_, OperationState::Skipped) if is_gone(operation) => None,
        // Somebody wants it left out, and nothing had gone wrong with it.
        (_, OperationState::Skipped) if operation.failure.is_none() => Some(Left::Skipped),
        (_, OperationState::Skipped | OperationState::Failed) => Some(blocked_as(immovable)),
        (_, OperationState::Cancelled | OperationState::Waiting | OperationState::Running) => {
            Some(Left::Blocked)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Failure;
    use crate::fixtures::host;
    use crate::plan::PlanKind;

    fn server(number: u128) -> ServerUuid {
        uuid::Uuid::from_u128(number).into()
    }

    fn operation(number: u128, kind: OperationKind, state: OperationState) -> Operation {
        let id = uuid::Uuid::from_u128(100 + number).into();
        Operation {
            state,
            ..Operation::waiting(id, kind, server(number), ("a", "z"))
        }
    }

    fn failed(operation: Operation) -> Operation {
        let failure = Failure::new(FailureCode::TimedOut, "It took too long.");
        Operation {
            failure: Some(failure),
            ..operation
        }
    }

    fn gone(operation: Operation) -> Operation {
        let failure = Failure::new(FailureCode::Superseded, "It does not exist any more.");
        Operation {
            failure: Some(failure),
            ..operation
        }
    }

    #[test]
    fn what_has_gone_is_not_left_and_the_rest_is_for_its_reason() {
        use OperationKind::{Live, Shutdown};
        use OperationState::{Cancelled, Completed, Failed, Skipped};
        let elsewhere = Operation {
            source: "b".to_owned(),
            ..operation(9, Live, Failed)
        };
        let operations = vec![
            operation(1, Live, Completed),
            failed(operation(2, Live, Failed)),
            operation(3, Live, Skipped),
            failed(operation(4, Live, Skipped)),
            operation(5, Live, Cancelled),
            Operation {
                attempts: 1,
                ..operation(6, Shutdown, Completed)
            },
            failed(operation(7, Shutdown, Failed)),
            elsewhere,
            // Its owner had switched it off, and is not to find it on.
            operation(10, Shutdown, Completed),
            gone(operation(11, Shutdown, Skipped)),
        ];
        let run = Run::pending(PlanKind::Maintenance, operations, vec![]).unwrap();
        let left = |immovable| of_emptying(&run, &host("a"), [server(8)], immovable);
        let expected = |blocked| {
            BTreeMap::from([
                (server(2), blocked),
                (server(3), Left::Skipped),
                (server(4), blocked),
                (server(5), Left::Blocked),
                (server(6), Left::ShutDown),
                (server(7), blocked),
                (server(8), blocked),
            ])
        };
        assert_eq!(left(Immovable::Wait), expected(Left::Blocked));
        assert_eq!(left(Immovable::ShutdownRestart), expected(Left::Blocked));
        assert_eq!(left(Immovable::Skip), expected(Left::Skipped));
    }

    #[test]
    fn what_was_not_started_again_is_still_to_be() {
        use OperationKind::{Live, Start};
        use OperationState::{Cancelled, Completed, Failed, Skipped};
        let operations = vec![
            operation(1, Start, Completed),
            operation(2, Start, Failed),
            operation(3, Live, Completed),
            operation(5, Start, Cancelled),
            operation(6, Start, Skipped),
            failed(operation(7, Start, Skipped)),
        ];
        let run = Run::pending(PlanKind::ReturnHome, operations, vec![]).unwrap();
        let left = of_returning(&run, [1, 2, 4, 5, 6, 7].map(server));
        let expected = [2, 4, 5, 7].map(|it| (server(it), Left::ShutDown));
        assert_eq!(left, BTreeMap::from(expected));
    }
}
