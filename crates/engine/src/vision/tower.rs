//! The tower's thread: takes batches off the line, runs them, hands out features.

use std::time::Instant;

use fondue_model::ModelError;
use tracing::Span;

use super::{
    job::Failure,
    line::{Decoded, Line},
    links::Links,
};

/// The thread's life: ends when the line closes.
pub(super) fn own(line: &Line, encode: impl Fn(&[Vec<f32>]) -> Result<Vec<Vec<f32>>, ModelError>) {
    // A panic of the tower must not leave callers waiting for it.
    let _closing = Closing(line);
    let encode = |pixels: &[Vec<f32>]| {
        let (features, expected) = (encode(pixels)?, pixels.len());
        match features.len() {
            got if got == expected => Ok(features),
            got => Err(ModelError::Shape { what: "batch of features", got, expected }),
        }
    };
    while let Some(batch) = line.next_batch() {
        // Of no call alone: a trace of its own, linked to all calls that share it. Those who wait now are linked before
        // it is entered, when it is decided whether it is recorded; those who join while it runs, when it is done.
        let span = tracing::debug_span!(parent: None, "batch", pictures = batch.len() as i64);
        let mut links = Links::of(span.clone());
        if !span.is_disabled() {
            line.callers(&batch).iter().for_each(|call| links.add(call));
        }
        let _within = span.enter();
        measure(&batch, line.max_batch());
        // In each call's own trace, linked to the batch.
        let _parts: Vec<_> = batch.iter().map(|picture| part(picture, &span, batch.len())).collect();
        let (batch, pixels): (Vec<_>, Vec<_>) = batch.into_iter().map(Decoded::split).unzip();
        let begun = Instant::now();
        let result = encode(&pixels);
        metrics::histogram!("fondue_vision_encode_seconds").record(begun.elapsed());
        match result {
            Ok(features) => {
                let done = batch.into_iter().zip(features);
                line.finish(done.map(|(picture, features)| (picture, Ok(features.into()))), &mut links);
            }
            Err(error) if batch.len() == 1 => {
                let failure = Failure::Engine(error.into());
                line.finish(batch.into_iter().map(|picture| (picture, Err(failure.clone()))), &mut links);
            }
            Err(error) => {
                // Whoever asks for too much (memory, say) fails without the others.
                tracing::warn!(%error, pictures = batch.len(), "a batch failed; its pictures are tried one by one");
                for (picture, pixels) in batch.into_iter().zip(pixels) {
                    let features = encode(&[pixels]).map(|mut features| features.pop().unwrap_or_default());
                    let answer = features.map(Into::into).map_err(|error| Failure::Engine(error.into()));
                    line.finish([(picture, answer)], &mut links);
                }
            }
        }
    }
}

fn measure(batch: &[Decoded], max_batch: usize) {
    metrics::histogram!("fondue_vision_batch_pictures").record(batch.len() as f64);
    let occupancy = batch.len() as f64 / max_batch as f64;
    metrics::histogram!("fondue_vision_batch_occupancy_ratio").record(occupancy);
    for picture in batch {
        let queued = picture.queued().as_secs_f64();
        metrics::histogram!("fondue_vision_queue_seconds").record(queued);
    }
}

/// A picture's time in the tower, in the trace of the call that asked for it first.
fn part(picture: &Decoded, batch: &Span, pictures: usize) -> Span {
    let span = tracing::debug_span!(parent: &picture.span, "tower", batch = pictures as i64);
    span.follows_from(batch.id());
    span
}

struct Closing<'a>(&'a Line);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}
