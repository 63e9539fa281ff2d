//! Texts and pictures of a command line, in the order in which they stand there.

use std::path::PathBuf;

use anyhow::Result;
use clap::{
    Arg, ArgAction, ArgMatches, Command, FromArgMatches, builder::NonEmptyStringValueParser, value_parser,
};
use fondue_proto::dialogue;

use crate::picture::{self, Fit};

/// What is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Parts(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Image(PathBuf),
}

impl Parts {
    /// Reads the pictures.
    pub(super) fn read(&self, fit: Option<Fit>) -> Result<Vec<dialogue::Part>> {
        let read = |piece: &Piece| match piece {
            Piece::Text(text) => Ok(picture::text(text)),
            Piece::Image(path) => picture::read(path, fit),
        };
        self.0.iter().map(read).collect()
    }
}

// By hand: clap's derive keeps each flag's values together and so loses their order among each other.
impl clap::Args for Parts {
    fn augment_args(command: Command) -> Command {
        let text = Arg::new("text").long("text").short('t').value_name("TEXT").action(ArgAction::Append);
        let image = Arg::new("image").long("image").short('i').value_name("FILE").action(ArgAction::Append);
        let words = Arg::new("words").value_name("TEXT").action(ArgAction::Append).num_args(0..);
        command
            .arg(words.value_parser(NonEmptyStringValueParser::new()).help("Texts, as with --text"))
            .arg(
                text.value_parser(NonEmptyStringValueParser::new())
                    .help("A text; may be given several times"),
            )
            .arg(
                image
                    .value_parser(value_parser!(PathBuf))
                    .help("A picture (PNG, JPEG, WebP, GIF, BMP or TIFF); may be given several times"),
            )
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Parts {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut placed = Vec::new();
        for id in ["text", "words"] {
            let texts = matches.get_many::<String>(id).into_iter().flatten().cloned().map(Piece::Text);
            placed.extend(matches.indices_of(id).into_iter().flatten().zip(texts));
        }
        let images = matches.get_many::<PathBuf>("image").into_iter().flatten().cloned().map(Piece::Image);
        placed.extend(matches.indices_of("image").into_iter().flatten().zip(images));
        placed.sort_by_key(|(index, _)| *index);
        Ok(Self(placed.into_iter().map(|(_, piece)| piece).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use fondue_proto::dialogue::{ImageFit, part::Kind};

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        parts: Parts,
        #[arg(long)]
        json: bool,
    }

    fn pieces(words: &[&str]) -> Vec<Piece> {
        Line::try_parse_from([&["say"], words].concat()).unwrap().parts.0
    }

    #[test]
    fn parts_keep_the_order_of_the_command_line() {
        let words = ["--text", "a", "--image", "b.png", "--json", "-t", "c", "-i", "d.png", "e", "--text=f"];
        let (text, image) = (|t: &str| Piece::Text(t.into()), |i: &str| Piece::Image(i.into()));
        assert_eq!(
            pieces(&words),
            [text("a"), image("b.png"), text("c"), image("d.png"), text("e"), text("f")]
        );
        assert_eq!(pieces(&["--image", "b.png", "--text", "a"]), [image("b.png"), text("a")]);
        assert!(pieces(&[]).is_empty());
        assert!(Line::try_parse_from(["say", "--json", "x"]).unwrap().json);
    }

    #[test]
    fn reads_pictures_and_names_those_that_are_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        std::fs::write(&path, "bytes").unwrap();
        let parts = Parts(vec![Piece::Image(path), Piece::Text("x".into())]).read(Some(Fit::Squash)).unwrap();
        let Some(Kind::Image(image)) = &parts[0].kind else { panic!("{parts:?}") };
        assert_eq!((&image.data[..], image.fit()), (&b"bytes"[..], ImageFit::Squash));
        let error = Parts(vec![Piece::Image("no/such.png".into())]).read(None).unwrap_err();
        assert!(error.to_string().contains("no/such.png"), "{error}");
    }
}
