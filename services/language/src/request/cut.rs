//! A prompt that may begin later, if it does not fit whole: where it does.

use fondue_engine::{LanguageEngine, cut::first_fitting};
use fondue_model::Prompt;
use fondue_proto::language::{self as wire, part::Kind};

use super::{RequestError, prompt_from};
use crate::config::Limits;

/// Places where a prompt may begin.
const MAX_CUTS: usize = 4096;
/// A token has about so many bytes: a prompt with no more of them is first tried whole.
const TOKEN_BYTES: usize = 4;

/// The prompt from the first place on from which it fits together with `new_tokens`, and which that is: 0 for its own
/// beginning, else one of `cuts`, counted from 1. If none does, it is the last one, which then has to leave one position.
pub(crate) fn cut_prompt(
    mut parts: Vec<wire::Part>,
    cuts: &[wire::Cut],
    new_tokens: usize,
    engine: &LanguageEngine,
    limits: &Limits,
) -> Result<(Prompt, u32), RequestError> {
    let places = places(&parts, cuts)?;
    let facts = engine.facts();
    let count = |text: &str| {
        let counted = engine.tokenizer().encode(text);
        counted.map(|tokens| tokens.len()).map_err(|error| RequestError::field("parts", error.to_string()))
    };
    let fits = |at: usize| -> Result<bool, RequestError> {
        let (first, byte) = places[at];
        let tail = Tail { parts: &parts[first..], byte };
        if tail.parts.len() > limits.parts || tail.text_bytes() > limits.text_bytes {
            return Ok(false);
        }
        Ok(tail.positions(facts.prefix_len, count)? + new_tokens <= facts.max_positions)
    };
    let small = |at: usize| {
        let (first, byte) = places[at];
        Tail { parts: &parts[first..], byte }.text_bytes() <= TOKEN_BYTES * facts.max_positions
    };
    let whole = places.len() == 1 || small(0) && fits(0)?;
    let at = if whole { 0 } else { first_fitting(places.len(), fits)?.unwrap_or(places.len() - 1) };
    let (first, byte) = places[at];
    parts.drain(..first);
    if let Some(Kind::Text(text)) = parts.first_mut().and_then(|part| part.kind.as_mut()) {
        text.drain(..byte);
    }
    Ok((prompt_from(first, parts, engine, limits)?, at as u32))
}

/// All places where the prompt may begin, its own beginning first: part, and byte in its text.
fn places(parts: &[wire::Part], cuts: &[wire::Cut]) -> Result<Vec<(usize, usize)>, RequestError> {
    if cuts.len() > MAX_CUTS {
        return Err(RequestError::field("cuts", format!("{} places, limit {MAX_CUTS}", cuts.len())));
    }
    let mut places = vec![(0, 0)];
    for (index, cut) in cuts.iter().enumerate() {
        let place = (cut.part as usize, cut.byte as usize);
        let is_place = match parts.get(place.0).map(|part| &part.kind) {
            Some(Some(Kind::Text(text))) => place.1 < text.len() && text.is_char_boundary(place.1),
            Some(Some(Kind::Image(_))) => place.1 == 0,
            _ => false,
        };
        if !is_place || places.last().is_some_and(|before| *before >= place) {
            let reason = "expected a place within the parts, at a character, behind the one before";
            return Err(RequestError::field(format!("cuts[{index}]"), reason));
        }
        places.push(place);
    }
    Ok(places)
}

/// What is left of a prompt.
struct Tail<'a> {
    parts: &'a [wire::Part],
    /// Bytes of the first text that are not.
    byte: usize,
}

impl<'a> Tail<'a> {
    fn texts(&self) -> impl Iterator<Item = &'a str> {
        let (parts, byte) = (self.parts, self.byte);
        parts.iter().enumerate().filter_map(move |(index, part)| match &part.kind {
            Some(Kind::Text(text)) if index == 0 => text.get(byte..),
            Some(Kind::Text(text)) => Some(text.as_str()),
            _ => None,
        })
    }

    fn text_bytes(&self) -> usize {
        self.texts().map(str::len).sum()
    }

    /// Positions, BOS included.
    fn positions(
        &self,
        prefix_len: usize,
        count: impl Fn(&str) -> Result<usize, RequestError>,
    ) -> Result<usize, RequestError> {
        let is_image = |part: &&wire::Part| matches!(part.kind, Some(Kind::Image(_)));
        let images = self.parts.iter().filter(is_image).count();
        self.texts().try_fold(1 + images * prefix_len, |sum, text| Ok(sum + count(text)?))
    }
}

#[cfg(test)]
mod tests {
    use fondue_domain::Classify;

    use super::*;

    fn parts() -> Vec<wire::Part> {
        let text = |text: &str| Kind::Text(text.to_owned());
        let image = Kind::Image(wire::Features { values: vec![0.5] });
        let kinds = [text("Q: ü\nQ: two"), image, text("Q: three")];
        kinds.map(|kind| wire::Part { kind: Some(kind) }).to_vec()
    }

    #[test]
    fn places_lie_in_the_parts_in_order() {
        let cut = |(part, byte): &(u32, u32)| wire::Cut { part: *part, byte: *byte };
        let fault = |cuts: &[(u32, u32)]| {
            let cuts: Vec<_> = cuts.iter().map(cut).collect();
            places(&parts(), &cuts).err().map(|error| error.violations().remove(0).field)
        };
        assert_eq!(fault(&[]), None);
        assert_eq!(fault(&[(0, 6), (1, 0), (2, 0), (2, 3)]), None);
        for (cuts, field) in [
            (&[(0, 0)][..], "cuts[0]"), // the beginning is no cut
            (&[(0, 4)], "cuts[0]"),     // within a character
            (&[(0, 12)], "cuts[0]"),    // behind the text
            (&[(1, 1)], "cuts[0]"),     // within a picture
            (&[(3, 0)], "cuts[0]"),     // behind the parts
            (&[(1, 0), (0, 6)], "cuts[1]"),
            (&[(1, 0), (1, 0)], "cuts[1]"),
            (&[(1, 0); 4097], "cuts"),
        ] {
            assert_eq!(fault(cuts).as_deref(), Some(field), "{:?}", cuts.first());
        }
    }

    #[test]
    fn what_is_left_is_measured_with_bos_and_pictures() {
        let parts = parts();
        let words = |text: &str| Ok(text.split_whitespace().count());
        let tail = |part: usize, byte| Tail { parts: &parts[part..], byte };
        assert_eq!(tail(0, 0).positions(4, words).unwrap(), 1 + 4 + 4 + 2);
        assert_eq!(tail(0, 6).positions(4, words).unwrap(), 1 + 2 + 4 + 2);
        assert_eq!(tail(1, 0).positions(4, words).unwrap(), 1 + 4 + 2);
        assert_eq!(tail(2, 3).text_bytes(), 5);
    }
}
