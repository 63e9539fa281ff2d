//! What a weight is stored as.

use crate::lanes::{LANES, Lanes};

/// A stored weight that becomes f32 lanes where it is used.
pub(crate) trait Element: bytemuck::Pod + Send + Sync {
    fn load<L: Lanes>(lanes: L, values: &[Self; LANES]) -> L::V;
}

/// IEEE half.
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(transparent)]
pub(crate) struct Half(pub(crate) u16);

/// bfloat16.
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(transparent)]
pub(crate) struct Brain(pub(crate) u16);

impl Element for f32 {
    #[inline(always)]
    fn load<L: Lanes>(lanes: L, values: &[Self; LANES]) -> L::V {
        lanes.load(values)
    }
}

impl Element for Half {
    #[inline(always)]
    fn load<L: Lanes>(lanes: L, values: &[Self; LANES]) -> L::V {
        lanes.load_f16(bytemuck::cast_ref(values))
    }
}

impl Element for Brain {
    #[inline(always)]
    fn load<L: Lanes>(lanes: L, values: &[Self; LANES]) -> L::V {
        lanes.load_bf16(bytemuck::cast_ref(values))
    }
}

impl Element for i8 {
    #[inline(always)]
    fn load<L: Lanes>(lanes: L, values: &[Self; LANES]) -> L::V {
        lanes.load_i8(values)
    }
}
