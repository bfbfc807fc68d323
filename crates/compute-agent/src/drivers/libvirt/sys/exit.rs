//! The end of a process in which libvirt's event loop runs.
//!
//! `exit` calls what libraries have registered to take themselves down, while other threads go on.
//! The event loop's thread never ends, and neither does one whose call hangs: each may be in the
//! middle of what is taken down, and then a process that has done its work ends by SIGSEGV. A
//! thread that hangs in a library cannot be waited for. So nothing is taken down; the operating
//! system takes everything back in any case.

use std::ffi::{c_int, c_void};

use nix::libc;

unsafe extern "C" {
    /// glibc's `atexit` that is told the status. What was registered last is called first.
    fn on_exit(function: unsafe extern "C" fn(c_int, *mut c_void), argument: *mut c_void) -> c_int;
}

/// From now on the process ends at once when it exits, with its status, and with what it has
/// written to C's streams. To be called when the libraries have registered what they have.
///
/// # Errors
/// When there is no memory for it.
pub(super) fn end_at_once() -> Result<(), String> {
    // SAFETY: the function takes what `on_exit` passes, and lives as long as the process.
    match unsafe { on_exit(end, std::ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err("the end of the process cannot be arranged".into()),
    }
}

unsafe extern "C" fn end(status: c_int, _: *mut c_void) {
    // SAFETY: a null pointer means all streams; `_exit` is what ends a process without anything
    // else, and needs nothing.
    unsafe {
        libc::fflush(std::ptr::null_mut());
        libc::_exit(status)
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use nix::libc;

    use super::super::event_loop;

    const CHILD: &str = "GODWIT_TEST_EXITS_WITH_THE_EVENT_LOOP";
    const STATUS: i32 = 7;

    extern "C" fn take_down() {
        std::process::abort();
    }

    #[test]
    fn nothing_is_taken_down_under_the_event_loop() {
        if std::env::var_os(CHILD).is_some() {
            // SAFETY: the function lives as long as the process.
            assert_eq!(unsafe { libc::atexit(take_down) }, 0);
            event_loop().expect("libvirt has one");
            std::process::exit(STATUS);
        }
        let itself = std::env::current_exe().expect("a test has a file");
        let (_, path) = module_path!().split_once("::").expect("it is in a crate");
        let ended = Command::new(itself)
            .args([
                "--exact",
                &format!("{path}::nothing_is_taken_down_under_the_event_loop"),
            ])
            .env(CHILD, "1")
            .status()
            .expect("it can be run");
        assert_eq!(ended.code(), Some(STATUS), "{ended}");
    }
}
