//! VisDial v1.0's files, as published.

use std::{collections::HashMap, path::Path};

use serde::Deserialize;

use crate::json::{self, Id, JsonError};

/// Answers to choose from.
pub(super) const OPTIONS: usize = 100;
const WANTED: &str = "VisDial's file of dialogs, version 1.0, train or validation";
const WANTED_DENSE: &str = "VisDial's file of dense annotations";

/// A dialog about a picture.
#[derive(Clone, Debug)]
pub(super) struct Dialog {
    pub(super) image: Id,
    pub(super) rounds: Vec<Round>,
}

/// A question, the answers to choose from, and the right one. Numbers are those of the file's texts.
#[derive(Clone, Debug)]
pub(super) struct Round {
    pub(super) question: usize,
    pub(super) options: Vec<usize>,
    /// Place among the options.
    pub(super) right: usize,
}

/// All dialogs of a file.
pub(super) struct Dialogs {
    pub(super) dialogs: Vec<Dialog>,
    pub(super) questions: Vec<String>,
    pub(super) answers: Vec<String>,
}

#[derive(Deserialize)]
struct File {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    questions: Vec<String>,
    answers: Vec<String>,
    dialogs: Vec<RawDialog>,
}

#[derive(Deserialize)]
struct RawDialog {
    image_id: Id,
    dialog: Vec<RawRound>,
}

#[derive(Deserialize)]
struct RawRound {
    question: usize,
    answer_options: Vec<usize>,
    gt_index: usize,
}

impl Dialogs {
    /// Reads a file, and checks that every number in it names something.
    pub(super) fn read(path: &Path) -> Result<Self, JsonError> {
        let File { data: Data { questions, answers, dialogs } } = json::read(path, WANTED)?;
        let fault = |place: String, reason: String| Err(json::fault(path, place, reason, WANTED));
        if dialogs.is_empty() {
            return fault("data.dialogs".to_owned(), "it is empty".to_owned());
        }
        for (at, dialog) in dialogs.iter().enumerate() {
            for (n, RawRound { question, answer_options, gt_index }) in dialog.dialog.iter().enumerate() {
                let place = |what: &str| format!("data.dialogs[{at}].dialog[{n}].{what}");
                if *question >= questions.len() {
                    return fault(place("question"), format!("{question} of {} questions", questions.len()));
                }
                if let Some(wrong) = answer_options.iter().find(|&&option| option >= answers.len()) {
                    return fault(place("answer_options"), format!("{wrong} of {} answers", answers.len()));
                }
                if *gt_index >= answer_options.len() {
                    return fault(
                        place("gt_index"),
                        format!("{gt_index} of {} options", answer_options.len()),
                    );
                }
            }
        }
        let round = |raw: RawRound| Round {
            question: raw.question,
            options: raw.answer_options,
            right: raw.gt_index,
        };
        let dialog = |raw: RawDialog| Dialog {
            image: raw.image_id,
            rounds: raw.dialog.into_iter().map(round).collect(),
        };
        Ok(Self { dialogs: dialogs.into_iter().map(dialog).collect(), questions, answers })
    }
}

/// How relevant each answer of one round is.
#[derive(Clone, Debug)]
pub(super) struct Relevance {
    /// Place of the dialog among all.
    pub(super) dialog: usize,
    /// Counted from 1, as in the file.
    pub(super) round: usize,
    pub(super) gains: Vec<f32>,
}

/// The rounds whose answers were weighed by people.
pub(super) struct Dense(pub(super) Vec<Relevance>);

#[derive(Deserialize)]
struct RawRelevance {
    image_id: Id,
    round_id: usize,
    #[serde(alias = "relevance")]
    gt_relevance: Vec<f32>,
}

