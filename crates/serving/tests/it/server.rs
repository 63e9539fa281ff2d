//! A server without services of its own: health, probes and metrics are enough to ask for.

use std::{path::PathBuf, time::Duration};

use fondue_authority::{Authority, Files};
use fondue_serving::{
    server::{Readiness, ServeError, Site},
    settings::ServingSettings,
    upstream::{Channel, ClientFiles, ClientTls, connect_lazy, connect_lazy_with},
};
use fondue_tls::Pair;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};
use tonic::{Status, service::RoutesBuilder};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

pub(crate) const NAME: &str = "grpc.health.v1.Health";
/// Far above what anything here takes, on a busy machine too.
pub(crate) const LONG: Duration = Duration::from_secs(30);

pub(crate) struct Running {
    pub(crate) address: String,
    pub(crate) readiness: Readiness,
    pub(crate) stop: oneshot::Sender<()>,
    pub(crate) ended: JoinHandle<Result<(), ServeError>>,
}

pub(crate) async fn start(settings: ServingSettings) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serving = settings.resolve("127.0.0.1:0").unwrap();
    let readiness = Readiness::new(&[NAME]);
    readiness.ready();
    let (stop, stopped) = oneshot::channel();
    let ended = tokio::spawn({
        let readiness = readiness.clone();
        async move {
            let shutdown = async {
                let _ = stopped.await;
            };
            let (routes, descriptors) = (RoutesBuilder::default(), tonic_health::pb::FILE_DESCRIPTOR_SET);
            let listener = listener.into();
            Site { serving: &serving, listener, routes, readiness, descriptors, http: None, guard: None }
                .serve(shutdown)
                .await
        }
    });
    Running { address, readiness, stop, ended }
}

/// An address that was free a moment ago.
pub(crate) async fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string()
}

impl Running {
    pub(crate) fn port(&self) -> &str {
        self.address.rsplit_once(':').unwrap().1
    }

    /// The address that the test's certificates are for.
    pub(crate) fn https(&self) -> String {
        format!("https://localhost:{}", self.port())
    }
}

/// A plain HTTP/1 connection, kept.
pub(crate) struct Http1(pub(crate) TcpStream);

impl Http1 {
    pub(crate) async fn connect(address: &str) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    /// Asks for a path and reads the answer, if there comes one.
    pub(crate) async fn get(&mut self, path: &str) -> Option<String> {
        self.0.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.ok()?;
        self.answer().await
    }

    pub(crate) async fn answer(&mut self) -> Option<String> {
        let mut answer = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&answer).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                let whole = match length {
                    Some(length) => body.len() >= length.parse::<usize>().unwrap(),
                    None => body.ends_with("0\r\n\r\n"),
                };
                if whole {
                    return Some(text);
                }
            }
            let mut piece = [0; 4096];
            match timeout(LONG, self.0.read(&mut piece)).await.expect("neither an answer nor an end") {
                Ok(0) | Err(_) => return None,
                Ok(n) => answer.extend_from_slice(&piece[..n]),
            }
        }
    }

    /// Waits until the server closes it.
    pub(crate) async fn closed(&mut self) {
        let mut rest = Vec::new();
        let _ = timeout(LONG, self.0.read_to_end(&mut rest)).await.expect("it is still open");
    }
}

/// The value of a metric, by its name and labels as they stand in the text.
pub(crate) fn metric(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).trim().parse().unwrap()
}

pub(crate) async fn check(channel: Channel) -> Result<i32, Status> {
    let mut client = HealthClient::new(channel);
    let mut request = tonic::Request::new(HealthCheckRequest { service: NAME.to_owned() });
    request.set_timeout(LONG);
    Ok(client.check(request).await?.into_inner().status)
}

/// Asks without TLS.
pub(crate) async fn check_plain(address: &str) -> Result<i32, Status> {
    check(connect_lazy(address).unwrap()).await
}

/// An authority, and the files of what it signs.
pub(crate) struct Papers {
    pub(crate) folder: TempDir,
    pub(crate) authority: Authority,
}

impl Papers {
    pub(crate) fn new() -> Self {
        let papers =
            Self { folder: tempfile::tempdir().unwrap(), authority: Authority::new("ours").unwrap() };
        papers.authority.write(&papers.ca()).unwrap();
        papers
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    pub(crate) fn issue(&self, names: &[&str], file: &str) -> Files {
        self.authority.issue(names).unwrap().write(self.folder.path(), file).unwrap()
    }

    /// Settings of a server with a certificate for `localhost`.
    pub(crate) fn settings(&self) -> ServingSettings {
        let Files { certificate, key } = self.issue(&["localhost", "127.0.0.1"], "server");
        let mut settings = ServingSettings { drain_seconds: Some(0.5), ..ServingSettings::default() };
        settings.tls.tls_certificate = Some(certificate);
        settings.tls.tls_key = Some(key);
        settings
    }

    /// A channel that trusts the authority, with a certificate of its own or without.
    pub(crate) fn channel(&self, address: &str, own: Option<&Files>) -> Channel {
        let pair = own.map(|own| Pair { certificate: own.certificate.clone(), key: own.key.clone() });
        let tls = ClientTls::load(ClientFiles { ca: Some(self.ca()), pair, name: None }).unwrap();
        connect_lazy_with(address, Some(&tls)).unwrap()
    }
}
