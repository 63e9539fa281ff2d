//! Every file of a generation is truncated, lengthened, removed, flipped, exchanged: the error names it, and what was
//! served is served still.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use fondue_index::{Generation, Hit, Index, Precision, Root};

use crate::stand::{Stand, at_fault, found, use_it};

/// Of larger files not every byte is flipped, but so many.
const SMALL: usize = 100;
const SAMPLE: usize = 20;

/// An index that serves the good generation while the other one is attacked.
struct Served<'a> {
    stand: &'a Stand,
    folder: PathBuf,
    index: Index,
    before: Vec<Hit>,
    attacks: usize,
}

impl<'a> Served<'a> {
    fn new(stand: &'a Stand) -> Self {
        let index = stand.index();
        let before = found(&index);
        Self { stand, folder: stand.folder(), index, before, attacks: 0 }
    }

    /// The attacked generation, as it lies there, does not become the active one, for the sake of one of these files.
    #[track_caller]
    fn refuses(&mut self, names: &[&str], what: &str) {
        self.attacks += 1;
        let refused = self.index.activate(&self.stand.attacked);
        let Err(error) = refused else { panic!("{names:?}, {what}: it was not noticed") };
        let path = at_fault(&error);
        assert!(names.iter().any(|name| *path == self.folder.join(name)), "{names:?}, {what}: {error}");
        let served = self.index.view("").unwrap();
        assert_eq!(served.generation().id(), self.stand.good, "{names:?}, {what}");
    }

    /// What opens can be used, though it must not be served.
    fn use_it(&self) {
        if let Ok(generation) = Generation::open(&self.folder) {
            use_it(&generation);
        }
    }

    /// Nothing of all that has changed what is served, for this process or the next; and the attacked one is whole.
    fn survived(self) {
        assert_eq!(found(&self.index), self.before);
        assert_eq!(Root::open(self.stand.root.path()).unwrap().active().unwrap(), self.stand.good);
        self.index.activate(&self.stand.attacked).unwrap();
    }
}

fn flips(len: usize) -> impl Iterator<Item = usize> {
    let step = if len <= SMALL { 1 } else { len / SAMPLE };
    (0..len).step_by(step).chain(len.checked_sub(1))
}

fn attack_each_file(precision: Precision) {
    let stand = Stand::new(precision);
    let mut served = Served::new(&stand);
    let files = stand.files();
    assert_eq!(files.len(), 20);
    for (name, whole) in &files {
        assert!(whole.len() > 1, "{name}");
        for len in [whole.len() - 1, whole.len() / 2, 0] {
            stand.put(name, &whole[..len]);
            served.refuses(&[name], &format!("{len} of {} bytes", whole.len()));
        }
        for more in [0, b'x'] {
            stand.put(name, &[whole, &[more][..]].concat());
            served.refuses(&[name], "a byte more");
        }
        for at in flips(whole.len()) {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << (at % 8);
            stand.put(name, &flipped);
            served.refuses(&[name], &format!("a bit of byte {at}"));
            if at % 20 == 0 {
                served.use_it();
            }
        }
        put_others(&mut served, name);
        stand.put(name, whole);
    }
    println!("{precision}: {} attacks", served.attacks);
    served.survived();
}

/// Nothing, and what is no file, in a file's place.
fn put_others(served: &mut Served<'_>, name: &str) {
    let path = served.folder.join(name);
    fs::remove_file(&path).unwrap();
    served.refuses(&[name], "removed");
    fs::create_dir(&path).unwrap();
    served.refuses(&[name], "a folder");
    fs::remove_dir(&path).unwrap();
    for to in [Path::new(name), Path::new("/dev/zero")] {
        symlink(to, &path).unwrap();
        served.refuses(&[name], &format!("a link to {}", to.display()));
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn each_file_of_whole_values_is_missed_when_it_is_attacked() {
    attack_each_file(Precision::F32);
}

#[test]
fn each_file_of_halves_is_missed_when_it_is_attacked() {
    attack_each_file(Precision::F16);
}

#[test]
fn each_file_of_codes_is_missed_when_it_is_attacked() {
    attack_each_file(Precision::Int8);
}

#[test]
fn exchanged_and_foreign_files_are_named() {
    for precision in Precision::ALL {
        let stand = Stand::new(precision);
        let mut served = Served::new(&stand);
        let files = stand.files();
        for (at, (a, a_bytes)) in files.iter().enumerate() {
            for (b, b_bytes) in &files[at + 1..] {
                assert_ne!(a_bytes, b_bytes, "{a} and {b} could not be told apart");
                stand.put(a, b_bytes);
                stand.put(b, a_bytes);
                served.refuses(&[a, b], "exchanged");
                stand.put(a, a_bytes);
                stand.put(b, b_bytes);
            }
        }
        // Of the same names, and of another generation.
        let good = stand.root.path().join("generations").join(&stand.good);
        for (name, whole) in &files {
            let Ok(other) = fs::read(good.join(name)) else { continue };
            stand.put(name, &other);
            // The files that do not fit a manifest are at fault, if it is one.
            let all: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
            let at_fault = if name == "manifest.json" { all } else { vec![name.as_str()] };
            served.refuses(&at_fault, "another generation's");
            stand.put(name, whole);
        }
        for name in ["more", ".hidden", "graph.more", "column-9.u64", "manifest.json~", "Ids.blob", "ä"] {
            let path = served.folder.join(name);
            fs::write(&path, "").unwrap();
            served.refuses(&[name], "a foreign file");
            fs::remove_file(&path).unwrap();
            fs::create_dir(&path).unwrap();
            served.refuses(&[name], "a foreign folder");
            fs::remove_dir(&path).unwrap();
        }
        served.survived();
    }
}

#[test]
fn a_whole_generation_under_anothers_id_is_named() {
    let stand = Stand::new(Precision::F16);
    let (index, other) = (stand.index(), "g0123456789abcdef");
    let folder = stand.folder().with_file_name(other);
    fs::create_dir(&folder).unwrap();
    for (name, bytes) in stand.files() {
        fs::write(folder.join(name), bytes).unwrap();
    }
    let error = index.activate(other).unwrap_err();
    assert_eq!(at_fault(&error), folder.join("manifest.json"), "{error}");
    assert!(error.to_string().contains(&stand.attacked), "{error}");
    assert_eq!(Root::open(stand.root.path()).unwrap().active().unwrap(), stand.good);
}

#[test]
fn what_is_damaged_while_it_is_served_is_told_and_another_takes_its_place() {
    let stand = Stand::new(Precision::Int8);
    let root = Root::open(stand.root.path()).unwrap();
    root.activate(&stand.attacked).unwrap();
    let serving = stand.index();
    let before = found(&serving);
    for (name, whole) in &stand.files() {
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 4;
        stand.put(name, &flipped);
        // Who has mapped it has it as it was.
        assert_eq!(found(&serving), before, "{name}");
        // Who comes now is told, at once or when the checksums are compared.
        let index = Index::open_to_read(stand.root.path(), crate::stand::SETTINGS);
        let error = match &index {
            Ok(index) => index.verify().unwrap_err(),
            Err(_) => Generation::open(&stand.folder()).err().unwrap(),
        };
        assert_eq!(at_fault(&error), stand.folder().join(name), "{error}");
        if let Ok(index) = index {
            assert_eq!(index.fall_back().as_deref(), Some(&*stand.good), "{name}");
            assert_eq!(index.view("").unwrap().generation().id(), stand.good);
        }
        assert_eq!(root.active().unwrap(), stand.attacked, "what is active is the folder's to say");
        stand.put(name, whole);
    }
    stand.index().verify().unwrap();
}
