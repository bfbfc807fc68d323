//! Links of hosts and what moves over them, as the planner schedules moves.
//!
//! What moves is read from the store each time, so that all conductors count the same.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};

use godwit_core::ids::{HostName, MigrationUuid};
use godwit_core::plan::options::Priority;
use godwit_core::slots::{LinkShare, SlotRole};
use godwit_core::time::Timestamp;
use godwit_planner::fleet::{Link, dirty_rate};
use godwit_planner::order::{Budgets, Links, Stream, rates};
use godwit_planner::schedule::{Limits, Schedule};
use godwit_planner::table::{HostNo, Number as _};
use godwit_store::{FullHosts, Guest, HostLink, StoreError, UnderWay};
use tracing::info;

use crate::config::{Config, LinkBudgets};
use crate::context::Context;

/// Of a guest that has sent all but this part of its memory, the last rounds begin.
const LAST_PART: u64 = 20;

/// Was it said that the link of some host is not known?
#[derive(Default)]
pub(crate) struct Unknown(AtomicBool);

impl Unknown {
    fn say(&self, host: &HostName) {
        if !self.0.swap(true, Ordering::Relaxed) {
            info!(
                %host,
                "the speed of its link is not known: slots limit its moves, and those of all such hosts"
            );
        }
    }
}

/// What is known of the link of one host.
struct Known {
    host: HostName,
    /// `None`: slots limit its moves.
    bytes_per_second: Option<u64>,
    /// What one stream achieves there, as far as anybody knows.
    stream: u64,
    moved_at: Option<Timestamp>,
}

/// A part of the fleet's links, and all that moves.
pub(crate) struct HostLinks {
    budgets: LinkBudgets,
    limits: Limits,
    numbers: HashMap<HostName, HostNo>,
    known: Vec<Known>,
    moving: Vec<Stream>,
    under_way: HashSet<MigrationUuid>,
}

impl Links for HostLinks {
    fn bytes_per_second(&self, host: HostNo) -> f64 {
        let known = self.known.get(host.at());
        let rate = known.and_then(|known| known.bytes_per_second);
        rate.map_or(f64::INFINITY, |rate| rate as f64)
    }
}

/// What a stream of so many bytes per second has to carry, where nobody has seen it move yet.
fn size_of(guest: Option<Guest>, limit: f64) -> (f64, f64) {
    let memory = guest.map_or(0, |guest| guest.memory_mb).max(0) as f64;
    let dirty = guest.and_then(|guest| guest.dirty_bytes_per_second);
    let dirty = dirty.and_then(|it| u64::try_from(it).ok());
    (memory * f64::from(1 << 20), dirty_rate(dirty, limit))
}

impl HostLinks {
    /// All that moves, with the links that it uses.
    pub(crate) async fn load(ctx: &Context) -> Result<Self, StoreError> {
        Self::load_some(ctx, |_| true).await
    }

    /// What moves and `counts`, by the priority of the run that has begun it, if one has.
    pub(crate) async fn load_some(
        ctx: &Context,
        counts: impl Fn(Option<Priority>) -> bool,
    ) -> Result<Self, StoreError> {
        let mut moves = ctx.store.moves_under_way().await?;
        moves.retain(|it| counts(it.priority));
        let mut links = Self::of_none(&ctx.config);
        links.under_way = moves.iter().map(|it| it.uuid).collect();
        let ends = moves.iter().flat_map(|it| [&it.source, &it.destination]);
        let ends = ends.cloned().collect();
        links.know(ctx, ends).await?;
        links.moving = moves.iter().filter_map(|it| links.under_way(it)).collect();
        Ok(links)
    }

    fn of_none(config: &Config) -> Self {
        Self {
            budgets: config.link_budgets,
            limits: Limits {
                slots: config.slots.limits(),
                streams: config.link_budgets.most(),
            },
            numbers: HashMap::new(),
            known: Vec::new(),
            moving: Vec::new(),
            under_way: HashSet::new(),
        }
    }

    /// Reads the links of these hosts, where it has not.
    pub(crate) async fn know(
        &mut self,
        ctx: &Context,
        mut hosts: BTreeSet<HostName>,
    ) -> Result<(), StoreError> {
        hosts.retain(|host| !self.numbers.contains_key(host));
        let new: Vec<HostName> = hosts.into_iter().collect();
        if new.is_empty() {
            return Ok(());
        }
        let links = ctx.store.host_links(new.clone()).await?;
        let mut links: HashMap<HostName, HostLink> =
            links.into_iter().map(|it| (it.host.clone(), it)).collect();
        for host in new {
            let link = links.remove(&host);
            let whole = link.as_ref().and_then(|link| link.bytes_per_second);
            if self.budgets.enabled && whole.is_none() {
                ctx.unknown_links.say(&host);
            }
            self.add(host, link.as_ref(), whole.filter(|_| self.budgets.enabled));
        }
        Ok(())
    }

