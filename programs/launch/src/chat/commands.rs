//! Does what lines ask for.

use std::path::Path;

use anyhow::{Result, anyhow};
use fondue_proto::dialogue::{Condition, FoundImage, Part, part};

use super::{Chat, Next, line, line::Line};
use crate::{
    exit,
    filter::{self, Filter},
    picture::{self, Place},
    settings,
    terminal::visible_line,
    transcript::{self, Turn},
};

/// Letters of a text in a list.
const SHORT: usize = 60;

impl Chat {
    pub(super) async fn obey(&mut self, line: Line) -> Result<Next> {
        match line {
            Line::Nothing => {}
            Line::Quit => return Ok(Next::Leave),
            Line::Say(text) => return self.say(text).await,
            Line::Retry => return self.retry().await,
            Line::Help => self.tell(&line::help())?,
            Line::Wrong { typed, right } => self.wrong(&typed, right)?,
            Line::Image(places) if places.is_empty() => self.tell_attached()?,
            Line::Image(places) => self.attach(&places)?,
            Line::Drop => {
                self.attached.clear();
                self.tell("Nothing is attached.")?;
            }
            Line::Undo(n) => match self.conversation.undo(n).await {
                0 => self.fault("There is no turn to take back.", exit::WRONG)?,
                n => self.tell_history(&format!("{} taken back", turns(n)))?,
            },
            Line::Reset => {
                self.conversation.reset().await;
                self.attached.clear();
                (self.editing, self.unanswered) = (None, None);
                self.tell("This begins anew; /branch returns to earlier turns.")?;
            }
            Line::Branch(None) => self.list(false)?,
            Line::Branch(Some(number)) => self.branch(number).await?,
            Line::Edit(number) => self.edit(number)?,
            Line::History => self.list(true)?,
            Line::Set(None) => self.tell(&settings::table(&self.options))?,
            Line::Set(Some((name, value))) => self.set(&name, value.as_deref())?,
            Line::Filter(typed) => self.filter(&typed)?,
            Line::Save { file, force } => self.save(file, force)?,
            Line::Open(number) => self.open(number)?,
            Line::Multi => {
                self.next.multi = true;
                if self.typed {
                    self.tell("A line of a single dot ends what you say.")?;
                }
            }
            Line::Timings => {
                self.timings = !self.timings;
                self.tell(if self.timings { "Turns tell what they took." } else { "Turns tell no times." })?;
            }
        }
        Ok(Next::Line)
    }

    /// Attaches a file that was dropped on the terminal; tells of anything else that is no command.
    fn wrong(&mut self, typed: &str, right: Option<String>) -> Result<()> {
        let path = line::unquoted(typed); // begins with a slash
        if right.is_none() && Path::new(&path).is_file() {
            return self.attach(typed);
        }
        let text = match right {
            Some(right) => format!("It is used so: {right}"),
            None => format!(
                "There is no {typed}; /help tells what there is, //… says a text that begins with a slash."
            ),
        };
        self.fault(&text, exit::WRONG)
    }

    fn attach(&mut self, typed: &str) -> Result<()> {
        // A name with blanks that nobody quoted is one file, if there is such a one.
        let whole = self.homely(line::unquoted(typed));
        let places = if Path::new(&whole).is_file() { Ok(vec![whole]) } else { shell_words::split(typed) };
        let places = match places {
            Ok(places) => places,
            Err(error) => return self.fault(&format!("{typed}: {error}"), exit::WRONG),
        };
        for place in places {
            let place = self.homely(place);
            // stdin is the conversation's.
            let part = if place == "-" {
                Err(anyhow!("- is no picture here"))
            } else {
                picture::take(&place, self.fit)
            };
            match part {
                Ok(part) => {
                    self.show_attached(&part)?;
                    self.attached.push((part, place));
                }
                Err(error) => self.fault(&format!("{error:#}"), exit::WRONG)?,
            }
        }
        Ok(())
    }

    /// Shows a picture that was just attached, so that a wrong one is seen before it is sent.
    fn show_attached(&mut self, part: &Part) -> Result<()> {
        if let Some(part::Kind::Image(image)) = &part.kind {
            self.printer.show(&image.data)?;
        }
        Ok(())
    }

    fn tell_attached(&mut self) -> Result<()> {
        if self.attached.is_empty() {
            return self.tell("Nothing is attached; /image PATH attaches a picture.");
        }
        let names: Vec<_> =
            self.attached.iter().map(|(_, name)| format!("  {}", visible_line(name))).collect();
        self.tell(&names.join("\n"))
    }

    async fn branch(&mut self, number: usize) -> Result<()> {
        if number > 0 && self.conversation.transcript().turn(number).is_none() {
            return self.fault(&format!("There is no turn {number}; /branch lists all."), exit::WRONG);
        }
        self.conversation.branch(number).await;
        let from = if number == 0 { "the beginning".to_owned() } else { format!("turn {number}") };
        self.tell_history(&format!("This goes on from {from}"))
    }

