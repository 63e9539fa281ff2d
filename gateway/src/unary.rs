//! The calls that generate nothing: pictures for a prompt, and the likelihood of continuations.

use std::collections::HashSet;

use fondue_auth::Caller;
use fondue_domain::{Compat, Fault};
use fondue_proto::{
    dialogue::{CandidateScore, RetrieveResponse, ScoreResponse},
    language::{self, ProjectRequest, QueryRequest},
    retrieval::SearchRequest,
};
use tokio::time::Instant;

use crate::{
    desk::Desk,
    dialogue::{Piece, prompt},
    failure::Failure,
    request::{Content, Part, Picture, Retrieve, Score},
    turn::{clock, recall, see, speak::language_compat},
};

/// Parts → vision → the query at the last `[RET]` → retrieval.
///
/// # Errors
/// [`Failure`] of any of the three.
pub async fn retrieve(
    desk: &Desk,
    caller: &Caller,
    mut asked: Retrieve,
    deadline: Instant,
) -> Result<RetrieveResponse, Failure> {
    desk.index(&asked.index)?; // before any work
    let asked_parts = std::mem::take(&mut asked.parts);
    let cache_key = std::mem::take(&mut asked.cache_key);
    let query = query(desk, caller, asked_parts, asked.compat, cache_key, deadline).await?;
    search(desk, query, asked, deadline).await
}

/// Parts → vision → the row of retrieval space at the last `[RET]`.
///
/// # Errors
/// [`Failure`] of either.
pub async fn query(
    desk: &Desk,
    caller: &Caller,
    parts: Vec<Part>,
    compat: Compat,
    cache_key: String,
    deadline: Instant,
) -> Result<Vec<f32>, Failure> {
    let parts = encode(desk, parts, deadline).await?;
    caller.charge(estimated(&parts));
    let cache_key = caller.prompt_key(&cache_key);
    let request = QueryRequest { parts, compat: language_compat(compat) as i32, cache_key };
    let query = clock::call(("language", "Query"), deadline, request, async |request| {
        desk.language.clone().query(request).await
    });
    let query = query.await.map_err(|failure| failure.with_paths(path))?;
    let query = query.embedding.ok_or_else(|| {
        Failure::new(Fault::Internal, "the language service answered a query without an embedding")
    })?;
    Ok(query.values)
}

/// Tokens of a picture in a prompt; without one it costs as much.
const PICTURE_TOKENS: u64 = 4;

/// A picture → vision → its row of retrieval space: where the index would place it.
///
/// # Errors
/// [`Failure`] of the picture's URL, of vision or of language.
pub async fn place(
    desk: &Desk,
    caller: &Caller,
    picture: Part,
    deadline: Instant,
) -> Result<Vec<f32>, Failure> {
    let pictures = desk.links.follow(vec![vec![picture]], deadline).await?.concat().into_iter();
    let pictures: Vec<_> = pictures.filter_map(Content::into_picture).collect();
    caller.charge(pictures.len() as u64 * PICTURE_TOKENS);
    let mut seen = see::see(desk, &pictures, deadline).await?;
    let features = pictures.iter().filter_map(|picture| seen.features.remove(&picture.key));
    let features = features.map(|features| language::Features { values: features.to_vec() }).collect();
    let placed =
        clock::call(("language", "Project"), deadline, ProjectRequest { features }, async |request| {
            desk.language.clone().project(request).await
        });
    let placed = placed.await.map_err(|failure| failure.with_paths(|_| None))?.embeddings;
    let [placed] = <[_; 1]>::try_from(placed).map_err(|placed| {
        Failure::new(Fault::Internal, format!("{} embeddings came for one picture", placed.len()))
    })?;
    Ok(placed.values)
}

