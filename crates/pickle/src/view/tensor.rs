//! Torch's tensors.

use std::borrow::Cow;

use super::dims;
use crate::{
    Archive, View,
    dtype::Dtype,
    node::{Id, Node},
};

/// A tensor: a view of a storage, which it was checked to stay within.
#[derive(Clone, Debug)]
pub struct TensorView<'a> {
    /// Type of its elements.
    pub dtype: Dtype,
    /// Its dimensions; none for a single number.
    pub shape: Vec<usize>,
    /// For each dimension, elements of the storage from one index to the next.
    pub strides: Vec<usize>,
    /// Place of the first element in the storage, in elements.
    pub offset: usize,
    /// The whole storage, little-endian. Its bytes lie in the file and are not aligned in general.
    pub bytes: &'a [u8],
}

impl<'a> TensorView<'a> {
    pub(crate) fn new(archive: &'a Archive, args: Id) -> Option<Self> {
        let &[storage, offset, shape, strides, ..] = archive.arena.items(args)? else { return None };
        let Node::Storage { dtype, span } = archive.arena.node(storage) else { return None };
        Some(Self {
            dtype,
            shape: dims(archive, shape)?,
            strides: dims(archive, strides)?,
            offset: View::new(archive, offset).as_i64()?.try_into().ok()?,
            bytes: archive.bytes(span),
        })
    }

    /// Number of elements, which for a tensor expanded by strides of zero can be more than the file has bytes.
    pub fn len(&self) -> usize {
        // The product was checked, but for a zero among numbers that would overflow.
        if self.shape.contains(&0) { 0 } else { self.shape.iter().product() }
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the elements follow each other in the storage, the last index running fastest.
    pub fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        self.is_empty()
            || self.shape.iter().zip(&self.strides).rev().all(|(&dim, &stride)| {
                let fits = dim == 1 || stride == expected;
                expected *= dim;
                fits
            })
    }

    /// The elements' bytes in order of their indices, copied only if they do not lie so. `None` for a tensor that was
    /// expanded to more elements than its storage has, which could need any amount of memory.
    pub fn contiguous(&self) -> Option<Cow<'a, [u8]>> {
        let (size, len) = (self.dtype.size(), self.len());
        if len == 0 {
            return Some(Cow::Borrowed(&[]));
        }
        if len > self.bytes.len() / size {
            return None;
        }
        if self.is_contiguous() {
            let start = self.offset * size;
            return self.bytes.get(start..start + len * size).map(Cow::Borrowed);
        }
        let mut copy = Vec::with_capacity(len * size);
        let mut index = vec![0; self.shape.len()];
        let mut place = self.offset;
        for _ in 0..len {
            copy.extend_from_slice(self.bytes.get(place * size..(place + 1) * size)?);
            for axis in (0..index.len()).rev() {
                index[axis] += 1;
                place += self.strides[axis];
                if index[axis] < self.shape[axis] {
                    break;
                }
                place -= self.strides[axis] * index[axis];
                index[axis] = 0;
            }
        }
        Some(Cow::Owned(copy))
    }
}
