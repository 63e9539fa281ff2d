//! The picture index, as the gateway uses it: searched only if it is of the services' model, pictures with their bytes.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use fondue_domain::Fault;
use fondue_proto::{
    language::language_client::LanguageClient,
    retrieval::{
        DeleteRequest, DeleteResponse, DescribeRequest, DescribeResponse, FetchRequest, Hit, IngestRequest,
        IngestResponse, Picture, SearchRequest, retrieval_client::RetrievalClient,
    },
    vision::vision_client::VisionClient,
};
use fondue_serving::{status::info_of, upstream::Channel};
use tokio::time::Instant;

use super::{fingerprints::Fingerprints, pins::Pins};
use crate::{failure::Failure, turn::clock};

/// Bytes of the pictures of one search; those beyond are left out.
const MAX_BYTES: usize = 64 << 20;

/// The index behind the retrieval service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Index {
    name: Arc<str>,
    retrieval: RetrievalClient<Channel>,
    /// The same, to tell each replica something.
    replicas: Channel,
    fingerprints: Arc<Fingerprints>,
    /// Generations that conversations stay with.
    pub pins: Pins,
}

/// What a search found.
#[derive(Debug)]
pub struct Searched {
    /// Best first. If bytes were asked for, each has bytes or a URL.
    pub hits: Vec<Hit>,
    /// The generation that was searched.
    pub generation: String,
    /// Why pictures were left out, if some were.
    pub left_out: Option<Failure>,
}

impl Index {
    /// The index `name` of `retrieval`, empty for the first one, for queries of `language` and of a model whose pictures `vision` sees.
    /// `max` is the bytes of a response at most.
    pub fn new(
        name: &str,
        replicas: Channel,
        max: usize,
        vision: VisionClient<Channel>,
        language: LanguageClient<Channel>,
    ) -> Self {
        let retrieval = RetrievalClient::new(replicas.clone()).max_decoding_message_size(max);
        let fingerprints = Arc::new(Fingerprints::new(vision, language, retrieval.clone()));
        Self { name: name.into(), retrieval, replicas, fingerprints, pins: Pins::default() }
    }

    /// What it is asked for by; empty for the first one.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Searches. The service leaves out the bytes of pictures beyond its `max_data_bytes`: those are fetched one by
    /// one, and a picture that cannot be had is left out.
    ///
    /// # Errors
    /// [`Failure`]: the index was made by another model, a wrong `k`, `excluded_ids` or `generation`, or retrieval is
    /// down.
    pub async fn search(&self, request: SearchRequest, deadline: Instant) -> Result<Searched, Failure> {
        let (include_data, unpinned) = (request.include_data, request.generation.is_empty());
        self.fingerprints.compare(&request.generation, deadline).await?;
        let found = clock::call(("retrieval", "Search"), deadline, request, async |request| {
            self.retrieval.clone().search(request).await
        });
        let found = found.await.map_err(|failure| failure.with_paths(path))?;
        if unpinned {
            self.fingerprints.compare_found(&found.generation, deadline).await?;
        }
        let mut searched = Searched { hits: found.hits, generation: found.generation, left_out: None };
        if include_data {
            self.complete(&mut searched, deadline).await;
        }
        Ok(searched)
    }

    /// A stored picture of a generation, empty for the active one.
    ///
    /// # Errors
    /// [`Failure`]: there is none, or retrieval is down.
    pub async fn picture(&self, id: &str, generation: &str, deadline: Instant) -> Result<Picture, Failure> {
        let request = FetchRequest { id: id.to_owned(), generation: generation.to_owned() };
        let fetched = clock::call(("retrieval", "Fetch"), deadline, request, async |request| {
            self.retrieval.clone().fetch(request).await
        });
        let fetched = fetched.await.map_err(|failure| failure.with_paths(path))?;
        Ok(fetched.picture.unwrap_or_default())
    }

    /// The active generation.
    ///
    /// # Errors
    /// [`Failure`]: retrieval is down.
    pub async fn describe(&self, deadline: Instant) -> Result<DescribeResponse, Failure> {
        let described =
            clock::call(("retrieval", "Describe"), deadline, DescribeRequest::default(), async |request| {
                self.retrieval.clone().describe(request).await
            });
        described.await
    }

