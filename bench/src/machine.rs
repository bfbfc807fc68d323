//! Where and when figures were taken, and how busy the machine was with other things.

use std::fs;

use godwit_core::time::Clock as _;

use crate::clock::SystemClock;

/// A line that says so; what the kernel does not tell is left out.
pub(crate) fn describe() -> String {
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let model = field("/proc/cpuinfo", "model name").unwrap_or_default();
    let memory = field("/proc/meminfo", "MemTotal").and_then(|text| {
        let kib: u64 = text.strip_suffix(" kB")?.trim().parse().ok()?;
        Some(format!(", {} GiB", (kib + (1 << 19)) >> 20))
    });
    format!(
        "{}; {processors} processors ({model}){}; load {}",
        SystemClock.now().datetime().format("%F %H:%M UTC"),
        memory.unwrap_or_default(),
        load(),
    )
}

/// The mean numbers of tasks that ran or wanted to, over 1, 5 and 15 minutes.
pub(crate) fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let means: Vec<&str> = text.split_whitespace().take(3).collect();
    means.join(" ")
}

/// What follows `name:` in a file of the kernel.
fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim_start().strip_prefix(':')?.trim().to_owned())
}
