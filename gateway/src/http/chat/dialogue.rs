//! Messages → a dialogue's turns: questions with their answers, and what is asked now.

use fondue_proto::dialogue as wire;

use super::request::{Asked, Message, Past, Role};
use crate::http::{
    content::{self, Content, Fit, Piece, What},
    errors::Problem,
    links::{self, Hosts},
};

/// What was said, its pictures perhaps yet to be fetched.
#[derive(Debug)]
pub(super) struct Said {
    history: Vec<Exchange>,
    asked: Question,
    options: wire::TurnOptions,
    generation: String,
    fit: Option<Fit>,
    new_tokens: &'static str,
}

/// What a user says between two answers.
#[derive(Debug, Default)]
struct Question {
    pieces: Vec<Piece>,
    /// Words of the system that come before it, and where they lie.
    system: Vec<(String, String)>,
    /// Where the user's first message lies.
    path: Option<String>,
}

/// A question with its answer.
#[derive(Debug)]
struct Exchange {
    asked: Question,
    reply: String,
    image_ids: Vec<String>,
    /// Where the answer lies.
    path: String,
}

/// Where everything lies in the client's request.
#[derive(Debug)]
pub(super) struct Paths {
    asked: Vec<String>,
    asked_whole: String,
    /// Parts, the message they are of, and the answer's message.
    history: Vec<(Vec<String>, String, String)>,
    new_tokens: &'static str,
}

/// Bytes of an answer told as Markdown: far more than its text may have, for there are links in it.
const MAX_ANSWER_BYTES: usize = 4 << 20;

/// The dialogue that `asked` holds.
///
/// # Errors
/// [`Problem`] that names the message at fault.
pub(super) fn dialogue(mut asked: Asked, hosts: Hosts<'_>) -> Result<Said, Problem> {
    let new_tokens =
        if asked.max_completion_tokens.is_some() { "max_completion_tokens" } else { "max_tokens" };
    let (mut history, mut now) = (Vec::<Exchange>::new(), Question::default());
    let messages = std::mem::take(&mut asked.messages);
    let n_messages = messages.len();
    for (index, Message { role, content, fondue, .. }) in messages.into_iter().enumerate() {
        let at = format!("messages[{index}]");
        let path = format!("{at}.content");
        match (role, content) {
            (Role::Assistant, content) => {
                let (reply, image_ids) = answer(content, fondue, &path, hosts)?;
                match history.last_mut() {
                    Some(last) if now.is_empty() => {
                        last.reply = [last.reply.trim_end(), reply.trim_start()].join(" ");
                        last.image_ids.extend(image_ids);
                    }
                    _ if now.path.is_none() => {
                        let message = format!("{at}: an answer needs a user's message before it");
                        return Err(Problem::invalid("invalid_value", at, message));
                    }
                    _ => history.push(Exchange {
                        asked: std::mem::take(&mut now).whole(),
                        reply,
                        image_ids,
                        path: at,
                    }),
                }
            }
            (_, None) => {} // refused before
            (Role::System | Role::Developer, Some(content)) => {
                let text = words(content, &path, hosts)?;
                now.system.push((text, path));
            }
            (Role::User, Some(content)) => now.say(content::pieces(content, &path, hosts)?, path),
        }
    }
    if now.path.is_none() {
        let field =
            if n_messages == 0 { "messages".to_owned() } else { format!("messages[{}]", n_messages - 1) };
        let message = format!("{field}: the last thing said must be the user's");
        return Err(Problem::invalid("invalid_value", field, message));
    }
    let extension = asked.fondue.as_mut();
    let (fit, generation) =
        extension.map(|it| (it.fit, it.generation.take().unwrap_or_default())).unwrap_or_default();
    let options = asked.options();
    Ok(Said { history, asked: now.whole(), options, generation, fit, new_tokens })
}

/// The model's own words, and the pictures found in them.
fn answer(
    content: Option<Content>,
    fondue: Option<Past>,
    path: &str,
    hosts: Hosts<'_>,
) -> Result<(String, Vec<String>), Problem> {
    match (fondue, content) {
        (Some(Past { transcript, image_ids }), _) => Ok((transcript, image_ids.unwrap_or_default())),
        (None, Some(content)) => {
            let words = words(content, path, hosts)?;
            if words.len() > MAX_ANSWER_BYTES {
                let message = format!("{path}: may hold {MAX_ANSWER_BYTES} bytes, got {}", words.len());
                return Err(Problem::invalid("invalid_value", path.to_owned(), message));
            }
            Ok(links::transcript(&words))
        }
        (None, None) => Ok(Default::default()),
    }
}

