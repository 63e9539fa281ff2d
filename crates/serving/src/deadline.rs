//! How long a call may take: what the caller allows, capped by the server.

use std::time::Duration;

use http::HeaderMap;
use tokio::time::Instant;
use tonic::metadata::MetadataMap;

/// The header that carries the remaining time of a call.
pub(crate) const HEADER: &str = "grpc-timeout";
/// As good as never, and far from what an instant can hold.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// The instant by which a call must be done: now plus the caller's `grpc-timeout`, at most `cap`.
pub fn deadline(metadata: &MetadataMap, cap: Duration) -> Instant {
    Instant::now() + asked(metadata.as_ref()).unwrap_or(cap).min(cap).min(LONGEST)
}

/// The caller's `grpc-timeout`, if it sent one that can be read.
pub(crate) fn asked(headers: &HeaderMap) -> Option<Duration> {
    headers.get(HEADER).and_then(|value| value.to_str().ok()).and_then(parse)
}

/// The header's value for the time that is left, in the finest unit that has room for it.
pub(crate) fn told(left: Duration) -> String {
    const MOST: u128 = 99_999_999;
    match (left.as_micros(), left.as_millis()) {
        (micros, _) if micros <= MOST => format!("{micros}u"),
        (_, millis) if millis <= MOST => format!("{millis}m"),
        _ => format!("{}S", u128::from(left.as_secs()).min(MOST)),
    }
}

/// At most eight digits and a unit.
/// Source: the gRPC over HTTP/2 protocol, "Timeout".
fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let n: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(n * 3600),
        "M" => Duration::from_secs(n * 60),
        "S" => Duration::from_secs(n),
        "m" => Duration::from_millis(n),
        "u" => Duration::from_micros(n),
        "n" => Duration::from_nanos(n),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(header: Option<&str>, cap: Duration) -> Duration {
        let mut metadata = MetadataMap::new();
        if let Some(header) = header {
            metadata.insert(HEADER, header.parse().unwrap());
        }
        deadline(&metadata, cap) - Instant::now()
    }

    #[test]
    fn the_callers_time_counts_up_to_the_cap() {
        let cap = Duration::from_secs(60);
        let near = |got: Duration, want: u64| (got.as_secs_f64() - want as f64).abs() < 0.5;
        assert!(near(left(None, cap), 60));
        assert!(near(left(Some("5S"), cap), 5));
        assert!(near(left(Some("7000m"), cap), 7));
        assert!(near(left(Some("1H"), cap), 60));
        assert!(near(left(Some("99999999H"), Duration::MAX), LONGEST.as_secs()));
    }

    #[test]
    fn what_is_told_can_be_read() {
        for (left, read) in [
            (Duration::ZERO, Duration::ZERO),
            (Duration::from_micros(99_999_999), Duration::from_micros(99_999_999)),
            (Duration::from_micros(100_000_001), Duration::from_millis(100_000)),
            (Duration::from_secs(100_000), Duration::from_secs(100_000)),
            (Duration::MAX, Duration::from_secs(99_999_999)),
        ] {
            assert_eq!(parse(&told(left)), Some(read), "{left:?}");
        }
    }

    #[test]
    fn nonsense_is_passed_over() {
        for text in ["", "S", "5", "-5S", "5x", "123456789S", "5 S", "5é"] {
            assert!(parse(text).is_none(), "{text}");
        }
    }
}
