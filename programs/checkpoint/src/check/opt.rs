//! OPT: configuration, tensors, tokenizer.

use fondue_model::{
    opt::{Opt, OptConfig},
    weights::Weights,
};

use super::{Checked, tensors, tokenizer};
use crate::parts::Place;

const AGAIN: &str = "download the folder of OPT again, whole, from where it is published";

pub(super) fn check(place: &Place) -> Checked {
    let mut checked = Checked::new(place);
    let folder = &place.folder;
    checked.file("config.json", "json");
    match OptConfig::load(folder) {
        Ok(config) => {
            describe(&mut checked, &config);
            tensors::tell(&mut checked, Opt::survey(folder), AGAIN);
            checked.facts.word_dim = Some(config.word_dim());
            checked.facts.opt = Some(config);
        }
        Err(error) => {
            checked.model_fault(&error, AGAIN);
            tensors::tell_opened(&mut checked, Weights::look(folder), AGAIN);
        }
    }
    tokenizer::check(&mut checked);
    checked
}

fn describe(checked: &mut Checked, config: &OptConfig) {
    let facts = &mut checked.part.architecture;
    facts.add("layers", config.num_hidden_layers);
    facts.add("width", config.hidden_size);
    facts.add("heads", config.num_attention_heads);
    facts.add("head width", config.hidden_size / config.num_attention_heads);
    facts.add("feed-forward width", config.ffn_dim);
    facts.add("positions", config.max_position_embeddings);
    facts.add("vocabulary rows", config.vocab_size);
    facts.add("token width", config.word_dim());
    facts.add("projections", config.is_projected());
    facts.add("layer norm", if config.do_layer_norm_before { "before (pre-LN)" } else { "after (post-LN)" });
    facts.add("final layer norm", config.has_final_norm());
}
