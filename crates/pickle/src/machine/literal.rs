//! Numbers, texts and bytes. Binary ones stay where they are in the file; lines of protocol 0 may need rewriting.

use crate::{
    error::{Flaw, Step},
    node::{NOT_LATIN, Node, Span},
    opcode::*,
};

use super::Machine;

impl<'a> Machine<'a> {
    fn at(&self, span: Span) -> &'a [u8] {
        self.file.get(span.start as usize..(span.start + span.len) as usize).unwrap_or_default()
    }

    pub(super) fn number(&mut self, opcode: u8) -> Step<()> {
        let value = match opcode {
            BININT => self.cursor.i32()?.into(),
            BININT1 => self.cursor.u8()?.into(),
            BININT2 => self.cursor.u16()?.into(),
            INT => {
                let line = self.cursor.line()?;
                match self.at(line) {
                    // Protocol 0 has no other way to write booleans.
                    b"00" => return self.put(crate::node::Id::FALSE),
                    b"01" => return self.put(crate::node::Id::TRUE),
                    digits => return self.decimal(digits),
                }
            }
            LONG => {
                let line = self.cursor.line()?;
                let digits = self.at(line);
                return self.decimal(digits.strip_suffix(b"L").unwrap_or(digits));
            }
            LONG1 | LONG4 => {
                let len = if opcode == LONG1 { self.cursor.u8()?.into() } else { self.cursor.u32()? };
                let span = self.cursor.span(len.into())?;
                return self.long(span);
            }
            FLOAT => {
                let line = self.cursor.line()?;
                let text = std::str::from_utf8(self.at(line)).map_err(|_| Flaw::Number)?;
                let value = text.trim().parse().map_err(|_| Flaw::Number)?;
                return self.make(Node::Float(value));
            }
            _ => {
                let value = f64::from_be_bytes(self.cursor.array()?);
                return self.make(Node::Float(value));
            }
        };
        let id = self.arena.int(value)?;
        self.put(id)
    }

    fn decimal(&mut self, digits: &[u8]) -> Step<()> {
        let text = std::str::from_utf8(digits).map_err(|_| Flaw::Number)?.trim();
        match text.parse() {
            Ok(value) => {
                let id = self.arena.int(value)?;
                self.put(id)
            }
            Err(_) => {
                let unsigned = text.strip_prefix('-').unwrap_or(text);
                if unsigned.is_empty() || !unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(Flaw::Number.into());
                }
                self.make(Node::Big)
            }
        }
    }

    /// Little-endian two's complement of any length.
    fn long(&mut self, span: Span) -> Step<()> {
        let bytes = self.at(span);
        if bytes.len() > 8 {
            return self.make(Node::Big);
        }
        let negative = bytes.last().is_some_and(|&byte| byte >= 0x80);
        let mut whole = [if negative { 0xff } else { 0 }; 8];
        whole[..bytes.len()].copy_from_slice(bytes);
        let id = self.arena.int(i64::from_le_bytes(whole))?;
        self.put(id)
    }

    pub(super) fn text(&mut self, opcode: u8) -> Step<()> {
        let len = match opcode {
            UNICODE => {
                let line = self.cursor.line()?;
                return self.escaped(line);
            }
            SHORT_BINUNICODE => self.cursor.u8()?.into(),
            BINUNICODE => self.cursor.u32()?.into(),
            _ => self.cursor.u64()?,
        };
        let span = self.cursor.span(len)?;
        let text = std::str::from_utf8(self.at(span)).map_err(|_| Flaw::Text)?;
        self.make(Node::Text { latin: latin(text), span })
    }

    /// Python's `raw-unicode-escape`: Latin-1, and `\uXXXX` or `\UXXXXXXXX` for other characters.
    fn escaped(&mut self, line: Span) -> Step<()> {
        let bytes = self.at(line);
        if bytes.is_ascii() && !bytes.contains(&b'\\') {
            let latin = u32::try_from(bytes.len()).unwrap_or(NOT_LATIN);
            return self.make(Node::Text { latin, span: line });
        }
        let mut text = String::with_capacity(bytes.len());
        let mut rest = bytes;
        while let Some((&byte, after)) = rest.split_first() {
            let digits = match after.first() {
                Some(b'u') if byte == b'\\' => 4,
                Some(b'U') if byte == b'\\' => 8,
                _ => {
                    text.push(char::from(byte));
                    rest = after;
                    continue;
                }
            };
            let code = after.get(1..1 + digits).and_then(|code| std::str::from_utf8(code).ok());
            let code = code.and_then(|code| u32::from_str_radix(code, 16).ok()).ok_or(Flaw::Text)?;
            text.push(char::from_u32(code).ok_or(Flaw::Text)?);
            rest = &after[1 + digits..];
        }
        let latin = latin(&text);
        let span = self.arena.keep(text.as_bytes());
        self.make(Node::Text { latin, span })
    }

    /// Python 2's `str`; a quoted line in protocol 0.
    pub(super) fn native(&mut self, opcode: u8) -> Step<()> {
        let span = match opcode {
            SHORT_BINSTRING => {
                let len = self.cursor.u8()?;
                self.cursor.span(len.into())?
            }
            BINSTRING => {
                let len = u64::try_from(self.cursor.i32()?).map_err(|_| Flaw::Number)?;
                self.cursor.span(len)?
            }
            _ => {
                let line = self.cursor.line()?;
                return self.quoted(line);
            }
        };
        self.make(Node::Native(span))
    }

    fn quoted(&mut self, line: Span) -> Step<()> {
        let bytes = self.at(line).trim_ascii_end();
        let inner = match bytes {
            [open @ (b'\'' | b'"'), inner @ .., close] if open == close => inner,
            _ => return Err(Flaw::Text.into()),
        };
        if !inner.contains(&b'\\') {
            let span = Span { start: line.start + 1, len: inner.len() as u64 };
            return self.make(Node::Native(span));
        }
        let mut plain = Vec::with_capacity(inner.len());
        let mut rest = inner.iter();
        while let Some(&byte) = rest.next() {
            let byte = match byte {
                b'\\' => match rest.next() {
                    Some(b'n') => b'\n',
                    Some(b'r') => b'\r',
                    Some(b't') => b'\t',
                    Some(b'x') => {
                        let digits = rest.as_slice().get(..2).and_then(|two| std::str::from_utf8(two).ok());
                        rest.nth(1);
                        digits.and_then(|two| u8::from_str_radix(two, 16).ok()).ok_or(Flaw::Text)?
                    }
                    Some(&same @ (b'\\' | b'\'' | b'"')) => same,
                    _ => return Err(Flaw::Text.into()),
                },
                other => other,
            };
            plain.push(byte);
        }
        let span = self.arena.keep(&plain);
        self.make(Node::Native(span))
    }

    pub(super) fn bytes(&mut self, opcode: u8) -> Step<()> {
        let len = match opcode {
            SHORT_BINBYTES => self.cursor.u8()?.into(),
            BINBYTES => self.cursor.u32()?.into(),
            _ => self.cursor.u64()?,
        };
        let span = self.cursor.span(len)?;
        self.make(Node::Bytes(span))
    }

    /// A memo's number.
    pub(super) fn line_number(&mut self) -> Step<u64> {
        let line = self.cursor.line()?;
        let text = std::str::from_utf8(self.at(line)).map_err(|_| Flaw::Number)?;
        text.trim().parse().map_err(|_| Flaw::Number.into())
    }
}

/// Characters of a text if all are Latin-1.
fn latin(text: &str) -> u32 {
    if text.is_ascii() {
        return u32::try_from(text.len()).unwrap_or(NOT_LATIN);
    }
    // Two bytes encode U+0080 … U+00FF, the first being C2 or C3.
    if text.bytes().any(|byte| byte > 0xc3) {
        return NOT_LATIN;
    }
    u32::try_from(text.chars().count()).unwrap_or(NOT_LATIN)
}
