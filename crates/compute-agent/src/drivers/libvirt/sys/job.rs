//! The job of a domain: what it is, how far it is, how to end it.

use std::ffi::c_int;
use std::ptr;
use std::time::Duration;

use virt::domain::Domain;
use virt::error::Error;
use virt::sys;

use super::params::{Values, check};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum JobKind {
    Active,
    Completed,
    /// There is none, or it failed or was cancelled.
    Otherwise,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Operation {
    MigrationIn,
    MigrationOut,
    /// Anything else (or nothing), such as a snapshot or a backup.
    Other,
}

/// A job's figures. Sizes are bytes, rates bytes a second; a figure is 0 where libvirt gives
/// none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct JobStatistics {
    pub(crate) elapsed: Duration,
    /// How long the guest stood still; known when the job has ended, an estimate before.
    pub(crate) downtime: Duration,
    pub(crate) memory_total: u64,
    pub(crate) memory_processed: u64,
    pub(crate) memory_remaining: u64,
    pub(crate) disk_total: u64,
    pub(crate) disk_processed: u64,
    pub(crate) disk_remaining: u64,
    pub(crate) throughput: u64,
    pub(crate) dirty_rate: u64,
    /// How often the whole memory was gone over.
    pub(crate) iteration: u64,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Job {
    pub(crate) kind: JobKind,
    pub(crate) operation: Operation,
    pub(crate) statistics: JobStatistics,
    /// What went wrong, where libvirt tells.
    pub(crate) error: Option<String>,
}

pub(crate) fn job(domain: &Domain) -> Result<Job, Error> {
    let mut kind: c_int = 0;
    let mut list: sys::virTypedParameterPtr = ptr::null_mut();
    let mut length: c_int = 0;
    // SAFETY: `domain` keeps its C object alive; the three places outlive the call. libvirt
    // allocates the list, or leaves it null when there is no job.
    check(unsafe {
        sys::virDomainGetJobStats(domain.as_ptr(), &mut kind, &mut list, &mut length, 0)
    })?;
    // SAFETY: the call succeeded, so the list has that length.
    let values = unsafe { Values::copy(list, length) };
    // SAFETY: the list is libvirt's, copied above, and freed exactly once.
    unsafe { sys::virTypedParamsFree(list, length) };
    Ok(Job::of(kind_of(kind), &values))
}

/// Cancels the domain's job. Whether it came in time shows in how the job ends.
pub(crate) fn abort_job(domain: &Domain) -> Result<(), Error> {
    // SAFETY: `domain` keeps its C object alive.
    check(unsafe { sys::virDomainAbortJob(domain.as_ptr()) })
}

/// Asks a migration that was begun with the post-copy flag to switch over.
pub(crate) fn start_post_copy(domain: &Domain) -> Result<(), Error> {
    // SAFETY: `domain` keeps its C object alive.
    check(unsafe { sys::virDomainMigrateStartPostCopy(domain.as_ptr(), 0) })
}

fn kind_of(raw: c_int) -> JobKind {
    match raw.unsigned_abs() {
        sys::VIR_DOMAIN_JOB_BOUNDED | sys::VIR_DOMAIN_JOB_UNBOUNDED => JobKind::Active,
        sys::VIR_DOMAIN_JOB_COMPLETED => JobKind::Completed,
        _ => JobKind::Otherwise,
    }
}

impl Job {
    pub(super) fn of(kind: JobKind, values: &Values) -> Self {
        let number = |name| values.number(name).unwrap_or(0);
        let millis = |name| Duration::from_millis(number(name));
        let page_size = match number(sys::VIR_DOMAIN_JOB_MEMORY_PAGE_SIZE) {
            0 => 4096,
            size => size,
        };
        let operation = match u32::try_from(number(sys::VIR_DOMAIN_JOB_OPERATION)) {
            Ok(sys::VIR_DOMAIN_JOB_OPERATION_MIGRATION_IN) => Operation::MigrationIn,
            Ok(sys::VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT) => Operation::MigrationOut,
            _ => Operation::Other,
        };
        Self {
            kind,
            operation,
            statistics: JobStatistics {
                elapsed: millis(sys::VIR_DOMAIN_JOB_TIME_ELAPSED),
                downtime: millis(sys::VIR_DOMAIN_JOB_DOWNTIME),
                memory_total: number(sys::VIR_DOMAIN_JOB_MEMORY_TOTAL),
                memory_processed: number(sys::VIR_DOMAIN_JOB_MEMORY_PROCESSED),
                memory_remaining: number(sys::VIR_DOMAIN_JOB_MEMORY_REMAINING),
                disk_total: number(sys::VIR_DOMAIN_JOB_DISK_TOTAL),
                disk_processed: number(sys::VIR_DOMAIN_JOB_DISK_PROCESSED),
                disk_remaining: number(sys::VIR_DOMAIN_JOB_DISK_REMAINING),
                throughput: number(sys::VIR_DOMAIN_JOB_MEMORY_BPS),
                // libvirt counts dirtied pages a second.
                dirty_rate: number(sys::VIR_DOMAIN_JOB_MEMORY_DIRTY_RATE).saturating_mul(page_size),
                iteration: number(sys::VIR_DOMAIN_JOB_MEMORY_ITERATION),
            },
            error: values.text(sys::VIR_DOMAIN_JOB_ERRMSG).map(str::to_owned),
        }
    }

    /// A job as its job-completed event tells it.
    pub(super) fn ended(values: &Values) -> Self {
        let kind = match values.flag(sys::VIR_DOMAIN_JOB_SUCCESS) {
            Some(false) => JobKind::Otherwise,
            Some(true) | None => JobKind::Completed,
        };
        Self::of(kind, values)
    }
}
