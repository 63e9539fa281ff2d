//! Chance that follows from a seed, for all code of a thread.
//!
//! The standard library's hash maps, tokio's `select!`, the choice among replicas and the ids of traces all begin with bytes that they
//! ask the system for. This program's own `getrandom` takes the place of libc's, and gives the bytes of a seeded stream in threads that
//! have one.
#![allow(unsafe_code)] // a function of C's library is replaced

use std::{
    cell::RefCell,
    ffi::{c_uint, c_void},
    panic::resume_unwind,
    slice, thread,
};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

thread_local! {
    static STREAM: RefCell<Option<ChaCha8Rng>> = const { RefCell::new(None) };
}

/// Runs `work` in a thread of its own, in which all chance follows from `seed`.
///
/// # Panics
/// As `work` does, or if there is no thread to be had.
pub fn seeded<T: Send>(seed: u64, work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name(format!("seed {seed}")).spawn_scoped(scope, move || {
            STREAM.set(Some(ChaCha8Rng::seed_from_u64(seed)));
            work()
        });
        match thread.map(thread::ScopedJoinHandle::join) {
            Ok(Ok(done)) => done,
            Ok(Err(panic)) => resume_unwind(panic),
            Err(error) => panic!("no thread for the seed {seed}: {error}"),
        }
    })
}

/// Fills `bytes` from the thread's stream; `false` if it has none.
fn fill(bytes: &mut [u8]) -> bool {
    let filled = STREAM.try_with(|stream| {
        let mut stream = stream.try_borrow_mut().ok()?;
        stream.as_mut()?.fill_bytes(bytes);
        Some(())
    });
    filled.ok().flatten().is_some()
}

/// In place of libc's function of that name: getrandom(2).
///
/// # Safety
/// `buffer` has room for `n` bytes, as libc asks.
#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(buffer: *mut c_void, n: usize, flags: c_uint) -> isize {
    if buffer.is_null() || n == 0 {
        return 0;
    }
    // SAFETY: the caller vouches for them; they are made bytes first, for they may not have been any before.
    let bytes = unsafe {
        buffer.cast::<u8>().write_bytes(0, n);
        slice::from_raw_parts_mut(buffer.cast::<u8>(), n)
    };
    if fill(bytes) {
        return n.try_into().unwrap_or(isize::MAX);
    }
    // The kernel itself, not libc.
    match rustix::rand::getrandom(bytes, rustix::rand::GetRandomFlags::from_bits_retain(flags)) {
        Ok(n) => n.try_into().unwrap_or(isize::MAX),
        Err(_) => -1,
    }
}
