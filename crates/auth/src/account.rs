//! What a caller may use: requests, turns and conversations at once, tokens of a day. Kept in memory, by this process alone.

use std::{
    fmt,
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use governor::clock::DefaultClock;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{rate::Rate, refusal::Refusal};

const DAY: u64 = 24 * 3600;

/// How much a caller may use; what is not said is not limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Calls a minute; each turn of a conversation counts as one.
    pub requests_per_minute: Option<NonZeroU32>,
    /// How many of them may come at once; a minute's number unless said.
    pub burst: Option<NonZeroU32>,
    /// Turns, and other calls of the model, that run at once.
    pub concurrent_turns: Option<u32>,
    /// Conversations that are open at once.
    pub conversations: Option<u32>,
    /// Tokens of prompts and answers in a day (UTC).
    pub tokens_per_day: Option<u64>,
}

/// Room of a caller's own; it is given back when this is dropped.
pub type Permit = Option<OwnedSemaphorePermit>;

/// What a caller has used, against its limits.
pub struct Account {
    limits: Limits,
    rate: Option<Arc<Rate<DefaultClock>>>,
    turns: Option<Arc<Semaphore>>,
    conversations: Option<Arc<Semaphore>>,
    used: Arc<Mutex<Used>>,
}

/// Tokens of a day, counted from 1970.
#[derive(Debug, Default)]
struct Used {
    day: u64,
    tokens: u64,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Account {
    /// An account of which nothing is used.
    pub fn new(limits: Limits) -> Self {
        let rate = limits.requests_per_minute.map(|per_minute| {
            let burst = limits.burst.unwrap_or(per_minute);
            Arc::new(Rate::new(per_minute, burst, DefaultClock::default()))
        });
        let room = |most: Option<u32>| most.map(|most| Arc::new(Semaphore::new(most as usize)));
        let (turns, conversations) = (room(limits.concurrent_turns), room(limits.conversations));
        Self { limits, rate, turns, conversations, used: Arc::default() }
    }

    /// The same account with other limits. What is used stays used; what runs within a limit that changed is not counted
    /// against the new one.
    pub fn with_limits(&self, limits: Limits) -> Self {
        let mut new = Self::new(limits);
        new.used = self.used.clone();
        let old = self.limits;
        if (old.requests_per_minute, old.burst) == (limits.requests_per_minute, limits.burst) {
            new.rate.clone_from(&self.rate);
        }
        if old.concurrent_turns == limits.concurrent_turns {
            new.turns.clone_from(&self.turns);
        }
        if old.conversations == limits.conversations {
            new.conversations.clone_from(&self.conversations);
        }
        new
    }

    /// The limits.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Takes one request.
    ///
    /// # Errors
    /// [`Refusal::Rate`].
    pub fn request(&self) -> Result<(), Refusal> {
        let Some(rate) = &self.rate else { return Ok(()) };
        let per_minute = self.limits.requests_per_minute.map_or(0, NonZeroU32::get);
        rate.take().map_err(|retry_after| Refusal::Rate { per_minute, retry_after })
    }

    /// Room for a turn, if the day's tokens are not used up. A turn that begins below the quota may end above it.
    ///
    /// # Errors
    /// [`Refusal::Quota`], [`Refusal::Concurrency`].
    pub fn turn(&self, now: SystemTime) -> Result<Permit, Refusal> {
        if let Some(per_day) = self.limits.tokens_per_day {
            let (day, into_it) = day(now);
            let used = self.with_used(|used| if used.day == day { used.tokens } else { 0 });
            if used >= per_day {
                let retry_after = Duration::from_secs(DAY) - into_it;
                return Err(Refusal::Quota { per_day, retry_after });
            }
        }
        take(self.turns.as_ref(), self.limits.concurrent_turns, "turns")
    }

    /// Room for a conversation.
    ///
    /// # Errors
    /// [`Refusal::Concurrency`].
    pub fn conversation(&self) -> Result<Permit, Refusal> {
        take(self.conversations.as_ref(), self.limits.conversations, "conversations")
    }

    /// Counts tokens as used.
    pub fn charge(&self, tokens: u64, now: SystemTime) {
        let (day, _) = day(now);
        self.with_used(|used| {
            if used.day != day {
                *used = Used { day, tokens: 0 };
            }
            used.tokens = used.tokens.saturating_add(tokens);
        });
    }

    fn with_used<T>(&self, act: impl FnOnce(&mut Used) -> T) -> T {
        // Two numbers that nothing in between can break.
        act(&mut self.used.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn take(room: Option<&Arc<Semaphore>>, most: Option<u32>, what: &'static str) -> Result<Permit, Refusal> {
    let Some(room) = room else { return Ok(None) };
    let full = Refusal::Concurrency { most: most.unwrap_or(0) as usize, what };
    room.clone().try_acquire_owned().map(Some).map_err(|_| full)
}

/// The day of a time, and how far into it that is.
pub(crate) fn day(now: SystemTime) -> (u64, Duration) {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let day = since.as_secs() / DAY;
    (day, since - Duration::from_secs(day * DAY))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_quota_holds_for_a_day() {
        let account = Account::new(Limits { tokens_per_day: Some(20), ..Limits::default() });
        let noon = at(10 * DAY + DAY / 2);
        account.charge(19, noon);
        assert!(account.turn(noon).is_ok(), "one is left");
        account.charge(1, noon);
        let half = Duration::from_secs(DAY / 2);
        let refused = account.turn(noon).unwrap_err();
        assert_eq!(refused, Refusal::Quota { per_day: 20, retry_after: half });
        assert!(refused.to_string().ends_with("try again in 12 h"), "{refused}");
        assert!(account.turn(at(11 * DAY - 1)).is_err());
        assert!(account.turn(at(11 * DAY)).is_ok(), "a new day");
    }

    #[test]
    fn room_comes_back_and_is_counted_apart() {
        let limits = Limits { concurrent_turns: Some(2), conversations: Some(0), ..Limits::default() };
        let account = Account::new(limits);
        let held = account.turn(at(0)).unwrap();
        let _other = account.turn(at(0)).unwrap();
        assert_eq!(account.turn(at(0)).unwrap_err(), Refusal::Concurrency { most: 2, what: "turns" });
        assert!(account.conversation().is_err());
        drop(held);
        assert!(account.turn(at(0)).is_ok());
    }

    #[test]
    fn new_limits_keep_what_was_used() {
        let limits = Limits {
            concurrent_turns: Some(1),
            tokens_per_day: Some(5),
            requests_per_minute: NonZeroU32::new(1),
            ..Limits::default()
        };
        let account = Account::new(limits);
        account.charge(7, at(0));
        account.request().unwrap();
        let _held = account.turns.clone().unwrap().try_acquire_owned().unwrap();
        let more = account.with_limits(Limits { tokens_per_day: Some(8), ..limits });
        assert!(more.request().is_err(), "the same rate goes on");
        assert_eq!(more.turn(at(0)).unwrap_err().reason(), "concurrency");
        let wider = account.with_limits(Limits { concurrent_turns: Some(2), ..limits });
        assert_eq!(wider.turn(at(0)).unwrap_err().reason(), "quota");
    }
}
