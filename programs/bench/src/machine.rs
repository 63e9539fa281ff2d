//! What this machine is, for the report.

use std::{
    fs,
    time::{SystemTime, UNIX_EPOCH},
};

/// Its processor, cores and memory, and how much of it each system has.
pub(crate) fn describe(threads: usize) -> Vec<String> {
    let mut told = describe_alone();
    told.push(format!("{threads} threads for each system"));
    told
}

/// Its processor, cores and memory.
pub(crate) fn describe_alone() -> Vec<String> {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = cpu.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let flags = field("flags").unwrap_or_default();
    let simd = ["avx512_bf16", "avx512f", "avx2", "fma"];
    let simd: Vec<&str> =
        simd.into_iter().filter(|name| flags.split(' ').any(|flag| flag == *name)).collect();
    vec![
        format!(
            "{}, {cores} cores, {}",
            field("model name").unwrap_or_else(|| "a CPU".to_owned()),
            simd.join(" ")
        ),
        format!("{:.0} GiB of memory", meminfo("MemTotal:").unwrap_or(0.0) / f64::from(1 << 30)),
    ]
}

/// Bytes of memory that programs can still have, if the system tells.
pub(crate) fn available() -> Option<f64> {
    meminfo("MemAvailable:")
}

fn meminfo(field: &str) -> Option<f64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()? * 1024.0)
}

/// Today, as `2023-01-31`, in UTC.
pub(crate) fn today() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    date(seconds / 86_400)
}

/// The date so many days after 1970-01-01, by counting years from March on, so that a leap day is the last.
/// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
fn date(days: u64) -> String {
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    format!("{}-{month:02}-{day:02}", year + era * 400 + u64::from(month < 3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_dates() {
        let days = [(0, "1970-01-01"), (59, "1970-03-01"), (11_016, "2000-02-29"), (20_453, "2025-12-31")];
        for (day, text) in days {
            assert_eq!(date(day), text);
        }
    }

    #[test]
    fn the_machine_tells_its_memory() {
        assert!(available().unwrap() > 0.0 && available() <= meminfo("MemTotal:"));
        assert_eq!(meminfo("MemNothing:"), None);
    }
}
