//! A client of the gateway: plays turns over gRPC and HTTP and tells what came of each.

mod grpc;
mod http;
mod sse;

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use ::http::HeaderValue;
use anyhow::{Context, Result, bail};
use fondue_proto::dialogue::{Exchange, dialogue_client::DialogueClient};
use tonic::{
    Request,
    transport::{Channel, Endpoint},
};

use self::{grpc::Live, http::Http};
use super::{
    album::Album,
    mix::Kind,
    outcome::Outcome,
    record::{Clock, Record, Watch},
    schedule::TurnPlan,
};

/// Connections that gRPC's turns share.
const CONNECTIONS: usize = 4;
/// Time for making one.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A server that says nothing for so long after a turn's time has run out will not close it any more.
const GUARD: Duration = Duration::from_secs(5);
/// Found pictures come with their bytes.
const MAX_MESSAGE_BYTES: usize = 64 << 20;

/// How all turns of a run are asked for.
#[derive(Clone, Debug)]
pub(crate) struct Asking {
    /// Tokens of an answer at most.
    pub(crate) max_new_tokens: usize,
    /// What proves who asks; marked as nothing to be shown.
    pub(crate) authorization: Option<HeaderValue>,
}

/// A client of one gateway.
pub(crate) struct Caller {
    connections: Vec<DialogueClient<Channel>>,
    next: AtomicUsize,
    http: Http,
    album: Album,
    asking: Asking,
}

/// What a dialogue carries from one turn to the next.
#[derive(Default)]
pub(crate) struct Dialogue {
    live: Option<Live>,
    history: Vec<Exchange>,
}

impl Caller {
    /// Connects with the first turns, so that a gateway that is down shows in their outcomes.
    ///
    /// # Errors
    /// If that is no address.
    pub(crate) fn new(url: &str, album: Album, asking: Asking) -> Result<Self> {
        if !url.starts_with("http://") {
            bail!("--gateway {url}: must be http://HOST:PORT");
        }
        let endpoint = Endpoint::from_shared(url.to_owned()).with_context(|| format!("--gateway {url}"))?;
        let endpoint = endpoint.connect_timeout(CONNECT_TIMEOUT).tcp_nodelay(true);
        let client = || {
            DialogueClient::new(endpoint.connect_lazy())
                .max_decoding_message_size(MAX_MESSAGE_BYTES)
                .max_encoding_message_size(MAX_MESSAGE_BYTES)
        };
        let connections = (0..CONNECTIONS).map(|_| client()).collect();
        Ok(Self { connections, next: AtomicUsize::new(0), http: Http::new(url)?, album, asking })
    }

    /// Plays a turn that was due at `intended`. What happens to it is in the record, whatever it is.
    pub(crate) async fn turn(
        &self,
        kind: Kind,
        plan: &TurnPlan,
        dialogue: &mut Dialogue,
        intended: Duration,
        clock: Clock,
    ) -> Record {
        let mut watch = Watch::new(kind, intended, clock.now());
        let asked = async {
            match kind {
                Kind::Http => self.http.ask(plan, &self.album, &self.asking, &mut watch, clock).await,
                Kind::Converse => self.converse(plan, dialogue, &mut watch, clock).await,
                _ => self.reply(plan, dialogue, &mut watch, clock).await,
            }
        };
        let last = plan.deadline + GUARD;
        let limit = plan.cancel_after.map_or(last, |cancel| cancel.min(last));
        let outcome = match tokio::time::timeout(limit, asked).await {
            Ok(outcome) => outcome,
            // What was under way is dropped with its stream.
            Err(_) if plan.cancel_after.is_some() => {
                dialogue.live = None;
                Outcome::Cancelled
            }
            Err(_) => Outcome::Broken,
        };
        watch.end(outcome, clock.now())
    }

    /// A message with what proves who asks.
    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(authorization) = &self.asking.authorization
            && let Ok(text) = authorization.to_str()
            && let Ok(value) = text.parse()
        {
            request.metadata_mut().insert("authorization", value);
        }
        request
    }

    /// A client on one of the connections, in turns.
    fn client(&self) -> DialogueClient<Channel> {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        self.connections[next % self.connections.len()].clone()
    }
}
