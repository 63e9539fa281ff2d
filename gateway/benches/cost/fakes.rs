//! Services that answer at once: language emits 200 texts, vision says the same of every picture, nothing is found.

use fondue_proto::{
    language::{
        self, Done, FinishReason, GenerateEvent, GenerateRequest, Started, TextDelta,
        generate_event::Kind,
        language_server::{Language, LanguageServer},
    },
    retrieval::{
        self,
        retrieval_server::{Retrieval, RetrievalServer},
    },
    vision::{
        self, EncodeRequest, EncodeResponse,
        vision_server::{Vision, VisionServer},
    },
};
use futures::{Stream, stream};
use tokio::{net::TcpListener, runtime::Runtime};
use tonic::{Request, Response, Status, Streaming, service::Routes, transport::Server};

/// Texts that an answer consists of.
pub(crate) const TEXTS: usize = 200;
/// One of them.
const TEXT: &str = " word";
/// A turn that says this is answered without end, for readers that do not read.
pub(crate) const ENDLESS: &str = "endless";

/// The fakes' addresses; they serve until this is dropped.
pub(crate) struct Fakes {
    pub(crate) vision: String,
    pub(crate) language: String,
    pub(crate) retrieval: String,
    _runtime: Runtime2,
}

/// A runtime that may be dropped within another.
struct Runtime2(Option<Runtime>);

impl Drop for Runtime2 {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Fakes {
    pub(crate) fn serve() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let largest = 64 << 20;
        let vision = VisionServer::new(AtOnce).max_decoding_message_size(largest);
        Self {
            vision: serve(&runtime, Routes::new(vision)),
            language: serve(&runtime, Routes::new(LanguageServer::new(AtOnce))),
            retrieval: serve(&runtime, Routes::new(RetrievalServer::new(AtOnce))),
            _runtime: Runtime2(Some(runtime)),
        }
    }
}

fn serve(runtime: &Runtime, routes: Routes) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    runtime.spawn(async move {
        let incoming = TcpListener::from_std(listener).unwrap();
        let incoming = tonic::transport::server::TcpIncoming::from(incoming).with_nodelay(Some(true));
        Server::builder().add_routes(routes).serve_with_incoming(incoming).await.unwrap();
    });
    address
}

struct AtOnce;

type Events = std::pin::Pin<Box<dyn Stream<Item = Result<GenerateEvent, Status>> + Send>>;

fn event(kind: Kind) -> Result<GenerateEvent, Status> {
    Ok(GenerateEvent { kind: Some(kind) })
}

fn text() -> Result<GenerateEvent, Status> {
    event(Kind::Text(TextDelta { text: TEXT.to_owned() }))
}

#[tonic::async_trait]
impl Language for AtOnce {
    type GenerateStream = Events;

    async fn generate(&self, request: Request<GenerateRequest>) -> Result<Response<Events>, Status> {
        let endless = request.get_ref().parts.iter().any(
            |part| matches!(&part.kind, Some(language::part::Kind::Text(text)) if text.contains(ENDLESS)),
        );
        let started = event(Kind::Started(Started { prompt_tokens: 7, ..Started::default() }));
        let begun = stream::iter([started]);
        if endless {
            return Ok(Response::new(Box::pin(stream::StreamExt::chain(begun, stream::repeat_with(text)))));
        }
        let reason = FinishReason::Length as i32;
        let done = event(Kind::Done(Done { reason, generated_tokens: TEXTS as u32, ..Done::default() }));
        let rest = stream::iter((0..TEXTS).map(|_| text()).chain([done]));
        Ok(Response::new(Box::pin(stream::StreamExt::chain(begun, rest))))
    }

    async fn project(
        &self,
        _: Request<language::ProjectRequest>,
    ) -> Result<Response<language::ProjectResponse>, Status> {
        Err(Status::unimplemented("project"))
    }

    async fn query(
        &self,
        _: Request<language::QueryRequest>,
    ) -> Result<Response<language::QueryResponse>, Status> {
        Err(Status::unimplemented("query"))
    }

    async fn score(
        &self,
        _: Request<language::ScoreRequest>,
    ) -> Result<Response<language::ScoreResponse>, Status> {
        Err(Status::unimplemented("score"))
    }

    async fn describe(
        &self,
        _: Request<language::DescribeRequest>,
    ) -> Result<Response<language::DescribeResponse>, Status> {
        let positions = 2048;
        Ok(Response::new(language::DescribeResponse { max_positions: positions, ..Default::default() }))
    }
}

#[tonic::async_trait]
impl Vision for AtOnce {
    async fn encode(&self, request: Request<EncodeRequest>) -> Result<Response<EncodeResponse>, Status> {
        let features = vision::Features { values: vec![0.5; 1024] };
        let n = request.get_ref().images.len();
        Ok(Response::new(EncodeResponse { features: vec![features; n] }))
    }

    async fn describe(
        &self,
        _: Request<vision::DescribeRequest>,
    ) -> Result<Response<vision::DescribeResponse>, Status> {
        Ok(Response::new(vision::DescribeResponse::default()))
    }
}

#[tonic::async_trait]
impl Retrieval for AtOnce {
    async fn search(
        &self,
        _: Request<retrieval::SearchRequest>,
    ) -> Result<Response<retrieval::SearchResponse>, Status> {
        Ok(Response::new(retrieval::SearchResponse::default()))
    }

    async fn ingest(
        &self,
        _: Request<Streaming<retrieval::IngestRequest>>,
    ) -> Result<Response<retrieval::IngestResponse>, Status> {
        Err(Status::unimplemented("ingest"))
    }

    async fn delete(
        &self,
        _: Request<retrieval::DeleteRequest>,
    ) -> Result<Response<retrieval::DeleteResponse>, Status> {
        Err(Status::unimplemented("delete"))
    }

    async fn activate(
        &self,
        _: Request<retrieval::ActivateRequest>,
    ) -> Result<Response<retrieval::ActivateResponse>, Status> {
        Err(Status::unimplemented("activate"))
    }

    async fn compact(
        &self,
        _: Request<retrieval::CompactRequest>,
    ) -> Result<Response<retrieval::CompactResponse>, Status> {
        Err(Status::unimplemented("compact"))
    }

    async fn fetch(
        &self,
        _: Request<retrieval::FetchRequest>,
    ) -> Result<Response<retrieval::FetchResponse>, Status> {
        Err(Status::unimplemented("fetch"))
    }

    async fn describe(
        &self,
        _: Request<retrieval::DescribeRequest>,
    ) -> Result<Response<retrieval::DescribeResponse>, Status> {
        Ok(Response::new(retrieval::DescribeResponse::default()))
    }
}
