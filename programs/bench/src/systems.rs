//! What is compared: ours by how it stores weights, and the peers.

use clap::ValueEnum;

/// The language and vision services' flag for how weights are stored.
pub(crate) const WEIGHTS_FLAG: &str = "--weights";

/// How ours stores weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Weights {
    /// 4 bytes each.
    F32,
    /// 2 bytes each, IEEE half.
    F16,
    /// 2 bytes each, bfloat16.
    Bf16,
    /// 1 byte each, one scale for each output.
    Int8,
}

impl Weights {
    /// Its name, here and at the services.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::Int8 => "int8",
        }
    }

    /// Bytes of one weight.
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::Int8 => 1,
        }
    }

    /// What tables call ours with it.
    pub(crate) fn system(self) -> String {
        format!("fondue {}", self.name())
    }
}

/// A peer of the language service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// The published loop: the whole prefix again for every token, one caller at a time.
    Reference,
    /// Transformers with its cache, f32.
    Transformers,
    /// CTranslate2, f32.
    Ctranslate2Float32,
    /// CTranslate2, int8.
    Ctranslate2Int8,
}

impl Peer {
    /// All, the slowest first.
    pub(crate) const ALL: [Self; 4] =
        [Self::Reference, Self::Transformers, Self::Ctranslate2Float32, Self::Ctranslate2Int8];

    /// Its name in tables and to its script.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Reference => "reference",
            Self::Transformers => "transformers",
            Self::Ctranslate2Float32 => "ctranslate2-float32",
            Self::Ctranslate2Int8 => "ctranslate2-int8",
        }
    }

    /// The form of our weights that is as precise.
    pub(crate) fn equal(self) -> Weights {
        match self {
            Self::Ctranslate2Int8 => Weights::Int8,
            _ => Weights::F32,
        }
    }
}

/// A peer as it is named on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PeerName {
    /// None at all.
    None,
    /// The published loop, without a cache.
    Reference,
    /// Transformers with its cache; for pictures its processor and tower.
    Transformers,
    /// CTranslate2 with f32 and with int8.
    Ctranslate2,
    /// CTranslate2 with f32.
    Ctranslate2Float32,
    /// CTranslate2 with int8.
    Ctranslate2Int8,
    /// faiss: flat, and HNSW.
    Faiss,
    /// usearch: HNSW.
    Usearch,
}

/// The models' peers that are meant, each once.
pub(crate) fn peers(names: &[PeerName], quick: bool) -> Vec<Peer> {
    let meant = |peer: &Peer| match peer {
        Peer::Reference => names.contains(&PeerName::Reference),
        Peer::Transformers => names.contains(&PeerName::Transformers),
        Peer::Ctranslate2Float32 => {
            names.contains(&PeerName::Ctranslate2) || names.contains(&PeerName::Ctranslate2Float32)
        }
        Peer::Ctranslate2Int8 => {
            names.contains(&PeerName::Ctranslate2) || names.contains(&PeerName::Ctranslate2Int8)
        }
    };
    Peer::ALL.into_iter().filter(|peer| if names.is_empty() { !quick } else { meant(peer) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_those_that_are_named() {
        assert_eq!(peers(&[], false), Peer::ALL);
        assert_eq!(peers(&[], true), []);
        assert_eq!(peers(&[PeerName::None], false), []);
        let both = [Peer::Ctranslate2Float32, Peer::Ctranslate2Int8];
        assert_eq!(peers(&[PeerName::Ctranslate2, PeerName::Ctranslate2Int8], true), both);
    }
}
