//! Unit-length rows of retrieval space.

/// A row of retrieval space with unit length, so that a dot product is a cosine.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedding(Box<[f32]>);

/// Why numbers are not an embedding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmbeddingError {
    /// NaN or infinity.
    #[error("value {index} is not a finite number")]
    NotFinite {
        /// Where.
        index: usize,
    },
    /// No direction.
    #[error("all values are zero")]
    Zero,
}

impl Embedding {
    /// Scales `values` to unit length.
    ///
    /// # Errors
    /// [`EmbeddingError`] if a value is not finite or all are zero.
    pub fn normalized(mut values: Vec<f32>) -> Result<Self, EmbeddingError> {
        if let Some(index) = values.iter().position(|value| !value.is_finite()) {
            return Err(EmbeddingError::NotFinite { index });
        }
        // In f64, so that the squares of large values do not overflow.
        let norm = values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
        if norm == 0.0 {
            return Err(EmbeddingError::Zero);
        }
        for value in &mut values {
            *value = (f64::from(*value) / norm) as f32;
        }
        Ok(Self(values.into_boxed_slice()))
    }

    /// The values; their length is the dimension.
    pub fn values(&self) -> &[f32] {
        &self.0
    }

    /// The values, given away.
    pub fn into_values(self) -> Vec<f32> {
        self.0.into_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_to_unit_length_and_refuses_what_has_no_direction() {
        let embedding = Embedding::normalized(vec![3.0, -4.0]).unwrap();
        assert_eq!(embedding.values(), [0.6, -0.8]);
        assert!(Embedding::normalized(vec![1e30, 1e30]).unwrap().values()[0] > 0.7);
        assert_eq!(Embedding::normalized(vec![0.0; 4]), Err(EmbeddingError::Zero));
        assert_eq!(Embedding::normalized(vec![1.0, f32::NAN]), Err(EmbeddingError::NotFinite { index: 1 }));
    }
}
