//! How far a host is on its way into maintenance, or out of it.

use crate::host::maintenance::{Maintenance, Purpose, State, Work};
use crate::run::Progress;

/// What a maintenance is on the way to. Within one way progress never decreases.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    Nowhere,
    In,
    Arrived,
    Out,
}

impl Way {
    pub(super) const fn of(state: State) -> Self {
        match state {
            State::None => Self::Nowhere,
            State::Entering | State::Empty => Self::In,
            State::InMaintenance => Self::Arrived,
            State::Leaving => Self::Out,
        }
    }
}

impl Maintenance {
    /// The run under way, unless another one follows it as soon as it has ended: what the host is
    /// wanted for by now, only that other one does.
    pub fn run_at_work(&self) -> Option<Work> {
        self.work.filter(|_| self.next.is_none())
    }

    /// Is the run under way on the host's way, so that its progress is the host's? One that another
    /// one follows has come so far as well.
    fn is_on_its_way(&self) -> bool {
        let purpose = self.work.map(|work| work.purpose);
        match Way::of(self.state) {
            Way::In => purpose == Some(Purpose::Emptying),
            Way::Out => purpose == Some(Purpose::Returning),
            Way::Nowhere | Way::Arrived => false,
        }
    }

    /// How far the host has come by all runs that have ended on this way: `reached` before a step
    /// that has led to `next`, and the run that was under way has come to `of_run`. A new way begins
    /// with nothing.
    #[must_use]
    pub fn reached(&self, next: &Self, reached: Progress, of_run: Option<Progress>) -> Progress {
        match (Way::of(self.state) == Way::of(next.state), of_run) {
            (false, _) => Progress::NONE,
            (true, Some(progress)) if self.is_on_its_way() => reached.raised_to(progress.percent()),
            (true, _) => reached,
        }
    }

    /// How far the host is, of which `reached` was said last and `of_run` is the progress of the run
    /// under way. `None`: it is on no way, or nobody knows how far that run is with this host.
    pub fn progress(&self, reached: Progress, of_run: Option<Progress>) -> Option<Progress> {
        match (Way::of(self.state), of_run) {
            (Way::Nowhere, _) => None,
            (Way::Arrived, _) => Some(Progress::COMPLETED),
            (Way::In | Way::Out, None) if self.is_on_its_way() => None,
            (Way::In | Way::Out, Some(progress)) if self.is_on_its_way() => {
                Some(reached.raised_to(progress.percent()))
            }
            (Way::In | Way::Out, _) => Some(reached),
        }
    }

    /// Is what the run under way says of the time that it needs the host's as well?
    pub fn ends_with_its_run(&self) -> bool {
        self.is_on_its_way() && self.run_at_work().is_some_and(|work| !work.cancelling)
    }
}
