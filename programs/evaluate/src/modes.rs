//! By whose rules: what is right, and what the published code does, side by side with what was published.

use fondue_domain::Compat;

use crate::report::Cell;

/// What a metric is computed by.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Modes {
    /// Compute one column alone: off (what is right) or reference (what the published code computes) [default: both].
    #[arg(long, value_name = "off|reference")]
    compat: Option<Compat>,
}

impl Modes {
    /// What is to be computed.
    pub(crate) fn all(self) -> Vec<Compat> {
        self.compat.map_or_else(|| vec![Compat::Off, Compat::Reference], |one| vec![one])
    }
}

/// The heads of such a table, behind those that name its rows.
pub(crate) fn columns(named: &[&str]) -> Vec<String> {
    let heads = named.iter().chain(&["metric", "correct", "as published code", "published"]);
    heads.map(|head| (*head).to_owned()).collect()
}

/// A row: what it is, the two figures, what was published, in per cent.
pub(crate) fn row(
    named: &[&str],
    metric: &str,
    figure: impl Fn(Compat) -> Option<f64>,
    published: Option<f64>,
) -> Vec<Cell> {
    let share = |value: Option<f64>| value.map_or(Cell::Nothing, Cell::Share);
    let mut cells: Vec<Cell> = named.iter().map(|name| Cell::from(*name)).collect();
    cells.push(metric.into());
    cells.extend([Compat::Off, Compat::Reference].map(|mode| share(figure(mode))));
    cells.push(share(published.map(|percent| percent / 100.0)));
    cells
}
