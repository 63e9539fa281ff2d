//! From one precision to another, rounded to the nearest as libtorch does.

use fondue_model::weights::StoredDtype;
use half::{bf16, f16};

/// Precision to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Target {
    /// 32-bit.
    F32,
    /// IEEE half.
    F16,
    /// bfloat16.
    Bf16,
    /// What each tensor has.
    Keep,
}

impl Target {
    /// The type that a tensor of type `from` is written in.
    pub(crate) fn of(self, from: StoredDtype) -> StoredDtype {
        match self {
            Self::F32 => StoredDtype::F32,
            Self::F16 => StoredDtype::F16,
            Self::Bf16 => StoredDtype::Bf16,
            Self::Keep => from,
        }
    }

    /// As Hugging Face's configurations name it.
    pub(crate) fn torch_name(self) -> Option<&'static str> {
        match self {
            Self::F32 => Some("float32"),
            Self::F16 => Some("float16"),
            Self::Bf16 => Some("bfloat16"),
            Self::Keep => None,
        }
    }
}

/// Appends the values of `bytes`, which are of type `from`, to `out` as type `to`.
pub(crate) fn convert(bytes: &[u8], from: StoredDtype, to: StoredDtype, out: &mut Vec<u8>) {
    if from == to {
        return out.extend_from_slice(bytes);
    }
    let pairs = bytes.chunks_exact(2).map(|b| [b[0], b[1]]);
    match from {
        StoredDtype::F16 => put(pairs.map(|b| f16::from_le_bytes(b).to_f32()), to, out),
        StoredDtype::Bf16 => put(pairs.map(|b| bf16::from_le_bytes(b).to_f32()), to, out),
        StoredDtype::F32 => {
            let values = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
            put(values, to, out);
        }
        StoredDtype::F64 => {
            // By f32, as libtorch goes.
            let values =
                bytes.chunks_exact(8).filter_map(|b| Some(f64::from_le_bytes(b.try_into().ok()?) as f32));
            put(values, to, out);
        }
        // No weight is of another type: the survey refuses them.
        StoredDtype::Other(_) => {}
    }
}

fn put(values: impl Iterator<Item = f32>, to: StoredDtype, out: &mut Vec<u8>) {
    match to {
        StoredDtype::F16 => out.extend(values.flat_map(|value| f16::from_f32(value).to_le_bytes())),
        StoredDtype::Bf16 => out.extend(values.flat_map(|value| bf16::from_f32(value).to_le_bytes())),
        StoredDtype::F32 => out.extend(values.flat_map(f32::to_le_bytes)),
        StoredDtype::F64 => out.extend(values.flat_map(|value| f64::from(value).to_le_bytes())),
        StoredDtype::Other(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_rounded_to_the_nearest_and_kept_where_they_fit() {
        let values = [0.0f32, -0.0, 1.0, 1.0 + 1.0 / 2048.0, 1.0 + 3.0 / 2048.0, 65504.0, 1e-7, 3.140_625];
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let through = |to: StoredDtype| -> Vec<f32> {
            let (mut there, mut back) = (Vec::new(), Vec::new());
            convert(&bytes, StoredDtype::F32, to, &mut there);
            convert(&there, to, StoredDtype::F32, &mut back);
            back.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
        };
        assert_eq!(through(StoredDtype::F64), values);
        assert_eq!(through(StoredDtype::F32), values);
        let half = through(StoredDtype::F16);
        // Ties go to the even neighbour.
        assert_eq!(half[..6], [0.0, -0.0, 1.0, 1.0, 1.0 + 4.0 / 2048.0, 65504.0]);
        assert_eq!(through(StoredDtype::Bf16)[2..], [1.0, 1.0, 1.0, 65536.0, 1.001_171_8e-7, 3.140_625]);
    }
}
