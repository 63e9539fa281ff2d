//! Tables for people.

use std::fmt::Write;

use super::{Bar, Cell, Report, System, Wanted};

const TITLE: &str = "\
# Benchmarks

Made by `cargo xtask bench --markdown`; the newest run stands first. *decode* is tokens a second of all dialogues together once all
have begun, *over all* counts prompts too, *p50* and *p99* are times between two tokens of a dialogue, *peak* is the
most memory that the process has had, all as medians of runs in which the systems took turns. *limit* is what decoding could
be if it only read the weights once a step, and each dialogue's keys and values, at the speed at which as many threads read
memory. *same* is the share of a peer's tokens that are ours, with weights as precise as its own.
";

impl Report {
    /// As Markdown, without a title.
    pub fn markdown(&self) -> String {
        let mut text = format!("## {}\n\n", self.date);
        for line in &self.setting {
            let _ = writeln!(text, "- {line}");
        }
        let _ = writeln!(text, "- memory is read at {:.1} GB/s", self.bandwidth / 1e9);
        let mut shapes: Vec<&str> = self.cells.iter().map(|cell| cell.shape.as_str()).collect();
        shapes.dedup();
        for shape in shapes {
            let cells: Vec<&Cell> = self.cells.iter().filter(|cell| cell.shape == shape).collect();
            let _ = writeln!(text, "\n### OPT-{shape}'s shape\n");
            figures(&mut text, &cells);
            ratios(&mut text, &cells);
        }
        if !self.pictures.is_empty() {
            text += "\n### Pictures\n\n| system | pictures/s | peak MiB |\n|---|---:|---:|\n";
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
        if !self.bars.is_empty() {
            text += "\n### Bars\n\n| what | figure | bar | |\n|---|---|---|---|\n";
            for bar in &self.bars {
                let _ = writeln!(text, "| {} | {} | {} |", bar.what, bar.figure, verdict(bar));
            }
        }
        text
    }

    /// A file of runs with this one as its first.
    pub(crate) fn before(&self, file: &str) -> String {
        let (title, others) = match file.find("\n## ") {
            Some(at) => file.split_at(at + 1),
            None if file.trim().is_empty() => (TITLE, ""),
            None => (file, ""),
        };
        let gap = if others.is_empty() { "" } else { "\n" };
        format!("{}\n\n{}{gap}{others}", title.trim_end(), self.markdown())
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
    let wanted = match bar.bar {
        Some(Wanted::AtLeast(bar)) => format!("≥ {bar}"),
        Some(Wanted::AtMost(bar)) => format!("≤ {bar}"),
        None => String::new(),
    };
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
    fn missed_bars_stand_out() {
        let bar = |value| Bar::ratio("speed".to_owned(), value, Some(Wanted::AtLeast(4.0)), "8 against 2");
        let report = Report { bars: vec![bar(4.0), bar(3.9)], ..Report::default() };
        let text = report.markdown();
        assert!(text.contains("| speed | 4.00× (8 against 2) | ≥ 4 | met |"), "{text}");
        assert!(text.contains("| ≥ 4 | **missed** |"), "{text}");
    }
}
