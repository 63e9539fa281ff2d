//! Headers that lie, files that end early, and the arithmetic in places where the answer is known on paper.

use super::*;

fn segment(marker: u8, content: &[u8]) -> Vec<u8> {
    let length = (content.len() as u16 + 2).to_be_bytes();
    [&[0xFF, marker], &length[..], content].concat()
}

/// A DHT segment with one code, of one bit.
fn one_code(kind: u8, symbol: u8) -> Vec<u8> {
    let mut content = vec![kind, 1];
    content.extend([0; 15]);
    content.push(symbol);
    segment(0xC4, &content)
}

/// A grey file of 8 x 8 whose only codes are `0`: no DC difference, and the end of a block.
fn flat(frame: u8, scan_header: &[u8], data: &[u8]) -> Vec<u8> {
    [
        vec![0xFF, 0xD8],
        segment(0xDB, &[&[0][..], &[1; 64]].concat()),
        segment(frame, &[8, 0, 8, 0, 8, 1, 1, 0x11, 0]),
        one_code(0x00, 0),
        one_code(0x10, 0),
        segment(0xDA, scan_header),
        data.to_vec(),
    ]
    .concat()
}

const WHOLE: [u8; 6] = [1, 1, 0, 0, 63, 0];
const END: [u8; 2] = [0xFF, 0xD9];

fn samples(file: &[u8]) -> Result<Samples, JpegError> {
    Jpeg::open(file)?.samples()
}

#[test]
fn a_block_without_coefficients_is_grey() {
    let file = flat(0xC0, &WHOLE, &[&[0x3F][..], &END].concat());
    assert_eq!(Jpeg::open(&file).unwrap().dimensions(), (8, 8));
    assert!(matches!(samples(&file).unwrap(), Samples::Grey(grey) if grey == [128; 64]));
    // A lost end marker costs nothing where one scan is the whole picture.
    assert!(samples(&flat(0xC0, &WHOLE, &[0x3F])).is_ok());
}

#[test]
fn early_ends_are_told_from_good_files() {
    let whole = flat(0xC0, &WHOLE, &[&[0x3F][..], &END].concat());
    for length in 2..whole.len() - END.len() {
        assert!(
            matches!(samples(&whole[..length]), Err(JpegError::Truncated(at)) if at == length),
            "{length}"
        );
    }
    // A progressive file is whole only with its end marker.
    let progressive = flat(0xC2, &[1, 1, 0, 0, 0, 0], &[0x7F]);
    assert!(matches!(samples(&progressive), Err(JpegError::Truncated(_))));
    assert!(samples(&[progressive, END.to_vec()].concat()).is_ok());
}

#[test]
fn what_is_not_done_is_refused_by_name() {
    let with = |marker, content: &[u8]| [vec![0xFF, 0xD8], segment(marker, content)].concat();
    for (file, part) in [
        (with(0xC9, &[8, 0, 8, 0, 8, 1, 1, 0x11, 0]), "arithmetic"),
        (with(0xC3, &[8, 0, 8, 0, 8, 1, 1, 0x11, 0]), "lossless"),
        (with(0xC1, &[12, 0, 8, 0, 8, 1, 1, 0x11, 0]), "8 bits"),
        (with(0xC0, &[8, 0, 8, 0, 8, 2, 1, 0x11, 0, 2, 0x11, 0]), "components"),
        (with(0xC0, &[8, 0, 8, 0, 8, 3, 1, 0x31, 0, 2, 0x21, 0, 3, 0x11, 0]), "fractional"),
        (flat(0xC2, &[1, 1, 0, 0, 0, 0], &[0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 0, 0, 0].repeat(101)), "100 scans"),
    ] {
        let error = samples(&file).err().unwrap();
        assert!(
            matches!(error, JpegError::Unsupported(_)) && error.to_string().contains(part),
            "{part}: {error}"
        );
    }
}

