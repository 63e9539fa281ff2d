//! Pictures into the index: vision → mapping layers → retrieval, batch after batch.
//!
//! A batch is what has come while the one before was seen. Each is durable before the next begins, so that a stream
//! that fails has lost nothing that was answered for, and its end tells how far it came.

use std::sync::Arc;

use fondue_auth::Caller;
use fondue_domain::{Fault, Violation};
use fondue_proto::{
    dialogue::gallery_server::Gallery as GalleryApi,
    language::{self, ProjectRequest},
    retrieval::{DeleteRequest, DeleteResponse, IngestRequest, IngestResponse, Picture},
    vision::{EncodeRequest, Fit, Image},
};
use fondue_serving::{
    deadline::deadline,
    status::{status, with_info},
};
use futures::{FutureExt, Stream, StreamExt};
use tokio::time::Instant;
use tonic::{Request, Response, Status, Streaming};

use crate::{auth, desk::Desk, failure::Failure, turn::clock};

/// Bytes of pictures at which a batch is full; half the vision service's default limit.
const BATCH_BYTES: usize = 16 << 20;

/// Serves `fondue.dialogue.v1.Gallery`.
#[derive(Clone, Debug)]
pub struct Gallery {
    desk: Arc<Desk>,
}

impl Gallery {
    /// A gallery at `desk`.
    pub fn new(desk: Arc<Desk>) -> Self {
        Self { desk }
    }

    fn writable(&self, caller: &Caller) -> Result<(), Failure> {
        if self.desk.draining.is_cancelled() {
            return Err(Failure::stopping());
        }
        if self.desk.config.gallery_writable {
            return caller.may_change_gallery().map_err(auth::failure);
        }
        let message = "the gallery cannot be changed through this gateway; its operator allows it with \
                       `gallery_writable = true`";
        Err(Failure::new(Fault::Unsupported, message))
    }

    /// Sees a batch and hands it on. `first` is the place of its first picture in the stream.
    async fn take(&self, pictures: Vec<Picture>, first: u64) -> Result<IngestResponse, Stopped> {
        let desk = &self.desk;
        let until = Instant::now() + desk.config.defaults.timeout;
        let image = |picture: &Picture| Image {
            data: picture.data.clone(),
            fit: Fit::Crop as i32,
            ..Image::default()
        };
        let n_pictures = pictures.len();
        let request = EncodeRequest { images: pictures.iter().map(image).collect() };
        let seen = clock::call(("vision", "Encode"), until, request, async |request| {
            desk.vision.clone().encode(request).await
        });
        let seen =
            seen.await.map_err(|failure| failure.with_paths(|field| path("images", "", field, first)))?;
        let features = seen.features.into_iter().map(|each| language::Features { values: each.values });
        let request = ProjectRequest { features: features.collect() };
        let placed = clock::call(("language", "Project"), until, request, async |request| {
            desk.language.clone().project(request).await
        });
        let embeddings = placed.await.map_err(|failure| failure.with_paths(|_| None))?.embeddings;
        if embeddings.len() != n_pictures {
            let message = format!("{} embeddings came for {n_pictures} pictures", embeddings.len());
            return Err(Failure::new(Fault::Internal, message).into());
        }
        let new = pictures.into_iter().zip(embeddings).map(|(picture, embedding)| IngestRequest {
            picture: Some(picture),
            embedding: embedding.values,
            ..IngestRequest::default()
        });
        desk.first_index().ingest(new.collect(), until).await.map_err(|(failure, done)| {
            let failure = failure.with_paths(|field| path("requests", "picture.", field, first));
            Stopped { failure, done }
        })
    }
}

/// Why a stream stopped, and what was done of its last batch.
struct Stopped {
    failure: Failure,
    done: IngestResponse,
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self { failure, done: IngestResponse::default() }
    }
}

#[tonic::async_trait]
impl GalleryApi for Gallery {
    #[tracing::instrument(skip_all, level = "debug")]
    async fn ingest(&self, asked: Request<Streaming<Picture>>) -> Result<Response<IngestResponse>, Status> {
        let caller = auth::caller(asked.extensions()).map_err(status)?;
        self.writable(&caller).map_err(status)?;
        let _room = self.desk.admit_turn(&caller).map_err(status)?;
        let (mut pictures, mut first) = (asked.into_inner(), 0);
        let mut done = IngestResponse::default();
        loop {
            let Batch { taken, end } = Batch::next(&mut pictures, first, &self.desk).await;
            let size = taken.len() as u64;
            if !taken.is_empty() {
                // A key may go while pictures come.
                let may =
                    caller.may_change_gallery().map_err(|refusal| Stopped::from(auth::failure(refusal)));
                let came = match may {
                    Ok(()) => self.take(taken, first).await,
                    Err(stopped) => Err(stopped),
                };
                match came {
                    Ok(more) => add(&mut done, more),
                    Err(stopped) => {
                        add(&mut done, stopped.done);
                        return Err(told(status(stopped.failure), &done));
                    }
                }
            }
            first += size;
            match end {
                None => {}
                Some(Ok(())) => return Ok(Response::new(done)),
                Some(Err(fault)) => return Err(told(fault, &done)),
            }
        }
    }

