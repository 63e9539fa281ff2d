//! What a service measures: names for Prometheus, and what they mean.
//!
//! A table of these is told at the start, so that each metric has its help and can be read before anything has happened:
//! a rate over a counter that is not there yet would miss its first step.

/// What a number does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// It is one of many, told by their distribution.
    Histogram,
}

/// A metric.
#[derive(Clone, Copy, Debug)]
pub struct Measure {
    /// What it does.
    pub kind: Kind,
    /// With its unit.
    pub name: &'static str,
    /// What it tells, in a line.
    pub help: &'static str,
    /// Its label and the values that this can have. Without values they are known only later, and nothing is told before.
    pub label: Option<(&'static str, &'static [&'static str])>,
}

impl Measure {
    /// A number that only grows; the name ends in `_total`.
    pub const fn counter(name: &'static str, help: &'static str) -> Self {
        Self { kind: Kind::Counter, name, help, label: None }
    }

    /// A number that goes up and down.
    pub const fn gauge(name: &'static str, help: &'static str) -> Self {
        Self { kind: Kind::Gauge, name, help, label: None }
    }

    /// A distribution; the name ends in its unit.
    pub const fn histogram(name: &'static str, help: &'static str) -> Self {
        Self { kind: Kind::Histogram, name, help, label: None }
    }

    /// The same, told apart by a label.
    pub const fn by(self, label: &'static str, values: &'static [&'static str]) -> Self {
        Self { label: Some((label, values)), ..self }
    }
}
