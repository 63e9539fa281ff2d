//! Texts and pictures of a command line, in the order in which they stand there.

use std::io::{IsTerminal, Read, stdin};

use anyhow::{Context, Result, ensure};
use clap::{
    Arg, ArgAction, ArgMatches, Command, FromArgMatches, ValueHint, builder::NonEmptyStringValueParser,
};
use fondue_proto::dialogue;

use crate::picture::{self, Fit};

/// What is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Parts(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Image(String),
}

/// Stands for what comes on stdin.
const STDIN: &str = "-";
/// The gateway's default limit of a message.
const MAX_TEXT_BYTES: u64 = 32 << 20;

impl Parts {
    /// Reads the pictures, and what comes on stdin: where `-` stands, or all if nothing else is said.
    pub(super) fn read(&self, fit: Option<Fit>) -> Result<Vec<dialogue::Part>> {
        let piped = |piece: &&Piece| matches!(piece, Piece::Text(name) | Piece::Image(name) if name == STDIN);
        ensure!(self.0.iter().filter(piped).count() < 2, "stdin (-) can be read only once");
        if self.0.is_empty() && !stdin().is_terminal() {
            let text = read_text(stdin().lock())?;
            return Ok(if text.trim().is_empty() { Vec::new() } else { vec![picture::text(text)] });
        }
        let read = |piece: &Piece| match piece {
            Piece::Text(text) if text == STDIN => Ok(picture::text(read_text(stdin().lock())?)),
            Piece::Text(text) => Ok(picture::text(text)),
            Piece::Image(place) => picture::take(place, fit),
        };
        self.0.iter().map(read).collect()
    }
}

/// A text without the newlines at its end.
fn read_text(from: impl Read) -> Result<String> {
    let mut text = String::new();
    from.take(MAX_TEXT_BYTES).read_to_string(&mut text).context("reading the text of stdin")?;
    text.truncate(text.trim_end_matches(['\n', '\r']).len());
    Ok(text)
}

// By hand: clap's derive keeps each flag's values together and so loses their order among each other.
impl clap::Args for Parts {
    fn augment_args(command: Command) -> Command {
        let text = Arg::new("text").long("text").short('t').value_name("TEXT").action(ArgAction::Append);
        let image = Arg::new("image")
            .long("image")
            .short('i')
            .value_name("FILE|URL")
            .value_hint(ValueHint::FilePath)
            .action(ArgAction::Append);
        let words = Arg::new("words").value_name("TEXT").action(ArgAction::Append).num_args(0..);
        command
            .arg(words.value_parser(NonEmptyStringValueParser::new()).help("Texts, as with --text; - for stdin"))
            .arg(
                text.value_parser(NonEmptyStringValueParser::new())
                    .help("A text, or - for stdin; may be given several times"),
            )
            .arg(
                image
                    .value_parser(NonEmptyStringValueParser::new())
                    .help("A picture: a file (PNG, JPEG, WebP, GIF, BMP, TIFF), a URL that the gateway fetches, or - for stdin; may be given several times"),
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
        let images = matches.get_many::<String>("image").into_iter().flatten().cloned().map(Piece::Image);
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
        let parts = Parts(vec![Piece::Image(path.to_str().unwrap().to_owned()), Piece::Text("x".into())])
            .read(Some(Fit::Squash))
            .unwrap();
        let Some(Kind::Image(image)) = &parts[0].kind else { panic!("{parts:?}") };
        assert_eq!((&image.data[..], image.fit()), (&b"bytes"[..], ImageFit::Squash));
        let error = Parts(vec![Piece::Image("no/such.png".into())]).read(None).unwrap_err();
        assert!(error.to_string().contains("no/such.png"), "{error}");
    }

    #[test]
    fn urls_go_as_they_are_and_stdin_is_read_once() {
        let url = "https://example.org/a.png";
        let parts = Parts(vec![Piece::Image(url.into())]).read(None).unwrap();
        let Some(Kind::Image(image)) = &parts[0].kind else { panic!("{parts:?}") };
        assert!(image.url == url && image.data.is_empty());
        let twice = Parts(vec![Piece::Image("-".into()), Piece::Text("-".into())]);
        assert!(twice.read(None).unwrap_err().to_string().contains("only once"));
        assert_eq!(read_text(&b"a\nb\r\n\n"[..]).unwrap(), "a\nb");
    }
}
