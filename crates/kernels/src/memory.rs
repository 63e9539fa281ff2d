//! Memory in whole cache lines, so that a vector never lies across two.

use bytemuck::Zeroable;

/// A cache line.
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
pub(crate) struct Line([u8; 64]);

/// Zeroed lines; the system gives a page when it is first written.
pub(crate) fn lines(bytes: usize) -> Result<Vec<Line>, std::collections::TryReserveError> {
    let n = bytes.div_ceil(size_of::<Line>());
    Vec::<Line>::new().try_reserve_exact(n)?;
    Ok(vec![Line::zeroed(); n])
}

/// How many vectors hold n values.
pub(crate) const fn vectors(n: usize) -> usize {
    n.div_ceil(crate::lanes::LANES)
}
