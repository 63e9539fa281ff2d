//! Whose turn it is: so many connections to one host, so many to all.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;

/// The turns of all hosts. A host is known only while somebody has or awaits a turn at it.
#[derive(Debug)]
pub(crate) struct Turns {
    all: Arc<Semaphore>,
    per_host: usize,
    hosts: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// A connection that may be made, until it is dropped.
pub(crate) struct Turn<'a> {
    // In this order: the place of the host is given up last.
    _all: OwnedSemaphorePermit,
    _host: OwnedSemaphorePermit,
    _place: Place<'a>,
}

/// Forgets the host if nobody else is there.
struct Place<'a> {
    turns: &'a Turns,
    host: String,
    /// `None` once it is given up.
    semaphore: Option<Arc<Semaphore>>,
}

impl Turns {
    pub(crate) fn new(per_host: usize, concurrent: usize) -> Self {
        Self {
            all: Arc::new(Semaphore::new(concurrent.max(1))),
            per_host: per_host.max(1),
            hosts: Mutex::default(),
        }
    }

    /// Waits for a turn. The host's comes first, so that who waits for a busy host takes nothing from others; and
    /// everybody waits in this order, so that nobody waits for each other.
    pub(crate) async fn take(&self, url: &Url) -> Option<Turn<'_>> {
        let host = format!("{}:{}", url.host_str()?, url.port_or_known_default()?);
        let semaphore = {
            let mut hosts = self.hosts();
            hosts.entry(host.clone()).or_insert_with(|| Arc::new(Semaphore::new(self.per_host))).clone()
        };
        let place = Place { turns: self, host, semaphore: Some(semaphore.clone()) };
        let host = semaphore.acquire_owned().await.ok()?;
        let all = self.all.clone().acquire_owned().await.ok()?;
        Some(Turn { _all: all, _host: host, _place: place })
    }

    fn hosts(&self) -> MutexGuard<'_, HashMap<String, Arc<Semaphore>>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut hosts = self.turns.hosts();
        self.semaphore = None;
        // The map's own is the last one: clones are made under the same lock.
        if hosts.get(&self.host).is_some_and(|semaphore| Arc::strong_count(semaphore) == 1) {
            hosts.remove(&self.host);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn turns_are_counted_and_hosts_forgotten() {
        let turns = Turns::new(2, 3);
        let url = |host: &str| Url::parse(&format!("http://{host}/")).unwrap();
        let (a, b, c) = (url("a"), url("b"), url("c"));
        let first = turns.take(&a).await.unwrap();
        let second = turns.take(&a).await.unwrap();
        assert!(turns.take(&a).now_or_never().is_none(), "a third at one host");
        let other = turns.take(&b).await.unwrap();
        assert!(turns.take(&c).now_or_never().is_none(), "a fourth in all");
        assert_eq!(turns.hosts().len(), 2); // who gave up waiting left nothing
        drop(first);
        let third = turns.take(&a).await.unwrap();
        drop((second, third));
        assert_eq!(turns.hosts().len(), 1);
        drop(other);
        for n in 0..1000 {
            turns.take(&url(&format!("h{n}"))).await.unwrap();
        }
        assert_eq!(turns.hosts().len(), 0);
    }
}
