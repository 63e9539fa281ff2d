//! Keeps a pool's replicas: asks the names for their addresses, and each replica for its health.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    net::SocketAddr,
    sync::{Arc, Weak},
    time::Duration,
};

use fondue_domain::Fault;
use tokio::{
    sync::watch,
    task::{AbortHandle, JoinSet},
    time::{sleep, timeout},
};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use super::{
    Upstream,
    pool::{Pool, Resolved},
    replica::{Health, Replica},
    targets::Target,
    way,
};
use crate::status::fault_of;

/// Time for an answer about health.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two questions, however much a replica is doubted.
const PAUSE: Duration = Duration::from_millis(50);
/// How often names that have no addresses yet are asked again.
const EAGER: Duration = Duration::from_secs(1);

/// Runs as long as there is the pool.
pub(super) async fn keep(pool: Weak<Pool>, mut alive: watch::Receiver<Resolved>) {
    let mut known = Known { replicas: BTreeMap::new(), checks: JoinSet::new(), complained: HashMap::new() };
    loop {
        let Some(upstream) = pool.upgrade().map(|pool| pool.upstream.clone()) else { return };
        let found = known.resolve(&upstream).await;
        let Some(strong) = pool.upgrade() else { return };
        if let Some(replicas) = known.take(found, &upstream) {
            strong.set_replicas(replicas);
        }
        let state = match known.complained.values().next() {
            _ if !known.replicas.is_empty() => Resolved::Found,
            Some(why) => Resolved::Failed(why.clone()),
            None => Resolved::Asking,
        };
        strong.resolved.send_if_modified(|before| std::mem::replace(before, state.clone()) != state);
        drop(strong);
        known.tell(&upstream);
        let pause = match state {
            Resolved::Found if upstream.targets.are_fixed() => Duration::MAX,
            Resolved::Found => upstream.balance.resolve_interval,
            Resolved::Asking | Resolved::Failed(_) => EAGER.min(upstream.balance.resolve_interval),
        };
        // The numbers of ready replicas are told more often than names are asked.
        let told = upstream.balance.health_interval;
        let mut left = pause;
        while !left.is_zero() {
            let step = left.min(told);
            tokio::select! {
                () = sleep(step) => {}
                () = gone(&mut alive) => return,
            }
            known.tell(&upstream);
            left = if left == Duration::MAX { left } else { left - step };
        }
    }
}

/// Waits until the pool is gone.
async fn gone(alive: &mut watch::Receiver<Resolved>) {
    while alive.changed().await.is_ok() {}
}

struct Known {
    /// Each with whoever asks it for its health, and the name that it is of.
    replicas: BTreeMap<SocketAddr, (Arc<Replica>, AbortHandle, Target)>,
    checks: JoinSet<()>,
    /// Names that could not be resolved, and why; each is told once.
    complained: HashMap<Target, String>,
}

