//! A body, as far as it is within its limits.

use http_body_util::BodyExt;
use hyper::{
    Response,
    body::{Body, Incoming},
    header::CONTENT_ENCODING,
};
use tokio::time::{Instant, timeout_at};

use crate::{error::Reason, limits::Limits};

/// What is set aside for a body on the word of its server.
const FIRST_CAPACITY: usize = 1 << 20;

/// Reads the whole body. Counts what comes, whatever the headers say, and holds no more than the limit and one buffer.
pub(crate) async fn read(response: &mut Response<Incoming>, limits: &Limits) -> Result<Vec<u8>, Reason> {
    let max = limits.max_bytes;
    if let Some(encoding) = response.headers().get(CONTENT_ENCODING)
        && !encoding.as_bytes().eq_ignore_ascii_case(b"identity")
    {
        return Err(Reason::Encoded(encoding.to_str().unwrap_or("?").to_owned()));
    }
    let body = response.body_mut();
    let said = body.size_hint().lower();
    if said > max as u64 {
        return Err(Reason::TooLarge { max });
    }
    let mut bytes = Vec::with_capacity((said as usize).min(FIRST_CAPACITY));
    let mut window = Window::begin(limits, 0);
    loop {
        let frame = match timeout_at(window.end, body.frame()).await {
            Ok(Some(frame)) => frame.map_err(|source| Reason::Incomplete { got: bytes.len(), source })?,
            Ok(None) => return Ok(bytes),
            Err(_) => {
                window = window.next(limits, bytes.len())?;
                continue;
            }
        };
        if let Ok(data) = frame.into_data() {
            if data.len() > max - bytes.len() {
                return Err(Reason::TooLarge { max });
            }
            bytes.extend_from_slice(&data);
        }
        if Instant::now() >= window.end {
            window = window.next(limits, bytes.len())?;
        }
    }
}

/// A stretch of time that must bring something.
struct Window {
    end: Instant,
    /// Bytes at its beginning.
    before: usize,
}

impl Window {
    fn begin(limits: &Limits, before: usize) -> Self {
        Self { end: Instant::now() + limits.progress_window, before }
    }

    fn next(self, limits: &Limits, got: usize) -> Result<Self, Reason> {
        if got - self.before < limits.progress_bytes {
            return Err(Reason::TooSlow { min: limits.progress_bytes, window: limits.progress_window });
        }
        Ok(Self::begin(limits, got))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_must_bring_so_many_bytes_and_no_more() {
        let limits = |progress_bytes| Limits { progress_bytes, ..crate::fetcher::tests::limits() };
        for (least, before, got, enough) in [
            (8, 0, 8, true),
            (8, 0, 7, false),
            (8, 100, 108, true),
            (8, 100, 107, false),
            (1, 5, 5, false),
            (0, 5, 5, true),
        ] {
            let next = Window::begin(&limits(least), before).next(&limits(least), got);
            match next {
                // What came before counts for nothing in the next one.
                Ok(next) => assert!(enough && next.before == got, "{least} {before} {got}"),
                Err(reason) => {
                    assert!(!enough && matches!(reason, Reason::TooSlow { min, .. } if min == least))
                }
            }
        }
    }
}
