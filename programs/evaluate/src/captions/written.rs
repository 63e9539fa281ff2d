//! Captions written greedily, and how like the table's they are.

use anyhow::Result;

use super::Seen;
use crate::{
    metrics::{Bleu, bleu},
    model::{Ask, Ends, Model, Piece},
    report::{Cell, Example, Examples, Figures, Report, Shown, Skipped},
};

/// Tokens of a caption at most.
const TOKENS: usize = 32;
/// A full stop further to the front than this many bytes does not end a caption.
const EARLY: usize = 5;
/// Cases that are told.
const CASES: usize = 100;

/// Writes a caption for every picture, in both ways; adds figures and cases to the report.
pub(super) fn judge(model: &mut Model, pictures: &[Seen], report: &mut Report) -> Result<()> {
    let ended = write(model, pictures, Ends::Ret, report)?;
    let cut: Vec<Option<String>> = write(model, pictures, Ends::Never, report)?
        .into_iter()
        .map(|text| Some(until_full_stop(&text?)))
        .collect();
    let ways =
        [("ends at [RET], as in training", &ended), ("32 tokens without [RET], cut at the full stop", &cut)];
    let row = |(way, texts): (&str, &Vec<Option<String>>)| {
        let pairs = pictures.iter().zip(texts).filter_map(|(picture, text)| {
            Some((text.as_deref()?, picture.captions.iter().map(String::as_str).collect()))
        });
        let Bleu(figures) = bleu(pairs);
        [Cell::from(way)].into_iter().chain(figures.map(Cell::Share)).collect()
    };
    report.tables.push(Figures {
        name: "bleu",
        title: "Captions written".to_owned(),
        note: "BLEU of the whole set, words parted by blanks, without smoothing, against all captions of a picture. The second way is \
               the published validation's."
            .to_owned(),
        columns: ["caption", "BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4"].map(str::to_owned).to_vec(),
        rows: ways.into_iter().map(row).collect(),
    });
    let texts = pictures.iter().zip(ended.iter().zip(&cut)).filter(|(_, texts)| texts.0.is_some());
    let every = pictures.len().div_ceil(CASES);
    let rows = texts.step_by(every).map(|(picture, (ended, cut))| Example {
        given: vec![picture.shown()],
        right: picture.captions.iter().map(Shown::text).collect(),
        got: [ended, cut].into_iter().flatten().map(Shown::text).collect(),
        rank: None,
    });
    let rows: Vec<Example> = rows.collect();
    let title = "Captions written, in both ways".to_owned();
    report.examples.push(Examples { name: "written", title, of: pictures.len(), rows });
    Ok(())
}

fn write(
    model: &mut Model,
    pictures: &[Seen],
    ends: Ends,
    report: &mut Report,
) -> Result<Vec<Option<String>>> {
    // An empty text is a lone BOS behind the picture, which is what a caption follows in training.
    let prompt = |picture: &Seen| vec![Piece::Picture(picture.sight.clone()), Piece::text("")];
    let asks: Vec<Ask> =
        pictures.iter().map(|picture| Ask { prompt: prompt(picture), tokens: TOKENS, ends }).collect();
    let said = model.say(&asks, "captions written")?.into_iter().zip(pictures);
    let text = said.map(|(said, picture)| match said {
        Ok(said) => Some(said.text.trim().to_owned()),
        Err(reason) => {
            report.skipped.push(Skipped { what: picture.image.clone(), reason });
            None
        }
    });
    Ok(text.collect())
}

/// What stands before the first full stop, if that is not too early.
fn until_full_stop(text: &str) -> String {
    match text.find('.') {
        Some(at) if at > EARLY => text[..at].to_owned(),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_before_its_first_full_stop_unless_that_is_early() {
        assert_eq!(until_full_stop("a red apple. It is red."), "a red apple");
        assert_eq!(until_full_stop("mr. fox. A fox."), "mr. fox. A fox.");
        assert_eq!(until_full_stop("12345. x"), "12345. x", "at 5");
        assert_eq!(until_full_stop("123456. x"), "123456");
        assert_eq!(until_full_stop("none"), "none");
    }
}
