//! The metrics, as pure functions of scores, ranks and words.

pub mod bleu;
pub mod ndcg;
pub mod ranks;

pub use bleu::{Bleu, bleu};
pub use ndcg::ndcg;
pub use ranks::{dot, mean_reciprocal_rank, rank, recall};
