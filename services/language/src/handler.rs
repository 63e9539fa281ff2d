//! The RPCs: checks what came, hands it to the engine, turns its emissions into events.

use std::{pin::Pin, sync::Arc};

use fondue_domain::{Embedding, Fault};
use fondue_engine::{
    Emission, EngineError, FinishReason, Generation, LanguageEngine, Likelihood, Likelihoods,
};
use fondue_model::{DialogueTemplate, Placement};
use fondue_proto::language::{
    self as wire, CandidateScore, DescribeRequest, DescribeResponse, GenerateEvent, GenerateRequest,
    ProjectRequest, ProjectResponse, QueryRequest, QueryResponse, ScoreRequest, ScoreResponse,
    generate_event::Kind, language_server::Language,
};
use fondue_serving::{
    deadline::deadline,
    loading::Loading,
    status::{from_parts, status},
};
use futures::{Stream, StreamExt};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::{
    config::Limits,
    request::{self, RequestError},
};

/// The language service.
pub struct Handler {
    model: Arc<Loading<Loaded>>,
    limits: Limits,
}

/// What is there once the model has loaded.
pub struct Loaded {
    pub(crate) engine: LanguageEngine,
    pub(crate) fingerprint: String,
    /// What the model's folder says of it.
    pub(crate) template: Option<DialogueTemplate>,
    pub(crate) placement: Placement,
    pub(crate) slots: usize,
}

impl Handler {
    /// A service for a model that may still be loading.
    pub fn new(model: Arc<Loading<Loaded>>, limits: Limits) -> Self {
        Self { model, limits }
    }
}

#[tonic::async_trait]
impl Language for Handler {
    type GenerateStream = Pin<Box<dyn Stream<Item = Result<GenerateEvent, Status>> + Send>>;

    #[tracing::instrument(skip_all, level = "debug", fields(
        parts = asked.get_ref().parts.len() as i64,
        prompt_tokens = tracing::field::Empty,
        cached_tokens = tracing::field::Empty,
        generated_tokens = tracing::field::Empty,
    ))]
    async fn generate(
        &self,
        asked: Request<GenerateRequest>,
    ) -> Result<Response<Self::GenerateStream>, Status> {
        let deadline = deadline(asked.metadata(), self.limits.timeout).into_std();
        let asked = asked.into_inner();
        let engine = &self.model.get().map_err(status)?.engine;
        let random = uuid::Uuid::new_v4().as_u64_pair().0;
        let compat = request::compat(asked.compat).map_err(status)?;
        let max_new_tokens = request::new_tokens(asked.max_new_tokens, &self.limits).map_err(status)?;
        let span =
            tracing::debug_span!("tokenize", positions = tracing::field::Empty, cut = tracing::field::Empty);
        let (prompt, cut) = span
            .in_scope(|| request::cut_prompt(asked.parts, &asked.cuts, max_new_tokens, engine, &self.limits))
            .map_err(status)?;
        span.record("positions", prompt.positions(engine.facts().prefix_len) as i64)
            .record("cut", i64::from(cut));
        drop(span);
        let max_positions = engine.facts().max_positions as u32;
        let generation = Generation {
            compat,
            sampling: request::sampling(asked.sampling, random).map_err(status)?,
            max_new_tokens,
            stop: request::stops(asked.stop, compat).map_err(status)?,
            stop_at_newline: !asked.ignore_newline,
            cache_key: request::cache_key(asked.cache_key).map_err(status)?,
            prompt,
            deadline,
        };
        let emissions = engine.generate(generation).map_err(status)?;
        let begun = move |mut event: GenerateEvent| {
            if let Some(Kind::Started(started)) = &mut event.kind {
                (started.cut, started.max_positions) = (cut, max_positions);
            }
            event
        };
        let events = events(ReceiverStream::new(emissions)).map(move |event| event.map(begun));
        Ok(Response::new(Box::pin(events)))
    }

    #[tracing::instrument(skip_all, level = "debug")]
    async fn project(&self, asked: Request<ProjectRequest>) -> Result<Response<ProjectResponse>, Status> {
        let deadline = deadline(asked.metadata(), self.limits.timeout).into_std();
        let engine = &self.model.get().map_err(status)?.engine;
        let features =
            request::all_features(asked.into_inner().features, engine, &self.limits).map_err(status)?;
        let embeddings = engine.project(features, deadline).await.map_err(status)?;
        Ok(Response::new(ProjectResponse { embeddings: embeddings.into_iter().map(embedding).collect() }))
    }

    #[tracing::instrument(skip_all, level = "debug")]
    async fn query(&self, asked: Request<QueryRequest>) -> Result<Response<QueryResponse>, Status> {
        let deadline = deadline(asked.metadata(), self.limits.timeout).into_std();
        let engine = &self.model.get().map_err(status)?.engine;
        let asked = asked.into_inner();
        let compat = request::compat(asked.compat).map_err(status)?;
        let prompt = request::prompt(asked.parts, engine, &self.limits).map_err(status)?;
        let cache_key = request::cache_key(asked.cache_key).map_err(status)?;
        let query =
            engine.query(prompt, compat, &cache_key, deadline).await.map_err(|error| match error {
                EngineError::NoRet => status(RequestError::Prompt(error)),
                other => status(other),
            })?;
        Ok(Response::new(QueryResponse { embedding: Some(embedding(query)) }))
    }

    #[tracing::instrument(skip_all, level = "debug")]
    async fn score(&self, asked: Request<ScoreRequest>) -> Result<Response<ScoreResponse>, Status> {
        let deadline = deadline(asked.metadata(), self.limits.timeout).into_std();
        let asked = asked.into_inner();
        let engine = &self.model.get().map_err(status)?.engine;
        let at_least = usize::from(!asked.with_prompt);
        let candidates =
            request::candidates(&asked.candidates, at_least, engine, &self.limits).map_err(status)?;
        let prompt = request::prompt(asked.parts, engine, &self.limits).map_err(status)?;
        let cache_key = request::cache_key(asked.cache_key).map_err(status)?;
        let scored = engine.score(prompt, asked.with_prompt, candidates, &cache_key, deadline).await;
        let Likelihoods { prompt, candidates } = scored.map_err(|error| match error {
            EngineError::PromptTooLong { .. } => status(RequestError::field("candidates", error.to_string())),
            other => status(other),
        })?;
        Ok(Response::new(ScoreResponse {
            scores: candidates.into_iter().map(score).collect(),
            prompt: prompt.map(score),
        }))
    }

    async fn describe(&self, _: Request<DescribeRequest>) -> Result<Response<DescribeResponse>, Status> {
        let model = self.model.get().map_err(status)?;
        let (facts, (active, queued)) = (model.engine.facts(), model.engine.load());
        let kv = model.engine.kv();
        Ok(Response::new(DescribeResponse {
            feature_dim: facts.feature_dim as u32,
            embedding_dim: facts.embedding_dim as u32,
            prefix_len: facts.prefix_len as u32,
            max_positions: facts.max_positions as u32,
            fingerprint: model.fingerprint.clone(),
            dtype: model.placement.dtype.to_string(),
            device: model.placement.device_name(),
            active_slots: active as u32,
            slots: model.slots as u32,
            queued: queued as u32,
            kv_budget_bytes: (kv.blocks * kv.block_bytes) as u64,
            kv_used_bytes: (kv.used * kv.block_bytes) as u64,
            kv_cached_bytes: (kv.kept * kv.block_bytes) as u64,
            template: model.template.clone().map(template),
        }))
    }
}

