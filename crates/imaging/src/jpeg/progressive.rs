//! Blocks of progressive scans: DC or a band of AC, first their high bits, then one more bit per scan.

use super::JpegError;
use super::frame::{Scan, ZIGZAG};
use super::huffman::{Bits, Huffman};

/// A block of a progressive file.
pub(super) struct Block<'a> {
    /// In rows.
    pub(super) coefficients: &'a mut [i16; 64],
    /// Whether a coefficient other than DC was ever set. A scan may pass over 32767 blocks with two bytes; this way
    /// it does so without looking at their coefficients.
    pub(super) has_ac: &'a mut bool,
}

/// Reads what `scan` has of one block. `run`: blocks still to come whose band has nothing new.
#[inline]
pub(super) fn block(
    bits: &mut Bits<'_>,
    (dc, ac): (Option<&Huffman>, Option<&Huffman>),
    scan: &Scan,
    predicted: &mut i32,
    run: &mut u32,
    block: Block<'_>,
) -> Result<(), JpegError> {
    match (scan.first, scan.high, dc, ac) {
        (0, 0, Some(dc), _) => {
            let length = bits.symbol(dc);
            *predicted = predicted.wrapping_add(bits.signed(u32::from(length)));
            block.coefficients[0] = (*predicted << scan.low) as i16;
        }
        (0, 1.., ..) => block.coefficients[0] |= (bits.take(1) << scan.low) as i16,
        (_, 0, ..) if *run > 0 => *run -= 1,
        _ if *run > 0 && !*block.has_ac => *run -= 1,
        (_, high, _, Some(ac)) => {
            *block.has_ac = true;
            match high {
                0 => first(bits, ac, scan, run, block.coefficients),
                _ => refine(bits, ac, scan, run, block.coefficients),
            }
        }
        _ => return Err(JpegError::Broken("a scan has no Huffman table")),
    }
    Ok(())
}

/// Length of a run of blocks with nothing new, of which this is the first.
fn run_length(bits: &mut Bits<'_>, exponent: usize) -> u32 {
    (1 << exponent) + bits.take(exponent as u32)
}

fn first(bits: &mut Bits<'_>, ac: &Huffman, scan: &Scan, run: &mut u32, block: &mut [i16; 64]) {
    let mut at = scan.first;
    while at <= scan.last {
        let symbol = bits.symbol(ac);
        let (zeros, length) = (usize::from(symbol >> 4), u32::from(symbol & 15));
        if length == 0 {
            if zeros < 15 {
                *run = run_length(bits, zeros) - 1;
                return;
            }
            at += 16;
            continue;
        }
        at += zeros;
        let value = bits.signed(length);
        let Some(&place) = ZIGZAG.get(at) else { return };
        block[usize::from(place)] = (value << scan.low) as i16;
        at += 1;
    }
}

/// Known coefficients get one more bit each; between them, new ones of size 1 appear after `zeros` others.
fn refine(bits: &mut Bits<'_>, ac: &Huffman, scan: &Scan, run: &mut u32, block: &mut [i16; 64]) {
    let one = 1i16 << scan.low;
    let mut at = scan.first;
    if *run == 0 {
        while at <= scan.last {
            let symbol = bits.symbol(ac);
            let (mut zeros, length) = (usize::from(symbol >> 4), symbol & 15);
            let mut new = 0;
            if length != 0 {
                new = if bits.take(1) == 1 { one } else { -one };
            } else if zeros < 15 {
                *run = run_length(bits, zeros);
                break;
            }
            while at <= scan.last {
                let value = &mut block[usize::from(ZIGZAG[at])];
                if *value != 0 {
                    correct(bits, value, one);
                } else if zeros == 0 {
                    *value = new;
                    at += 1;
                    break;
                } else {
                    zeros -= 1;
                }
                at += 1;
            }
            if bits.starved() {
                return;
            }
        }
    }
    if *run > 0 {
        for &place in ZIGZAG.get(at..=scan.last).unwrap_or_default() {
            let value = &mut block[usize::from(place)];
            if *value != 0 {
                correct(bits, value, one);
            }
        }
        *run -= 1;
    }
}

#[inline]
fn correct(bits: &mut Bits<'_>, value: &mut i16, one: i16) {
    if bits.take(1) == 1 && *value & one == 0 {
        *value = value.wrapping_add(if *value > 0 { one } else { -one });
    }
}
