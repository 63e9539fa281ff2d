//! Which kernels this machine runs.

use crate::lanes::Portable;
#[cfg(target_arch = "x86_64")]
use crate::lanes::{Avx2, Avx512};

/// A kind of machine that is here.
#[derive(Clone, Copy)]
pub struct Machine(pub(crate) Kind);

#[derive(Clone, Copy)]
pub(crate) enum Kind {
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    Portable(Portable),
}

impl Machine {
    /// The best kind that this machine is of.
    pub fn best() -> Self {
        Self::all().swap_remove(0)
    }

    /// All kinds that this machine is of, the best first.
    pub fn all() -> Vec<Self> {
        #[allow(unused_mut)]
        let mut all = vec![Self(Kind::Portable(Portable))];
        #[cfg(target_arch = "x86_64")]
        {
            all.splice(0..0, pulp::x86::V3::try_new().map(|simd| Self(Kind::Avx2(Avx2(simd)))));
            all.splice(0..0, pulp::x86::V4::try_new().map(|simd| Self(Kind::Avx512(Avx512(simd)))));
        }
        all
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(_) => "avx512",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(_) => "avx2",
            Kind::Portable(_) => "portable",
        }
    }
}

/// Runs `$body` with `$lanes` as the machine's lanes and with its instructions.
macro_rules! on {
    ($machine:expr, $lanes:ident => $body:expr) => {
        match $machine.0 {
            #[cfg(target_arch = "x86_64")]
            $crate::machine::Kind::Avx512($lanes) => $crate::lanes::Lanes::run(
                $lanes,
                #[inline(always)]
                || $body,
            ),
            #[cfg(target_arch = "x86_64")]
            $crate::machine::Kind::Avx2($lanes) => $crate::lanes::Lanes::run(
                $lanes,
                #[inline(always)]
                || $body,
            ),
            $crate::machine::Kind::Portable($lanes) => $crate::lanes::Lanes::run(
                $lanes,
                #[inline(always)]
                || $body,
            ),
        }
    };
}
pub(crate) use on;
