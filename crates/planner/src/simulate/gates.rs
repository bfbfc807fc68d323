//! What an operation waits for: others, a host that is done, its turn, a constraint.

use std::collections::HashMap;

use super::job::Job;
use crate::fleet::Fleet;
use crate::plan::{Constraint, Plan};
use crate::table::HostNo;

pub(super) struct Gates {
    /// How much each operation still waits for.
    waits: Vec<usize>,
    behind: Vec<Vec<usize>>,
    behind_host: HashMap<HostNo, Vec<usize>>,
    stages: Vec<Stage>,
    stage_of: HashMap<HostNo, usize>,
    at_a_time: usize,
    /// The first stage that has not begun.
    next: usize,
    emptying: usize,
    /// Of each constraint, how many may begin, if it is one that limits them.
    free: Vec<Option<u32>>,
}

#[derive(Clone, Default)]
struct Stage {
    host: Option<HostNo>,
    jobs: Vec<usize>,
    /// Of its operations, those that have not ended.
    left: usize,
    /// Earlier ones towards it that have not ended.
    arriving: usize,
}

impl Gates {
    pub(super) fn new(fleet: &Fleet, plan: &Plan, jobs: &[Job]) -> Self {
        let rolling = plan.rolling.iter().flat_map(|it| &it.hosts);
        let hosts: Vec<_> = rolling.map(|host| fleet.host_no(host)).collect();
        let stages = hosts.iter().map(|host| Stage {
            host: *host,
            ..Stage::default()
        });
        let numbered = hosts.iter().enumerate();
        let mut gates = Self {
            waits: vec![0; jobs.len()],
            behind: vec![Vec::new(); jobs.len()],
            behind_host: HashMap::new(),
            stages: stages.collect(),
            stage_of: numbered
                .filter_map(|(at, host)| Some(((*host)?, at)))
                .collect(),
            at_a_time: plan
                .rolling
                .as_ref()
                .map_or(0, |it| it.max_unavailable as usize),
            next: 0,
            emptying: 0,
            free: plan.constraints.iter().map(Constraint::limit).collect(),
        };
        for (no, job) in jobs.iter().enumerate() {
            gates.add(no, job);
        }
        gates
    }

    fn add(&mut self, no: usize, job: &Job) {
        let mut waits = job.after.len();
        for earlier in &job.after {
            if let Some(behind) = self.behind.get_mut(*earlier) {
                behind.push(no);
            }
        }
        if let Some(host) = job.after_done {
            waits += 1;
            self.behind_host.entry(host).or_default().push(no);
        }
        // What starts on a host again does not keep it from being done.
        let starts = job.after_done == Some(job.source);
        if let Some(stage) = job.stage.filter(|_| !starts) {
            waits += 1;
            if let Some(stage) = self.stages.get_mut(stage) {
                stage.jobs.push(no);
                stage.left += 1;
            }
        }
        if let Some(stage) = self.arrives_before(job)
            && let Some(stage) = self.stages.get_mut(stage)
        {
            stage.arriving += 1;
        }
        if let Some(place) = self.waits.get_mut(no) {
            *place = waits;
        }
    }

    /// The stage whose host it goes to before that is done.
    fn arrives_before(&self, job: &Job) -> Option<usize> {
        let moves = job.source != job.destination && job.after_done.is_none();
        let stage = self.stage_of.get(&job.destination);
        stage.copied().filter(|_| moves)
    }

    /// Those that wait for nothing at the beginning.
    pub(super) fn open(&mut self) -> Vec<usize> {
        let free = self
            .waits
            .iter()
            .enumerate()
            .filter(|(_, waits)| **waits == 0);
        let mut opened: Vec<_> = free.map(|(no, _)| no).collect();
        self.begin_stages(&mut opened);
        opened
    }

    fn begin_stages(&mut self, opened: &mut Vec<usize>) {
        while self.emptying < self.at_a_time
            && let Some(stage) = self.stages.get_mut(self.next).filter(|it| it.arriving == 0)
        {
            self.next += 1;
            self.emptying += 1;
            let jobs = stage.jobs.clone();
            let (empty, host) = (stage.left == 0, stage.host);
            for job in jobs {
                self.pass(job, opened);
            }
            if empty {
                self.done(host, opened);
            }
        }
    }

    fn done(&mut self, host: Option<HostNo>, opened: &mut Vec<usize>) {
        self.emptying = self.emptying.saturating_sub(1);
        let behind = host.and_then(|host| self.behind_host.remove(&host));
        for job in behind.into_iter().flatten() {
            self.pass(job, opened);
        }
    }

    /// One of the things that an operation waits for has come about.
    fn pass(&mut self, job: usize, opened: &mut Vec<usize>) {
        if let Some(waits) = self.waits.get_mut(job) {
            *waits = waits.saturating_sub(1);
            if *waits == 0 {
                opened.push(job);
            }
        }
    }

    /// Takes its places within the constraints, if they are free.
    pub(super) fn enter(&mut self, job: &Job) -> bool {
        let free = |at: &usize| self.free.get(*at).copied().flatten() != Some(0);
        let all = job.limits.iter().all(free);
        if all {
            self.change(job, |free| free.saturating_sub(1));
        }
        all
    }

    fn change(&mut self, job: &Job, how: impl Fn(u32) -> u32) {
        for at in &job.limits {
            if let Some(Some(free)) = self.free.get_mut(*at) {
                *free = how(*free);
            }
        }
    }

    /// It has ended: those that wait for nothing more now.
    pub(super) fn leave(&mut self, no: usize, job: &Job) -> Vec<usize> {
        let mut opened = Vec::new();
        self.change(job, |free| free.saturating_add(1));
        let behind = self.behind.get_mut(no).map(std::mem::take);
        for later in behind.into_iter().flatten() {
            self.pass(later, &mut opened);
        }
        if let Some(stage) = self.arrives_before(job)
            && let Some(stage) = self.stages.get_mut(stage)
        {
            stage.arriving = stage.arriving.saturating_sub(1);
        }
        let starts = job.after_done == Some(job.source);
        if let Some(at) = job.stage.filter(|_| !starts)
            && let Some(stage) = self.stages.get_mut(at)
        {
            stage.left = stage.left.saturating_sub(1);
            if stage.left == 0 {
                let host = stage.host;
                self.done(host, &mut opened);
            }
        }
        self.begin_stages(&mut opened);
        opened
    }
}
