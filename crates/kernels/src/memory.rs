//! Memory in whole cache lines, so that a vector never lies across two.

use std::collections::TryReserveError;

#[cfg(target_os = "linux")]
use memmap2::Advice;
use memmap2::MmapMut;

/// A cache line.
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// Bytes from which on memory is asked for in huge pages. Weights are read from beginning to end for every token: with small
/// pages each 4 KiB of them cost a walk through the page tables, which took a quarter of the time where it was measured.
const HUGE: usize = 2 << 20;

/// Zeroed lines, whose pages the system gives when they are first touched.
pub(crate) struct Lines {
    store: Store,
    n: usize,
}

enum Store {
    /// Not a vector of lines: only for bytes does the allocator take fresh pages from the system; what is more aligned it
    /// would fill with zeros itself.
    Heap(Vec<u8>),
    Mapped(MmapMut),
}

impl Lines {
    /// None yet.
    pub(crate) const fn none() -> Self {
        Self { store: Store::Heap(Vec::new()), n: 0 }
    }

    /// So many bytes, rounded up to whole lines.
    pub(crate) fn zeroed(bytes: usize) -> Result<Self, TryReserveError> {
        let n = bytes.div_ceil(size_of::<Line>());
        // One more than there are, since the first need not begin at the first byte.
        let room = if n == 0 { 0 } else { (n + 1).saturating_mul(size_of::<Line>()) };
        Vec::<u8>::new().try_reserve_exact(room)?;
        if room >= HUGE
            && let Ok(map) = MmapMut::map_anon(room)
        {
            // A system without huge pages gives small ones.
            #[cfg(target_os = "linux")]
            let _ = map.advise(Advice::HugePage);
            return Ok(Self { store: Store::Mapped(map), n });
        }
        Ok(Self { store: Store::Heap(vec![0; room]), n })
    }

    /// Bytes of the lines.
    pub(crate) fn bytes(&self) -> usize {
        self.n * size_of::<Line>()
    }

    /// What they hold.
    pub(crate) fn of<T: bytemuck::Pod>(&self) -> &[T] {
        let bytes: &[u8] = match &self.store {
            Store::Heap(bytes) => bytes,
            Store::Mapped(map) => map,
        };
        bytemuck::cast_slice(&bytemuck::pod_align_to::<u8, Line>(bytes).1[..self.n])
    }

    /// What they hold, to be set.
    pub(crate) fn of_mut<T: bytemuck::Pod>(&mut self) -> &mut [T] {
        let bytes: &mut [u8] = match &mut self.store {
            Store::Heap(bytes) => bytes,
            Store::Mapped(map) => map,
        };
        bytemuck::cast_slice_mut(&mut bytemuck::pod_align_to_mut::<u8, Line>(bytes).1[..self.n])
    }
}

/// How many vectors hold n values.
pub(crate) const fn vectors(n: usize) -> usize {
    n.div_ceil(crate::lanes::LANES)
}

/// A product that stays at the largest number rather than to begin again at 0: a size of which no memory can be had.
pub(crate) fn size<const N: usize>(factors: [usize; N]) -> usize {
    // A 0 counts wherever it stands.
    if factors.contains(&0) { 0 } else { factors.into_iter().fold(1, usize::saturating_mul) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_and_zero() {
        for bytes in [0, 1, 63, 64, 65, 4096, HUGE - 64, HUGE - 63, HUGE, 5 * HUGE / 2 + 1] {
            let mut lines = Lines::zeroed(bytes).unwrap();
            assert!(lines.bytes() >= bytes && lines.bytes() < bytes + 64);
            assert_eq!(lines.of::<f32>().len() * 4, lines.bytes());
            assert!(lines.of::<f32>().iter().all(|value| *value == 0.0));
            assert_eq!(lines.of_mut::<[f32; 16]>().as_ptr() as usize % 64, 0);
        }
    }

    #[test]
    fn what_cannot_be_is_an_error() {
        assert!(Lines::zeroed(usize::MAX).is_err());
        assert!(Lines::zeroed(isize::MAX as usize).is_err());
    }

    #[test]
    fn sizes_do_not_begin_again() {
        assert_eq!(size([3, 4, 5]), 60);
        assert_eq!(size([usize::MAX, 2, 0]), 0);
        assert_eq!(size([1 << 40, 1 << 40]), usize::MAX);
    }
}
