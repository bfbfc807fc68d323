//! Servers that are elsewhere by now, of those that a maintenance still knows.

use std::collections::BTreeSet;

use crate::host::maintenance::{Event, Left, Maintenance};
use crate::ids::{HostName, ServerUuid};

/// Where a server is by now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    /// On which host; `None`: on none, or it is deleted.
    pub host: Option<HostName>,
    /// Did a run put it there that works for some host's maintenance?
    pub by_maintenance: bool,
    /// Is it off?
    pub is_off: bool,
}

impl Maintenance {
    /// The servers whose whereabouts matter: those that were left, and those whose home this is.
    pub fn known(&self) -> BTreeSet<ServerUuid> {
        self.left.keys().chain(&self.home).copied().collect()
    }

    /// What is to be said first of a server that may not be on `host` any more, or that somebody may
    /// have started; `None`: nothing new.
    pub fn departure(
        &self,
        host: &HostName,
        server: ServerUuid,
        standing: &Standing,
    ) -> Option<Event> {
        let is_shut_down = self.left.get(&server) == Some(&Left::ShutDown);
        if is_shut_down && !standing.is_off {
            return Some(Event::NoLongerShutDown(server));
        }
        if standing.host.as_ref() == Some(host) {
            return None;
        }
        let was_left = match self.left.get(&server) {
            Some(Left::Blocked | Left::Skipped) => true,
            // It is still to be started again.
            Some(Left::ShutDown) | None => false,
        };
        let loses_home = self.home.contains(&server) && !standing.by_maintenance;
        (was_left || loses_home).then_some(Event::ServerLeft {
            server,
            by_maintenance: standing.by_maintenance,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{host, noon};
    use crate::host::maintenance::step;

    fn server() -> ServerUuid {
        uuid::Uuid::from_u128(1).into()
    }

    fn standing(name: Option<&str>, by_maintenance: bool) -> Standing {
        Standing {
            host: name.map(host),
            by_maintenance,
            is_off: true,
        }
    }

    fn maintenance(left: Option<Left>, home: bool) -> Maintenance {
        Maintenance {
            state: crate::host::maintenance::State::Entering,
            left: left.into_iter().map(|why| (server(), why)).collect(),
            home: home.then(server).into_iter().collect(),
            ..Maintenance::none(noon())
        }
    }

    /// ProxLB 232: what somebody has moved since is not brought back.
    #[test]
    fn home_is_lost_by_whom_somebody_else_has_moved() {
        let it = maintenance(None, true);
        let departure = |standing| it.departure(&host("a"), server(), &standing);
        assert_eq!(departure(standing(Some("a"), false)), None);
        assert_eq!(
            departure(standing(Some("b"), true)),
            None,
            "on its way back"
        );
        for elsewhere in [standing(Some("b"), false), standing(None, false)] {
            let event = departure(elsewhere).unwrap();
            let run = uuid::Uuid::from_u128(2).into();
            let after = step(&it, &event, run, noon()).unwrap().next;
            assert!(after.home.is_empty());
        }
    }

    /// Where it is: somebody has started it there, or it was deleted.
    #[test]
    fn whoever_was_shut_down_is_to_be_started_until_it_runs_or_is_gone() {
        let it = maintenance(Some(Left::ShutDown), false);
        let departure = |standing: Standing| it.departure(&host("a"), server(), &standing);
        assert_eq!(departure(standing(Some("a"), false)), None);
        assert_eq!(departure(standing(Some("b"), false)), None);
        for name in [Some("a"), Some("b"), None] {
            let runs = Standing {
                is_off: false,
                ..standing(name, false)
            };
            let event = departure(runs).unwrap();
            assert_eq!(event, Event::NoLongerShutDown(server()));
            let run = uuid::Uuid::from_u128(2).into();
            assert!(step(&it, &event, run, noon()).unwrap().next.left.is_empty());
        }
        let blocked = maintenance(Some(Left::Blocked), false);
        let runs = Standing {
            is_off: false,
            ..standing(Some("a"), false)
        };
        assert_eq!(blocked.departure(&host("a"), server(), &runs), None);
    }

    #[test]
    fn nothing_is_said_twice() {
        let gone = standing(Some("b"), false);
        let whys = Left::ALL.iter().map(|why| Some(*why)).chain([None]);
        for (left, home) in whys.flat_map(|left| [(left, true), (left, false)]) {
            let it = maintenance(left, home);
            let said = |it: &Maintenance| it.departure(&host("a"), server(), &gone);
            let Some(event) = said(&it) else {
                assert!(!home && matches!(left, None | Some(Left::ShutDown)));
                continue;
            };
            let run = uuid::Uuid::from_u128(2).into();
            let after = step(&it, &event, run, noon()).unwrap().next;
            assert_eq!(said(&after), None, "{left:?} {home}");
            let waits = after.left.get(&server()) == Some(&Left::ShutDown);
            assert_eq!(waits, left == Some(Left::ShutDown), "it is started again");
        }
    }
}
