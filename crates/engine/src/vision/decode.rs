//! The decode workers: files become the tower's pixels while the tower runs.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Instant,
};

use fondue_imaging::ImagingError;

use super::{job::Failure, line::Line, picture::PictureFile};
use crate::EngineError;

/// A worker's life: ends when the line closes.
pub(super) fn work(line: &Line, prepare: &impl Fn(&PictureFile) -> Result<Vec<f32>, ImagingError>) {
    while let Some(undecoded) = line.next_to_decode() {
        let span =
            tracing::debug_span!(parent: &undecoded.span, "decode", bytes = undecoded.file.data.len() as i64);
        let begun = Instant::now();
        // Decoders are given anything: one that panics costs its picture, not the worker.
        let pixels = span.in_scope(|| catch_unwind(AssertUnwindSafe(|| prepare(&undecoded.file))));
        metrics::histogram!("fondue_vision_decode_seconds").record(begun.elapsed());
        let pixels = match pixels {
            Ok(pixels) => pixels.map_err(|error| Failure::Picture(error.into())),
            Err(_) => Err(Failure::Engine(EngineError::Broken)),
        };
        line.decoded(undecoded, pixels);
    }
}
