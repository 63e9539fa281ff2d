//! What is looked for, as an embedding: from the services, or from a model that is loaded here.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use fondue_engine::{LanguageEngine, LanguageLimits, language::KvBudget};
use fondue_imaging::{Compat, Fit, ImageLimits, decode};
use fondue_model::{LanguageModel, PromptPart, Tokenizer};
use fondue_proto::language::{self, QueryRequest};
use fondue_terminal::{interrupt::Interrupt, progress};

use super::Args;
use crate::{build::model::ModelArgs, remote};

/// How large a picture to search by may be.
const LIMITS: ImageLimits = ImageLimits { max_pixels: 40_000_000, max_bytes: 32 << 20 };
/// How long the model may think, here.
const PATIENCE: Duration = Duration::from_secs(600);

/// What is looked for.
pub(super) struct Question {
    pub(super) embedding: Vec<f32>,
    /// Fingerprint of the language service's model.
    pub(super) language: String,
    /// Fingerprint of the vision tower, if it saw something.
    pub(super) vision: Option<String>,
}

pub(super) fn ask(args: &Args, interrupt: &Interrupt) -> Result<Question> {
    match (&args.model, &args.text, &args.image) {
        (Some(model), Some(text), _) => text_here(model, text),
        (Some(model), _, Some(image)) => image_here(model, image),
        (None, Some(text), _) => {
            remote::runtime()?.block_on(remote::awaited(interrupt, text_there(args, text)))
        }
        (None, _, Some(image)) => {
            remote::runtime()?.block_on(remote::awaited(interrupt, image_there(args, image)))
        }
        (_, None, None) => bail!("--text or --image is needed"),
    }
}

async fn text_there(args: &Args, text: &str) -> Result<Question> {
    let failed = |status| remote::failed("language", &args.language, &status);
    let mut client = remote::language(&args.language, &args.tls)?;
    let part = language::Part { kind: Some(language::part::Kind::Text(text.to_owned())) };
    let query =
        client.query(QueryRequest { parts: vec![part], ..Default::default() }).await.map_err(failed)?;
    let described = client.describe(language::DescribeRequest {}).await.map_err(failed)?.into_inner();
    let embedding = query.into_inner().embedding.unwrap_or_default().values;
    Ok(Question { embedding, language: described.fingerprint, vision: None })
}

async fn image_there(args: &Args, image: &Path) -> Result<Question> {
    let file = fs::read(image).with_context(|| image.display().to_string())?;
    let mut eyes = remote::Eyes::open(&args.vision, &args.language, &args.tls)?;
    let (vision, language) = eyes.fingerprints().await?;
    let mut embeddings = eyes.embed(vec![file]).await.map_err(|failed| failed.1)?;
    Ok(Question { embedding: embeddings.pop().unwrap_or_default(), language, vision: Some(vision) })
}

fn model_args(model: &Path) -> ModelArgs {
    ModelArgs { model: model.to_owned(), device: "cpu".to_owned(), dtype: "f32".to_owned() }
}

fn text_here(model: &Path, text: &str) -> Result<Question> {
    let args = model_args(model);
    let spinner = progress::spinner("loading the model");
    let (opt, mapping, placement) = (model.join("opt"), model.join("fromage"), args.placement()?);
    let tokenizer = Tokenizer::load(&opt)?;
    let ret = tokenizer.ret();
    // One question at a time.
    let limits = LanguageLimits {
        slots: 1,
        queue: 1,
        prefill_rows: 256,
        prefill_stretch: 1.0,
        kv: KvBudget::UpTo(0),
        prefix_cache: false,
    };
    let load = move || LanguageModel::load(&opt, &mapping, ret, placement, &|_| {});
    let engine = LanguageEngine::spawn(load, tokenizer, limits)?;
    let tokens = engine.tokenizer().encode(text)?;
    let prompt = engine.prompt(vec![PromptPart::Text(tokens)])?;
    let query =
        remote::runtime()?.block_on(engine.query(prompt, Compat::Off, "", Instant::now() + PATIENCE))?;
    spinner.finish_and_clear();
    let language = fondue_model::fingerprint::language(&model.join("opt"), &model.join("fromage"))?;
    Ok(Question { embedding: query.into_values(), language, vision: None })
}

fn image_here(model: &Path, image: &Path) -> Result<Question> {
    let file = fs::read(image).with_context(|| image.display().to_string())?;
    let picture = decode(&file, &LIMITS).with_context(|| image.display().to_string())?;
    let spinner = progress::spinner("loading the model");
    let args = model_args(model);
    let pixels = args.preprocess()?.pixels(&picture, Fit::Crop)?;
    let embedding = args.load()?.embed(&[pixels])?.pop().context("the model gave nothing")?;
    spinner.finish_and_clear();
    let identity = args.identity()?;
    Ok(Question {
        embedding: embedding.into_values(),
        language: identity.language,
        vision: Some(identity.vision),
    })
}
