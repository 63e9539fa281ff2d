//! Pickles that were written to run code, to exhaust a machine, or to lie.

use std::time::{Duration, Instant};

use fondue_domain::{Classify, Fault};
use fondue_pickle::{Flaw, Foreign, Kind, MAX_DEPTH, PickleError};

use crate::{fault, open, read};

/// The flaw that these bytes must end in, and where.
#[track_caller]
fn flaw(bytes: impl Into<Vec<u8>>) -> (Flaw, u64) {
    let begin = Instant::now();
    let error = fault(read(bytes));
    assert!(begin.elapsed() < Duration::from_secs(1));
    assert_eq!(error.fault(), Fault::Invalid);
    match error {
        PickleError::Pickle { flaw, offset, .. } => (flaw, offset),
        other => panic!("{other}"),
    }
}

#[test]
fn code_is_named_and_not_run() {
    for (name, at) in [("system.0.pkl", 0), ("system.4.pkl", 28), ("system.bin", 77)] {
        let error = fault(open(name));
        let text = error.to_string();
        assert!(text.contains(name) && text.contains("posix.system"), "{text}");
        match error {
            PickleError::Global { module, name, offset, .. } => {
                assert_eq!((module.as_str(), name.as_str(), offset), ("posix", "system", at));
            }
            other => panic!("{other}"),
        }
    }
}

#[test]
fn globals_near_the_known_ones_are_unknown() {
    for (module, name) in [
        ("builtins", "eval"),
        ("builtins", "getattr"),
        ("collections", "OrderedDict.update"),
        ("numpy", "load"),
        ("numpy.core.multiarray", "fromfile"),
        ("torch", "load"),
        ("torch", "Storage"),
        ("torch.storage", "_load_from_file"),
        ("", ""),
    ] {
        for bytes in [format!("c{module}\n{name}\n."), format!("(i{module}\n{name}\n.")] {
            assert!(matches!(fault(read(bytes)), PickleError::Global { .. }), "{module} {name}");
        }
    }
    let long = format!("c{}\n\x1b[2J\n.", "x".repeat(1 << 20));
    let text = fault(read(long)).to_string();
    assert!(text.len() < 1000 && !text.contains('\x1b'), "{text}");
}

#[test]
fn known_globals_take_no_other_arguments() {
    for bytes in [
        "c_codecs\nencode\n(Vx\nVrot13\ntR.",
        "c_codecs\nencode\n(V\\u0100\nVlatin1\ntR.",
        "ccollections\nOrderedDict\n((lp0\ntR.",
        "c__builtin__\nbytes\n(I1000000000\ntR.",
        "cnumpy.core.multiarray\n_reconstruct\n(cnumpy\ndtype\n(I0\ntVb\ntR.",
        "cnumpy.core.multiarray\nscalar\n(I1\nI1\ntR.",
        "cnumpy\nndarray\n(I1000000\ntR.",
        "ctorch._utils\n_rebuild_tensor_v2\n(I1\nI1\nI1\nI1\nI1\nI1\ntR.",
        "ctorch\nFloatStorage\n(I1000000\ntR.",
    ] {
        assert!(matches!(flaw(bytes).0, Flaw::Call(_) | Flaw::Type { .. }), "{bytes}");
    }
}

#[test]
fn a_list_that_contains_itself() {
    assert_eq!(flaw(*b"]q\x00h\x00a.").0, Flaw::Cycle);
    assert_eq!(flaw(*b"}q\x00K\x01h\x00s.").0, Flaw::Cycle);
    assert_eq!(flaw(*b"]q\x00h\x00\x85q\x01a.").0, Flaw::Cycle); // through a tuple
    assert_eq!(flaw(*b"]q\x00}h\x00\x85Ns\x85a.").0, Flaw::Cycle); // through a key
    // One that nothing reaches is harmless.
    assert_eq!(read(*b"]q\x00h\x00a0K\x01.").unwrap().root().as_i64(), Some(1));
}

