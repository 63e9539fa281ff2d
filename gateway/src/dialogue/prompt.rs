//! How a dialogue reads to the model: `Q: … A: …`, pictures in place. Pure.
//!
//! Texts are joined into one until a picture comes between, since each text is tokenised by itself.
//! A turn's leading pictures stand before its `Q: `, as the model saw a picture before its caption.

use fondue_proto::language::{self, part::Kind};

use super::Features;
use crate::{
    config::Template,
    failure::Failure,
    request::{Part, PictureKey},
};

/// A piece of a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// Appends what the user says, up to where the answer begins.
pub fn ask(pieces: &mut Vec<Piece>, parts: &[Part], template: &Template) {
    // First by runs: the ends of each run of text are trimmed, what is inside stays.
    let mut said = Vec::new();
    for part in parts {
        let piece = match part {
            Part::Text(text) => Piece::Text(text.clone()),
            Part::Picture(picture) => Piece::Picture(picture.key),
        };
        push(&mut said, piece);
    }
    let said = said.into_iter().map(|piece| match piece {
        Piece::Text(text) => Piece::Text(text.trim().to_owned()),
        picture @ Piece::Picture(_) => picture,
    });
    let said: Vec<_> = said.filter(|piece| *piece != Piece::Text(String::new())).collect();
    let n_leading = said.iter().take_while(|piece| piece.picture().is_some()).count();
    let mut said = said.into_iter();
    said.by_ref().take(n_leading).for_each(|picture| push(pieces, picture));
    let prefix = template.question_prefix.as_str();
    let prefix = if said.len() == 0 { prefix.trim_end() } else { prefix }; // only pictures: no blank at the end
    push(pieces, Piece::Text(prefix.to_owned()));
    said.for_each(|piece| push(pieces, piece));
    push(pieces, Piece::Text(template.answer_prefix.clone()));
}

/// Appends the answer and ends the turn.
pub fn close(pieces: &mut Vec<Piece>, mut answer: Vec<Piece>, template: &Template) {
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
