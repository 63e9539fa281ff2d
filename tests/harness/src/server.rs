//! One service of the cluster: started, stopped, started again on the same port.

use std::{pin::Pin, time::Duration};

use anyhow::{Context, Result, bail};
use fondue_serving::upstream::connect_lazy;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

/// What tells a service to stop.
pub type Stop = Pin<Box<dyn Future<Output = ()> + Send>>;
type Running = Pin<Box<dyn Future<Output = Result<()>> + Send>>;
type Run = fn(Vec<String>, TcpListener, Stop) -> Running;

/// A service.
pub struct Server {
    /// `HOST:PORT`.
    pub address: String,
    name: &'static str,
    words: Vec<String>,
    run: Run,
    live: Option<(oneshot::Sender<()>, JoinHandle<Result<()>>)>,
}

impl Server {
    /// Starts a service with its command line on a free port; returns when it is ready.
    ///
    /// # Errors
    /// If it does not become ready.
    pub async fn start(name: &'static str, words: Vec<String>, run: Run) -> Result<Self> {
        let mut server = Self { address: "127.0.0.1:0".to_owned(), name, words, run, live: None };
        server.restart().await?;
        Ok(server)
    }

    /// Starts it again, on the port that it had; stops it first if it runs.
    ///
    /// # Errors
    /// If it does not become ready.
    pub async fn restart(&mut self) -> Result<()> {
        self.stop().await?;
        let listener = TcpListener::bind(&self.address).await?;
        self.address = listener.local_addr()?.to_string();
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = Box::pin(async {
            let _ = stopped.await;
        });
        let task = tokio::spawn((self.run)(self.words.clone(), listener, shutdown));
        self.live = Some((stop, task));
        self.ready().await
    }

    /// Stops it and waits until it is gone.
    ///
    /// # Errors
    /// If it ended with an error.
    pub async fn stop(&mut self) -> Result<()> {
        let Some((stop, task)) = self.live.take() else { return Ok(()) };
        let _ = stop.send(());
        task.await?.with_context(|| format!("the {} service", self.name))
    }

    async fn ready(&mut self) -> Result<()> {
        let mut client = HealthClient::new(connect_lazy(&self.address)?);
        for _ in 0..600 {
            if self.live.as_ref().is_none_or(|(_, task)| task.is_finished()) {
                self.stop().await?;
                bail!("the {} service ended by itself", self.name);
            }
            let answer = client.check(HealthCheckRequest::default()).await;
            if answer.is_ok_and(|answer| answer.into_inner().status() == ServingStatus::Serving) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("the {} service is not ready after 30 s", self.name)
    }
}
