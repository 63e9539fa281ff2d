//! A cluster in one process: the services' real `run`, the shipped model, a small index, free ports.

pub mod pictures;
pub mod server;

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Parser;
use fondue_proto::{
    dialogue::dialogue_client::DialogueClient, language::language_client::LanguageClient,
    retrieval::retrieval_client::RetrievalClient, vision::vision_client::VisionClient,
};
use fondue_serving::upstream::{Channel, connect_lazy};
use tempfile::TempDir;

pub use server::Server;

/// Pictures in the index.
pub const GALLERY: usize = 24;

/// Further flags for the services.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flags<'a> {
    /// Of the gateway.
    pub gateway: &'a [&'a str],
    /// Of the vision service.
    pub vision: &'a [&'a str],
    /// Of the language service.
    pub language: &'a [&'a str],
    /// Of the retrieval service.
    pub retrieval: &'a [&'a str],
}

/// Four services that can be stopped and started one by one.
pub struct Cluster {
    /// The dialogue API.
    pub gateway: Server,
    /// The vision service.
    pub vision: Server,
    /// The language service.
    pub language: Server,
    /// The retrieval service.
    pub retrieval: Server,
    data: TempDir,
}

impl Cluster {
    /// Builds an index of [`GALLERY`] pictures and starts everything; returns when all are ready.
    ///
    /// # Errors
    /// If something does not start.
    pub async fn start(flags: Flags<'_>) -> Result<Self> {
        let data = tempfile::tempdir()?;
        let index = build_index(data.path()).await?;
        let clip = model().join("clip");
        let vision = Server::start(
            "vision",
            strings(&["--threads=1", "--model", path(&clip)], flags.vision),
            |words, listener, stop| {
                Box::pin(async move {
                    let config = fondue_vision::config::Args::try_parse_from(words)?.resolve()?;
                    Ok(fondue_vision::run(config, listener, stop).await?)
                })
            },
        );
        let words = strings(&["--threads=1", "--model", path(&model())], flags.language);
        let language = Server::start("language", words, |words, listener, stop| {
            Box::pin(async move {
                let config = fondue_language::config::Args::try_parse_from(words)?.resolve()?;
                Ok(fondue_language::run(config, listener, stop).await?)
            })
        });
        let words = strings(&["--index", path(&index)], flags.retrieval);
        let retrieval = Server::start("retrieval", words, |words, listener, stop| {
            Box::pin(async move {
                let config = fondue_retrieval::config::Args::try_parse_from(words)?.resolve()?;
                Ok(fondue_retrieval::run(config, listener, stop).await?)
            })
        });
        let (vision, language, retrieval) = (vision.await?, language.await?, retrieval.await?);
        let upstreams =
            ["--vision", &vision.address, "--language", &language.address, "--retrieval", &retrieval.address];
        let words = strings(&upstreams, flags.gateway);
        let gateway = Server::start("gateway", words, |words, listener, stop| {
            Box::pin(async move {
                let config = fondue_gateway::config::Args::try_parse_from(words)?.resolve()?;
                Ok(fondue_gateway::run(config, listener, stop).await?)
            })
        });
        Ok(Self { gateway: gateway.await?, vision, language, retrieval, data })
    }

    /// A client of the dialogue API.
    ///
    /// # Errors
    /// None but a defect: the address is one.
    pub fn dialogue(&self) -> Result<DialogueClient<Channel>> {
        Ok(DialogueClient::new(connect_lazy(&self.gateway.address)?).max_decoding_message_size(64 << 20))
    }

    /// A client of the vision service itself.
    ///
    /// # Errors
    /// None but a defect.
    pub fn vision_client(&self) -> Result<VisionClient<Channel>> {
        Ok(VisionClient::new(connect_lazy(&self.vision.address)?))
    }

    /// A client of the language service itself.
    ///
    /// # Errors
    /// None but a defect.
    pub fn language_client(&self) -> Result<LanguageClient<Channel>> {
        Ok(LanguageClient::new(connect_lazy(&self.language.address)?))
    }

    /// A client of the retrieval service itself.
    ///
    /// # Errors
    /// None but a defect.
    pub fn retrieval_client(&self) -> Result<RetrievalClient<Channel>> {
        Ok(RetrievalClient::new(connect_lazy(&self.retrieval.address)?))
    }

    /// The index's root.
    pub fn index(&self) -> PathBuf {
        self.data.path().join("index")
    }

    /// The file of a picture of the index.
    ///
    /// # Errors
    /// If there is none.
    pub fn picture(&self, n: usize) -> Result<Vec<u8>> {
        Ok(std::fs::read(self.data.path().join("pictures").join(pictures::name(n)))?)
    }

    /// Waits until the language service decodes nothing and nothing waits.
    ///
    /// # Errors
    /// If it is still busy after 10 s.
    pub async fn language_idle(&self) -> Result<()> {
        let mut client = self.language_client()?;
        for _ in 0..1000 {
            let facts = client.describe(fondue_proto::language::DescribeRequest {}).await?.into_inner();
            if facts.active_slots == 0 && facts.queued == 0 {
                return Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        anyhow::bail!("the language service is still busy after 10 s")
    }
}

/// Builds an index of [`GALLERY`] pictures, which lie beside it in `pictures`.
///
/// # Errors
/// If it cannot be built.
pub async fn build_index(data: &Path) -> Result<PathBuf> {
    let (pictures, index) = (data.join("pictures"), data.join("index"));
    pictures::write(&pictures, GALLERY)?;
    let words = [
        "build".into(),
        "--pictures".into(),
        pictures,
        "--index".into(),
        index.clone(),
        "--model".into(),
        model(),
    ];
    let build = fondue_embed::build::Args::try_parse_from(words)?;
    tokio::task::spawn_blocking(move || fondue_embed::build::run(&build)).await??;
    Ok(index)
}

/// The shipped model.
pub fn model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/model")
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}

fn strings(words: &[&str], more: &[&str]) -> Vec<String> {
    // Tests that open streams on purpose should not wait long for them.
    let all = ["service", "--drain-seconds", "0.2"].iter().chain(words).chain(more);
    all.map(|&word| word.to_owned()).collect()
}
