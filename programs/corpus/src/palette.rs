//! The same drawing in other colours: each distinct colour of an SVG gets a shift of its own.

use std::{collections::HashMap, str::FromStr};

use palette::{Hsl, IntoColor, Srgb, rgb::Rgb};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};
use svgtypes::Color;

/// What takes a colour, as an attribute and in a style.
const TAKERS: [&str; 4] = ["fill", "stroke", "stop-color", "flood-color"];

/// `svg` in another palette, which follows from `seed`, from `name` and from `variant`.
///
/// A drawing stays what it is called, so hues stay near their own: a red apple never becomes a green one.
pub(crate) fn variant(svg: &str, seed: u64, name: &str, variant: u32) -> String {
    let digest = Sha256::digest(format!("{seed} {name} {variant}"));
    let mut rng = ChaCha8Rng::from_seed(digest.into());
    let whole = Shift::draw(&mut rng);
    let mut shifted: HashMap<String, String> = HashMap::new();
    let mut out = String::with_capacity(svg.len() + 64);
    let mut rest = svg;
    while let Some((before, value, after)) = next(rest) {
        out.push_str(before);
        match Color::from_str(value) {
            Ok(color) => {
                let new = shifted
                    .entry(value.to_lowercase())
                    .or_insert_with(|| whole.and(&Shift::draw(&mut rng)).apply(color));
                out.push_str(new);
            }
            Err(_) => out.push_str(value), // none, url(#gradient), inherit
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// The text before the next value of a colour, that value, and the text after it.
fn next(text: &str) -> Option<(&str, &str, &str)> {
    let found = TAKERS.iter().flat_map(|taker| {
        text.match_indices(taker).find_map(|(at, taker)| {
            let start = text[..at].chars().next_back();
            let from = at + taker.len();
            let mark = text[from..].chars().next()?;
            let attribute = mark == '=' && text[from + 1..].starts_with('"');
            let begins = start.is_some_and(|letter| matches!(letter, ' ' | '"' | ';' | '\n' | '\t'));
            if !begins || !(attribute || mark == ':') {
                return None;
            }
            let from = from + if attribute { 2 } else { 1 };
            let len = text[from..].find(['"', ';'])?;
            Some((from, from + len))
        })
    });
    let (from, to) = found.min()?;
    Some((&text[..from], &text[from..to], &text[to..]))
}

/// How far a colour moves.
struct Shift {
    /// Degrees.
    hue: f32,
    saturation: f32, // a factor
    lightness: f32,  // of 1
}

impl Shift {
    fn draw(rng: &mut ChaCha8Rng) -> Self {
        Self {
            hue: rng.random_range(-14.0..14.0),
            saturation: rng.random_range(0.75..1.2),
            lightness: rng.random_range(-0.07..0.07),
        }
    }

    fn and(&self, other: &Self) -> Self {
        Self {
            hue: self.hue + other.hue,
            saturation: self.saturation * other.saturation,
            lightness: self.lightness + other.lightness,
        }
    }

    fn apply(&self, color: Color) -> String {
        let plain = Rgb::new(color.red, color.green, color.blue).into_format::<f32>();
        let mut hsl: Hsl = plain.into_color();
        hsl.hue += self.hue;
        hsl.saturation = (hsl.saturation * self.saturation).clamp(0.0, 1.0);
        hsl.lightness = (hsl.lightness + self.lightness).clamp(0.0, 1.0);
        let new: Srgb = hsl.into_color();
        let new = new.into_format::<u8>();
        let opaque = format!("#{:02x}{:02x}{:02x}", new.red, new.green, new.blue);
        if color.alpha == 255 { opaque } else { format!("{opaque}{:02x}", color.alpha) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SVG: &str = "<svg><g fill=\"none\"><path fill=\"#DD2E44\" d=\"M0 0\"/><path fill=\"url(#a)\"/>\
        <stop stop-color=\"#77b255\" style=\"fill:#dd2e44;stroke-width:2\"/><path fill-rule=\"evenodd\"/></g></svg>";

    #[test]
    fn colours_change_each_its_own_way_and_nothing_else_does() {
        let new = variant(SVG, 1, "a", 1);
        let colour = |text: &str, after: &str| {
            let from = text.find(after).unwrap() + after.len();
            text[from..from + 7].to_owned()
        };
        let red = colour(&new, "path fill=\"");
        let green = colour(&new, "stop-color=\"");
        assert_ne!(red, "#DD2E44");
        assert_ne!(green, "#77b255");
        assert_eq!(colour(&new, "style=\"fill:"), red, "the same colour gets the same new one");
        assert_eq!(
            new.replace(&red, "#DD2E44").replace(&green, "#77b255"),
            SVG.replace("#dd2e44", "#DD2E44")
        );
    }

    #[test]
    fn a_variant_follows_from_seed_name_and_number() {
        let one = variant(SVG, 1, "a", 1);
        assert_eq!(one, variant(SVG, 1, "a", 1));
        for other in [variant(SVG, 2, "a", 1), variant(SVG, 1, "b", 1), variant(SVG, 1, "a", 2)] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn red_stays_red() {
        for number in 0..200 {
            let new = variant("<path fill=\"#dd2e44\"/>", 1, "apple", number);
            let color = Color::from_str(&new[12..19]).unwrap();
            assert!(color.red > color.green && color.red > color.blue, "{new}");
        }
    }
}
