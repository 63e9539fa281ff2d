//! Tables for people.

mod gallery;

use std::fmt::Write;

use super::{Bar, Cell, Report, System};

const TITLE: &str = "\
# Benchmarks

Made by `cargo xtask bench --markdown`; the newest run stands first. *decode* is tokens a second of all dialogues together once all
have begun, *over all* counts prompts too, *p50* and *p99* are times between two tokens of a dialogue, *peak* is the
most memory that the process has had, all as medians of runs in which the systems took turns. *limit* is what decoding could
be if it only read the weights once a step, and each dialogue's keys and values, at the speed at which as many threads read
memory. *same* is the share of a peer's tokens that are ours, with weights as precise as its own.
";

/// Parts of a file of runs, each with runs of its own, the newest first.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    /// Text and pictures: from the file's beginning on.
    Models,
    /// Searches: from its heading on.
    Retrieval,
}

impl Report {
    /// As Markdown, without a title.
    pub fn markdown(&self) -> String {
        let mut text = self.head();
        self.models(&mut text);
        self.retrieval(&mut text);
        text
    }

    /// When and where it was.
    fn head(&self) -> String {
        let mut text = format!("## {}\n\n", self.date);
        for line in &self.setting {
            let _ = writeln!(text, "- {line}");
        }
        let _ = writeln!(text, "- memory is read at {:.1} GB/s", self.bandwidth / 1e9);
        text
    }

    fn models(&self, text: &mut String) {
        let mut shapes: Vec<&str> = self.cells.iter().map(|cell| cell.shape.as_str()).collect();
        shapes.dedup();
        for shape in shapes {
            let cells: Vec<&Cell> = self.cells.iter().filter(|cell| cell.shape == shape).collect();
            let _ = writeln!(text, "\n### OPT-{shape}'s shape\n");
            figures(text, &cells);
            ratios(text, &cells);
        }
        if !self.pictures.is_empty() {
            *text += "\n### Pictures\n\n| system | pictures/s | peak MiB |\n|---|---:|---:|\n";
            for each in &self.pictures {
                let _ = writeln!(
                    text,
                    "| {} | {:.2} | {:.0} |",
                    each.name,
                    each.per_second,
                    mebibytes(each.peak)
                );
            }
        }
        bars(text, self.bars.iter());
    }

    fn retrieval(&self, text: &mut String) {
        self.galleries.iter().for_each(|gallery| gallery::tables(text, gallery));
        bars(text, self.galleries.iter().flat_map(|gallery| &gallery.bars));
    }

    /// A file of runs with this one as the first of each part that it has to do with. Whatever else stands there stays.
    pub(crate) fn before(&self, file: &str) -> String {
        let at = lines(file).find(|(_, line)| *line == gallery::TITLE.lines().next().unwrap_or_default());
        let (models, retrieval) = file.split_at(at.map_or(file.len(), |(at, _)| at));
        let (mut models, mut retrieval) = (models.to_owned(), retrieval.to_owned());
        let searched = !self.galleries.is_empty();
        if !searched || !self.cells.is_empty() || !self.pictures.is_empty() || !self.bars.is_empty() {
            models = self.first_of(Part::Models, &models);
        }
        if searched {
            retrieval = self.first_of(Part::Retrieval, &retrieval);
        }
        if models.is_empty() || retrieval.is_empty() {
            return models + &retrieval;
        }
        format!("{}\n\n{retrieval}", models.trim_end_matches('\n'))
    }

    fn first_of(&self, part: Part, file: &str) -> String {
        let mut run = self.head();
        let title = match part {
            Part::Models => TITLE,
            Part::Retrieval => gallery::TITLE,
        };
        match part {
            Part::Models => self.models(&mut run),
            Part::Retrieval => self.retrieval(&mut run),
        }
        // Runs begin with their day; other headings belong to what is said of all.
        let is_day = |rest: &str| rest.len() > 4 && rest.bytes().take(4).all(|byte| byte.is_ascii_digit());
        let is_run = |line: &str| line.strip_prefix("## ").is_some_and(is_day);
        let first = lines(file).find(|(_, line)| is_run(line)).map_or(file.len(), |(at, _)| at);
        let (said, others) = file.split_at(first);
        let said = if file.trim().is_empty() { title } else { said };
        let gap = if others.is_empty() { "" } else { "\n" };
        format!("{}\n\n{run}{gap}{others}", said.trim_end())
    }
}

/// The lines of a text and where each begins.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    text.split_inclusive('\n').map(move |line| {
        let begins = at;
        at += line.len();
        (begins, line.trim_end())
    })
}

pub(crate) fn bars<'a>(text: &mut String, bars: impl Iterator<Item = &'a Bar>) {
    let mut bars = bars.peekable();
    if bars.peek().is_some() {
        *text += "\n### Bars\n\n| what | figure | bar | |\n|---|---|---|---|\n";
    }
    for bar in bars {
        let _ = writeln!(text, "| {} | {} | {} |", bar.what, bar.figure, verdict(bar));
    }
}

/// What a system did in a cell, as one line.
pub(crate) fn line(cell: &Cell, system: &System) -> String {
    let figures = &system.figures;
    let (limit, share) = match &system.against {
        Some(against) => (format!("{:.0}", against.limit), percent(against.share)),
        None => Default::default(),
    };
    format!(
        "| {} | {} | {} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {:.0} | {limit} | {share} | {} |",
        cell.prompt,
        cell.dialogues,
        system.name,
        figures.ttft * 1e3,
        figures.decode,
        figures.overall,
        figures.p50 * 1e3,
        figures.p99 * 1e3,
        mebibytes(figures.peak),
        system.agreement.map(percent).unwrap_or_default(),
    )
}

