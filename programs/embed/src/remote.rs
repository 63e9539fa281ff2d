//! Calls to the services.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result, anyhow, bail};
use fondue_proto::{
    language::{self, language_client::LanguageClient},
    retrieval::retrieval_client::RetrievalClient,
    vision::{self, vision_client::VisionClient},
};
use fondue_terminal::interrupt::Interrupt;
use fondue_tls::{ClientFiles, ClientTls, Pair};
use tonic::{
    Code, Status,
    transport::{Channel, Endpoint},
};
use tonic_types::StatusExt;

/// How often it is looked whether Ctrl-C came.
const LOOKED_EVERY: Duration = Duration::from_millis(50);

/// Where `fondue up` puts the services.
pub(crate) const VISION: &str = "127.0.0.1:7401";
pub(crate) const LANGUAGE: &str = "127.0.0.1:7402";
pub(crate) const RETRIEVAL: &str = "127.0.0.1:7403";

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Several pictures in one message.
const MAX_MESSAGE_BYTES: usize = 256 << 20;

/// TLS of services at `https://` addresses.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct TlsArgs {
    /// Authorities in PEM that sign the certificates of https:// services [default: the system's].
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Certificate in PEM to show to services that ask for one.
    #[arg(long, value_name = "FILE", requires = "key")]
    certificate: Option<PathBuf>,
    /// Its private key in PEM.
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
}

impl TlsArgs {
    fn load(&self) -> Result<ClientTls> {
        let pair = self.certificate.clone().zip(self.key.clone());
        let pair = pair.map(|(certificate, key)| Pair { certificate, key });
        Ok(ClientTls::load(ClientFiles { ca: self.ca.clone(), pair, name: None })?)
    }
}

/// Connects with the first call. `HOST:PORT`, or with `http://` or `https://`.
fn channel(address: &str, tls: &TlsArgs) -> Result<Channel> {
    let url = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
    let is_secure = url.starts_with("https://");
    if !is_secure && !url.starts_with("http://") {
        bail!("the address `{address}` must be HOST:PORT, http://HOST:PORT or https://HOST:PORT");
    }
    let endpoint = Endpoint::from_shared(url).with_context(|| format!("the address `{address}`"))?;
    // A machine that has vanished is noticed while an answer is awaited.
    let endpoint = endpoint.tcp_nodelay(true).http2_keep_alive_interval(Duration::from_secs(20));
    let endpoint = endpoint.keep_alive_timeout(Duration::from_secs(10));
    if is_secure {
        let host = endpoint.uri().host().unwrap_or_default();
        let connector = tls.load()?.connector(host, CONNECT_TIMEOUT)?;
        return Ok(endpoint.connect_with_connector_lazy(connector));
    }
    Ok(endpoint.connect_timeout(CONNECT_TIMEOUT).connect_lazy())
}

/// Waits for an answer, or for Ctrl-C.
pub(crate) async fn awaited<T>(interrupt: &Interrupt, answer: impl Future<Output = Result<T>>) -> Result<T> {
    let came = async {
        loop {
            if let Err(interrupted) = interrupt.check() {
                return interrupted;
            }
            tokio::time::sleep(LOOKED_EVERY).await;
        }
    };
    tokio::select! {
        answer = answer => answer,
        interrupted = came => Err(interrupted.into()),
    }
}

pub(crate) fn vision(address: &str, tls: &TlsArgs) -> Result<VisionClient<Channel>> {
    let client = VisionClient::new(channel(address, tls)?);
    Ok(client.max_decoding_message_size(MAX_MESSAGE_BYTES).max_encoding_message_size(MAX_MESSAGE_BYTES))
}

pub(crate) fn language(address: &str, tls: &TlsArgs) -> Result<LanguageClient<Channel>> {
    let client = LanguageClient::new(channel(address, tls)?);
    Ok(client.max_decoding_message_size(MAX_MESSAGE_BYTES).max_encoding_message_size(MAX_MESSAGE_BYTES))
}

pub(crate) fn retrieval(address: &str, tls: &TlsArgs) -> Result<RetrievalClient<Channel>> {
    let client = RetrievalClient::new(channel(address, tls)?);
    Ok(client.max_decoding_message_size(MAX_MESSAGE_BYTES).max_encoding_message_size(MAX_MESSAGE_BYTES))
}

/// For commands that do nothing else.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("starting to call the services")
}

/// A refused call, for people: who refused, what, and what to do.
pub(crate) fn failed(service: &str, address: &str, status: &Status) -> anyhow::Error {
    let details = status.get_error_details();
    let mut text =
        format!("the {service} service at {address} answers {:?}: {}", status.code(), status.message());
    for violation in details.bad_request().map(|bad| bad.field_violations.as_slice()).unwrap_or_default() {
        text += &format!("; {}: {}", violation.field, violation.description);
    }
    if status.code() == Code::Unavailable {
        text += "; is it running? `fondue up` starts all services";
    }
    anyhow!(text)
}

/// Picture files → embeddings, through vision and language services.
#[derive(Clone)]
pub(crate) struct Eyes {
    vision: VisionClient<Channel>,
    language: LanguageClient<Channel>,
    addresses: (String, String),
}

impl Eyes {
    pub(crate) fn open(vision: &str, language: &str, tls: &TlsArgs) -> Result<Self> {
        let addresses = (vision.to_owned(), language.to_owned());
        let (vision, language) = (self::vision(vision, tls)?, self::language(language, tls)?);
        Ok(Self { vision, language, addresses })
    }

    /// Fingerprints of vision's model and of language's.
    pub(crate) async fn fingerprints(&mut self) -> Result<(String, String)> {
        let (vision, language) = self.addresses.clone();
        let seen = self.vision.describe(vision::DescribeRequest {}).await;
        let seen = seen.map_err(|status| failed("vision", &vision, &status))?.into_inner();
        let mapped = self.language.describe(language::DescribeRequest {}).await;
        let mapped = mapped.map_err(|status| failed("language", &language, &status))?.into_inner();
        Ok((seen.fingerprint, mapped.fingerprint))
    }

    pub(crate) async fn embed(
        &mut self,
        files: Vec<Vec<u8>>,
    ) -> Result<Vec<Vec<f32>>, Box<(Code, anyhow::Error)>> {
        let (vision, language) = (self.addresses.0.clone(), self.addresses.1.clone());
        let told = |service: &str, address: &str, status: &Status| {
            Box::new((status.code(), failed(service, address, status)))
        };
        let images =
            files.into_iter().map(|data| vision::Image { data: data.into(), ..Default::default() }).collect();
        let features = self.vision.encode(vision::EncodeRequest { images }).await;
        let features = features.map_err(|status| told("vision", &vision, &status))?.into_inner().features;
        let features =
            features.into_iter().map(|features| language::Features { values: features.values }).collect();
        let embeddings = self.language.project(language::ProjectRequest { features }).await;
        let embeddings = embeddings.map_err(|status| told("language", &language, &status))?.into_inner();
        Ok(embeddings.embeddings.into_iter().map(|embedding| embedding.values).collect())
    }
}
