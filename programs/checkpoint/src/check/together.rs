//! The parts together: widths and ids that must agree, and what the whole amounts to.

use fondue_model::fingerprint;

use super::{Checked, only};
use crate::{
    parts::Kind,
    report::{Facts, Fault},
};

const REMEDY: &str =
    "these parts are not of one model; take the ones that the mapping layers were trained with";

pub(super) fn check(checked: &mut [Checked], faults: &mut Vec<Fault>) -> Facts {
    let mut facts = Facts::default();
    let (opt, clip, fromage) =
        (only(checked, Kind::Opt), only(checked, Kind::Clip), only(checked, Kind::Fromage));
    let parameters = |part: Option<&Checked>| Some(part?.part.tensors.as_ref()?.parameters);
    if let (Some(opt), Some(fromage)) = (opt, fromage)
        && let (Some(has), Some(takes)) = (opt.facts.word_dim, fromage.facts.word_dim)
        && has != takes
    {
        let what = format!("the language model's tokens are {has} wide, the mapping layers are for {takes}");
        faults.push(Fault::new(&fromage.part.folder, what, REMEDY));
    }
    if let (Some(clip), Some(fromage)) = (clip, fromage)
        && let (Some(gives), Some(takes)) = (clip.facts.feature_dim, fromage.facts.feature_dim)
        && gives != takes
    {
        let what = format!("the vision tower gives {gives} features, the mapping layers take {takes}");
        faults.push(Fault::new(&fromage.part.folder, what, REMEDY));
    }
    if let Some(trained) = parameters(fromage) {
        facts.add("trained parameters", trained);
    }
    let frozen: Vec<u64> = [parameters(opt), parameters(clip)].into_iter().flatten().collect();
    if !frozen.is_empty() {
        facts.add("frozen parameters", frozen.iter().sum::<u64>());
    }
    if let Some(opt) = opt
        && let (Some(config), Some(ret), Some(all)) = (&opt.facts.opt, opt.facts.ret, parameters(Some(opt)))
    {
        let (rows, width) = (ret.as_i64() + 1, config.word_dim());
        // A table without a row for [RET] gets one; one that is too short is told as a fault.
        if ret.as_i64() <= config.vocab_size {
            facts.add("token rows as loaded", rows);
            let loaded = i128::from(all) + i128::from(rows - config.vocab_size) * i128::from(width);
            facts.add("language model as loaded", u64::try_from(loaded).unwrap_or_default());
        }
    }
    let fingerprint = match (opt, fromage) {
        (Some(opt), Some(fromage)) => fingerprint::language(&opt.part.folder, &fromage.part.folder).ok(),
        _ => None,
    };
    if let Some(part) = checked.iter_mut().find(|checked| checked.part.kind == Kind::Fromage) {
        part.part.fingerprint = fingerprint;
    }
    facts
}
