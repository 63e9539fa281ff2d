//! Keys and values of one sequence, so that no position is ever computed twice.

use tch::Tensor;

use crate::ModelError;

/// Room is made in steps of this many positions.
const STEP: usize = 64;

/// Keys and values of all layers for the positions seen so far.
pub struct KvCache {
    layers: Vec<Option<(Tensor, Tensor)>>,
    len: usize,
}

impl KvCache {
    pub(super) fn new(n_layers: usize) -> Self {
        Self { layers: (0..n_layers).map(|_| None).collect(), len: 0 }
    }

    /// Positions in it.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was seen.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A copy of what was seen, to go on from in another way.
    ///
    /// # Errors
    /// [`ModelError::Torch`] if there is no memory for it.
    pub fn fork(&self) -> Result<Self, ModelError> {
        let copy = |t: &Tensor| -> Result<Tensor, ModelError> {
            let mut copy = t.f_zeros_like()?;
            copy.f_copy_(t)?;
            Ok(copy)
        };
        let layers = self.layers.iter().map(|layer| match layer {
            Some((k, v)) => Ok(Some((copy(k)?, copy(v)?))),
            None => Ok(None),
        });
        Ok(Self { layers: layers.collect::<Result<_, ModelError>>()?, len: self.len })
    }

    /// Writes one layer's keys and values, both `[heads, n, head_dim]`, behind the positions seen; returns all of
    /// that layer's, `[heads, len + n, head_dim]`. [`KvCache::advance`] makes them count once all layers have theirs.
    pub(super) fn append(
        &mut self,
        layer: usize,
        k: &Tensor,
        v: &Tensor,
    ) -> Result<(Tensor, Tensor), ModelError> {
        let (heads, n, head_dim) = k.size3()?;
        let needed = self.len + n as usize;
        let room = self.layers[layer].as_ref().map_or(0, |(k, _)| k.size()[1] as usize);
        if needed > room {
            // Doubling keeps the copying below one copy per position on average.
            let capacity = needed.max(room * 2).next_multiple_of(STEP) as i64;
            let grow = |old: Option<&Tensor>| -> Result<Tensor, ModelError> {
                let new = Tensor::f_zeros([heads, capacity, head_dim], (k.f_kind()?, k.device()))?;
                if let Some(old) = old {
                    new.f_narrow(1, 0, self.len as i64)?.f_copy_(&old.f_narrow(1, 0, self.len as i64)?)?;
                }
                Ok(new)
            };
            let old = self.layers[layer].as_ref();
            let grown = (grow(old.map(|(k, _)| k))?, grow(old.map(|(_, v)| v))?);
            self.layers[layer] = Some(grown);
        }
        let Some((keys, values)) = &self.layers[layer] else {
            return Err(ModelError::Shape { what: "KV cache rows", got: 0, expected: 1 });
        };
        keys.f_narrow(1, self.len as i64, n)?.f_copy_(k)?;
        values.f_narrow(1, self.len as i64, n)?.f_copy_(v)?;
        Ok((keys.f_narrow(1, 0, needed as i64)?, values.f_narrow(1, 0, needed as i64)?))
    }

    pub(super) fn advance(&mut self, n: usize) {
        self.len += n;
    }
}
