//! Where a model lies and in which precision: device and dtype, as configured.

mod cuda;

use std::{fmt, str::FromStr};

use fondue_kernels::Form;
use tch::{Device, Kind};

pub(crate) use self::cuda::upload;
use crate::ModelError;

/// How weights are stored. libtorch computes in it too; the kernels of our own always compute in f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dtype {
    /// 32-bit.
    F32,
    /// IEEE half; softmax in f32.
    F16,
    /// bfloat16.
    Bf16,
    /// Whole numbers with one scale for each output of a layer; for the kernels of our own alone.
    Int8,
}

/// What computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// `fondue-kernels`: the CPU alone.
    Native,
    /// libtorch: any device.
    Libtorch,
}

impl Dtype {
    /// libtorch's name for it; whole numbers are f32 there.
    pub fn kind(self) -> Kind {
        match self {
            Self::F32 | Self::Int8 => Kind::Float,
            Self::F16 => Kind::Half,
            Self::Bf16 => Kind::BFloat16,
        }
    }

    /// The kernels' name for it.
    pub fn form(self) -> Form {
        match self {
            Self::F32 => Form::F32,
            Self::F16 => Form::F16,
            Self::Bf16 => Form::Bf16,
            Self::Int8 => Form::Int8,
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
            Self::Int8 => "int8",
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
            "int8" => Ok(Self::Int8),
            _ => Err(PlacementError { got: text.to_owned(), what: "dtype", known: "f32, f16, bf16, int8" }),
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Native => "native",
            Self::Libtorch => "libtorch",
        })
    }
}

impl FromStr for Backend {
    type Err = PlacementError;

    fn from_str(text: &str) -> Result<Self, PlacementError> {
        match text {
            "native" => Ok(Self::Native),
            "libtorch" => Ok(Self::Libtorch),
            _ => Err(PlacementError { got: text.to_owned(), what: "backend", known: "native, libtorch" }),
        }
    }
}

/// Device and dtype of one model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placement {
    /// CPU or a CUDA device.
    pub device: Device,
    /// How weights are stored.
    pub dtype: Dtype,
    /// What computes.
    pub backend: Backend,
}

impl Placement {
    /// The CPU in f32: what the reference vectors are compared in.
    pub const CPU_F32: Self = Self { device: Device::Cpu, dtype: Dtype::F32, backend: Backend::Native };
    /// The same by libtorch.
    pub const TORCH_F32: Self = Self { backend: Backend::Libtorch, ..Self::CPU_F32 };

    /// A device with the backend that serves it best: the kernels of our own on the CPU, libtorch elsewhere.
    pub fn on(device: Device, dtype: Dtype) -> Self {
        let backend = if device == Device::Cpu { Backend::Native } else { Backend::Libtorch };
        Self { device, dtype, backend }
    }

    /// Where the small layers lie that libtorch computes in any case.
    pub(crate) fn of_mapping(self) -> Self {
        match self.backend {
            Backend::Native => Self::TORCH_F32,
            Backend::Libtorch => self,
        }
    }

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

    /// Checks that the device is there and goes with the rest.
    ///
    /// # Errors
    /// [`ModelError::NoDevice`] with what would be needed.
    pub fn check(&self) -> Result<(), ModelError> {
        let no = |reason: &str| {
            Err(ModelError::NoDevice { device: self.device_name(), reason: reason.to_owned() })
        };
        match (self.device, self.backend, self.dtype) {
            (Device::Cpu, Backend::Native, _) => return Ok(()),
            (_, Backend::Native, _) => {
                return no("the native backend is for the CPU; use --backend libtorch");
            }
            (_, _, Dtype::Int8) => return no("int8 is for the native backend on the CPU; use f16 or bf16"),
            _ => {}
        }
        let Device::Cuda(n) = self.device else { return Ok(()) };
        if let Err(error) = cuda::open() {
            return no(&format!(
                "libtorch's CUDA half cannot be opened ({error}); put `torch/lib` of a CUDA build of torch 2.13 \
                 (`pip install torch==2.13.0`) into LD_LIBRARY_PATH"
            ));
        }
        if !tch::Cuda::is_available() {
            return no("libtorch's CUDA half is here, but the system has no working NVIDIA driver or GPU");
        }
        let devices = tch::Cuda::device_count();
        if n as i64 >= devices {
            return no(&format!("there are {devices} CUDA devices, counted from 0"));
        }
        Ok(())
    }

    /// The device as [`Placement::device_from`] reads it.
    pub fn device_name(&self) -> String {
        match self.device {
            Device::Cuda(n) => format!("cuda:{n}"),
            _ => "cpu".to_owned(),
        }
    }
}
