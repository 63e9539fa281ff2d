//! The corpus' texts, and how they become rows of tokens.

use std::{
    collections::HashMap,
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use anyhow::{Context, Result, ensure};
use fondue_model::{Tokenizer, tokenizer::RET};
use serde::Deserialize;

/// Stands in a text for a picture.
const PICTURE: &str = "<pic>";
/// Begins a document, and ends it.
const BOS: i64 = 2;

/// One text of the corpus.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Document {
    text: String,
    /// What it is an example of.
    pub(crate) kind: String,
    /// The thing that its picture shows, or that it speaks of.
    #[serde(default)]
    thing: Option<String>,
    /// The things that its pictures show, in order.
    #[serde(default)]
    pics: Vec<String>,
}

impl Document {
    /// Its pieces of text between pictures and `[RET]`s.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        self.text.split(PICTURE).flat_map(|piece| piece.split(RET))
    }
}

/// Reads a file with one JSON document a line.
///
/// # Errors
/// Naming the line.
pub(crate) fn read(path: &Path) -> Result<Vec<Document>> {
    let file = File::open(path).with_context(|| format!("reading {}", path.display()))?;
    let mut documents = Vec::new();
    for (n, line) in BufReader::new(file).lines().enumerate() {
        let place = || format!("{}, line {}", path.display(), n + 1);
        documents.push(serde_json::from_str(&line.with_context(place)?).with_context(place)?);
    }
    ensure!(!documents.is_empty(), "{} holds no documents", path.display());
    Ok(documents)
}

/// What stands at a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// A token.
    Token(i64),
    /// A picture of the thing with this number.
    Picture(i64),
}

/// A document as the model reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// What goes in.
    pub(crate) slots: Vec<Slot>,
    /// For each position the token that should follow; −100 where nothing is asked.
    pub(crate) labels: Vec<i64>,
    /// Positions of `[RET]`, each with the thing whose name stands before it.
    pub(crate) queries: Vec<(usize, i64)>,
}

/// Turns documents into rows.
pub(crate) struct Rows<'a> {
    tokenizer: &'a Tokenizer,
    newline: i64,
    things: &'a HashMap<String, i64>,
    names: &'a HashMap<String, i64>,
    max: usize,
}

/// No name has more words.
const NAME_WORDS: usize = 8;

impl<'a> Rows<'a> {
    /// `things`: the number of each thing; `names`: that of each name; `max`: positions of a row, what is longer is cut.
    ///
    /// # Errors
    /// If the vocabulary has no newline.
    pub(crate) fn new(
        tokenizer: &'a Tokenizer,
        things: &'a HashMap<String, i64>,
        names: &'a HashMap<String, i64>,
        max: usize,
    ) -> Result<Self> {
        let newline = tokenizer.newline().context("the vocabulary has no token for a newline")?.as_i64();
        Ok(Self { tokenizer, newline, things, names, max })
    }

