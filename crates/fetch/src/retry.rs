//! When to try again.

use std::time::{Duration, SystemTime};

use hyper::{HeaderMap, header::RETRY_AFTER};

use crate::limits::Limits;

/// How long to wait before attempt `n` + 1, of attempts from 1: exponential, and half of it chance, so that clients that
/// failed together do not come back together.
pub(crate) fn back_off(limits: &Limits, n: u32, chance: f64) -> Duration {
    let full = limits.back_off.saturating_mul(1 << n.saturating_sub(1).min(20)).min(limits.max_back_off);
    full.div_f64(2.0) + full.div_f64(2.0).mul_f64(chance.clamp(0.0, 1.0))
}

/// What a server asks for, in seconds or as a date.
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;
    use crate::fetcher::tests::limits;

    #[test]
    fn waits_double_up_to_a_limit() {
        let limits = Limits {
            back_off: Duration::from_millis(100),
            max_back_off: Duration::from_millis(350),
            ..limits()
        };
        let wait = |n, chance| back_off(&limits, n, chance).as_millis();
        assert_eq!([wait(1, 0.0), wait(1, 1.0), wait(2, 0.0), wait(2, 1.0)], [50, 100, 100, 200]);
        assert_eq!([wait(3, 1.0), wait(4, 1.0), wait(u32::MAX, 0.0)], [350, 350, 175]);
    }

    #[test]
    fn what_servers_ask_for() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let asked = |value: &'static str| {
            retry_after(&[(RETRY_AFTER, HeaderValue::from_static(value))].into_iter().collect(), now)
        };
        assert_eq!(asked("7"), Some(Duration::from_secs(7)));
        assert_eq!(asked("Sun, 06 Nov 1994 08:49:47 GMT"), Some(Duration::from_secs(10)));
        assert_eq!(asked("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(asked("99999999999999999999999999"), Some(Duration::from_secs(u64::MAX)));
        assert_eq!((asked("-7"), asked("soon"), asked("")), (None, None, None));
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
