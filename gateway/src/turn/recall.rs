//! `[RET]` queries ↔ retrieval: searches in the order of the `[RET]`s, beside decoding.
//!
//! A search starts at once, in its own task: neither the text nor a slow client holds it up. One runs at a time,
//! since each must leave out what the ones before it found. Dropping the turn aborts it.

pub mod fingerprints;
pub mod index;
pub mod pins;

use std::{collections::VecDeque, time::Duration};

use fondue_domain::{Classify, Compat, Fault};
use fondue_proto::{
    dialogue::{FoundImage, SearchTiming, image_unavailable::Reason},
    retrieval::{Condition, Hit, SearchRequest},
};
use fondue_serving::telemetry::went_wrong;
use tokio::{task::JoinSet, time::Instant};
use tracing::{Instrument, Span, field};

use self::index::{Index, Searched};
use super::clock::ms;
use crate::{
    dialogue::{Draft, Shown},
    failure::Failure,
    request::Options,
};

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
#[derive(Debug)]
pub struct Recall {
    index: Index,
    /// Pictures found in this turn.
    found: Shown,
    conditions: Vec<Condition>,
    /// Pictures that must not be found: all of them; by the published code only those found in this turn.
    excluded: Shown,
    /// The generation to search; empty until one was searched.
    generation: String,
    images_left: usize,
    images_per_ret: usize,
    deadline: Instant,
    search_timeout: Duration,
    /// With the span of each, which begins with its `[RET]`.
    waiting: VecDeque<(Place, Vec<f32>, Span)>,
    running: Option<Place>,
    /// The running search; aborted when dropped.
    search: JoinSet<Timed>,
    /// When the turn began.
    began: Instant,
    /// When the running search began.
    since: Instant,
    /// The searches that are over.
    pub searches: Vec<SearchTiming>,
}

/// What a search came to, and when.
type Timed = (Result<Searched, Failure>, Instant);

/// How long a turn may search.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    /// When the turn must be over.
    pub deadline: Instant,
    /// Time for one search.
    pub search_timeout: Duration,
}

impl Recall {
    /// No search yet. `draft` tells what must not be found and which generation is searched, unless the options do.
    pub fn new(index: Index, draft: &Draft, options: &Options, allowance: Allowance) -> Self {
        let generation = options.generation.as_deref().or(draft.generation(index.name()));
        Self {
            generation: generation.unwrap_or_default().to_owned(),
            index,
            found: Shown::default(),
            conditions: options.conditions.clone(),
            excluded: match options.compat {
                Compat::Off => draft.shown.clone(),
                Compat::Reference => Shown::default(),
            },
            images_left: options.max_images,
            images_per_ret: options.max_images_per_ret,
            deadline: allowance.deadline,
            search_timeout: allowance.search_timeout,
            waiting: VecDeque::new(),
            running: None,
            search: JoinSet::new(),
            began: draft.started,
            since: draft.started,
            searches: Vec::new(),
        }
    }

    /// Asks for the pictures of a `[RET]`.
    pub fn ask(&mut self, place: Place, query: Vec<f32>) {
        let span = tracing::debug_span!(
            "recall",
            ret_index = i64::from(place.ret_index),
            k = field::Empty,
            found = field::Empty,
            generation = field::Empty,
        );
        // A search is a task of its own: without a span of its own, it is told in the turn's.
        let span = if span.is_disabled() { Span::current() } else { span };
        self.waiting.push_back((place, query, span));
        self.start();
    }

    /// Whether nothing was asked that is not answered.
    pub fn is_idle(&self) -> bool {
        self.running.is_none() && self.waiting.is_empty()
    }

    /// The index and its generation that the searches stay with, once one was answered.
    pub fn generation(&self) -> Option<(String, String)> {
        (!self.generation.is_empty()).then(|| (self.index.name().to_owned(), self.generation.clone()))
    }

    /// Pictures that were found.
    pub fn found(self) -> Shown {
        self.found
    }

    /// Gives up what was asked and not answered.
    pub fn abandon(&mut self) -> Vec<Place> {
        self.search = JoinSet::new();
        if let Some(place) = self.running {
            self.note(place, Instant::now());
        }
        self.running.take().into_iter().chain(self.waiting.drain(..).map(|(place, ..)| place)).collect()
    }

    /// The next answer, in the order of asking; waits for ever while idle. Can be dropped and asked again
    /// without loss.
    pub async fn next(&mut self) -> Recalled {
        if let Some(place) = self.running {
            let (response, until) = match self.search.join_next().await {
                Some(Ok(searched)) => searched,
                _ => (Err(Failure::new(Fault::Internal, "the search broke off")), Instant::now()),
            };
            self.running = None;
            self.note(place, until);
            let recalled = self.recalled(place, response);
            self.start();
            return recalled;
        }
        match self.waiting.pop_front() {
            // Nothing is left to search for, or it would run.
            Some((place, ..)) => {
                Recalled::Unavailable(place, Reason::Limit, "the turn's max_images were found already".into())
            }
            None => std::future::pending().await,
        }
    }

