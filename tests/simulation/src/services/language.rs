//! Language that plays the script of each turn, to its caller's deadline at most, as the engine does.

use std::time::Duration;

use fondue_domain::Fault;
use fondue_proto::language::{
    DescribeRequest, DescribeResponse, Done, FinishReason, GenerateEvent, GenerateRequest, ProjectRequest,
    ProjectResponse, QueryRequest, QueryResponse, RetQuery, ScoreRequest, ScoreResponse, Started, TextDelta,
    generate_event::Kind, language_server::Language, part,
};
use fondue_serving::{deadline::deadline, status::from_parts};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout_at},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::{Replica, turn_of};
use crate::plan::{Script, word};

/// Time of a reply where its caller says nothing.
const CAP: Duration = Duration::from_secs(60);

type Events = mpsc::Sender<Result<GenerateEvent, Status>>;

impl Replica {
    async fn play(&self, turn: u64, events: &Events) {
        let script = Script::of(self.seed, turn);
        let send = async |kind| drop(events.send(Ok(GenerateEvent { kind: Some(kind) })).await);
        sleep(script.queue).await;
        send(Kind::Started(Started { prompt_tokens: 7, max_positions: 2048, ..Started::default() })).await;
        let (mut text_offset, mut ret_index) = (0, 0);
        for (index, (takes, is_ret)) in script.tokens.into_iter().enumerate() {
            sleep(takes).await;
            if is_ret {
                // The query tells the search whose it is.
                let embedding = vec![turn as f32];
                send(Kind::Query(RetQuery { embedding, ret_index, text_offset })).await;
                ret_index += 1;
            } else {
                let text = word(turn, index);
                text_offset += u32::try_from(text.len()).unwrap_or(u32::MAX);
                send(Kind::Text(TextDelta { text })).await;
            }
        }
        let reason = FinishReason::Stop.into();
        send(Kind::Done(Done { reason, generated_tokens: 3, ..Done::default() })).await;
    }
}

#[tonic::async_trait]
impl Language for Replica {
    type GenerateStream = ReceiverStream<Result<GenerateEvent, Status>>;

    async fn generate(
        &self,
        request: Request<GenerateRequest>,
    ) -> Result<Response<Self::GenerateStream>, Status> {
        self.admit()?;
        let until = deadline(request.metadata(), CAP);
        let texts = request.into_inner().parts.into_iter().filter_map(|part| match part.kind {
            Some(part::Kind::Text(text)) => Some(text),
            _ => None,
        });
        let turn = texts.map(|text| turn_of(&text)).max().unwrap_or(0);
        let (events, stream) = mpsc::channel(1);
        let replica = self.clone();
        tokio::spawn(async move {
            let _working = replica.journal.work(turn, replica.service, replica.index);
            tokio::select! {
                played = timeout_at(until, replica.play(turn, &events)) => if played.is_err() {
                    let late = from_parts(Fault::Deadline, "time ran out", vec![]);
                    let _ = events.try_send(Err(late));
                },
                () = events.closed() => {}
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn describe(&self, _: Request<DescribeRequest>) -> Result<Response<DescribeResponse>, Status> {
        Ok(Response::new(DescribeResponse::default()))
    }

    async fn project(&self, _: Request<ProjectRequest>) -> Result<Response<ProjectResponse>, Status> {
        Err(Status::unimplemented("no turn asks for it"))
    }

    async fn query(&self, _: Request<QueryRequest>) -> Result<Response<QueryResponse>, Status> {
        Err(Status::unimplemented("no turn asks for it"))
    }

    async fn score(&self, _: Request<ScoreRequest>) -> Result<Response<ScoreResponse>, Status> {
        Err(Status::unimplemented("no turn asks for it"))
    }
}
