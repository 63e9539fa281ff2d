//! The model by single forward passes, without engines: what the program's figures are compared with.

use std::{fs, path::Path};

use fondue_domain::{Compat, TokenId};
use fondue_evaluate::metrics::dot;
use fondue_imaging::{Fit, ImageLimits, Picture, Preprocess};
use fondue_model::{
    LanguageModel, Placement, Tokenizer, VisionTower, placement::set_threads, prompt::Slot,
    weights::unwatched,
};

use tch::Tensor;

use crate::shipped;

pub(crate) struct Naive {
    model: LanguageModel,
    tower: VisionTower,
    preprocess: Preprocess,
    tokenizer: Tokenizer,
    bos: TokenId,
}

/// What stands at some positions.
pub(crate) enum Part<'a> {
    /// Tokens, with BOS before them or not.
    Text(bool, &'a str),
    Picture(&'a [f32]),
}

impl Naive {
    pub(crate) fn load() -> Self {
        set_threads(1);
        let (opt, clip, fromage) = (shipped().join("opt"), shipped().join("clip"), shipped().join("fromage"));
        let tokenizer = Tokenizer::load(&opt).unwrap();
        let ret = tokenizer.ret();
        let model = LanguageModel::load(&opt, &fromage, ret, Placement::CPU_F32, &unwatched).unwrap();
        Self {
            bos: TokenId(model.config().bos_token_id),
            model,
            tower: VisionTower::load(&clip, Placement::CPU_F32, &unwatched).unwrap(),
            preprocess: Preprocess::from_file(&clip.join("preprocessor_config.json")).unwrap(),
            tokenizer,
        }
    }

    /// The tower's features of a picture, cropped or squashed.
    pub(crate) fn see(&self, path: &Path, mode: Compat) -> Vec<f32> {
        let limits = ImageLimits { max_pixels: 1 << 20, max_bytes: 1 << 20 };
        let picture = Picture::decode(&fs::read(path).unwrap(), &limits, mode).unwrap();
        let fit = if mode.is_reference() { Fit::Squash } else { Fit::Crop };
        let pixels = self.preprocess.picture_pixels(&picture, fit).unwrap();
        self.tower.encode(&[pixels]).unwrap().remove(0)
    }

    pub(crate) fn place(&self, features: &[f32]) -> Vec<f32> {
        self.model.mapping().project(&[features.to_vec()]).unwrap().remove(0).into_values()
    }

    fn slots(&self, parts: &[Part<'_>]) -> Vec<Slot> {
        let mut slots = Vec::new();
        for part in parts {
            match part {
                Part::Picture(features) => slots.push(Slot::Image(features.to_vec())),
                Part::Text(begins, text) => {
                    slots.extend(begins.then_some(Slot::Token(self.bos)));
                    slots.extend(self.tokenizer.encode(text).unwrap().into_iter().map(Slot::Token));
                }
            }
        }
        slots
    }

    /// The retrieval vector of the last position.
    pub(crate) fn query(&self, parts: &[Part<'_>]) -> Vec<f32> {
        let states = self.states(&self.slots(parts));
        let last = states.narrow(0, states.size()[0] - 1, 1);
        self.model.mapping().query(&last).unwrap().remove(0).unwrap().into_values()
    }

    /// The sum of ln p of the last text's tokens, each told by the state before it, or by the one at it.
    pub(crate) fn weigh(&self, parts: &[Part<'_>], unshifted: bool) -> f64 {
        let (before, all) = (self.slots(&parts[..parts.len() - 1]), self.slots(parts));
        let tokens = |slot: &Slot| match slot {
            Slot::Token(token) => *token,
            Slot::Image(_) => unreachable!("the last part is a text"),
        };
        let answer: Vec<TokenId> = all[before.len()..].iter().map(tokens).collect();
        assert_eq!(self.model.mapping().prefix_len(), 1, "else positions are not places");
        let from = before.len() as i64 - i64::from(!unshifted);
        let states = self.states(&all).narrow(0, from, answer.len() as i64);
        self.model.log_probs(&states, &answer).unwrap().into_iter().map(f64::from).sum()
    }

    fn states(&self, slots: &[Slot]) -> Tensor {
        let pieces: Vec<_> = slots
            .iter()
            .map(|slot| match slot {
                Slot::Token(token) => self.model.embed_tokens(&[*token]).unwrap(),
                Slot::Image(features) => {
                    let mapping = self.model.mapping();
                    let features = mapping.features(std::slice::from_ref(features)).unwrap();
                    mapping.prefix(&features).unwrap().squeeze_dim(0)
                }
            })
            .collect();
        self.model.run(Tensor::cat(&pieces, 0)).unwrap()
    }
}

/// Places by nearness to a query, the nearest first.
pub(crate) fn nearest(query: &[f32], rows: &[Vec<f32>], without: &[usize]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rows.len()).filter(|at| !without.contains(at)).collect();
    order.sort_by(|&a, &b| dot(&rows[b], query).total_cmp(&dot(&rows[a], query)));
    order
}
