//! Reads a pickle's bytes in order; no length is believed before the bytes are seen to be there.

use crate::{
    error::{Flaw, Step},
    node::Span,
};

/// A place in the file. Spans it gives are offsets from the file's start.
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// Reads `bytes` from offset `at` to their end.
    pub(crate) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// The offset of the next byte.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Bytes not yet read.
    pub(crate) fn left(&self) -> u64 {
        (self.bytes.len() - self.at) as u64
    }

    /// The bytes of a span that was given here.
    pub(crate) fn slice(&self, span: Span) -> &'a [u8] {
        &self.bytes[span.start as usize..(span.start + span.len) as usize]
    }

    /// The next `n` bytes, as a span.
    pub(crate) fn span(&mut self, n: u64) -> Step<Span> {
        self.need(n)?;
        let span = Span { start: self.at as u64, len: n };
        self.at += n as usize;
        Ok(span)
    }

    /// Goes back by `n` bytes, which were read before.
    pub(crate) fn rewind(&mut self, n: u64) {
        self.at -= n as usize;
    }

    /// Says whether `n` more bytes are there.
    pub(crate) fn need(&self, n: u64) -> Step<()> {
        let left = self.left();
        if n > left {
            return Err(Flaw::Truncated { needed: n, left }.into());
        }
        Ok(())
    }

    /// The next `N` bytes.
    pub(crate) fn array<const N: usize>(&mut self) -> Step<[u8; N]> {
        self.need(N as u64)?;
        let mut array = [0; N];
        array.copy_from_slice(&self.bytes[self.at..self.at + N]);
        self.at += N;
        Ok(array)
    }

    pub(crate) fn u8(&mut self) -> Step<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Step<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Step<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn i32(&mut self) -> Step<i32> {
        self.array().map(i32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Step<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// The next line, without its end.
    pub(crate) fn line(&mut self) -> Step<Span> {
        let rest = &self.bytes[self.at..];
        let len = rest.iter().position(|&byte| byte == b'\n').ok_or(Flaw::Line)?;
        let span = Span { start: self.at as u64, len: len as u64 };
        self.at += len + 1;
        Ok(span)
    }
}
