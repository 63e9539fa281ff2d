//! How a dialogue reads to the model: `Q: … A: …`, pictures in place. Pure.
//!
//! Texts are joined into one until a picture comes between, since each text is tokenised by itself.
//! A turn's leading pictures stand before its `Q: `, as the model saw a picture before its caption.

use std::collections::HashSet;

use fondue_proto::language::{self, part::Kind};

use super::{Features, Held};
use crate::{
    config::Template,
    failure::Failure,
    request::{Content, PictureKey},
};

/// A piece of a prompt.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Piece {
    /// Tokenised by itself.
    Text(String),
    /// A picture, by its key.
    Picture(PictureKey),
}

impl Piece {
    /// The picture, if it is one.
    pub fn picture(&self) -> Option<&PictureKey> {
        match self {
            Self::Picture(key) => Some(key),
            Self::Text(_) => None,
        }
    }
}

/// Appends a piece; a text after a text is joined to it, an empty one is left out.
pub fn push(pieces: &mut Vec<Piece>, piece: Piece) {
    match (pieces.last_mut(), piece) {
        (_, Piece::Text(more)) if more.is_empty() => {}
        (Some(Piece::Text(text)), Piece::Text(more)) => text.push_str(&more),
        (_, piece) => pieces.push(piece),
    }
}

/// A prompt as people read it.
pub fn shown(pieces: &[Piece]) -> String {
    let piece = |piece: &Piece| match piece {
        Piece::Text(text) => text.clone(),
        Piece::Picture(_) => "[picture]".to_owned(),
    };
    pieces.iter().map(piece).collect()
}

/// A prompt, and where it may begin if it is too long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prompt {
    /// All of it.
    pub pieces: Vec<Piece>,
    /// Where each turn but the first begins, in order.
    pub cuts: Vec<Cut>,
}

/// A place in a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Which piece.
    pub piece: usize,
    /// Where in its text; 0 for a picture.
    pub byte: usize,
}

/// All turns of a history and what the user says, without the pictures that cannot be read.
pub fn compose(
    history: &[&Held],
    asked: &[Piece],
    template: &Template,
    unreadable: &HashSet<PictureKey>,
) -> Prompt {
    let (mut pieces, mut cuts) = (Vec::new(), Vec::with_capacity(history.len()));
    for held in history {
        ask(&mut pieces, &readable(&held.asked, unreadable), template);
        close(&mut pieces, readable(&held.answer, unreadable), template);
        cuts.push(end(&pieces));
    }
    ask(&mut pieces, &readable(asked, unreadable), template);
    // What ends in a text may have gone on in it.
    let cuts = cuts.into_iter().map(|cut: Cut| match pieces.get(cut.piece) {
        _ if cut.byte == 0 => cut,
        Some(Piece::Text(text)) if text.len() > cut.byte => cut,
        _ => Cut { piece: cut.piece + 1, byte: 0 },
    });
    Prompt { cuts: cuts.collect(), pieces }
}

/// Where pieces end: within the last text, if more text may follow, or else behind it.
fn end(pieces: &[Piece]) -> Cut {
    match pieces.last() {
        Some(Piece::Text(text)) => Cut { piece: pieces.len() - 1, byte: text.len() },
        _ => Cut { piece: pieces.len(), byte: 0 },
    }
}

fn readable(pieces: &[Piece], unreadable: &HashSet<PictureKey>) -> Vec<Piece> {
    let is = |piece: &&Piece| piece.picture().is_none_or(|key| !unreadable.contains(key));
    pieces.iter().filter(is).cloned().collect()
}

/// What a user says, without what the template adds: the ends of each run of text are trimmed, what is inside stays.
pub fn said(parts: &[Content]) -> Vec<Piece> {
    let mut said = Vec::new();
    for part in parts {
        let piece = match part {
            Content::Text(text) => Piece::Text(text.clone()),
            Content::Picture(picture) => Piece::Picture(picture.key),
        };
        push(&mut said, piece);
    }
    let said = said.into_iter().map(|piece| match piece {
        Piece::Text(text) => Piece::Text(text.trim().to_owned()),
        picture @ Piece::Picture(_) => picture,
    });
    said.filter(|piece| *piece != Piece::Text(String::new())).collect()
}

/// Appends what the user says, up to where the answer begins.
fn ask(pieces: &mut Vec<Piece>, said: &[Piece], template: &Template) {
    let n_leading = said.iter().take_while(|piece| piece.picture().is_some()).count();
    let (leading, said) = said.split_at(n_leading);
    leading.iter().for_each(|picture| push(pieces, picture.clone()));
    let prefix = template.question_prefix.as_str();
    let prefix = if said.is_empty() { prefix.trim_end() } else { prefix }; // only pictures: no blank at the end
    push(pieces, Piece::Text(prefix.to_owned()));
    said.iter().for_each(|piece| push(pieces, piece.clone()));
    push(pieces, Piece::Text(template.answer_prefix.clone()));
}

/// Appends the answer and ends the turn.
fn close(pieces: &mut Vec<Piece>, mut answer: Vec<Piece>, template: &Template) {
    if let Some(Piece::Text(text)) = answer.first_mut() {
        *text = text.trim_start().to_owned();
        if !text.is_empty() {
            text.insert(0, ' '); // as the model writes it after the answer's prefix
        }
    }
    if let Some(Piece::Text(text)) = answer.last_mut() {
        text.truncate(text.trim_end().len());
    }
    answer.into_iter().for_each(|piece| push(pieces, piece));
    push(pieces, Piece::Text(template.turn_separator.clone()));
}

/// The prompt as the language service takes it.
///
/// # Errors
/// An internal [`Failure`] if a picture has no features: `see` must have brought them.
pub fn to_wire(pieces: &[Piece], features: &Features) -> Result<Vec<language::Part>, Failure> {
    let kind = |piece: &Piece| match piece {
        Piece::Text(text) => Ok(Kind::Text(text.clone())),
        Piece::Picture(key) => features
            .get(key)
            .map(|values| Kind::Image(language::Features { values: values.to_vec() }))
            .ok_or_else(|| {
                Failure::new(fondue_domain::Fault::Internal, "a picture of the prompt was not encoded")
            }),
    };
    pieces.iter().map(|piece| Ok(language::Part { kind: Some(kind(piece)?) })).collect()
}

/// The last `most` cuts, as the language service takes them.
pub fn cuts_to_wire(cuts: &[Cut], most: usize) -> Vec<language::Cut> {
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let newest = &cuts[cuts.len().saturating_sub(most)..];
    newest.iter().map(|cut| language::Cut { part: count(cut.piece), byte: count(cut.byte) }).collect()
}
