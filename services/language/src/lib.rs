//! The language service: OPT with FROMAGe's mapping layers and the [RET] head, behind gRPC.
//! Touches the wire, `serving`, `engine`. Tokens are sampled in `fondue_model::sampler`, batches made in `fondue_engine`.

pub mod config;
pub mod handler;
mod memory;
mod request;

use std::sync::Arc;

use fondue_engine::{EngineError, LanguageEngine};
use fondue_model::{
    DialogueTemplate, LanguageModel, ModelError, Tokenizer, fingerprint, placement::set_threads,
};
use fondue_proto::language::language_server::LanguageServer;
use fondue_serving::{
    loading::{LoadLog, Loading},
    server::{Readiness, ServeError, Site},
};
use tokio::net::TcpListener;
use tonic::service::RoutesBuilder;

use crate::{
    config::Config,
    handler::{Handler, Loaded},
};

/// Why the language service cannot run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The model's files.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Serving failed.
    #[error(transparent)]
    Serve(#[from] ServeError),
}

/// Serves on `listener` until `shutdown`. Health and metrics answer at once; it is ready when the model is loaded.
///
/// # Errors
/// [`RunError`] if the model does not load or serving fails.
pub async fn run(
    config: Config,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), RunError> {
    tracing::info!(?config, "language service starts");
    let serving = config.serving.clone();
    fondue_serving::telemetry::describe(fondue_engine::LANGUAGE_MEASURES);
    let model = Arc::new(Loading::new("the language model"));
    let service = LanguageServer::new(Handler::new(Arc::clone(&model), config.limits))
        .max_decoding_message_size(serving.max_message_bytes)
        .max_encoding_message_size(usize::MAX);
    let mut routes = RoutesBuilder::default();
    routes.add_service(service);
    let readiness = Readiness::new(&["fondue.language.v1.Language"]);
    let site = Site {
        serving: &serving,
        listener: listener.into(),
        routes,
        readiness,
        descriptors: fondue_proto::DESCRIPTORS,
        http: None,
        guard: None,
    };
    site.serve_while_loading(&model, move || load(&config), |model| model.engine.ended(), shutdown).await
}

fn load(config: &Config) -> Result<Loaded, RunError> {
    if let Some(threads) = config.threads {
        set_threads(threads);
    }
    let tokenizer = Tokenizer::load(&config.opt)?;
    let fingerprint = fingerprint::language(&config.opt, &config.mapping)?;
    let template = DialogueTemplate::load(&config.mapping)?;
    let (opt, mapping, ret, placement) =
        (config.opt.clone(), config.mapping.clone(), tokenizer.ret(), config.placement);
    let log = LoadLog::new("the language model");
    let load = move || {
        LanguageModel::load(&opt, &mapping, ret, placement, &|progress| {
            log.step(progress.read, progress.total)
        })
    };
    let engine = LanguageEngine::spawn(load, tokenizer, config.engine)?;
    Ok(Loaded { engine, fingerprint, template, placement, slots: config.engine.slots })
}
