//! Layers for the kernels of our own, read from a model's files straight into their memory.

use fondue_kernels::{Form, Matrix, Norm};

use super::Weights;
use crate::{
    ModelError, Placement,
    layers::{Size, values},
};

impl Weights<'_> {
    /// `NAME.weight` and, if there is to be one, `NAME.bias` of layers with one input, `size.output` outputs each, side by
    /// side. Beside the result no more than a piece of 64 KiB and a row are in memory at a time.
    ///
    /// # Errors
    /// [`ModelError::Content`] if one is missing or of another shape.
    pub(crate) fn matrix(
        &self,
        names: &[String],
        size: Size,
        bias: bool,
        form: Form,
    ) -> Result<Matrix, ModelError> {
        let output = size.output;
        let of = |part: &str| names.iter().map(|name| format!("{name}.{part}")).collect::<Vec<_>>();
        let mut matrix = self.table(&of("weight"), size, (output as usize) * names.len(), form)?;
        if bias {
            let bias = values(&self.stacked(&of("bias"), &[output], Placement::TORCH_F32)?)?;
            matrix.set_bias(bias);
        }
        Ok(matrix)
    }

    /// Matrices one under the other in one of `outputs` rows, of which those that are left over are 0.
    ///
    /// # Errors
    /// As [`Weights::matrix`].
    pub(crate) fn table(
        &self,
        names: &[String],
        Size { output, input }: Size,
        outputs: usize,
        form: Form,
    ) -> Result<Matrix, ModelError> {
        // All are known to be there before memory is set aside for as much as a configuration says.
        let found = self.all_wanted(names, &[output, input])?;
        let mut matrix = Matrix::new(outputs, input as usize, form)?;
        let (mut row, mut next) = (Vec::with_capacity(input as usize), 0);
        for entry in found {
            self.each_f32(entry, |mut piece| {
                while !piece.is_empty() {
                    let (now, later) = piece.split_at(piece.len().min(input as usize - row.len()));
                    row.extend_from_slice(now);
                    piece = later;
                    if row.len() == input as usize {
                        matrix.set_row(next, &row);
                        next += 1;
                        row.clear();
                    }
                }
            })?;
        }
        Ok(matrix)
    }

    /// `NAME.weight` and `NAME.bias`, both `[width]`.
    ///
    /// # Errors
    /// As [`Weights::matrix`].
    pub(crate) fn norm(&self, name: &str, width: i64, eps: f64) -> Result<Norm, ModelError> {
        let read =
            |part: &str| values(&self.tensor(&format!("{name}.{part}"), &[width], Placement::TORCH_F32)?);
        Ok(Norm::new(&read("weight")?, &read("bias")?, eps as f32))
    }
}
