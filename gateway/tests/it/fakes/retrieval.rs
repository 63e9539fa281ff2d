//! Retrieval over four pictures, `one` to `four`, always found in that order; excluded ids are obeyed.
//! A picture's bytes are its id, but `four` is one that vision cannot read.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use fondue_proto::retrieval::{
    ActivateRequest, ActivateResponse, DeleteRequest, DeleteResponse, DescribeRequest, DescribeResponse,
    FetchRequest, FetchResponse, Hit, IngestRequest, IngestResponse, Picture, SearchRequest, SearchResponse,
    retrieval_server::{Retrieval, RetrievalServer},
};
use tokio::sync::Semaphore;
use tonic::{Request, Response, Status, Streaming, service::Routes};

pub(crate) const IDS: [&str; 4] = ["one", "two", "three", "four"];

#[derive(Clone)]
pub(crate) struct RetrievalFake {
    asked: Arc<Mutex<Vec<SearchRequest>>>,
    /// The generation that a search without one gets.
    active: Arc<Mutex<&'static str>>,
    waits: Arc<AtomicBool>,
    /// One permit lets one search go on, if they wait.
    pub(crate) go_on: Arc<Semaphore>,
    /// One permit for each search that the gateway dropped while it waited.
    pub(crate) dropped: Arc<Semaphore>,
    /// One permit for each search that has come in.
    pub(crate) came: Arc<Semaphore>,
}

impl Default for RetrievalFake {
    fn default() -> Self {
        let none = || Arc::new(Semaphore::new(0));
        let active = Arc::new(Mutex::new("first"));
        Self {
            asked: Arc::default(),
            active,
            waits: Arc::default(),
            go_on: none(),
            dropped: none(),
            came: none(),
        }
    }
}

impl RetrievalFake {
    pub(crate) fn routes(&self) -> Routes {
        Routes::new(RetrievalServer::new(self.clone()))
    }

    /// From now on searches wait for `go_on`.
    pub(crate) fn wait(&self) {
        self.waits.store(true, Ordering::SeqCst);
    }

    pub(crate) fn activate(&self, generation: &'static str) {
        *self.active.lock().unwrap() = generation;
    }

    pub(crate) fn asked(&self) -> Vec<SearchRequest> {
        self.asked.lock().unwrap().clone()
    }
}

struct NoteDrop<'a>(&'a Semaphore);

impl Drop for NoteDrop<'_> {
    fn drop(&mut self) {
        self.0.add_permits(1);
    }
}

#[tonic::async_trait]
impl Retrieval for RetrievalFake {
    async fn search(&self, request: Request<SearchRequest>) -> Result<Response<SearchResponse>, Status> {
        let request = request.into_inner();
        self.asked.lock().unwrap().push(request.clone());
        self.came.add_permits(1);
        if self.waits.load(Ordering::SeqCst) {
            let drop_guard = NoteDrop(&self.dropped);
            self.go_on.acquire().await.unwrap().forget();
            std::mem::forget(drop_guard);
        }
        let left = IDS.iter().filter(|id| !request.excluded_ids.iter().any(|excluded| excluded == *id));
        let hits = left.take(usize::try_from(request.k).unwrap()).map(|id| Hit {
            score: 0.75,
            picture: Some(Picture {
                id: (*id).to_owned(),
                caption: format!("picture {id}"),
                media_type: "image/png".to_owned(),
                data: match *id {
                    _ if !request.include_data => "",
                    "four" => "bad",
                    id => id,
                }
                .into(),
                ..Picture::default()
            }),
        });
        let generation = match request.generation.as_str() {
            "" => (*self.active.lock().unwrap()).to_owned(),
            pinned => pinned.to_owned(),
        };
        Ok(Response::new(SearchResponse { hits: hits.collect(), generation }))
    }

    async fn ingest(&self, _: Request<Streaming<IngestRequest>>) -> Result<Response<IngestResponse>, Status> {
        Err(Status::unimplemented("not asked by the gateway"))
    }

    async fn delete(&self, _: Request<DeleteRequest>) -> Result<Response<DeleteResponse>, Status> {
        Err(Status::unimplemented("not asked by the gateway"))
    }

    async fn activate(&self, _: Request<ActivateRequest>) -> Result<Response<ActivateResponse>, Status> {
        Err(Status::unimplemented("not asked by the gateway"))
    }

    async fn fetch(&self, _: Request<FetchRequest>) -> Result<Response<FetchResponse>, Status> {
        Err(Status::unimplemented("not asked by the gateway"))
    }

    async fn describe(&self, _: Request<DescribeRequest>) -> Result<Response<DescribeResponse>, Status> {
        Ok(Response::new(DescribeResponse::default()))
    }
}
