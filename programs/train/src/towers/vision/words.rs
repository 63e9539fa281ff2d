//! The text tower: the words of a caption and their neighbours, averaged, then two layers.
//!
//! It is needed only while the vision tower trains, on captions of a few words, so it does without attention. Source: Iyyer et
//! al., Deep Unordered Composition Rivals Syntactic Methods for Text Classification.

use std::collections::HashMap;

use rand::{Rng, RngExt};
use tch::Tensor;

use super::{
    super::flat::{Layout, Start},
    pictures::Thing,
};

/// Runs of up to this many words of a name count as a word.
const RUN: usize = 3;

/// Every word of the captions, numbered.
pub(crate) struct Words {
    names: Vec<Vec<i64>>,
    keywords: Vec<Vec<Vec<i64>>>,
    count: i64,
}

impl Words {
    /// Numbers the words of these things.
    pub(crate) fn new(things: &[&Thing]) -> Self {
        let mut known: HashMap<String, i64> = HashMap::new();
        let mut number = |word: String| {
            let next = known.len() as i64;
            *known.entry(word).or_insert(next)
        };
        let mut runs = |text: &str| -> Vec<i64> {
            let words: Vec<&str> =
                text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
            let mut runs = Vec::new();
            for length in 1..=RUN.min(words.len()) {
                runs.extend(words.windows(length).map(|run| number(run.join(" "))));
            }
            if words.len() > RUN {
                runs.push(number(words.join(" ")));
            }
            if runs.is_empty() {
                runs.push(number(text.to_owned()));
            }
            runs
        };
        let names = things.iter().map(|thing| runs(&thing.name)).collect();
        let keywords =
            things.iter().map(|thing| thing.keywords.iter().map(|word| runs(word)).collect()).collect();
        Self { names, keywords, count: known.len() as i64 }
    }

    /// One caption of each thing: its name, and each keyword with probability `share`. Indices, then where each begins.
    pub(crate) fn captions(&self, rng: &mut impl Rng, share: f64) -> (Tensor, Tensor) {
        let (mut indices, mut offsets) = (Vec::<i64>::new(), Vec::with_capacity(self.names.len()));
        for (name, keywords) in self.names.iter().zip(&self.keywords) {
            offsets.push(indices.len() as i64);
            indices.extend(name);
            for keyword in keywords {
                if rng.random_bool(share) {
                    indices.extend(keyword);
                }
            }
        }
        (Tensor::from_slice(&indices), Tensor::from_slice(&offsets))
    }

    /// Adds the tower's tensors.
    pub(crate) fn layout(&self, layout: &mut Layout, width: i64) {
        layout.add("text.words", &[self.count, width], Start::Normal(0.3), false);
        layout.norm("text.norm", width);
        layout.linear("text.fc1", 2 * width, width, (width as f64).powf(-0.5));
        layout.linear("text.fc2", width, 2 * width, 0.5 * (width as f64).powf(-0.5));
    }
}

/// Captions → `[captions, width]`. `tensors`: those of [`Words::layout`], in order.
pub(crate) fn forward(tensors: &[Tensor], captions: &(Tensor, Tensor)) -> Tensor {
    let [words, norm, norm_bias, w1, b1, w2, b2] = tensors else { unreachable!("the layout has seven") };
    let (indices, offsets) = captions;
    let (bag, _, _, _) =
        Tensor::embedding_bag(words, indices, offsets, false, 1, false, None::<Tensor>, false);
    let width = bag.size()[1];
    let hidden = bag.layer_norm([width], Some(norm), Some(norm_bias), 1e-5, false).linear(w1, Some(b1));
    bag + hidden.gelu("none").linear(w2, Some(b2))
}
