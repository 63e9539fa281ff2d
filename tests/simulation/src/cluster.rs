//! The hosts, and the hand that makes what goes wrong.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, anyhow, ensure};
use clap::Parser;
use fondue_gateway::config::{Args, Config};
use fondue_serving::network::Network;
use tokio::sync::Notify;
use turmoil::{Builder, Sim};

use crate::{
    asking,
    journal::{Journal, Service, What},
    network::{Names, PORT, listen},
    plan::{Kind, Plan, REPLICAS},
    services::Replica,
};

/// How exact the simulation is: hosts run for so long, one after the other.
pub const TICK: Duration = Duration::from_millis(2);
/// Longer than any plan takes.
const LONGEST: Duration = Duration::from_secs(300);
/// The gateway's host.
const GATEWAY: &str = "gateway";

/// Plays a plan. Within [`crate::chance::seeded`], the same plan gives the same journal.
///
/// # Errors
/// What keeps the cluster from running; never what happens in it.
pub fn run(plan: &Plan) -> Result<Journal> {
    let mut cluster = Cluster::new(plan)?;
    let mut faults = Vec::new();
    for fault in &plan.faults {
        faults.push((fault.from, fault, true));
        faults.push((fault.until, fault, false));
    }
    faults.sort_by_key(|(at, ..)| *at);
    let mut faults = faults.into_iter().peekable();
    let mut stop = plan.stop;
    loop {
        let now = cluster.sim.elapsed();
        while let Some((_, fault, begins)) = faults.next_if(|(at, ..)| *at <= now) {
            for index in fault.replicas() {
                cluster.fault(fault.kind, fault.service, index, begins);
            }
        }
        if stop.is_some_and(|at| at <= now) {
            stop = None;
            cluster.journal.note_at(now, What::Fault("the gateway is told to stop".to_owned()));
            cluster.stop.notify_one();
        }
        cluster.start_again();
        let is_over = cluster.sim.step().map_err(|error| anyhow!("{error}"))?;
        if is_over && faults.peek().is_none() && cluster.due.is_empty() {
            return Ok(cluster.journal);
        }
    }
}

struct Cluster {
    sim: Sim<'static>,
    replicas: Vec<Replica>,
    journal: Journal,
    stop: Arc<Notify>,
    names: Names,
    /// Those that are started again when they have stopped.
    due: Vec<Replica>,
}

impl Cluster {
    fn new(plan: &Plan) -> Result<Self> {
        let (journal, names, stop) = (Journal::default(), Names::default(), Arc::new(Notify::new()));
        let mut sim = Builder::new()
            .tick_duration(TICK)
            .simulation_duration(LONGEST)
            .min_message_latency(Duration::from_micros(100))
            .max_message_latency(plan.latency)
            .tcp_capacity(4096)
            .rng_seed(plan.seed)
            .enable_random_order()
            .build();
        let mut replicas = Vec::new();
        for service in Service::ALL {
            for index in 0..REPLICAS {
                let replica = Replica::new(service, index, plan.seed, journal.clone());
                sim.host(replica.name(), {
                    let replica = replica.clone();
                    move || replica.clone().serve()
                });
                names.change(service.name(), sim.lookup(replica.name()), true);
                replicas.push(replica);
            }
        }
        let config = config(names.clone(), plan.drain)?;
        let (noted, stopped) = (journal.clone(), stop.clone());
        sim.host(GATEWAY, move || {
            let (config, noted, stopped) = (config.clone(), noted.clone(), stopped.clone());
            async move {
                let shutdown = async move { stopped.notified().await };
                fondue_gateway::run(config, listen().await?, shutdown).await?;
                noted.note(0, What::GatewayEnded);
                // The machine goes on, and refuses connections.
                std::future::pending().await
            }
        });
        for (index, list) in plan.clients.iter().enumerate() {
            sim.client(format!("client-{index}"), asking::ask(list.clone(), journal.clone()));
        }
        Ok(Self { sim, replicas, journal, stop, names, due: Vec::new() })
    }

    /// Starts again what has stopped by itself.
    fn start_again(&mut self) {
        let Self { sim, due, .. } = self;
        due.retain(|replica| {
            let has_stopped = replica.has_stopped();
            if has_stopped {
                sim.bounce(replica.name());
            }
            !has_stopped
        });
    }

    fn fault(&mut self, kind: Kind, service: Service, index: usize, begins: bool) {
        let found = self.replicas.iter().find(|replica| replica.service == service && replica.index == index);
        let Some(replica) = found.cloned() else { return };
        let (name, sim) = (replica.name(), &mut self.sim);
        let told = format!("{kind:?} of {name} {}", if begins { "begins" } else { "is over" });
        self.journal.note_at(sim.elapsed(), What::Fault(told));
        match (kind, begins) {
            (Kind::Kill, true) => replica.kill.notify_one(),
            (Kind::Lose, true) => sim.crash(&*name),
            (Kind::Drain, true) => replica.stop.notify_one(),
            (Kind::Lose, false) => sim.bounce(&*name),
            (Kind::Kill | Kind::Drain, false) => self.due.push(replica),
            (Kind::Partition, true) => sim.partition(GATEWAY, &*name),
            (Kind::Partition, false) => sim.repair(GATEWAY, &*name),
            (Kind::Hold, true) => sim.hold(GATEWAY, &*name),
            (Kind::Hold, false) => sim.release(GATEWAY, &*name),
            (Kind::Refuse, refuses) => replica.refuse(refuses),
            (Kind::Leave, leaves) => {
                let address = sim.lookup(&*name);
                self.names.change(service.name(), address, !leaves);
            }
        }
    }
}

/// The gateway's settings: names are asked for again every second.
fn config(names: Names, drain: Duration) -> Result<Config> {
    let address = |service: Service| format!("{}:{PORT}", service.name());
    let [vision, language, retrieval] = Service::ALL.map(address);
    let drain = drain.as_secs_f32().to_string();
    let args = [
        "fondue-gateway",
        "--allowed-host",
        GATEWAY,
        "--vision",
        &vision,
        "--language",
        &language,
        "--retrieval",
        &retrieval,
        "--resolve-interval-ms",
        "1000",
        "--drain-seconds",
        &drain,
    ];
    let mut config = Args::try_parse_from(args)?.resolve().context("the gateway's settings")?;
    ensure!(config.upstreams.tls.is_none(), "the simulated network has no TLS");
    config.upstreams.network = Network::Other(Arc::new(names));
    Ok(config)
}
