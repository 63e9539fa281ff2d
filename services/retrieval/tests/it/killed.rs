//! The real service, killed at any moment while it is changed, compacted and swapped: what was acknowledged is there.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use fondue_proto::retrieval::{
    ActivateRequest, CompactRequest, DeleteRequest, IngestRequest, Picture, SearchRequest,
};
use fondue_serving::upstream;
use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::service::{Client, index, query};

/// Rounds of one test; each ends with a kill and a check.
const ROUNDS: usize = 20;
/// Ids that are changed again and again.
const IDS: u32 = 40;

/// The service in a process of its own; killed when dropped.
struct Service {
    child: Child,
    client: Client,
}

impl Service {
    fn start(root: &Path) -> Self {
        let index = root.to_str().unwrap();
        let flags = ["--listen", "127.0.0.1:0", "--index", index, "--log-filter", "error"];
        let busy = ["--compact-above", "6", "--keep-interval-ms", "15", "--collect-after-seconds", "0"];
        let mut child = Command::new(env!("CARGO_BIN_EXE_fondue-retrieval"))
            .args(flags)
            .args(busy)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = loop {
            let line = lines.next().expect("the service ended before it listened").unwrap();
            if let Some(address) = line.strip_prefix("listening ") {
                break address.to_owned();
            }
        };
        Self { child, client: Client::new(upstream::connect_lazy(&address).unwrap()) }
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What may be there: for each id its version, or `None` for not there; more than one while nobody was told.
struct Model {
    may: BTreeMap<String, BTreeSet<Option<u32>>>,
    version: u32,
}

impl Model {
    fn expect(&mut self, ids: &[String], now: Option<u32>, acknowledged: bool) {
        for id in ids {
            let may = self.may.entry(id.clone()).or_insert_with(|| BTreeSet::from([None]));
            if acknowledged {
                may.clear();
            }
            may.insert(now);
        }
    }

    /// One change; false once the service is gone.
    async fn change(&mut self, client: &mut Client, random: &mut StdRng) -> bool {
        let count = random.random_range(1..5);
        let ids: BTreeSet<String> = (0..count).map(|_| format!("k{}", random.random_range(0..IDS))).collect();
        let ids: Vec<String> = ids.into_iter().collect();
        self.version += 1;
        let (version, removes) = (self.version, random.random_bool(0.3));
        let acknowledged = if removes {
            client.delete(DeleteRequest { ids: ids.clone() }).await.is_ok()
        } else {
            let new = |id: &String| {
                let data = format!("{id} {version}").into_bytes().into();
                let picture =
                    Picture { id: id.clone(), caption: version.to_string(), data, ..Picture::default() };
                let embedding = query(version as usize % 60);
                IngestRequest { picture: Some(picture), embedding, ..IngestRequest::default() }
            };
            let all: Vec<_> = ids.iter().map(new).collect();
            client.ingest(tokio_stream::iter(all)).await.is_ok()
        };
        self.expect(&ids, (!removes).then_some(version), acknowledged);
        acknowledged
    }

    /// Compares with what is there, and goes on from it.
    async fn check(&mut self, client: &mut Client) {
        let asked =
            SearchRequest { query: query(1), k: 1000, include_data: true, ..SearchRequest::default() };
        let found = client.search(asked).await.unwrap().into_inner();
        let mut there = BTreeMap::new();
        for hit in found.hits {
            let picture = hit.picture.unwrap();
            if picture.id.starts_with('k') {
                let data = format!("{} {}", picture.id, picture.caption);
                assert_eq!(picture.data, data.as_bytes(), "what belongs together was torn apart");
                let before = there.insert(picture.id.clone(), picture.caption.parse::<u32>().unwrap());
                assert!(before.is_none(), "{} is there twice", picture.id);
            }
        }
        for (id, may) in &mut self.may {
            let now = there.remove(id);
            assert!(may.contains(&now), "{id} is {now:?}, acknowledged was {may:?}, in {}", found.generation);
            *may = BTreeSet::from([now]);
        }
        assert!(there.is_empty(), "never acknowledged: {there:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_a_kill_at_any_moment() {
    let (root, _) = index(30);
    let mut random = StdRng::seed_from_u64(20_261_125);
    let mut model = Model { may: BTreeMap::new(), version: 0 };
    let (mut changes, begun) = (0, Instant::now());
    for round in 0..ROUNDS {
        let service = Service::start(root.path());
        let mut client = service.client.clone();
        model.check(&mut client).await;
        let mut other = client.clone();
        let swaps = tokio::spawn(async move {
            loop {
                let _ = other.compact(CompactRequest {}).await;
                if other.activate(ActivateRequest::default()).await.is_err() {
                    return;
                }
            }
        });
        let life = Duration::from_millis(random.random_range(5..250));
        let killer = tokio::task::spawn_blocking(move || {
            std::thread::sleep(life);
            service.kill();
        });
        while model.change(&mut client, &mut random).await {
            changes += 1;
        }
        killer.await.unwrap();
        swaps.await.unwrap();
        if begun.elapsed() > Duration::from_secs(40) {
            assert!(round > 3, "the machine is too slow to tell");
            break;
        }
    }
    let service = Service::start(root.path());
    model.check(&mut service.client.clone()).await;
    assert!(changes > ROUNDS, "{changes} changes were acknowledged");
}