#[test]
fn billions_of_ways_to_one_list() {
    // Each list holds the one before ten times; the last stands for 10^200 items.
    let mut bytes = b"\x80\x04]\x94".to_vec();
    for level in 0..200u8 {
        bytes.extend(b"]\x94(");
        bytes.extend([b'h', level].repeat(10));
        bytes.push(b'e');
    }
    bytes.push(b'.');
    let archive = read(bytes).unwrap();
    assert_eq!(archive.root().as_list().unwrap().len(), 10);
    assert_eq!(format!("{:?}", archive.root()), "View(a list)");
}

#[test]
fn nesting() {
    let nested = |depth: usize| {
        let mut bytes = vec![b']'; depth];
        bytes.extend(vec![b'a'; depth - 1]);
        bytes.push(b'.');
        bytes
    };
    assert!(read(nested(MAX_DEPTH)).is_ok());
    assert_eq!(flaw(nested(MAX_DEPTH + 1)).0, Flaw::Depth);
    assert_eq!(flaw(nested(1_000_000)).0, Flaw::Depth);
    let mut tuples = vec![b')'];
    tuples.extend(vec![0x85; 1_000_000]);
    tuples.push(b'.');
    assert_eq!(flaw(tuples).0, Flaw::Depth);
    // A long way that is found only after a short way to its parts.
    let mut bytes = b"(".to_vec();
    bytes.extend(b"]q\x00");
    for level in 0..200u8 {
        bytes.extend([b']', b'q', level + 1, b'h', level, b'a']);
    }
    bytes.extend(vec![0x85; 60]);
    bytes.extend(b"l.");
    assert_eq!(flaw(bytes).0, Flaw::Depth);
}

#[test]
fn lengths_that_lie() {
    for bytes in [
        b"X\xff\xff\xff\xffab".to_vec(),
        b"B\xff\xff\xff\xffab".to_vec(),
        b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffab".to_vec(),
        b"\x8e\xff\xff\xff\xff\xff\xff\xff\xffab".to_vec(),
        b"\x96\x00\x00\x00\x00\x01\x00\x00\x00ab".to_vec(),
        b"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x7fN.".to_vec(),
        b"\x8b\xff\xff\xff\x7fab".to_vec(),
        b"U\x05abcd".to_vec(),
    ] {
        let (flaw, _) = flaw(bytes);
        assert!(matches!(flaw, Flaw::Truncated { needed, left } if needed > left), "{flaw}");
    }
    assert_eq!(flaw(*b"T\xff\xff\xff\xffab.").0, Flaw::Number); // negative
    assert_eq!(flaw(*b"Vabc").0, Flaw::Line);
    assert_eq!(flaw(*b"N").0, Flaw::Truncated { needed: 1, left: 0 });
}

#[test]
fn huge_memo_numbers() {
    let archive = read(*b"]r\xff\xff\xff\xff0j\xff\xff\xff\xff.").unwrap();
    assert_eq!(archive.root().kind(), Kind::List);
    assert!(read(*b"Np18446744073709551615\n0g18446744073709551615\n.").is_ok());
    assert_eq!(flaw(*b"Np18446744073709551616\n.").0, Flaw::Number);
    assert_eq!(flaw(*b"h\x07."), (Flaw::Memo(7), 0));
}

#[test]
fn missing_operands() {
    for bytes in ["a.", "]a.", "(a.", "](a.", "\u{1}", "R.", "b.", "s.", "}Ns.", "0.", "2.", "q\0.", "(."] {
        let flaw = flaw(bytes).0;
        assert!(matches!(flaw, Flaw::Underflow | Flaw::Opcode(1)), "{bytes:?}: {flaw}");
    }
    for bytes in ["t.", "l.", "e.", "u.", "1.", "]e."] {
        assert_eq!(flaw(bytes).0, Flaw::NoMark);
    }
    assert_eq!(flaw("}(NNNu.").0, Flaw::Odd);
    assert_eq!(flaw("}]Ns.").0, Flaw::Key(Kind::List));
    assert_eq!(flaw("N.N."), (Flaw::Trailing(2), 1));
    assert_eq!(flaw("\u{7}").0, Flaw::Opcode(7));
    assert_eq!(flaw(*b"\x80\x06N.").0, Flaw::Protocol(6));
    assert_eq!(flaw(*b"\x8fN\x90.").0, Flaw::Unsupported("EMPTY_SET"));
    assert_eq!(flaw(*b"NN\x81.").0, Flaw::Unsupported("NEWOBJ"));
    assert_eq!(flaw(*b"NQ.").0, Flaw::Unsupported("BINPERSID"));
}

