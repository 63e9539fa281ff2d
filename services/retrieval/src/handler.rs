//! The RPCs: checks what came, searches on the blocking pool, reads pictures out of the map.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use fondue_domain::{Fault, Violation};
use fondue_index::{Generation, IndexError};
use fondue_proto::retrieval::{
    ActivateRequest, ActivateResponse, CompactRequest, CompactResponse, DeleteRequest, DeleteResponse,
    DescribeRequest, DescribeResponse, FetchRequest, FetchResponse, Hit, IngestRequest, IngestResponse,
    Picture, SearchRequest, SearchResponse, retrieval_server::Retrieval,
};
use fondue_serving::{
    deadline::deadline,
    loading::Loading,
    status::{from_parts, status},
};
use tokio::sync::{Semaphore, SemaphorePermit};
use tonic::{Request, Response, Status, Streaming};

use crate::{config::Limits, request::Search, shelf::Shelf};

/// When a refused caller should try again.
const RETRY_AFTER: std::time::Duration = std::time::Duration::from_secs(1);

/// The retrieval service.
pub struct Handler {
    shelf: Arc<Loading<Shelf>>,
    limits: Limits,
    /// Searches that run or wait.
    room: Semaphore,
    running: Arc<Semaphore>,
}

impl Handler {
    /// A service for an index that may still be opening.
    pub fn new(shelf: Arc<Loading<Shelf>>, limits: Limits) -> Self {
        let (room, running) =
            (Semaphore::new(limits.searching + limits.queued), Semaphore::new(limits.searching));
        Self { shelf, limits, room, running: Arc::new(running) }
    }

    fn enter(&self) -> Result<SemaphorePermit<'_>, Status> {
        self.room.try_acquire().map_err(|_| {
            let limit = self.limits.searching + self.limits.queued;
            let message = format!("{limit} searches run or wait already");
            from_parts(Fault::Busy { retry_after: RETRY_AFTER }, message, Vec::new())
        })
    }

    /// Runs work that reads files or scans, off the async threads, within the caller's time.
    async fn work<T: Send + 'static>(
        &self,
        until: Instant,
        work: impl FnOnce(&Shelf) -> Result<T, IndexError> + Send + 'static,
    ) -> Result<T, Status> {
        self.shelf.get().map_err(status)?;
        let _room = self.enter()?;
        let late =
            |_| from_parts(Fault::Deadline, "the deadline passed before the search was done", Vec::new());
        let broken = || from_parts(Fault::Internal, "the search broke off", Vec::new());
        let call = async {
            let permit = Arc::clone(&self.running).acquire_owned().await.map_err(|_| broken())?;
            let shelf = Arc::clone(&self.shelf);
            // What the work logs belongs to the call.
            let span = tracing::Span::current();
            let task = tokio::task::spawn_blocking(move || {
                let _permit = permit;
                span.in_scope(|| shelf.get().map_err(status).and_then(|shelf| work(shelf).map_err(named)))
            });
            task.await.map_err(|_| broken())?
        };
        tokio::time::timeout_at(until.into(), call).await.map_err(late)?
    }
}

#[tonic::async_trait]
impl Retrieval for Handler {
    #[tracing::instrument(skip_all, fields(k = asked.get_ref().k), err(level = "debug", Display))]
    async fn search(&self, asked: Request<SearchRequest>) -> Result<Response<SearchResponse>, Status> {
        let until = deadline(asked.metadata(), self.limits.timeout);
        let search = Search::check(asked.into_inner(), &self.limits).map_err(status)?;
        let mut room = self.limits.data_bytes;
        let response = self.work(until, move |shelf| {
            let generation = shelf.get(&search.generation)?;
            let found = generation.search(&search.query, search.k, &search.exclusions)?;
            let mut hits = Vec::with_capacity(found.len());
            for hit in found {
                let stored = generation.picture(hit.row).map_or(0, <[u8]>::len);
                let include_data = search.include_data && stored <= room;
                room -= if include_data { stored } else { 0 };
                hits.push(Hit {
                    score: hit.score,
                    picture: Some(picture(&generation, hit.row, include_data)?),
                });
            }
            Ok(SearchResponse { hits, generation: generation.id().to_owned(), exact: true })
        });
        Ok(Response::new(response.await?))
    }

    #[tracing::instrument(skip_all, err(level = "debug", Display))]
    async fn fetch(&self, asked: Request<FetchRequest>) -> Result<Response<FetchResponse>, Status> {
        let until = deadline(asked.metadata(), self.limits.timeout);
        let FetchRequest { id, generation } = asked.into_inner();
        let wanted = id.clone();
        let response = self.work(until, move |shelf| {
            let generation = shelf.get(&generation)?;
            let Some(row) = generation.row(&id)? else { return Ok(None) };
            let picture = Some(picture(&generation, row, true)?);
            Ok(Some(FetchResponse { picture, generation: generation.id().to_owned() }))
        });
        match response.await? {
            Some(response) => Ok(Response::new(response)),
            None => {
                let reason = format!("no picture is called `{wanted}`");
                Err(from_parts(Fault::NotFound, format!("id: {reason}"), vec![Violation::new("id", reason)]))
            }
        }
    }

