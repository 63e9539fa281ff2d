//! Losses and gradients against the reference vectors, computed by an independent implementation.

use anyhow::Result;
use fondue_domain::TokenId;
use fondue_golden::Golden;
use fondue_model::{
    Placement,
    layers::values,
    mapping::ModelArgs,
    weights::{Weights, unwatched},
};
use fondue_train::{
    ground::{
        frozen::Frozen,
        layout::Text,
        step::{Batch, LossWeights, Losses, Step},
        trained::{NAMES, Trained, Widths},
    },
    run::group::Group,
};
use tch::Tensor;

const ALL: LossWeights = LossWeights { captioning: 1.0, ret_lm: 1.0, contrastive: 1.0 };

/// The batch of the reference vectors, with the model that they were made by.
pub(crate) struct Scene {
    pub(crate) golden: Golden,
    pub(crate) frozen: Frozen,
    pub(crate) trained: Trained,
    pub(crate) texts: Vec<Text>,
    pub(crate) features: Tensor,
}

impl Scene {
    pub(crate) fn all() -> Result<Vec<Self>> {
        Golden::all()?.into_iter().map(Self::of).collect()
    }

    fn of(golden: Golden) -> Result<Self> {
        let (at, ret) = (Placement::TORCH_F32, golden.token("ret_token")?);
        let fromage = golden.folder.join("fromage");
        let args = ModelArgs::load(&fromage)?;
        let frozen = Frozen::load(&golden.folder.join("opt"), ret, at, &unwatched)?;
        let pooled = golden.floats("pooled")?;
        let n = golden.integers("train.caption_len")?.len();
        let widths = Widths {
            word: frozen.word_dim(),
            feature: (pooled.len() / n) as i64,
            prefix: args.n_visual_tokens,
            shared: args.shared_emb_dim,
        };
        let weights = Weights::open_mapping(&fromage, &unwatched)?;
        let trained = Trained::read(&weights, widths, ret.as_i64(), at)?;
        frozen.show(trained.ret_row())?;
        let tokens = golden.integers("train.tokens")?;
        let width = tokens.len() / n;
        let lengths = golden.integers("train.caption_len")?;
        let text = |(row, length): (&[i64], &i64)| {
            let ids: Vec<TokenId> = row[1..*length as usize].iter().map(|&id| TokenId(id as u32)).collect();
            Text::of(&[], &ids, true, 24, ret)
        };
        let texts = tokens.chunks(width).zip(&lengths).map(text).collect::<Result<_>>()?;
        let features = Tensor::from_slice(&pooled).view([n as i64, widths.feature]);
        Ok(Self { golden, frozen, trained, texts, features })
    }

    pub(crate) fn run(&self, weights: LossWeights, pairs: bool) -> Result<Losses> {
        let step = Step { frozen: &self.frozen, trained: &self.trained, weights, accumulate: 1 };
        let batch =
            Batch { features: self.features.shallow_clone(), texts: self.texts.iter().collect(), pairs };
        step.run(&batch, &mut Group::alone())
    }
}

/// Nearer than this part of the expected one's largest value.
fn near(name: &str, got: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(got.len(), expected.len(), "{name}");
    let largest = expected.iter().fold(0f32, |most, value| most.max(value.abs()));
    for (got, expected) in got.iter().zip(expected) {
        assert!((got - expected).abs() <= tolerance * largest, "{name}: {got} is not {expected}");
    }
}

#[test]
fn losses_agree() -> Result<()> {
    for scene in Scene::all()? {
        let golden = &scene.golden;
        let losses = scene.run(ALL, false)?;
        golden.near("train.loss.captioning", &[losses.captioning as f32])?;
        golden.near("train.loss.retrieval_lm", &[losses.ret_lm as f32])?;
        golden.near("train.loss.contrastive", &[losses.contrastive as f32])?;
        golden.near("train.loss.total", &[losses.loss as f32])?;
        let paired = scene.run(ALL, true)?;
        golden.near("train.loss.captioning_concat", &[paired.captioning as f32])?;
        assert_eq!(paired.contrastive, losses.contrastive);
    }
    Ok(())
}

#[test]
fn gradients_agree_and_the_table_has_none() -> Result<()> {
    for scene in Scene::all()? {
        scene.run(ALL, false)?;
        for (name, tensor) in NAMES.iter().zip(scene.trained.all()) {
            let expected = scene.golden.floats(&format!("train.grad.{name}"))?;
            near(name, &values(&tensor.grad())?, &expected, 1e-3);
        }
        for tensor in [scene.frozen.table(), scene.frozen.net().table()] {
            assert!(!tensor.requires_grad() && !tensor.grad().defined());
        }
    }
    Ok(())
}

#[test]
fn a_text_with_ret_inside_is_told_as_the_serving_passes_tell_it() -> Result<()> {
    for mut scene in Scene::all()? {
        let ret = scene.golden.token("ret_token")?;
        let caption = [TokenId(7), ret, TokenId(8), TokenId(9), ret];
        scene.texts[1] = Text::of(&[], &caption, true, 24, ret)?;
        let model = scene.golden.language(Placement::TORCH_F32)?;
        let (mut sum, mut n) = (0.0, 0);
        for text in &scene.texts {
            let ids: Vec<TokenId> = text.ids.iter().map(|&id| TokenId(id as u32)).collect();
            let hidden = model.run(model.embed_tokens(&ids)?)?;
            let told = model.log_probs(&hidden.narrow(0, 0, ids.len() as i64 - 1), &ids[1..])?;
            sum -= told.iter().sum::<f32>();
            n += told.len();
        }
        let losses = scene.run(ALL, false)?;
        near("ret_lm", &[losses.ret_lm as f32], &[sum / n as f32], 1e-4);
        // With the text as it was, the others' states are the same ones: they do not run in another way.
        let contrastive = losses.contrastive;
        scene.texts[1] = Text::of(&[], &caption[2..], true, 24, ret)?;
        assert!((scene.run(ALL, false)?.contrastive - contrastive).abs() > 1e-6, "what stands before counts");
    }
    Ok(())
}
