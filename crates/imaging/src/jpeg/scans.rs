//! Bounds on a file's scans and segments, before any is decoded.
//!
//! A progressive picture goes over all of its blocks once a scan, and a scan that changes nothing takes some ten bytes:
//! without a bound, a file of a few megabytes would keep a thread busy for an hour. The segments that are kept, for EXIF,
//! libjpeg strings together in a list that it walks along for each: a megabyte of empty ones would take half a minute.

use super::JpegError;

/// Scans of one file. Programs write about ten, and never more than some dozens.
pub(super) const MAX_SCANS: usize = 100;

/// Segments of one file. Programs write some dozens; a comment or colour profile of 16 MiB has 256.
pub(super) const MAX_SEGMENTS: usize = 4096;

const SCAN: u8 = 0xda;
const END: u8 = 0xd9;

/// Walks from marker to marker as libjpeg does, up to the one that ends the file.
pub(super) fn check(bytes: &[u8]) -> Result<(), JpegError> {
    let (mut at, mut scans, mut segments) = (2, 0, 0); // behind the marker that begins a file
    while let Some((marker, end)) = next(bytes, at) {
        scans += usize::from(marker == SCAN);
        if scans > MAX_SCANS {
            return Err(JpegError::Scans { max: MAX_SCANS });
        }
        segments += usize::from(!is_bare(marker));
        if segments > MAX_SEGMENTS {
            return Err(JpegError::Segments { max: MAX_SEGMENTS });
        }
        if marker == END {
            break; // what a camera puts behind it, more pictures or a film, is not read
        }
        at = match bytes.get(end..end + 2) {
            _ if is_bare(marker) => end,
            // The length counts itself.
            Some(length) => end + usize::from(u16::from_be_bytes([length[0], length[1]])).max(2),
            None => return Ok(()),
        };
    }
    Ok(())
}

/// What a file says of its samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) components: u8,
    /// Its blocks are all held until the last scan.
    pub(crate) progressive: bool,
}

/// The frame's header, if there is one before the first scan.
pub(crate) fn frame(bytes: &[u8]) -> Option<Frame> {
    let mut at = 2;
    loop {
        let (marker, end) = next(bytes, at)?;
        if marker == SCAN || marker == END {
            return None;
        }
        let content = bytes.get(end..)?;
        if matches!(marker, 0xc0..=0xcf) && !NO_FRAMES.contains(&marker) {
            let &[_, _, _, high, low, wide, narrow, components] = content.first_chunk()?;
            return Some(Frame {
                width: u16::from_be_bytes([wide, narrow]).into(),
                height: u16::from_be_bytes([high, low]).into(),
                components,
                progressive: matches!(marker, 0xc2 | 0xc6 | 0xca | 0xce),
            });
        }
        at = match content.first_chunk() {
            _ if is_bare(marker) => end,
            Some(&length) => end + usize::from(u16::from_be_bytes(length)).max(2),
            None => return None,
        };
    }
}

/// Markers among the frames' that are none: Huffman tables, a reserved one, arithmetic conditioning.
const NO_FRAMES: [u8; 3] = [0xc4, 0xc8, 0xcc];

/// The next marker from `at` on, and where it ends. What stands before it, a scan's data say, is passed over.
fn next(bytes: &[u8], at: usize) -> Option<(u8, usize)> {
    let mut rest = bytes.get(at..)?;
    let mut from = at;
    loop {
        let found = rest.iter().position(|&byte| byte == 0xff)?;
        let marker = *rest.get(found + 1)?;
        // A byte of data that is 0xff is followed by 0, a filler by the marker's own 0xff.
        let step = match marker {
            0 => 2,
            0xff => 1,
            _ => return Some((marker, from + found + 2)),
        };
        rest = &rest[found + step..];
        from += found + step;
    }
}

/// Markers without a length: restarts, the file's beginning, and all below the frames'. Of these only TEM means something,
/// but where libjpeg looks for a lost restart, it passes over the others without a length too: with one, they could hide
/// scans from this walk.
fn is_bare(marker: u8) -> bool {
    matches!(marker, 0x01..=0xbf | 0xd0..=0xd8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of `scans` scans with two bytes of data each, one of them 0xff.
    fn file(scans: usize) -> Vec<u8> {
        let mut bytes = vec![0xff, 0xd8, 0xff, 0xe1, 0, 6, 0xff, 0xda, 0xff, 0xda]; // a marker whose content looks like scans
        for _ in 0..scans {
            bytes.extend([0xff, 0xff, SCAN, 0, 3, 1, 0xff, 0, 0xff, 0xd0, 7]);
        }
        bytes.extend([0xff, 0xd9]);
        bytes
    }

    #[test]
    fn scans_are_counted_up_to_the_bound() {
        assert!(check(&file(MAX_SCANS)).is_ok());
        assert!(matches!(check(&file(MAX_SCANS + 1)), Err(JpegError::Scans { max: MAX_SCANS })));
    }

    #[test]
    fn no_scan_hides_in_what_libjpeg_passes_over() {
        let mut scans: Vec<u8> = [0xff, SCAN, 0, 3, 1].repeat(MAX_SCANS);
        for marker in 0x01..=0xbf {
            // A scan, and in its data a marker whose "length" covers the other scans.
            let length = (scans.len() as u16 + 2).to_be_bytes();
            let hidden = [&[0xff, 0xd8, 0xff, SCAN, 0, 3, 1, 0xff, marker], &length[..], &scans].concat();
            assert!(check(&hidden).is_err(), "{marker:x}");
        }
        // Behind the end there may be anything.
        scans.splice(0..0, [0xff, 0xd8, 0xff, SCAN, 0, 3, 1, 0xff, END]);
        assert!(check(&scans).is_ok());
    }

    #[test]
    fn segments_are_counted_up_to_the_bound() {
        let file = |n: usize| [&[0xff, 0xd8][..], &[0xff, 0xe1, 0, 2].repeat(n), &[0xff, END]].concat();
        assert!(check(&file(MAX_SEGMENTS - 1)).is_ok());
        assert!(matches!(check(&file(MAX_SEGMENTS)), Err(JpegError::Segments { max: MAX_SEGMENTS })));
        // Restarts are none: a scan may have any number.
        let restarts =
            [&[0xff, 0xd8, 0xff, SCAN, 0, 3, 1][..], &[0xff, 0xd0].repeat(3 * MAX_SEGMENTS)].concat();
        assert!(check(&restarts).is_ok());
    }

    #[test]
    fn whatever_is_cut_off_ends_the_walk() {
        let whole = file(3);
        for length in 0..whole.len() {
            assert!(check(&whole[..length]).is_ok(), "{length}");
        }
    }
}
