//! The desk that all calls share: clients of the upstreams, limits, admission, and the way out.

pub mod model;

use std::sync::Arc;

use fondue_auth::{Caller, account::Permit};
use fondue_proto::{language::language_client::LanguageClient, vision::vision_client::VisionClient};
use fondue_serving::upstream::{Channel, ClientTls, Upstream, balanced};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use self::model::Model;
use crate::{
    RunError, auth,
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

/// Room for a turn or a conversation, of all and of its caller; both are given back when it is dropped.
#[derive(Debug)]
pub struct Room {
    /// Who has it.
    pub caller: Caller,
    _own: Permit,
    _shared: OwnedSemaphorePermit,
}

impl Desk {
    /// A desk whose upstreams may come up later. It must be made within a tokio runtime.
    ///
    /// # Errors
    /// [`RunError`] if TLS cannot be set up.
    pub fn new(config: Config) -> Result<Self, RunError> {
        let max = config.serving.max_message_bytes.max(MIN_RESPONSE_BYTES);
        let upstreams = config.upstreams.clone();
        let tls = upstreams.tls.map(ClientTls::load).transpose()?;
        let pool = |service: &str, targets, slow_readers| {
            let (balance, tls, network) = (upstreams.balance, tls.clone(), upstreams.network.clone());
            balanced(Upstream { service: service.into(), targets, slow_readers, balance, tls, network })
        };
        let vision = VisionClient::new(pool("vision", upstreams.vision, false));
        let language = pool("language", upstreams.language, true);
        let language = LanguageClient::new(language).max_decoding_message_size(max);
        let vision = vision.max_decoding_message_size(max);
        let mut indexes = Vec::new();
        for (name, targets) in std::iter::once((String::new(), upstreams.retrieval)).chain(upstreams.indexes)
        {
            let service = if name.is_empty() { "retrieval".to_owned() } else { format!("retrieval/{name}") };
            let retrieval = pool(&service, targets, false);
            indexes.push(Index::new(&name, retrieval, max, vision.clone(), language.clone()));
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

    /// Room for a turn; it is given back when it is dropped, with the turn's stream.
    ///
    /// # Errors
    /// [`Failure`]: there is none, for anybody or for this caller, the caller may not call any more, or the server begins to stop. Nobody
    /// waits here.
    pub fn admit_turn(&self, caller: &Caller) -> Result<Room, Failure> {
        self.takes_turns()?;
        let own = caller.turn().map_err(auth::failure)?;
        let most = self.config.limits.concurrent_turns;
        let span = tracing::debug_span!("admission", most = most as i64, running = self.open().0 as i64);
        let _within = span.enter();
        let shared = admit(&self.turns, "turns", || self.full())?;
        Ok(Room { caller: caller.clone(), _own: own, _shared: shared })
    }

    /// Room for further turns of a call that has some: at most `most`, and only while half of all is free, which others may want.
    pub fn further_rooms(&self, caller: &Caller, most: usize) -> Vec<Room> {
        let room = || {
            if 2 * self.turns.available_permits() <= self.config.limits.concurrent_turns {
                return None;
            }
            let own = caller.turn().ok()?;
            let shared = self.turns.clone().try_acquire_owned().ok()?;
            Some(Room { caller: caller.clone(), _own: own, _shared: shared })
        };
        std::iter::repeat_with(room).take(most).map_while(|room| room).collect()
    }

    /// Whether there is room for a turn now, which may be gone before it is asked for.
    ///
    /// # Errors
    /// Busy [`Failure`] when there is none, or the server begins to stop.
    pub fn has_room(&self) -> Result<(), Failure> {
        self.takes_turns()?;
        if self.turns.available_permits() > 0 {
            return Ok(());
        }
        measures::refused("turns");
        Err(Failure::busy(self.full()))
    }

    fn takes_turns(&self) -> Result<(), Failure> {
        if self.draining.is_cancelled() { Err(Failure::stopping()) } else { Ok(()) }
    }

    fn full(&self) -> String {
        format!("{} turns are running, the limit; try again", self.config.limits.concurrent_turns)
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
    /// As of [`Desk::admit_turn`].
    pub fn admit_conversation(&self, caller: &Caller) -> Result<Room, Failure> {
        self.takes_turns()?;
        let own = caller.conversation().map_err(auth::failure)?;
        let most = self.config.limits.conversations;
        let full = || format!("{most} conversations are open, the limit; try again");
        let shared = admit(&self.conversations, "conversations", full)?;
        Ok(Room { caller: caller.clone(), _own: own, _shared: shared })
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