impl Dense {
    /// Reads a file, and checks it against the dialogs.
    pub(super) fn read(path: &Path, dialogs: &Dialogs) -> Result<Self, JsonError> {
        let raw: Vec<RawRelevance> = json::read(path, WANTED_DENSE)?;
        let places: HashMap<&Id, usize> =
            dialogs.dialogs.iter().enumerate().map(|(at, dialog)| (&dialog.image, at)).collect();
        let mut all = Vec::with_capacity(raw.len());
        for (at, RawRelevance { image_id, round_id, gt_relevance }) in raw.into_iter().enumerate() {
            let fault = |what: &str, reason: String| {
                json::fault(path, format!("[{at}].{what}"), reason, WANTED_DENSE)
            };
            let Some(&dialog) = places.get(&image_id) else {
                return Err(fault("image_id", format!("no dialog is about the image {}", image_id.0)));
            };
            let rounds = &dialogs.dialogs[dialog].rounds;
            let Some(round) = round_id.checked_sub(1).and_then(|round| rounds.get(round)) else {
                return Err(fault(
                    "round_id",
                    format!("{round_id} of {} rounds, counted from 1", rounds.len()),
                ));
            };
            if gt_relevance.len() != round.options.len() {
                let reason = format!("{} numbers for {} options", gt_relevance.len(), round.options.len());
                return Err(fault("gt_relevance", reason));
            }
            all.push(Relevance { dialog, round: round_id, gains: gt_relevance });
        }
        Ok(Self(all))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn dialogs(text: &str) -> Result<Dialogs, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("val.json");
        fs::write(&path, text).unwrap();
        Dialogs::read(&path).map_err(|error| error.to_string())
    }

    fn dense(text: &str, of: &Dialogs) -> Result<Dense, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dense.json");
        fs::write(&path, text).unwrap();
        Dense::read(&path, of).map_err(|error| error.to_string())
    }

    fn file(round: &str) -> String {
        format!(
            r#"{{"version": "1.0", "split": "val2018", "data": {{"questions": ["what", "who"], "answers": ["yes", "no", "a cat"],
            "dialogs": [{{"image_id": 185565, "caption": "a cat", "dialog": [{round}]}}]}}}}"#
        )
    }

    #[test]
    fn a_file_is_read_and_every_number_in_it_is_checked() {
        let good = file(r#"{"question": 1, "answer": 2, "answer_options": [0, 2], "gt_index": 1}"#);
        let all = dialogs(&good).unwrap();
        let round = &all.dialogs[0].rounds[0];
        assert_eq!(
            (all.dialogs[0].image.0.as_str(), round.right, all.answers[round.options[1]].as_str()),
            ("185565", 1, "a cat")
        );
        for (round, wanted) in [
            (
                r#"{"question": 2, "answer_options": [0], "gt_index": 0}"#,
                "data.dialogs[0].dialog[0].question: 2 of 2 questions",
            ),
            (
                r#"{"question": 0, "answer_options": [0, 3], "gt_index": 0}"#,
                "dialog[0].answer_options: 3 of 3 answers",
            ),
            (
                r#"{"question": 0, "answer_options": [0], "gt_index": 1}"#,
                "dialog[0].gt_index: 1 of 1 options",
            ),
            (
                r#"{"question": 0, "answer_options": [0]}"#,
                "data.dialogs[0].dialog[0]: missing field `gt_index`",
            ),
            (r#"{"question": -1}"#, "data.dialogs[0].dialog[0].question: invalid value"),
        ] {
            let error = dialogs(&file(round)).err().unwrap();
            assert!(error.contains(wanted) && error.contains("val.json"), "{error}");
        }
    }

    #[test]
    fn relevances_belong_to_rounds() {
        let all = dialogs(&file(r#"{"question": 1, "answer": 2, "answer_options": [0, 2], "gt_index": 1}"#))
            .unwrap();
        let read = |round: usize, gains: &str| {
            dense(&format!(r#"[{{"image_id": 185565, "round_id": {round}, "gt_relevance": {gains}}}]"#), &all)
        };
        assert_eq!(read(1, "[0.5, 1]").unwrap().0[0].gains, [0.5, 1.0]);
        assert!(read(0, "[0.5, 1]").err().unwrap().contains("[0].round_id: 0 of 1 rounds, counted from 1"));
        assert!(read(2, "[0.5, 1]").err().unwrap().contains("2 of 1 rounds"));
        assert!(read(1, "[1]").err().unwrap().contains("[0].gt_relevance: 1 numbers for 2 options"));
        let other = dense(r#"[{"image_id": 1, "round_id": 1, "relevance": []}]"#, &all);
        assert!(other.err().unwrap().contains("no dialog is about the image 1"));
    }
}
