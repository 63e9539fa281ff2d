//! Configuration of the gateway: command line over file over defaults, checked once.

pub mod auth;
pub mod http;
pub mod images;
mod settings;
pub mod upstreams;

use std::{path::PathBuf, time::Duration};

use auth::AuthConfig;
use clap::Parser;
use fondue_domain::Compat;
use fondue_serving::settings::{Serving, SettingsError, merge, parsed, within};
use http::HttpConfig;
use images::ImageLinks;
pub use settings::Settings;
use upstreams::Upstreams;

/// The dialogue API: turns composed of vision, language and retrieval.
#[derive(Debug, Parser)]
#[command(name = "fondue-gateway", version)]
pub struct Args {
    /// TOML file with the same settings (snake_case keys); the command line wins.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The settings themselves.
    #[command(flatten)]
    pub settings: Settings,
}

/// The gateway's configuration, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// What every server has.
    pub serving: Serving,
    /// The services behind it.
    pub upstreams: Upstreams,
    /// Where a client does not say.
    pub defaults: Defaults,
    /// What a client may ask for.
    pub limits: Limits,
    /// How a dialogue reads to the model, as far as the operator says.
    pub template: TemplateSettings,
    /// Where pictures may be fetched from, if anywhere.
    pub images: Option<ImageLinks>,
    /// The HTTP API.
    pub http: HttpConfig,
    /// Who may call.
    pub auth: AuthConfig,
    /// Time for one search.
    pub search_timeout: Duration,
    /// Time after which a conversation without messages and turns ends.
    pub idle_timeout: Duration,
    /// Time after which the index is told again which generations conversations stay with.
    pub pin_interval: Duration,
    /// Whether clients may change the gallery.
    pub gallery_writable: bool,
    /// Pictures in one call to vision.
    pub vision_batch: usize,
    /// Pictures whose features are kept for all dialogues.
    pub feature_cache: usize,
    /// Whether prompts and answers are put into traces.
    pub trace_content: bool,
}

/// Options where a client does not say.
#[derive(Clone, Copy, Debug)]
pub struct Defaults {
    /// Tokens of an answer.
    pub max_new_tokens: i32,
    /// Pictures of a turn.
    pub max_images: i32,
    /// Added to the logit of `[RET]`.
    pub ret_bias: f32,
    /// Right or published behaviour.
    pub compat: Compat,
    /// Time of a turn, and of a call that generates nothing.
    pub timeout: Duration,
}

/// What a client may ask for.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Tokens of an answer.
    pub new_tokens: i32,
    /// Time of a turn.
    pub timeout: Duration,
    /// Turns that run at once.
    pub concurrent_turns: usize,
    /// Conversations that are open at once.
    pub conversations: usize,
    /// Turns of a conversation that wait.
    pub waiting_turns: usize,
    /// Their bytes together.
    pub waiting_bytes: usize,
    /// Turns of a dialogue.
    pub turns: usize,
    /// Pictures in one turn.
    pub images_per_turn: usize,
    /// Pictures in the prompt of a dialogue.
    pub images_per_dialogue: usize,
    /// Bytes of text in one turn.
    pub text_bytes: usize,
    /// Events kept for a slow reader.
    pub events: usize,
    /// Answered turns that a conversation can return to.
    pub branch_turns: usize,
    /// Bytes of what can only be returned to.
    pub branch_bytes: usize,
    /// Names of the further indexes.
    pub indexes: Vec<String>,
}

/// How a dialogue reads to the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// Before the user's words.
    pub question_prefix: String,
    /// Before the answer.
    pub answer_prefix: String,
    /// After the answer.
    pub turn_separator: String,
}

impl Default for Template {
    fn default() -> Self {
        Self {
            question_prefix: "Q: ".to_owned(),
            answer_prefix: "\nA:".to_owned(),
            turn_separator: "\n".to_owned(),
        }
    }
}