/// The engine's emissions as events. A stream that ends without its `Done` is an error, never a short answer.
fn events(emissions: impl Stream<Item = Emission>) -> impl Stream<Item = Result<GenerateEvent, Status>> {
    let end = futures::stream::once(std::future::ready(None));
    emissions.map(Some).chain(end).scan(false, |closed, emission| {
        let item = match emission {
            Some(emission) => {
                *closed = matches!(emission, Emission::Done { .. } | Emission::Failed(_));
                Some(event(emission))
            }
            None if *closed => None,
            None => Some(Err(from_parts(
                Fault::Internal,
                "the engine broke off in the middle of a text",
                Vec::new(),
            ))),
        };
        std::future::ready(item)
    })
}

fn event(emission: Emission) -> Result<GenerateEvent, Status> {
    let millis = |time: std::time::Duration| time.as_secs_f32() * 1e3;
    let kind = match emission {
        Emission::Started { prompt_tokens, cached_tokens, queued } => Kind::Started(wire::Started {
            prompt_tokens: prompt_tokens as u32,
            queue_ms: millis(queued),
            cached_tokens: cached_tokens as u32,
            // Told by the call.
            ..wire::Started::default()
        }),
        Emission::Text(text) => Kind::Text(wire::TextDelta { text }),
        Emission::Query { embedding, ret_index, text_offset } => {
            Kind::Query(wire::RetQuery { embedding: embedding.into_values(), ret_index, text_offset })
        }
        Emission::Done { reason, usage } => Kind::Done(wire::Done {
            reason: match reason {
                FinishReason::Stop => wire::FinishReason::Stop,
                FinishReason::StopString => wire::FinishReason::StopString,
                FinishReason::Length => wire::FinishReason::Length,
                FinishReason::ContextFull => wire::FinishReason::ContextFull,
            }
            .into(),
            prompt_tokens: usage.prompt_tokens as u32,
            generated_tokens: usage.generated_tokens as u32,
            prefill_ms: millis(usage.prefill),
            decode_ms: millis(usage.decode),
            cached_tokens: usage.cached_tokens as u32,
        }),
        Emission::Failed(error) => return Err(status::<EngineError>(error)),
    };
    Ok(GenerateEvent { kind: Some(kind) })
}

fn template(template: DialogueTemplate) -> wire::DialogueTemplate {
    let DialogueTemplate { question_prefix, answer_prefix, turn_separator } = template;
    wire::DialogueTemplate { question_prefix, answer_prefix, turn_separator }
}

fn score(likelihood: Likelihood) -> CandidateScore {
    CandidateScore { log_likelihood: likelihood.log_likelihood, tokens: likelihood.tokens as u32 }
}

fn embedding(embedding: Embedding) -> wire::Embedding {
    wire::Embedding { values: embedding.into_values() }
}
