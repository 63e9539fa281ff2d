//! OPT's tokenizer: which files, which ids, whether texts come back.

use fondue_domain::TokenId;
use fondue_model::{
    Tokenizer,
    tokenizer::{IMAGE, RET},
};

use super::Checked;
use crate::report::Facts;

const AGAIN: &str = "put OPT's own tokenizer.json there, or its vocab.json and merges.txt";

/// Texts that must come back as they were.
const TEXTS: [&str; 5] = [
    "Q: Show me a red apple.\nA:",
    " two  spaces\tand\r\n",
    "żółć 日本語 🫕",
    "don't 'quote' 12,345.67",
    "\u{a0}ÿ\u{7f}",
];

pub(super) fn check(checked: &mut Checked) {
    let folder = checked.part.folder.clone();
    // What is read, and what only travels along.
    let whole = folder.join("tokenizer.json");
    let read: &[&str] = if whole.exists() { &["tokenizer.json"] } else { &["vocab.json", "merges.txt"] };
    for name in read {
        checked.file(name, "tokenizer");
    }
    let tokenizer = match Tokenizer::load(&folder) {
        Ok(tokenizer) => tokenizer,
        Err(error) => return checked.model_fault(&error, AGAIN),
    };
    let single = |text: &str| match tokenizer.encode(text).as_deref() {
        Ok([id]) => Some(id.0),
        _ => None,
    };
    let (ret, image, end) = (tokenizer.ret(), single(IMAGE), single("</s>"));
    let mut facts = Facts::default();
    facts.add("files", read.join(" and "));
    facts.add("entries", image.unwrap_or(ret.0));
    facts.add("</s> (BOS, EOS)", end);
    facts.add("<pad>", single("<pad>"));
    facts.add("<|image|>", image);
    facts.add("[RET]", ret.0);
    let broken: Vec<&str> = TEXTS.into_iter().filter(|text| !comes_back(&tokenizer, text)).collect();
    facts.add("texts that come back", format!("{} of {}", TEXTS.len() - broken.len(), TEXTS.len()));
    checked.part.tokenizer = Some(facts);
    checked.facts.ret = Some(ret);
    if !broken.is_empty() {
        checked.fault(
            &folder.join(read[0]),
            format!("texts do not come back as they were: {broken:?}"),
            AGAIN,
        );
    }
    if single(RET) != Some(ret.0) {
        checked.fault(&folder.join(read[0]), "the text `[RET]` is not one token", AGAIN);
    }
    let Some(config) = checked.facts.opt.clone() else { return };
    let rows = config.vocab_size;
    if ret.as_i64() > rows {
        let what = format!("[RET] has id {}, the token embedding has {rows} rows", ret.0);
        checked.fault(&folder.join(read[0]), what, "the tokenizer is of a larger model; take OPT's own");
    }
    for (name, id) in [("bos_token_id", config.bos_token_id), ("eos_token_id", config.eos_token_id)] {
        if end != Some(id) {
            let what = format!("{name} is {id}, the tokenizer's </s> is {end:?}");
            checked.fault(&folder.join("config.json"), what, "take configuration and tokenizer of one model");
        }
    }
}

fn comes_back(tokenizer: &Tokenizer, text: &str) -> bool {
    let Ok(ids) = tokenizer.encode(text) else { return false };
    let bytes: Vec<u8> = ids.iter().flat_map(|&id: &TokenId| tokenizer.bytes(id)).copied().collect();
    bytes == text.as_bytes()
}
