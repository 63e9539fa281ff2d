//! `[RET]` queries ↔ retrieval: searches in the order of the `[RET]`s, beside decoding.
//!
//! One search runs at a time, since each must leave out what the ones before it found. No task is spawned: the
//! turn polls the running search, so dropping the turn drops it.

use std::{
    collections::{HashSet, VecDeque},
    time::{Duration, Instant},
};

use fondue_domain::{Classify, Fault};
use fondue_proto::{
    dialogue::{FoundImage, image_unavailable::Reason},
    retrieval::{Hit, SearchRequest, SearchResponse, retrieval_client::RetrievalClient},
};
use fondue_serving::upstream::Channel;
use futures::{FutureExt, future::BoxFuture};
use tracing::Instrument;

use super::clock;
use crate::{dialogue::Draft, failure::Failure, request::MAX_EXCLUDED};

/// Where a picture belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which `[RET]` of the turn.
    pub ret_index: u32,
    /// In code points of the answer as sent.
    pub text_offset: u32,
}

/// What a `[RET]` brought.
#[derive(Debug)]
pub enum Recalled {
    /// Pictures, best first, at least one.
    Found(Vec<FoundImage>),
    /// None, and why.
    Unavailable(Place, Reason, String),
}

/// The searches of a turn.
pub struct Recall {
    retrieval: RetrievalClient<Channel>,
    /// The next request, but for its query and k.
    request: SearchRequest,
    images_left: usize,
    images_per_ret: usize,
    deadline: Instant,
    search_timeout: Duration,
    waiting: VecDeque<(Place, Vec<f32>)>,
    running: Option<(Place, Search)>,
    /// All searches, added up.
    pub took: Duration,
}

type Search = BoxFuture<'static, (Result<SearchResponse, Failure>, Duration)>;

impl std::fmt::Debug for Recall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let running = self.running.as_ref().map(|(place, _)| place);
        f.debug_struct("Recall").field("running", &running).field("waiting", &self.waiting.len()).finish()
    }
}

/// How much a turn may search.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    /// Pictures in the turn.
    pub images: usize,
    /// Pictures per `[RET]`.
    pub images_per_ret: usize,
    /// When the turn must be over.
    pub deadline: Instant,
    /// Time for one search.
    pub search_timeout: Duration,
}

impl Recall {
    /// No search yet. `draft` tells what must not be found and which generation is searched.
    pub fn new(retrieval: RetrievalClient<Channel>, draft: &Draft, allowance: Allowance) -> Self {
        let request = SearchRequest {
            excluded_ids: draft.shown.clone(),
            excluded_sha256: draft.digests.iter().map(|digest| digest.to_vec()).collect(),
            generation: draft.generation.clone().unwrap_or_default(),
            include_data: true,
            ..SearchRequest::default()
        };
        Self {
            retrieval,
            request,
            images_left: allowance.images,
            images_per_ret: allowance.images_per_ret,
            deadline: allowance.deadline,
            search_timeout: allowance.search_timeout,
            waiting: VecDeque::new(),
            running: None,
            took: Duration::ZERO,
        }
    }

    /// Asks for the pictures of a `[RET]`.
    pub fn ask(&mut self, place: Place, query: Vec<f32>) {
        self.waiting.push_back((place, query));
    }

    /// Whether nothing was asked that is not answered.
    pub fn is_idle(&self) -> bool {
        self.running.is_none() && self.waiting.is_empty()
    }

    /// The generation that the searches stay with, once one was answered.
    pub fn generation(&self) -> Option<String> {
        (!self.request.generation.is_empty()).then(|| self.request.generation.clone())
    }

    /// Gives up what was asked and not answered.
    pub fn abandon(&mut self) -> Vec<Place> {
        let running = self.running.take().map(|(place, _)| place);
        running.into_iter().chain(self.waiting.drain(..).map(|(place, _)| place)).collect()
    }

    /// The next answer, in the order of asking; waits for ever while idle. Can be dropped and asked again
    /// without loss.
    pub async fn next(&mut self) -> Recalled {
        loop {
            if let Some((place, search)) = &mut self.running {
                let place = *place;
                let (response, took) = search.await;
                self.running = None;
                self.took += took;
                return self.recalled(place, response);
            }
            let Some((place, query)) = self.waiting.pop_front() else { return std::future::pending().await };
            if self.images_left == 0 {
                return Recalled::Unavailable(place, Reason::Limit, "the turn's max_images were found already".into());
            }
            self.running = Some((place, self.search(query)));
        }
    }

    fn search(&self, query: Vec<f32>) -> Search {
        let k = i32::try_from(self.images_left.min(self.images_per_ret)).unwrap_or(i32::MAX);
        let request = SearchRequest { query, k, ..self.request.clone() };
        let (started, client) = (Instant::now(), self.retrieval.clone());
        let deadline = self.deadline.min(started + self.search_timeout);
        let search = async move {
            let mut client = client;
            let found = clock::call("retrieval", deadline, request, async move |request| client.search(request).await);
            (found.await, started.elapsed())
        };
        search.instrument(tracing::info_span!("recall", k)).boxed()
    }

    fn recalled(&mut self, place: Place, response: Result<SearchResponse, Failure>) -> Recalled {
        let response = match response {
            Ok(response) => response,
            Err(failure) => {
                tracing::warn!(%failure, ret_index = place.ret_index, "search failed; the text goes on");
                let deadline = failure.fault() == Fault::Deadline;
                let reason = if deadline { Reason::Deadline } else { Reason::Unavailable };
                // Defects stay in the log, as everywhere.
                let message = fondue_serving::status::status(failure).message().to_owned();
                return Recalled::Unavailable(place, reason, message);
            }
        };
        if self.request.generation.is_empty() {
            self.request.generation.clone_from(&response.generation);
        }
        // Trusts no index with the promise that no picture is shown twice.
        let excluded = &mut self.request.excluded_ids;
        let mut shown: HashSet<_> = excluded.iter().cloned().collect();
        let new = response.hits.into_iter().filter_map(|hit| found_image(hit, &response.generation));
        let new = new.filter(|image| shown.insert(image.id.clone()));
        let mut images: Vec<_> = new.take(self.images_left.min(self.images_per_ret)).collect();
        for (rank, image) in (0..).zip(&mut images) {
            (image.rank, image.ret_index, image.text_offset) = (rank, place.ret_index, place.text_offset);
            excluded.push(image.id.clone());
        }
        let surplus = excluded.len().saturating_sub(MAX_EXCLUDED);
        excluded.drain(..surplus); // the oldest
        self.images_left -= images.len();
        if images.is_empty() {
            let message = "every picture of the index was shown already, or it is empty".into();
            return Recalled::Unavailable(place, Reason::NoneLeft, message);
        }
        Recalled::Found(images)
    }
}

/// A hit as the client sees it; `None` if it names no picture. Rank and place are left at 0.
pub fn found_image(hit: Hit, generation: &str) -> Option<FoundImage> {
    let picture = hit.picture.filter(|picture| !picture.id.is_empty())?;
    Some(FoundImage {
        id: picture.id,
        generation: generation.to_owned(),
        score: hit.score,
        caption: picture.caption,
        media_type: picture.media_type,
        data: picture.data,
        url: picture.url,
        ..FoundImage::default()
    })
}