#[test]
fn other_formats_say_what_to_do() {
    let format = |error| match error {
        PickleError::Format { format, .. } => format,
        other => panic!("{other}"),
    };
    assert_eq!(format(fault(open("legacy.bin"))), Foreign::LegacyTorch);
    assert_eq!(format(fault(read(*b""))), Foreign::Empty);
    assert_eq!(format(fault(read(*b"\x1f\x8b\x08"))), Foreign::Gzip);
    assert!(matches!(fault(open("absent.pkl")), PickleError::Io { .. }));
    assert_eq!(fault(open("absent.pkl")).fault(), Fault::NotFound);
}

#[test]
fn arrays_that_lie() {
    let big = |name| match fault(open(name)) {
        PickleError::Pickle { flaw, .. } => flaw,
        other => panic!("{other}"),
    };
    assert_eq!(big("big_endian.4.pkl"), Flaw::BigEndian);
    assert_eq!(big("texts.4.pkl"), Flaw::Dtype("U2".to_owned()));
    let array = |shape: &str| {
        format!(
            "cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n({shape}tcnumpy\ndtype\n\
             (S'f4'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\nS'12345678'\ntb."
        )
    };
    assert_eq!(read(array("I2\n")).unwrap().root().as_array().unwrap().shape, [2]);
    assert_eq!(flaw(array("I3\n")).0, Flaw::Data { needed: 12, got: 8 });
    assert_eq!(flaw(array("I-2\n")).0, Flaw::Shape);
    assert_eq!(flaw(array("I4294967296\nI4294967296\n")).0, Flaw::Shape);
    assert_eq!(flaw(array("I4611686018427387905\nI2\n")).0, Flaw::Shape);
    assert_eq!(flaw(array(&"I1\n".repeat(65))).0, Flaw::Shape);
    assert_eq!(flaw(array("I0\nI4611686018427387905\n")).0, Flaw::Data { needed: 0, got: 8 });
}

#[test]
fn storages_within_bytes_are_compared_and_never_run() {
    let good = std::fs::read(crate::data("tensors.4.pkl")).unwrap();
    let find = |what: &[u8]| good.windows(what.len()).position(|window| window == what).unwrap();
    let with = |at: usize, new: &[u8]| {
        let mut bytes = good.clone();
        bytes[at..at + new.len()].copy_from_slice(new);
        flaw(bytes).0
    };
    let little = find(b"little_endianq\x02") + 15;
    assert_eq!(with(little, b"\x89"), Flaw::BigEndian);
    assert_eq!(with(little, b"N"), Flaw::Embedded);
    // A global of another name is not looked up, let alone called.
    assert_eq!(with(find(b"ctorch\nBFloat16Storage"), b"cposix\nsystem.........."), Flaw::Embedded);
    let count = find(b"q\x03K\x04N") + 3;
    assert_eq!(with(count, b"\x05"), Flaw::Embedded, "two lengths");
    let both = find(b"q\x01a.\x04\0\0\0\0\0\0\0") + 4;
    let mut bytes = good.clone();
    (bytes[count], bytes[both]) = (5, 5);
    assert_eq!(flaw(bytes).0, Flaw::Storage { needed: 10, got: 8 });
    // Protocol 2 has no bytes, only texts that stand for them.
    assert!(matches!(fault(open("tensors.2.pkl")), PickleError::Pickle { flaw: Flaw::Embedded, .. }));
}
