//! Language that plays scripts, one for each reply.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use fondue_proto::language::{
    CandidateScore, Compat, DescribeRequest, DescribeResponse, DialogueTemplate, Done, Embedding, Features,
    FinishReason, GenerateEvent, GenerateRequest, Part, ProjectRequest, ProjectResponse, QueryRequest,
    QueryResponse, RetQuery, ScoreRequest, ScoreResponse, Started, TextDelta,
    generate_event::Kind,
    language_server::{Language, LanguageServer},
    part,
};
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, service::Routes};

/// What the model does next.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Text(&'static str),
    /// `[RET]` with this query.
    Ret(f32),
    /// Waits until the test lets it go on, before `Started`.
    Queue,
    /// Waits until the test lets it go on.
    Wait,
    /// Ends the stream without `Done`.
    End,
    /// The tokens have run out.
    Limit,
    /// Ends the stream with this status; as the first step, in place of `Started`.
    Fail(Status),
}

#[derive(Clone)]
pub(crate) struct LanguageFake {
    scripts: Arc<Mutex<VecDeque<Vec<Step>>>>,
    asked: Arc<Mutex<Vec<GenerateRequest>>>,
    queried: Arc<Mutex<Vec<QueryRequest>>>,
    /// Queries that are answered now, and how many were at once at most.
    querying: Arc<Mutex<(usize, usize)>>,
    scored_with: Arc<Mutex<String>>,
    refuses: Arc<Mutex<Option<Status>>>,
    fingerprint: Arc<Mutex<&'static str>>,
    template: Arc<Mutex<Option<DialogueTemplate>>>,
    /// Where prompts begin, and how many positions there are.
    begins: Arc<Mutex<(u32, u32)>>,
    /// One permit lets one `Wait` go on.
    pub(crate) go_on: Arc<Semaphore>,
    /// One permit for each `Generate` that has come in.
    pub(crate) came: Arc<Semaphore>,
    /// One permit for each stream that the gateway dropped before its end.
    pub(crate) dropped: Arc<Semaphore>,
}

impl Default for LanguageFake {
    fn default() -> Self {
        let none = || Arc::new(Semaphore::new(0));
        Self {
            scripts: Arc::default(),
            asked: Arc::default(),
            queried: Arc::default(),
            querying: Arc::default(),
            scored_with: Arc::default(),
            refuses: Arc::default(),
            fingerprint: Arc::default(),
            template: Arc::default(),
            begins: Arc::default(),
            go_on: none(),
            came: none(),
            dropped: none(),
        }
    }
}

impl LanguageFake {
    pub(crate) fn routes(&self) -> Routes {
        Routes::new(LanguageServer::new(self.clone()))
    }

    /// The next reply; without one the model says ` ok`.
    pub(crate) fn will(&self, script: impl Into<Vec<Step>>) {
        self.scripts.lock().unwrap().push_back(script.into());
    }

    /// From now on `Query` and `Score` end with this.
    pub(crate) fn refuse(&self, status: Status) {
        *self.refuses.lock().unwrap() = Some(status);
    }

    fn check(&self) -> Result<(), Status> {
        self.refuses.lock().unwrap().clone().map_or(Ok(()), Err)
    }

    /// The model that it runs from now on.
    pub(crate) fn be(&self, fingerprint: &'static str) {
        *self.fingerprint.lock().unwrap() = fingerprint;
    }

    /// How a dialogue reads to it from now on.
    pub(crate) fn reads(&self, question_prefix: &str, answer_prefix: &str, turn_separator: &str) {
        let [question_prefix, answer_prefix, turn_separator] =
            [question_prefix, answer_prefix, turn_separator].map(str::to_owned);
        let template = DialogueTemplate { question_prefix, answer_prefix, turn_separator };
        *self.template.lock().unwrap() = Some(template);
    }

    /// From now on prompts begin at this one of their cuts, counted from 1, and the model has so many positions.
    pub(crate) fn begin_at(&self, cut: u32, max_positions: u32) {
        *self.begins.lock().unwrap() = (cut, max_positions);
    }

    pub(crate) fn asked(&self) -> Vec<GenerateRequest> {
        self.asked.lock().unwrap().clone()
    }

    /// The prompt of reply number `index`; see [`shown`].
    pub(crate) fn prompt(&self, index: usize) -> Vec<String> {
        shown(&self.asked()[index].parts)
    }

    /// The behaviour that the newest query was to have.
    pub(crate) fn queried_as(&self) -> Compat {
        self.queried.lock().unwrap().last().unwrap().compat()
    }

    /// How many queries were answered at once, at most.
    pub(crate) fn most_queries(&self) -> usize {
        self.querying.lock().unwrap().1
    }

    /// The cache key of the newest query.
    pub(crate) fn queried_with(&self) -> String {
        self.queried.lock().unwrap().last().unwrap().cache_key.clone()
    }

    /// The cache key of the newest score.
    pub(crate) fn scored_with(&self) -> String {
        self.scored_with.lock().unwrap().clone()
    }