    /// Puts what was said in a turn into the line; it is said there when the line is sent.
    fn edit(&mut self, number: Option<usize>) -> Result<()> {
        let transcript = self.conversation.transcript();
        let number = number.unwrap_or(transcript.last());
        let Some(turn) = transcript.turn(number) else {
            return self.fault("There is no such turn; /branch lists all.", exit::WRONG);
        };
        (self.next.initial, self.editing) = (turn.text(), Some(number));
        let pictures = turn.pictures();
        self.attached = pictures.into_iter().map(|part| (part, format!("of turn {number}"))).collect();
        Ok(())
    }

    fn set(&mut self, name: &str, value: Option<&str>) -> Result<()> {
        let outcome = match value {
            None => Err(format!("/set {name} needs a value, or `default`; /set alone tells all options")),
            Some(value) => settings::set(&mut self.options, name, value),
        };
        match outcome {
            Ok(()) => Ok(()),
            Err(error) => self.fault(&error, exit::WRONG),
        }
    }

    fn filter(&mut self, typed: &str) -> Result<()> {
        match typed {
            "" if self.options.conditions.is_empty() => return self.tell("All pictures may be found."),
            "" => {}
            "clear" => {
                self.options.conditions.clear();
                return self.tell("All pictures may be found.");
            }
            typed => match conditions(typed) {
                Ok(conditions) => self.options.conditions.extend(conditions),
                Err(error) => return self.fault(&error, exit::WRONG),
            },
        }
        let all: Vec<_> = self.options.conditions.iter().map(filter::told).collect();
        self.tell(&format!("Found is only: {}", visible_line(&all.join("  and  "))))
    }

    /// A place with the home folder instead of `~/`, as shells do it.
    fn homely(&self, place: String) -> String {
        match (place.strip_prefix("~/"), self.home.as_deref().and_then(Path::to_str)) {
            (Some(rest), Some(home)) => format!("{home}/{rest}"),
            _ => place,
        }
    }

    fn save(&mut self, file: String, force: bool) -> Result<()> {
        let file = self.homely(file);
        let turns = self.conversation.transcript().history();
        let n_turns = turns.len();
        match transcript::save(&turns, Path::new(&file), force) {
            Ok(()) => self.tell(&format!("{} written to {file}", turns_of(n_turns))),
            Err(error) => self.fault(&format!("{error:#}"), exit::OTHER),
        }
    }

    fn open(&mut self, number: Option<usize>) -> Result<()> {
        let places = self.printer.places();
        let number = number.unwrap_or(places.len());
        let target = match number.checked_sub(1).and_then(|place| places.get(place)) {
            None => return self.fault("There is no such picture.", exit::WRONG),
            Some(Place::File(path)) => path.clone().into_os_string(),
            // Addresses come from the network: a viewer must get nothing that is a file or a program.
            Some(Place::Url(url)) if picture::is_url(url) => url.into(),
            Some(place) => {
                let text = format!("Picture {number} cannot be opened: {place}");
                return self.fault(&text, exit::OTHER);
            }
        };
        match open::that_detached(target) {
            Ok(()) => Ok(()),
            Err(error) => self.fault(&format!("The system's viewer did not start: {error}"), exit::OTHER),
        }
    }

    fn tell_history(&mut self, what: &str) -> Result<()> {
        let n_turns = self.conversation.n_turns();
        self.tell(&format!("{what}; the history has {}.", turns(n_turns)))
    }

    /// All turns, one a line each way; those of the history have a star. Or the history's alone.
    fn list(&mut self, history_alone: bool) -> Result<()> {
        let transcript = self.conversation.transcript();
        let path = transcript.path();
        let row = |number: usize| {
            let there = path.contains(&number);
            let turn = transcript.turn(number).filter(|_| there || !history_alone)?;
            let star = if there { '*' } else { ' ' };
            Some(format!("{star}{number:>3}  {}\n      {}", said(turn), answered(turn)))
        };
        let rows: Vec<_> = transcript.numbers().filter_map(row).collect();
        let text = if rows.is_empty() { "Nothing was said yet.".to_owned() } else { rows.join("\n") };
        self.tell(&text)
    }
}

fn conditions(typed: &str) -> Result<Vec<Condition>, String> {
    // Quotes stay: they tell texts from numbers.
    let words = typed.split_whitespace();
    words.map(|word| word.parse().map(|Filter(condition)| condition)).collect()
}

fn turns(n: usize) -> String {
    format!("{n} turn{}", if n == 1 { "" } else { "s" })
}

fn turns_of(n: usize) -> String {
    format!("{} {}", turns(n), if n == 1 { "is" } else { "are" })
}

fn said(turn: &Turn) -> String {
    let n_pictures = turn.pictures().len();
    let pictures = if n_pictures > 0 { format!(" [+{n_pictures} sent]") } else { String::new() };
    format!("You: {}{pictures}", short(&turn.text()))
}

fn answered(turn: &Turn) -> String {
    let name = |image: &FoundImage| format!(" [{}]", short(picture::name(image)));
    format!("Fondue: {}{}", short(&turn.done.text), turn.images.iter().map(name).collect::<String>())
}

fn short(text: &str) -> String {
    let line = visible_line(&text.replace('\n', " "));
    let mut letters = line.chars();
    let begin: String = letters.by_ref().take(SHORT).collect();
    if letters.next().is_some() { format!("{begin}…") } else { begin }
}
