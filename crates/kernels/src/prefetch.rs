//! Asks for weights before they are needed.
//!
//! The machine's own look ahead ends at each page of 4 KiB, which is one tile of int8, and the instructions in flight do not
//! reach as far as memory is slow. Why there is unsafe code: the instruction takes a pointer. It reads nothing and never
//! faults, whatever the pointer, which may lie behind the matrix's end.

#![allow(unsafe_code)]

/// Bytes ahead in a product: the most that helped at one row (int8 gained most from 8 KiB to 16).
pub(crate) const WEIGHTS: usize = 16 << 10;

/// Bytes ahead in dot products: 4 KiB is too near for sixteen queries, 16 leaves them less of the first cache.
pub(crate) const ROWS: usize = 8 << 10;

/// Asks for the cache lines of these values.
#[inline(always)]
pub(crate) fn all_of<T>(values: &[T]) {
    #[cfg(target_arch = "x86_64")]
    for line in (0..size_of_val(values)).step_by(64) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let place = values.as_ptr().cast::<i8>().wrapping_add(line);
        // SAFETY: a prefetch is a hint, valid for every address; SSE is part of x86-64.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(place) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = values;
}

/// Asks for the cache lines that lie so many bytes ahead of these values.
#[inline(always)]
pub(crate) fn ahead_of<const AHEAD: usize, T>(values: &T) {
    #[cfg(target_arch = "x86_64")]
    for line in (0..size_of::<T>()).step_by(64) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let place = std::ptr::from_ref(values).cast::<i8>().wrapping_add(AHEAD + line);
        // SAFETY: a prefetch is a hint, valid for every address; SSE is part of x86-64.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(place) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = values;
}
