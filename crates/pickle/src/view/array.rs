//! NumPy's arrays.

use std::borrow::Cow;

use crate::dtype::Dtype;

/// An array whose data lies in the file, or was decoded for this view if the pickle's protocol is 2 or lower.
#[derive(Clone, Debug)]
pub struct ArrayView<'a> {
    /// Type of its elements.
    pub dtype: Dtype,
    /// Its dimensions; none for a single number.
    pub shape: Vec<usize>,
    /// Whether the first index runs fastest, not the last.
    pub fortran: bool,
    /// Its elements, little-endian: exactly as many bytes as shape and dtype need. They are not aligned.
    pub bytes: Cow<'a, [u8]>,
}
