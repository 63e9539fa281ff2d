//! A picture as the bytes that make a terminal show it. Pure but for the question how large the terminal is.

mod blocks;
mod iterm;
mod kitty;
mod sixel;

use image::{DynamicImage, GenericImageView, ImageFormat, imageops::FilterType};
use rustix::{stdio::stdout, termios::tcgetwinsize};

/// Columns before a picture.
const INDENT: &str = "  ";
/// What a character's cell is taken for if the terminal does not tell, in pixels.
const CELL: (u32, u32) = (10, 20);

/// A language of terminals for pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Kitty,
    Iterm,
    Sixel,
    Blocks,
}

/// The room for a picture.
#[derive(Clone, Copy, Debug)]
pub(super) struct Canvas {
    /// Columns and rows at most.
    columns: u32,
    rows: u32,
    /// Width and height of a character in pixels.
    cell: (u32, u32),
    /// Whether the terminal knows all colours instead of 256.
    truecolor: bool,
}

/// A picture's place: columns and rows of characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Area {
    columns: u32,
    rows: u32,
}

impl Canvas {
    /// As wide as was asked for, but no wider than the terminal and no higher than two thirds of it.
    pub(super) fn of_terminal(columns: u16, truecolor: bool) -> Self {
        let size = tcgetwinsize(stdout()).ok();
        let side = |n: Option<u16>| n.map(u32::from).filter(|&n| n > 0);
        let (width, height) = (side(size.map(|size| size.ws_col)), side(size.map(|size| size.ws_row)));
        let pixels = |all: Option<u16>, n: Option<u32>, usual| match (side(all), n) {
            (Some(all), Some(n)) if all / n > 0 => all / n,
            _ => usual,
        };
        let cell_width = pixels(size.map(|size| size.ws_xpixel), width, CELL.0);
        let cell_height = pixels(size.map(|size| size.ws_ypixel), height, CELL.1);
        let free = width.unwrap_or(80).saturating_sub(INDENT.len() as u32 + 1);
        Self {
            columns: u32::from(columns).min(free).max(1),
            rows: (height.unwrap_or(24) * 2 / 3).max(4),
            cell: (cell_width, cell_height),
            truecolor,
        }
    }

    /// The largest area of the picture's shape.
    fn area(self, (width, height): (u32, u32)) -> Area {
        let tall = |columns: u32| {
            let rows = u64::from(columns) * u64::from(self.cell.0) * u64::from(height);
            rows.div_ceil(u64::from(width.max(1)) * u64::from(self.cell.1)).max(1)
        };
        let rows = tall(self.columns);
        if rows <= u64::from(self.rows) {
            return Area { columns: self.columns, rows: rows as u32 };
        }
        let columns = u64::from(self.rows) * u64::from(self.cell.1) * u64::from(width)
            / (u64::from(self.cell.0) * u64::from(height.max(1)));
        Area { columns: (columns as u32).clamp(1, self.columns), rows: self.rows }
    }
}

/// The bytes that show a picture, the line's end included. None if it cannot be encoded.
pub(super) fn draw(picture: &DynamicImage, protocol: Protocol, canvas: Canvas) -> Option<Vec<u8>> {
    let area = canvas.area(picture.dimensions());
    let text = match protocol {
        Protocol::Kitty => kitty::encode(&png(&pixels(picture, area, canvas.cell))?, area),
        Protocol::Iterm => iterm::encode(&png(&pixels(picture, area, canvas.cell))?, area),
        Protocol::Sixel => sixel::encode(&pixels(picture, area, canvas.cell))?,
        Protocol::Blocks => blocks::encode(picture, area, canvas.truecolor),
    };
    Some(text.into_bytes())
}

/// The picture in the pixels that its area has.
fn pixels(picture: &DynamicImage, area: Area, cell: (u32, u32)) -> DynamicImage {
    picture.resize(area.columns * cell.0, area.rows * cell.1, FilterType::Triangle)
}

fn png(picture: &DynamicImage) -> Option<Vec<u8>> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    DynamicImage::from(picture.to_rgba8()).write_to(&mut bytes, ImageFormat::Png).ok()?;
    Some(bytes.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANVAS: Canvas = Canvas { columns: 20, rows: 10, cell: (10, 20), truecolor: true };

    #[test]
    fn pictures_keep_their_shape_within_the_room() {
        assert_eq!(CANVAS.area((100, 100)), Area { columns: 20, rows: 10 });
        assert_eq!(CANVAS.area((200, 100)), Area { columns: 20, rows: 5 });
        assert_eq!(CANVAS.area((100, 200)), Area { columns: 10, rows: 10 });
        assert_eq!(CANVAS.area((8192, 1)), Area { columns: 20, rows: 1 });
        assert_eq!(CANVAS.area((1, 8192)), Area { columns: 1, rows: 10 });
    }

    #[test]
    fn every_protocol_begins_and_ends_as_it_must() {
        let picture = DynamicImage::new_rgb8(64, 64);
        let cases = [
            (Protocol::Kitty, "  \x1b_Ga=T,f=100,q=2,c=20,r=10,", "\x1b\\\n"),
            (Protocol::Iterm, "  \x1b]1337;File=inline=1;size=", "\x07\n"),
            (Protocol::Sixel, "  \x1bP", "\x1b\\\n"),
            (Protocol::Blocks, "  \x1b[38;2;0;0;0m\x1b[48;2;0;0;0m\u{2580}", "\x1b[0m\n"),
        ];
        for (protocol, begin, end) in cases {
            let text = String::from_utf8(draw(&picture, protocol, CANVAS).unwrap()).unwrap();
            assert!(text.starts_with(begin), "{protocol:?}: {:?}", text.get(..80));
            assert!(text.ends_with(end), "{protocol:?}");
        }
    }
}
