//! Vectors as they are stored: one after another, in one of three precisions.

/// Row-major rows × dim, borrowed from wherever they lie.
#[derive(Clone, Copy, Debug)]
pub enum Rows<'a> {
    /// 32-bit.
    F32(&'a [f32]),
    /// IEEE half bits.
    F16(&'a [u16]),
    /// Whole numbers, symmetric for each row: x ≈ code · scale with scale = max|x| / 127.
    Int8 {
        /// −127 … 127, rows × dim.
        codes: &'a [i8],
        /// One a row.
        scales: &'a [f32],
        /// The same rows as they were, rows × dim: what the final scores are made of.
        exact: &'a [f32],
    },
}