/// A content that is text.
fn words(content: Content, path: &str, hosts: Hosts<'_>) -> Result<String, Problem> {
    let mut words = String::new();
    for Piece { what, path } in content::pieces(content, path, hosts)? {
        let What::Text(text) = what else {
            let message = format!("{path}: only a user shows pictures");
            return Err(Problem::invalid("invalid_value", path, message));
        };
        words += &text;
    }
    Ok(words)
}

impl Question {
    fn is_empty(&self) -> bool {
        self.path.is_none() && self.system.is_empty()
    }

    /// Adds a message of the user; texts of two messages stand in two lines.
    fn say(&mut self, mut pieces: Vec<Piece>, path: String) {
        let last_is_text = self.pieces.last().is_some_and(|piece| matches!(piece.what, What::Text(_)));
        if let Some(Piece { what: What::Text(text), .. }) = pieces.first_mut()
            && last_is_text
        {
            text.insert(0, '\n');
        }
        self.pieces.append(&mut pieces);
        self.path.get_or_insert(path);
    }

    /// Puts the system's words before the user's first text.
    fn whole(mut self) -> Self {
        let system = std::mem::take(&mut self.system);
        let Some((_, path)) = system.first() else { return self };
        let path = path.clone();
        let mut words: Vec<String> = system.into_iter().map(|(words, _)| words).collect();
        let first = self.pieces.iter_mut().find_map(|piece| match &mut piece.what {
            What::Text(text) => Some(text),
            _ => None,
        });
        match first {
            Some(text) => {
                words.push(std::mem::take(text));
                *text = words.join("\n");
            }
            None => self.pieces.push(Piece { what: What::Text(words.join("\n")), path }),
        }
        self
    }

    fn into_wire(self, fit: Option<Fit>) -> (Vec<wire::Part>, Vec<String>, String) {
        let pieces = self.pieces.into_iter().map(|Piece { what, path }| (content::to_wire(what, fit), path));
        let (parts, paths) = pieces.unzip();
        (parts, paths, self.path.unwrap_or_else(|| "messages".to_owned()))
    }
}

impl Said {
    /// All that users said.
    pub(super) fn pieces_mut(&mut self) -> impl Iterator<Item = &mut Piece> + Send {
        let before = self.history.iter_mut().flat_map(|exchange| &mut exchange.asked.pieces);
        before.chain(&mut self.asked.pieces)
    }

    /// In the words of the dialogue API.
    pub(super) fn into_wire(self) -> (wire::ReplyRequest, Paths) {
        let Self { history, asked, options, generation, fit, new_tokens } = self;
        let (mut exchanges, mut places) = (Vec::new(), Vec::new());
        for Exchange { asked, reply, image_ids, path } in history {
            let (parts, paths, whole) = asked.into_wire(fit);
            exchanges.push(wire::Exchange { parts, reply, image_ids });
            places.push((paths, whole, path));
        }
        let (parts, asked, asked_whole) = asked.into_wire(fit);
        let turn = Some(wire::Turn { parts, options: Some(options) });
        let paths = Paths { asked, asked_whole, history: places, new_tokens };
        (wire::ReplyRequest { turn, history: exchanges, generation }, paths)
    }
}

impl Paths {
    /// The client's path for a path of the dialogue API's request.
    pub(super) fn translate(&self, field: &str) -> String {
        if let Some(option) = field.strip_prefix("turn.options.") {
            return self.option(option);
        }
        if let Some(rest) = field.strip_prefix("turn.parts") {
            let part = index(rest).and_then(|(index, _)| self.asked.get(index));
            return part.unwrap_or(&self.asked_whole).clone();
        }
        if let Some((nth, rest)) = field.strip_prefix("history").and_then(index)
            && let Some((parts, whole, answer)) = self.history.get(nth)
        {
            return match rest.strip_prefix(".parts") {
                Some(rest) => index(rest).and_then(|(index, _)| parts.get(index)).unwrap_or(whole).clone(),
                None if rest.starts_with(".image_ids") => format!("{answer}.fondue{rest}"),
                None => format!("{answer}.content"),
            };
        }
        match field {
            "generation" => "fondue.generation".to_owned(),
            _ => "messages".to_owned(),
        }
    }

    fn option(&self, option: &str) -> String {
        let name = option.split(['[', '.']).next().unwrap_or_default();
        match name {
            "max_new_tokens" => self.new_tokens.to_owned(),
            "cache_key" => "prompt_cache_key".to_owned(),
            "temperature" | "top_p" | "seed" | "stop" => option.to_owned(),
            _ => format!("fondue.{option}"),
        }
    }
}

/// `[3].rest` → 3 and `.rest`.
fn index(text: &str) -> Option<(usize, &str)> {
    let (index, rest) = text.strip_prefix('[')?.split_once(']')?;
    Some((index.parse().ok()?, rest))
}
