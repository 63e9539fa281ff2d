//! Ours and the peers, each searching within its own process: scans and graphs, in turns.

use anyhow::Result;

use super::{
    data::Data,
    gallery::Gallery,
    protocol::{Ask, Found},
    subject::Subject,
    truth,
};
use crate::{
    bandwidth,
    language::{Site, rest},
    limit::share,
    peers::Python,
    plan::RetrievalPlan,
    report::gallery::{Gallery as Figures, Indexed, Scanned, Walked, size},
    statistics::{median, percentile},
};

/// Queries that come at the same time.
pub(super) const TOGETHER: [usize; 3] = [1, 8, 16];
/// Bytes that the scans of one run read, about.
const SCANNED: f64 = 10e9;
/// Seconds that searches of a graph take together: a batch alone is over in some milliseconds.
const LONG: f64 = 0.5;
/// Where so much is found, settings that keep more candidates tell nothing.
const NEARLY_ALL: f64 = 0.9985;

/// One that takes its turns.
struct Turn {
    subject: Subject,
    ours: bool,
    /// Bytes that a scan reads, for those that scan.
    scanned: Option<f64>,
    /// Bytes on the disk, as tables tell them.
    disk: f64,
    scans: Vec<Runs>,
    walks: Vec<Walks>,
}

/// Scans of one number of queries at once.
#[derive(Default)]
struct Runs {
    seconds: Vec<f64>,
    /// What memory gave just before.
    bandwidth: Vec<f64>,
    recall: Vec<f64>,
}

/// Searches of a graph with one setting.
#[derive(Default)]
struct Walks {
    recall: Vec<f64>,
    qps: Vec<f64>,
    alone: Vec<f64>,
    p50: Vec<f64>,
    p99: Vec<f64>,
}

/// Measures and adds it to the figures.
pub(super) async fn measure(
    plan: &RetrievalPlan,
    site: &Site<'_>,
    python: Option<&Python>,
    data: &Data,
    galleries: &[Gallery],
    figures: &mut Figures,
) -> Result<()> {
    let mut turns = start(plan, site, python, data, galleries).await?;
    for run in 0..plan.runs {
        site.progress.set_message(format!("{} pictures: scans, run {run}", size(data.rows)));
        scans(site, data, &mut turns, run).await?;
    }
    let measured = turns.iter().flat_map(|turn| &turn.scans).flat_map(|runs| &runs.bandwidth);
    figures.bandwidth = measured.copied().fold(figures.bandwidth, f64::max);
    for run in 0..plan.runs {
        site.progress.set_message(format!("{} pictures: graphs, run {run}", size(data.rows)));
        walks(plan, data, &mut turns).await?;
    }
    for turn in &mut turns {
        let memory = turn.subject.memory().await?;
        figures.systems.push(Indexed {
            name: turn.subject.name.clone(),
            build_seconds: turn.subject.ready.build_seconds,
            disk: turn.disk,
            resident: memory.resident - memory.baseline,
            baseline: memory.baseline,
        });
        figures.exact.extend(turn.scanned());
        figures.graph.extend(turn.walked(&plan.efs));
    }
    figures.exact.sort_by_key(|scan| scan.together);
    Ok(())
}

async fn start(
    plan: &RetrievalPlan,
    site: &Site<'_>,
    python: Option<&Python>,
    data: &Data,
    galleries: &[Gallery],
) -> Result<Vec<Turn>> {
    let mut turns = Vec::new();
    let mut add = |subject: Subject, ours: bool, scanned: Option<f64>, disk: f64| {
        let (scans, walks) = (TOGETHER.map(|_| Runs::default()), plan.efs.iter().map(|_| Walks::default()));
        turns.push(Turn { subject, ours, scanned, disk, scans: scans.into(), walks: walks.collect() });
    };
    for gallery in galleries {
        let subject = Subject::ours(gallery, data, site.threads, site.logs).await?;
        add(subject, true, Some(gallery.scanned()), gallery.built.vectors + gallery.built.graph);
    }
    for &peer in &plan.peers {
        let Some(python) = python else { continue };
        site.progress.set_message(format!("{} pictures: {} (built once)", size(data.rows), peer.name()));
        let at = (site.threads, site.logs);
        let subject = Subject::peer(peer, plan.peer_graph, python, data, at).await?;
        let disk = subject.ready.bytes;
        add(subject, false, peer.is_exact().then(|| data.bytes()), disk);
    }
    // Pages that are touched and threads that are started for the first time are not what is measured.
    for turn in &mut turns {
        if turn.scanned.is_some() {
            turn.subject.find(Ask::Exact { first: 0, count: 2, together: 2 }).await?;
        }
        if turn.subject.ready.graph {
            turn.subject.find(Ask::Graph { first: 0, count: 100, ef: 100, one_by_one: false }).await?;
        }
    }
    Ok(turns)
}