    /// The prompt of the only `Query`.
    pub(crate) fn queried(&self) -> Vec<String> {
        let queried = self.queried.lock().unwrap();
        assert_eq!(queried.len(), 1);
        shown(&queried[0].parts)
    }
}

/// A prompt in short: texts as they are, pictures as `<their features>`.
fn shown(parts: &[Part]) -> Vec<String> {
    let show = |part: &Part| match part.kind.as_ref().unwrap() {
        part::Kind::Text(text) => text.clone(),
        part::Kind::Image(features) => format!("<{:?}>", features.values),
    };
    parts.iter().map(show).collect()
}

type Events = mpsc::Sender<Result<GenerateEvent, Status>>;

impl LanguageFake {
    /// `None` if the gateway dropped the stream.
    async fn play(&self, script: Vec<Step>, events: &Events) -> Option<()> {
        let send = async |kind| events.send(Ok(GenerateEvent { kind: Some(kind) })).await.ok();
        let (mut offset, mut n_rets) = (0, 0);
        let mut started = false;
        let mut reason = FinishReason::Stop;
        let (cut, max_positions) = *self.begins.lock().unwrap();
        for step in script {
            if !started && !matches!(step, Step::Fail(_) | Step::Queue) {
                send(Kind::Started(Started {
                    prompt_tokens: 7,
                    queue_ms: 1.5,
                    cached_tokens: 4,
                    cut,
                    max_positions,
                }))
                .await?;
                started = true;
            }
            match step {
                Step::Text(text) => {
                    send(Kind::Text(TextDelta { text: text.to_owned() })).await?;
                    offset += u32::try_from(text.chars().count()).unwrap();
                }
                Step::Ret(query) => {
                    let query = RetQuery { embedding: vec![query], ret_index: n_rets, text_offset: offset };
                    send(Kind::Query(query)).await?;
                    n_rets += 1;
                }
                Step::Queue | Step::Wait => tokio::select! {
                    permit = self.go_on.acquire() => permit.unwrap().forget(),
                    () = events.closed() => return None,
                },
                Step::End => return Some(()),
                Step::Limit => reason = FinishReason::Length,
                Step::Fail(status) => return events.send(Err(status)).await.ok(),
            }
        }
        let done = Done {
            reason: reason as i32,
            prompt_tokens: 7,
            generated_tokens: 3,
            prefill_ms: 2.5,
            decode_ms: 3.5,
            cached_tokens: 4,
        };
        send(Kind::Done(done)).await
    }
}

#[tonic::async_trait]
impl Language for LanguageFake {
    type GenerateStream = ReceiverStream<Result<GenerateEvent, Status>>;

    async fn generate(
        &self,
        request: Request<GenerateRequest>,
    ) -> Result<Response<Self::GenerateStream>, Status> {
        self.asked.lock().unwrap().push(request.into_inner());
        self.came.add_permits(1);
        let script = self.scripts.lock().unwrap().pop_front().unwrap_or(vec![Step::Text(" ok")]);
        let (events, stream) = mpsc::channel(1);
        let fake = self.clone();
        tokio::spawn(async move {
            if fake.play(script, &events).await.is_none() {
                fake.dropped.add_permits(1);
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn query(&self, request: Request<QueryRequest>) -> Result<Response<QueryResponse>, Status> {
        self.check()?;
        self.queried.lock().unwrap().push(request.into_inner());
        {
            let (now, most) = &mut *self.querying.lock().unwrap();
            *now += 1;
            *most = (*most).max(*now);
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        self.querying.lock().unwrap().0 -= 1;
        Ok(Response::new(QueryResponse { embedding: Some(Embedding { values: vec![0.5] }) }))
    }

    async fn score(&self, request: Request<ScoreRequest>) -> Result<Response<ScoreResponse>, Status> {
        self.check()?;
        let score = |text: String| CandidateScore { log_likelihood: -(text.len() as f32), tokens: 1 };
        let asked = request.into_inner();
        self.scored_with.lock().unwrap().clone_from(&asked.cache_key);
        let prompt = asked.with_prompt.then_some(CandidateScore { log_likelihood: -7.5, tokens: 3 });
        let scores = asked.candidates.into_iter().map(score).collect();
        Ok(Response::new(ScoreResponse { scores, prompt }))
    }

    /// An embedding is the features and a 7.
    async fn project(&self, asked: Request<ProjectRequest>) -> Result<Response<ProjectResponse>, Status> {
        let features = asked.into_inner().features.into_iter();
        let embedding = |features: Features| Embedding { values: [features.values, vec![7.0]].concat() };
        Ok(Response::new(ProjectResponse { embeddings: features.map(embedding).collect() }))
    }

    async fn describe(&self, _: Request<DescribeRequest>) -> Result<Response<DescribeResponse>, Status> {
        let fingerprint = self.fingerprint.lock().unwrap().to_string();
        let template = self.template.lock().unwrap().clone();
        Ok(Response::new(DescribeResponse { fingerprint, template, ..DescribeResponse::default() }))
    }
}