    #[tracing::instrument(skip_all, err(level = "debug", Display))]
    async fn activate(&self, asked: Request<ActivateRequest>) -> Result<Response<ActivateResponse>, Status> {
        let until = deadline(asked.metadata(), self.limits.timeout);
        let id = asked.into_inner().generation;
        let (active, previous) = self.work(until, move |shelf| shelf.activate(&id)).await?;
        tracing::info!(active, previous, "generation activated");
        Ok(Response::new(ActivateResponse { active, previous }))
    }

    async fn describe(&self, asked: Request<DescribeRequest>) -> Result<Response<DescribeResponse>, Status> {
        let until = deadline(asked.metadata(), self.limits.timeout);
        let response = self.work(until, |shelf| {
            let active = shelf.get("")?;
            Ok(DescribeResponse {
                generation: active.id().to_owned(),
                rows: active.len() as u64,
                dim: active.dim() as u32,
                fingerprint: active.fingerprint().to_owned(),
                generations: shelf.generations()?,
                vision_fingerprint: active.vision_fingerprint().unwrap_or_default().to_owned(),
                active: active.id().to_owned(),
                backend: "local".to_owned(),
                ..DescribeResponse::default()
            })
        });
        Ok(Response::new(response.await?))
    }

    async fn ingest(&self, _: Request<Streaming<IngestRequest>>) -> Result<Response<IngestResponse>, Status> {
        Err(not_offered("Ingest"))
    }

    async fn compact(&self, _: Request<CompactRequest>) -> Result<Response<CompactResponse>, Status> {
        Err(not_offered("Compact"))
    }

    async fn delete(&self, _: Request<DeleteRequest>) -> Result<Response<DeleteResponse>, Status> {
        Err(not_offered("Delete"))
    }
}

/// Which field of a request the index found at fault, if one was.
fn named(error: IndexError) -> Status {
    let (fault, field) = match error {
        IndexError::Dim { .. } => (Fault::Invalid, "query"),
        IndexError::NoGeneration { .. } => (Fault::NotFound, "generation"),
        other => return status(other),
    };
    from_parts(fault, format!("{field}: {error}"), vec![Violation::new(field, error.to_string())])
}

fn not_offered(call: &str) -> Status {
    let message =
        format!("{call} is not offered; build a new generation with `fondue index build` and activate it");
    from_parts(Fault::Unsupported, message, Vec::new())
}

fn picture(generation: &Generation, row: usize, include_data: bool) -> Result<Picture, IndexError> {
    let item = generation.item(row)?;
    let data = if include_data { generation.picture(row).unwrap_or_default() } else { &[] };
    Ok(Picture {
        id: item.id,
        caption: item.caption,
        group: item.group,
        media_type: item.media_type,
        data: Bytes::copy_from_slice(data),
        url: item.url,
        ..Picture::default()
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use fondue_domain::Embedding;
    use fondue_index::{Builder, Item, NewItem, Root};
    use fondue_serving::status::fault_of;

    use super::*;

    const LIMITS: Limits = Limits {
        k: 10,
        excluded: 0,
        data_bytes: 0,
        searching: 1,
        queued: 1,
        open: 0,
        timeout: Duration::from_secs(20),
    };

    /// A handler whose index of one picture is open.
    fn handler() -> (Handler, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let mut builder = Builder::new(folder.path(), 2, "model").unwrap();
        let text = || "a".to_owned();
        let item = Item { id: text(), caption: text(), ..Item::default() };
        let new = NewItem { item, picture: None, sha256: [0; 32] };
        builder.add(new, &Embedding::normalized(vec![1.0, 0.0]).unwrap()).unwrap();
        let id = builder.publish().unwrap();
        Root::open(folder.path()).unwrap().activate(&id).unwrap();
        let shelf = Arc::new(Loading::new("the index"));
        shelf.fill(Shelf::open(folder.path(), true, 0).unwrap());
        (Handler::new(shelf, LIMITS), folder)
    }

    fn search() -> Request<SearchRequest> {
        Request::new(SearchRequest { query: vec![1.0, 0.0], k: 1, ..SearchRequest::default() })
    }

    #[tokio::test]
    async fn a_search_waits_for_its_turn_no_longer_than_its_caller_allows() {
        let (handler, _folder) = handler();
        let others = handler.running.acquire().await.unwrap();
        let mut asked = search();
        asked.set_timeout(Duration::from_millis(20));
        let late = handler.search(asked).await.unwrap_err();
        assert_eq!(fault_of(&late), Fault::Deadline);
        drop(others);
        assert_eq!(handler.search(search()).await.unwrap().into_inner().hits.len(), 1);
    }

    #[tokio::test]
    async fn calls_beyond_the_room_are_told_when_to_come_back() {
        let (handler, _folder) = handler();
        let running_and_waiting = (handler.enter().unwrap(), handler.enter().unwrap());
        let refused = handler.search(search()).await.unwrap_err();
        assert_eq!(fault_of(&refused), Fault::Busy { retry_after: RETRY_AFTER });
        drop(running_and_waiting);
        assert!(handler.search(search()).await.is_ok());
    }

    #[tokio::test]
    async fn nothing_is_answered_before_the_index_is_open() {
        let handler = Handler::new(Arc::new(Loading::new("the index")), LIMITS);
        let early = handler.search(search()).await.unwrap_err();
        assert_eq!(fault_of(&early), Fault::Unavailable);
    }
}
