//! Rows of numbers as they lie in a file, whatever their type and order.

use std::borrow::Cow;

use fondue_pickle::{Dtype, View};
use half::{bf16, f16};

/// An array or a tensor of one or two dimensions; one of one dimension is a row.
pub(super) struct Matrix<'a> {
    pub(super) dtype: Dtype,
    pub(super) n_rows: usize,
    pub(super) n_columns: usize,
    /// Elements from one row to the next.
    row_stride: usize,
    column_stride: usize,
    /// Element of the first row and column.
    offset: usize,
    bytes: Cow<'a, [u8]>,
}

/// Why a value is no rows of numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoMatrix {
    /// Neither an array nor a tensor.
    Kind,
    /// Of another number of dimensions.
    Shape(Vec<usize>),
    /// Of other numbers than floats.
    Dtype(Dtype),
}

impl<'a> Matrix<'a> {
    pub(super) fn of(view: View<'a>) -> Result<Self, NoMatrix> {
        let (dtype, shape, strides, offset, bytes);
        if let Some(array) = view.as_array() {
            let mut dense = vec![1; array.shape.len()];
            // Each stride is the product of the dimensions that run faster.
            let mut product = 1usize;
            for n in 0..dense.len() {
                let axis = if array.fortran { n } else { dense.len() - 1 - n };
                dense[axis] = product;
                product = product.saturating_mul(array.shape[axis]); // too large only of an empty array
            }
            (dtype, shape, strides, offset, bytes) = (array.dtype, array.shape, dense, 0, array.bytes);
        } else if let Some(tensor) = view.as_tensor() {
            (dtype, shape, strides) = (tensor.dtype, tensor.shape, tensor.strides);
            (offset, bytes) = (tensor.offset, Cow::Borrowed(tensor.bytes));
        } else {
            return Err(NoMatrix::Kind);
        }
        if !matches!(dtype, Dtype::F64 | Dtype::F32 | Dtype::F16 | Dtype::BF16) {
            return Err(NoMatrix::Dtype(dtype));
        }
        let (n_rows, n_columns, row_stride, column_stride) = match (&shape[..], &strides[..]) {
            (&[columns], &[step]) => (1, columns, 0, step),
            (&[rows, columns], &[row_step, step]) => (rows, columns, row_step, step),
            _ => return Err(NoMatrix::Shape(shape)),
        };
        Ok(Self { dtype, n_rows, n_columns, row_stride, column_stride, offset, bytes })
    }

    /// Bytes of the numbers of a row.
    pub(super) fn row_bytes(&self) -> usize {
        self.n_columns * self.dtype.size()
    }

    /// The numbers of a row; `None` beyond the end of the data, which no matrix of a whole archive reaches.
    pub(super) fn row(&self, row: usize) -> Option<Vec<f32>> {
        let start = row.checked_mul(self.row_stride)?.checked_add(self.offset)?;
        match self.dtype {
            Dtype::F64 => self.numbers(start, |bytes| f64::from_le_bytes(bytes) as f32),
            Dtype::F32 => self.numbers(start, f32::from_le_bytes),
            Dtype::F16 => self.numbers(start, |bytes| f16::from_le_bytes(bytes).to_f32()),
            Dtype::BF16 => self.numbers(start, |bytes| bf16::from_le_bytes(bytes).to_f32()),
            _ => None,
        }
    }

    fn numbers<const N: usize>(&self, start: usize, number: impl Fn([u8; N]) -> f32) -> Option<Vec<f32>> {
        let (all, _) = self.bytes.as_chunks::<N>();
        if self.column_stride == 1 {
            let row = all.get(start..start.checked_add(self.n_columns)?)?;
            return Some(row.iter().map(|&bytes| number(bytes)).collect());
        }
        let place = |column: usize| start.checked_add(column.checked_mul(self.column_stride)?);
        (0..self.n_columns).map(|column| all.get(place(column)?).map(|&bytes| number(bytes))).collect()
    }
}
