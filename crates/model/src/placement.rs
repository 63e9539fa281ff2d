//! Where a model lies and in which precision: device and dtype, as configured.

use std::{fmt, str::FromStr};

use tch::{Device, Kind};

use crate::ModelError;

/// Precision of weights and activations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dtype {
    /// 32-bit.
    F32,
    /// IEEE half; softmax in f32.
    F16,
    /// bfloat16.
    Bf16,
}

impl Dtype {
    /// libtorch's name for it.
    pub fn kind(self) -> Kind {
        match self {
            Self::F32 => Kind::Float,
            Self::F16 => Kind::Half,
            Self::Bf16 => Kind::BFloat16,
        }
    }
}

/// Sets the threads of one forward pass on the CPU, for all models of this process.
pub fn set_threads(n: i32) {
    tch::set_num_threads(n);
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        })
    }
}

/// A device or dtype that is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{got}` is not a {what}; one of {known}")]
pub struct PlacementError {
    got: String,
    what: &'static str,
    known: &'static str,
}

impl FromStr for Dtype {
    type Err = PlacementError;

    fn from_str(text: &str) -> Result<Self, PlacementError> {
        match text {
            "f32" => Ok(Self::F32),
            "f16" => Ok(Self::F16),
            "bf16" => Ok(Self::Bf16),
            _ => Err(PlacementError { got: text.to_owned(), what: "dtype", known: "f32, f16, bf16" }),
        }
    }
}

/// Device and dtype of one model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placement {
    /// CPU or a CUDA device.
    pub device: Device,
    /// Precision.
    pub dtype: Dtype,
}

impl Placement {
    /// The CPU in f32: what the reference vectors are compared in.
    pub const CPU_F32: Self = Self { device: Device::Cpu, dtype: Dtype::F32 };

    /// Reads `cpu`, `cuda` or `cuda:N`.
    ///
    /// # Errors
    /// [`PlacementError`] for anything else.
    pub fn device_from(text: &str) -> Result<Device, PlacementError> {
        let wrong = || PlacementError { got: text.to_owned(), what: "device", known: "cpu, cuda, cuda:N" };
        match text.split_once(':') {
            None if text == "cpu" => Ok(Device::Cpu),
            None if text == "cuda" => Ok(Device::Cuda(0)),
            Some(("cuda", n)) => n.parse().map(Device::Cuda).map_err(|_| wrong()),
            _ => Err(wrong()),
        }
    }

    /// Checks that the device is there.
    ///
    /// # Errors
    /// [`ModelError::NoDevice`] with what would be needed.
    pub fn check(&self) -> Result<(), ModelError> {
        let Device::Cuda(n) = self.device else { return Ok(()) };
        let reason = if !tch::Cuda::is_available() {
            "there is no CUDA here: this libtorch is built without it, or the system has no working GPU"
                .to_owned()
        } else if n as i64 >= tch::Cuda::device_count() {
            format!("there are {} CUDA devices, counted from 0", tch::Cuda::device_count())
        } else {
            return Ok(());
        };
        Err(ModelError::NoDevice { device: self.device_name(), reason })
    }

    /// The device as [`Placement::device_from`] reads it.
    pub fn device_name(&self) -> String {
        match self.device {
            Device::Cuda(n) => format!("cuda:{n}"),
            _ => "cpu".to_owned(),
        }
    }
}