    #[tracing::instrument(skip_all, level = "debug")]
    async fn delete(&self, asked: Request<DeleteRequest>) -> Result<Response<DeleteResponse>, Status> {
        let caller = auth::caller(asked.extensions()).map_err(status)?;
        self.writable(&caller).map_err(status)?;
        let _room = self.desk.admit_turn(&caller).map_err(status)?;
        let until = deadline(asked.metadata(), self.desk.config.defaults.timeout);
        self.desk.first_index().delete(asked.into_inner(), until).await.map(Response::new).map_err(status)
    }
}

/// Pictures that are seen together, and how the stream ended, if it did.
struct Batch {
    taken: Vec<Picture>,
    end: Option<Result<(), Status>>,
}

impl Batch {
    /// Waits for one picture, and takes along what is there already.
    async fn next(
        pictures: &mut (impl Stream<Item = Result<Picture, Status>> + Unpin),
        first: u64,
        desk: &Desk,
    ) -> Self {
        let (mut taken, mut bytes) = (Vec::new(), 0);
        let end = loop {
            let next = if taken.is_empty() {
                let silence = tokio::time::sleep(desk.config.idle_timeout);
                tokio::select! {
                    next = pictures.next() => next,
                    () = silence => break Some(Err(status(silent(desk)))),
                    () = desk.draining.cancelled() => break Some(Err(status(Failure::stopping()))),
                }
            } else {
                match pictures.next().now_or_never() {
                    Some(next) => next,
                    None => break None,
                }
            };
            let picture = match next {
                None => break Some(Ok(())),
                Some(Err(fault)) => break Some(Err(fault)),
                Some(Ok(picture)) => picture,
            };
            if picture.data.is_empty() {
                let field = format!("pictures[{}].data", first + taken.len() as u64);
                let reason = "is empty; a picture is placed in the index by what it shows";
                break Some(Err(status(Failure::invalid(vec![Violation::new(field, reason)]))));
            }
            bytes += picture.data.len();
            taken.push(picture);
            if taken.len() >= desk.config.vision_batch || bytes >= BATCH_BYTES {
                break None;
            }
        };
        Self { taken, end }
    }
}

fn silent(desk: &Desk) -> Failure {
    let ms = desk.config.idle_timeout.as_millis();
    let message =
        format!("no picture came for {ms} ms, the limit (idle_timeout_ms); send the rest in another stream");
    Failure::new(Fault::Deadline, message)
}

fn add(done: &mut IngestResponse, more: IngestResponse) {
    done.accepted += more.accepted;
    done.replaced += more.replaced;
    if !more.generation.is_empty() {
        done.generation = more.generation;
    }
}

/// The fault, with what was done before it.
fn told(fault: Status, done: &IngestResponse) -> Status {
    let counts = [("accepted", done.accepted), ("replaced", done.replaced)];
    with_info(&fault, "INGEST_STOPPED", counts.map(|(name, count)| (name.to_owned(), count.to_string())))
}

/// `LIST[3].WITHINx` of a batch → `pictures[first + 3].x`; `None` for what no client sets.
fn path(list: &str, within: &str, field: &str, first: u64) -> Option<String> {
    let (index, rest) = field.strip_prefix(list)?.strip_prefix('[')?.split_once(']')?;
    let rest = rest.strip_prefix('.')?.strip_prefix(within)?;
    Some(format!("pictures[{}].{rest}", first + index.parse::<u64>().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_clients_stream() {
        assert_eq!(path("images", "", "images[3].data", 10).as_deref(), Some("pictures[13].data"));
        let field = "requests[0].picture.metadata[year]";
        assert_eq!(path("requests", "picture.", field, 5).as_deref(), Some("pictures[5].metadata[year]"));
        for field in ["requests[0].embedding", "images", "images[x].data", "requests[0]"] {
            assert_eq!(path("requests", "picture.", field, 0), None, "{field}");
        }
    }
}