    /// One document. BOS stands before the first text, behind pictures that lead, as in a prompt.
    ///
    /// A `[RET]` takes the blanks around it, as when a prompt is made, but the newline that ended its answer is still what
    /// should follow it: an answer ends there.
    ///
    /// # Errors
    /// If it names a thing that there is none of, or has more pictures than things.
    pub(crate) fn row(&self, document: &Document) -> Result<Row> {
        let mut pictures = document.pics.iter().chain(&document.thing);
        let mut slots = Vec::new();
        let mut labels = Vec::new();
        let mut begun = false;
        let mut shown = Vec::new();
        let mut push = |slot: Slot, label: i64| {
            slots.push(slot);
            labels.push(label);
            slots.len() - 1
        };
        for (n, piece) in document.text.split(PICTURE).enumerate() {
            if n > 0 {
                let thing =
                    pictures.next().with_context(|| format!("no thing for a picture: {}", document.text))?;
                let thing = self.things.get(thing).with_context(|| format!("no thing `{thing}`"))?;
                push(Slot::Picture(*thing), -100);
            }
            if piece.is_empty() {
                continue;
            }
            if !begun {
                push(Slot::Token(BOS), BOS);
                begun = true;
            }
            let ids = self.tokenizer.encode(piece)?;
            let mut newlines = piece.split(RET).skip(1).map(|after| {
                after.starts_with([' ', '\n']) && after.trim_start_matches(' ').starts_with('\n')
            });
            let mut before = piece.split(RET);
            for id in ids {
                let at = push(Slot::Token(id.as_i64()), id.as_i64());
                if id != self.tokenizer.ret() {
                    continue;
                }
                shown.extend(before.next().and_then(|text| self.last_named(text)).map(|thing| (at, thing)));
                if newlines.next() == Some(true) {
                    // Told apart below: the label that follows this position.
                    push(Slot::Token(-1), self.newline);
                }
            }
        }
        push(Slot::Token(BOS), BOS);
        Ok(shifted(&slots, &labels, &shown, self.max))
    }

    /// That row, of which only the last line is asked for. A newline at its end belongs to that line.
    pub(crate) fn last_line(&self, row: &Row) -> Row {
        let mut row = row.clone();
        let before = &row.slots[..row.slots.len().saturating_sub(1)];
        let start = before.iter().rposition(|&slot| slot == Slot::Token(self.newline)).unwrap_or(0);
        row.labels[..start].fill(-100);
        row
    }

    /// The thing whose name a text ends with, the longest name that does.
    fn last_named(&self, text: &str) -> Option<i64> {
        let text = text.trim_end_matches(['.', ' ']).to_lowercase();
        let starts = text.rmatch_indices([' ', '\n']).map(|(at, _)| at + 1).take(NAME_WORDS - 1);
        let found = starts.filter_map(|at| self.names.get(&text[at..])).last();
        self.names.get(&text).or(found).copied()
    }
}