#[test]
fn wrong_headers_are_refused() {
    let start = [0xFF, 0xD8];
    let frame = segment(0xC0, &[8, 0, 8, 0, 8, 1, 1, 0x11, 0]);
    for (file, part) in [
        (b"\xFF\xD9".to_vec(), "start"),
        ([&start[..], &END].concat(), "no frame header"),
        ([&start[..], &segment(0xDA, &WHOLE)].concat(), "before the frame"),
        ([&start[..], &frame, &frame].concat(), "two frame"),
        ([&start[..], &segment(0xC0, &[8, 0, 8, 0, 8, 1, 1, 0x51, 0])].concat(), "frame header"),
        ([&start[..], &segment(0xC0, &[8, 0, 8, 0, 8, 3, 1, 0x11, 0])].concat(), "frame header"),
        ([&start[..], &frame, &segment(0xDA, &WHOLE)].concat(), "quantisation table is missing"),
        ([&start[..], &[0xFF, 0xDB, 0, 1]].concat(), "length field"),
        ([&start[..], &segment(0xDB, &[4; 65])].concat(), "quantisation"),
        // Three codes of one bit; a table number of 4; a count without symbols.
        ([&start[..], &segment(0xC4, &[&[0, 3][..], &[0; 18]].concat())].concat(), "more codes"),
        ([&start[..], &one_code(0x14, 0)].concat(), "wrong number"),
        ([&start[..], &segment(0xC4, &[&[0, 9][..], &[0; 15]].concat())].concat(), "cut off"),
        (flat(0xC0, &[1, 2, 0, 0, 63, 0], &[]), "scan header"),
        (flat(0xC0, &[1, 1, 0x10, 0, 63, 0], &[]), "Huffman table"),
        // Progressive: DC with AC; a refinement by two bits.
        (flat(0xC2, &[1, 1, 0, 0, 5, 0], &[]), "scan header"),
        (flat(0xC2, &[1, 1, 0, 0, 0, 0x20], &[]), "scan header"),
    ] {
        let error = samples(&file).err().unwrap().to_string();
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[test]
fn codes_and_numbers_are_read_bit_by_bit() {
    // Codes 0, 10, 110, and one of 10 bits: 1110000000.
    let mut counts = [0; 16];
    counts[..3].fill(1);
    counts[9] = 1;
    let table = huffman::Huffman::new(&counts, &[7, 8, 9, 10]).unwrap();
    let data = [0b0101_1011, 0b1000_0000, 0xFF, 0x00, 0xFF, 0xD9];
    let mut bits = huffman::Bits::new(&data, 0);
    assert_eq!([0; 4].map(|_| bits.symbol(&table)), [7, 8, 9, 10]);
    // FF 00 is a byte of ones: -1 … 1 in one bit, 3 in two, 0 in none.
    assert_eq!((bits.signed(1), bits.signed(2), bits.signed(0), bits.take(5)), (1, 3, 0, 31));
    assert!(!bits.starved());
    assert_eq!((bits.take(3), bits.starved(), bits.position()), (0, true, 4), "nothing behind the marker");
}

#[test]
fn the_inverse_transform_agrees_with_its_definition() {
    let mut coefficients = [0i16; 64];
    for (n, value) in [(0, 60), (1, -33), (8, 21), (10, 9), (27, -14), (63, 5)] {
        coefficients[n] = value;
    }
    let mut got = [0u8; 64];
    idct::block(&coefficients, &[3; 64], &mut got, 8);
    let cosine = |x: usize, u: usize| {
        let scale = if u == 0 { 0.5f64.sqrt() } else { 1.0 };
        scale * ((2 * x + 1) as f64 * u as f64 * std::f64::consts::PI / 16.0).cos()
    };
    for (n, &got) in got.iter().enumerate() {
        let sum: f64 = (0..64)
            .map(|c| 3.0 * f64::from(coefficients[c]) * cosine(n % 8, c % 8) * cosine(n / 8, c / 8))
            .sum();
        assert!((f64::from(got) - (sum / 4.0 + 128.0)).abs() <= 0.6, "{n}: {got}, {}", sum / 4.0 + 128.0);
    }
    // Hostile values wrap, but do not panic.
    idct::block(&[i16::MIN; 64], &[u16::MAX; 64], &mut [0; 64], 8);
}
