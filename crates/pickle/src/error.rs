//! What can be wrong with a file, and where.

use std::{io, path::PathBuf};

use fondue_domain::{Classify, Fault};

use crate::view::Kind;

/// A file that cannot be read as a pickle of tensors, arrays and plain containers.
#[derive(Debug, thiserror::Error)]
pub enum PickleError {
    /// The system refused the file.
    #[error("cannot read {}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file of another format.
    #[error("{}: {format}", path.display())]
    Format {
        /// Which file.
        path: PathBuf,
        /// What it is, and what to do.
        format: Foreign,
    },
    /// The pickle names code; it was not run.
    #[error(
        "{}: byte {offset}: the pickle names `{module}.{name}`, which is neither a tensor, a NumPy array nor a \
         plain container; nothing was run. If you trust the file, save it again with only those in it",
        path.display()
    )]
    Global {
        /// Which file.
        path: PathBuf,
        /// Where, in bytes from the start of the file.
        offset: u64,
        /// Module of what is named, shortened if very long.
        module: String,
        /// What is named, shortened if very long.
        name: String,
    },
    /// The zip around the pickle does not hold together.
    #[error("{}: byte {offset}: {flaw}", path.display())]
    Zip {
        /// Which file.
        path: PathBuf,
        /// Where, in bytes from the start of the file.
        offset: u64,
        /// What is wrong.
        flaw: ZipFlaw,
    },
    /// The pickle does not hold together.
    #[error("{}: byte {offset}: {flaw}", path.display())]
    Pickle {
        /// Which file.
        path: PathBuf,
        /// Where, in bytes from the start of the file: the opcode at fault, or the end for faults of the whole.
        offset: u64,
        /// What is wrong.
        flaw: Flaw,
    },
}

impl Classify for PickleError {
    fn fault(&self) -> Fault {
        match self {
            Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => Fault::NotFound,
            Self::Io { .. } => Fault::Internal,
            Self::Format { .. } | Self::Global { .. } | Self::Zip { .. } | Self::Pickle { .. } => {
                Fault::Invalid
            }
        }
    }
}

/// Formats that are told apart from pickles, to say what to do with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Foreign {
    /// Nothing at all.
    #[error("the file is empty; download or copy it again")]
    Empty,
    /// Torch's format before its version 1.6.
    #[error(
        "torch's format of before version 1.6; save it again with \
         `torch.save(torch.load(FILE, weights_only=True), FILE)` in any newer torch"
    )]
    LegacyTorch,
    /// Compressed by gzip.
    #[error("compressed with gzip; unpack it with `gunzip` first")]
    Gzip,
    /// A tape archive; `.pth.tar` checkpoints are none, despite their name.
    #[error("a tar archive; unpack it first and name the checkpoint inside")]
    Tar,
}

/// What is wrong with a zip.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ZipFlaw {
    /// The record that ends every zip is not there.
    #[error("the zip has no end record: the file is cut off; download or copy it again")]
    NoEnd,
    /// A record is not what, or not where, another one says.
    #[error("the zip's {0} does not hold together; download or copy the file again")]
    Record(&'static str),
    /// An entry that is compressed or encrypted.
    #[error(
        "zip entry `{0}` is compressed or encrypted; torch stores entries as they are: save it again with torch.save"
    )]
    Compressed(String),
    /// Two entries share bytes.
    #[error("zip entry `{0}` overlaps with another one")]
    Overlap(String),
    /// Two entries share a name.
    #[error("the zip has two entries `{0}`")]
    Duplicate(String),
    /// Not a torch checkpoint.
    #[error("the zip holds no entry `<name>/data.pkl`, so it is no torch checkpoint")]
    NoPickle,
    /// Tensors of another byte order.
    #[error("the checkpoint was saved on a big-endian machine; save it again on a little-endian one")]
    BigEndian,
}

