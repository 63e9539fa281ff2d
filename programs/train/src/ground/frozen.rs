//! The frozen language model as training sees it: the decoder, and the token table with `[RET]` as its last row.

use std::path::Path;

use anyhow::{Result, ensure};
use fondue_domain::TokenId;
use fondue_model::{Placement, weights::Watch};
use tch::{Kind, Tensor, no_grad};

use crate::nets::opt::OptNet;

/// The language model.
pub struct Frozen {
    net: OptNet,
    /// `[ret + 1, word]`, never with a gradient; its last row holds the trained row's present value.
    table: Tensor,
    ret: i64,
    ret_norm: f64,
    at: Placement,
}

impl Frozen {
    /// Reads an OPT folder and shrinks (or, by one row, extends) its table, as adding the tokens does.
    ///
    /// # Errors
    /// What is wrong with the files, or that the table ends before `[RET]`.
    pub fn load(folder: &Path, ret: TokenId, at: Placement, watch: Watch<'_>) -> Result<Self> {
        let net = OptNet::load(folder, at, watch)?;
        let (stored, ret) = (net.table().size()[0], ret.as_i64());
        ensure!(
            stored >= ret,
            "{}: the embedding has {stored} rows, the tokenizer's [RET] is {ret}",
            folder.display()
        );
        let table = if stored > ret {
            net.table().f_narrow(0, 0, ret + 1)?
        } else {
            // No unused row to begin with: the others' mean, which the first rescaling gives their length.
            let mean = net.table().f_mean_dim([0i64].as_slice(), true, None::<Kind>)?;
            Tensor::f_cat(&[net.table(), &mean], 0)?
        };
        let norms = table.f_narrow(0, 0, ret)?.f_norm_scalaropt_dim(2, [1i64].as_slice(), false)?;
        let ret_norm = norms.f_mean(norms.kind())?.f_double_value(&[])?;
        Ok(Self { net, table, ret, ret_norm, at })
    }

    /// The decoder.
    pub fn net(&self) -> &OptNet {
        &self.net
    }

    /// Width of the vectors.
    pub fn word_dim(&self) -> i64 {
        self.net.config().word_dim()
    }

    /// The id of `[RET]`.
    pub fn ret(&self) -> i64 {
        self.ret
    }

    /// Where it lies.
    pub fn placement(&self) -> Placement {
        self.at
    }

    /// The row of `[RET]` as the files hold it, `[1, word]`, until [`Frozen::show`] puts another.
    ///
    /// # Errors
    /// libtorch's.
    pub fn ret_row(&self) -> Result<Tensor> {
        Ok(self.table.f_narrow(0, self.ret, 1)?.copy())
    }

    /// Mean length of all rows but that of `[RET]`.
    pub fn ret_norm(&self) -> f64 {
        self.ret_norm
    }

    /// The head's matrix.
    pub fn table(&self) -> &Tensor {
        &self.table
    }

    /// Puts the trained row's value into the table.
    ///
    /// # Errors
    /// libtorch's.
    pub fn show(&self, ret_row: &Tensor) -> Result<()> {
        no_grad(|| self.table.f_narrow(0, self.ret, 1)?.f_copy_(&ret_row.f_detach()?))?;
        Ok(())
    }

    /// Vectors of tokens, `[ids.len(), word]`; gradients reach `ret_row` where `[RET]` stands.
    ///
    /// # Errors
    /// libtorch's.
    pub fn embed(&self, ids: &[i64], ret_row: &Tensor) -> Result<Tensor> {
        let embeds = self.table.f_index_select(0, &self.upload(ids)?)?;
        let places: Vec<i64> =
            (0i64..).zip(ids).filter(|(_, id)| **id == self.ret).map(|(at, _)| at).collect();
        if places.is_empty() {
            return Ok(embeds);
        }
        let rows = ret_row.f_expand([places.len() as i64, -1], false)?;
        Ok(embeds.f_index_copy(0, &self.upload(&places)?, &rows)?)
    }

    /// Numbers of the host as a tensor where the model lies.
    ///
    /// # Errors
    /// libtorch's.
    pub fn upload(&self, numbers: &[i64]) -> Result<Tensor> {
        Ok(Tensor::f_from_slice(numbers)?.f_to_device(self.at.device)?)
    }
}
