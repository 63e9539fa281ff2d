//! Matrix products, attention and norms on the CPU: weights in f32, f16, bf16 or int8, sums always in f32.
//!
//! A network's pass is a list of steps ([`Op`]) over matrices of activations ([`Buffers`]), which a [`Team`] of threads goes
//! through together. Every result is a sum in one fixed order, whatever else is computed at the same time and by however
//! many threads: a row has the same bits alone and in company, and whether it came in one piece or in many.
//!
//! Scores of stored rows for a search ([`dots`]) keep to the same rule.
//!
//! Source of the attention's memory: Kwon et al. 2023 (PagedAttention). Touches nothing outside.

mod attention;
mod buffers;
mod dots;
mod element;
mod kv;
mod lanes;
mod machine;
mod matrix;
mod memory;
mod norm;
mod ops;
mod prefetch;
mod product;
mod team;

pub use attention::POSITIONS;
pub use buffers::{BufferId, Buffers};
pub use dots::{Query, Stored, dots, dots_of, read, will_read};
pub use kv::KvMemory;
pub use machine::Machine;
pub use matrix::{Form, Matrix};
pub use norm::Norm;
pub use ops::{Op, Span, Then};
pub use team::{PassError, Sequences, Team};
