//! Records that are cut or damaged at any byte.

use super::*;

fn outcome(n: u64) -> Outcome {
    let picture = match n % 3 {
        0 => Picture::Nothing,
        1 => Picture::File,
        _ => Picture::Bytes(vec![n as u8; n as usize]),
    };
    if n.is_multiple_of(4) {
        return Outcome::Bad { reason: format!("reason {n}") };
    }
    let sha256 = [n as u8; 32];
    Outcome::Seen(Seen {
        embedding: vec![n as f32, 0.5],
        sha256,
        media_type: "image/png".to_owned(),
        picture,
    })
}

/// Keeps these entries.
fn keep(index: &Path, entries: impl Iterator<Item = u64>) {
    let mut kept = Kept::open(index, "k", 10, false).unwrap();
    for n in entries {
        kept.add(n, &outcome(n)).unwrap();
    }
    kept.flush().unwrap();
}

#[test]
fn what_was_kept_is_there_in_any_order() {
    let index = tempfile::tempdir().unwrap();
    keep(index.path(), [7, 2, 9].into_iter());
    keep(index.path(), [0, 1, 8].into_iter());
    let kept = Kept::open(index.path(), "k", 10, false).unwrap();
    for n in 0..10 {
        let expected = [0, 1, 2, 7, 8, 9].contains(&n).then(|| outcome(n));
        assert_eq!((kept.is_done(n), kept.get(n).unwrap()), (expected.is_some(), expected), "{n}");
    }
    assert_eq!(kept.n_done(), 6);
    // One process at a time.
    let error = Kept::open(index.path(), "k", 10, false).err().unwrap().to_string();
    assert!(error.contains("another process"), "{error}");
    drop(kept);
    assert_eq!(Kept::open(index.path(), "other", 10, false).unwrap().n_done(), 0);
    let fresh = Kept::open(index.path(), "k", 10, true).unwrap();
    assert_eq!(fresh.n_done(), 0);
    fresh.remove().unwrap();
    assert!(!index.path().join(".resume-k").exists());
}

#[test]
fn cut_anywhere_it_goes_on_from_the_last_whole_record() {
    let index = tempfile::tempdir().unwrap();
    keep(index.path(), 0..10);
    let path = index.path().join(".resume-k/rows");
    let whole = fs::read(&path).unwrap();
    let ends: Vec<u64> =
        Kept::open(index.path(), "k", 10, false).unwrap().places.iter().skip(1).copied().collect();
    for cut in 0..whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let mut kept = Kept::open(index.path(), "k", 10, false).unwrap();
        let n_whole = ends.iter().filter(|&&end| end <= cut as u64).count() as u64;
        assert_eq!(kept.n_done(), n_whole, "{cut}");
        for n in n_whole..10 {
            kept.add(n, &outcome(n)).unwrap();
        }
        kept.flush().unwrap();
        drop(kept);
        assert!(fs::read(&path).unwrap() == whole, "{cut}");
    }
}

#[test]
fn a_flipped_bit_is_never_taken_for_a_record() {
    let index = tempfile::tempdir().unwrap();
    keep(index.path(), 0..10);
    let path = index.path().join(".resume-k/rows");
    let whole = fs::read(&path).unwrap();
    for bit in 0..whole.len() * 8 {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &flipped).unwrap();
        let kept = Kept::open(index.path(), "k", 10, false).unwrap();
        for n in 0..10 {
            let found = kept.get(n).unwrap();
            assert!(found.is_none_or(|found| found == outcome(n)), "{bit}");
        }
    }
}
