//! Files that end early, that lie, and one whose answer is known on paper.

use super::*;

fn segment(marker: u8, content: &[u8]) -> Vec<u8> {
    let length = (content.len() as u16 + 2).to_be_bytes();
    [&[0xff, marker], &length[..], content].concat()
}

/// A DHT segment with one code, of one bit.
fn one_code(kind: u8, symbol: u8) -> Vec<u8> {
    let mut content = vec![kind, 1];
    content.extend([0; 15]);
    content.push(symbol);
    segment(0xc4, &content)
}

/// A grey file of 8 x 8 whose only codes are `0`: no DC difference, and the end of a block.
fn flat(frame: u8, scan_header: &[u8], data: &[u8]) -> Vec<u8> {
    [
        vec![0xff, 0xd8],
        segment(0xdb, &[&[0][..], &[1; 64]].concat()),
        segment(frame, &[8, 0, 8, 0, 8, 1, 1, 0x11, 0]),
        one_code(0x00, 0),
        one_code(0x10, 0),
        segment(0xda, scan_header),
        data.to_vec(),
    ]
    .concat()
}

const WHOLE: [u8; 6] = [1, 1, 0, 0, 63, 0];
const END: [u8; 2] = [0xff, 0xd9];

fn samples(file: &[u8]) -> Result<Samples, JpegError> {
    let short = Cell::new(false);
    Jpeg::open(file, &short)?.samples()
}

#[test]
fn a_block_without_coefficients_is_grey() {
    let file = flat(0xc0, &WHOLE, &[&[0x3f][..], &END].concat());
    let short = Cell::new(false);
    assert_eq!(Jpeg::open(&file, &short).unwrap().dimensions(), (8, 8));
    assert!(matches!(samples(&file).unwrap(), Samples::Grey(grey) if grey == [128; 64]));
}

#[test]
fn early_ends_are_told_from_good_files() {
    let whole = flat(0xc0, &WHOLE, &[&[0x3f][..], &END].concat());
    for length in 2..whole.len() - END.len() {
        let cut = samples(&whole[..length]);
        assert!(matches!(cut, Err(JpegError::Truncated(at)) if at == length), "{length}");
    }
    // Where all samples are there, the marker at the end may be lost, as in Pillow. Whether they are, libjpeg knows only if
    // it need not read on.
    let picture = include_bytes!("../../tests/data/exact.jpg");
    let end = picture.len() - END.len();
    assert!(samples(&picture[..end]).is_ok());
    assert!(matches!(samples(&picture[..end - 1]), Err(JpegError::Truncated(_))));
    let progressive = flat(0xc2, &[1, 1, 0, 0, 0, 0], &[0x7f]);
    assert!(matches!(samples(&progressive), Err(JpegError::Truncated(_))));
    assert!(samples(&[progressive, END.to_vec()].concat()).is_ok());
}

#[test]
fn what_cannot_be_decoded_is_refused_with_the_reason() {
    let scan = segment(0xda, &WHOLE);
    let with = |marker, content: &[u8]| [&[0xff, 0xd8], &segment(marker, content)[..], &scan, &END].concat();
    for (file, part) in [
        (with(0xc3, &[8, 0, 8, 0, 8, 1, 1, 0x11, 0]), "Unsupported JPEG process"),
        (with(0xc1, &[12, 0, 8, 0, 8, 1, 1, 0x11, 0]), "Unsupported JPEG data precision"),
        ([&[0xff, 0xd8][..], &END].concat(), "no image"),
        (flat(0xc0, &[1, 2, 0, 0, 63, 0], &END), "component"),
        (flat(0xc2, &[1, 1, 0, 0, 5, 0], &END), "progressive parameters"),
        (flat(0xc0, &WHOLE, &[&[0x3f, 0xff, 0x02][..], &END].concat()), "marker type 0x02"),
        (flat(0xc2, &[1, 1, 0, 0, 0, 0], &[0xff, 0xda, 0, 8, 1, 1, 0, 0, 0, 0, 0].repeat(101)), "100 scans"),
    ] {
        let error = samples(&file).err().unwrap().to_string();
        assert!(error.contains(part) && !error.contains("libjpeg"), "{part}: {error}");
    }
}
