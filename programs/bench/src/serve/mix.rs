//! Kinds of turns, and how often each comes.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A kind of turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A question in words.
    Text,
    /// A question about a picture.
    Picture,
    /// Asks for a picture.
    Show,
    /// A turn of a dialogue over one `Converse` stream.
    Converse,
    /// A turn of a dialogue whose client brings the history.
    History,
    /// `POST /v1/chat/completions` as server-sent events.
    Http,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Text, Self::Picture, Self::Show, Self::Converse, Self::History, Self::Http];

    /// Its name on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Picture => "picture",
            Self::Show => "show",
            Self::Converse => "converse",
            Self::History => "history",
            Self::Http => "http",
        }
    }

    /// Whether one arrival is several turns.
    pub(crate) fn is_dialogue(self) -> bool {
        matches!(self, Self::Converse | Self::History)
    }
}

/// Shares of turns; they need not add up to anything.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Mix(Vec<(Kind, f64)>);

impl Mix {
    /// Turns of an arrival on average, if a dialogue is so many.
    pub(crate) fn turns(&self, of_dialogue: usize) -> f64 {
        let turns: f64 = self.0.iter().map(|(_, weight)| weight).sum();
        turns / self.arrivals(of_dialogue).map(|(_, weight)| weight).sum::<f64>()
    }

    /// The kind of an arrival, for a number from 0 to 1.
    pub(crate) fn pick(&self, of_dialogue: usize, at: f64) -> Kind {
        let all: f64 = self.arrivals(of_dialogue).map(|(_, weight)| weight).sum();
        let mut left = at * all;
        for (kind, weight) in self.arrivals(of_dialogue) {
            if left < weight {
                return kind;
            }
            left -= weight;
        }
        self.0.last().map_or(Kind::Text, |(kind, _)| *kind)
    }

    /// Shares of arrivals, which are as many times fewer for dialogues as these have turns.
    fn arrivals(&self, of_dialogue: usize) -> impl Iterator<Item = (Kind, f64)> {
        let n = of_dialogue as f64;
        self.0.iter().map(move |&(kind, weight)| (kind, if kind.is_dialogue() { weight / n } else { weight }))
    }
}

impl FromStr for Mix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut mix: Vec<(Kind, f64)> = Vec::new();
        for part in text.split(',') {
            let (name, weight) = part.split_once('=').unwrap_or((part, "1"));
            let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name);
            let kind = kind.ok_or_else(|| {
                format!("there is no kind `{name}`; there are {}", Kind::ALL.map(Kind::name).join(", "))
            })?;
            let weight = weight.parse().ok().filter(|weight: &f64| *weight >= 0.0 && weight.is_finite());
            let weight = weight.ok_or_else(|| format!("the weight of {name} must be a number from 0 on"))?;
            if mix.iter().any(|(known, _)| *known == kind) {
                return Err(format!("{name} is there twice"));
            }
            mix.push((kind, weight));
        }
        mix.retain(|(_, weight)| *weight > 0.0);
        if mix.is_empty() { Err("at least one weight must be above 0".to_owned()) } else { Ok(Self(mix)) }
    }
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<_> = self.0.iter().map(|(kind, weight)| format!("{}={weight}", kind.name())).collect();
        f.write_str(&all.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_of_turns_not_of_arrivals() {
        let mix: Mix = "text=3,converse=3".parse().unwrap();
        // One dialogue of three turns for three single ones: six turns in four arrivals.
        assert_eq!(mix.turns(3), 1.5);
        let kinds: Vec<_> = [0.0, 0.74, 0.76, 1.0].map(|at| mix.pick(3, at)).into();
        assert_eq!(kinds, [Kind::Text, Kind::Text, Kind::Converse, Kind::Converse]);
        assert_eq!(mix.to_string(), "text=3,converse=3");
    }

    #[test]
    fn what_is_no_mix_is_refused() {
        for (text, told) in [
            ("speech=1", "there are text"),
            ("text=x", "weight"),
            ("text=0", "above 0"),
            ("text,text", "twice"),
        ] {
            let error = text.parse::<Mix>().unwrap_err();
            assert!(error.contains(told), "{error}");
        }
        assert_eq!("http".parse::<Mix>().unwrap().pick(3, 0.5), Kind::Http);
    }
}
