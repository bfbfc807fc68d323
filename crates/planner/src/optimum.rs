//! The fastest schedule of a few moves, by trying all of them: what [`crate::bound`] is measured
//! by. Shares nothing with it, nor with how plans are made and simulated.
//!
//! Whenever a destination has been made ready or a move has ended, any set of moves may begin that
//! have room and that their groups allow, and links may be shared in any order of precedence, or
//! evenly. A branch is left when what is left of it takes longer than the best schedule even if
//! nothing were dirtied and all links were idle.

mod guest;
mod room;
mod share;

use crate::fleet::Fleet;
use crate::table::{HostNo, ServerNo};

use guest::{Guest, PREPARE};

/// Who is to move, live, from the host that it is on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mover {
    pub server: ServerNo,
    /// Anywhere else, if none.
    pub home: Option<HostNo>,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Optimum {
    /// Infinite if there is no way.
    pub seconds: f64,
    /// Were all schedules looked at?
    pub exact: bool,
}

/// What one server does.
#[derive(Clone, Copy, Debug)]
enum Doing {
    Rests,
    Prepares { to: HostNo, until: f64 },
    Sends { to: HostNo, guest: Guest },
}

#[derive(Clone)]
struct State {
    now: f64,
    at: Vec<HostNo>,
    doing: Vec<Doing>,
    moves: Vec<u8>,
}

struct Search<'f> {
    fleet: &'f Fleet,
    movers: &'f [Mover],
    best: f64,
    /// How many more states may be looked at.
    left: usize,
}

/// Of these moves, looking at `states` states at most. Whoever has a home may go by way of one
/// other host.
pub fn of_moves(fleet: &Fleet, movers: &[Mover], states: usize) -> Optimum {
    let at = movers.iter().map(|it| fleet.host_of(it.server));
    let state = State {
        now: 0.0,
        at: at.collect(),
        doing: vec![Doing::Rests; movers.len()],
        moves: vec![0; movers.len()],
    };
    let mut search = Search {
        fleet,
        movers,
        best: f64::INFINITY,
        left: states,
    };
    if (0..movers.len()).all(|no| search.is_done(&state, no)) {
        search.best = 0.0;
    }
    search.begin(&state, 0);
    Optimum {
        seconds: search.best,
        exact: search.left > 0,
    }
}

