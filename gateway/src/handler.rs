//! The four calls of the dialogue API.

use std::{sync::Arc, time::Duration};

use fondue_proto::dialogue::{
    ConverseRequest, ReplyRequest, RetrieveRequest, RetrieveResponse, ScoreRequest, ScoreResponse,
    dialogue_server::Dialogue as DialogueApi,
};
use fondue_serving::{deadline::deadline, server::Kept, status::status};
use tokio::{sync::mpsc, time::Instant};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming, metadata::MetadataMap};
use tracing::Instrument;

use crate::{
    auth::caller,
    converse,
    desk::Desk,
    request,
    single::{self, EventStream},
    unary,
};

/// A conversation lasts as long as its client's own deadline says; this stands for none.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// Serves `fondue.dialogue.v1.Dialogue`.
#[derive(Clone, Debug)]
pub struct Handler {
    desk: Arc<Desk>,
}

impl Handler {
    /// A handler at `desk`.
    pub fn new(desk: Arc<Desk>) -> Self {
        Self { desk }
    }

    /// When a call that generates nothing must be over.
    fn unary_deadline(&self, metadata: &MetadataMap) -> Instant {
        deadline(metadata, self.desk.config.defaults.timeout)
    }
}

#[tonic::async_trait]
impl DialogueApi for Handler {
    type ConverseStream = EventStream;
    type ReplyStream = EventStream;

    async fn converse(
        &self,
        request: Request<Streaming<ConverseRequest>>,
    ) -> Result<Response<EventStream>, Status> {
        let caller = caller(request.extensions()).map_err(status)?;
        let room = self.desk.admit_conversation(&caller).map_err(status)?;
        let call_deadline = deadline(request.metadata(), FOREVER);
        let traced = request.metadata().contains_key("traceparent");
        let (events, stream) = mpsc::channel(self.desk.config.limits.events);
        let desk = self.desk.clone();
        let conversation = async move {
            tokio::select! {
                () = events.closed() => {}
                () = converse::converse(&desk, &caller, request.into_inner(), &events, call_deadline, traced) => {}
            }
            drop(room);
        };
        tokio::spawn(conversation.in_current_span());
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn reply(&self, request: Request<ReplyRequest>) -> Result<Response<EventStream>, Status> {
        let caller = caller(request.extensions()).map_err(status)?;
        let room = self.desk.admit_turn(&caller).map_err(status)?;
        let (metadata, _, message) = request.into_parts();
        let events = single::answer(&self.desk, room, message, |timeout| deadline(&metadata, timeout));
        events.await.map(Response::new).map_err(status)
    }

    async fn retrieve(
        &self,
        request: Request<RetrieveRequest>,
    ) -> Result<Response<RetrieveResponse>, Status> {
        let caller = caller(request.extensions()).map_err(status)?;
        let room = self.desk.admit_turn(&caller).map_err(status)?;
        let deadline = self.unary_deadline(request.metadata());
        let config = &self.desk.config;
        let asked =
            request::retrieve(request.into_inner(), &config.defaults, &config.limits).map_err(status)?;
        let found = unary::retrieve(&self.desk, &caller, asked, deadline).await.map_err(status)?;
        let mut response = Response::new(found);
        // It may have pictures, which are in memory until they are read.
        response.extensions_mut().insert(Kept::new(room));
        Ok(response)
    }

    async fn score(&self, request: Request<ScoreRequest>) -> Result<Response<ScoreResponse>, Status> {
        let caller = caller(request.extensions()).map_err(status)?;
        let _room = self.desk.admit_turn(&caller).map_err(status)?;
        let deadline = self.unary_deadline(request.metadata());
        let config = &self.desk.config;
        let asked = request::score(request.into_inner(), &config.defaults, &config.limits).map_err(status)?;
        unary::score(&self.desk, &caller, asked, deadline).await.map(Response::new).map_err(status)
    }
}