/// One run of all that scan.
async fn scans(site: &Site<'_>, data: &Data, turns: &mut [Turn], run: usize) -> Result<()> {
    let passes = (SCANNED / data.bytes()).clamp(5.0, 100.0) as usize;
    let passes = if site.readings == 1 { 5 } else { passes };
    for (at, together) in TOGETHER.into_iter().enumerate() {
        let (first, count) = (run * 331, passes * together);
        for turn in turns.iter_mut().filter(|turn| turn.scanned.is_some()) {
            rest().await;
            let bandwidth = turn.bandwidth(site).await?;
            let found = turn.subject.find(Ask::Exact { first, count, together }).await?;
            let runs = &mut turn.scans[at];
            runs.bandwidth.push(bandwidth);
            runs.recall.push(recall(data, first, &found)?);
            runs.seconds.extend(found.seconds);
        }
    }
    Ok(())
}

/// One run of all that have a graph. Who has found nearly all in the first run gets no larger settings.
async fn walks(plan: &RetrievalPlan, data: &Data, turns: &mut [Turn]) -> Result<()> {
    let count = data.queries.len();
    for (at, &ef) in plan.efs.iter().enumerate() {
        for turn in turns.iter_mut().filter(|turn| turn.subject.ready.graph) {
            let enough = |walks: &Walks| walks.recall.first().is_some_and(|recall| *recall >= NEARLY_ALL);
            if turn.walks[..at].iter().any(enough) {
                continue;
            }
            rest().await;
            let ask = |one_by_one| Ask::Graph { first: 0, count, ef, one_by_one };
            let (found, together) = long_enough(&mut turn.subject, ask(false)).await?;
            let (alone, one_by_one) = long_enough(&mut turn.subject, ask(true)).await?;
            let walks = &mut turn.walks[at];
            walks.recall.push(recall(data, 0, &found)?);
            walks.qps.push(share(count as f64, together));
            walks.alone.push(share(count as f64, one_by_one));
            walks.p50.push(median(&alone.seconds));
            walks.p99.push(percentile(&alone.seconds, 0.99));
        }
    }
    Ok(())
}

/// Asks the same again until it took [`LONG`] in all; what was found first, and the seconds that one time took.
async fn long_enough(subject: &mut Subject, ask: Ask) -> Result<(Found, f64)> {
    let first = subject.find(ask).await?;
    let (mut seconds, mut times) = (first.seconds.iter().sum::<f64>(), 1.0);
    while seconds < LONG {
        seconds += subject.find(ask).await?.seconds.iter().sum::<f64>();
        times += 1.0;
    }
    Ok((first, seconds / times))
}

fn recall(data: &Data, first: usize, found: &Found) -> Result<f64> {
    truth::recall(&data.truth, &data.vectors, &data.queries, first, &found.rows())
}

impl Turn {
    /// What memory gives now: of ours, of the very bytes that it scans.
    async fn bandwidth(&mut self, site: &Site<'_>) -> Result<f64> {
        match self.scanned.filter(|_| self.ours) {
            Some(bytes) => {
                let read = self.subject.find(Ask::Read { readings: site.readings }).await?;
                Ok(share(bytes, read.seconds.iter().sum()))
            }
            None => Ok(bandwidth::measure(site.threads, site.readings)),
        }
    }

    fn scanned(&self) -> impl Iterator<Item = Scanned> {
        self.scanned.into_iter().flat_map(move |bytes| {
            TOGETHER.into_iter().zip(&self.scans).map(move |(together, runs)| {
                let seconds = median(&runs.seconds);
                let recall = runs.recall.iter().copied().fold(f64::INFINITY, f64::min);
                let (name, bytes_per_second) = (self.subject.name.clone(), share(bytes, seconds));
                Scanned {
                    name,
                    together,
                    seconds,
                    bytes_per_second,
                    bandwidth: median(&runs.bandwidth),
                    recall,
                }
            })
        })
    }

    fn walked(&self, efs: &[usize]) -> impl Iterator<Item = Walked> {
        let measured = efs.iter().zip(&self.walks).filter(|(_, walks)| !walks.recall.is_empty());
        measured.map(|(&ef, walks)| Walked {
            name: self.subject.name.clone(),
            ef,
            recall: median(&walks.recall),
            qps: median(&walks.qps),
            alone: median(&walks.alone),
            p50: median(&walks.p50),
            p99: median(&walks.p99),
        })
    }
}
