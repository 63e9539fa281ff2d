//! The bars that are judged by the tables' figures.

use super::{
    curve::at_recall,
    served::{JUDGED, RECALL},
};
use crate::{
    limit::share,
    report::{
        Bar, Wanted,
        gallery::{Gallery, Walked, size},
    },
};

/// Recalls at which graphs are compared; the first is judged.
const RECALLS: [f64; 2] = [RECALL, 0.95];
/// The peer that scans.
const FLAT: &str = "faiss";
/// The way of asking that is judged.
const ALL_THREADS: &str = "all threads";
/// Clients whose p99 is judged.
const CLIENTS: usize = 8;

/// Adds what the tables say, before what is there.
pub(super) fn add(gallery: &mut Gallery) {
    let mut ours: Vec<String> = Vec::new();
    let names = gallery.exact.iter().map(|scan| &scan.name);
    for name in names.chain(gallery.served.iter().map(|served| &served.name)) {
        if is_ours(name) && !ours.contains(name) {
            ours.push(name.clone());
        }
    }
    let mut all = Vec::new();
    for name in &ours {
        all.extend(scans(gallery, name));
        all.extend(RECALLS.iter().flat_map(|recall| graphs(gallery, name, *recall)));
        all.extend(latency(gallery, name));
        all.extend(memory(gallery, name));
    }
    all.append(&mut gallery.bars);
    gallery.bars = all;
}

fn is_ours(name: &str) -> bool {
    name.starts_with("fondue ")
}

/// `1M f32`.
fn title(gallery: &Gallery, name: &str) -> String {
    format!("{} {}", size(gallery.rows), name.trim_start_matches("fondue "))
}

fn judged(gallery: &Gallery, bar: Wanted) -> Option<Wanted> {
    (gallery.rows >= JUDGED).then_some(bar)
}

fn scans(gallery: &Gallery, name: &str) -> Vec<Bar> {
    let title = title(gallery, name);
    let mut all = Vec::new();
    for ours in gallery.exact.iter().filter(|scan| scan.name == name) {
        let n = ours.together;
        let (speed, most) = (ours.bytes_per_second / 1e9, ours.bandwidth / 1e9);
        let part = share(speed, most);
        all.push(Bar {
            what: format!("{title}: exact scan, {n} at once, share of the bandwidth"),
            figure: format!("{:.0} % ({speed:.1} of {most:.1} GB/s)", part * 100.0),
            value: part,
            // With many at once it is the arithmetic that counts.
            bar: judged(gallery, Wanted::AtLeast(0.8)).filter(|_| n == 1),
        });
        if let Some(theirs) = gallery.exact.iter().find(|scan| scan.name == FLAT && scan.together == n) {
            let detail = format!(
                "{:.2} against {:.2} ms, {:.1} against {:.1} GB/s",
                ours.seconds * 1e3,
                theirs.seconds * 1e3,
                speed,
                theirs.bytes_per_second / 1e9
            );
            let what = format!("{title}: exact scan, {n} at once, to {FLAT} flat");
            let ratio = share(theirs.seconds, ours.seconds);
            all.push(Bar::ratio(what, ratio, judged(gallery, Wanted::AtLeast(1.0)), &detail));
        }
    }
    let recalls = gallery.exact.iter().filter(|scan| scan.name == name).map(|scan| scan.recall);
    if let Some(recall) = recalls.reduce(f64::min) {
        all.push(Bar {
            what: format!("{title}: exact scan, recall, the least of all runs"),
            figure: format!("{recall:.4}"),
            value: recall,
            bar: Some(Wanted::AtLeast(1.0)),
        });
    }
    all
}

/// Ours to the best peer where both find as much: on the lines between settings, and with the first setting that does.
fn graphs(gallery: &Gallery, name: &str, recall: f64) -> Vec<Bar> {
    let settings = |name: &str| gallery.graph.iter().filter(|walk| walk.name == name).collect::<Vec<_>>();
    let mut peers: Vec<&str> = gallery.graph.iter().map(|walk| walk.name.as_str()).collect();
    peers.retain(|name| !is_ours(name));
    peers.sort_unstable();
    peers.dedup();
    let mut all = Vec::new();
    for way in [ALL_THREADS, "one by one"] {
        let speed = |walk: &Walked| if way == ALL_THREADS { walk.qps } else { walk.alone };
        let at = |name: &str| {
            let points: Vec<_> = settings(name).iter().map(|walk| (walk.recall, speed(walk))).collect();
            let first = settings(name).into_iter().find(|walk| walk.recall >= recall)?;
            Some((at_recall(&points, recall)?, first))
        };
        let best = peers.iter().filter_map(|peer| Some((*peer, at(peer)?)));
        let best = best.max_by(|(_, (a, _)), (_, (b, _))| a.total_cmp(b));
        let (Some((peer, (theirs, their_first))), false) = (best, settings(name).is_empty()) else {
            continue;
        };
        let what =
            format!("{}: graph at recall {recall}, {way}, to the best peer ({peer})", title(gallery, name));
        let bar = judged(gallery, Wanted::AtLeast(1.0)).filter(|_| recall == RECALL && way == ALL_THREADS);
        let told = |walk: &Walked| format!("ef {}: {:.0} QPS at {:.4}", walk.ef, speed(walk), walk.recall);
        let their_first = told(their_first);
        all.push(match at(name) {
            Some((ours, first)) => {
                let first = told(first);
                let detail = format!("{ours:.0} against {theirs:.0} QPS; {first}, {peer} {their_first}");
                Bar::ratio(what, share(ours, theirs), bar, &detail)
            }
            None => {
                Bar::ratio(what, 0.0, bar, &format!("no setting of ours finds as much; {peer} {their_first}"))
            }
        });
    }
    all
}

