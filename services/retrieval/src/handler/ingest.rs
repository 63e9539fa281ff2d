//! A stream of pictures, taken in batches that are durable one after the other.
//!
//! A batch is what has come while the one before was written, so that a slow sender waits for each picture and a fast
//! one shares the disk's flushes among many.

use std::time::{Duration, Instant};

use fondue_domain::{Embedding, Fault};
use fondue_index::{IndexError, NewItem};
use fondue_proto::retrieval::{IngestRequest, IngestResponse};
use fondue_serving::status::{from_parts, status, with_info};
use futures::{FutureExt, Stream, StreamExt};
use prost::Message;
use tonic::Status;

use super::named;
use crate::{
    config::Limits,
    gauges, request,
    store::{Store, StoreError},
};

/// Takes a whole stream.
///
/// # Errors
/// A status whose `ErrorInfo` tells how many pictures were made durable before the fault.
pub(super) async fn ingest(
    store: &dyn Store,
    mut asked: impl Stream<Item = Result<IngestRequest, Status>> + Unpin,
    limits: &Limits,
) -> Result<IngestResponse, Status> {
    let mut done = IngestResponse::default();
    let mut n = 0;
    loop {
        let Batch { pictures, end } = Batch::next(&mut asked, &mut n, limits).await;
        if !pictures.is_empty() {
            let size = pictures.len() as u64;
            let begun = Instant::now();
            let ingested = store.ingest(pictures).await.map_err(|error| refused(error, &done))?;
            gauges::ingested(size as usize, ingested.replaced, begun.elapsed());
            done.accepted += size;
            done.replaced += ingested.replaced as u64;
            done.generation = ingested.generation;
        }
        match end {
            None => {}
            Some(Ok(())) => return Ok(done),
            Some(Err(fault)) => return Err(told(fault, &done)),
        }
    }
}

/// Pictures that are taken together, and how the stream ended, if it did.
struct Batch {
    pictures: Vec<(NewItem, Embedding)>,
    end: Option<Result<(), Status>>,
}

impl Batch {
    /// Waits for one picture, and takes along what is there already.
    async fn next(
        asked: &mut (impl Stream<Item = Result<IngestRequest, Status>> + Unpin),
        n: &mut u64,
        limits: &Limits,
    ) -> Self {
        let (mut pictures, mut bytes) = (Vec::new(), 0);
        let end = loop {
            let next = if pictures.is_empty() {
                match tokio::time::timeout(limits.timeout, asked.next()).await {
                    Ok(next) => next,
                    Err(_) => break Some(Err(silent(limits.timeout))),
                }
            } else {
                match asked.next().now_or_never() {
                    Some(next) => next,
                    None => break None,
                }
            };
            let checked = match next {
                None => break Some(Ok(())),
                Some(Err(fault)) => break Some(Err(fault)),
                Some(Ok(asked)) => {
                    bytes += asked.encoded_len();
                    request::new_picture(asked, *n)
                }
            };
            match checked {
                Ok(picture) => pictures.push(picture),
                Err(error) => break Some(Err(status(error))),
            }
            *n += 1;
            if pictures.len() >= limits.batch_rows || bytes >= limits.batch_bytes {
                break None;
            }
        };
        Self { pictures, end }
    }
}

fn silent(timeout: Duration) -> Status {
    let message = format!("no picture came for {} s; send the rest in another stream", timeout.as_secs_f32());
    from_parts(Fault::Deadline, message, Vec::new())
}

fn refused(error: StoreError, done: &IngestResponse) -> Status {
    let field = match &error {
        StoreError::Index(IndexError::Dim { .. }) => Some("embedding"),
        StoreError::Index(IndexError::IdLength { .. }) => Some("picture.id"),
        StoreError::Index(IndexError::Metadata { .. }) => Some("picture.metadata"),
        _ => None,
    };
    told(named(error, field), done)
}

/// The fault, with what was done before it.
fn told(fault: Status, done: &IngestResponse) -> Status {
    let counts = [("accepted", done.accepted), ("replaced", done.replaced)];
    with_info(&fault, "INGEST_STOPPED", counts.map(|(name, count)| (name.to_owned(), count.to_string())))
}
