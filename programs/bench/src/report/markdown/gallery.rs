//! Tables of searches.

use std::fmt::Write;

use super::{mebibytes, percent};
use crate::report::gallery::{Gallery, size};

/// What stands above the first run.
pub(super) const TITLE: &str = "\
# Retrieval

Made by `cargo xtask bench retrieval --markdown`; the newest run stands first. Clustered unit vectors, the same for all systems;
*recall* is the share of the true nearest ten, found by a plain loop, that a system finds, where a row as near as the tenth is as
good as it. Tables of scans and of graphs are of searches within each system's own process, ours too: *together* queries come
at the same time; *QPS* is of all queries in one call with all threads, *one by one* of a call each on one thread. *Served* is over
gRPC. All are medians of runs in which the systems took turns. *GB/s* are bytes of stored vectors over the time until all queries
that came together are answered. *resident* counts mapped files, and not what the process had before it opened the index.
";

pub(super) fn tables(text: &mut String, gallery: &Gallery) {
    let Gallery { rows, dim, k, queries, bandwidth, .. } = gallery;
    let _ = write!(text, "\n### {} pictures\n\n", size(*rows));
    let _ = writeln!(
        text,
        "{rows} × {dim} in f32, {k} asked for by {queries} queries; memory is read at {:.1} GB/s.",
        bandwidth / 1e9
    );
    systems(text, gallery);
    exact(text, gallery);
    graph(text, gallery);
    served(text, gallery);
}

fn systems(text: &mut String, gallery: &Gallery) {
    if gallery.systems.is_empty() {
        return;
    }
    *text +=
        "\n| index | built in s | on disk MiB | resident MiB | before MiB |\n|---|---:|---:|---:|---:|\n";
    for system in &gallery.systems {
        let built = match system.build_seconds {
            0.0 => String::new(),
            seconds => format!("{seconds:.1}"),
        };
        let [disk, resident, baseline] = [system.disk, system.resident, system.baseline].map(mebibytes);
        let _ = writeln!(text, "| {} | {built} | {disk:.0} | {resident:.0} | {baseline:.0} |", system.name);
    }
}

fn exact(text: &mut String, gallery: &Gallery) {
    if gallery.exact.is_empty() {
        return;
    }
    *text += "\n| scan | together | ms | GB/s | of the bandwidth | QPS | recall |\n|---|---:|---:|---:|---:|---:|---:|\n";
    for scan in &gallery.exact {
        let _ = writeln!(
            text,
            "| {} | {} | {:.2} | {:.1} | {} | {:.0} | {:.4} |",
            scan.name,
            scan.together,
            scan.seconds * 1e3,
            scan.bytes_per_second / 1e9,
            percent(crate::limit::share(scan.bytes_per_second, scan.bandwidth)),
            scan.together as f64 / scan.seconds.max(1e-9),
            scan.recall,
        );
    }
}

fn graph(text: &mut String, gallery: &Gallery) {
    if gallery.graph.is_empty() {
        return;
    }
    *text += "\n| graph | ef | recall | QPS | one by one QPS | p50 ms | p99 ms |\n|---|---:|---:|---:|---:|---:|---:|\n";
    for walk in &gallery.graph {
        let _ = writeln!(
            text,
            "| {} | {} | {:.4} | {:.0} | {:.0} | {:.3} | {:.3} |",
            walk.name,
            walk.ef,
            walk.recall,
            walk.qps,
            walk.alone,
            walk.p50 * 1e3,
            walk.p99 * 1e3,
        );
    }
}

fn served(text: &mut String, gallery: &Gallery) {
    if gallery.served.is_empty() {
        return;
    }
    *text +=
        "\n| served | ef | clients | recall | QPS | p50 ms | p99 ms |\n|---|---:|---:|---:|---:|---:|---:|\n";
    for served in &gallery.served {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {:.4} | {:.0} | {:.2} | {:.2} |",
            served.name,
            served.ef.map_or_else(|| "exact".to_owned(), |ef| ef.to_string()),
            served.clients,
            served.recall,
            served.qps,
            served.p50 * 1e3,
            served.p99 * 1e3,
        );
    }
}
