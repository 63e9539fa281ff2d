//! Two pixels a character: a half block's ink is the upper one, its ground the lower one.

use image::{DynamicImage, Rgba, RgbaImage, imageops::FilterType};

use super::{Area, INDENT};

/// Below this a pixel is the terminal's own ground.
const SEEN: u8 = 128;

/// A picture as lines of half blocks.
pub(super) fn encode(picture: &DynamicImage, area: Area, truecolor: bool) -> String {
    let picture = picture.resize_exact(area.columns, area.rows * 2, FilterType::Triangle).to_rgba8();
    let mut text = String::new();
    for row in 0..area.rows {
        text.push_str(INDENT);
        for column in 0..area.columns {
            text.push_str(&cell(
                pixel(&picture, column, row * 2),
                pixel(&picture, column, row * 2 + 1),
                truecolor,
            ));
        }
        text.push_str("\x1b[0m\n");
    }
    text
}

fn pixel(picture: &RgbaImage, x: u32, y: u32) -> Option<[u8; 3]> {
    let Rgba([red, green, blue, alpha]) = *picture.get_pixel_checked(x, y)?;
    (alpha >= SEEN).then_some([red, green, blue])
}

fn cell(upper: Option<[u8; 3]>, lower: Option<[u8; 3]>, truecolor: bool) -> String {
    let colour = |plane: u8, [red, green, blue]: [u8; 3]| {
        if truecolor {
            format!("\x1b[{plane};2;{red};{green};{blue}m")
        } else {
            format!("\x1b[{plane};5;{}m", ansi_colours::ansi256_from_rgb([red, green, blue]))
        }
    };
    match (upper, lower) {
        (None, None) => "\x1b[0m ".to_owned(),
        (Some(upper), None) => format!("\x1b[0m{}\u{2580}", colour(38, upper)),
        (None, Some(lower)) => format!("\x1b[0m{}\u{2584}", colour(38, lower)),
        (Some(upper), Some(lower)) => format!("{}{}\u{2580}", colour(38, upper), colour(48, lower)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_transparent_stays_the_terminals_own() {
        assert_eq!(cell(None, None, true), "\x1b[0m ");
        assert_eq!(cell(None, Some([1, 2, 3]), true), "\x1b[0m\x1b[38;2;1;2;3m\u{2584}");
        assert_eq!(cell(Some([255, 0, 0]), Some([0, 0, 0]), false), "\x1b[38;5;196m\x1b[48;5;16m\u{2580}");
    }
}
