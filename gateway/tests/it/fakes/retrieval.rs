//! Retrieval over four pictures, `one` to `four`, always found in that order; excluded ids are obeyed.
//! A picture's bytes are its id, but `four` is one that vision cannot read, and `two` cannot be fetched. Of `away`, which is never
//! found, the index has a URL alone.

use std::sync::{Arc, Mutex};

use fondue_proto::retrieval::{
    ActivateRequest, ActivateResponse, CompactRequest, CompactResponse, DeleteRequest, DeleteResponse,
    DescribeRequest, DescribeResponse, FetchRequest, FetchResponse, Hit, IngestRequest, IngestResponse,
    Picture, SearchRequest, SearchResponse,
    retrieval_server::{Retrieval, RetrievalServer},
};
use fondue_serving::status::with_info;
use tokio::sync::Semaphore;
use tonic::{Request, Response, Status, Streaming, service::Routes};

pub(crate) const IDS: [&str; 4] = ["one", "two", "three", "four"];

#[derive(Clone, Default)]
pub(crate) struct RetrievalFake {
    asked: Arc<Mutex<Vec<SearchRequest>>>,
    fetched: Arc<Mutex<Vec<FetchRequest>>>,
    ingested: Arc<Mutex<Vec<IngestRequest>>>,
    /// Generations that it was asked about by name.
    kept: Arc<Mutex<Vec<String>>>,
    state: Arc<Mutex<State>>,
    permits: Arc<Permits>,
}

/// What a test has told it.
#[derive(Clone)]
struct State {
    /// The generation that a search without one gets.
    active: &'static str,
    /// The model that made it.
    fingerprint: &'static str,
    vision_fingerprint: &'static str,
    waits: bool,
    /// Searches leave out the bytes, as of pictures beyond a limit.
    omits: bool,
    /// Bytes that every picture has behind its id.
    padding: usize,
    /// What searches end with.
    refuses: Option<Status>,
    n_described: usize,
}

impl Default for State {
    fn default() -> Self {
        Self {
            active: "first",
            fingerprint: "",
            vision_fingerprint: "",
            waits: false,
            omits: false,
            padding: 0,
            refuses: None,
            n_described: 0,
        }
    }
}

pub(crate) struct Permits {
    /// One permit lets one search go on, if they wait.
    pub(crate) go_on: Semaphore,
    /// One permit for each search that the gateway dropped while it waited.
    pub(crate) dropped: Semaphore,
    /// One permit for each search that has come in.
    pub(crate) came: Semaphore,
}

impl Default for Permits {
    fn default() -> Self {
        let none = || Semaphore::new(0);
        Self { go_on: none(), dropped: none(), came: none() }
    }
}

impl std::ops::Deref for RetrievalFake {
    type Target = Permits;

    fn deref(&self) -> &Permits {
        &self.permits
    }
}

impl RetrievalFake {
    pub(crate) fn routes(&self) -> Routes {
        let server = RetrievalServer::new(self.clone());
        Routes::new(server.max_encoding_message_size(usize::MAX))
    }

    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
    }

    fn state(&self) -> State {
        self.state.lock().unwrap().clone()
    }

    /// From now on searches wait for `go_on`.
    pub(crate) fn wait(&self) {
        self.set(|state| state.waits = true);
    }

    pub(crate) fn activate(&self, generation: &'static str) {
        self.set(|state| state.active = generation);
    }

    /// The model that made the active generation.
    pub(crate) fn made_by(&self, fingerprint: &'static str) {
        self.set(|state| state.fingerprint = fingerprint);
    }

    /// The vision tower that saw its pictures.
    pub(crate) fn seen_by(&self, fingerprint: &'static str) {
        self.set(|state| state.vision_fingerprint = fingerprint);
    }

    /// From now on searches leave out the bytes.
    pub(crate) fn omit(&self) {
        self.set(|state| state.omits = true);
    }

    /// From now on pictures have so many more bytes.
    pub(crate) fn pad(&self, n_bytes: usize) {
        self.set(|state| state.padding = n_bytes);
    }

    /// From now on searches end with this.
    pub(crate) fn refuse(&self, status: Status) {
        self.set(|state| state.refuses = Some(status));
    }

    pub(crate) fn asked(&self) -> Vec<SearchRequest> {
        self.asked.lock().unwrap().clone()
    }

    /// Ids and generations of the pictures that were fetched.
    pub(crate) fn fetched(&self) -> Vec<(String, String)> {
        let fetched = self.fetched.lock().unwrap();
        fetched.iter().map(|request| (request.id.clone(), request.generation.clone())).collect()
    }

    /// All pictures that it was given.
    pub(crate) fn ingested(&self) -> Vec<IngestRequest> {
        self.ingested.lock().unwrap().clone()
    }

    /// The generations in use that it was told of since the last call.
    pub(crate) fn kept(&self) -> Vec<String> {
        std::mem::take(&mut *self.kept.lock().unwrap())
    }

    /// How often it was asked what it is.
    pub(crate) fn n_described(&self) -> usize {
        self.state().n_described
    }
}

