//! What the model is given of a story.

use std::fmt;

use anyhow::{Context, Result};
use clap::ValueEnum;
use fondue_domain::Compat;

use super::story::{LENGTH, Story};
use crate::{
    model::{Piece, Sight},
    report::Shown,
};

/// What stands before the picture to be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Inputs {
    /// Its caption.
    #[value(name = "1-caption")]
    Caption,
    /// All five captions.
    #[value(name = "5-captions")]
    Captions,
    /// All five captions, and the four pictures before it.
    #[value(name = "5-captions-4-images")]
    CaptionsAndImages,
    /// Each of these.
    #[value(name = "all")]
    All,
}

impl Inputs {
    /// Those that are meant.
    pub(super) fn each(self) -> Vec<Self> {
        match self {
            Self::All => vec![Self::Caption, Self::Captions, Self::CaptionsAndImages],
            one => vec![one],
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Caption => "1-caption",
            Self::Captions => "5-captions",
            Self::CaptionsAndImages => "5-captions-4-images",
            Self::All => "all",
        }
    }

    /// Whether the pictures before it are shown, which are then not to be found.
    pub(super) fn shows_pictures(self) -> bool {
        self == Self::CaptionsAndImages
    }

    /// The same for people.
    pub(super) fn given(self, story: &Story, shown: impl Fn(usize) -> Shown) -> Vec<Shown> {
        let from = if self == Self::Caption { LENGTH - 1 } else { 0 };
        let mut given = Vec::new();
        for (caption, picture) in story.captions.iter().zip(story.pictures).skip(from) {
            given.push(Shown::text(caption));
            if self.shows_pictures() && picture != story.last() {
                given.push(shown(picture));
            }
        }
        given
    }
}

impl fmt::Display for Inputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The prompt whose query finds the picture.
///
/// As the published code has it, every caption begins with BOS; else the first text alone does, and captions without pictures
/// between them are one text.
pub(super) fn prompt(
    story: &Story,
    inputs: Inputs,
    mode: Compat,
    sight: impl Fn(usize) -> Option<Sight>,
) -> Result<Vec<Piece>> {
    let mut captions = story.captions.clone();
    captions[LENGTH - 1].push_str("[RET]");
    let [.., last] = &captions;
    let text = |caption: &String| match mode {
        Compat::Off => Piece::text(caption),
        Compat::Reference => Piece::Begun(caption.clone()),
    };
    Ok(match inputs {
        Inputs::Caption => vec![text(last)],
        Inputs::Captions if mode == Compat::Off => vec![Piece::Text(captions.join(" "))],
        Inputs::Captions => captions.iter().map(text).collect(),
        Inputs::CaptionsAndImages | Inputs::All => {
            let mut pieces = Vec::new();
            for (caption, &picture) in captions.iter().zip(story.before()) {
                let sight =
                    sight(picture).with_context(|| format!("story {}: a picture was not seen", story.id))?;
                pieces.extend([text(caption), Piece::Picture(sight)]);
            }
            pieces.push(text(last));
            pieces
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laid_out(inputs: Inputs, mode: Compat) -> String {
        let story = Story {
            id: "1".to_owned(),
            captions: ["a", "b", "c", "d", "e"].map(str::to_owned),
            pictures: [0, 1, 2, 3, 4],
        };
        let sight = |at: usize| Some(Sight { key: [at as u8; 32], features: [].into() });
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Begun(text) => format!("<{text}"),
            Piece::Picture(sight) => sight.key[0].to_string(),
        };
        prompt(&story, inputs, mode, sight).unwrap().iter().map(piece).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn a_story_is_laid_out_as_published_or_as_in_training() {
        use Compat::{Off, Reference};
        assert_eq!(laid_out(Inputs::Caption, Off), "e[RET]");
        assert_eq!(laid_out(Inputs::Captions, Off), "a b c d e[RET]");
        assert_eq!(laid_out(Inputs::CaptionsAndImages, Off), "a|0|b|1|c|2|d|3|e[RET]");
        assert_eq!(laid_out(Inputs::Caption, Reference), "<e[RET]");
        assert_eq!(laid_out(Inputs::Captions, Reference), "<a|<b|<c|<d|<e[RET]");
        assert_eq!(laid_out(Inputs::CaptionsAndImages, Reference), "<a|0|<b|1|<c|2|<d|3|<e[RET]");
    }
}
