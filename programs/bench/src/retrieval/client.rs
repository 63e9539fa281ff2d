//! Clients of the retrieval service that note how long answers take.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use fondue_proto::retrieval::{
    DescribeRequest, DescribeResponse, SearchRequest, retrieval_client::RetrievalClient,
};
use futures::future::{join_all, try_join_all};
use tonic::transport::Channel;

use super::data::{Data, K};
use crate::{
    limit::share,
    statistics::{median, percentile},
};

/// How long a service may open its index.
const PATIENCE: Duration = Duration::from_secs(600);
/// Pause between two attempts.
const PAUSE: Duration = Duration::from_millis(1);

/// How is searched: `None` compares every picture, else so many candidates are kept.
pub(super) type Effort = Option<usize>;

pub(super) type Client = RetrievalClient<Channel>;

/// Connects.
///
/// # Errors
/// If nobody answers there.
pub(super) async fn connect(url: &str) -> Result<Client> {
    let channel = Channel::from_shared(url.to_owned())?.tcp_nodelay(true).connect().await?;
    Ok(RetrievalClient::new(channel).max_decoding_message_size(1 << 26))
}

/// Several clients with connections of their own.
pub(super) async fn connect_all(url: &str, n: usize) -> Result<Vec<Client>> {
    try_join_all((0..n).map(|_| connect(url))).await
}

/// Rows of one answer.
pub(super) async fn search(client: &Client, query: &[f32], effort: Effort) -> Result<Vec<usize>> {
    let request = SearchRequest {
        query: query.to_vec(),
        k: K as i32,
        exact: effort.is_none(),
        effort: effort.unwrap_or(0) as u32,
        ..SearchRequest::default()
    };
    let answer = client.clone().search(request).await?.into_inner();
    ensure!(effort.is_some() || answer.exact, "an exact search was not answered by one");
    let row = |hit: fondue_proto::retrieval::Hit| {
        let id = hit.picture.context("a hit without a picture")?.id;
        id.parse().with_context(|| format!("the id {id}"))
    };
    answer.hits.into_iter().map(row).collect()
}

/// Waits until the service has opened its index.
pub(super) async fn ready(client: &Client) -> Result<DescribeResponse> {
    let start = Instant::now();
    loop {
        match client.clone().describe(DescribeRequest::default()).await {
            Ok(known) => return Ok(known.into_inner()),
            Err(error) if start.elapsed() > PATIENCE => return Err(error).context("the index does not open"),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// What clients saw.
#[derive(Clone, Debug, Default)]
pub(super) struct Load {
    /// Seconds of each answer.
    pub(super) seconds: Vec<f64>,
    /// Searches that failed, and why the first one did.
    pub(super) failed: usize,
    pub(super) why: Option<String>,
    /// The query and the rows of each answer.
    pub(super) found: Vec<(usize, Vec<usize>)>,
    /// From the first question to the last answer.
    pub(super) elapsed: f64,
}

impl Load {
    pub(super) fn p50(&self) -> f64 {
        median(&self.seconds)
    }

    pub(super) fn p99(&self) -> f64 {
        percentile(&self.seconds, 0.99)
    }

    pub(super) fn qps(&self) -> f64 {
        share(self.seconds.len() as f64, self.elapsed)
    }

    /// The mean recall of all answers.
    pub(super) fn recall(&self, data: &Data) -> Result<f64> {
        let mut sum = 0.0;
        for (query, rows) in &self.found {
            let found = std::slice::from_ref(rows);
            sum += super::truth::recall(&data.truth, &data.vectors, &data.queries, *query, found)?;
        }
        Ok(share(sum, self.found.len() as f64))
    }
}

/// Searches with all clients at once for a while, each as soon as it has its answer.
pub(super) async fn load(
    clients: &[Client],
    queries: &Arc<[Vec<f32>]>,
    effort: Effort,
    time: Duration,
) -> Result<Load> {
    let (start, step) = (Instant::now(), clients.len());
    let ask = |(n, client): (usize, &Client)| {
        let (client, queries) = (client.clone(), Arc::clone(queries));
        // A task each, so that all cores may serve them.
        tokio::spawn(async move {
            let (mut load, mut at) = (Load::default(), n);
            while start.elapsed() < time || load.seconds.is_empty() && load.failed == 0 {
                let query = at % queries.len();
                at += step;
                let asked = Instant::now();
                match search(&client, &queries[query], effort).await {
                    Ok(rows) => {
                        load.seconds.push(asked.elapsed().as_secs_f64());
                        load.found.push((query, rows));
                    }
                    Err(error) => {
                        load.failed += 1;
                        load.why.get_or_insert(format!("{error:#}"));
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            }
            load
        })
    };
    let mut all = Load::default();
    for load in join_all(clients.iter().enumerate().map(ask)).await {
        let load = load.context("a client broke off")?;
        all.seconds.extend(load.seconds);
        all.found.extend(load.found);
        all.failed += load.failed;
        all.why = all.why.or(load.why);
    }
    all.elapsed = start.elapsed().as_secs_f64();
    Ok(all)
}

/// The same where no search may fail.
pub(super) async fn steady(
    clients: &[Client],
    queries: &Arc<[Vec<f32>]>,
    effort: Effort,
    time: Duration,
) -> Result<Load> {
    let load = load(clients, queries, effort, time).await?;
    ensure!(load.failed == 0, "{} searches failed: {}", load.failed, load.why.unwrap_or_default());
    Ok(load)
}
