//! The desk that all calls share: clients of the upstreams, limits, admission, and the way out.

pub mod model;

use std::sync::Arc;

use fondue_proto::{
    language::language_client::LanguageClient, retrieval::retrieval_client::RetrievalClient,
    vision::vision_client::VisionClient,
};
use fondue_serving::upstream::{self, Channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use self::model::Model;
use crate::{
    RunError,
    config::Config,
    failure::Failure,
    measures,
    turn::{fetch::Links, recall::index::Index, see::cache::Cache},
};

/// A message of a search's pictures: never less than this may be read from an upstream.
const MIN_RESPONSE_BYTES: usize = 64 << 20;

/// What all calls share.
#[derive(Debug)]
pub struct Desk {
    /// Pictures to features.
    pub vision: VisionClient<Channel>,
    /// Prompts to text and queries.
    pub language: LanguageClient<Channel>,
    /// Queries to pictures: the first index, which has no name, and the others.
    pub indexes: Vec<Index>,
    /// URLs to picture files.
    pub links: Links,
    /// What the language model tells of itself.
    pub model: Model,
    /// Features that vision gave lately.
    pub features: Cache,
    /// What was configured.
    pub config: Config,
    turns: Arc<Semaphore>,
    conversations: Arc<Semaphore>,
    /// Cancelled when the server begins to stop: what runs is finished, nothing new begins.
    pub draining: CancellationToken,
    /// Cancelled shortly before the end of the drain: whatever still runs is closed.
    pub ending: CancellationToken,
}

impl Desk {
    /// A desk with lazy connections: upstreams may come up later.
    ///
    /// # Errors
    /// [`RunError`] if an address is not one, or TLS cannot be set up.
    pub fn new(config: Config) -> Result<Self, RunError> {
        let max = config.serving.max_message_bytes.max(MIN_RESPONSE_BYTES);
        let vision = VisionClient::new(upstream::connect_lazy(&config.vision)?);
        let turns = config.limits.concurrent_turns;
        let language = LanguageClient::new(upstream::connect_lazy_for_streams(&config.language, turns)?);
        let language = language.max_decoding_message_size(max);
        let vision = vision.max_decoding_message_size(max);
        let others = config.indexes.iter().map(|(name, address)| (name.as_str(), address.as_str()));
        let mut indexes = Vec::new();
        for (name, address) in std::iter::once(("", config.retrieval.as_str())).chain(others) {
            let retrieval = RetrievalClient::new(upstream::connect_lazy(address)?);
            let retrieval = retrieval.max_decoding_message_size(max);
            indexes.push(Index::new(name, retrieval, vision.clone(), language.clone()));
        }
        Ok(Self {
            indexes,
            links: Links::new(config.images.as_ref(), config.serving.max_message_bytes)
                .map_err(RunError::Links)?,
            model: Model::new(language.clone(), config.template.clone()),
            vision,
            language,
            turns: Arc::new(Semaphore::new(config.limits.concurrent_turns)),
            conversations: Arc::new(Semaphore::new(config.limits.conversations)),
            features: Cache::new(config.feature_cache),
            config,
            draining: CancellationToken::new(),
            ending: CancellationToken::new(),
        })
    }

    /// The index of a name, empty for the first one.
    ///
    /// # Errors
    /// [`Failure`] if there is none: requests were checked at the door.
    pub fn index(&self, name: &str) -> Result<&Index, Failure> {
        let found = self.indexes.iter().find(|index| index.name() == name);
        found.ok_or_else(|| Failure::field("index", format!("there is no index `{name}`")))
    }

    /// The index without a name.
    pub fn first_index(&self) -> &Index {
        &self.indexes[0] // made by `new`
    }

    /// Room for a turn; it is given back when the permit is dropped, with the turn's stream.
    ///
    /// # Errors
    /// Busy [`Failure`] when there is none: nobody waits here.
    pub fn admit_turn(&self) -> Result<OwnedSemaphorePermit, Failure> {
        let most = self.config.limits.concurrent_turns;
        let span = tracing::debug_span!("admission", most = most as i64, running = self.open().0 as i64);
        let _within = span.enter();
        admit(&self.turns, "turns", || format!("{most} turns are running, the limit; try again"))
    }

    /// Turns that have a place, and conversations that are open.
    pub fn open(&self) -> (usize, usize) {
        let limits = &self.config.limits;
        let taken = |most: usize, room: &Semaphore| most.saturating_sub(room.available_permits());
        (taken(limits.concurrent_turns, &self.turns), taken(limits.conversations, &self.conversations))
    }

    /// Room for a conversation.
    ///
    /// # Errors
    /// Busy [`Failure`] when there is none.
    pub fn admit_conversation(&self) -> Result<OwnedSemaphorePermit, Failure> {
        let most = self.config.limits.conversations;
        admit(&self.conversations, "conversations", || {
            format!("{most} conversations are open, the limit; try again")
        })
    }
}

fn admit(
    room: &Arc<Semaphore>,
    limit: &'static str,
    full: impl FnOnce() -> String,
) -> Result<OwnedSemaphorePermit, Failure> {
    room.clone().try_acquire_owned().map_err(|_| {
        measures::refused(limit);
        Failure::busy(full())
    })
}
