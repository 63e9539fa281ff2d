//! How Milvus indexes the vectors of a generation.

use std::{collections::HashMap, fmt, str::FromStr};

use milvus::v2::{IndexParam, IndexType, MetricType};
use serde::{Deserialize, Serialize};

/// A kind of index, with what it is built with. Names and parameters are Milvus' own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Index {
    /// Compares every vector: exact.
    Flat,
    /// A graph over whole vectors.
    Hnsw {
        /// Edges of a node.
        m: usize,
        /// Candidates while it is built.
        ef_construction: usize,
    },
    /// A graph over vectors of eight bits a value.
    HnswSq {
        /// Edges of a node.
        m: usize,
        /// Candidates while it is built.
        ef_construction: usize,
    },
    /// Clusters of whole vectors.
    IvfFlat {
        /// Clusters of a segment.
        nlist: usize,
    },
    /// Clusters of vectors of eight bits a value.
    IvfSq8 {
        /// Clusters of a segment.
        nlist: usize,
    },
    /// Clusters of vectors of `parts` bytes.
    IvfPq {
        /// Clusters of a segment.
        nlist: usize,
        /// Parts of a vector, each a byte: a divisor of its length.
        parts: usize,
    },
    /// A graph on the query nodes' disks.
    Diskann,
    /// What the server finds best.
    Autoindex,
}

/// The kind of an [`Index`], by which it is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexKind {
    /// [`Index::Flat`].
    Flat,
    /// [`Index::Hnsw`].
    Hnsw,
    /// [`Index::HnswSq`].
    HnswSq,
    /// [`Index::IvfFlat`].
    IvfFlat,
    /// [`Index::IvfSq8`].
    IvfSq8,
    /// [`Index::IvfPq`].
    IvfPq,
    /// [`Index::Diskann`].
    Diskann,
    /// [`Index::Autoindex`].
    Autoindex,
}

const KINDS: [(&str, IndexKind); 8] = [
    ("flat", IndexKind::Flat),
    ("hnsw", IndexKind::Hnsw),
    ("hnsw_sq", IndexKind::HnswSq),
    ("ivf_flat", IndexKind::IvfFlat),
    ("ivf_sq8", IndexKind::IvfSq8),
    ("ivf_pq", IndexKind::IvfPq),
    ("diskann", IndexKind::Diskann),
    ("autoindex", IndexKind::Autoindex),
];

impl FromStr for IndexKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = KINDS.iter().find(|(name, _)| *name == text).map(|(_, kind)| *kind);
        let names = || KINDS.map(|(name, _)| name).join(", ");
        known.ok_or_else(|| format!("must be one of {}, got `{text}`", names()))
    }
}

impl fmt::Display for IndexKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(KINDS.iter().find(|(_, kind)| kind == self).map_or("", |(name, _)| name))
    }
}

impl Index {
    /// Whether every vector is compared.
    pub(super) fn is_exact(self) -> bool {
        self == Self::Flat
    }

    /// For creating it over a column.
    pub(super) fn build(self, column: &str) -> IndexParam {
        let (kind, params): (IndexType, Vec<(&str, usize)>) = match self {
            Self::Flat => (IndexType::Flat, vec![]),
            Self::Hnsw { m, ef_construction } => {
                (IndexType::Hnsw, vec![("M", m), ("efConstruction", ef_construction)])
            }
            Self::HnswSq { m, ef_construction } => {
                (IndexType::HnswSq, vec![("M", m), ("efConstruction", ef_construction)])
            }
            Self::IvfFlat { nlist } => (IndexType::IvfFlat, vec![("nlist", nlist)]),
            Self::IvfSq8 { nlist } => (IndexType::IvfSq8, vec![("nlist", nlist)]),
            Self::IvfPq { nlist, parts } => {
                (IndexType::IvfPq, vec![("nlist", nlist), ("m", parts), ("nbits", 8)])
            }
            Self::Diskann => (IndexType::DiskAnn, vec![]),
            Self::Autoindex => (IndexType::AutoIndex, vec![]),
        };
        let mut params: HashMap<String, String> =
            params.into_iter().map(|(name, value)| (name.to_owned(), value.to_string())).collect();
        if matches!(self, Self::HnswSq { .. }) {
            params.insert("sq_type".to_owned(), "SQ8".to_owned());
        }
        IndexParam::new()
            .field_name(column)
            .index_type(kind)
            .metric_type(MetricType::Cosine)
            .extra_params(params)
    }

    /// For a search for `k` that keeps `effort` candidates, or looks into `effort` clusters.
    pub(super) fn search(self, k: usize, effort: usize) -> HashMap<String, String> {
        let (name, value) = match self {
            Self::Flat | Self::Autoindex => return HashMap::new(),
            // A graph keeps as many as are wanted at least.
            Self::Hnsw { .. } | Self::HnswSq { .. } => ("ef", effort.max(k)),
            Self::Diskann => ("search_list", effort.max(k)),
            Self::IvfFlat { nlist } | Self::IvfSq8 { nlist } | Self::IvfPq { nlist, .. } => {
                ("nprobe", effort.clamp(1, nlist))
            }
        };
        [(name.to_owned(), value.to_string())].into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_names() {
        for (name, kind) in KINDS {
            assert_eq!((name.parse(), kind.to_string().as_str()), (Ok(kind), name));
        }
        assert!("lsh".parse::<IndexKind>().unwrap_err().contains("hnsw_sq"));
    }

    #[test]
    fn a_search_stays_within_what_its_index_takes() {
        let one = |index: Index, k, effort| index.search(k, effort).into_iter().next();
        let pair = |name: &str, value: &str| Some((name.to_owned(), value.to_owned()));
        let graph = Index::Hnsw { m: 16, ef_construction: 200 };
        assert_eq!(one(graph, 10, 64), pair("ef", "64"));
        assert_eq!(one(graph, 100, 64), pair("ef", "100"));
        assert_eq!(one(Index::IvfFlat { nlist: 32 }, 100, 64), pair("nprobe", "32"));
        assert_eq!(one(Index::Diskann, 100, 64), pair("search_list", "100"));
        assert_eq!(one(Index::Flat, 100, 64), None);
    }
}
