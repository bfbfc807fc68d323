//! The only unsafe code: what of libvirt the `virt` crate does not wrap, or wraps wrongly.
//!
//! Statistics of a job, abort, post-copy, CPU comparison and events have no safe wrapper
//! there; `Domain::job_stats` builds a `Vec` from a null pointer when there is no job, and
//! `Domain::state` overlooks its error. Everything here takes `virt`'s own handles, which
//! keep the C objects alive, and gives back plain Rust values. Nothing here waits, retries
//! or decides.
#![expect(
    unsafe_code,
    reason = "libvirt is a C library; every call is fenced in by this module"
)]

mod events;
mod exit;
mod job;
mod migrate;
mod params;
mod query;

pub(super) use events::{DomainEvent, Sink, Subscription, event_loop};
pub(super) use job::{JobKind, JobStatistics, Operation, abort_job, job, start_post_copy};
pub(super) use migrate::migrate;
pub(super) use params::Params;
pub(super) use query::{
    BlockSizes, CpuFit, CpuQuestion, DomainState, Stopped, block_sizes, compare_cpu, domain_state,
};
