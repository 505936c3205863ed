//! What a process has used, by `/proc`.

use std::fs;

use anyhow::{Context as _, Result};

/// Clock ticks a second in `/proc`, on every Linux that Rust runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// User and system time so far (proc(5), fields 14 and 15).
pub(crate) fn cpu_seconds(id: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
    // The name in parentheses may hold spaces.
    let fields = stat.rsplit_once(") ").context("an unknown form of /proc/PID/stat")?.1;
    let ticks =
        |index: usize| fields.split(' ').nth(index).and_then(|text| text.parse::<f64>().ok());
    let (user, system) = ticks(11).zip(ticks(12)).context("no times in /proc/PID/stat")?;
    Ok((user + system) / TICKS_PER_SECOND)
}

/// What it has in memory (`VmRSS`).
pub(crate) fn resident_mib(id: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    Ok(kib.context("no VmRSS in /proc/PID/status")? / 1024.0)
}
