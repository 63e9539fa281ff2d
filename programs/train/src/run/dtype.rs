//! What training computes in.

use serde::{Deserialize, Serialize};

/// Two of [`fondue_model::Dtype`]: gradients of the others are too coarse, or there are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum TrainDtype {
    /// 32-bit.
    F32,
    /// bfloat16.
    Bf16,
}

impl From<TrainDtype> for fondue_model::Dtype {
    fn from(dtype: TrainDtype) -> Self {
        match dtype {
            TrainDtype::F32 => Self::F32,
            TrainDtype::Bf16 => Self::Bf16,
        }
    }
}
