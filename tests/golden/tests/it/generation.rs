//! Greedy generation step by step over the cache: tokens exact, logits and queries near.

use anyhow::Result;
use fondue_domain::Compat;
use fondue_golden::Golden;
use fondue_model::{BLOCK, BlockId, Chunk, Sampler, Sampling};

use crate::prompt::rebuild;

#[test]
fn generation_agrees() -> Result<()> {
    for golden in Golden::all()? {
        for name in ["plain", "scaled", "floor"] {
            let tensor = |part: &str| format!("generate.{name}.{part}");
            for model in golden.languages()? {
                let prompt = rebuild(&golden, &model, &golden.integers("generate.prompt_ids")?)?;
                let sampling = Sampling {
                    ret_scale_factor: golden.floats(&tensor("scale"))?[0],
                    min_word_tokens: golden.integers(&tensor("min_words"))?[0] as usize,
                    ..Sampling::GREEDY
                };
                let mut sampler = Sampler::new(sampling, model.ret(), Compat::Reference);
                let expected = golden.integers(&tensor("ids"))?;
                let (mut ids, mut all_logits, mut queries) = (Vec::new(), Vec::new(), Vec::new());
                let room = prompt.positions(model.mapping().prefix_len()) + expected.len();
                let blocks: Vec<BlockId> = (0..room.div_ceil(BLOCK) as u32).map(BlockId).collect();
                let (mut pool, mut start) = (model.new_pool(blocks.len())?, 0);
                let mut vectors = model.embed(&prompt)?;
                while ids.len() < expected.len() {
                    let rows = vectors.size()[0];
                    let hidden = model.forward(&mut pool, &[Chunk { vectors, start, blocks: &blocks }])?;
                    start += rows as usize;
                    let mut logits = model.logits(&hidden.narrow(0, rows - 1, 1))?.remove(0);
                    all_logits.extend_from_slice(&logits);
                    let token = sampler.sample(&mut logits);
                    ids.push(token.as_i64());
                    vectors = model.embed_tokens(&[token])?;
                    if token == model.ret() {
                        // The query is the state where [RET] is input; a pool of its own leaves the loop undisturbed.
                        let mut whole = prompt.clone();
                        ids.iter().for_each(|&id| whole.push(fondue_domain::TokenId(id as u32)));
                        let states = model.run(model.embed(&whole)?)?;
                        let last = states.size()[0] - 1;
                        queries.extend(
                            model.mapping().query(&states.narrow(0, last, 1))?.remove(0)?.into_values(),
                        );
                    }
                }
                assert_eq!(ids, expected, "{}: {name}", golden.folder.display());
                golden.near(&tensor("logits"), &all_logits)?;
                assert_eq!(golden.has(&tensor("queries")), !queries.is_empty());
                if golden.has(&tensor("queries")) {
                    golden.near(&tensor("queries"), &queries)?;
                }
            }
        }
    }
    Ok(())
}
