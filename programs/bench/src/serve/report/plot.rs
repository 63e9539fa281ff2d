//! Lines in a frame, as SVG that takes its colours from the page.

use std::fmt::Write;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 42.0;
/// Smaller numbers are all alike where equal ways are equal ratios.
const LEAST: f64 = 0.1;

/// One axis.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    pub(super) label: &'static str,
    pub(super) low: f64,
    pub(super) high: f64,
    /// Whether equal ways are equal ratios.
    pub(super) log: bool,
    /// Values with their names.
    pub(super) ticks: Vec<(f64, String)>,
}

/// One line.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

impl Axis {
    /// From 0 to at least `high`.
    pub(super) fn even(label: &'static str, high: f64) -> Self {
        let step = nice(high.max(1e-9) / 5.0);
        let n = (high / step).ceil().clamp(1.0, 10.0) as usize;
        let ticks = (0..=n).map(|tick| (tick as f64 * step, plain(tick as f64 * step)));
        Self { label, low: 0.0, high: n as f64 * step, log: false, ticks: ticks.collect() }
    }

    /// In powers of ten, around what the points are; what is below a tenth is drawn there.
    pub(super) fn powers(label: &'static str, values: impl Iterator<Item = f64>) -> Self {
        let (mut low, mut high) = (f64::INFINITY, 0.0_f64);
        for value in values.filter(|value| *value > 0.0) {
            (low, high) = (low.min(value.max(LEAST)), high.max(value));
        }
        if low > high {
            (low, high) = (1.0, 10.0);
        }
        let (from, to) =
            (low.log10().floor() as i32, (high.log10().ceil() as i32).max(low.log10().floor() as i32 + 1));
        let ticks = (from..=to).map(|power| (10_f64.powi(power), plain(10_f64.powi(power))));
        Self { label, low: 10_f64.powi(from), high: 10_f64.powi(to), log: true, ticks: ticks.collect() }
    }

    /// Where a value lies between 0 and 1.
    fn place(&self, value: f64) -> f64 {
        let (value, low, high) = match self.log {
            true => (value.max(self.low).log10(), self.low.log10(), self.high.log10()),
            false => (value, self.low, self.high),
        };
        ((value - low) / (high - low)).clamp(0.0, 1.0)
    }
}

/// 1, 2 or 5 times a power of ten, not below `value`.
fn nice(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|step| *step >= value * 0.999)
        .unwrap_or(10.0 * power)
}

fn plain(value: f64) -> String {
    let text = format!("{value:.3}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// The plot with its legend.
pub(super) fn plot(x: &Axis, y: &Axis, lines: &[Line]) -> String {
    let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    let across = |value: f64| LEFT + x.place(value) * (right - LEFT);
    let up = |value: f64| bottom - y.place(value) * (bottom - TOP);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{} by {}\">\n",
        y.label, x.label
    );
    for (value, name) in &x.ticks {
        let at = across(*value);
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{at:.1}\" y1=\"{TOP}\" x2=\"{at:.1}\" y2=\"{bottom}\"/>\
             <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{name}</text>",
            bottom + 16.0
        );
    }
    for (value, name) in &y.ticks {
        let at = up(*value);
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{at:.1}\" x2=\"{right}\" y2=\"{at:.1}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{name}</text>",
            LEFT - 6.0,
            at + 4.0
        );
    }
    let middle = (LEFT + right) / 2.0;
    let _ = writeln!(
        svg,
        "<text x=\"{middle}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\
         <text transform=\"translate(14 {:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
        HEIGHT - 6.0,
        x.label,
        (TOP + bottom) / 2.0,
        y.label
    );
    for (number, line) in lines.iter().enumerate() {
        let points: Vec<_> =
            line.points.iter().map(|(x, y)| format!("{:.1},{:.1}", across(*x), up(*y))).collect();
        let _ = writeln!(svg, "<polyline class=\"l{}\" points=\"{}\"/>", number % 8, points.join(" "));
    }
    svg += "</svg>\n<p class=\"legend\">";
    for (number, line) in lines.iter().enumerate() {
        let _ = write!(
            svg,
            "<span><i class=\"k{}\"></i>{}</span> ",
            number % 8,
            super::html::escaped(&line.name)
        );
    }
    svg + "</p>\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_hold_what_is_drawn() {
        let even = Axis::even("s", 47.0);
        assert_eq!((even.high, even.ticks.len(), even.ticks[1].1.as_str()), (50.0, 6, "10"));
        let powers = Axis::powers("ms", [0.0, 0.3, 1200.0].into_iter());
        assert_eq!((powers.low, powers.high), (0.1, 10_000.0));
        assert_eq!(powers.ticks.first().map(|tick| tick.1.as_str()), Some("0.1"));
        assert!((powers.place(1.0) - 0.2).abs() < 1e-9 && powers.place(0.0) == 0.0);
        let none = Axis::powers("ms", std::iter::empty());
        assert!(none.high > none.low && Axis::even("s", 0.0).high > 0.0);
        let one = Axis::powers("ms", [10.0].into_iter());
        assert!(one.high > one.low);
    }

    #[test]
    fn names_are_text_and_nothing_else() {
        let line = Line { name: "<b>".to_owned(), points: vec![(1.0, 2.0), (3.0, 4.0)] };
        let svg = plot(&Axis::even("x", 5.0), &Axis::even("y", 5.0), &[line]);
        assert!(svg.contains("&lt;b&gt;") && !svg.contains("<b>") && !svg.contains("NaN"), "{svg}");
        assert_eq!(svg.matches("<polyline").count(), 1);
    }
}
