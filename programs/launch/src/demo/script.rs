//! A dialogue to hold, as `assets/demo.json` writes it.

use anyhow::{Context, Result, ensure};
use fondue_proto::dialogue::TurnOptions;
use serde::Deserialize;

const BUILT_IN: &str = include_str!("../../../../assets/demo.json");

/// A dialogue.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Script {
    /// What it shows.
    pub(super) title: String,
    /// Options of all turns, in protobuf's JSON form.
    #[serde(default)]
    pub(super) defaults: TurnOptions,
    /// What is said, in order.
    pub(super) turns: Vec<Turn>,
}

/// A turn of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Turn {
    /// What it shows.
    pub(super) note: String,
    /// Texts and pictures in order.
    pub(super) say: Vec<Piece>,
    /// Its own options.
    #[serde(default)]
    pub(super) options: TurnOptions,
}

/// A text, or a picture by its id among the drawings.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Piece {
    Text(String),
    Picture(String),
}

impl Script {
    /// The dialogue that comes with the program.
    pub(super) fn built_in() -> Result<Self> {
        Self::parse(BUILT_IN).context("the dialogue that is built in")
    }

    /// Reads a dialogue; one without turns, or with an empty turn, is refused.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let script: Self = serde_json::from_str(text)?;
        ensure!(!script.turns.is_empty(), "the dialogue has no turns");
        let empty = script.turns.iter().position(|turn| turn.say.is_empty());
        ensure!(empty.is_none(), "turns[{}].say is empty", empty.unwrap_or_default());
        Ok(script)
    }
}

impl Turn {
    /// What is said, on one line.
    pub(super) fn told(&self) -> String {
        let told = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Picture(id) => format!("[picture {id}]"),
        };
        self.say.iter().map(told).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_dialogue_has_turns_and_pictures() {
        let script = Script::built_in().unwrap();
        assert!(script.turns.len() >= 4);
        let pieces = || script.turns.iter().flat_map(|turn| &turn.say);
        assert!(pieces().any(|piece| matches!(piece, Piece::Picture(_))));
        // The model writes `[RET]` by itself where a picture is asked for.
        assert!(script.turns.iter().all(|turn| turn.options.ret_bias.is_none()));
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        let wrong = [
            r#"{"title": "t", "turns": []}"#,
            r#"{"title": "t", "turns": [{"note": "n", "say": []}]}"#,
            r#"{"title": "t", "turns": [{"note": "n", "say": [{"song": "x"}]}]}"#,
            r#"{"title": "t", "turns": [{"note": "n", "say": [{"text": "x"}], "options": {"ret_bais": 1}}]}"#,
        ];
        for text in wrong {
            assert!(Script::parse(text).is_err(), "{text}");
        }
        let right = r#"{"title": "t", "turns": [{"note": "n", "say": [{"picture": "a"}, {"text": "x"}]}]}"#;
        assert_eq!(Script::parse(right).unwrap().turns[0].told(), "[picture a] x");
    }
}
