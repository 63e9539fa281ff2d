//! Room, waiting, and what comes before the index is open.

use fondue_domain::Embedding;
use fondue_index::{
    Builder, Item, NewItem, Root,
    graph::{Graphing, Params},
    live::Settings,
};
use fondue_serving::status::fault_of;

use super::*;
use crate::local::{Keeping, Local, Searching};

const LIMITS: Limits = Limits {
    k: 10,
    excluded: 0,
    conditions: 0,
    values: 1,
    effort: 1,
    deleted: 1,
    batch_rows: 1,
    batch_bytes: 1,
    data_bytes: 0,
    searching: 1,
    queued: 1,
    timeout: Duration::from_secs(20),
};

struct Opened {
    handler: Handler,
    running: Arc<Semaphore>,
    _folder: tempfile::TempDir,
}

/// A handler whose index of one picture is open.
fn open() -> Opened {
    let folder = tempfile::tempdir().unwrap();
    let mut builder = Builder::new(folder.path(), 2, "model").unwrap();
    let item = Item { id: "a".to_owned(), ..Item::default() };
    let new = NewItem { item, picture: None, sha256: [0; 32] };
    builder.add(new, &Embedding::normalized(vec![1.0, 0.0]).unwrap()).unwrap();
    let id = builder.publish().unwrap();
    Root::open(folder.path()).unwrap().activate(&id).unwrap();
    let settings = Settings {
        verify: true,
        max_open: 0,
        collect_after: Duration::ZERO,
        graphing: Graphing { above: usize::MAX, params: Params::new(1) },
        limits: fondue_index::live::Limits { changes: 1, bytes: 1, batch_bytes: 1 },
    };
    let keeping = Keeping { compact_above: None, interval: Duration::from_secs(1) };
    let searching = Searching { calls: 1, threads: 1, ef: 1 };
    let local = Local::open(folder.path(), settings, searching, keeping).unwrap();
    let running = Arc::clone(local.running());
    let store: Arc<Loading<Box<dyn Store>>> = Arc::new(Loading::new("the index"));
    store.fill(Box::new(local));
    Opened { handler: Handler::new(store, LIMITS), running, _folder: folder }
}

fn search() -> Request<SearchRequest> {
    Request::new(SearchRequest { query: vec![1.0, 0.0], k: 1, ..SearchRequest::default() })
}

#[tokio::test]
async fn a_search_waits_for_its_turn_no_longer_than_its_caller_allows() {
    let Opened { handler, running, _folder } = open();
    let others = running.acquire().await.unwrap();
    let mut asked = search();
    asked.set_timeout(Duration::from_millis(20));
    let late = handler.search(asked).await.unwrap_err();
    assert_eq!(fault_of(&late), Fault::Deadline);
    drop(others);
    assert_eq!(handler.search(search()).await.unwrap().into_inner().hits.len(), 1);
}

#[tokio::test]
async fn calls_beyond_the_room_are_told_when_to_come_back() {
    let Opened { handler, .. } = open();
    let running_and_waiting = (handler.enter().unwrap(), handler.enter().unwrap());
    let refused = handler.search(search()).await.unwrap_err();
    assert_eq!(fault_of(&refused), Fault::Busy { retry_after: RETRY_AFTER });
    drop(running_and_waiting);
    assert!(handler.search(search()).await.is_ok());
}

#[tokio::test]
async fn nothing_is_answered_before_the_index_is_open() {
    let handler = Handler::new(Arc::new(Loading::new("the index")), LIMITS);
    let early = handler.search(search()).await.unwrap_err();
    assert_eq!(fault_of(&early), Fault::Unavailable);
}
