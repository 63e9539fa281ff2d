//! VIST's stories in sequence, as published.

use std::{collections::HashMap, path::Path};

use serde::Deserialize;

use crate::{
    json::{self, Id, JsonError},
    report::Skipped,
};

/// Pictures of a story.
pub(super) const LENGTH: usize = 5;
const WANTED: &str = "VIST's story-in-sequence file";

/// A story in five pictures.
#[derive(Clone, Debug)]
pub(super) struct Story {
    pub(super) id: String,
    pub(super) captions: [String; LENGTH],
    /// Places among the pictures of all stories.
    pub(super) pictures: [usize; LENGTH],
}

impl Story {
    /// The picture to be found.
    pub(super) fn last(&self) -> usize {
        self.pictures[LENGTH - 1]
    }

    /// Those before it.
    pub(super) fn before(&self) -> &[usize] {
        &self.pictures[..LENGTH - 1]
    }
}

/// All stories of a file.
#[derive(Debug)]
pub(super) struct Stories {
    pub(super) stories: Vec<Story>,
    /// Ids of the pictures of all stories, in the file's order.
    pub(super) pictures: Vec<String>,
    /// Stories of another length.
    pub(super) skipped: Vec<Skipped>,
}

#[derive(Deserialize)]
struct File {
    annotations: Vec<Vec<Line>>,
}

#[derive(Deserialize)]
struct Line {
    story_id: Id,
    photo_flickr_id: Id,
    text: String,
}

impl Stories {
    /// Reads a file; lines belong together by their story's id, in the order of the file.
    pub(super) fn read(path: &Path) -> Result<Self, JsonError> {
        let File { annotations } = json::read(path, WANTED)?;
        let (mut order, mut lines) = (Vec::new(), HashMap::<Id, Vec<Line>>::new());
        for line in annotations.into_iter().flatten() {
            let of = lines.entry(line.story_id.clone()).or_default();
            if of.is_empty() {
                order.push(line.story_id.clone());
            }
            of.push(line);
        }
        if order.is_empty() {
            return Err(json::fault(path, "annotations".to_owned(), "it is empty".to_owned(), WANTED));
        }
        let mut all = Self { stories: Vec::new(), pictures: Vec::new(), skipped: Vec::new() };
        let mut places = HashMap::new();
        for id in order {
            let lines = lines.remove(&id).unwrap_or_default();
            let n = lines.len();
            let (captions, pictures): (Vec<_>, Vec<_>) = lines
                .into_iter()
                .map(|line| {
                    let name = line.photo_flickr_id.0;
                    let place = *places.entry(name.clone()).or_insert_with(|| {
                        all.pictures.push(name);
                        all.pictures.len() - 1
                    });
                    (line.text, place)
                })
                .unzip();
            match (captions.try_into(), pictures.try_into()) {
                (Ok(captions), Ok(pictures)) => all.stories.push(Story { id: id.0, captions, pictures }),
                _ => all.skipped.push(Skipped {
                    what: format!("story {}", id.0),
                    reason: format!("it has {n} pictures, {LENGTH} are expected"),
                }),
            }
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Stories, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("val.json");
        std::fs::write(&path, text).unwrap();
        Stories::read(&path).map_err(|error| error.to_string())
    }

    fn line(story: &str, picture: &str, text: &str) -> String {
        format!(
            r#"[{{"story_id": {story}, "photo_flickr_id": {picture}, "text": "{text}", "album_id": "7", "worker_arranged_photo_order": 9}}]"#
        )
    }

    #[test]
    fn lines_belong_together_by_their_story_in_the_files_order() {
        // Two stories interleaved, with a common picture; ids as texts and as numbers.
        let mut lines = Vec::new();
        for n in 0..5 {
            lines.push(line("\"b\"", &format!("\"{n}\""), &format!("b{n}")));
            lines.push(line("7", &(n + 4).to_string(), &format!("a{n}")));
        }
        lines.push(line("\"short\"", "1", "x"));
        let all = read(&format!(r#"{{"images": [], "annotations": [{}]}}"#, lines.join(","))).unwrap();
        assert_eq!(all.stories.len(), 2);
        assert_eq!((all.stories[0].id.as_str(), all.stories[1].id.as_str()), ("b", "7"));
        assert_eq!(all.stories[1].captions, ["a0", "a1", "a2", "a3", "a4"].map(str::to_owned));
        assert_eq!(all.pictures[all.stories[0].last()], "4");
        assert_eq!(all.stories[0].last(), all.stories[1].pictures[0], "one picture of both");
        assert_eq!(all.pictures.len(), 9);
        assert_eq!(all.skipped[0].reason, "it has 1 pictures, 5 are expected");
    }

    #[test]
    fn another_file_is_refused_with_its_place() {
        for (text, wanted) in [
            ("[]", "val.json: the beginning: "),
            (
                r#"{"annotations": []}"#,
                "annotations: it is empty; VIST's story-in-sequence file was expected",
            ),
            (
                r#"{"annotations": [[{"story_id": 1, "photo_flickr_id": 2}]]}"#,
                "annotations[0][0]: missing field `text`",
            ),
            (r#"{"annotations": [[{"story_id": true}]]}"#, "annotations[0][0].story_id: invalid type"),
            (r#"{"annotations": [["#, "EOF while parsing"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(wanted), "{error}");
        }
    }
}