/// What the operator says of the template; the model's own holds for the rest.
#[derive(Clone, Debug, Default)]
pub struct TemplateSettings {
    /// Before the user's words.
    pub question_prefix: Option<String>,
    /// Before the answer.
    pub answer_prefix: Option<String>,
    /// After the answer.
    pub turn_separator: Option<String>,
}

impl TemplateSettings {
    /// `base`, but for what the operator says.
    pub fn over(&self, base: Template) -> Template {
        Template {
            question_prefix: self.question_prefix.clone().unwrap_or(base.question_prefix),
            answer_prefix: self.answer_prefix.clone().unwrap_or(base.answer_prefix),
            turn_separator: self.turn_separator.clone().unwrap_or(base.turn_separator),
        }
    }
}

impl Args {
    /// Merges command line, file and defaults.
    ///
    /// # Errors
    /// [`SettingsError`] that names the setting and what would be right.
    pub fn resolve(self) -> Result<Config, SettingsError> {
        merge(self.settings, self.config.as_deref())?.resolve()
    }
}

impl Settings {
    /// The configuration, defaults filled in.
    ///
    /// # Errors
    /// [`SettingsError`] that names the setting and what would be right.
    pub fn resolve(self) -> Result<Config, SettingsError> {
        const MAX: usize = 1 << 20; // far above any use, far below what tokio's semaphores hold
        let new_tokens = within("new_tokens_limit", self.new_tokens_limit, 1024, 1, 1024)?;
        let timeout_limit = within("timeout_limit_ms", self.timeout_limit_ms, 600_000, 1, 600_000)?;
        let serving = self.serving.resolve("127.0.0.1:7400")?;
        let conversations = within("max_conversations", self.max_conversations, 1024, 1, MAX)?;
        // One caller alone does not shut out the others.
        let auth = self.auth.resolve(u32::try_from(conversations / 2).unwrap_or(u32::MAX).max(1))?;
        serving.refuse_exposure(auth.is_on() || serving.knows_callers(), "set api_keys or jwt_keys")?;
        let ms = |ms: u32| Duration::from_millis(u64::from(ms));
        let upstreams = self.upstreams.resolve()?;
        Ok(Config {
            defaults: Defaults {
                max_new_tokens: within(
                    "max_new_tokens",
                    self.max_new_tokens,
                    64.min(new_tokens),
                    1,
                    new_tokens,
                )?,
                max_images: within("max_images", self.max_images, 2, 0, 32)?,
                ret_bias: within("ret_bias", self.ret_bias, 0.0, -100.0, 100.0)?,
                compat: parsed("compat", self.compat.as_deref().unwrap_or("off").parse())?,
                timeout: ms(within(
                    "timeout_ms",
                    self.timeout_ms,
                    60_000.min(timeout_limit),
                    1,
                    timeout_limit,
                )?),
            },
            limits: Limits {
                new_tokens,
                timeout: ms(timeout_limit),
                concurrent_turns: within("max_concurrent_turns", self.max_concurrent_turns, 64, 1, MAX)?,
                conversations,
                waiting_turns: within("max_waiting_turns", self.max_waiting_turns, 4, 0, 1024)?,
                waiting_bytes: within(
                    "max_waiting_bytes",
                    self.max_waiting_bytes,
                    serving.max_message_bytes * 2,
                    0,
                    1 << 31,
                )?,
                turns: within("max_turns", self.max_turns, 256, 1, MAX)?,
                images_per_turn: within("max_images_per_turn", self.max_images_per_turn, 16, 0, 1024)?,
                images_per_dialogue: within(
                    "max_images_per_dialogue",
                    self.max_images_per_dialogue,
                    256,
                    0,
                    MAX,
                )?,
                text_bytes: within("max_text_bytes", self.max_text_bytes, 64 << 10, 1, 1 << 30)?,
                events: within("event_buffer", self.event_buffer, 64, 1, MAX)?,
                branch_turns: within("branch_turns", self.branch_turns, 64, 0, 4096)?,
                branch_bytes: within("max_branch_bytes", self.max_branch_bytes, 8 << 20, 0, 1 << 31)?,
                indexes: upstreams.indexes.iter().map(|(name, _)| name.clone()).collect(),
            },
            upstreams,
            template: TemplateSettings {
                question_prefix: self.question_prefix,
                answer_prefix: self.answer_prefix,
                turn_separator: self.turn_separator,
            },
            http: self.http.resolve()?,
            auth,
            images: self.images.resolve(serving.max_message_bytes)?,
            search_timeout: ms(within("search_timeout_ms", self.search_timeout_ms, 10_000, 1, 600_000)?),
            idle_timeout: ms(within("idle_timeout_ms", self.idle_timeout_ms, 600_000, 1, 86_400_000)?),
            pin_interval: ms(within("pin_interval_ms", self.pin_interval_ms, 60_000, 1, 86_400_000)?),
            gallery_writable: self.gallery_writable.unwrap_or(false),
            vision_batch: within("vision_batch", self.vision_batch, 16, 1, 4096)?,
            feature_cache: within("feature_cache", self.feature_cache, 4096, 0, MAX)?,
            trace_content: self.trace_content.unwrap_or(false),
            serving,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(flags: &[&str]) -> Result<Config, String> {
        let args =
            Args::try_parse_from([&["fondue-gateway"], flags].concat()).map_err(|error| error.to_string())?;
        args.resolve().map_err(|error| error.to_string())
    }

    #[test]
    fn defaults_are_those_of_the_contract() {
        let config = resolve(&[]).unwrap();
        assert_eq!(config.upstreams.vision.to_string(), "127.0.0.1:7401");
        assert_eq!((config.defaults.max_new_tokens, config.defaults.max_images), (64, 2));
        assert_eq!((config.limits.concurrent_turns, config.limits.images_per_turn), (64, 16));
        assert_eq!(config.defaults.timeout, Duration::from_secs(60));
        assert_eq!(config.defaults.compat, Compat::Off);
        assert_eq!(config.template.over(Template::default()).answer_prefix, "\nA:");
        assert!(config.images.is_none() && config.upstreams.indexes.is_empty());
        assert_eq!((config.limits.branch_turns, config.limits.branch_bytes), (64, 8 << 20));
        assert_eq!((config.idle_timeout, config.vision_batch), (Duration::from_secs(600), 16));
        assert_eq!(config.limits.waiting_bytes, 64 << 20);
    }

    #[test]
    fn everybody_on_the_network_may_call_only_if_that_is_meant() {
        let open = ["--listen", "0.0.0.0:7400"];
        let error = resolve(&open).unwrap_err();
        assert!(error.starts_with("listen: 0.0.0.0:7400 can be reached from other machines"), "{error}");
        for more in [["--open-to-network", "--max-turns=3"], ["--api-keys", "keys.toml"]] {
            assert!(resolve(&[&open[..], &more].concat()).is_ok(), "{more:?}");
        }
    }

    #[test]
    fn a_callers_conversations_are_half_of_all_unless_it_is_said() {
        let tokens = ["--jwt-keys", "k.pem", "--jwt-issuer", "i", "--jwt-audience", "a"];
        let of = |flags: &[&str]| {
            let auth = resolve(&[&tokens[..], flags].concat()).unwrap().auth;
            (auth.sources.key_conversations, auth.rules.unwrap().limits.conversations)
        };
        assert_eq!(of(&[]), (Some(512), Some(512)));
        assert_eq!(of(&["--max-conversations", "1"]), (Some(1), Some(1)));
        assert_eq!(of(&["--max-conversations", "9", "--jwt-conversations", "0"]), (Some(4), Some(0)));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gateway.toml");
        std::fs::write(&file, "jwt_conversations = 7").unwrap();
        assert_eq!(of(&["--config", file.to_str().unwrap()]), (Some(512), Some(7)));
    }

    #[test]
    fn flags_are_read_and_wrong_ones_named() {
        let config =
            resolve(&["--ret-bias", "-2.5", "--vision", "http://v:1,w:2", "--max-turns", "3"]).unwrap();
        assert_eq!(
            (config.defaults.ret_bias, config.upstreams.vision.to_string(), config.limits.turns),
            (-2.5, "v:1,w:2".to_owned(), 3)
        );
        assert_eq!(resolve(&["--compat", "reference"]).unwrap().defaults.compat, Compat::Reference);
        let error = resolve(&["--compat", "exact"]).unwrap_err();
        assert_eq!(error, "compat: must be `off` or `reference`, got `exact`");
        let error = resolve(&["--ret-bias", "NaN"]).unwrap_err();
        assert_eq!(error, "ret_bias: must be -100 … 100, got NaN");
        for (flag, value, setting) in [
            ("--vision", "ftp://v:1", "vision: `ftp://v:1` is not an address"),
            ("--language", "a:1,,b:2", "language: `` is not an address"),
            ("--retry-ratio", "1.5", "retry_ratio: must be 0 … 1, got 1.5"),
            ("--health-interval-ms", "99", "health_interval_ms: must be 100 … 60000, got 99"),
        ] {
            let error = resolve(&[flag, value]).unwrap_err();
            assert!(error.starts_with(setting), "{error}");
        }
        let error = resolve(&["--max-concurrent-turns", "0"]).unwrap_err();
        assert_eq!(error, "max_concurrent_turns: must be 1 … 1048576, got 0");
    }

    #[test]
    fn indexes_have_names_and_hosts_are_patterns() {
        let config = resolve(&["--index", "art=http://a:1", "--index", "maps=b:2"]).unwrap();
        let expected = [("art", "a:1"), ("maps", "b:2")].map(|(name, at)| (name.into(), at.parse().unwrap()));
        assert_eq!(config.upstreams.indexes, expected);
        assert_eq!(config.limits.indexes, ["art", "maps"]);
        for wrong in ["art", "=http://a:1", "art=", &format!("{}=b", "x".repeat(65))] {
            let error = resolve(&["--index", wrong]).unwrap_err();
            assert!(error.starts_with("indexes: "), "{error}");
        }
        assert!(resolve(&["--index", "a=b", "--index", "a=c"]).unwrap_err().contains("twice"));
        let images =
            resolve(&["--image-host", "*.example.org", "--image-host", "a.org"]).unwrap().images.unwrap();
        assert_eq!(images.rules.only_hosts.map(|hosts| hosts.len()), Some(2));
        assert_eq!((images.rules.ports, images.limits.max_bytes), (vec![80, 443], 16 << 20));
        let any = resolve(&["--image-host", "*", "--image-port", "8080"]).unwrap().images.unwrap();
        assert_eq!((any.rules.only_hosts.is_none(), any.rules.ports), (true, vec![8080]));
        assert!(resolve(&["--image-host", "a b"]).unwrap_err().starts_with("image_hosts: "));
        let error = resolve(&["--image-host", "a.org", "--image-network", "ten"]).unwrap_err();
        assert!(error.starts_with("image_networks: "), "{error}");
    }

    #[test]
    fn the_file_takes_the_same_keys_and_the_command_line_wins() {
        let file = std::env::temp_dir().join(format!("fondue-gateway-{}.toml", std::process::id()));
        std::fs::write(&file, "max_images = 5\nret_bias = 1.5\nlisten = \"127.0.0.1:0\"\nimage_hosts = [\"a.org\"]\nindexes = [\"a=b\"]\n").unwrap();
        let config = resolve(&["--max-images", "3", "--config", file.to_str().unwrap()]).unwrap();
        assert_eq!((config.defaults.max_images, config.defaults.ret_bias), (3, 1.5));
        assert_eq!(config.serving.listen.port(), 0);
        assert!(config.images.is_some() && config.upstreams.indexes.len() == 1);
        std::fs::remove_file(file).unwrap();
    }
}
