//! The service as clients see it: one and eight of them, its memory, and how soon it answers.

use std::{sync::Arc, time::Instant};

use anyhow::Result;

use super::{
    client::{self, Client, Effort, Load},
    data::Data,
    gallery::Gallery,
    protocol::Ask,
    subject::Subject,
};
use crate::{
    cli::Part,
    language::{Site, rest},
    plan::RetrievalPlan,
    process::{self, Process},
    report::{
        Bar, Wanted,
        gallery::{Gallery as Figures, Indexed, Served, size},
    },
    statistics::median,
};

/// Clients at the same time.
const CLIENTS: [usize; 2] = [1, 8];
/// The recall that graphs are searched for.
pub(super) const RECALL: f64 = 0.99;
/// Pictures from which on the bars are judged.
pub(super) const JUDGED: usize = 1_000_000;

/// A running service.
pub(super) struct Service {
    pub(super) process: Process,
    pub(super) url: String,
    pub(super) client: Client,
    pub(super) has_graph: bool,
}

impl Service {
    pub(super) async fn start(plan: &RetrievalPlan, site: &Site<'_>, root: &std::path::Path) -> Result<Self> {
        let mut flags = vec!["--index".to_owned(), root.display().to_string()];
        flags.extend(["--search-threads".to_owned(), site.threads.to_string()]);
        // The background must not take what is measured away.
        flags.extend(["--compact-above".to_owned(), "0".to_owned()]);
        flags.extend(plan.service_flags.iter().cloned());
        let (process, url) = process::service("retrieval", &flags, site.logs).await?;
        let client = client::connect(&url).await?;
        let has_graph = client::ready(&client).await?.has_graph;
        Ok(Self { process, url, client, has_graph })
    }

    /// The first setting with which the graph finds enough, or the last; `None` if there is no graph.
    pub(super) async fn effort(&self, plan: &RetrievalPlan, data: &Data) -> Result<Effort> {
        let mut last = None;
        for &ef in plan.efs.iter().filter(|_| self.has_graph) {
            last = Some(ef);
            let mut load = Load::default();
            for (n, query) in data.queries.iter().enumerate() {
                load.found.push((n, client::search(&self.client, query, last).await?));
            }
            if load.recall(data)? >= RECALL {
                break;
            }
        }
        Ok(last)
    }
}

/// Measures and adds it to the figures.
pub(super) async fn measure(
    plan: &RetrievalPlan,
    site: &Site<'_>,
    data: &Data,
    gallery: &Gallery,
    figures: &mut Figures,
) -> Result<()> {
    if plan.has(Part::Served) {
        searches(plan, site, data, gallery, figures).await?;
    }
    if plan.has(Part::Open) {
        figures.bars.extend(open(plan, site, data, gallery).await?);
    }
    Ok(())
}

async fn searches(
    plan: &RetrievalPlan,
    site: &Site<'_>,
    data: &Data,
    gallery: &Gallery,
    figures: &mut Figures,
) -> Result<()> {
    let service = Service::start(plan, site, &gallery.root).await?;
    let queries: Arc<[Vec<f32>]> = data.queries.clone().into();
    let mut ways = vec![None];
    ways.extend(service.effort(plan, data).await?.map(Some));
    for clients in CLIENTS {
        let all = client::connect_all(&service.url, clients).await?;
        let mut runs: Vec<Vec<Load>> = ways.iter().map(|_| Vec::new()).collect();
        for run in 0..=plan.runs {
            for (&effort, runs) in ways.iter().zip(&mut runs) {
                rest().await;
                let time = if run == 0 { plan.load / 10 } else { plan.load };
                let load = client::steady(&all, &queries, effort, time).await?;
                // The first run is the warm-up.
                runs.extend((run > 0).then_some(load));
            }
        }
        for (&ef, runs) in ways.iter().zip(&runs) {
            let of = |figure: fn(&Load) -> f64| median(&runs.iter().map(figure).collect::<Vec<_>>());
            let recall = runs.iter().map(|load| load.recall(data)).collect::<Result<Vec<_>>>()?;
            figures.served.push(Served {
                name: gallery.system(),
                ef,
                clients,
                recall: median(&recall),
                qps: of(Load::qps),
                p50: of(Load::p50),
                p99: of(Load::p99),
            });
        }
    }
    figures.systems.push(Indexed {
        name: format!("{}, served", gallery.system()),
        build_seconds: 0.0,
        disk: gallery.built.vectors + gallery.built.graph,
        // All of it: of a process that cannot tell what was there before.
        resident: service.process.resident()?,
        baseline: 0.0,
    });
    Ok(())
}

/// How soon there is an answer: of the index within a process, and of the service from its start on. The files' pages are
/// in memory.
async fn open(plan: &RetrievalPlan, site: &Site<'_>, data: &Data, gallery: &Gallery) -> Result<Vec<Bar>> {
    let (mut within, mut served) = (Vec::new(), Vec::new());
    let mut subject = Subject::ours(gallery, data, site.threads, site.logs).await?;
    for run in 0..=plan.runs {
        rest().await;
        let found = subject.find(Ask::Open).await?;
        rest().await;
        let start = Instant::now();
        let service = Service::start(plan, site, &gallery.root).await?;
        client::search(&service.client, &data.queries[0], None).await?;
        let seconds = start.elapsed().as_secs_f64();
        if run > 0 {
            within.extend(found.seconds);
            served.push(seconds);
        }
    }
    let title = format!("{} {}", size(data.rows), gallery.precision);
    let bar = |what: &str, seconds: &[f64]| Bar {
        what: format!("{title}: {what}"),
        figure: format!("{:.0} ms", median(seconds) * 1e3),
        value: median(seconds),
        bar: (data.rows >= JUDGED).then_some(Wanted::AtMost(0.3)),
    };
    Ok(vec![
        bar("from opening the index to its first exact answer", &within),
        bar("from the service's start as a process to its first exact answer over gRPC", &served),
    ])
}
