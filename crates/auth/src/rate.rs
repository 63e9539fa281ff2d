//! Requests a minute, by `governor`, over a clock that a test can turn.

use std::{num::NonZeroU32, time::Duration};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::NoOpMiddleware,
    state::{InMemoryState, NotKeyed},
};

/// Lets `burst` requests through at once, then one each time that a minute's share has passed.
pub(crate) struct Rate<C: Clock = DefaultClock> {
    limiter: RateLimiter<NotKeyed, InMemoryState, C, NoOpMiddleware<C::Instant>>,
    clock: C,
}

impl<C: Clock + Clone> Rate<C> {
    pub(crate) fn new(per_minute: NonZeroU32, burst: NonZeroU32, clock: C) -> Self {
        let quota = Quota::per_minute(per_minute).allow_burst(burst);
        Self { limiter: RateLimiter::direct_with_clock(quota, clock.clone()), clock }
    }

    /// Takes one request, or tells how long until one is free.
    pub(crate) fn take(&self) -> Result<(), Duration> {
        self.limiter.check().map_err(|until| until.wait_time_from(self.clock.now()))
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    #[test]
    fn a_burst_passes_and_then_one_for_each_share_of_a_minute() {
        let of = |n| NonZeroU32::new(n).unwrap();
        let clock = FakeRelativeClock::default();
        let rate = Rate::new(of(60), of(3), clock.clone());
        for _ in 0..3 {
            assert_eq!(rate.take(), Ok(()));
        }
        assert_eq!(rate.take(), Err(Duration::from_secs(1)), "the boundary");
        clock.advance(Duration::from_millis(999));
        assert_eq!(rate.take(), Err(Duration::from_millis(1)));
        clock.advance(Duration::from_millis(1));
        assert_eq!(rate.take(), Ok(()));
        assert!(rate.take().is_err());
        clock.advance(Duration::from_secs(3600));
        assert_eq!((0..9).filter(|_| rate.take().is_ok()).count(), 3, "no more than a burst is saved up");
    }
}
