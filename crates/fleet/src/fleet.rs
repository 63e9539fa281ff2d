//! All services together: N replicas of each leaf, and a gateway that knows them all.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use crate::{
    error::FleetError,
    process::Launch,
    replica::{Replica, Service},
};

/// Replicas of one service at most.
const MAX_REPLICAS: usize = 16;

/// What to start.
#[derive(Clone, Debug)]
pub struct FleetPlan {
    /// Folder that holds `fondue-vision`, `fondue-language`, `fondue-retrieval` and `fondue-gateway`.
    pub programs: PathBuf,
    /// Model folder: clip/, opt/ and fromage/.
    pub model: PathBuf,
    /// Index of pictures, which all replicas of retrieval share: one of them alone can change it.
    pub index: PathBuf,
    /// Folder for the logs, one file for each process.
    pub logs: PathBuf,
    /// Processes of each leaf; of the gateway there is one.
    pub replicas: usize,
    /// Whether each leaf stands behind a [`crate::Proxy`], whose address the gateway is given.
    pub proxied: bool,
    /// Further flags.
    pub flags: Vec<(Service, OsString)>,
    /// How long one may take to be ready.
    pub patience: Duration,
}

impl FleetPlan {
    fn launch(&self, service: Service, number: usize, own: Vec<OsString>) -> Launch {
        let name = match service {
            Service::Gateway => service.name().to_owned(),
            _ => format!("{service}-{number}"),
        };
        let more = self.flags.iter().filter(|(of, _)| *of == service).map(|(_, flag)| flag.clone());
        Launch {
            program: self.programs.join(format!("fondue-{service}")),
            flags: own.into_iter().chain(more).collect(),
            log: self.logs.join(format!("{name}.log")),
            patience: self.patience,
            name,
        }
    }

    fn leaf(&self, service: Service, number: usize) -> Launch {
        let (flag, path) = match service {
            Service::Vision => ("--model", self.model.join("clip")),
            Service::Retrieval => ("--index", self.index.clone()),
            Service::Language | Service::Gateway => ("--model", self.model.clone()),
        };
        self.launch(service, number, vec![flag.into(), path.into_os_string()])
    }
}

/// Running services. Dropped, all are killed; [`Fleet::stop`] lets them end in order.
#[derive(Debug)]
pub struct Fleet {
    leaves: Vec<Replica>,
    gateway: Option<Replica>,
}

impl Fleet {
    /// Starts the leaves side by side, then the gateway; returns when all are ready.
    ///
    /// # Errors
    /// [`FleetError`] of the first that does not become ready; the others are killed then.
    pub async fn start(plan: &FleetPlan) -> Result<Self, FleetError> {
        let mut fleet = Self::leaves(plan).await?;
        let mut flags: Vec<OsString> = Vec::new();
        for service in Service::LEAVES {
            let doors: Vec<&str> = fleet.replicas(service).map(Replica::door).collect();
            flags.extend([format!("--{service}").into(), doors.join(",").into()]);
        }
        let launch = plan.launch(Service::Gateway, 0, flags);
        fleet.gateway = Some(Replica::start(Service::Gateway, launch, false).await?);
        Ok(fleet)
    }

    /// The same without a gateway.
    ///
    /// # Errors
    /// The same.
    pub async fn leaves(plan: &FleetPlan) -> Result<Self, FleetError> {
        if !(1..=MAX_REPLICAS).contains(&plan.replicas) {
            return Err(FleetError::Replicas { got: plan.replicas });
        }
        let making = format!("making {}", plan.logs.display());
        std::fs::create_dir_all(&plan.logs).map_err(FleetError::system(making))?;
        let mut starting = Vec::new();
        for service in Service::LEAVES {
            for number in 0..plan.replicas {
                let (launch, proxied) = (plan.leaf(service, number), plan.proxied);
                starting.push(tokio::spawn(Replica::start(service, launch, proxied)));
            }
        }
        let (mut leaves, mut failed) = (Vec::new(), None);
        for start in starting {
            match start.await {
                Ok(Ok(replica)) => leaves.push(replica),
                Ok(Err(error)) => failed = failed.or(Some(error)),
                Err(error) => {
                    let source = std::io::Error::other(error);
                    failed = failed.or(Some(FleetError::System { what: "starting".to_owned(), source }));
                }
            }
        }
        match failed {
            Some(error) => Err(error),
            None => Ok(Self { leaves, gateway: None }),
        }
    }

    /// The gateway, if one was started.
    pub fn gateway(&self) -> Option<&Replica> {
        self.gateway.as_ref()
    }

    /// Where clients reach the gateway: `http://HOST:PORT`.
    ///
    /// # Errors
    /// [`FleetError::Down`] if none was started.
    pub fn url(&self) -> Result<String, FleetError> {
        let gateway = self.gateway.as_ref().map(|gateway| format!("http://{}", gateway.door()));
        gateway.ok_or_else(|| FleetError::Down { name: "gateway".to_owned() })
    }

    /// The replicas of a service, in order.
    pub fn replicas(&self, service: Service) -> impl Iterator<Item = &Replica> {
        self.all().filter(move |replica| replica.service() == service)
    }

    /// One of them, to be killed and started again.
    pub fn replica(&mut self, service: Service, number: usize) -> Option<&mut Replica> {
        let all = self.leaves.iter_mut().chain(&mut self.gateway);
        all.filter(|replica| replica.service() == service).nth(number)
    }

    /// Every process, the gateway last.
    pub fn all(&self) -> impl Iterator<Item = &Replica> {
        self.leaves.iter().chain(&self.gateway)
    }

    /// Stops the gateway, then the leaves, as an operator would.
    pub async fn stop(&mut self) {
        if let Some(gateway) = &mut self.gateway {
            gateway.stop().await;
        }
        let leaves = std::mem::take(&mut self.leaves);
        let stopping = leaves.into_iter().map(|mut leaf| {
            tokio::spawn(async move {
                leaf.stop().await;
                leaf
            })
        });
        for stopped in stopping.collect::<Vec<_>>() {
            self.leaves.extend(stopped.await.ok());
        }
    }
}
