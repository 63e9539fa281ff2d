//! Every size: threads, growing, shrinking by ten, the size itself; in black and full colours, where the cubic
//! overshoots everywhere and so the order of the two passes shows.

use std::fs;

use fondue_imaging::{Picture, decode};

use crate::{LIMITS, MANNERS, bytes, data, distance};

const SIDE: u32 = 12;

/// As in `make_pictures.py`.
const SIZES: [(u32, u32); 28] = [
    (1, 1),
    (1, 7),
    (7, 1),
    (1, 200),
    (200, 1),
    (2, 3),
    (3, 2),
    (5, 93),
    (93, 5),
    (11, 11),
    (12, 12),
    (12, 13),
    (13, 12),
    (12, 200),
    (200, 12),
    (24, 24),
    (23, 25),
    (37, 101),
    (101, 37),
    (100, 150),
    (120, 120),
    (120, 144),
    (60, 200),
    (200, 60),
    (190, 200),
    (6, 18),
    (18, 6),
    (9, 200),
];

#[test]
fn every_size_has_pillows_pixels() {
    let source = decode(&fs::read(data("sizes.png")).unwrap(), &LIMITS).unwrap();
    let expected = decode(&fs::read(data("expected/sizes.png.png")).unwrap(), &LIMITS).unwrap();
    assert_eq!(expected.width(), SIDE * SIZES.len() as u32);
    for (column, (width, height)) in SIZES.into_iter().enumerate() {
        let mut file = std::io::Cursor::new(Vec::new());
        source.crop_imm(0, 0, width, height).write_to(&mut file, image::ImageFormat::Png).unwrap();
        for (row, (compat, fit)) in MANNERS.into_iter().enumerate() {
            let picture = Picture::decode(file.get_ref(), &LIMITS, compat).unwrap();
            let pixels = bytes(SIDE).picture_pixels(&picture, fit).unwrap();
            let square = expected.crop_imm(column as u32 * SIDE, row as u32 * SIDE, SIDE, SIDE);
            assert_eq!(distance(&pixels, &square), (0.0, 0.0), "{width} x {height} {compat:?} {fit:?}");
        }
    }
}