impl Search<'_> {
    /// Lets any of the servers from `first` on begin, or none of them.
    fn begin(&mut self, state: &State, first: usize) {
        self.left = self.left.saturating_sub(1);
        if self.left == 0 || state.now + self.least(state) >= self.best {
            return;
        }
        let mut begun = false;
        for no in first..self.movers.len() {
            for to in self.destinations(state, no) {
                let until = state.now + PREPARE;
                let mut next = state.clone();
                set(&mut next.doing, no, Doing::Prepares { to, until });
                begun = true;
                self.begin(&next, no.saturating_add(1));
            }
        }
        // Where there is room for all, to begin later is never better.
        if !(begun && self.roomy(state)) {
            self.share(state);
        }
    }

    fn share(&mut self, state: &State) {
        let (mut sends, mut streams) = (Vec::new(), Vec::new());
        for (no, doing) in state.doing.iter().enumerate() {
            if let (Doing::Sends { to, .. }, Some(from)) = (doing, state.at.get(no)) {
                sends.push(no);
                streams.push((*from, *to));
            }
        }
        for rates in share::all(self.fleet, &streams) {
            let mut next = state.clone();
            if self.advance(&mut next, &sends, &rates) {
                if (0..self.movers.len()).all(|no| self.is_done(&next, no)) {
                    self.best = self.best.min(next.now);
                } else {
                    self.begin(&next, 0);
                }
            }
        }
    }

    /// Until something has ended; false if nothing ever does.
    fn advance(&self, state: &mut State, sends: &[usize], rates: &[f64]) -> bool {
        let rate_of = |no: usize| {
            let mut both = sends.iter().zip(rates);
            both.find(|(it, _)| **it == no)
                .map_or(0.0, |(_, rate)| *rate)
        };
        let numbered = state.doing.iter().enumerate();
        let ends = numbered.map(|(no, doing)| match doing {
            Doing::Rests => f64::INFINITY,
            Doing::Prepares { until, .. } => until - state.now,
            Doing::Sends { guest, .. } => guest.seconds(rate_of(no)),
        });
        let ends: Vec<_> = ends.collect();
        let soonest = ends.iter().copied().fold(f64::INFINITY, f64::min);
        if !soonest.is_finite() {
            return false;
        }
        state.now += soonest;
        for (no, ends) in ends.into_iter().enumerate() {
            let over = ends <= soonest + 1e-9;
            let next = match state.doing.get(no).copied() {
                Some(Doing::Prepares { to, .. }) if over => {
                    let guest = Guest::of(self.fleet, self.movers, no, to);
                    Doing::Sends { to, guest }
                }
                Some(Doing::Sends { to, .. }) if over => {
                    set(&mut state.at, no, to);
                    let moves = state.moves.get(no).copied().unwrap_or_default();
                    set(&mut state.moves, no, moves.saturating_add(1));
                    Doing::Rests
                }
                Some(Doing::Sends { to, guest }) => Doing::Sends {
                    to,
                    guest: guest.after(rate_of(no), soonest),
                },
                Some(doing @ (Doing::Rests | Doing::Prepares { .. })) => doing,
                None => Doing::Rests,
            };
            set(&mut state.doing, no, next);
        }
        true
    }

    fn is_done(&self, state: &State, no: usize) -> bool {
        let (Some(mover), Some(at)) = (self.movers.get(no), state.at.get(no)) else {
            return true;
        };
        let rests = matches!(state.doing.get(no), Some(Doing::Rests));
        let there = mover
            .home
            .map_or(*at != self.fleet.host_of(mover.server), |it| it == *at);
        rests && there
    }

    /// Where a server can begin to go now.
    fn destinations(&self, state: &State, no: usize) -> Vec<HostNo> {
        let rests = matches!(state.doing.get(no), Some(Doing::Rests));
        let (Some(mover), Some(at)) = (self.movers.get(no), state.at.get(no)) else {
            return Vec::new();
        };
        let moves = state.moves.get(no).copied().unwrap_or_default();
        if !rests || moves > 1 || (mover.home.is_none() && self.is_done(state, no)) {
            return Vec::new();
        }
        let may = |to: &HostNo| {
            let last = moves == 1 && mover.home.is_some_and(|home| home != *to);
            to != at && !last && self.has_room(state, no, *to) && self.keeps_apart(state, no, *to)
        };
        self.fleet.hosts().numbers().filter(may).collect()
    }

    /// What is left takes at least so many seconds: everything has to be sent once.
    fn least(&self, state: &State) -> f64 {
        let left = (0..self.movers.len()).map(|no| self.left_of(state, no));
        let left: Vec<_> = left.collect();
        let all = left.iter().zip(&state.at).map(|((ready, bytes), from)| {
            let together = left.iter().zip(&state.at).filter(|(_, it)| *it == from);
            let together: f64 = together.map(|((_, bytes), _)| bytes).sum();
            let link = self.fleet.hosts()[*from].link;
            let all = link.bytes_per_second as f64;
            let one = all.min(link.stream_bytes_per_second as f64);
            (ready + bytes / one).max(together / all)
        });
        all.fold(0.0, f64::max)
    }

    /// How long it still prepares at least, and what it still sends from where it is.
    fn left_of(&self, state: &State, no: usize) -> (f64, f64) {
        let memory = self.movers.get(no).map_or(0.0, |it| {
            self.fleet.servers()[it.server].memory_bytes as f64
        });
        match state.doing.get(no) {
            Some(Doing::Sends { guest, .. }) => (0.0, guest.left()),
            Some(Doing::Prepares { until, .. }) => (until - state.now, memory),
            Some(Doing::Rests) | None if self.is_done(state, no) => (0.0, 0.0),
            Some(Doing::Rests) | None => (PREPARE, memory),
        }
    }
}

fn set<T>(rows: &mut [T], no: usize, row: T) {
    if let Some(place) = rows.get_mut(no) {
        *place = row;
    }
}
