//! The index beside its peers, each within its own process, and the retrieval service over gRPC.
//!
//! Read `data` first: what is searched. Then `within`, where ours and peers take turns, and `served`, `swap` and `live`, in
//! which the service is asked as clients ask it.

mod bars;
mod client;
mod curve;
mod data;
mod gallery;
mod inside;
mod live;
mod protocol;
mod served;
pub(crate) mod subject;
mod swap;
mod truth;
mod within;

use anyhow::{Context, Result};

pub(crate) use self::inside::{InProcess, answer};
use self::{
    data::{DIM, Data, K},
    gallery::Gallery,
};
use crate::{
    cli::Part,
    language::Site,
    peers::Python,
    plan::RetrievalPlan,
    report::{self, Report},
};

/// Measures all sizes and adds them to the report.
pub(crate) async fn measure(
    plan: &RetrievalPlan,
    site: &Site<'_>,
    python: Option<&Python>,
    report: &mut Report,
) -> Result<()> {
    for &rows in &plan.rows {
        let mut figures = report::Gallery {
            rows,
            dim: DIM,
            k: K,
            queries: plan.queries,
            bandwidth: report.bandwidth,
            ..report::Gallery::default()
        };
        let measured = one_size(plan, site, python, &mut figures).await;
        // What is known already is not lost with what fails.
        report.bandwidth = report.bandwidth.max(figures.bandwidth);
        bars::add(&mut figures);
        report.galleries.push(figures);
        measured?;
    }
    Ok(())
}

async fn one_size(
    plan: &RetrievalPlan,
    site: &Site<'_>,
    python: Option<&Python>,
    figures: &mut report::Gallery,
) -> Result<()> {
    let (cache, rows, queries, threads) = (site.cache.to_owned(), figures.rows, plan.queries, site.threads);
    let size = report::gallery::size(rows);
    site.progress.set_message(format!("{size} pictures: the data and our index"));
    let precisions = plan.precisions.clone();
    let (data, galleries) = aside(move || {
        let data = Data::ready(&cache, rows, queries, threads)?;
        let galleries = precisions.into_iter().map(|precision| Gallery::ready(&data, precision, threads));
        let galleries = galleries.collect::<Result<Vec<_>>>()?;
        Ok((data, galleries))
    })
    .await?;
    if plan.has(Part::Within) {
        within::measure(plan, site, python, &data, &galleries, figures).await?;
    }
    for gallery in &galleries {
        site.progress.set_message(format!("{size} pictures: {} over gRPC", gallery.system()));
        served::measure(plan, site, &data, gallery, figures).await?;
        if plan.has(Part::Swap) {
            swap::measure(plan, site, &data, gallery, figures).await?;
        }
        if plan.has(Part::Live) && rows <= plan.live_rows {
            live::measure(plan, site, &data, gallery, figures).await?;
        }
    }
    Ok(())
}

/// Does long work on a thread that nobody waits for if this run is interrupted.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || _ = sender.send(work()));
    receiver.await.context("the work broke off")?
}
