//! The desk that all calls share: clients of the upstreams, limits, admission, and the way out.

use std::sync::Arc;

use fondue_proto::{
    language::language_client::LanguageClient, retrieval::retrieval_client::RetrievalClient,
    vision::vision_client::VisionClient,
};
use fondue_serving::upstream::{self, Channel, UpstreamError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::{
    config::Config,
    failure::Failure,
    turn::{recall::index::Index, see::cache::Cache},
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
    /// Queries to pictures.
    pub index: Index,
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
    /// [`UpstreamError`] if an address is not one.
    pub fn new(config: Config) -> Result<Self, UpstreamError> {
        let max = config.serving.max_message_bytes.max(MIN_RESPONSE_BYTES);
        let vision = VisionClient::new(upstream::connect_lazy(&config.vision)?);
        let turns = config.limits.concurrent_turns;
        let language = LanguageClient::new(upstream::connect_lazy_for_streams(&config.language, turns)?);
        let language = language.max_decoding_message_size(max);
        let retrieval = RetrievalClient::new(upstream::connect_lazy(&config.retrieval)?);
        let (vision, retrieval) =
            (vision.max_decoding_message_size(max), retrieval.max_decoding_message_size(max));
        Ok(Self {
            index: Index::new(retrieval, vision.clone(), language.clone()),
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

    /// Room for a turn; it is given back when the permit is dropped, with the turn's stream.
    ///
    /// # Errors
    /// Busy [`Failure`] when there is none: nobody waits here.
    pub fn admit_turn(&self) -> Result<OwnedSemaphorePermit, Failure> {
        let most = self.config.limits.concurrent_turns;
        admit(&self.turns, || format!("{most} turns are running, the limit; try again"))
    }

    /// Room for a conversation.
    ///
    /// # Errors
    /// Busy [`Failure`] when there is none.
    pub fn admit_conversation(&self) -> Result<OwnedSemaphorePermit, Failure> {
        let most = self.config.limits.conversations;
        admit(&self.conversations, || format!("{most} conversations are open, the limit; try again"))
    }
}

fn admit(room: &Arc<Semaphore>, full: impl FnOnce() -> String) -> Result<OwnedSemaphorePermit, Failure> {
    room.clone().try_acquire_owned().map_err(|_| Failure::busy(full()))
}
