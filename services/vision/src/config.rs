//! Settings of the vision service: command line over file over defaults, checked once.

use std::{path::PathBuf, time::Duration};

use clap::Parser;
use fondue_engine::VisionLimits;
use fondue_imaging::ImageLimits;
use fondue_model::Placement;
use fondue_serving::settings::{self, Serving, ServingSettings, SettingsError, parsed, within};
use serde::{Deserialize, Serialize};

/// The vision service: picture files in, CLIP features out.
#[derive(Debug, Parser)]
#[command(name = "fondue-vision", version)]
pub struct Args {
    /// TOML file with the same settings (snake_case keys); the command line wins.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The settings themselves.
    #[command(flatten)]
    pub settings: Settings,
}

/// What can be set. Unset settings take the file's, then the defaults.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize)]
pub struct Settings {
    /// Settings of every server.
    #[command(flatten)]
    #[serde(flatten)]
    pub serving: ServingSettings,
    /// Hugging Face folder of CLIP: config.json, model.safetensors, preprocessor_config.json [default: assets/model/clip].
    #[arg(long, value_name = "DIR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<PathBuf>,
    /// Where the model runs: cpu, cuda or cuda:N [default: cpu].
    #[arg(long, value_name = "DEVICE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// How weights are stored: f32, f16, bf16, or int8 with one scale per output [default: f32].
    #[arg(long, value_name = "FORM", alias = "dtype")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<String>,
    /// What computes: native (own kernels, CPU) or libtorch (any device) [default: native on the CPU, else libtorch].
    #[arg(long, value_name = "BACKEND")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    /// Threads of one forward pass on the CPU [default: libtorch's, one per core].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<i32>,
    /// Pictures in one forward pass [default: 16].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_batch: Option<usize>,
    /// Milliseconds that a batch waits for company after its first picture is decoded [default: 2].
    #[arg(long, value_name = "MS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gather_ms: Option<u64>,
    /// Pictures that wait or run at once; more are refused [default: 256].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_queued: Option<usize>,
    /// Bytes of files that wait to be decoded; more are refused [default: 536870912].
    #[arg(long, value_name = "BYTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_queued_bytes: Option<usize>,
    /// Threads that decode and resize pictures while the model runs [default: one per core, at most 16].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decode_threads: Option<usize>,
    /// Bytes of pictures that are being decoded or are decoded and not yet encoded; a larger one is decoded when nothing
    /// else is held [default: 268435456].
    #[arg(long, value_name = "BYTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_decoded_bytes: Option<usize>,
    /// Bytes of features that are kept by the content of their pictures; 0 keeps none [default: 67108864].
    #[arg(long, value_name = "BYTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feature_cache_bytes: Option<usize>,
    /// Pictures of one request [default: 64].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_images: Option<usize>,
    /// Pixels of one picture, checked before it is decoded [default: 40000000].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_pixels: Option<u64>,
    /// Most milliseconds that a call may take [default: 60000].
    #[arg(long, value_name = "MS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_limit_ms: Option<u64>,
}

/// The vision service's configuration, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// What every server has.
    pub serving: Serving,
    /// Folder of CLIP.
    pub model: PathBuf,
    /// Device and precision.
    pub placement: Placement,
    /// Threads of one forward pass.
    pub threads: Option<i32>,
    /// Limits of the engine.
    pub engine: VisionLimits,
    /// Limits of requests.
    pub limits: Limits,
}

/// What a caller may send.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Pictures of one request.
    pub images: usize,
    /// Time of a call.
    pub timeout: Duration,
}

impl Args {
    /// Merges command line, file and defaults.
    ///
    /// # Errors
    /// [`SettingsError`] that names the setting and what would be right.
    pub fn resolve(self) -> Result<Config, SettingsError> {
        settings::merge(self.settings, self.config.as_deref())?.resolve()
    }
}

