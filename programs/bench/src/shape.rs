//! Sizes of the models that are measured, and how many bytes a token must read of them.

use clap::ValueEnum;

/// A published OPT's shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shape {
    /// A few narrow layers, to try the bench itself.
    Tiny,
    /// OPT-125M.
    #[value(name = "125m")]
    M125,
    /// OPT-350M: post-LN, with projections.
    #[value(name = "350m")]
    M350,
    /// OPT-1.3B.
    #[value(name = "1.3b")]
    B1_3,
}

/// Its sizes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) width: usize,
    pub(crate) layers: usize,
    pub(crate) heads: usize,
    pub(crate) ffn: usize,
    pub(crate) word: usize,
    pub(crate) pre_norm: bool,
}

/// Rows of OPT's token embedding as published.
pub(crate) const VOCABULARY: usize = 50_272;
/// Positions of every OPT.
pub(crate) const POSITIONS: usize = 2048;

impl Shape {
    /// Its name on the command line.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    pub(crate) fn sizes(self) -> Sizes {
        let (width, layers, heads, ffn, word, pre_norm) = match self {
            Self::Tiny => (64, 2, 4, 128, 64, true),
            Self::M125 => (768, 12, 12, 3072, 768, true),
            Self::M350 => (1024, 24, 16, 4096, 512, false),
            Self::B1_3 => (2048, 24, 32, 8192, 2048, true),
        };
        Sizes { width, layers, heads, ffn, word, pre_norm }
    }
}

impl Sizes {
    /// Weights of the matrices that every token is multiplied with, the head included.
    pub(crate) fn weights(&self) -> usize {
        let layer = 4 * self.width * self.width + 2 * self.width * self.ffn;
        let projections = if self.word == self.width { 0 } else { 2 * self.word * self.width };
        self.layers * layer + projections + VOCABULARY * self.word
    }

    /// All weights: those, the positions' table, biases and norms.
    pub(crate) fn parameters(&self) -> usize {
        let layer = 9 * self.width + self.ffn; // biases of four and two matrices, two norms
        let last = if self.pre_norm { 2 * self.width } else { 0 };
        self.weights() + (POSITIONS + 2) * self.width + self.layers * layer + last
    }

    /// Bytes of keys and values of one position, in f32.
    pub(crate) fn kv_bytes(&self) -> usize {
        2 * self.layers * self.width * 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_models_have_the_weights_that_their_names_say() {
        let millions = |shape: Shape| shape.sizes().weights() / 1_000_000;
        assert_eq!(millions(Shape::M125), 123);
        assert_eq!(millions(Shape::M350), 328);
        assert_eq!(millions(Shape::B1_3), 1310);
        // As published.
        assert_eq!(Shape::M125.sizes().parameters(), 125_239_296);
        assert_eq!(Shape::M350.sizes().parameters(), 331_196_416);
        assert_eq!(Shape::B1_3.sizes().parameters(), 1_315_758_080);
    }
}
