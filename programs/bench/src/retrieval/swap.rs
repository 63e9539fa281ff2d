//! Generations that take each other's place while eight clients search.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use fondue_proto::retrieval::ActivateRequest;

use super::{
    client::{self, Client},
    data::Data,
    gallery::Gallery,
    served::{JUDGED, Service},
};
use crate::{
    language::{Site, rest},
    limit::share,
    plan::RetrievalPlan,
    report::{
        Bar, Wanted,
        gallery::{Gallery as Figures, size},
    },
    statistics::median,
};

/// Clients that search.
const CLIENTS: usize = 8;
/// Pause between two activations.
const PAUSE: Duration = Duration::from_millis(200);

/// Measures and adds it to the figures. Searches are what clients ask for who say nothing of it: of the graph, if there is
/// one.
pub(super) async fn measure(
    plan: &RetrievalPlan,
    site: &Site<'_>,
    data: &Data,
    gallery: &Gallery,
    figures: &mut Figures,
) -> Result<()> {
    let service = Service::start(plan, site, &gallery.root).await?;
    let clients = client::connect_all(&service.url, CLIENTS).await?;
    let queries: Arc<[Vec<f32>]> = data.queries.clone().into();
    let effort = service.effort(plan, data).await?;
    client::steady(&clients, &queries, effort, plan.load / 10).await?;
    let (mut steady, mut during, mut swaps) = (Vec::new(), Vec::new(), Vec::new());
    let (mut failed, mut why, mut answers) = (0, None, 0);
    for _ in 0..plan.runs {
        rest().await;
        steady.push(client::steady(&clients, &queries, effort, plan.load).await?.p99());
        let over = Arc::new(AtomicBool::new(false));
        let swapper = swap(service.client.clone(), gallery.built.generations.clone(), Arc::clone(&over));
        let swapper = tokio::spawn(swapper);
        let load = client::load(&clients, &queries, effort, plan.load).await?;
        over.store(true, Ordering::Relaxed);
        swaps.extend(swapper.await.context("the swaps broke off")??);
        failed += load.failed;
        answers += load.seconds.len();
        during.push(load.p99());
        why = why.or(load.why);
    }
    let (steady, during) = (median(&steady), median(&during));
    let title = format!("{} {}: {CLIENTS} clients, generations swapped", size(data.rows), gallery.precision);
    let judged = |bar| (data.rows >= JUDGED).then_some(bar);
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    figures.bars.push(Bar {
        what: format!("{title}, failed searches"),
        figure: format!("{failed} of {} in {} swaps{why}", answers + failed, swaps.len()),
        value: failed as f64,
        // None may fail, however few pictures there are.
        bar: Some(Wanted::AtMost(0.0)),
    });
    let detail = format!(
        "{:.2} against {:.2} ms; a swap takes {:.0} ms",
        during * 1e3,
        steady * 1e3,
        median(&swaps) * 1e3
    );
    let what = format!("{title}, p99 to steady");
    figures.bars.push(Bar::ratio(what, share(during, steady), judged(Wanted::AtMost(2.0)), &detail));
    Ok(())
}

/// Activates one after the other, the first last; the seconds that each took.
async fn swap(mut client: Client, generations: [String; 2], over: Arc<AtomicBool>) -> Result<Vec<f64>> {
    let mut seconds = Vec::new();
    while seconds.len() < 2 || !over.load(Ordering::Relaxed) {
        for generation in [&generations[1], &generations[0]] {
            let start = Instant::now();
            client.activate(ActivateRequest { generation: generation.clone() }).await?;
            seconds.push(start.elapsed().as_secs_f64());
            tokio::time::sleep(PAUSE).await;
        }
    }
    Ok(seconds)
}
