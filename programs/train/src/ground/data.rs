//! What is trained or validated on: rows whose pictures have features, tokenised.

use anyhow::{Result, ensure};
use fondue_model::Tokenizer;
use tch::Tensor;

use super::{
    features::{self, Features},
    frozen::Frozen,
    layout::Text,
    table::{Bad, Row, Table},
};

/// Rows with all that a step needs of them.
pub struct Data {
    features: Features,
    places: Vec<usize>,
    /// Tokens.
    pub texts: Vec<Text>,
    /// As the table has them, in the same order.
    pub rows: Vec<Row>,
    /// Rows that are left out.
    pub bad: Vec<Bad>,
}

impl Data {
    /// Of a table and the features of its pictures.
    ///
    /// # Errors
    /// If no row is left.
    pub fn new(table: Table, features: Features, tokenizer: &Tokenizer, max_len: usize) -> Result<Self> {
        let mut data =
            Self { features, places: Vec::new(), texts: Vec::new(), rows: Vec::new(), bad: table.bad };
        for row in table.rows {
            let bad = |reason: String| Bad { line: row.line, image: row.image.clone(), reason };
            let Some(place) = data.features.place(&row.image) else {
                data.bad.push(bad(features::reason(&table.images.join(&row.image))));
                continue;
            };
            match Text::new(tokenizer, &row.prompt, &row.caption, row.asks, max_len) {
                Ok(text) => {
                    data.places.push(place);
                    data.texts.push(text);
                    data.rows.push(row);
                }
                Err(error) => data.bad.push(bad(format!("{error:#}"))),
            }
        }
        data.bad.sort_by_key(|bad| bad.line);
        let why =
            data.bad.first().map(|bad| format!("; line {}: {}", bad.line, bad.reason)).unwrap_or_default();
        ensure!(!data.rows.is_empty(), "no row of the table can be used{why}");
        Ok(data)
    }

    /// Length of a feature vector.
    pub fn feature_dim(&self) -> usize {
        self.features.dim()
    }

    /// The hash of the features.
    pub fn key(&self) -> &str {
        self.features.key()
    }

    /// Features of rows, `[rows.len(), feature]`, where the model lies; `view` says which of each.
    ///
    /// # Errors
    /// libtorch's.
    pub fn features(&self, rows: &[u32], view: impl Fn(usize) -> usize, frozen: &Frozen) -> Result<Tensor> {
        let mut all = Vec::with_capacity(rows.len() * self.features.dim());
        for (n, row) in rows.iter().enumerate() {
            all.extend_from_slice(self.features.row(self.places[*row as usize], view(n))?);
        }
        let at = frozen.placement();
        let all = Tensor::f_from_slice(&all)?.f_view([rows.len() as i64, -1])?;
        Ok(all.f_to_device(at.device)?.f_to_kind(at.dtype.kind())?)
    }
}
