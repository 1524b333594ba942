//! Figures of the process as `/proc` has them. Where there is no `/proc` they are left out.

use std::{
    fs,
    time::{SystemTime, UNIX_EPOCH},
};

/// Ticks a second of the times in `/proc/self/stat`: `USER_HZ`, fixed in Linux's interface.
const TICKS_PER_SECOND: f64 = 100.0;
/// Octets of a page, assumed where the kernel does not say otherwise.
const PAGE_OCTETS: f64 = 4096.0;

/// Hands the figures to the recorder.
pub(super) fn publish() {
    if let Some(stat) = fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(Stat::parse) {
        metrics::gauge!("process_cpu_seconds_total").set(stat.cpu_s);
        metrics::gauge!("process_threads").set(stat.threads);
        metrics::gauge!("process_virtual_memory_bytes").set(stat.virtual_octets);
    }
    if let Some(octets) = resident_octets() {
        metrics::gauge!("process_resident_memory_bytes").set(octets);
    }
    if let Ok(entries) = fs::read_dir("/proc/self/fd") {
        metrics::gauge!("process_open_fds").set(entries.count() as f64);
    }
}

/// Notes the time as that of the start.
pub(super) fn started() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    metrics::gauge!("process_start_time_seconds").set(now.as_secs_f64());
}

/// What is of interest in `/proc/self/stat` (proc(5)).
#[derive(Debug, PartialEq)]
struct Stat {
    cpu_s: f64,
    threads: f64,
    virtual_octets: f64,
}

impl Stat {
    fn parse(text: &str) -> Option<Stat> {
        // The command's name, field 2, stands in brackets and may contain anything.
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
        Some(Stat {
            cpu_s: (field(14)? + field(15)?) / TICKS_PER_SECOND,
            threads: field(20)?,
            virtual_octets: field(23)?,
        })
    }
}

fn resident_octets() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    if let Some(line) = status.lines().find_map(|line| line.strip_prefix("VmRSS:")) {
        return Some(line.split_ascii_whitespace().next()?.parse::<f64>().ok()? * 1024.0);
    }
    let pages = fs::read_to_string("/proc/self/statm").ok()?;
    Some(pages.split_ascii_whitespace().nth(1)?.parse::<f64>().ok()? * PAGE_OCTETS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_command_does_not_confuse_the_fields() {
        let text = "1234 (we) ir 1 2) S 1 1234 1234 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 7 0 5000 104857600 2560 0";
        let expected = Stat { cpu_s: 3.0, threads: 7.0, virtual_octets: 104_857_600.0 };
        assert_eq!(Stat::parse(text), Some(expected));
        assert_eq!(Stat::parse("1234 (weir) S 1"), None);
        assert_eq!(Stat::parse(""), None);
    }
}
