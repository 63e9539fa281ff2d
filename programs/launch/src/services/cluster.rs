//! All services together: start, watch, restart, stop.

mod service;

use std::time::Duration;

use anyhow::{Result, anyhow};
use futures::future::{join_all, select_all, try_join_all};

use super::{ServiceArgs, plan, process::End};
use service::{Happening, Service};

/// The services that were started. Stop it before it is dropped; a dropped one kills them.
#[derive(Debug)]
pub(crate) struct Cluster {
    services: Vec<Service>,
    verbose: bool,
    restart: bool,
}

impl Cluster {
    /// None yet. With `restart`, a service that dies is started again, later each time.
    pub(crate) fn new(verbose: bool, restart: bool) -> Self {
        Self { services: Vec::new(), verbose, restart }
    }

    /// Starts vision, language and retrieval side by side, then the gateway. Whatever the outcome, what was started
    /// stays until [`Cluster::stop`].
    ///
    /// # Errors
    /// If one cannot be started, dies or is not ready in time: says why, with the end of its log.
    pub(crate) async fn start(&mut self, args: &ServiceArgs, free_ports: bool) -> Result<()> {
        let patience = Duration::from_secs(args.start_timeout);
        for plan in plan::leaves(args, free_ports)? {
            self.services.push(Service::start(plan, self.verbose)?);
        }
        try_join_all(self.services.iter_mut().map(|service| service.ready(patience))).await?;
        let leaves: Vec<_> = self.services.iter().map(|service| service.address().to_owned()).collect();
        let mut gateway = Service::start(plan::gateway(args, &leaves, free_ports)?, self.verbose)?;
        let ready = gateway.ready(patience).await;
        self.services.push(gateway);
        ready
    }

    /// Name and `HOST:PORT` of every service, the gateway first.
    pub(crate) fn addresses(&self) -> Vec<(&'static str, &str)> {
        self.services.iter().rev().map(|service| (service.name(), service.address())).collect()
    }

    /// The gateway's URL.
    pub(crate) fn gateway(&self) -> Result<String> {
        let gateway = self.services.iter().find(|service| service.name() == "gateway");
        gateway.map(|g| format!("http://{}", g.address())).ok_or_else(|| anyhow!("there is no gateway"))
    }

    /// Waits until a service dies or comes back, does what is to be done, and tells it. Safe to drop and call again.
    pub(crate) async fn change(&mut self) -> String {
        let happenings = self.services.iter_mut().map(|service| Box::pin(service.happening()));
        let (happening, index, _) = select_all(happenings).await;
        let (restart, verbose) = (self.restart, self.verbose);
        let service = &mut self.services[index];
        match happening {
            Happening::Died(how) => service.died(&how, restart),
            Happening::Due => service.revive(verbose),
            Happening::Ready(address) => format!("{} listens on {address} again", service.name()),
        }
    }

    /// Whether not one service runs or will run again.
    pub(crate) fn is_dead(&self) -> bool {
        self.services.iter().all(Service::is_down)
    }

    /// Stops all at the same time; what does not stop within 4 s is killed. Nothing of them is left afterwards.
    pub(crate) async fn stop(&mut self) {
        let ends = join_all(self.services.iter_mut().map(Service::stop)).await;
        for (service, end) in self.services.iter().zip(ends) {
            if end == Some(End::Killed) {
                eprintln!("{} did not stop and was killed", service.name());
            }
        }
    }
}
