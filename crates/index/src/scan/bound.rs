//! How far the score of a row's codes may be from the score of the row as it was.
//!
//! A value x is code · s + e with |e| ≤ s/2, so that for a query q the exact scores differ by at most s/2 · ‖q‖₁. Both are
//! computed in f32: each of the sums has at most m roundings on the way of a product to the result, each of at most 2⁻²⁴ of
//! what it rounds, and no product's part is larger than 127.5 · s · |qᵢ|. All of it is a multiple of s · ‖q‖₁, so that one
//! number for each query and one scale for each row bound the error.

/// Half a unit in the last place of 1.
const ROUNDING: f64 = 1.0 / (1u64 << 24) as f64;

/// What numbers too small for f32's whole precision may add: far more than dim · (1 + ‖q‖₁) of the smallest.
const SMALLEST: f32 = f32::MIN_POSITIVE * 65_536.0;

/// The highest score that a row may have whose codes have this one.
#[inline]
pub(super) fn highest(score: f32, scale: f32, margin: f32) -> f32 {
    score + (scale * margin + SMALLEST)
}

/// The error in scales of the row.
pub(super) fn margin(query: &[f32]) -> f32 {
    let l1: f64 = query.iter().map(|value| f64::from(value.abs())).sum();
    // A product and a sum for each vector of sixteen, four sums of halves, and the scale, the margin and their sum.
    let roundings = 2 * query.len().div_ceil(16) + 8;
    let summed = 2.0 * 128.0 * 1.01 * roundings as f64 * ROUNDING;
    // The division by the scale, and the scale's own, when the code was made.
    let coded = 4.0 * 128.0 * ROUNDING;
    let margin = l1 * (0.5 + summed + coded);
    // Up, when it becomes an f32.
    (margin * (1.0 + 4.0 * ROUNDING)) as f32
}