/// Labels move one position to the front; a slot of −1 gives its label to the one before it and goes.
fn shifted(slots: &[Slot], own: &[i64], shown: &[(usize, i64)], max: usize) -> Row {
    let mut row = Row { slots: Vec::new(), labels: Vec::new(), queries: Vec::new() };
    let mut shown = shown.iter().peekable();
    for (at, &slot) in slots.iter().enumerate() {
        let query = shown.next_if(|(place, _)| *place == at);
        if slot == Slot::Token(-1) || row.slots.len() == max {
            continue;
        }
        row.queries.extend(query.map(|(_, thing)| (row.slots.len(), *thing)));
        row.slots.push(slot);
        row.labels.push(own.get(at + 1).copied().unwrap_or(-100));
    }
    // Nothing follows the end of a document.
    if row.slots.len() > 1 && row.slots.len() < max {
        row.slots.pop();
        row.labels.pop();
        row.queries.retain(|(at, _)| *at < row.slots.len());
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row, its last line asked for alone, and the tokenizer.
    fn both(json: &str, max: usize) -> Result<(Row, Row, Tokenizer)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/model/opt");
        let tokenizer = Tokenizer::load(&folder)?;
        let things = HashMap::from([("1f34e".to_owned(), 7)]);
        let names = HashMap::from([("apple".to_owned(), 6), ("red apple".to_owned(), 7)]);
        let rows = Rows::new(&tokenizer, &things, &names, max)?;
        let row = rows.row(&serde_json::from_str(json)?)?;
        let last = rows.last_line(&row);
        Ok((row, last, tokenizer))
    }

    fn row(json: &str, max: usize) -> Result<(Row, Tokenizer)> {
        both(json, max).map(|(row, _, tokenizer)| (row, tokenizer))
    }

    fn ids(tokenizer: &Tokenizer, text: &str) -> Vec<i64> {
        tokenizer.encode(text).unwrap().into_iter().map(|id| id.as_i64()).collect()
    }

    #[test]
    fn a_picture_stands_before_bos_and_labels_are_what_follows() {
        let (row, tokenizer) =
            row(r#"{"text":"<pic>red apple","kind":"caption","pics":["1f34e"]}"#, 99).unwrap();
        let text = ids(&tokenizer, "red apple");
        let slots: Vec<Slot> =
            [vec![Slot::Picture(7), Slot::Token(2)], text.iter().map(|&id| Slot::Token(id)).collect()]
                .concat();
        assert_eq!(row.slots, slots);
        // The picture is followed by BOS, the last word by the end.
        assert_eq!(row.labels, [vec![2], text, vec![2]].concat());
    }

    #[test]
    fn ret_is_followed_by_the_newline_that_it_swallowed() {
        let text = r#"{"text":"Q: b\nA: c. [RET]\nQ: d\nA: e. [RET]\n","kind":"dialogue"}"#;
        let (row, tokenizer) = row(text, 99).unwrap();
        let ret = Slot::Token(tokenizer.ret().as_i64());
        let newline = tokenizer.newline().unwrap().as_i64();
        let after: Vec<(i64, Option<&Slot>)> = (0..row.slots.len())
            .filter(|&at| row.slots[at] == ret)
            .map(|at| (row.labels[at], row.slots.get(at + 1)))
            .collect();
        let question = Slot::Token(ids(&tokenizer, "Q")[0]);
        assert_eq!(after, [(newline, Some(&question)), (newline, None)]);
        assert_eq!(row.slots.len(), row.labels.len());
    }

    #[test]
    fn a_ret_asks_for_the_thing_whose_name_stands_before_it() {
        let text = r#"{"text":"Q: b\nA: Here is another red apple. [RET]\nQ: d\nA: An apple [RET] x [RET]","kind":"dialogue"}"#;
        let (row, tokenizer) = row(text, 99).unwrap();
        let ret = Slot::Token(tokenizer.ret().as_i64());
        let places: Vec<usize> = (0..row.slots.len()).filter(|&at| row.slots[at] == ret).collect();
        assert_eq!(row.queries, [(places[0], 7), (places[1], 6)]);
    }

    #[test]
    fn of_the_last_line_alone_every_token_is_asked_for() {
        for (text, asked) in [
            (r"<pic>Q: b\nA: an apple.", "A: an apple."),
            (r"<pic>Q: b\nA: an apple.\n", "A: an apple.\n"),
            (r"<pic>Q: b\nA: c.\nQ: d\nA: e.\n", "A: e.\n"),
        ] {
            let json = format!(r#"{{"text":"{text}","kind":"dialogue","pics":["1f34e"]}}"#);
            let (row, last, tokenizer) = both(&json, 99).unwrap();
            assert_eq!(row.slots, last.slots);
            let asked = [ids(&tokenizer, asked), vec![BOS]].concat();
            let (front, end) = last.labels.split_at(last.labels.len() - asked.len());
            assert_eq!(end, asked, "{text}");
            assert!(front.iter().all(|&label| label == -100), "{text}");
        }
        let (row, last, _) =
            both(r#"{"text":"<pic>red apple","kind":"caption","pics":["1f34e"]}"#, 99).unwrap();
        assert_eq!(row, last);
        assert!(both(r#"{"text":"","kind":"gloss"}"#, 99).is_ok());
    }

    #[test]
    fn long_documents_are_cut_and_strange_ones_refused() {
        let (row_, _) = row(r#"{"text":"one two three four five six","kind":"gloss"}"#, 4).unwrap();
        assert_eq!((row_.slots.len(), row_.labels.len()), (4, 4));
        for strange in [
            r#"{"text":"<pic>x","kind":"caption"}"#,
            r#"{"text":"<pic>x","kind":"caption","thing":"nothing"}"#,
        ] {
            assert!(row(strange, 9).is_err(), "{strange}");
        }
    }
}