/// A row of retrieval space → retrieval. The parts of `asked` do not matter any more.
///
/// # Errors
/// [`Failure`] of retrieval.
pub async fn search(
    desk: &Desk,
    query: Vec<f32>,
    asked: Retrieve,
    deadline: Instant,
) -> Result<RetrieveResponse, Failure> {
    let index = desk.index(&asked.index)?;
    let search = SearchRequest {
        query,
        k: asked.k,
        excluded_ids: asked.excluded_ids,
        excluded_sha256: Vec::new(),
        generation: asked.generation,
        include_data: asked.include_data,
        conditions: asked.conditions,
        ..SearchRequest::default()
    };
    let found = index.search(search, deadline).await?;
    let images = found.hits.into_iter().filter_map(|hit| recall::found_image(hit, index, &found.generation));
    let mut images: Vec<_> = images.take(usize::try_from(asked.k).unwrap_or(0)).collect();
    if let Some(failure) = found.left_out.filter(|_| images.is_empty()) {
        return Err(failure);
    }
    (0..).zip(&mut images).for_each(|(rank, image)| image.rank = rank);
    Ok(RetrieveResponse { images })
}

/// Parts → vision → log-likelihoods.
///
/// # Errors
/// [`Failure`] of either.
pub async fn score(
    desk: &Desk,
    caller: &Caller,
    asked: Score,
    deadline: Instant,
) -> Result<ScoreResponse, Failure> {
    let (n_candidates, with_prompt) = (asked.candidates.len(), asked.with_prompt);
    let parts = encode(desk, asked.parts, deadline).await?;
    caller.charge(estimated(&parts));
    let cache_key = caller.prompt_key(&asked.cache_key);
    let request = language::ScoreRequest { parts, candidates: asked.candidates, with_prompt, cache_key };
    let scored = clock::call(("language", "Score"), deadline, request, async |request| {
        desk.language.clone().score(request).await
    });
    let language::ScoreResponse { scores, prompt } =
        scored.await.map_err(|failure| failure.with_paths(path))?;
    if scores.len() != n_candidates {
        let message =
            format!("the language service gave {} scores for {n_candidates} candidates", scores.len());
        return Err(Failure::new(Fault::Internal, message));
    }
    caller.charge(scores.iter().map(|score| u64::from(score.tokens)).sum());
    if with_prompt != prompt.is_some() {
        let message = "the language service did not weigh what it was asked to";
        return Err(Failure::new(Fault::Internal, message));
    }
    let ours = |score: language::CandidateScore| CandidateScore {
        log_likelihood: score.log_likelihood,
        tokens: score.tokens,
    };
    Ok(ScoreResponse { scores: scores.into_iter().map(ours).collect(), prompt: prompt.map(ours) })
}

/// The client's path for a path of the language service's request: the two agree, but for pictures, which are there
/// as vision's features.
fn path(field: &str) -> Option<String> {
    let known = ["parts", "candidates", "cache_key"].iter().any(|known| field.starts_with(known));
    (known && !field.contains(".image")).then(|| field.to_owned())
}

/// About how many tokens a prompt has; the service does not tell it of these calls.
fn estimated(parts: &[language::Part]) -> u64 {
    const TOKEN_BYTES: usize = 4;
    let tokens = parts.iter().map(|part| match &part.kind {
        Some(language::part::Kind::Text(text)) => text.len().div_ceil(TOKEN_BYTES) as u64,
        Some(language::part::Kind::Image(_)) => PICTURE_TOKENS,
        None => 0,
    });
    tokens.sum()
}

/// The prompt for language; parts stay as they are, one for one, so that paths stay true.
async fn encode(desk: &Desk, parts: Vec<Part>, deadline: Instant) -> Result<Vec<language::Part>, Failure> {
    let parts = desk.links.follow(vec![parts], deadline).await?.concat();
    let mut met = HashSet::new();
    let mut pictures: Vec<Picture> = Vec::new();
    let pieces = parts.into_iter().map(|part| match part {
        Content::Text(text) => Piece::Text(text),
        Content::Picture(picture) => {
            let key = picture.key;
            if met.insert(key) {
                pictures.push(picture);
            }
            Piece::Picture(key)
        }
    });
    let pieces: Vec<_> = pieces.collect();
    let seen = see::see(desk, &pictures, deadline).await?;
    prompt::to_wire(&pieces, &seen.features)
}
