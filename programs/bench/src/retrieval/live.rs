//! Pictures that come while others are searched for, and what becomes of them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use fondue_proto::retrieval::{CompactRequest, IngestRequest, Picture};

use super::{
    client::{self, Client},
    data::{DIM, Data},
    gallery::Gallery,
    served::Service,
};
use crate::{
    language::{Site, rest},
    limit::share,
    plan::RetrievalPlan,
    report::{
        Bar,
        gallery::{Gallery as Figures, size},
    },
};

/// Pictures of a stream, and what part of all is ingested in such streams.
const STREAMS: [(usize, usize); 3] = [(1, 50), (64, 5), (1024, 1)];

/// Measures and adds it to the figures: on a copy of the index, which goes afterwards.
pub(super) async fn measure(
    plan: &RetrievalPlan,
    site: &Site<'_>,
    data: &Data,
    gallery: &Gallery,
    figures: &mut Figures,
) -> Result<()> {
    let copy = gallery.copy()?;
    let service = Service::start(plan, site, copy.path()).await?;
    let title = format!("{} {}", size(data.rows), gallery.precision);
    let queries: Arc<[Vec<f32>]> = data.queries.clone().into();
    let one = client::connect_all(&service.url, 1).await?;
    client::steady(&one, &queries, None, plan.load / 10).await?;
    let alone = client::steady(&one, &queries, None, plan.load).await?.p50();
    let mut next = data.rows;
    for (stream, part) in STREAMS {
        rest().await;
        let n = (plan.ingested / part).div_ceil(stream) * stream;
        let seconds = ingest(&service.client, data, next, n, stream).await?;
        next += n;
        let rate = share(n as f64, seconds);
        figures.bars.push(Bar {
            what: format!("{title}: ingested, {stream} in a stream"),
            figure: format!("{rate:.0} pictures/s durable ({n} in {seconds:.2} s)"),
            value: rate,
            bar: None,
        });
    }
    figures.bars.push(beside(&service, data, (&one, &queries, plan.load), &mut next, &title, alone).await?);
    let start = Instant::now();
    let done = service.client.clone().compact(CompactRequest {}).await?.into_inner();
    let seconds = start.elapsed().as_secs_f64();
    ensure!(done.rows == next as u64, "{} pictures are left of {next}", done.rows);
    figures.bars.push(Bar {
        what: format!("{title}: compaction"),
        figure: format!("{seconds:.1} s, with {} pictures more", next - data.rows),
        value: seconds,
        bar: None,
    });
    Ok(())
}

/// Exact searches of one client while another ingests, to those alone.
async fn beside(
    service: &Service,
    data: &Data,
    (clients, queries, time): (&[Client], &Arc<[Vec<f32>]>, Duration),
    next: &mut usize,
    title: &str,
    alone: f64,
) -> Result<Bar> {
    let searches = client::steady(clients, queries, None, time);
    let first = *next;
    let ingests = async {
        let (start, mut n, stream) = (Instant::now(), 0, 256);
        while start.elapsed() < time {
            ingest(&service.client, data, first + n, stream, stream).await?;
            n += stream;
        }
        Ok::<_, anyhow::Error>(n as f64 / start.elapsed().as_secs_f64())
    };
    let (load, rate) = tokio::try_join!(searches, ingests)?;
    let known = client::ready(&service.client).await?;
    *next = known.rows as usize;
    let detail = format!(
        "{:.2} against {:.2} ms, while {rate:.0} pictures/s come in; {} are there beside the generation",
        load.p50() * 1e3,
        alone * 1e3,
        known.ingested
    );
    let what = format!("{title}: p50 of exact searches beside ingest, to alone");
    Ok(Bar::ratio(what, share(load.p50(), alone), None, &detail))
}

/// Adds new pictures in streams of some; the seconds until all are acknowledged.
async fn ingest(client: &Client, data: &Data, first: usize, n: usize, stream: usize) -> Result<f64> {
    let mut vectors = vec![0.0; DIM];
    let mut requests = Vec::with_capacity(n);
    for row in first..first + n {
        data.vectors.read(row % data.rows, &mut vectors)?;
        // Near one that is there, but another one.
        vectors[row % DIM] += 0.1;
        let picture = Picture { id: row.to_string(), ..Picture::default() };
        requests.push(IngestRequest {
            picture: Some(picture),
            embedding: vectors.clone(),
            ..IngestRequest::default()
        });
    }
    let start = Instant::now();
    for part in requests.chunks(stream) {
        let done = client.clone().ingest(tokio_stream::iter(part.to_vec())).await?.into_inner();
        ensure!(done.accepted == part.len() as u64, "{} pictures of {} are in", done.accepted, part.len());
    }
    Ok(start.elapsed().as_secs_f64())
}