fn data(id: &str, padding: usize) -> Vec<u8> {
    let data = if id == "four" { "bad" } else { id };
    [data.as_bytes(), &vec![0; padding]].concat()
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
        let state = self.state();
        if let Some(status) = state.refuses {
            return Err(status);
        }
        if state.waits {
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
                data: match request.include_data && !state.omits {
                    true => data(id, state.padding).into(),
                    false => Default::default(),
                },
                ..Picture::default()
            }),
        });
        let generation = match request.generation.as_str() {
            "" => state.active.to_owned(),
            pinned => pinned.to_owned(),
        };
        Ok(Response::new(SearchResponse { hits: hits.collect(), generation, exact: true }))
    }

    /// A picture `taken` has its place already; a picture `two` cannot be kept.
    async fn ingest(
        &self,
        asked: Request<Streaming<IngestRequest>>,
    ) -> Result<Response<IngestResponse>, Status> {
        let mut asked = asked.into_inner();
        let mut done = IngestResponse { generation: self.state().active.to_owned(), ..Default::default() };
        while let Some(new) = asked.message().await? {
            let id = &new.picture.as_ref().unwrap().id;
            if id == "two" {
                let counts = [("accepted", done.accepted), ("replaced", done.replaced)];
                let counts = counts.map(|(name, count)| (name.to_owned(), count.to_string()));
                return Err(with_info(&Status::unavailable("the disk is full"), "INGEST_STOPPED", counts));
            }
            done.accepted += 1;
            done.replaced += u64::from(id == "taken");
            self.ingested.lock().unwrap().push(new);
        }
        Ok(Response::new(done))
    }

    async fn delete(&self, asked: Request<DeleteRequest>) -> Result<Response<DeleteResponse>, Status> {
        let deleted = asked.into_inner().ids.iter().filter(|id| IDS.contains(&id.as_str())).count() as u64;
        Ok(Response::new(DeleteResponse { deleted, generation: self.state().active.to_owned() }))
    }

    async fn compact(&self, _: Request<CompactRequest>) -> Result<Response<CompactResponse>, Status> {
        Err(Status::unimplemented("not asked by the gateway"))
    }

    async fn activate(&self, _: Request<ActivateRequest>) -> Result<Response<ActivateResponse>, Status> {
        Err(Status::unimplemented("not asked by the gateway"))
    }

    async fn fetch(&self, request: Request<FetchRequest>) -> Result<Response<FetchResponse>, Status> {
        let FetchRequest { id, generation } = request.into_inner();
        self.fetched.lock().unwrap().push(FetchRequest { id: id.clone(), generation: generation.clone() });
        if id == "two" {
            return Err(Status::unavailable("the disk is gone"));
        }
        if id == "away" {
            let picture = Picture { id, url: "https://a.org/p.png".to_owned(), ..Picture::default() };
            return Ok(Response::new(FetchResponse { picture: Some(picture), generation }));
        }
        if !IDS.contains(&id.as_str()) {
            return Err(Status::not_found(format!("there is no picture `{id}`")));
        }
        let data = data(&id, self.state().padding).into();
        let picture = Some(Picture { id, data, media_type: "image/png".to_owned(), ..Picture::default() });
        Ok(Response::new(FetchResponse { picture, generation }))
    }

    async fn describe(&self, asked: Request<DescribeRequest>) -> Result<Response<DescribeResponse>, Status> {
        let generation = asked.into_inner().generation;
        if !generation.is_empty() {
            self.kept.lock().unwrap().push(generation);
            return Ok(Response::new(DescribeResponse::default()));
        }
        self.set(|state| state.n_described += 1);
        let state = self.state();
        Ok(Response::new(DescribeResponse {
            generation: state.active.to_owned(),
            fingerprint: state.fingerprint.to_owned(),
            vision_fingerprint: state.vision_fingerprint.to_owned(),
            ..DescribeResponse::default()
        }))
    }
}
