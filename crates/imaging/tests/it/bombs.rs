//! Small files that are large within: they cost what their pixels cost.

use std::{fs, io::Cursor};

use fondue_imaging::{Compat, DynamicImage, ImageLimits, Picture, decoded_bytes};
use image::{GrayImage, ImageFormat};

/// As the vision service's own.
const LIMITS: ImageLimits = ImageLimits { max_pixels: 32 << 20, max_bytes: 16 << 20 };
/// Bytes of zeros.
const LARGE: usize = 200 << 20;

/// Bytes, by a line of Linux's account of this process.
fn account(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

fn png(width: u32, height: u32) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    DynamicImage::from(GrayImage::new(width, height)).write_to(&mut file, ImageFormat::Png).unwrap();
    file.into_inner()
}

/// The chunks of a PNG file: kind and data.
fn chunks(file: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let (mut at, mut chunks) = (8, Vec::new());
    while at < file.len() {
        let length = u32::from_be_bytes(file[at..at + 4].try_into().unwrap()) as usize;
        chunks.push((file[at + 4..at + 8].to_vec(), file[at + 8..at + 8 + length].to_vec()));
        at += 12 + length;
    }
    chunks
}

fn chunk(kind: &[u8], data: &[u8]) -> Vec<u8> {
    let body = [kind, data].concat();
    let mut crc = u32::MAX;
    for byte in &body {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    [&u32::try_from(data.len()).unwrap().to_be_bytes()[..], &body, &(!crc).to_be_bytes()].concat()
}

#[test]
fn a_profile_that_grows_costs_nothing() {
    // What compresses pixels compresses profiles.
    let zeros = chunks(&png(20_000, (LARGE / 20_000) as u32));
    let zeros: Vec<u8> =
        zeros.into_iter().filter(|(kind, _)| kind == b"IDAT").flat_map(|(_, data)| data).collect();
    let profile = chunk(b"iCCP", &[b"profile\0\0".as_slice(), &zeros].concat());
    let plain = png(8, 8);
    // Behind the header, which is 25 bytes long.
    let bomb = [&plain[..33], &profile, &plain[33..]].concat();
    assert!(bomb.len() < 2 << 20, "{}", bomb.len());
    // Makes the peak what is in use now. Where that is not allowed, nothing can be told.
    if fs::write("/proc/self/clear_refs", "5").is_err() {
        return;
    }
    let before = account("VmRSS");
    for compat in [Compat::Off, Compat::Reference] {
        let picture = Picture::decode(&bomb, &LIMITS, compat).unwrap().into_image();
        assert_eq!(picture, Picture::decode(&plain, &LIMITS, compat).unwrap().into_image());
    }
    assert_eq!(decoded_bytes(&bomb, &LIMITS), decoded_bytes(&plain, &LIMITS));
    let took = account("VmHWM").saturating_sub(before);
    assert!(took < 32 << 20, "{} MiB", took >> 20);
}
