//! Single numbers of any element type.

use crate::{dtype::Dtype, node::Node};

/// The number that exactly these bytes are; `None` if they are of another length.
pub(crate) fn read(dtype: Dtype, bytes: &[u8]) -> Option<Node> {
    Some(match dtype {
        Dtype::F64 => Node::Float(f64::from_le_bytes(bytes.try_into().ok()?)),
        Dtype::F32 => Node::Float(f32::from_le_bytes(bytes.try_into().ok()?).into()),
        Dtype::F16 => Node::Float(half(u16::from_le_bytes(bytes.try_into().ok()?))),
        Dtype::BF16 => {
            let bits = u32::from(u16::from_le_bytes(bytes.try_into().ok()?)) << 16;
            Node::Float(f32::from_bits(bits).into())
        }
        Dtype::I64 => Node::Int(i64::from_le_bytes(bytes.try_into().ok()?)),
        Dtype::I32 => Node::Int(i32::from_le_bytes(bytes.try_into().ok()?).into()),
        Dtype::I16 => Node::Int(i16::from_le_bytes(bytes.try_into().ok()?).into()),
        Dtype::I8 => Node::Int(i8::from_le_bytes(bytes.try_into().ok()?).into()),
        Dtype::U64 => i64::try_from(u64::from_le_bytes(bytes.try_into().ok()?)).map_or(Node::Big, Node::Int),
        Dtype::U32 => Node::Int(u32::from_le_bytes(bytes.try_into().ok()?).into()),
        Dtype::U16 => Node::Int(u16::from_le_bytes(bytes.try_into().ok()?).into()),
        Dtype::U8 => Node::Int(u8::from_le_bytes(bytes.try_into().ok()?).into()),
        Dtype::Bool => Node::Bool(bytes.try_into().map(u8::from_le_bytes).ok()? != 0),
    })
}

/// IEEE half precision: 1 bit of sign, 5 of exponent, 10 of fraction.
fn half(bits: u16) -> f64 {
    let fraction = f64::from(bits & 0x3ff) / 1024.0;
    let size = match bits >> 10 & 0x1f {
        0 => fraction * 2f64.powi(-14),
        0x1f if fraction == 0.0 => f64::INFINITY,
        0x1f => f64::NAN,
        exponent => (1.0 + fraction) * 2f64.powi(i32::from(exponent) - 15),
    };
    if bits >> 15 == 1 { -size } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves() {
        let known =
            [(0x3c00, 1.0), (0xc000, -2.0), (0x7bff, 65504.0), (1, 2f64.powi(-24)), (0x3555, 0.333251953125)];
        for (bits, value) in known {
            assert_eq!(half(bits), value);
        }
        assert!(half(0x7e00).is_nan());
        assert_eq!(half(0xfc00), f64::NEG_INFINITY);
    }

    #[test]
    fn other_lengths_are_none() {
        assert!(read(Dtype::F32, &[0; 3]).is_none());
        assert!(read(Dtype::Bool, &[]).is_none());
        assert!(matches!(read(Dtype::U64, &[255; 8]), Some(Node::Big)));
    }
}
