//! Which model, and how it runs: the words that the services have for it.

use std::path::PathBuf;

use anyhow::{Result, anyhow};
use fondue_model::Placement;

/// The model and its place.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ModelArgs {
    /// Model folder: holds clip/, opt/ and fromage/.
    #[arg(long, value_name = "DIR", default_value = "assets/model")]
    pub(crate) model: PathBuf,
    /// Where the model runs: cpu, cuda or cuda:N.
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    pub(crate) device: String,
    /// How weights are stored: f32, f16, bf16, or int8 with one scale per output.
    #[arg(long, value_name = "FORM", default_value = "f32")]
    pub(crate) weights: String,
    /// What computes: native (own kernels, CPU) or libtorch (any device) [default: native on the CPU, else libtorch].
    #[arg(long, value_name = "BACKEND")]
    pub(crate) backend: Option<String>,
    /// Threads of one step on the CPU [default: one per core].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=1024))]
    pub(crate) threads: Option<i32>,
    /// Questions that run at once.
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub(crate) slots: u16,
    /// Bytes for keys and values of the questions that run.
    #[arg(long, value_name = "BYTES", default_value_t = 512 << 20)]
    pub(crate) kv_bytes: usize,
}

impl ModelArgs {
    /// Device, precision and backend.
    pub(crate) fn placement(&self) -> Result<Placement> {
        let device = Placement::device_from(&self.device).map_err(|error| anyhow!("--device: {error}"))?;
        let mut placement =
            Placement::on(device, self.weights.parse().map_err(|error| anyhow!("--weights: {error}"))?);
        if let Some(backend) = &self.backend {
            placement.backend = backend.parse().map_err(|error| anyhow!("--backend: {error}"))?;
        }
        Ok(placement)
    }
}
