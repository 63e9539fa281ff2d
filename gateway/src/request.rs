//! The one door for requests: what a client sent becomes checked types, or violations that name the fields.
//! Nothing inside the gateway checks a request twice.

pub mod conditions;
pub mod history;
pub mod options;
pub mod parts;

#[cfg(test)]
mod tests;

use std::fmt::Display;

use fondue_domain::{Compat, Violation};
use fondue_proto::{dialogue as wire, retrieval};

pub use history::Exchange;
pub use options::{Options, Overrides};
pub use parts::{Content, Fit, Link, Part, Picture, PictureKey};

use crate::{
    config::{Defaults, Limits},
    failure::Failure,
};

/// Bytes of an id or of a generation's name.
const MAX_NAME: usize = 256;
/// Violations told at most; a request with thousands of wrong parts gets no answer of megabytes.
const MAX_VIOLATIONS: usize = 16;

/// What the user says in a turn, checked.
#[derive(Clone, Debug)]
pub struct Turn {
    /// At least a picture or a text that is not blank.
    pub parts: Vec<Part>,
    /// How to answer.
    pub options: Options,
}

/// Settings of a conversation, checked.
#[derive(Clone, Debug, Default)]
pub struct Open {
    /// Defaults of every turn.
    pub defaults: Overrides,
    /// Turns held before.
    pub history: Vec<Exchange>,
    /// Pinned index generation.
    pub generation: Option<String>,
}

/// A retrieval without generation, checked.
#[derive(Clone, Debug)]
pub struct Retrieve {
    /// The prompt; its last text holds `[RET]`, unless the published behaviour is asked for.
    pub parts: Vec<Part>,
    /// Pictures wanted.
    pub k: i32,
    /// Ids that must not be found.
    pub excluded_ids: Vec<String>,
    /// Index generation, empty for the active one.
    pub generation: String,
    /// Which index, empty for the first one.
    pub index: String,
    /// What the pictures must be.
    pub conditions: Vec<retrieval::Condition>,
    /// Whether to send bytes.
    pub include_data: bool,
    /// Right or published behaviour.
    pub compat: Compat,
    /// Whose prompts may share the model's memory.
    pub cache_key: String,
}

/// Continuations to score, checked.
#[derive(Clone, Debug)]
pub struct Score {
    /// The prompt.
    pub parts: Vec<Part>,
    /// None empty.
    pub candidates: Vec<String>,
    /// Whether to weigh the prompt too.
    pub with_prompt: bool,
    /// Whose prompts may share the model's memory.
    pub cache_key: String,
}

/// Checks a turn. `base` are the conversation's options; `path` is where the turn lies in the request.
///
/// # Errors
/// A [`Failure`] that names every field at fault.
pub fn turn(
    raw: wire::Turn,
    path: &str,
    base: &Overrides,
    defaults: &Defaults,
    limits: &Limits,
) -> Result<Turn, Failure> {
    let mut faults = Faults::default();
    let overrides =
        options::overrides(raw.options.unwrap_or_default(), &format!("{path}.options"), limits, &mut faults);
    let options = overrides.over(base).resolve(defaults);
    options.check(&format!("{path}.options"), &mut faults);
    let parts = parts::said(raw.parts, &format!("{path}.parts"), options.compat, limits, &mut faults);
    faults.none(Turn { parts, options })
}

/// Checks the settings of a conversation.
///
/// # Errors
/// A [`Failure`] that names every field at fault.
pub fn open(raw: wire::OpenDialogue, server: &Defaults, limits: &Limits) -> Result<Open, Failure> {
    let mut faults = Faults::default();
    let defaults = options::overrides(raw.defaults.unwrap_or_default(), "open.defaults", limits, &mut faults);
    let compat = defaults.compat(server);
    let history = history::exchanges(raw.history, "open.history", compat, limits, &mut faults);
    let generation = generation(raw.generation, "open.generation", &mut faults);
    faults.none(Open { defaults, history, generation })
}

/// Checks a turn that brings its history.
///
/// # Errors
/// A [`Failure`] that names every field at fault.
pub fn reply(raw: wire::ReplyRequest, defaults: &Defaults, limits: &Limits) -> Result<(Open, Turn), Failure> {
    let said = raw.turn.ok_or_else(|| Failure::field("turn", "must be set"))?;
    let said = turn(said, "turn", &Overrides::default(), defaults, limits)?;
    let mut faults = Faults::default();
    let history = history::exchanges(raw.history, "history", said.options.compat, limits, &mut faults);
    let generation = generation(raw.generation, "generation", &mut faults);
    faults.none((Open { defaults: Overrides::default(), history, generation }, said))
}

