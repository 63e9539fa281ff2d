//! Settings of the language service: command line over file over defaults, checked once.

use std::{path::PathBuf, time::Duration};

use clap::Parser;
use fondue_engine::{KvBudget, LanguageLimits};
use fondue_model::Placement;
use fondue_serving::settings::{self, Serving, ServingSettings, SettingsError, parsed, within};
use serde::{Deserialize, Serialize};

use crate::memory;

/// The language service: prompts in, text and retrieval queries out.
#[derive(Debug, Parser)]
#[command(name = "fondue-language", version)]
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
    /// Model folder: holds opt/ and fromage/ [default: assets/model].
    #[arg(long, value_name = "DIR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<PathBuf>,
    /// Hugging Face folder of OPT: config.json, safetensors, tokenizer [default: MODEL/opt].
    #[arg(long, value_name = "DIR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opt: Option<PathBuf>,
    /// Folder of the mapping layers: model_args.json, mapping.safetensors [default: MODEL/fromage].
    #[arg(long, value_name = "DIR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mapping: Option<PathBuf>,
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
    /// Threads of one step on the CPU [default: libtorch's, one per core].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<i32>,
    /// Answers that decode at once [default: 16].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slots: Option<usize>,
    /// Requests that wait for a slot; more are refused [default: 64].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<usize>,
    /// Rows of prompts in one step [default: 256].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefill_rows: Option<usize>,
    /// While answers decode: how many times as long a step may take with prompts as without [default: 1.75].
    #[arg(long, value_name = "X")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefill_stretch: Option<f32>,
    /// Bytes for keys and values, set aside at the start [default: twice what all slots can use, 1 GiB and a quarter of
    /// the machine's memory at most].
    #[arg(long, value_name = "BYTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kv_bytes: Option<usize>,
    /// Whether keys and values that nobody uses are kept for a later prompt that begins alike [default: on].
    #[arg(long, value_name = "on|off")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix_cache: Option<String>,
    /// Most tokens that a caller may ask for [default: 1024].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_tokens_limit: Option<usize>,
    /// Pieces of one prompt [default: 2048].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_parts: Option<usize>,
    /// Bytes of text of one prompt [default: 1048576].
    #[arg(long, value_name = "BYTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_text_bytes: Option<usize>,
    /// Pictures of one call of Project [default: 1024].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_features: Option<usize>,
    /// Continuations of one call of Score [default: 128].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_candidates: Option<usize>,
    /// Most milliseconds that a call may take [default: 600000].
    #[arg(long, value_name = "MS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_limit_ms: Option<u64>,
}

/// The language service's configuration, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// What every server has.
    pub serving: Serving,
    /// Folder of OPT.
    pub opt: PathBuf,
    /// Folder of the mapping layers.
    pub mapping: PathBuf,
    /// Device and precision.
    pub placement: Placement,
    /// Threads of one step.
    pub threads: Option<i32>,
    /// Limits of the engine.
    pub engine: LanguageLimits,
    /// Limits of requests.
    pub limits: Limits,
}

/// What a caller may send.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Tokens to generate.
    pub new_tokens: usize,
    /// Pieces of a prompt.
    pub parts: usize,
    /// Bytes of text of a prompt.
    pub text_bytes: usize,
    /// Pictures to project.
    pub features: usize,
    /// Continuations to score.
    pub candidates: usize,
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
        let serving = self.serving.resolve("127.0.0.1:7402")?;
        serving.refuse_exposure(serving.knows_callers(), "set tls_client_ca")?;
        let model = self.model.unwrap_or_else(|| "assets/model".into());
        let device = self.device.unwrap_or_else(|| "cpu".to_owned());
        let weights = self.weights.unwrap_or_else(|| "f32".to_owned());
        let mut placement = Placement::on(
            parsed("device", Placement::device_from(&device))?,
            parsed("weights", weights.parse())?,
        );
        if let Some(backend) = self.backend {
            placement.backend = parsed("backend", backend.parse())?;
        }
        Ok(Config {
            serving,
            opt: self.opt.unwrap_or_else(|| model.join("opt")),
            mapping: self.mapping.unwrap_or_else(|| model.join("fromage")),
            placement,
            threads: self.threads.map(|n| within("threads", Some(n), 1, 1, 1024)).transpose()?,
            engine: LanguageLimits {
                slots: within("slots", self.slots, 16, 1, 4096)?,
                queue: within("queue", self.queue, 64, 0, 1 << 20)?,
                prefill_rows: within("prefill_rows", self.prefill_rows, 256, 1, 1 << 20)?,
                prefill_stretch: within("prefill_stretch", self.prefill_stretch, 1.75, 1.0, 1000.0)?,
                kv: match self.kv_bytes {
                    // Less than a sequence takes is told once the model is known.
                    Some(_) => KvBudget::Bytes(within("kv_bytes", self.kv_bytes, 0, 1, usize::MAX)?),
                    None => KvBudget::UpTo(memory::kv_bytes()),
                },
                prefix_cache: parsed("prefix_cache", on_or_off(self.prefix_cache.as_deref()))?,
            },
            limits: Limits {
                new_tokens: within("new_tokens_limit", self.new_tokens_limit, 1024, 1, 1 << 20)?,
                parts: within("max_parts", self.max_parts, 2048, 1, 1 << 20)?,
                text_bytes: within("max_text_bytes", self.max_text_bytes, 1 << 20, 1, 1 << 30)?,
                features: within("max_features", self.max_features, 1024, 1, 1 << 20)?,
                candidates: within("max_candidates", self.max_candidates, 128, 1, 1 << 16)?,
                timeout: Duration::from_millis(within(
                    "timeout_limit_ms",
                    self.timeout_limit_ms,
                    600_000,
                    1,
                    3_600_000,
                )?),
            },
        })
    }
}

fn on_or_off(text: Option<&str>) -> Result<bool, String> {
    match text {
        None | Some("on") => Ok(true),
        Some("off") => Ok(false),
        Some(other) => Err(format!("must be `on` or `off`, got `{other}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine(words: &[&str]) -> Result<LanguageLimits, String> {
        let args = Args::try_parse_from([&["fondue-language"], words].concat()).map_err(|e| e.to_string())?;
        Ok(args.resolve().map_err(|error| error.to_string())?.engine)
    }

    #[test]
    fn the_memory_of_prompts_is_set_and_each_bound_is_named() {
        let usual = engine(&[]).unwrap();
        assert!(usual.prefix_cache && matches!(usual.kv, KvBudget::UpTo(bytes) if bytes <= 1 << 30));
        let set = engine(&["--kv-bytes=1000", "--prefix-cache=off", "--prefill-stretch=1"]).unwrap();
        assert_eq!((set.kv, set.prefix_cache, set.prefill_stretch), (KvBudget::Bytes(1000), false, 1.0));
        let named =
            |words: &[&str], name: &str| assert!(engine(words).unwrap_err().contains(name), "{words:?}");
        named(&["--kv-bytes=0"], "kv_bytes");
        named(&["--prefix-cache=no"], "prefix_cache: must be `on` or `off`, got `no`");
        named(&["--prefill-stretch=0.99"], "prefill_stretch");
        named(&["--prefill-stretch=NaN"], "prefill_stretch");
        named(&["--prefill-rows=0"], "prefill_rows");
    }
}
