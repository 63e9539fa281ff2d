//! Rows and bars, as they are printed.

use std::fmt;

#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<[String; 4]>,
    missed: bool,
}

/// What a figure must be.
#[derive(Clone, Copy)]
pub(crate) enum Bar {
    AtLeast(f64),
    AtMost(f64),
    None,
}

impl Report {
    /// Notes a figure, what stands beside it, and its bar.
    pub(crate) fn row(&mut self, what: &str, figure: f64, unit: &str, beside: String, bar: Bar) {
        let (met, bar) = match bar {
            Bar::AtLeast(least) => (figure >= least, format!("≥ {least}")),
            Bar::AtMost(most) => (figure <= most, format!("≤ {most}")),
            Bar::None => (true, String::new()),
        };
        self.missed |= !met;
        let bar =
            if bar.is_empty() { bar } else { format!("{bar} {}", if met { "met" } else { "**missed**" }) };
        let figure = if figure >= 1000.0 { format!("{figure:.0}") } else { format!("{figure:.2}") };
        self.rows.push([what.to_owned(), format!("{figure} {unit}"), beside, bar]);
        eprintln!("{}", self.rows.last().map(|row| row.join(" · ")).unwrap_or_default());
    }

    pub(crate) fn missed(&self) -> bool {
        self.missed
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| | gateway | beside | bar |\n|---|---|---|---|")?;
        self.rows.iter().try_for_each(|row| writeln!(f, "| {} |", row.join(" | ")))
    }
}

/// The value below which `share` of all lie.
pub(crate) fn percentile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(share * (values.len() - 1) as f64).round() as usize]
}
