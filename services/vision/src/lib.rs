//! The vision service: plain CLIP behind gRPC, batched across callers. It knows nothing of the language model.
//! Touches the wire, `serving`, `imaging`, `engine`.

pub mod config;
pub mod handler;

use std::sync::Arc;

use fondue_engine::{EngineError, VisionEngine};
use fondue_imaging::{ImagingError, Preprocess};
use fondue_model::{ModelError, VisionTower, fingerprint, placement::set_threads};
use fondue_proto::vision::vision_server::VisionServer;
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

/// Why the vision service cannot run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The model's files.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The preprocessor's configuration.
    #[error(transparent)]
    Preprocess(#[from] ImagingError),
    /// The tower takes another size of pictures than the preprocessor makes.
    #[error("preprocessor_config.json makes pictures of {preprocessor} px, the tower takes {tower} px")]
    Size {
        /// What the preprocessor makes.
        preprocessor: u32,
        /// What the tower takes.
        tower: usize,
    },
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
    tracing::info!(?config, "vision service starts");
    let serving = config.serving.clone();
    fondue_serving::telemetry::describe(fondue_engine::VISION_MEASURES);
    let model = Arc::new(Loading::new("the vision tower"));
    let service = VisionServer::new(Handler::new(Arc::clone(&model), config.limits))
        .max_decoding_message_size(serving.max_message_bytes)
        .max_encoding_message_size(usize::MAX);
    let mut routes = RoutesBuilder::default();
    routes.add_service(service);
    let readiness = Readiness::new(&["fondue.vision.v1.Vision"]);
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
    let preprocess = Preprocess::from_file(&config.model.join("preprocessor_config.json"))?;
    let fingerprint = fingerprint::vision(&config.model)?;
    let (folder, placement) = (config.model.clone(), config.placement);
    let log = LoadLog::new("the vision tower");
    let tower = VisionTower::load(&folder, placement, &|progress| log.step(progress.read, progress.total))?;
    let (feature_dim, image_size) = (tower.feature_dim(), tower.image_size());
    if preprocess.size as usize != image_size {
        return Err(RunError::Size { preprocessor: preprocess.size, tower: image_size });
    }
    let engine = VisionEngine::spawn(move || Ok(tower), preprocess, config.engine)?;
    Ok(Loaded { engine, fingerprint, feature_dim, image_size, placement })
}
