//! Every kind of file, crop and squash, in both modes.

use std::fs;

use fondue_imaging::{Compat, Fit, Picture, decode};

use crate::{LIMITS, MANNERS, bytes, data, distance, pictures};

const SIDE: u32 = 20;

#[test]
fn every_kind_has_pillows_pixels() {
    let mut wrong = Vec::new();
    for path in pictures() {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name == "sizes.png" {
            continue;
        }
        let file = fs::read(&path).unwrap();
        let expected = decode(&fs::read(data(&format!("expected/{name}.png"))).unwrap(), &LIMITS).unwrap();
        for (n, (compat, fit)) in MANNERS.into_iter().enumerate() {
            let picture = Picture::decode(&file, &LIMITS, compat).unwrap();
            let pixels = bytes(SIDE).picture_pixels(&picture, fit).unwrap();
            let (max, mean) = distance(&pixels, &expected.crop_imm(0, n as u32 * SIDE, SIDE, SIDE));
            println!("{name:28} {compat:?} {fit:?}: max {max}, mean {mean:.4}");
            if max > 0.0 {
                wrong.push(format!("{name} {compat:?} {fit:?}: max {max}, mean {mean:.4}"));
            }
            if compat == Compat::Off {
                let plain = decode(&file, &LIMITS).unwrap();
                assert_eq!(bytes(SIDE).pixels(&plain, fit).unwrap(), pixels, "{name}: the two ways differ");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What the two modes do differently must be seen in these files, or the comparison above shows nothing.
#[test]
fn the_modes_differ_where_they_say() {
    for (name, fit) in [
        ("exif6.jpg", Fit::Crop),
        ("grey16_dark.png", Fit::Crop),
        ("palette.png", Fit::Squash),
        ("bilevel.png", Fit::Squash),
        ("palette.gif", Fit::Squash),
        ("palette.tif", Fit::Squash),
        ("rgba.png", Fit::Squash),
        ("cmyk.jpg", Fit::Squash),
    ] {
        let file = fs::read(data(name)).unwrap();
        let pixels = |compat| {
            bytes(SIDE).picture_pixels(&Picture::decode(&file, &LIMITS, compat).unwrap(), fit).unwrap()
        };
        assert_ne!(pixels(Compat::Off), pixels(Compat::Reference), "{name} {fit:?}");
    }
}
