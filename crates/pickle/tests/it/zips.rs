//! Zips that lie about what they hold.

use fondue_pickle::{Archive, Flaw, PickleError, ZipFlaw};

use crate::{data, fault, open, read};

fn good() -> Vec<u8> {
    std::fs::read(data("plain_zip.bin")).unwrap()
}

#[track_caller]
fn flaw(result: Result<Archive, PickleError>) -> ZipFlaw {
    match fault(result) {
        PickleError::Zip { flaw, .. } => flaw,
        other => panic!("{other}"),
    }
}

/// Offset of the end record, and of the central directory that it names.
fn ends(zip: &[u8]) -> (usize, usize) {
    let end = zip.len() - 22;
    (end, u32::from_le_bytes(zip[end + 16..end + 20].try_into().unwrap()) as usize)
}

fn set(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

#[test]
fn entries_must_be_stored_once_and_whole() {
    assert_eq!(flaw(open("compressed.bin")), ZipFlaw::Compressed("archive/data.pkl".to_owned()));
    assert_eq!(flaw(open("duplicate.bin")), ZipFlaw::Duplicate("archive/data/0".to_owned()));
    assert_eq!(flaw(open("big_endian.bin")), ZipFlaw::BigEndian);
    for (name, expected) in [
        ("no_storage.bin", Flaw::NoStorage("0".to_owned())),
        ("short_storage.bin", Flaw::Storage { needed: 48, got: 47 }),
    ] {
        match fault(open(name)) {
            PickleError::Pickle { flaw, .. } => assert_eq!(flaw, expected),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn every_truncation_is_an_error() {
    for name in ["plain_zip.bin", "checkpoint.pth.tar"] {
        let zip = std::fs::read(data(name)).unwrap();
        for len in 4..zip.len() {
            assert_eq!(flaw(read(&zip[..len])), ZipFlaw::NoEnd);
        }
    }
}

#[test]
fn a_directory_that_lies() {
    let (end, start) = ends(&good());
    let changed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut zip = good();
        change(&mut zip);
        read(zip)
    };
    // Counts, lengths and places in the end record.
    for at in [end + 8, end + 12, end + 16] {
        assert!(matches!(flaw(changed(&|zip| set(zip, at, u32::MAX))), ZipFlaw::Record(_)), "{at}");
    }
    // Lengths and places in the first entry; all ones mean zip64 fields, which are not there.
    for (field, value) in [(20, u32::MAX), (24, 5000), (24, 1), (42, u32::MAX), (42, 100_000), (42, 1)] {
        let result = changed(&|zip| set(zip, start + field, value));
        assert!(matches!(flaw(result), ZipFlaw::Record(_)), "{field} {value}");
    }
    // Both lengths of the first entry, so that it covers the next one.
    let result = changed(&|zip| {
        set(zip, start + 20, 400);
        set(zip, start + 24, 400);
    });
    assert!(matches!(flaw(result), ZipFlaw::Overlap(_)));
    // A name that the local header does not have.
    let result = changed(&|zip| zip[start + 46] = b'x');
    assert!(matches!(flaw(result), ZipFlaw::Record(_)));
}

#[test]
fn zips_that_are_no_checkpoints() {
    let mut empty = b"PK\x05\x06".to_vec();
    empty.extend([0; 18]);
    assert_eq!(flaw(read(empty)), ZipFlaw::NoPickle);
    let mut zip = good();
    while let Some(at) = zip.windows(8).position(|name| name == b"data.pkl") {
        zip[at] = b'D';
    }
    assert_eq!(flaw(read(zip)), ZipFlaw::NoPickle);
}

#[test]
fn a_zip64_directory() {
    let mut zip = good();
    let (end, start) = ends(&zip);
    let n = u64::from(zip[end + 10]);
    let tail = zip.split_off(end);
    let mut record = b"PK\x06\x06".to_vec();
    record.extend(44u64.to_le_bytes());
    record.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for field in [n, n, (end - start) as u64, start as u64] {
        record.extend(field.to_le_bytes());
    }
    zip.extend(&record);
    zip.extend(b"PK\x06\x07\0\0\0\0");
    zip.extend((end as u64).to_le_bytes());
    zip.extend([1, 0, 0, 0]);
    zip.extend(&tail);
    let at = zip.len() - 22;
    set(&mut zip, at + 12, u32::MAX);
    set(&mut zip, at + 16, u32::MAX);
    assert!(read(zip.clone()).unwrap().root().get("a").unwrap().as_tensor().is_some());
    let record = end;
    for field in [32, 40, 48] {
        let mut lying = zip.clone();
        lying[record + field + 7] = 0xff;
        assert!(matches!(flaw(read(lying)), ZipFlaw::Record(_)));
    }
}
