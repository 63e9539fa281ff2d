//! What will be measured of the retrieval service.

use std::time::Duration;

use fondue_index::Precision;

use super::or;
use crate::{
    cli::{CommonArgs, Part, RetrievalArgs},
    retrieval::subject::{Peer, PeerGraph},
    systems::PeerName,
};

/// What is measured of the retrieval service.
#[derive(Clone, Debug)]
pub(crate) struct RetrievalPlan {
    pub(crate) rows: Vec<usize>,
    pub(crate) precisions: Vec<Precision>,
    /// Rising.
    pub(crate) efs: Vec<usize>,
    pub(crate) queries: usize,
    pub(crate) runs: usize,
    pub(crate) load: Duration,
    pub(crate) peers: Vec<Peer>,
    pub(crate) peer_graph: PeerGraph,
    pub(crate) parts: Vec<Part>,
    pub(crate) live_rows: usize,
    /// Pictures that are ingested.
    pub(crate) ingested: usize,
    pub(crate) service_flags: Vec<String>,
}

impl RetrievalPlan {
    pub(crate) fn new(common: &CommonArgs, args: RetrievalArgs) -> Self {
        let quick = common.quick;
        let mut efs = or(args.ef, quick, &[16, 64], &[16, 32, 64, 96, 128, 144, 160, 192, 256, 512]);
        efs.sort_unstable();
        let named = |peer: &Peer| match peer {
            Peer::Faiss => common.peers.contains(&PeerName::Faiss),
            Peer::Usearch => common.peers.contains(&PeerName::Usearch),
        };
        let meant = |peer: &Peer| if common.peers.is_empty() { !quick } else { named(peer) };
        Self {
            rows: or(args.rows, quick, &[6000], &[100_000, 1_000_000]),
            precisions: or(args.precision, quick, &[Precision::F32], &[Precision::F32]),
            efs,
            queries: args.queries.unwrap_or(if quick { 100 } else { 1000 }),
            runs: args.retrieval_runs.unwrap_or(if quick { 1 } else { 3 }),
            load: Duration::from_millis(args.load_ms.unwrap_or(if quick { 200 } else { 3000 }) as u64),
            peers: Peer::ALL.into_iter().filter(meant).collect(),
            peer_graph: PeerGraph { links: args.links, ef_construction: args.ef_construction },
            parts: args.part,
            live_rows: args.live_rows,
            ingested: if quick { 500 } else { 10_000 },
            service_flags: args.retrieval_flag,
        }
    }

    /// Whether a part is asked for.
    pub(crate) fn has(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};

    fn plan(flags: &[&str]) -> RetrievalPlan {
        let words = [&["bench", "retrieval"], flags].concat();
        let cli = Cli::read(words.into_iter().map(Into::into)).unwrap();
        let Command::Retrieval { common, retrieval } = cli.command else { panic!("another command") };
        RetrievalPlan::new(&common, *retrieval)
    }

    #[test]
    fn quick_is_small_and_alone_unless_asked() {
        let quick = plan(&["--quick"]);
        assert_eq!((quick.rows, quick.peers, quick.runs), (vec![6000], Vec::new(), 1));
        let asked = plan(&["--quick", "--peers", "usearch", "--rows", "20k", "--ef", "64,16"]);
        assert_eq!((asked.rows, asked.peers, asked.efs), (vec![20_000], vec![Peer::Usearch], vec![16, 64]));
        let whole = plan(&[]);
        assert_eq!((&whole.rows, &whole.peers), (&vec![100_000, 1_000_000], &Peer::ALL.to_vec()));
        assert!(whole.has(Part::Live) && whole.precisions == [Precision::F32]);
        let part = plan(&["--part", "open,swap", "--peers", "none"]);
        assert!(part.has(Part::Swap) && !part.has(Part::Within) && part.peers.is_empty());
    }
}