    /// Adds pictures with their embeddings, if the index is of the services' model.
    ///
    /// # Errors
    /// [`Failure`], and what was made durable all the same.
    pub async fn ingest(
        &self,
        pictures: Vec<IngestRequest>,
        deadline: Instant,
    ) -> Result<IngestResponse, (Failure, IngestResponse)> {
        let nothing = |failure| (failure, IngestResponse::default());
        self.fingerprints.compare("", deadline).await.map_err(nothing)?;
        let mut done = IngestResponse::default();
        let sent = clock::call_once(
            ("retrieval", "Ingest"),
            deadline,
            futures::stream::iter(pictures),
            async |request| {
                self.retrieval.clone().ingest(request).await.inspect_err(|refused| {
                    let info = info_of(refused);
                    let count = |name| info.get(name).and_then(|text| text.parse().ok()).unwrap_or(0);
                    (done.accepted, done.replaced) = (count("accepted"), count("replaced"));
                })
            },
        );
        let sent = sent.await;
        sent.map_err(|failure| (failure, done))
    }

    /// Removes pictures.
    ///
    /// # Errors
    /// [`Failure`]: no or too many ids, or retrieval is down.
    pub async fn delete(&self, asked: DeleteRequest, deadline: Instant) -> Result<DeleteResponse, Failure> {
        let deleted = clock::call_once(("retrieval", "Delete"), deadline, asked, async |request| {
            self.retrieval.clone().delete(request).await
        });
        deleted.await.map_err(|failure| failure.with_paths(|field| Some(field.to_owned())))
    }

    /// Tells the service every `interval` which generations conversations stay with. Ends never.
    pub async fn keep_pinned(&self, interval: Duration) {
        loop {
            tokio::time::sleep(interval).await;
            for (generation, replica) in self.pins.held().iter().flat_map(|held| self.on_each(held)) {
                let asked = DescribeRequest { generation };
                let told = clock::call(
                    ("retrieval", "Describe"),
                    Instant::now() + interval,
                    asked,
                    async |request| RetrievalClient::new(replica).describe(request).await,
                );
                if let Err(failure) = told.await {
                    tracing::debug!(%failure, "a generation in use is not kept");
                }
            }
        }
    }

    fn on_each(&self, generation: &str) -> Vec<(String, Channel)> {
        self.replicas.each().into_iter().map(|replica| (generation.to_owned(), replica)).collect()
    }

    /// Gets the bytes that the search left out.
    async fn complete(&self, searched: &mut Searched, deadline: Instant) {
        let mut room = MAX_BYTES;
        for mut hit in std::mem::take(&mut searched.hits) {
            if let Some(picture) = &mut hit.picture
                && let Err(failure) = self.fill(picture, &searched.generation, room, deadline).await
            {
                searched.left_out.get_or_insert(failure);
                continue;
            }
            room = room.saturating_sub(hit.picture.as_ref().map_or(0, |picture| picture.data.len()));
            searched.hits.push(hit);
        }
    }

    /// Makes sure that a picture has bytes, at most `room`, or a URL.
    async fn fill(
        &self,
        picture: &mut Picture,
        generation: &str,
        room: usize,
        deadline: Instant,
    ) -> Result<(), Failure> {
        // A media type tells that bytes are stored.
        if picture.data.is_empty() && !picture.media_type.is_empty() {
            match self.fetch(&picture.id, generation, room, deadline).await {
                Ok(data) => picture.data = data,
                Err(failure) if picture.url.is_empty() => return Err(failure),
                Err(_) => {} // the URL leads to it
            }
        }
        if picture.data.is_empty() && picture.url.is_empty() {
            let message = format!("the index holds neither bytes nor URL of the picture `{}`", picture.id);
            return Err(Failure::new(Fault::Unavailable, message));
        }
        Ok(())
    }

    async fn fetch(
        &self,
        id: &str,
        generation: &str,
        room: usize,
        deadline: Instant,
    ) -> Result<Bytes, Failure> {
        let data = self.picture(id, generation, deadline).await?.data;
        if data.len() > room {
            let message =
                format!("the pictures found have more than {MAX_BYTES} bytes together; ask for fewer");
            return Err(Failure::new(Fault::TooLarge, message));
        }
        Ok(data)
    }
}

/// The client's path for a path of the retrieval service's request; the query is the language service's.
fn path(field: &str) -> Option<String> {
    let known = ["k", "generation", "excluded_ids", "id"].contains(&field) || field.starts_with("conditions");
    known.then(|| field.to_owned())
}
