//! The mapping layers: arguments and tensors.

use fondue_domain::TokenId;
use fondue_model::{
    DialogueTemplate, dialogue,
    mapping::{Mapping, ModelArgs, TEXT_FC, VISUAL_FC},
    weights::{Survey, Weights},
};

use super::{Checked, tensors};
use crate::parts::Place;

const TEMPLATE: &str = "write the texts question_prefix, answer_prefix and turn_separator of at most 64 bytes each, or \
                        remove the file: then the gateway's own words hold";
const AGAIN: &str = "take model_args.json and the checkpoint from the same training, and copy them again";

/// `ret` is the tokenizer's, if there is one.
pub(super) fn check(place: &Place, ret: Option<TokenId>) -> Checked {
    let mut checked = Checked::new(place);
    let folder = &place.folder;
    checked.file("model_args.json", "json");
    match ModelArgs::load(folder) {
        Ok(args) => {
            tensors::tell(&mut checked, Mapping::survey(folder, None, ret), AGAIN);
            let second = |survey: &Survey, name: &str| survey.get(name)?.stored.shape.get(1).copied();
            let word_dim = checked.survey.as_ref().and_then(|survey| second(survey, TEXT_FC));
            let feature_dim = checked.survey.as_ref().and_then(|survey| second(survey, VISUAL_FC));
            (checked.facts.word_dim, checked.facts.feature_dim) = (word_dim, feature_dim);
            let facts = &mut checked.part.architecture;
            facts.add("prefix vectors (k)", args.n_visual_tokens);
            facts.add("retrieval width (q)", args.shared_emb_dim);
            facts.add("token width", word_dim);
            facts.add("feature width", feature_dim);
            facts.add("trained for", args.opt_version.as_deref());
            facts.add("with", args.visual_encoder.as_deref());
        }
        Err(error) => {
            checked.model_fault(&error, AGAIN);
            tensors::tell_opened(&mut checked, Weights::look_mapping(folder), AGAIN);
        }
    }
    template(&mut checked);
    checked
}

/// How a dialogue reads to the model, if the folder says.
fn template(checked: &mut Checked) {
    checked.file(dialogue::FILE, "json");
    match DialogueTemplate::load(&checked.part.folder) {
        Ok(None) => {}
        Ok(Some(template)) => {
            let facts = &mut checked.part.architecture;
            facts.add("question prefix", template.question_prefix);
            facts.add("answer prefix", template.answer_prefix);
            facts.add("turn separator", template.turn_separator);
        }
        Err(error) => checked.model_fault(&error, TEMPLATE),
    }
}
