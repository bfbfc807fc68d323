//! Questions that have no (right) answer in the `virt` crate.

use std::ffi::{CString, c_int};
use std::mem::MaybeUninit;
use std::ptr;

use virt::connect::Connect;
use virt::domain::Domain;
use virt::error::Error;
use virt::sys;

use super::params::check;

/// Why a domain that is in memory does not execute.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stopped {
    /// A migration stopped it, or has not started it yet.
    Migration,
    StartingUp,
    /// A post-copy migration takes it away.
    PostCopy,
    /// A post-copy migration took a part of it away, and broke.
    PostCopyFailed,
    /// Its user, an I/O error, a snapshot: no migration has to do with it.
    Otherwise,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum DomainState {
    Running,
    /// In memory, does not execute.
    Paused(Stopped),
    /// In memory, asleep by its own doing (ACPI S3).
    Asleep,
    /// In memory, has crashed.
    Crashed,
    Off,
    /// Not in memory, its memory saved to disk.
    Saved,
    Unknown,
}

#[cfg(test)]
impl DomainState {
    /// Every state, with every reason to be stopped.
    pub(crate) const ALL: [Self; 11] = [
        Self::Running,
        Self::Paused(Stopped::Migration),
        Self::Paused(Stopped::PostCopy),
        Self::Paused(Stopped::PostCopyFailed),
        Self::Paused(Stopped::StartingUp),
        Self::Paused(Stopped::Otherwise),
        Self::Asleep,
        Self::Crashed,
        Self::Off,
        Self::Saved,
        Self::Unknown,
    ];
}

pub(crate) fn domain_state(domain: &Domain) -> Result<DomainState, Error> {
    let (mut state, mut reason): (c_int, c_int) = (0, 0);
    // SAFETY: `domain` keeps its C object alive; both places outlive the call.
    check(unsafe { sys::virDomainGetState(domain.as_ptr(), &mut state, &mut reason, 0) })?;
    Ok(match state.unsigned_abs() {
        // Blocked is Xen's word for a guest that waits for input.
        sys::VIR_DOMAIN_RUNNING | sys::VIR_DOMAIN_BLOCKED => DomainState::Running,
        // On its way down the guest still executes.
        sys::VIR_DOMAIN_SHUTDOWN => DomainState::Running,
        sys::VIR_DOMAIN_PAUSED => DomainState::Paused(match reason.unsigned_abs() {
            sys::VIR_DOMAIN_PAUSED_MIGRATION => Stopped::Migration,
            sys::VIR_DOMAIN_PAUSED_STARTING_UP => Stopped::StartingUp,
            sys::VIR_DOMAIN_PAUSED_POSTCOPY => Stopped::PostCopy,
            sys::VIR_DOMAIN_PAUSED_POSTCOPY_FAILED => Stopped::PostCopyFailed,
            _ => Stopped::Otherwise,
        }),
        sys::VIR_DOMAIN_PMSUSPENDED => DomainState::Asleep,
        sys::VIR_DOMAIN_CRASHED => DomainState::Crashed,
        sys::VIR_DOMAIN_SHUTOFF => match reason.unsigned_abs() {
            sys::VIR_DOMAIN_SHUTOFF_SAVED => DomainState::Saved,
            _ => DomainState::Off,
        },
        _ => DomainState::Unknown,
    })
}

/// What a CPU model is compared with: the hypervisor that would run the guest, not the bare
/// host, whose answer means nothing under emulation.
pub(crate) struct CpuQuestion<'a> {
    /// The domain's architecture, such as `x86_64`.
    pub(crate) arch: &'a str,
    /// `kvm`, `qemu`…
    pub(crate) virt_type: &'a str,
    pub(crate) cpu_xml: &'a str,
}

/// What a host's hypervisor says of a guest's CPU.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum CpuFit {
    Fits,
    Lacks,
}

/// Can this host's hypervisor run the guest's CPU?
pub(crate) fn compare_cpu(connect: &Connect, question: &CpuQuestion<'_>) -> Result<CpuFit, Error> {
    let arch = CString::new(question.arch)?;
    let virt_type = CString::new(question.virt_type)?;
    let cpu_xml = CString::new(question.cpu_xml)?;
    // SAFETY: `connect` keeps its C object alive, the strings outlive the call, and null is
    // the host's default for the emulator and the machine type.
    let result = unsafe {
        sys::virConnectCompareHypervisorCPU(
            connect.as_ptr(),
            ptr::null(),
            arch.as_ptr(),
            ptr::null(),
            virt_type.as_ptr(),
            cpu_xml.as_ptr(),
            0,
        )
    };
    match result {
        sys::VIR_CPU_COMPARE_INCOMPATIBLE => Ok(CpuFit::Lacks),
        sys::VIR_CPU_COMPARE_IDENTICAL.. => Ok(CpuFit::Fits),
        ..sys::VIR_CPU_COMPARE_INCOMPATIBLE => Err(Error::last_error()),
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct BlockSizes {
    /// How large the guest believes it is.
    pub(crate) capacity: u64,
    pub(crate) allocation: u64,
}

/// The sizes of the disk with the given target, such as `vda`.
pub(crate) fn block_sizes(domain: &Domain, target: &str) -> Result<BlockSizes, Error> {
    let target = CString::new(target)?;
    let mut info = MaybeUninit::<sys::virDomainBlockInfo>::uninit();
    // SAFETY: `domain` keeps its C object alive; `target` and `info` outlive the call.
    check(unsafe {
        sys::virDomainGetBlockInfo(domain.as_ptr(), target.as_ptr(), info.as_mut_ptr(), 0)
    })?;
    // SAFETY: the call succeeded, so libvirt has filled `info` in.
    let info = unsafe { info.assume_init() };
    Ok(BlockSizes {
        capacity: info.capacity,
        allocation: info.allocation,
    })
}
