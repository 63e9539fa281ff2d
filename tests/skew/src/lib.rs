//! `LD_PRELOAD`ed, it lets a program's wall clock be wrong by `FONDUE_SKEW_SECONDS`. Other clocks stay as they are.
#![allow(unsafe_code)] // a function of C's library is replaced

use std::{
    ffi::c_int,
    sync::atomic::{AtomicI64, Ordering},
};

use rustix::time::{ClockId, Timespec, clock_gettime as ask};

/// The variable's value, once it was read; it is read once, for reading it may ask for the time.
static SKEW: AtomicI64 = AtomicI64::new(UNREAD);
const UNREAD: i64 = i64::MIN;

#[allow(clippy::disallowed_methods)] // the program that it is loaded into knows nothing of it
fn skew() -> i64 {
    let known = SKEW.load(Ordering::Relaxed);
    if known != UNREAD {
        return known;
    }
    SKEW.store(0, Ordering::Relaxed);
    let told = std::env::var("FONDUE_SKEW_SECONDS").ok().and_then(|text| text.parse().ok());
    let told = told.unwrap_or(0);
    SKEW.store(told, Ordering::Relaxed);
    told
}

/// In place of libc's function of that name: clock_gettime(2).
///
/// # Safety
/// `time` has room for a `timespec`, as libc asks.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(clock: c_int, time: *mut Timespec) -> c_int {
    let wall = clock == ClockId::Realtime as c_int || clock == ClockId::RealtimeCoarse as c_int;
    let all = [
        ClockId::Realtime,
        ClockId::Monotonic,
        ClockId::ProcessCPUTime,
        ClockId::ThreadCPUTime,
        ClockId::RealtimeCoarse,
        ClockId::MonotonicCoarse,
        ClockId::MonotonicRaw,
        ClockId::Boottime,
    ];
    let Some(id) = all.into_iter().find(|id| *id as c_int == clock) else { return -1 };
    let mut now = ask(id);
    if wall {
        now.tv_sec = now.tv_sec.saturating_add(skew());
    }
    // SAFETY: the caller vouches for it.
    unsafe { time.write(now) };
    0
}
