//! Between tensors and the kernels of our own: threads, rows in, rows out.

use fondue_kernels::{Buffers, Machine, PassError, Team};
use tch::Tensor;

use crate::{ModelError, layers::values};

/// The threads that all native models of this process share the number of: libtorch's own setting.
pub(crate) fn team() -> Result<Team, ModelError> {
    let threads = tch::get_num_threads().max(1) as usize;
    Team::new(threads, Machine::best()).map_err(|error| ModelError::Kernel(error.to_string()))
}

/// Rows of a tensor `[rows, width]` into a matrix of activations.
pub(crate) fn fill(buffers: &mut Buffers, id: usize, first: usize, rows: &Tensor) -> Result<(), ModelError> {
    let (_, width) = rows.size2()?;
    let flat = values(rows)?;
    for (row, values) in flat.chunks(width as usize).enumerate() {
        let to = buffers.row_mut(id, first + row);
        if to.len() != values.len() {
            let (got, expected) = (values.len(), to.len());
            return Err(ModelError::Shape { what: "an input vector", got, expected });
        }
        to.copy_from_slice(values);
    }
    Ok(())
}

/// All rows of a matrix of activations as a tensor, `[rows, width]` f32.
pub(crate) fn tensor(buffers: &Buffers, id: usize, width: usize) -> Result<Tensor, ModelError> {
    let mut all = Vec::with_capacity(buffers.rows() * width);
    for row in 0..buffers.rows() {
        all.extend_from_slice(&buffers.row(id, row)[..width]);
    }
    let shape = [buffers.rows() as i64, width as i64];
    Ok(Tensor::f_from_slice(&all)?.f_reshape(shape)?)
}

impl From<PassError> for ModelError {
    fn from(error: PassError) -> Self {
        Self::Kernel(error.to_string())
    }
}

impl From<std::collections::TryReserveError> for ModelError {
    fn from(error: std::collections::TryReserveError) -> Self {
        Self::Kernel(error.to_string())
    }
}
