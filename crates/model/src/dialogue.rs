//! How a dialogue reads to a model: `dialogue.json` beside the mapping layers.

use std::path::Path;

use serde::Deserialize;

use crate::{
    ModelError,
    files::{CONFIG_BYTES, read, shown},
};

/// Its name in the folder of the mapping layers.
pub const FILE: &str = "dialogue.json";

/// Bytes of one of its texts.
const MAX_BYTES: usize = 64;

/// What stands around the words of a dialogue.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DialogueTemplate {
    /// Before the user's words.
    pub question_prefix: String,
    /// Before the answer.
    pub answer_prefix: String,
    /// After the answer.
    pub turn_separator: String,
}

impl DialogueTemplate {
    /// Reads it, if it is there.
    ///
    /// # Errors
    /// [`ModelError`] naming the file and what is wrong: no JSON, a key that is unknown or lacking, a text of more than 64
    /// bytes.
    pub fn load(folder: &Path) -> Result<Option<Self>, ModelError> {
        let path = folder.join(FILE);
        if !path.try_exists().map_err(|error| ModelError::read(&path, error))? {
            return Ok(None);
        }
        let text = read(&path, CONFIG_BYTES)?;
        let template: Self = serde_json::from_slice(&text).map_err(|error| {
            let keys = "question_prefix, answer_prefix and turn_separator";
            ModelError::content(&path, format!("{}; it holds the texts {keys}", shown(&error.to_string())))
        })?;
        let Self { question_prefix, answer_prefix, turn_separator } = &template;
        for (key, text) in [
            ("question_prefix", question_prefix),
            ("answer_prefix", answer_prefix),
            ("turn_separator", turn_separator),
        ] {
            if text.len() > MAX_BYTES {
                let reason = format!("`{key}` has {} bytes, the limit is {MAX_BYTES}", text.len());
                return Err(ModelError::content(&path, reason));
            }
        }
        Ok(Some(template))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(text: &str) -> Result<Option<DialogueTemplate>, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), text).unwrap();
        DialogueTemplate::load(folder.path()).map_err(|error| error.to_string())
    }

    fn with(separator: &str) -> String {
        format!(r#"{{"question_prefix": "User: ", "answer_prefix": "", "turn_separator": "{separator}"}}"#)
    }

    #[test]
    fn a_folder_may_say_nothing() {
        assert_eq!(DialogueTemplate::load(tempfile::tempdir().unwrap().path()).unwrap(), None);
    }

    #[test]
    fn what_is_there_is_whole_and_short() {
        let template = loaded(&with("\\n")).unwrap().unwrap();
        assert_eq!((template.question_prefix.as_str(), template.turn_separator.as_str()), ("User: ", "\n"));
        assert!(loaded(&with(&"x".repeat(64))).is_ok());
        let error = loaded(&with(&"x".repeat(65))).unwrap_err();
        assert!(error.ends_with("`turn_separator` has 65 bytes, the limit is 64"), "{error}");
        for wrong in ["", "{}", "[]", r#"{"question_prefix": 1}"#, &with("\",\"more\":\"")] {
            let error = loaded(wrong).unwrap_err();
            assert!(error.contains("dialogue.json: ") && error.contains("it holds the texts"), "{error}");
        }
        assert!(loaded(&with("\",\"more\":\"")).unwrap_err().contains("unknown field `more`"));
    }
}