fn latency(gallery: &Gallery, name: &str) -> Option<Bar> {
    let of = |served: &&crate::report::gallery::Served| {
        served.name == name && served.ef.is_some() && served.clients == CLIENTS
    };
    let served = gallery.served.iter().find(of)?;
    let milliseconds = served.p99 * 1e3;
    let (ef, recall) = (served.ef.unwrap_or(0), served.recall);
    Some(Bar {
        what: format!("{}: graph over gRPC, {CLIENTS} clients, p99", title(gallery, name)),
        figure: format!("{milliseconds:.2} ms (ef {ef}, recall {recall:.4}, {:.0} QPS)", served.qps),
        value: milliseconds,
        bar: judged(gallery, Wanted::AtMost(5.0)),
    })
}

fn memory(gallery: &Gallery, name: &str) -> Option<Bar> {
    let of = |name: String| gallery.systems.iter().find(|system| system.name == name);
    let served = of(format!("{name}, served"))?;
    let ratio = share(served.resident, served.disk);
    let mebibytes = |bytes: f64| bytes / f64::from(1 << 20);
    let detail = format!("{:.0} of {:.0} MiB", mebibytes(served.resident), mebibytes(served.disk));
    let what = format!("{}: the service's memory to vectors and graph", title(gallery, name));
    Some(Bar::ratio(what, ratio, judged(gallery, Wanted::AtMost(1.1)), &detail))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::gallery::{Indexed, Scanned, Served};

    fn scanned(name: &str, together: usize, gigabytes: f64) -> Scanned {
        let (name, bytes_per_second) = (name.to_owned(), gigabytes * 1e9);
        Scanned { name, together, seconds: 1.024 / gigabytes, bytes_per_second, bandwidth: 50e9, recall: 1.0 }
    }

    fn walked(name: &str, ef: usize, recall: f64, qps: f64) -> Walked {
        Walked { name: name.to_owned(), ef, recall, qps, alone: qps / 4.0, p50: 0.0, p99: 0.0 }
    }

    fn gallery(rows: usize) -> Gallery {
        let served = Served {
            name: "fondue f32".to_owned(),
            ef: Some(64),
            clients: 8,
            recall: 0.99,
            qps: 1.0,
            p50: 0.0,
            p99: 0.005,
        };
        let system = Indexed {
            name: "fondue f32, served".to_owned(),
            build_seconds: 0.0,
            disk: 100e6,
            resident: 111e6,
            baseline: 0.0,
        };
        Gallery {
            rows,
            bandwidth: 50e9,
            exact: vec![
                scanned("fondue f32", 1, 41.0),
                scanned("fondue f32", 8, 20.0),
                scanned("faiss", 1, 20.5),
            ],
            graph: vec![
                walked("fondue f32", 16, 0.9, 4000.0),
                walked("fondue f32", 32, 0.999, 1000.0),
                walked("faiss", 16, 0.99, 1900.0),
                walked("usearch", 16, 0.5, 9000.0),
            ],
            served: vec![Served { ef: None, p99: 1.0, ..served.clone() }, served],
            systems: vec![system],
            ..Gallery::default()
        }
    }

    #[test]
    fn a_million_is_judged() {
        let mut gallery = gallery(1_000_000);
        add(&mut gallery);
        let met: Vec<_> = gallery.bars.iter().map(|bar| (bar.what.as_str(), bar.is_met())).collect();
        assert_eq!(
            met,
            [
                ("1M f32: exact scan, 1 at once, share of the bandwidth", Some(true)),
                ("1M f32: exact scan, 1 at once, to faiss flat", Some(true)),
                ("1M f32: exact scan, 8 at once, share of the bandwidth", None),
                ("1M f32: exact scan, recall, the least of all runs", Some(true)),
                ("1M f32: graph at recall 0.99, all threads, to the best peer (faiss)", Some(true)),
                ("1M f32: graph at recall 0.99, one by one, to the best peer (faiss)", None),
                ("1M f32: graph at recall 0.95, all threads, to the best peer (faiss)", None),
                ("1M f32: graph at recall 0.95, one by one, to the best peer (faiss)", None),
                ("1M f32: graph over gRPC, 8 clients, p99", Some(true)),
                ("1M f32: the service's memory to vectors and graph", Some(false)),
            ]
        );
        assert!(
            gallery.bars[1].figure.starts_with("2.00× (24.98 against 49.95 ms"),
            "{}",
            gallery.bars[1].figure
        );
        // 2000 between the settings, although the first setting that finds enough makes 1000.
        let figure = &gallery.bars[4].figure;
        assert!(figure.starts_with("1.05× (2000 against 1900 QPS; ef 32: 1000 QPS at 0.9990"), "{figure}");
    }

    #[test]
    fn who_finds_too_little_has_lost() {
        let mut gallery = gallery(1_000_000);
        gallery.graph.retain(|walk| walk.name != "fondue f32" || walk.ef == 16);
        add(&mut gallery);
        let bar = gallery.bars.iter().find(|bar| bar.what.contains("recall 0.99, all")).unwrap();
        assert_eq!((bar.value, bar.is_met()), (0.0, Some(false)));
    }

    #[test]
    fn fewer_are_not_judged_but_for_their_recall() {
        let mut gallery = gallery(100_000);
        add(&mut gallery);
        let judged: Vec<_> = gallery.bars.iter().filter(|bar| bar.bar.is_some()).collect();
        assert!(judged.len() == 1 && judged[0].what.contains("recall, the least"), "{judged:?}");
    }
}