impl Settings {
    /// The configuration, defaults filled in.
    ///
    /// # Errors
    /// [`SettingsError`] that names the setting and what would be right.
    pub fn resolve(self) -> Result<Config, SettingsError> {
        let serving = self.serving.resolve("127.0.0.1:7401")?;
        serving.refuse_exposure(serving.knows_callers(), "set tls_client_ca")?;
        let images = within("max_images", self.max_images, 64, 1, 4096)?;
        let device = self.device.unwrap_or_else(|| "cpu".to_owned());
        let weights = self.weights.unwrap_or_else(|| "f32".to_owned());
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut placement = Placement::on(
            parsed("device", Placement::device_from(&device))?,
            parsed("weights", weights.parse())?,
        );
        if let Some(backend) = self.backend {
            placement.backend = parsed("backend", backend.parse())?;
        }
        Ok(Config {
            model: self.model.unwrap_or_else(|| "assets/model/clip".into()),
            placement,
            threads: self.threads.map(|n| within("threads", Some(n), 1, 1, 1024)).transpose()?,
            engine: VisionLimits {
                max_batch: within("max_batch", self.max_batch, 16, 1, 4096)?,
                // A call of as many pictures as are allowed must find room at least when nothing else is there.
                max_queued: within("max_queued", self.max_queued, images.max(256), images, 1 << 20)?,
                // Nor may a whole message be too large for an empty queue.
                queued_bytes: within(
                    "max_queued_bytes",
                    self.max_queued_bytes,
                    serving.max_message_bytes.max(512 << 20),
                    serving.max_message_bytes,
                    1 << 40,
                )?,
                gather: Duration::from_millis(within("gather_ms", self.gather_ms, 2, 0, 1000)?),
                decode_threads: within("decode_threads", self.decode_threads, cores.min(16), 1, 1024)?,
                decoded_bytes: within(
                    "max_decoded_bytes",
                    self.max_decoded_bytes,
                    256 << 20,
                    1 << 20,
                    1 << 40,
                )?,
                feature_cache_bytes: within(
                    "feature_cache_bytes",
                    self.feature_cache_bytes,
                    64 << 20,
                    0,
                    1 << 40,
                )?,
                image: ImageLimits {
                    max_pixels: within("max_pixels", self.max_pixels, 40_000_000, 1, 1 << 32)?,
                    max_bytes: serving.max_message_bytes,
                },
            },
            limits: Limits {
                images,
                timeout: Duration::from_millis(within(
                    "timeout_limit_ms",
                    self.timeout_limit_ms,
                    60_000,
                    1,
                    3_600_000,
                )?),
            },
            serving,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(flags: &[&str]) -> Result<Config, String> {
        let words = [&["fondue-vision"], flags].concat();
        Args::try_parse_from(words).unwrap().resolve().map_err(|error| error.to_string())
    }

    #[test]
    fn bounds_hold_at_their_ends_and_errors_name_the_setting() {
        let engine = resolve(&["--decode-threads=1", "--feature-cache-bytes=0"]).unwrap().engine;
        assert_eq!((engine.decode_threads, engine.feature_cache_bytes), (1, 0));
        assert_eq!(resolve(&["--max-decoded-bytes=1048576"]).unwrap().engine.decoded_bytes, 1 << 20);
        assert_eq!(resolve(&["--max-queued-bytes=33554432"]).unwrap().engine.queued_bytes, 32 << 20);
        let defaults = resolve(&[]).unwrap().engine;
        assert!((1..=16).contains(&defaults.decode_threads));
        assert_eq!((defaults.decoded_bytes, defaults.feature_cache_bytes), (256 << 20, 64 << 20));
        for (flag, setting) in [
            ("--max-queued-bytes=33554431", "max_queued_bytes"),
            ("--decode-threads=0", "decode_threads"),
            ("--decode-threads=1025", "decode_threads"),
            ("--max-decoded-bytes=1048575", "max_decoded_bytes"),
            ("--feature-cache-bytes=1099511627777", "feature_cache_bytes"),
        ] {
            let error = resolve(&[flag]).unwrap_err();
            assert!(error.contains(setting) && error.contains('…'), "{error}");
        }
    }
}
