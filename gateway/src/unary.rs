//! The calls that generate nothing: pictures for a prompt, and the likelihood of continuations.

use std::{collections::HashSet, time::Instant};

use fondue_domain::Fault;
use fondue_proto::{
    dialogue::{CandidateScore, RetrieveResponse, ScoreResponse},
    language::{self, QueryRequest},
    retrieval::SearchRequest,
};

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
pub async fn retrieve(desk: &Desk, asked: Retrieve, deadline: Instant) -> Result<RetrieveResponse, Failure> {
    let index = desk.index(&asked.index)?;
    let parts = encode(desk, asked.parts, deadline).await?;
    let compat = language_compat(asked.compat) as i32;
    let request = QueryRequest { parts, compat, cache_key: asked.cache_key };
    let query = clock::call("language", deadline, request, async |request| {
        desk.language.clone().query(request).await
    });
    let query = query.await.map_err(|failure| failure.with_paths(path))?;
    let query = query.embedding.ok_or_else(|| {
        Failure::new(Fault::Internal, "the language service answered a query without an embedding")
    })?;
    let search = SearchRequest {
        query: query.values,
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
pub async fn score(desk: &Desk, asked: Score, deadline: Instant) -> Result<ScoreResponse, Failure> {
    let (n_candidates, with_prompt) = (asked.candidates.len(), asked.with_prompt);
    let parts = encode(desk, asked.parts, deadline).await?;
    let cache_key = asked.cache_key;
    let request = language::ScoreRequest { parts, candidates: asked.candidates, with_prompt, cache_key };
    let scored = clock::call("language", deadline, request, async |request| {
        desk.language.clone().score(request).await
    });
    let language::ScoreResponse { scores, prompt } =
        scored.await.map_err(|failure| failure.with_paths(path))?;
    if scores.len() != n_candidates {
        let message =
            format!("the language service gave {} scores for {n_candidates} candidates", scores.len());
        return Err(Failure::new(Fault::Internal, message));
    }
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