impl Known {
    /// All addresses now, with the targets that they are of. A name that cannot be asked keeps what it had.
    async fn resolve(&mut self, upstream: &Upstream) -> Option<BTreeMap<SocketAddr, Target>> {
        let mut found = BTreeMap::new();
        for target in upstream.targets.iter() {
            let addresses = timeout(PATIENCE, target.resolve(&upstream.network)).await;
            let addresses = addresses
                .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "no answer about the name")));
            match addresses {
                Ok(addresses) => {
                    self.complained.remove(target);
                    found.extend(addresses.into_iter().map(|address| (address, target.clone())));
                }
                Err(error) => {
                    let why = error.to_string();
                    if self.complained.insert(target.clone(), why.clone()).is_none() {
                        tracing::warn!(service = %upstream.service, name = %target, why, "a name has no address; what is known of it stays");
                    }
                }
            }
        }
        for (address, (_, _, target)) in &self.replicas {
            if self.complained.contains_key(target) {
                found.entry(*address).or_insert_with(|| target.clone());
            }
        }
        (!found.is_empty()).then_some(found)
    }

    /// Takes in who came and lets go of who left; `None` if nothing changed.
    fn take(
        &mut self,
        found: Option<BTreeMap<SocketAddr, Target>>,
        upstream: &Upstream,
    ) -> Option<Arc<[Arc<Replica>]>> {
        let found = found?;
        let (service, before) = (&*upstream.service, self.replicas.len());
        self.replicas.retain(|address, (_, check, _)| {
            let stays = found.contains_key(address);
            if !stays {
                // What is under way holds the connection itself.
                check.abort();
                tracing::info!(service, %address, "a replica left");
            }
            stays
        });
        let mut is_changed = self.replicas.len() != before;
        for (address, target) in found {
            if let Some((_, _, known)) = self.replicas.get_mut(&address) {
                *known = target;
                continue;
            }
            let channel = match way(address, &target, upstream) {
                Ok(channel) => channel,
                Err(error) => {
                    tracing::error!(service, %address, %error, "an address cannot be used");
                    continue;
                }
            };
            let replica = Arc::new(Replica::new(address, channel));
            let check = self.checks.spawn(check(
                replica.clone(),
                upstream.service.clone(),
                upstream.balance.health_interval,
            ));
            self.replicas.insert(address, (replica, check, target));
            is_changed = true;
            tracing::debug!(service, %address, "a replica came");
        }
        while self.checks.try_join_next().is_some() {} // those that were let go of
        is_changed.then(|| self.replicas.values().map(|(replica, ..)| replica.clone()).collect())
    }

    fn tell(&self, upstream: &Upstream) {
        let (mut ready, mut ejected, mut not_ready) = (0_u32, 0_u32, 0_u32);
        for (replica, ..) in self.replicas.values() {
            *match replica.health() {
                Health::Ready if replica.is_ejected() => &mut ejected,
                Health::Ready => &mut ready,
                Health::Unknown | Health::NotReady => &mut not_ready,
            } += 1;
        }
        for (state, count) in [("ready", ready), ("ejected", ejected), ("not_ready", not_ready)] {
            metrics::gauge!("fondue_upstream_replicas", "service" => upstream.service.clone(), "state" => state)
                .set(f64::from(count));
        }
    }
}

/// Asks a replica for its health, again and again.
async fn check(replica: Arc<Replica>, service: Arc<str>, interval: Duration) {
    let mut client = HealthClient::new(replica.channel());
    let mut told = Health::Unknown;
    loop {
        let answer = timeout(PATIENCE, client.check(HealthCheckRequest::default())).await;
        let (health, why) = match &answer {
            Ok(Ok(answer)) if answer.get_ref().status() == ServingStatus::Serving => {
                (Health::Ready, String::new())
            }
            Ok(Ok(answer)) => (Health::NotReady, format!("{:?}", answer.get_ref().status())),
            // It answers, and knows nothing of health.
            Ok(Err(status)) if fault_of(status) == Fault::Unsupported => (Health::Ready, String::new()),
            Ok(Err(status)) => (Health::NotReady, status.message().to_owned()),
            Err(_) => (Health::NotReady, "no answer about its health".to_owned()),
        };
        // One that says that it is not ready finishes what it has; one that says nothing may be gone.
        let says = matches!(answer, Ok(Ok(_)));
        if says || health == Health::Ready {
            replica.learn(health)
        } else {
            replica.lose()
        }
        if health != told {
            let address = replica.address;
            match health {
                Health::Ready => tracing::info!(%service, %address, "a replica is ready"),
                Health::NotReady | Health::Unknown => {
                    tracing::warn!(%service, %address, why, "a replica is not ready");
                }
            }
            told = health;
        }
        sleep(PAUSE.min(interval)).await;
        tokio::select! {
            () = sleep(interval.saturating_sub(PAUSE)) => {}
            () = replica.doubted.notified() => {}
        }
    }
}