    fn add(&mut self, host: HostName, link: Option<&HostLink>, whole: Option<u64>) {
        let stream = link.and_then(|link| link.stream_bytes_per_second);
        let assumed = whole.unwrap_or(Link::ASSUMED.stream_bytes_per_second);
        let number = HostNo::new(self.known.len());
        self.numbers.insert(host.clone(), number);
        self.known.push(Known {
            host,
            bytes_per_second: whole,
            stream: stream.unwrap_or(assumed).min(whole.unwrap_or(u64::MAX)),
            moved_at: link.and_then(|link| link.moved_at),
        });
    }

    /// When a move away from a host began last that is of no run, as far as it was read.
    pub(crate) fn moved_at(&self, host: &HostName) -> Option<Timestamp> {
        let number = self.numbers.get(host)?;
        self.known.get(number.at())?.moved_at
    }

    /// What one stream between two hosts carries at most.
    fn limit(&self, source: HostNo, destination: HostNo) -> f64 {
        let rates = [source, destination]
            .into_iter()
            .filter_map(|host| self.known.get(host.at()));
        let least = rates.map(|known| known.stream).min();
        least.unwrap_or(Link::ASSUMED.stream_bytes_per_second) as f64
    }

    /// The stream of a move that has not begun; `None`: its hosts were not read.
    pub(crate) fn stream(
        &self,
        source: &HostName,
        destination: &HostName,
        guest: Option<Guest>,
    ) -> Option<Stream> {
        let source = *self.numbers.get(source)?;
        let destination = *self.numbers.get(destination)?;
        let limit = self.limit(source, destination);
        let (memory, dirty) = size_of(guest, limit);
        Some(Stream {
            source,
            destination,
            limit,
            dirty,
            seconds_left: memory / limit,
            last_rounds: false,
        })
    }

    fn under_way(&self, it: &UnderWay) -> Option<Stream> {
        let guest = Guest {
            memory_mb: it.memory_mb.unwrap_or_default(),
            dirty_bytes_per_second: it.dirty_bytes_per_second,
        };
        let new = self.stream(&it.source, &it.destination, Some(guest))?;
        // A release before began it, which counted slots only: it may take all there is.
        let limit = match it.taken {
            // What it has taken it keeps, whatever was learned since.
            Some(taken) => new.limit.max(taken as f64),
            None => self
                .bytes_per_second(new.source)
                .min(self.bytes_per_second(new.destination))
                .min(f64::MAX)
                .max(new.limit),
        };
        let bytes = |amount: Option<i64>| amount.and_then(|it| u64::try_from(it).ok());
        let (Some(total), Some(sent), Some(left)) = (
            bytes(it.memory_total),
            bytes(it.memory_processed),
            bytes(it.memory_remaining),
        ) else {
            return Some(Stream { limit, ..new });
        };
        let is_nearly_all = left <= total.checked_div(LAST_PART).unwrap_or_default();
        Some(Stream {
            limit,
            seconds_left: left as f64 / limit,
            last_rounds: total > 0 && (sent >= total || is_nearly_all),
            ..new
        })
    }

    /// Does it hold its slots, and is it counted?
    pub(crate) fn counts(&self, migration: MigrationUuid) -> bool {
        self.under_way.contains(&migration)
    }

    /// Counts a move as one that moves.
    pub(crate) fn count(&mut self, stream: Stream) {
        self.moving.push(stream);
    }

    /// Who may begin beside what moves.
    pub(crate) fn schedule(&self) -> Schedule<'_> {
        Schedule::new(self, 1.0, self.limits, &self.moving)
    }

    /// What a move takes that begins with so many bytes a second.
    pub(crate) fn share(&self, rate: f64) -> Option<LinkShare> {
        self.budgets.enabled.then_some(LinkShare {
            // Rounded down, so that all together are no more than the link.
            bytes_per_second: rate as u64,
            most: self.budgets.most(),
        })
    }

    /// Hosts from or to which nothing can begin, of those that were read.
    pub(crate) fn full(&self) -> FullHosts {
        let schedule = self.schedule();
        let full = |role| {
            let numbered = self.known.iter().enumerate();
            let full = numbered.filter(|(at, _)| schedule.is_full(role, HostNo::new(*at)));
            full.map(|(_, known)| known.host.clone()).collect()
        };
        FullHosts {
            sources: full(SlotRole::Source),
            destinations: full(SlotRole::Destination),
        }
    }

    /// Of the links of known speed that are used in this role: what moves take of them, and what they
    /// carry.
    pub(crate) fn in_use(&self, role: SlotRole) -> (f64, f64) {
        let mut budgets = Budgets::new(self, 1.0);
        rates(&mut budgets, &self.moving);
        let hosts: BTreeSet<HostNo> = self
            .moving
            .iter()
            .map(|stream| match role {
                SlotRole::Source => stream.source,
                SlotRole::Destination => stream.destination,
            })
            .collect();
        let (mut taken, mut all) = (0.0, 0.0);
        for host in hosts {
            let whole = self.bytes_per_second(host);
            if whole.is_finite() {
                let left = match role {
                    SlotRole::Source => budgets.outgoing(host),
                    SlotRole::Destination => budgets.incoming(host),
                };
                taken += whole - left;
                all += whole;
            }
        }
        (taken, all)
    }
}

#[cfg(test)]
mod tests;
