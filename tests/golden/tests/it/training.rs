//! What training computes on its way forward: the three losses and the similarities, from the serving passes.
//!
//! Source: Koh et al. 2023, section 3.2; the batch of the reference vectors, four pictures with their captions.

use anyhow::Result;
use fondue_domain::TokenId;
use fondue_golden::Golden;
use fondue_model::{LanguageModel, layers::values};
use tch::{Kind, Tensor};

/// A batch: each caption's tokens, BOS first and `[RET]` last, and its picture's features.
struct Batch {
    captions: Vec<Vec<TokenId>>,
    features: Tensor,
}

impl Batch {
    fn read(golden: &Golden, model: &LanguageModel) -> Result<Self> {
        let (tokens, lengths) = (golden.integers("train.tokens")?, golden.integers("train.caption_len")?);
        let width = tokens.len() / lengths.len();
        let caption = |(row, &length): (&[i64], &i64)| {
            row[..length as usize].iter().map(|&id| TokenId(id as u32)).collect::<Vec<_>>()
        };
        let captions = tokens.chunks(width).zip(&lengths).map(caption).collect();
        let pooled = golden.floats("pooled")?;
        let rows: Vec<Vec<f32>> = pooled.chunks(model.mapping().feature_dim()).map(<[f32]>::to_vec).collect();
        Ok(Self { captions, features: model.mapping().features(&rows)? })
    }

    /// Input vectors of picture `n` and its caption without `[RET]`, and the tokens that they are told against: none for
    /// the picture's own positions.
    fn captioned(&self, model: &LanguageModel, n: usize) -> Result<(Tensor, Vec<Option<TokenId>>)> {
        let prefix = model.mapping().prefix(&self.features)?.get(n as i64);
        let (_, words) = self.captions[n].split_last().unwrap();
        let mut labels = vec![None; model.mapping().prefix_len()];
        labels.extend(words.iter().copied().map(Some));
        Ok((Tensor::cat(&[prefix, model.embed_tokens(words)?], 0), labels))
    }
}

/// States of a sequence by itself.
fn run(model: &LanguageModel, vectors: Tensor) -> Result<Tensor> {
    Ok(model.run(vectors)?)
}

/// Sum and number of −ln p of each label, told by the state before it.
fn told(model: &LanguageModel, vectors: Tensor, labels: &[Option<TokenId>]) -> Result<(f32, usize)> {
    let hidden = run(model, vectors)?;
    let pairs = (0i64..).zip(labels.iter().skip(1)).filter_map(|(before, label)| Some((before, (*label)?)));
    let (before, next): (Vec<i64>, Vec<TokenId>) = pairs.unzip();
    let states = hidden.index_select(0, &Tensor::from_slice(&before));
    Ok((-model.log_probs(&states, &next)?.iter().sum::<f32>(), next.len()))
}

fn mean(all: &[(f32, usize)]) -> f32 {
    all.iter().map(|(sum, _)| sum).sum::<f32>() / all.iter().map(|(_, n)| n).sum::<usize>() as f32
}

#[test]
fn losses_and_similarities_agree() -> Result<()> {
    for golden in Golden::all()? {
        for model in golden.languages()? {
            let batch = Batch::read(&golden, &model)?;
            let n = batch.captions.len();
            let captioned: Vec<_> = (0..n).map(|n| batch.captioned(&model, n)).collect::<Result<_>>()?;

            let alone: Vec<_> = captioned
                .iter()
                .map(|(vectors, labels)| told(&model, vectors.shallow_clone(), labels))
                .collect::<Result<_>>()?;
            golden.near("train.loss.captioning", &[mean(&alone)])?;

            // Two pictures and captions in one sequence, positions running on.
            let paired: Vec<_> = captioned
                .chunks(2)
                .map(|pair| {
                    let vectors: Vec<&Tensor> = pair.iter().map(|(vectors, _)| vectors).collect();
                    let labels: Vec<_> = pair.iter().flat_map(|(_, labels)| labels.clone()).collect();
                    told(&model, Tensor::cat(&vectors, 0), &labels)
                })
                .collect::<Result<_>>()?;
            golden.near("train.loss.captioning_concat", &[mean(&paired)])?;

            let texts: Vec<_> = batch
                .captions
                .iter()
                .map(|caption| {
                    let labels: Vec<_> = caption.iter().copied().map(Some).collect();
                    told(&model, model.embed_tokens(caption)?, &labels)
                })
                .collect::<Result<_>>()?;
            golden.near("train.loss.retrieval_lm", &[mean(&texts)])?;

            let states: Vec<Tensor> = batch
                .captions
                .iter()
                .map(|caption| {
                    let hidden = run(&model, model.embed_tokens(caption)?)?;
                    Ok(hidden.narrow(0, hidden.size()[0] - 1, 1))
                })
                .collect::<Result<_>>()?;
            let unit = |rows: Tensor| &rows / rows.norm_scalaropt_dim(2, [-1], true);
            let texts_at = unit(model.mapping().text_to_retrieval(&Tensor::cat(&states, 0))?);
            let pictures_at = unit(model.mapping().image_to_retrieval(&batch.features)?);
            let similarity = pictures_at.matmul(&texts_at.tr()) * model.mapping().logit_scale().exp();
            golden.near("train.similarity", &values(&similarity)?)?;

            let right = Tensor::arange(n as i64, (Kind::Int64, tch::Device::Cpu));
            let both = similarity.cross_entropy_for_logits(&right)
                + similarity.tr().cross_entropy_for_logits(&right);
            let contrastive = values(&(both / 2.0))?[0];
            golden.near("train.loss.contrastive", &[contrastive])?;
            golden.near("train.loss.total", &[mean(&alone) + mean(&texts) + contrastive])?;
        }
    }
    Ok(())
}