fn figures(text: &mut String, cells: &[&Cell]) {
    *text += "| prompt | dialogues | system | TTFT ms | decode tok/s | over all tok/s | p50 ms | p99 ms | peak MiB ";
    *text += "| limit tok/s | of the limit | same |\n";
    *text += "|---:|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n";
    for cell in cells {
        for system in &cell.systems {
            let _ = writeln!(text, "{}", line(cell, system));
        }
    }
}

/// How many times as fast ours is as each peer.
fn ratios(text: &mut String, cells: &[&Cell]) {
    let mut peers: Vec<&str> = Vec::new();
    let ours = || cells.iter().flat_map(|cell| cell.systems.iter().map(move |system| (cell, system)));
    for (name, ..) in ours().filter_map(|(_, system)| system.against.as_ref()).flat_map(|a| &a.ratios) {
        if !peers.contains(&name.as_str()) {
            peers.push(name);
        }
    }
    if peers.is_empty() {
        return;
    }
    *text += "\nOurs to each peer, decode (over all):\n\n| prompt | dialogues | system |";
    let _ = writeln!(text, " {} |", peers.join(" | "));
    let _ = writeln!(text, "|---:|---:|---|{}", "---:|".repeat(peers.len()));
    for (cell, system) in ours() {
        let Some(against) = &system.against else { continue };
        let _ = write!(text, "| {} | {} | {} |", cell.prompt, cell.dialogues, system.name);
        for peer in &peers {
            match against.ratios.iter().find(|(name, ..)| name == peer) {
                Some((_, decode, overall)) => {
                    let _ = write!(text, " {decode:.2}× ({overall:.2}×) |");
                }
                None => *text += " |",
            }
        }
        *text += "\n";
    }
}

fn verdict(bar: &Bar) -> String {
    let wanted = bar.bar.map(|wanted| wanted.to_string()).unwrap_or_default();
    let met = match bar.is_met() {
        Some(true) => "met",
        Some(false) => "**missed**",
        None => "",
    };
    format!("{wanted} | {met}")
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

fn mebibytes(bytes: f64) -> f64 {
    bytes / f64::from(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Gallery, Wanted};

    #[test]
    fn a_new_run_comes_first_below_the_title() {
        let run = |date: &str| Report { date: date.to_owned(), ..Report::default() };
        let one = run("2001-01-01").before("");
        let two = run("2002-02-02").before(&one);
        assert!(
            one.starts_with("# Benchmarks\n") && two.starts_with(one.split("## ").next().unwrap()),
            "{two}"
        );
        let places: Vec<_> = ["# Benchmarks", "## 2002", "## 2001"].map(|part| two.find(part)).into();
        assert!(places.is_sorted() && places.iter().all(Option::is_some), "{two}");
        assert_eq!(run("2003-03-03").before("Mine.\n").find("Mine."), Some(0));
    }

    #[test]
    fn each_run_finds_its_part_and_what_is_said_stays() {
        let searched = |date: &str, models: bool| Report {
            date: date.to_owned(),
            galleries: vec![Gallery { rows: 5000, ..Gallery::default() }],
            bars: models.then(|| Bar::ratio("speed".to_owned(), 1.0, None, "")).into_iter().collect(),
            ..Report::default()
        };
        let file = "# Mine\n\nWords.\n\n## How to read\n\nMore.\n\n## 2001-01-01\n\nfigures\n";
        let one = searched("2002-02-02", false).before(file);
        assert!(one.starts_with(file) && one[file.len()..].starts_with("\n# Retrieval\n"), "{one}");
        assert!(one.contains("\n## 2002-02-02\n") && one.contains("\n### 5k pictures\n"), "{one}");
        // Searches alone change nothing above their part, models alone nothing in it.
        let two = searched("2003-03-03", false).before(&one);
        assert!(two.starts_with(file) && two.matches("# Retrieval").count() == 1, "{two}");
        assert!(two.find("## 2003") < two.find("## 2002"), "{two}");
        let models = Report { date: "2004-04-04".to_owned(), ..Report::default() }.before(&two);
        assert!(models.ends_with(&two[file.len()..]), "{models}");
        let order: Vec<_> =
            ["More.", "## 2004", "## 2001", "# Retr", "## 2003"].map(|part| models.find(part)).into();
        assert!(order.is_sorted() && order.iter().all(Option::is_some), "{models}");
        // Both together stand in both parts.
        let both = searched("2005-05-05", true).before(&models);
        assert_eq!(both.matches("## 2005-05-05").count(), 2, "{both}");
        assert_eq!(searched("2002-02-02", false).before("").find("# Retrieval"), Some(0));
    }

    #[test]
    fn missed_bars_stand_out() {
        let bar = |value| Bar::ratio("speed".to_owned(), value, Some(Wanted::AtLeast(4.0)), "8 against 2");
        let report = Report { bars: vec![bar(4.0), bar(3.9)], ..Report::default() };
        let text = report.markdown();
        assert!(text.contains("| speed | 4.00× (8 against 2) | ≥ 4 | met |"), "{text}");
        assert!(text.contains("| ≥ 4 | **missed** |"), "{text}");
    }
}
