//! The pickle machine: a stack, marks and a memo, over an arena. It makes data and never calls anything.

use std::{collections::HashMap, ops::Range};

use crate::{
    arena::{Arena, NO_SEGMENT},
    cursor::Cursor,
    error::{Flaw, Step, Stop},
    global::Global,
    memo::Memo,
    node::{Chain, Id, Node, Span},
    opcode::*,
};

mod call;
mod embedded;
mod literal;
mod numpy;
mod stack;
mod torch;

/// The chain of an empty container.
const NOTHING: Chain = Chain { first: NO_SEGMENT, last: NO_SEGMENT, len: 0 };

/// Bytes after which `read` tells that it passed them.
const PASSED: usize = 16 << 20;

/// Where the data of a checkpoint's storages lies, by key.
pub(crate) type Storages<'a> = HashMap<&'a [u8], Span>;

/// A pickle being read.
pub(crate) struct Machine<'a> {
    file: &'a [u8],
    cursor: Cursor<'a>,
    storages: Option<&'a Storages<'a>>,
    arena: Arena,
    stack: Vec<Id>,
    /// Heights of the stack that were marked.
    marks: Vec<u32>,
    memo: Memo,
}

/// Reads the pickle that fills `file` from offset `start` to its end; `storages` if it is a torch checkpoint's.
/// `passed` is told from time to time which bytes were read and are not needed soon.
///
/// # Errors
/// With the offset of the opcode at fault.
pub(crate) fn read<'a>(
    file: &'a [u8],
    start: usize,
    n_file: u64,
    passed: impl Fn(Range<usize>),
    storages: Option<&'a Storages<'a>>,
) -> Result<(Arena, Id), (Stop, usize)> {
    let mut machine = Machine {
        file,
        cursor: Cursor::new(file, start),
        storages,
        arena: Arena::new(n_file),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: Memo::default(),
    };
    let mut told = start;
    loop {
        let at = machine.cursor.at();
        if at - told >= PASSED {
            passed(told..at);
            told = at;
        }
        match machine.step() {
            Ok(None) => {}
            Ok(Some(root)) => return Ok((machine.arena, root)),
            Err(stop) => return Err((stop, at)),
        }
    }
}

impl Machine<'_> {
    /// Runs one opcode; the root once it is STOP.
    fn step(&mut self) -> Step<Option<Id>> {
        match self.cursor.u8()? {
            PROTO => self.protocol()?,
            FRAME => {
                let len = self.cursor.u64()?;
                self.cursor.need(len)?;
            }
            STOP => return self.stop().map(Some),

            NONE => self.put(Id::NONE)?,
            NEWTRUE => self.put(Id::TRUE)?,
            NEWFALSE => self.put(Id::FALSE)?,
            EMPTY_TUPLE => self.put(Id::EMPTY_TUPLE)?,
            opcode @ (INT | BININT | BININT1 | BININT2 | LONG | LONG1 | LONG4 | FLOAT | BINFLOAT) => {
                self.number(opcode)?;
            }
            opcode @ (UNICODE | SHORT_BINUNICODE | BINUNICODE | BINUNICODE8) => self.text(opcode)?,
            opcode @ (STRING | SHORT_BINSTRING | BINSTRING) => self.native(opcode)?,
            opcode @ (SHORT_BINBYTES | BINBYTES | BINBYTES8 | BYTEARRAY8) => self.bytes(opcode)?,

            MARK => self.marks.push(self.stack.len() as u32),
            POP => self.discard()?,
            POP_MARK => {
                let mark = self.mark()?;
                self.stack.truncate(mark);
            }
            DUP => {
                let top = self.top()?;
                self.put(top)?;
            }
            PUT => {
                let number = self.line_number()?;
                self.memo.put(number, self.top()?);
            }
            BINPUT => {
                let number = self.cursor.u8()?;
                self.memo.put(number.into(), self.top()?);
            }
            LONG_BINPUT => {
                let number = self.cursor.u32()?;
                self.memo.put(number.into(), self.top()?);
            }
            MEMOIZE => self.memo.push(self.top()?),
            GET => {
                let number = self.line_number()?;
                self.recall(number)?;
            }
            BINGET => {
                let number = self.cursor.u8()?;
                self.recall(number.into())?;
            }
            LONG_BINGET => {
                let number = self.cursor.u32()?;
                self.recall(number.into())?;
            }

            EMPTY_LIST => self.make(Node::OpenList(NOTHING))?,
            EMPTY_DICT => self.make(Node::OpenDict(NOTHING))?,
            opcode @ (TUPLE1 | TUPLE2 | TUPLE3) => {
                let n = usize::from(opcode - TUPLE1) + 1;
                let from = self.below(n)?;
                self.tuple(from)?;
            }
            TUPLE => {
                let from = self.mark()?;
                self.tuple(from)?;
            }
            LIST => {
                let from = self.mark()?;
                let list = self.arena.push(Node::OpenList(NOTHING))?;
                self.fill(list, from)?;
                self.put(list)?;
            }
            DICT => {
                let from = self.mark()?;
                let dict = self.arena.push(Node::OpenDict(NOTHING))?;
                self.fill_pairs(dict, from)?;
                self.put(dict)?;
            }
            APPEND => {
                let from = self.below(1)?;
                self.append(from)?;
            }
            APPENDS => {
                let from = self.mark()?;
                self.append(from)?;
            }
            SETITEM => {
                let from = self.below(2)?;
                self.set(from)?;
            }
            SETITEMS => {
                let from = self.mark()?;
                self.set(from)?;
            }

            GLOBAL => {
                let (module, name) = (self.cursor.line()?, self.cursor.line()?);
                self.global(module, name)?;
            }
            INST => {
                let (module, name) = (self.cursor.line()?, self.cursor.line()?);
                self.global(module, name)?;
                return Err(Flaw::Unsupported("INST").into());
            }
            STACK_GLOBAL => self.stack_global()?,
            REDUCE => self.reduce()?,
            BUILD => self.build()?,
            BINPERSID => self.persistent()?,

            opcode => {
                return Err(unsupported(opcode).map_or(Flaw::Opcode(opcode), Flaw::Unsupported).into());
            }
        }
        Ok(None)
    }

    fn protocol(&mut self) -> Step<()> {
        match self.cursor.u8()? {
            0..=5 => Ok(()),
            protocol => Err(Flaw::Protocol(protocol).into()),
        }
    }

    fn stop(&mut self) -> Step<Id> {
        let root = self.pop()?;
        match self.cursor.left() {
            0 => Ok(root),
            left => Err(Flaw::Trailing(left).into()),
        }
    }

    fn global(&mut self, module: Span, name: Span) -> Step<()> {
        let bytes = |span| self.arena.bytes(self.file, span);
        let global = Global::named(bytes(module), bytes(name))?;
        self.make(Node::Global(global))
    }

    fn stack_global(&mut self) -> Step<()> {
        let (name, module) = (self.pop()?, self.pop()?);
        let span = |id| match self.arena.node(id) {
            Node::Text { span, .. } => Ok(span),
            other => Err(Flaw::Type { wanted: "a global's name", found: other.kind() }),
        };
        let (module, name) = (span(module)?, span(name)?);
        self.global(module, name)
    }
}