/// Checks a retrieval; appends `[RET]` if the last text does not hold it, unless the published behaviour is asked for.
///
/// # Errors
/// A [`Failure`] that names every field at fault.
pub fn retrieve(
    mut raw: wire::RetrieveRequest,
    server: &Defaults,
    limits: &Limits,
) -> Result<Retrieve, Failure> {
    let mut faults = Faults::default();
    let raw_parts = std::mem::take(&mut raw.parts);
    let mut asked = around(raw, server, limits, &mut faults);
    let compat = asked.compat;
    let mut parts = parts::prompt(raw_parts, "parts", compat, limits, &mut faults);
    if !parts.iter().any(|part| matches!(part, Part::Text(_))) {
        faults.add("parts", "needs at least one text");
    }
    let last_text = parts.iter().rev().find_map(|part| match part {
        Part::Text(text) => Some(text),
        Part::Picture(_) | Part::Link(_) => None,
    });
    if !compat.is_reference() && !last_text.is_some_and(|text| text.contains("[RET]")) {
        match parts.last_mut() {
            Some(Part::Text(text)) => text.push_str("[RET]"),
            _ => parts.push(Part::Text("[RET]".to_owned())),
        }
    }
    asked.parts = parts;
    faults.none(asked)
}

/// Checks a search for pictures like a picture: a retrieval whose parts are that picture alone.
///
/// # Errors
/// A [`Failure`] that names every field at fault.
pub fn like(
    mut raw: wire::RetrieveRequest,
    server: &Defaults,
    limits: &Limits,
) -> Result<(Part, Retrieve), Failure> {
    let mut faults = Faults::default();
    let raw_parts = std::mem::take(&mut raw.parts);
    let asked = around(raw, server, limits, &mut faults);
    let parts = parts::prompt(raw_parts, "parts", asked.compat, limits, &mut faults);
    let (parts, asked) = faults.none((parts, asked))?;
    match <[Part; 1]>::try_from(parts) {
        Ok([picture @ (Part::Picture(_) | Part::Link(_))]) => Ok((picture, asked)),
        _ => Err(Failure::field("parts", "must be one picture")),
    }
}

/// All of a retrieval but its parts.
fn around(raw: wire::RetrieveRequest, server: &Defaults, limits: &Limits, faults: &mut Faults) -> Retrieve {
    let compat = options::compat("compat", raw.compat, faults).unwrap_or(server.compat);
    let k = options::ranged("k", raw.k, 1, 100, faults).unwrap_or(10);
    let n_excluded = raw.excluded_ids.len();
    if n_excluded > MAX_EXCLUDED {
        faults.add("excluded_ids", format!("at most {MAX_EXCLUDED} ids, got {n_excluded}"));
    } else {
        history::names(&raw.excluded_ids, "excluded_ids", faults);
    }
    let generation = generation(raw.generation, "generation", faults).unwrap_or_default();
    let include_data = raw.include_data;
    let index = options::index("index", raw.index, limits, faults);
    let conditions = conditions::checked(raw.conditions, "conditions", faults);
    let cache_key = options::cache_key("cache_key", raw.cache_key, faults);
    let excluded_ids = raw.excluded_ids;
    Retrieve {
        parts: Vec::new(),
        k,
        excluded_ids,
        generation,
        index,
        conditions,
        include_data,
        compat,
        cache_key,
    }
}

/// Checks a request for scores.
///
/// # Errors
/// A [`Failure`] that names every field at fault.
pub fn score(raw: wire::ScoreRequest, server: &Defaults, limits: &Limits) -> Result<Score, Failure> {
    let mut faults = Faults::default();
    let compat = options::compat("compat", raw.compat, &mut faults).unwrap_or(server.compat);
    let parts = parts::prompt(raw.parts, "parts", compat, limits, &mut faults);
    if parts.is_empty() {
        faults.add("parts", "needs at least one part");
    }
    let (n, bytes) = (raw.candidates.len(), raw.candidates.iter().map(String::len).sum::<usize>());
    let at_least = usize::from(!raw.with_prompt);
    if !(at_least..=128).contains(&n) {
        faults.add("candidates", format!("must be {at_least} … 128 texts, got {n}"));
    } else if bytes > limits.text_bytes {
        faults
            .add("candidates", format!("may hold {} bytes of text together, got {bytes}", limits.text_bytes));
    } else {
        for (index, _) in raw.candidates.iter().enumerate().filter(|(_, text)| text.is_empty()) {
            faults.add(format!("candidates[{index}]"), "must not be empty");
        }
    }
    let cache_key = options::cache_key("cache_key", raw.cache_key, &mut faults);
    faults.none(Score { parts, candidates: raw.candidates, with_prompt: raw.with_prompt, cache_key })
}

/// Ids that a search can be told to leave out: the retrieval service's own limit.
pub(crate) const MAX_EXCLUDED: usize = 10_000;

fn generation(raw: String, path: &str, faults: &mut Faults) -> Option<String> {
    if raw.len() > MAX_NAME {
        faults.add(path, format!("may be {MAX_NAME} bytes long, got {}", raw.len()));
    }
    (!raw.is_empty()).then_some(raw)
}

/// Violations found so far.
#[derive(Debug, Default)]
pub struct Faults(Vec<Violation>);

impl Faults {
    /// Notes that `field` is wrong.
    pub fn add(&mut self, field: impl Into<String>, description: impl Display) {
        if self.0.len() < MAX_VIOLATIONS {
            self.0.push(Violation::new(field, description.to_string()));
        }
    }

    fn none<T>(self, checked: T) -> Result<T, Failure> {
        if self.0.is_empty() { Ok(checked) } else { Err(Failure::invalid(self.0)) }
    }
}