    /// Starts the search that is next, unless one runs or no more pictures may be found.
    fn start(&mut self) {
        if self.running.is_none()
            && self.images_left > 0
            && let Some((place, query, span)) = self.waiting.pop_front()
        {
            self.since = Instant::now();
            self.search.spawn(self.ask_index(query).instrument(span));
            self.running = Some(place);
        }
    }

    /// Notes when the running search ran.
    fn note(&mut self, place: Place, until: Instant) {
        let from_the_start = |at: Instant| ms(at.saturating_duration_since(self.began));
        let (start_ms, end_ms) = (from_the_start(self.since), from_the_start(until));
        self.searches.push(SearchTiming { ret_index: place.ret_index, start_ms, end_ms });
    }

    fn ask_index(&self, query: Vec<f32>) -> impl Future<Output = Timed> + use<> {
        let request = SearchRequest {
            query,
            k: i32::try_from(self.images_left.min(self.images_per_ret)).unwrap_or(i32::MAX),
            excluded_ids: self.excluded.ids(self.index.name()),
            excluded_sha256: self.excluded.digests(),
            generation: self.generation.clone(),
            include_data: true,
            conditions: self.conditions.clone(),
            ..SearchRequest::default()
        };
        let index = self.index.clone();
        let deadline = self.deadline.min(self.since + self.search_timeout);
        async move {
            let (span, k) = (Span::current(), request.k);
            let searched = index.search(request, deadline).await;
            span.record("k", i64::from(k));
            match &searched {
                Ok(searched) => {
                    span.record("found", searched.hits.len() as i64)
                        .record("generation", &searched.generation);
                }
                Err(failure) => went_wrong(&span, failure.kind()),
            }
            (searched, Instant::now())
        }
    }

    fn recalled(&mut self, place: Place, response: Result<Searched, Failure>) -> Recalled {
        let response = match response {
            Ok(response) => response,
            Err(failure) => return lost(place, failure),
        };
        if self.generation.is_empty() {
            self.generation.clone_from(&response.generation);
        }
        let mut images = Vec::new();
        for hit in response.hits {
            let Some(mut image) = found_image(hit, &self.index, &response.generation) else { continue };
            // Trusts no index with the promise that no picture is shown twice, nor with k.
            if images.len() == self.images_left.min(self.images_per_ret)
                || self.excluded.has(self.index.name(), &image.id)
            {
                continue;
            }
            self.excluded.add_found(&image);
            self.found.add_found(&image);
            image.rank = u32::try_from(images.len()).unwrap_or(u32::MAX);
            (image.ret_index, image.text_offset) = (place.ret_index, place.text_offset);
            images.push(image);
        }
        self.images_left -= images.len();
        if let Some(failure) = response.left_out {
            if images.is_empty() {
                return lost(place, failure);
            }
            tracing::warn!(%failure, ret_index = place.ret_index, "a found picture is left out");
        }
        if images.is_empty() {
            let message = if self.conditions.is_empty() {
                "every picture of the index was shown already, or it is empty"
            } else {
                "every picture of the index that meets the conditions was shown already, or there is none"
            };
            let message = message.to_owned();
            return Recalled::Unavailable(place, Reason::NoneLeft, message);
        }
        Recalled::Found(images)
    }
}

/// What a search that failed is to the client; the text goes on.
fn lost(place: Place, failure: Failure) -> Recalled {
    if !failure.is_defect() {
        tracing::warn!(%failure, ret_index = place.ret_index, "search failed; the text goes on");
    }
    let deadline = failure.fault() == Fault::Deadline;
    let reason = if deadline { Reason::Deadline } else { Reason::Unavailable };
    // Defects stay in the log, as everywhere.
    let message = fondue_serving::status::status(failure).message().to_owned();
    Recalled::Unavailable(place, reason, message)
}

/// A hit as the client sees it; `None` if it names no picture. Rank and place are left at 0.
pub fn found_image(hit: Hit, index: &Index, generation: &str) -> Option<FoundImage> {
    let picture = hit.picture.filter(|picture| !picture.id.is_empty())?;
    Some(FoundImage {
        id: picture.id,
        generation: generation.to_owned(),
        index: index.name().to_owned(),
        score: hit.score,
        caption: picture.caption,
        media_type: picture.media_type,
        data: picture.data,
        url: picture.url,
        ..FoundImage::default()
    })
}
