//! How much memory the keys and values may take, in blocks.

use fondue_model::BLOCK;

use crate::EngineError;

/// Memory for the keys and values of all sequences, those that run and those that are kept for a later prompt. It is set
/// aside at the start, and never grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KvBudget {
    /// So many bytes, down to whole blocks.
    Bytes(usize),
    /// Twice what all slots can ever use, so that as much can be kept as runs; but not more bytes than these, unless one
    /// sequence takes more.
    UpTo(usize),
}

impl KvBudget {
    /// Blocks of the pool.
    ///
    /// # Errors
    /// [`EngineError::KvBudget`] if they do not hold one sequence of all positions: then an answer could run out of
    /// memory with nobody to take it from.
    pub(super) fn blocks(
        self,
        slots: usize,
        block_bytes: usize,
        positions: usize,
    ) -> Result<usize, EngineError> {
        let one = positions.div_ceil(BLOCK);
        let within = |bytes: usize| bytes / block_bytes.max(1);
        match self {
            Self::UpTo(most) => Ok(within(most).min(one.saturating_mul(2 * slots)).max(one)),
            Self::Bytes(budget) if within(budget) < one => {
                Err(EngineError::KvBudget { budget, needed: one * block_bytes, positions })
            }
            Self::Bytes(budget) => Ok(within(budget)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_holds_one_whole_sequence_at_least() {
        let blocks = |budget: KvBudget| budget.blocks(4, 1000, 3 * BLOCK - 1);
        assert_eq!(blocks(KvBudget::Bytes(3000)).unwrap(), 3);
        assert_eq!(blocks(KvBudget::Bytes(3999)).unwrap(), 3);
        let error = blocks(KvBudget::Bytes(2999)).unwrap_err();
        assert!(
            error.to_string().contains("2999 bytes") && error.to_string().contains("takes 3000"),
            "{error}"
        );
        assert_eq!(blocks(KvBudget::UpTo(2999)).unwrap(), 3);
        assert_eq!(blocks(KvBudget::UpTo(10_500)).unwrap(), 10);
        assert_eq!(blocks(KvBudget::UpTo(usize::MAX)).unwrap(), 24);
    }
}
