//! WordNet's glosses: what a word means, in a few words.
//!
//! Source: wndb(5WN), the format of the files `data.noun` and so on.

use std::{collections::HashMap, fs, path::Path};

use anyhow::{Context, Result};

/// One meaning and the words for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Meaning {
    /// Words with spaces, in WordNet's own case.
    pub(crate) words: Vec<String>,
    /// The definition, without examples.
    pub(crate) gloss: String,
    /// Number of the lexicographers' file: what part of the world it is of, for example 5 for animals.
    pub(crate) field: u8,
}

/// All meanings, in the order of the files, which is that of nouns, verbs, adjectives and adverbs.
#[derive(Debug)]
pub(crate) struct Wordnet {
    /// Meanings.
    pub(crate) meanings: Vec<Meaning>,
    nouns: HashMap<String, Vec<usize>>,
}

impl Wordnet {
    /// Reads an unpacked package.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let mut meanings = Vec::new();
        let mut nouns: HashMap<String, Vec<usize>> = HashMap::new();
        for part in ["noun", "verb", "adj", "adv"] {
            let path = folder.join("usr/share/wordnet").join(format!("data.{part}"));
            let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
            // The licence stands first, on lines that begin with two spaces.
            for line in text.lines().filter(|line| !line.starts_with("  ")) {
                let meaning = meaning(line)
                    .with_context(|| format!("{} has a line of another form: {line}", path.display()))?;
                if is_coarse(&meaning.gloss) {
                    continue;
                }
                if part == "noun" {
                    for word in &meaning.words {
                        nouns.entry(word.to_lowercase()).or_default().push(meanings.len());
                    }
                }
                meanings.push(meaning);
            }
        }
        Ok(Self { meanings, nouns })
    }

    /// Meanings that a noun has.
    pub(crate) fn noun(&self, word: &str) -> impl Iterator<Item = &Meaning> {
        self.nouns.get(word).into_iter().flatten().map(|at| &self.meanings[*at])
    }
}

/// Whether WordNet itself says that the words hurt or are crude: such are left out.
fn is_coarse(gloss: &str) -> bool {
    let marks = [
        "offensive",
        "obscene",
        "slang",
        "vulgar",
        "disparag",
        "derogat",
        "slur",
        "insult",
        "sexual",
        "genital",
        "prostitut",
    ];
    marks.iter().any(|mark| gloss.contains(mark))
}

fn meaning(line: &str) -> Option<Meaning> {
    let (data, gloss) = line.split_once(" | ")?;
    let mut fields = data.split(' ');
    let field = fields.nth(1)?.parse().ok()?;
    let count = usize::from_str_radix(fields.nth(1)?, 16).ok()?;
    // An adjective may end in a marker of its place: `galore(ip)`.
    let word = |word: &str| word.split('(').next().unwrap_or(word).replace('_', " ");
    let words: Vec<_> = fields.step_by(2).take(count).map(word).collect();
    let gloss = gloss.split("; \"").next().unwrap_or(gloss).trim().trim_end_matches(';').to_owned();
    (words.len() == count && count > 0 && !gloss.is_empty()).then_some(Meaning { words, gloss, field })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_hurt_are_known_by_their_gloss() {
        assert!(is_coarse("(ethnic slur) offensive term for someone"));
        assert!(!is_coarse("a horse-drawn vehicle"));
    }

    #[test]
    fn reads_words_and_definition_but_no_example() {
        let line = "02691156 06 n 03 airplane 0 aeroplane 0 plane 1 002 @ 03510583 n 0000 ~ 02687821 n 0000 | \
                    an aircraft that has a fixed wing; \"the flight was delayed\"  ";
        let words = ["airplane", "aeroplane", "plane"].map(str::to_owned).to_vec();
        let gloss = "an aircraft that has a fixed wing".to_owned();
        assert_eq!(meaning(line), Some(Meaning { words, gloss, field: 6 }));
        let marked = "00014490 00 s 02 galore(ip) 0 in_plenty 0 000 | existing in abundance";
        assert_eq!(meaning(marked).unwrap().words, ["galore", "in plenty"]);
        assert_eq!(meaning("00014490 00 s"), None);
    }
}
