//! All that is particular to CUDA: libtorch's other half, and the way of numbers to the device.
//!
//! A binary is linked with libtorch's CPU half alone, so that one binary serves both kinds of node; the CUDA half is opened when
//! a CUDA device is asked for, from where the loader finds it: beside the libtorch that the binary was built with, or in
//! `LD_LIBRARY_PATH`. It registers its kernels with the half that is there, which is why all its symbols must be seen.
//!
//! **Never run on a GPU yet**: what stands here was tested as far as a machine without one goes.

#![allow(unsafe_code)] // to open a library is to run its initialisers

use std::sync::OnceLock;

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
use tch::{Device, TchError, Tensor};

const LIBRARY: &str = "libtorch_cuda.so";

/// Opens libtorch's CUDA half, once for the process.
///
/// # Errors
/// What the loader says.
pub(super) fn open() -> Result<(), String> {
    static OPENED: OnceLock<Result<(), String>> = OnceLock::new();
    let open = || {
        // SAFETY: libtorch's own library, of the version that this binary is linked with: libtorch_cpu refuses others by
        // their symbols. Its initialisers register kernels and touch nothing of ours. It is never closed.
        match unsafe { Library::open(Some(LIBRARY), RTLD_NOW | RTLD_GLOBAL) } {
            Ok(library) => {
                std::mem::forget(library);
                Ok(())
            }
            Err(error) => Err(error.to_string()),
        }
    };
    OPENED.get_or_init(open).clone()
}

/// Copies a tensor to a device; from pinned memory and without waiting for it, where the device is a GPU. The allocator
/// of pinned memory keeps the source until the copy is made.
pub(crate) fn upload(tensor: &Tensor, device: Device) -> Result<Tensor, TchError> {
    match device {
        Device::Cuda(_) if tensor.device() == Device::Cpu => {
            tensor.f_pin_memory(device)?.f_to_device_(device, tensor.f_kind()?, true, false)
        }
        _ => tensor.f_to_device(device),
    }
}