/// What is wrong with a pickle.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Flaw {
    /// A byte that is no opcode.
    #[error("{0:#04x} is no pickle opcode; this is no pickle, or a damaged one")]
    Opcode(u8),
    /// An opcode that nothing readable needs.
    #[error("the opcode {0} is not used by tensors, arrays and plain containers")]
    Unsupported(&'static str),
    /// A later protocol.
    #[error("pickle protocol {0}; this version reads 0 to 5")]
    Protocol(u8),
    /// The file ends too early, or a length lies.
    #[error("{needed} bytes should follow, {left} are left: the file is cut off, or a length lies")]
    Truncated {
        /// Bytes that should follow.
        needed: u64,
        /// Bytes that do.
        left: u64,
    },
    /// The file ends within a line of text.
    #[error("a line of text does not end: the file is cut off")]
    Line,
    /// Something follows the end.
    #[error("{0} bytes follow the end of the pickle; a file with several pickles is not read")]
    Trailing(u64),
    /// An operand is missing.
    #[error("an operand is missing on the stack")]
    Underflow,
    /// A mark is missing.
    #[error("no mark is on the stack")]
    NoMark,
    /// A dict's last key has no value.
    #[error("a dict's key has no value")]
    Odd,
    /// Nothing was remembered there.
    #[error("nothing is in the memo at {0}")]
    Memo(u64),
    /// More objects than indices.
    #[error("more than 4 billion objects")]
    TooMany,
    /// A text that is none.
    #[error("a text is not in the encoding it claims")]
    Text,
    /// A number that is none.
    #[error("a number is not written as one")]
    Number,
    /// A value of another kind than needed.
    #[error("{wanted} is needed, {found} is there")]
    Type {
        /// What was needed.
        wanted: &'static str,
        /// What there is.
        found: Kind,
    },
    /// A known function with arguments that it does not have.
    #[error("`{0}` is called with arguments that it is not known to have")]
    Call(&'static str),
    /// An element type that is not read.
    #[error("arrays of type `{0}` are not read, only numbers and booleans")]
    Dtype(String),
    /// Numbers of another byte order.
    #[error(
        "an array has big-endian numbers; save it again as `array.astype(array.dtype.newbyteorder('<'))`"
    )]
    BigEndian,
    /// A shape or stride that none can be.
    #[error("a shape, stride or offset is negative, too long or too large")]
    Shape,
    /// Data and shape disagree.
    #[error("an array's shape needs {needed} bytes, its data has {got}")]
    Data {
        /// Bytes that the shape needs.
        needed: u64,
        /// Bytes that there are.
        got: u64,
    },
    /// A tensor without data.
    #[error("the checkpoint has no data for the storage `{0}`")]
    NoStorage(String),
    /// A storage's data is too short.
    #[error("a storage needs {needed} bytes, its zip entry has {got}")]
    Storage {
        /// Bytes that its numbers need.
        needed: u64,
        /// Bytes of its entry.
        got: u64,
    },
    /// A tensor in a plain pickle whose storage is not as torch writes it.
    #[error(
        "a tensor's storage is not as torch writes it with pickle protocols 3 to 5; save the file again with \
         torch.save, or with NumPy arrays"
    )]
    Embedded,
    /// A tensor that leaves its storage.
    #[error("a tensor reaches beyond the end of its storage")]
    Bounds,
    /// A container that contains itself.
    #[error("a container contains itself")]
    Cycle,
    /// Too deep.
    #[error("containers are nested more than {} deep", crate::MAX_DEPTH)]
    Depth,
    /// A key that no dict can have.
    #[error("{0} cannot be a dict's key")]
    Key(Kind),
}

/// Why the machine stops: the opcode's offset and the file's path are added outside.
#[derive(Debug)]
pub(crate) enum Stop {
    Flaw(Flaw),
    Global { module: String, name: String },
}

pub(crate) type Step<T> = Result<T, Stop>;

impl From<Flaw> for Stop {
    fn from(flaw: Flaw) -> Self {
        Self::Flaw(flaw)
    }
}

impl Stop {
    /// The error for the caller.
    pub(crate) fn at(self, path: &std::path::Path, offset: usize) -> PickleError {
        let (path, offset) = (path.to_owned(), offset as u64);
        match self {
            Self::Flaw(flaw) => PickleError::Pickle { path, offset, flaw },
            Self::Global { module, name } => PickleError::Global { path, offset, module, name },
        }
    }
}

/// Bytes of a file as text for a message: short, and without anything that could move a terminal's cursor.
pub(crate) fn shown(bytes: &[u8]) -> String {
    const LONGEST: usize = 120;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(LONGEST)]);
    let mut shown: String = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if bytes.len() > LONGEST {
        shown.push('…');
    }
    shown
}
