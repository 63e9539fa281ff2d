//! The tables between the headers: Huffman codes and quantisation steps.

use super::JpegError;
use super::frame::ZIGZAG;
use super::huffman::Huffman;
use super::segments::Headers;

impl Headers<'_> {
    /// Content of a DHT segment.
    pub(super) fn huffman(&mut self, mut content: &[u8]) -> Result<(), JpegError> {
        while let Some((&kind, rest)) = content.split_first() {
            let cut = JpegError::Broken("a Huffman table is cut off");
            let Some((counts, rest)) = rest.split_first_chunk::<16>() else { return Err(cut) };
            let n = counts.iter().map(|&count| usize::from(count)).sum();
            let Some((symbols, rest)) = rest.split_at_checked(n) else { return Err(cut) };
            let tables = if kind >> 4 == 0 { &mut self.dc } else { &mut self.ac };
            let Some(slot) = tables.get_mut(usize::from(kind & 15)).filter(|_| kind < 0x20) else {
                return Err(JpegError::Broken("a Huffman table has a wrong number"));
            };
            *slot = Some(Huffman::new(counts, symbols)?);
            content = rest;
        }
        Ok(())
    }

    /// Content of a DQT segment.
    pub(super) fn quantisation(&mut self, mut content: &[u8]) -> Result<(), JpegError> {
        while let Some((&kind, rest)) = content.split_first() {
            let bytes = if kind >> 4 == 0 { 1 } else { 2 };
            let slot = self.steps.get_mut(usize::from(kind & 15));
            let (Some(slot), Some((values, rest))) = (slot, rest.split_at_checked(64 * bytes)) else {
                return Err(JpegError::Broken("a quantisation table is wrong"));
            };
            let mut table = [0; 64];
            for (&at, value) in ZIGZAG.iter().zip(values.chunks_exact(bytes)) {
                table[usize::from(at)] = value.iter().fold(0, |sum, &byte| (sum << 8) | u16::from(byte));
            }
            *slot = Some(table);
            content = rest;
        }
        Ok(())
    }
}
