//! The RPCs: checks what came, admits it or not, asks the back end within the caller's time.

mod ingest;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use fondue_domain::{Classify, Fault, Violation};
use fondue_index::IndexError;
use fondue_proto::retrieval::{
    ActivateRequest, ActivateResponse, CompactRequest, CompactResponse, DeleteRequest, DeleteResponse,
    DescribeRequest, DescribeResponse, FetchRequest, FetchResponse, IngestRequest, IngestResponse,
    SearchRequest, SearchResponse, retrieval_server::Retrieval,
};
use fondue_serving::{
    deadline::deadline,
    loading::Loading,
    status::{from_parts, status},
};
use tokio::sync::{Semaphore, SemaphorePermit};
use tonic::{Request, Response, Status, Streaming};
use tracing::{Span, field};

use crate::{
    answer,
    config::Limits,
    gauges, request,
    store::{Activated, Compacted, Deleted, Store, StoreError},
};

/// When a refused caller should try again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The retrieval service.
pub struct Handler {
    store: Arc<Loading<Box<dyn Store>>>,
    limits: Limits,
    /// Calls that run or wait.
    room: Semaphore,
}

impl Handler {
    /// A service for an index that may still be opening.
    pub fn new(store: Arc<Loading<Box<dyn Store>>>, limits: Limits) -> Self {
        Self { store, limits, room: Semaphore::new(limits.searching + limits.queued) }
    }

    fn store(&self) -> Result<&dyn Store, Status> {
        self.store.get().map(AsRef::as_ref).map_err(status)
    }

    fn enter(&self) -> Result<SemaphorePermit<'_>, Status> {
        self.room.try_acquire().map_err(|_| {
            let limit = self.limits.searching + self.limits.queued;
            let message = format!("{limit} calls run or wait already");
            from_parts(Fault::Busy { retry_after: RETRY_AFTER }, message, Vec::new())
        })
    }

    /// Waits for what is asked of the back end, if there is room, for as long as the caller waits.
    async fn admit<T>(
        &self,
        until: tokio::time::Instant,
        call: impl Future<Output = Result<T, Status>>,
    ) -> Result<Response<T>, Status> {
        let _room = self.enter()?;
        let late =
            |_| from_parts(Fault::Deadline, "the deadline passed before the index had answered", Vec::new());
        let answer = tokio::time::timeout_at(until, call).await.map_err(late)?;
        answer.map(Response::new)
    }

    fn until<T>(&self, asked: &Request<T>) -> tokio::time::Instant {
        deadline(asked.metadata(), self.limits.timeout)
    }
}

#[tonic::async_trait]
impl Retrieval for Handler {
    #[tracing::instrument(skip_all, level = "debug", fields(
        k = i64::from(asked.get_ref().k),
        found = field::Empty,
        mode = field::Empty,
        generation = field::Empty,
    ))]
    async fn search(&self, asked: Request<SearchRequest>) -> Result<Response<SearchResponse>, Status> {
        let until = self.until(&asked);
        let search = request::search(asked.into_inner(), &self.limits).map_err(status)?;
        let store = self.store()?;
        let call = async {
            let begun = Instant::now();
            let found = store.search(search).await.map_err(|error| named(error, Some("query")))?;
            gauges::searched(&found, begun.elapsed());
            Span::current()
                .record("found", found.hits.len() as i64)
                .record("mode", if found.exact { "exact" } else { "approximate" })
                .record("generation", &found.generation);
            Ok(answer::found(found))
        };
        self.admit(until, call).await
    }

    #[tracing::instrument(skip_all, level = "debug")]
    async fn fetch(&self, asked: Request<FetchRequest>) -> Result<Response<FetchResponse>, Status> {
        let until = self.until(&asked);
        let FetchRequest { id, generation } = asked.into_inner();
        let store = self.store()?;
        let call = async {
            let fetched = store.fetch(&id, &generation).await.map_err(|error| named(error, None))?;
            let Some((picture, generation)) = fetched else {
                let reason = format!("no picture is called `{id}`");
                let violation = Violation::new("id", &reason);
                return Err(from_parts(Fault::NotFound, format!("id: {reason}"), vec![violation]));
            };
            Ok(FetchResponse { picture: Some(answer::picture(picture)), generation })
        };
        self.admit(until, call).await
    }

    #[tracing::instrument(skip_all, level = "debug")]
    async fn ingest(
        &self,
        asked: Request<Streaming<IngestRequest>>,
    ) -> Result<Response<IngestResponse>, Status> {
        let store = self.store()?;
        let _room = self.enter()?;
        // Each batch is durable by itself: the caller's own deadline cuts the stream, no other one is needed.
        ingest::ingest(store, asked.into_inner(), &self.limits).await.map(Response::new)
    }

    #[tracing::instrument(skip_all, level = "debug", fields(ids = asked.get_ref().ids.len() as i64))]
    async fn delete(&self, asked: Request<DeleteRequest>) -> Result<Response<DeleteResponse>, Status> {
        let until = self.until(&asked);
        let ids = request::delete(asked.into_inner(), &self.limits).map_err(status)?;
        let store = self.store()?;
        let call = async {
            let done = store.delete(ids).await.map_err(|error| named(error, None))?;
            let Deleted { deleted, generation } = done;
            gauges::deleted(deleted);
            Ok(DeleteResponse { deleted: deleted as u64, generation })
        };
        self.admit(until, call).await
    }

    #[tracing::instrument(skip_all, level = "debug")]
    async fn activate(&self, asked: Request<ActivateRequest>) -> Result<Response<ActivateResponse>, Status> {
        let until = self.until(&asked);
        let id = asked.into_inner().generation;
        let store = self.store()?;
        let call = async {
            let done = store.activate(&id).await.map_err(|error| named(error, None))?;
            let Activated { active, previous } = done;
            tracing::info!(active, previous, "generation activated");
            gauges::activated();
            Ok(ActivateResponse { active, previous })
        };
        self.admit(until, call).await
    }

    #[tracing::instrument(skip_all, level = "debug")]
    async fn compact(&self, _: Request<CompactRequest>) -> Result<Response<CompactResponse>, Status> {
        let store = self.store()?;
        let _room = self.enter()?;
        // As long as it takes: it is not undone by a caller that goes away.
        let begun = Instant::now();
        let done = store.compact().await.map_err(|error| named(error, None))?;
        let Compacted { generation, previous, rows } = done;
        tracing::info!(generation, previous, rows, "changes compacted");
        gauges::compacted(rows, begun.elapsed());
        Ok(Response::new(CompactResponse { generation, previous, rows: rows as u64 }))
    }

    async fn describe(&self, asked: Request<DescribeRequest>) -> Result<Response<DescribeResponse>, Status> {
        let until = self.until(&asked);
        let generation = asked.into_inner().generation;
        let store = self.store()?;
        let call = async {
            let known = store.describe(&generation).await.map_err(|error| named(error, None))?;
            Ok(answer::description(known))
        };
        self.admit(until, call).await
    }
}

/// A back end's error, with the field that it is about: `vector` if a vector's length is wrong.
fn named(error: StoreError, vector: Option<&str>) -> Status {
    let field = match &error {
        StoreError::Index(IndexError::NoGeneration { .. }) => Some("generation"),
        StoreError::Index(_) if error.fault() == Fault::Invalid => vector,
        _ => None,
    };
    let Some(field) = field else { return status(error) };
    let violation = Violation::new(field, error.to_string());
    from_parts(error.fault(), format!("{field}: {error}"), vec![violation])
}

#[cfg(test)]
mod tests;
