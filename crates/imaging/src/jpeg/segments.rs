//! The marker segments: frame, tables, EXIF, Adobe's colour flag.

use super::JpegError;
use super::frame::{Component, Frame, Scan};
use super::huffman::Huffman;

/// What Adobe's marker says of the colours.
#[derive(Clone, Copy)]
pub(super) enum Adobe {
    /// RGB or CMYK as it is.
    Plain,
    /// YCbCr, or YCCK.
    Transformed,
}

/// What was read so far.
pub(super) struct Headers<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) position: usize,
    pub(super) frame: Option<Frame>,
    pub(super) scan: Option<Scan>,
    pub(super) dc: [Option<Huffman>; 4],
    pub(super) ac: [Option<Huffman>; 4],
    pub(super) steps: [Option<[u16; 64]>; 4],
    /// Blocks groups between restart markers; 0 without.
    pub(super) restart: usize,
    pub(super) jfif: bool,
    pub(super) adobe: Option<Adobe>,
    pub(super) exif: Option<&'a [u8]>,
}

impl<'a> Headers<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, JpegError> {
        if !bytes.starts_with(&[0xFF, 0xD8]) {
            return Err(JpegError::Broken("it does not start as a JPEG"));
        }
        Ok(Self {
            bytes,
            position: 2,
            frame: None,
            scan: None,
            dc: [const { None }; 4],
            ac: [const { None }; 4],
            steps: [None; 4],
            restart: 0,
            jfif: false,
            adobe: None,
            exif: None,
        })
    }

    /// Reads on to the next scan (`true`) or to the end marker (`false`).
    pub(super) fn advance(&mut self) -> Result<bool, JpegError> {
        loop {
            let marker = self.marker()?;
            match marker {
                0xD9 => return Ok(false),
                0x01 | 0xD0..=0xD8 => continue, // have no content
                _ => {}
            }
            let content = self.segment()?;
            match marker {
                0xC0..=0xC2 => self.frame(content, marker == 0xC2)?,
                0xC4 => self.huffman(content)?,
                0xC3 | 0xC5..=0xC7 => return Err(JpegError::Unsupported("a lossless or hierarchical file")),
                0xC8..=0xCF => return Err(JpegError::Unsupported("arithmetic coding")),
                0xDB => self.quantisation(content)?,
                0xDD => match content {
                    &[high, low] => self.restart = usize::from(u16::from_be_bytes([high, low])),
                    _ => return Err(JpegError::Broken("a restart interval has not 2 bytes")),
                },
                0xE0 if content.starts_with(b"JFIF\0") => self.jfif = true,
                0xE1 if self.exif.is_none() => self.exif = content.strip_prefix(b"Exif\0\0"),
                0xEE if content.len() >= 12 && content.starts_with(b"Adobe") => {
                    self.adobe = Some(if content[11] == 0 { Adobe::Plain } else { Adobe::Transformed });
                }
                0xDA => {
                    self.scan(content)?;
                    return Ok(true);
                }
                _ => {}
            }
        }
    }

    /// The next marker's code; bytes that belong to none are passed over.
    fn marker(&mut self) -> Result<u8, JpegError> {
        while let Some(&[first, second]) = self.bytes.get(self.position..self.position + 2) {
            self.position += 1;
            if first == 0xFF && second != 0 && second != 0xFF {
                self.position += 1;
                return Ok(second);
            }
        }
        Err(JpegError::Truncated(self.bytes.len()))
    }

    /// The content of the segment here.
    fn segment(&mut self) -> Result<&'a [u8], JpegError> {
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        let &[high, low, ..] = rest else { return Err(JpegError::Truncated(self.bytes.len())) };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length < 2 {
            return Err(JpegError::Broken("a segment is shorter than its length field"));
        }
        let content = rest.get(2..length).ok_or(JpegError::Truncated(self.bytes.len()))?;
        self.position += length;
        Ok(content)
    }

    fn frame(&mut self, content: &[u8], progressive: bool) -> Result<(), JpegError> {
        let broken = JpegError::Broken("its frame header is wrong");
        if self.frame.is_some() {
            return Err(JpegError::Broken("it has two frame headers"));
        }
        let &[depth, h1, h0, w1, w0, n, ref rest @ ..] = content else { return Err(broken) };
        if depth != 8 {
            return Err(JpegError::Unsupported("a depth other than 8 bits"));
        }
        if !matches!(n, 1 | 3 | 4) {
            return Err(JpegError::Unsupported("a number of components other than 1, 3 and 4"));
        }
        let mut components = Vec::with_capacity(usize::from(n));
        for chunk in rest.chunks_exact(3).take(usize::from(n)) {
            let (horizontal, vertical) = (u32::from(chunk[1] >> 4), u32::from(chunk[1] & 15));
            if !(1..=4).contains(&horizontal) || !(1..=4).contains(&vertical) || chunk[2] > 3 {
                return Err(broken);
            }
            let quantiser = usize::from(chunk[2]);
            components.push(Component { id: chunk[0], horizontal, vertical, quantiser, steps: None });
        }
        if components.len() != usize::from(n) {
            return Err(broken);
        }
        let (width, height) = (u16::from_be_bytes([w1, w0]).into(), u16::from_be_bytes([h1, h0]).into());
        let frame = Frame { width, height, progressive, components };
        let (across, down) = frame.largest();
        let whole = |part: &Component| across % part.horizontal == 0 && down % part.vertical == 0;
        if !frame.components.iter().all(whole) {
            return Err(JpegError::Unsupported("a fractional sampling factor"));
        }
        self.frame = Some(frame);
        Ok(())
    }

    fn scan(&mut self, content: &[u8]) -> Result<(), JpegError> {
        let broken = || JpegError::Broken("a scan header is wrong");
        let frame = self.frame.as_mut().ok_or(JpegError::Broken("a scan comes before the frame header"))?;
        let (&n, rest) = content.split_first().ok_or_else(broken)?;
        let (selectors, rest) = rest.split_at_checked(usize::from(n) * 2).ok_or_else(broken)?;
        let &[first, last, bits, ..] = rest else { return Err(broken()) };
        let mut parts: Vec<(usize, usize, usize)> = Vec::with_capacity(4);
        for pair in selectors.chunks_exact(2) {
            let index = frame.components.iter().position(|component| component.id == pair[0]);
            let index =
                index.filter(|index| parts.iter().all(|&(other, ..)| other != *index)).ok_or_else(broken)?;
            let (dc, ac) = (usize::from(pair[1] >> 4), usize::from(pair[1] & 15));
            if dc > 3 || ac > 3 {
                return Err(broken());
            }
            let component = &mut frame.components[index];
            component.steps = component.steps.or(self.steps[component.quantiser]);
            if component.steps.is_none() {
                return Err(JpegError::Broken("a quantisation table is missing"));
            }
            parts.push((index, dc, ac));
        }
        let (high, low) = (u32::from(bits >> 4), u32::from(bits & 15));
        let (first, last) = (usize::from(first), usize::from(last));
        let sound = if frame.progressive {
            // A scan is for DC alone or for AC of one component; a refinement adds one bit.
            first <= last
                && last <= 63
                && if first == 0 { last == 0 } else { parts.len() == 1 }
                && low <= 13
                && (high == 0 || high == low + 1)
        } else {
            true // the fields mean nothing here
        };
        if parts.is_empty() || !sound {
            return Err(broken());
        }
        self.scan = Some(Scan { parts, first, last, high, low });
        Ok(())
    }
}
