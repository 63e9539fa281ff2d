//! How much memory the keys and values may take where nobody says: less on a small machine.

/// Bytes at most, on any machine.
const MOST: usize = 1 << 30;

/// A gibibyte, but not more than a quarter of the machine's memory.
pub(crate) fn kv_bytes() -> usize {
    // Elsewhere than on Linux there is no such file, and the first number holds.
    let told = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    total_bytes(&told).map_or(MOST, |total| MOST.min(total / 4))
}

fn total_bytes(meminfo: &str) -> Option<usize> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_memory_is_read_or_left_alone() {
        assert_eq!(total_bytes("MemTotal:       24571988 kB\nMemFree: 1 kB\n"), Some(24_571_988 * 1024));
        assert_eq!(total_bytes("MemFree: 1 kB\n"), None);
        assert_eq!(total_bytes("MemTotal: much\n"), None);
        assert!((1..=MOST).contains(&kv_bytes()));
    }
}
