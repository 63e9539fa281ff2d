//! What this machine is, for the report.

use std::fs;

/// Its processor, cores and memory, with the date.
pub(crate) fn describe(threads: usize) -> Vec<String> {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = cpu.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = memory.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kilobytes = total.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok());
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
        format!("{:.0} GiB of memory", kilobytes.unwrap_or(0.0) / f64::from(1 << 20)),
        format!("{threads} threads for each system"),
    ]
}
