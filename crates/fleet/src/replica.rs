//! One of several processes of a service, on a port that it keeps.

use std::{fmt, time::Duration};

use nix::sys::signal::Signal;

use crate::{
    error::FleetError,
    process::{Launch, Process},
    proxy::Proxy,
};

/// How long one may take to stop before it is killed: the services' default drain, and some to tidy up.
const GRACE: Duration = Duration::from_secs(4);

/// A service of Fondue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Service {
    /// Picture files to features.
    Vision,
    /// Prompts to text and queries.
    Language,
    /// Queries to pictures.
    Retrieval,
    /// What clients speak to.
    Gateway,
}

impl Service {
    /// Those that the gateway calls.
    pub const LEAVES: [Self; 3] = [Self::Vision, Self::Language, Self::Retrieval];
    /// All.
    pub const ALL: [Self; 4] = [Self::Vision, Self::Language, Self::Retrieval, Self::Gateway];

    /// `vision` and so on: `fondue-NAME` is its program, `--NAME` the gateway's flag for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vision => "vision",
            Self::Language => "language",
            Self::Retrieval => "retrieval",
            Self::Gateway => "gateway",
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A process of a service. It keeps its port through deaths; dropped, it is killed.
#[derive(Debug)]
pub struct Replica {
    service: Service,
    launch: Launch,
    address: String,
    process: Option<Process>,
    proxy: Option<Proxy>,
}

impl Replica {
    /// Starts it on a free port, behind a proxy if asked; returns when it is ready.
    pub(crate) async fn start(service: Service, launch: Launch, proxied: bool) -> Result<Self, FleetError> {
        let (process, address) = launch.start("127.0.0.1:0").await?;
        let proxy = if proxied { Some(Proxy::start(&address).await?) } else { None };
        Ok(Self { service, launch, address, process: Some(process), proxy })
    }

    /// Of which service it is one.
    pub fn service(&self) -> Service {
        self.service
    }

    /// `language-1` and so on, from 0.
    pub fn name(&self) -> &str {
        &self.launch.name
    }

    /// `HOST:PORT` where it listens itself.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// `HOST:PORT` that its callers were given: its proxy's, if it has one.
    pub fn door(&self) -> &str {
        self.proxy.as_ref().map_or(&self.address, Proxy::address)
    }

    /// What stands before it, if the plan asked for proxies.
    pub fn proxy(&self) -> Option<&Proxy> {
        self.proxy.as_ref()
    }

    /// Its process's number, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.process.as_ref().and_then(Process::id)
    }

    /// Whether its process is there, frozen or not.
    pub fn is_running(&mut self) -> bool {
        self.process.as_mut().is_some_and(|process| !process.has_ended())
    }

    /// Bytes of memory that it has now, mapped files included.
    ///
    /// # Errors
    /// [`FleetError::Down`], [`FleetError::System`].
    pub fn resident(&self) -> Result<u64, FleetError> {
        self.memory("VmRSS")
    }

    /// Most bytes of memory that it has had since it was started.
    ///
    /// # Errors
    /// [`FleetError::Down`], [`FleetError::System`].
    pub fn peak(&self) -> Result<u64, FleetError> {
        self.memory("VmHWM")
    }

    fn memory(&self, field: &str) -> Result<u64, FleetError> {
        let what = || format!("reading the memory of {}", self.name());
        self.running()?.memory(field).map_err(FleetError::system(what()))
    }

    /// `kill -9`; returns when nothing of it is left. Its port stays its own, for [`Replica::restart`].
    pub async fn kill(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill().await;
        }
    }

    /// SIGSTOP: it keeps its connections and says nothing.
    ///
    /// # Errors
    /// [`FleetError::Down`], [`FleetError::System`].
    pub fn freeze(&self) -> Result<(), FleetError> {
        self.signal(Signal::SIGSTOP)
    }

    /// SIGCONT: a frozen one goes on.
    ///
    /// # Errors
    /// [`FleetError::Down`], [`FleetError::System`].
    pub fn thaw(&self) -> Result<(), FleetError> {
        self.signal(Signal::SIGCONT)
    }

    /// Starts it again on its port, after killing it if it runs; returns when it is ready.
    ///
    /// # Errors
    /// [`FleetError`] if it does not become ready.
    pub async fn restart(&mut self) -> Result<(), FleetError> {
        self.kill().await;
        let (process, _) = self.launch.start(&self.address).await?;
        self.process = Some(process);
        Ok(())
    }

    /// Asks it to stop as an operator would: SIGTERM, and SIGKILL after 4 s. Whether it ended by itself.
    pub async fn stop(&mut self) -> bool {
        match self.process.take() {
            Some(process) => process.stop(GRACE).await,
            None => true,
        }
    }

    fn running(&self) -> Result<&Process, FleetError> {
        self.process.as_ref().ok_or_else(|| FleetError::Down { name: self.name().to_owned() })
    }

    fn signal(&self, signal: Signal) -> Result<(), FleetError> {
        let what = || format!("{signal} to {}", self.name());
        self.running()?.signal(signal).map_err(FleetError::system(what()))
    }
}
