//! The token embedding, which is the head too: ids → vectors, states → logits.

mod greedy;

use std::cell::RefCell;

use fondue_domain::TokenId;
use fondue_kernels::{Buffers, Matrix, Op, Team, Then};
use tch::{Kind, Tensor};

use crate::{
    Backend, ModelError, Placement, Sampler,
    layers::{self, Size, values},
    packed,
    placement::upload,
    weights::Weights,
};

/// `[rows, word_dim]`.
pub struct Table {
    rows: usize,
    store: Store,
}

enum Store {
    Native { matrix: Matrix, team: Team, work: RefCell<Buffers> },
    Torch { tensor: Tensor, at: Placement },
}

/// States and logits of the native backend.
const STATE: usize = 0;
const LOGITS: usize = 1;

impl Table {
    /// Reads a table of `stored` rows and makes room for `rows` at least.
    pub(crate) fn load(
        weights: &Weights<'_>,
        name: &str,
        stored: i64,
        word_dim: i64,
        rows: usize,
        at: Placement,
    ) -> Result<Self, ModelError> {
        let store = match at.backend {
            Backend::Native => {
                let size = Size { output: stored, input: word_dim };
                let outputs = rows.max(stored as usize);
                let matrix = weights.table(&[name.to_owned()], size, outputs, at.dtype.form())?;
                let work = RefCell::new(Buffers::new(&[word_dim as usize, outputs]));
                Store::Native { matrix, team: packed::team()?, work }
            }
            Backend::Libtorch => Store::Torch { tensor: weights.tensor(name, &[stored, word_dim], at)?, at },
        };
        Ok(Self { rows: stored as usize, store })
    }

    /// Rows in it.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Puts a vector `[1, word_dim]` at row `last`, which becomes the last one; it must be there or be the next one.
    pub(crate) fn end_with(&mut self, last: usize, row: &Tensor) -> Result<(), ModelError> {
        match &mut self.store {
            Store::Native { matrix, .. } => matrix.set_row(last, &values(row)?),
            Store::Torch { tensor, .. } if self.rows > last => {
                // In place: a copy would double the largest tensor of all.
                tensor.f_narrow(0, last as i64, 1)?.f_copy_(row)?;
                *tensor = tensor.f_narrow(0, 0, last as i64 + 1)?;
            }
            Store::Torch { tensor, .. } => *tensor = Tensor::f_cat(&[&*tensor, row], 0)?,
        }
        self.rows = last + 1;
        Ok(())
    }

    /// Vectors of tokens, `[n, word_dim]`.
    ///
    /// # Errors
    /// [`ModelError::Token`] for an id outside the table.
    pub fn vectors(&self, tokens: &[TokenId]) -> Result<Tensor, ModelError> {
        self.check(tokens)?;
        match &self.store {
            Store::Native { matrix, .. } => {
                let width = matrix.inputs();
                let mut all = vec![0.0; tokens.len() * width];
                let rows = all.chunks_exact_mut(width).zip(tokens);
                rows.for_each(|(row, token)| matrix.row(token.0 as usize, row));
                Ok(Tensor::f_from_slice(&all)?.f_reshape([tokens.len() as i64, width as i64])?)
            }
            Store::Torch { tensor, .. } => layers::rows(tensor, &ids(tokens)),
        }
    }

    /// `[n, word_dim]` states → n rows of logits.
    ///
    /// # Errors
    /// [`ModelError::Torch`] or [`ModelError::Shape`] for another width.
    pub fn logits(&self, states: &Tensor) -> Result<Vec<Vec<f32>>, ModelError> {
        match &self.store {
            Store::Native { matrix, team, work } => {
                let (n, mut work) = (states.size2()?.0 as usize, work.borrow_mut());
                work.set_rows(n)?;
                packed::fill(&mut work, STATE, 0, states)?;
                let head = Op::Product { from: STATE, to: LOGITS, matrix, then: Then::Set };
                team.pass(&mut work, None, &[head])?;
                Ok((0..n).map(|row| work.row(LOGITS, row)[..self.rows].to_vec()).collect())
            }
            Store::Torch { tensor, .. } => {
                let flat = values(&states.f_matmul(&tensor.f_transpose(0, 1)?)?)?;
                Ok(flat.chunks(self.rows).map(<[f32]>::to_vec).collect())
            }
        }
    }

    /// The next token after each of n states, chosen by as many samplers. On a device other than the CPU nothing but ids
    /// leaves it for those that are greedy.
    pub(crate) fn sample(
        &self,
        states: &Tensor,
        samplers: &mut [&mut Sampler],
    ) -> Result<Vec<TokenId>, ModelError> {
        let (greedy, drawing): (Vec<usize>, Vec<usize>) =
            (0..samplers.len()).partition(|&n| samplers[n].is_greedy());
        let Store::Torch { tensor, .. } = &self.store else {
            let rows = self.logits(states)?;
            return Ok(rows.into_iter().zip(samplers).map(|(mut row, s)| s.sample(&mut row)).collect());
        };
        let mut tokens = vec![TokenId(0); samplers.len()];
        let some = |which: &[usize]| {
            let rows: Vec<i64> = which.iter().map(|&n| n as i64).collect();
            layers::rows(states, &rows)
        };
        if !greedy.is_empty() {
            let rules: Vec<_> = greedy.iter().map(|&n| samplers[n].ret_rule()).collect();
            let chosen = greedy::greedy(tensor, &some(&greedy)?, self.rows - 1, &rules)?;
            greedy.iter().zip(chosen).for_each(|(&n, token)| tokens[n] = samplers[n].take(token));
        }
        if !drawing.is_empty() {
            let rows = self.logits(&some(&drawing)?)?;
            drawing.iter().zip(rows).for_each(|(&n, mut row)| tokens[n] = samplers[n].sample(&mut row));
        }
        Ok(tokens)
    }

    /// ln p of `next[i]` after the state `states[i]`, for as many states as tokens.
    ///
    /// # Errors
    /// [`ModelError::Token`] for an id outside the table.
    pub(crate) fn log_probs(&self, states: &Tensor, next: &[TokenId]) -> Result<Vec<f32>, ModelError> {
        self.check(next)?;
        match &self.store {
            Store::Native { .. } => {
                let rows = self.logits(states)?;
                Ok(rows.iter().zip(next).map(|(row, token)| log_prob(row, token.0 as usize)).collect())
            }
            Store::Torch { tensor, at } => {
                let logits = states.f_matmul(&tensor.f_transpose(0, 1)?)?;
                let all = logits.f_log_softmax(-1, Kind::Float)?;
                values(&all.f_gather(
                    1,
                    &upload(&Tensor::f_from_slice(&ids(next))?, at.device)?.f_unsqueeze(1)?,
                    false,
                )?)
            }
        }
    }

    fn check(&self, tokens: &[TokenId]) -> Result<(), ModelError> {
        match tokens.iter().find(|token| token.0 as usize >= self.rows) {
            Some(wrong) => Err(ModelError::Token { token: wrong.0, rows: self.rows }),
            None => Ok(()),
        }
    }
}

/// ln of a softmax's value; its sum in f64.
fn log_prob(logits: &[f32], at: usize) -> f32 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|logit| f64::from(logit - largest).exp()).sum();
    (f64::from(logits[at] - largest) - sum.ln()) as f32
}

fn ids(tokens: &[TokenId]) -> Vec<i64> {
    tokens.iter().map(|token| token.as_i64()).collect()
}

#[cfg(test)]
mod tests;
