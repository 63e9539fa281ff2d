//! An index that a command looks into or changes.

use std::{path::Path, thread, time::Duration};

use anyhow::{Context, Result, bail};
use fondue_index::{
    Index,
    graph::{Graphing, Params},
    live::{Limits, Settings},
};

/// How commands open an index: they come and go, so nothing is kept open or collected, and nothing is refused that a
/// service has accepted. A compacted generation of more than `graph_above` pictures gets a graph.
fn settings(graph_above: usize) -> Settings {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    Settings {
        verify: false,
        max_open: 1,
        collect_after: Duration::MAX,
        graphing: Graphing { above: graph_above, params: Params::new(threads) },
        limits: Limits { changes: usize::MAX, bytes: usize::MAX, batch_bytes: usize::MAX },
    }
}

/// To read. Whoever serves it goes on.
pub(crate) fn to_read(path: &Path) -> Result<Index> {
    Ok(Index::open_to_read(path, settings(usize::MAX))?)
}

/// To change; `instead` tells what to do where a service has the index.
pub(crate) fn to_change(path: &Path, graph_above: usize, instead: &str) -> Result<Index> {
    let index = Index::open(path, settings(graph_above))?;
    if !index.writable() {
        bail!("{} is served, and one process alone may change it; {instead}", path.display());
    }
    if index.cut() > 0 {
        eprintln!("note: {} bytes of an unfinished change were cut off", index.cut());
    }
    Ok(index)
}

/// A time in seconds since 1970, for people.
pub(crate) fn date(seconds: u64) -> String {
    let time = std::time::SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
    // Dates of HTTP end with the year 9999.
    time.filter(|_| seconds < 253_402_300_800).map_or_else(|| format!("{seconds} s"), httpdate::fmt_http_date)
}

/// A generation of an index, or the active one.
pub(crate) fn generation(path: &Path, id: Option<&str>) -> Result<fondue_index::Generation> {
    let root = fondue_index::Root::open(path)?;
    let id = id.map_or_else(|| root.active(), |id| Ok(id.to_owned()))?;
    root.generation(&id).with_context(|| format!("index {}", path.display()))
}
