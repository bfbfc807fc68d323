//! Child processes that never outlive the test, however it ends.
//!
//! A destructor is not enough: a test runner ends an overdue test with SIGKILL. The kernel's
//! parent-death signal is, but it fires when the *thread* that spawned the child ends. So each
//! child is spawned, awaited and reaped by a thread of its own, which lives as long as the child
//! does and therefore dies early only with the whole process.

use std::process::{Command, ExitStatus};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::wait::wait_for_blocking;

/// How long a child may take to end when it is asked to.
const PATIENCE: Duration = Duration::from_secs(5);

/// A running child process, reaped by its own thread, and stopped on drop.
#[derive(Debug)]
pub(crate) struct Child {
    pid: Pid,
    farewell: Signal,
    reaper: Option<JoinHandle<std::io::Result<ExitStatus>>>,
}

impl Child {
    /// Spawns `command`, to be stopped by the signal `farewell`. Have the command ask for a
    /// parent-death signal (`setpriv --pdeathsig`) to bind the child's life to this process.
    pub(crate) fn spawn(mut command: Command, farewell: Signal) -> Result<Self> {
        let program = command.get_program().to_owned();
        let (sender, receiver) = mpsc::sync_channel(1);
        let reaper = std::thread::spawn(move || {
            let mut child = match command.spawn() {
                Ok(child) => child,
                Err(error) => {
                    let _ = sender.send(Err(anyhow::Error::new(error)));
                    return Err(std::io::ErrorKind::NotFound.into());
                }
            };
            let _ = sender.send(Ok(child.id()));
            child.wait()
        });
        let pid = receiver
            .recv()
            .unwrap_or_else(|_| Err(anyhow!("its thread panicked")));
        let pid = pid.with_context(|| format!("cannot run {}", program.display()))?;
        let pid = Pid::from_raw(pid.try_into().context("a process id beyond pid_t")?);
        Ok(Self {
            pid,
            farewell,
            reaper: Some(reaper),
        })
    }

    /// The status of a child that has ended; `None` while it runs.
    pub(crate) fn ended(&mut self) -> Option<std::io::Result<ExitStatus>> {
        let reaper = self.reaper.take_if(|reaper| reaper.is_finished())?;
        Some(
            reaper
                .join()
                .unwrap_or_else(|_| Err(std::io::ErrorKind::Other.into())),
        )
    }

    /// Lets the child live on.
    pub(crate) fn release(mut self) {
        self.reaper = None;
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        for signal in [self.farewell, Signal::SIGKILL] {
            // While its thread has not returned, the child may be unreaped, but never reused.
            let ended = || self.reaper.as_ref().is_none_or(JoinHandle::is_finished);
            if ended() {
                return;
            }
            let _ = kill(self.pid, signal);
            let end = || Ok(ended().then_some(()));
            let _ = wait_for_blocking("a child to end", PATIENCE, end);
        }
    }
}
