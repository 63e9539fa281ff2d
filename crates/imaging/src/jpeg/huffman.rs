//! Huffman codes and the bits of a scan.

use super::JpegError;

/// Codes up to this length are found with one look.
const FAST: u32 = 9;

/// A table of a DHT segment.
#[derive(Clone)]
pub(super) struct Huffman {
    /// By the next `FAST` bits: length in the high byte (0: longer), symbol in the low.
    fast: Box<[u16; 1 << FAST]>,
    /// Per length: the first code that is too large, left-aligned in 16 bits.
    ends: [u32; 17],
    /// Per length: what to add to a code to get the index of its symbol.
    offsets: [i32; 17],
    symbols: Box<[u8]>,
}

impl Huffman {
    /// `counts`: how many codes have 1 … 16 bits; `symbols`: theirs, in order.
    pub(super) fn new(counts: &[u8; 16], symbols: &[u8]) -> Result<Self, JpegError> {
        let mut fast = Box::new([0; 1 << FAST]);
        let (mut ends, mut offsets) = ([0; 17], [0; 17]);
        let (mut code, mut index) = (0u32, 0usize);
        for length in 1..=16u32 {
            offsets[length as usize] = index as i32 - code as i32;
            for _ in 0..counts[length as usize - 1] {
                let symbol = *symbols.get(index).ok_or(JpegError::Broken("a Huffman table is cut off"))?;
                if code >= 1 << length {
                    return Err(JpegError::Broken("a Huffman table has more codes than fit"));
                }
                if length <= FAST {
                    let first = (code << (FAST - length)) as usize;
                    let entry = (length << 8) as u16 | u16::from(symbol);
                    fast[first..first + (1 << (FAST - length))].fill(entry);
                }
                code += 1;
                index += 1;
            }
            ends[length as usize] = code << (16 - length);
            code <<= 1;
        }
        Ok(Self { fast, ends, offsets, symbols: symbols.into() })
    }

    /// Whether all symbols are at most `largest`.
    pub(super) fn within(&self, largest: u8) -> bool {
        self.symbols.iter().all(|&symbol| symbol <= largest)
    }
}

/// The bits between two markers, most significant first. Past the end they are 0, and [`Bits::starved`] says so.
pub(super) struct Bits<'a> {
    data: &'a [u8],
    position: usize,
    /// The next bits, left-aligned.
    held: u64,
    n_held: u32,
    starved: bool,
}

impl<'a> Bits<'a> {
    pub(super) fn new(data: &'a [u8], position: usize) -> Self {
        Self { data, position, held: 0, n_held: 0, starved: false }
    }

    /// Where the next marker is, or the end of the data.
    pub(super) fn position(&self) -> usize {
        self.position
    }

    /// Whether more bits were asked for than there are.
    pub(super) fn starved(&self) -> bool {
        self.starved
    }

    #[inline]
    fn fill(&mut self) {
        while self.n_held <= 56 {
            let Some(&byte) = self.data.get(self.position) else { return };
            if byte == 0xFF {
                // FF 00 is the byte FF; FF FF is filling; anything else is a marker and stays.
                match self.data.get(self.position + 1) {
                    Some(0) => self.position += 1,
                    Some(0xFF) => {
                        self.position += 1;
                        continue;
                    }
                    _ => return,
                }
            }
            self.position += 1;
            self.held |= u64::from(byte) << (56 - self.n_held);
            self.n_held += 8;
        }
    }

    #[inline]
    fn skip(&mut self, n: u32) {
        if n > self.n_held {
            (self.held, self.n_held, self.starved) = (0, 0, true);
        } else {
            self.held <<= n;
            self.n_held -= n;
        }
    }

    /// The next `n` bits, at most 16, as a number.
    #[inline]
    pub(super) fn take(&mut self, n: u32) -> u32 {
        if n == 0 {
            return 0;
        }
        if self.n_held < n {
            self.fill();
        }
        let value = (self.held >> (64 - n)) as u32;
        self.skip(n);
        value
    }

    /// A signed number of `n` bits in JPEG's notation: those with a leading 0 are negative.
    #[inline]
    pub(super) fn signed(&mut self, n: u32) -> i32 {
        let value = self.take(n) as i32;
        if n > 0 && value < 1 << (n - 1) { value - (1 << n) + 1 } else { value }
    }

    /// The next symbol; 0 for a code that the table does not have, as in libjpeg.
    #[inline]
    pub(super) fn symbol(&mut self, table: &Huffman) -> u8 {
        if self.n_held < 16 {
            self.fill();
        }
        let entry = table.fast[(self.held >> (64 - FAST)) as usize];
        if entry != 0 {
            self.skip(u32::from(entry >> 8));
            return entry as u8;
        }
        let next = (self.held >> 48) as u32;
        let Some(length) = (FAST + 1..=16).find(|&length| next < table.ends[length as usize]) else {
            self.skip(16);
            return 0;
        };
        self.skip(length);
        let index = (next >> (16 - length)) as i32 + table.offsets[length as usize];
        table.symbols.get(index as usize).copied().unwrap_or(0)
    }
}
