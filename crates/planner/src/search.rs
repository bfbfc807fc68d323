//! One search for a destination: which host to try next, and what to say when there is none.
//!
//! Nova's three ways differ in their ends. Left to choose, it tries one host after the other
//! and says "no valid host". Given a host, it validates that one and says the same. Forced, it
//! skips the scheduler: a disabled host will do, and what fails is named. A hard server group
//! holds in all three.

use std::collections::VecDeque;

use godwit_core::failure::Failure;
use godwit_core::host::management::Unmanaged;
use godwit_core::host::scope::Because;
use godwit_core::ids::HostName;

use crate::candidates::candidates;
use crate::inventory::{Host, Need, Target};
use crate::reason::{self, Reason, Rejection};
use crate::texts;

#[derive(Clone, Debug)]
pub struct Search {
    need: Need,
    forced: bool,
    max_retries: Option<u32>,
    fitting: VecDeque<HostName>,
    rejected: Vec<Rejection>,
    refusals: u32,
    last_refusal: Option<Failure>,
}

impl Search {
    /// Begins. `max_retries` counts hosts that refuse after having been chosen; `None` tries
    /// all that fit.
    ///
    /// # Errors
    /// The source is unknown or down, or the forced destination is out of the question: Nova's
    /// text says so.
    pub fn begin(
        hosts: &[Host],
        need: Need,
        target: &Target,
        max_retries: Option<u32>,
    ) -> Result<Self, Failure> {
        if !hosts.iter().any(|host| host.name == need.source && host.up) {
            return Err(texts::service_unavailable(&need.source));
        }
        Self::begin_without_source(hosts, need, target, max_retries)
    }

    /// Begins for a server whose source is dead, and so has no say.
    ///
    /// # Errors
    /// The forced destination is out of the question: Nova's text says so.
    pub fn begin_without_source(
        hosts: &[Host],
        need: Need,
        target: &Target,
        max_retries: Option<u32>,
    ) -> Result<Self, Failure> {
        let mut search = Self {
            need,
            forced: false,
            max_retries,
            fitting: VecDeque::new(),
            rejected: Vec::new(),
            refusals: 0,
            last_refusal: None,
        };
        if let Target::Forced(wanted) = target {
            search.forced = true;
            search
                .fitting
                .push_back(forced(hosts, &search.need, wanted)?);
            return Ok(search);
        }
        let (fitting, rejected) = candidates(hosts, &search.need, target);
        search.fitting = fitting.into();
        search.rejected = rejected;
        if let Target::Named(wanted) = target
            && !hosts.iter().any(|host| host.name == *wanted)
        {
            search.rejected.push(Rejection {
                host: wanted.clone(),
                reasons: vec![reason::unknown(wanted)],
            });
        }
        Ok(search)
    }

    /// The host to try now.
    ///
    /// # Errors
    /// There is none left; the failure is how the migration ends.
    pub fn next_host(&mut self) -> Result<HostName, Failure> {
        if self.forced
            && let Some(refusal) = self.last_refusal.take()
        {
            return Err(refusal);
        }
        match self.max_retries {
            Some(max) if self.refusals > max => {
                return Err(texts::too_many_retries(self.need.server, max));
            }
            Some(_) | None => {}
        }
        self.fitting.pop_front().ok_or_else(texts::no_valid_host)
    }

    /// The host that was tried refused.
    pub fn refused(&mut self, host: HostName, failure: Failure) {
        let reasons = vec![Reason::from(&failure)];
        self.refused_for(host, failure, reasons);
    }

    /// The host that was tried is not free for it any more, for these reasons.
    pub fn refused_for(&mut self, host: HostName, failure: Failure, reasons: Vec<Reason>) {
        self.refusals = self.refusals.saturating_add(1);
        self.rejected.push(Rejection { host, reasons });
        self.last_refusal = Some(failure);
    }

    /// Nothing is put any more on the host that was tried.
    pub fn disabled(&mut self, host: HostName, because: &[Because]) {
        let reasons = vec![reason::disabled(&host, because)];
        self.rejected.push(Rejection { host, reasons });
    }

    /// The host that was tried is held for maintenance by now.
    pub fn held(&mut self, host: HostName, holders: &[String]) {
        let reason = reason::held(&host, holders);
        // Who forces a move is told.
        self.last_refusal = Some(texts::held(&host));
        let reasons = vec![reason];
        self.rejected.push(Rejection { host, reasons });
    }

    /// The cluster of the host that was tried, or of the source, takes no part in moves any more.
    pub fn unmanaged(&mut self, host: HostName, cluster: &Unmanaged) {
        let reason = reason::unmanaged(&[cluster]);
        // Who forces a move is told.
        self.last_refusal = Some(texts::pre_check(&reason.text));
        let reasons = vec![reason];
        self.rejected.push(Rejection { host, reasons });
    }

    pub fn need(&self) -> &Need {
        &self.need
    }

    /// Every host turned down so far, with the reasons.
    pub fn rejections(&self) -> &[Rejection] {
        &self.rejected
    }
}

/// Nova's checks of a forced destination, in its order.
fn forced(hosts: &[Host], need: &Need, wanted: &HostName) -> Result<HostName, Failure> {
    if *wanted == need.source {
        return Err(texts::same_host(need.server, wanted));
    }
    let host = hosts
        .iter()
        .find(|host| host.name == *wanted && host.up)
        .ok_or_else(|| texts::service_unavailable(wanted))?;
    let free = host.free().memory_mb;
    if free <= need.room.memory_mb {
        return Err(texts::lack_of_memory(
            need.server,
            wanted,
            free,
            need.room.memory_mb,
        ));
    }
    if host.hypervisor_type != need.hypervisor_type {
        return Err(texts::hypervisor_type());
    }
    if host.hypervisor_version < need.hypervisor_version {
        return Err(texts::hypervisor_too_old());
    }
    if !host.holders.is_empty() {
        return Err(texts::held(wanted));
    }
    let clusters: Vec<&Unmanaged> = need.clusters_unmanaged(host).collect();
    if !clusters.is_empty() {
        return Err(texts::pre_check(&reason::unmanaged(&clusters).text));
    }
    // Without its scheduler Nova still asks the destination whether the group allows it.
    if let Some(violation) = need.group_violation(wanted) {
        return Err(texts::group_policy(&violation));
    }
    Ok(host.name.clone())
}

#[cfg(test)]
mod tests;
