//! Many callers at once beside a search in f64.

use std::{
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

use half::f16;
use proptest::prelude::*;

use super::*;
use crate::rows::quantize;

/// Owned rows.
#[derive(Clone)]
struct Owned {
    dim: usize,
    form: u8,
    f32s: Vec<f32>,
    bits: Vec<u16>,
    codes: Vec<i8>,
    scales: Vec<f32>,
}

impl Source for Owned {
    fn rows(&self) -> Rows<'_> {
        match self.form {
            0 => Rows::F32(&self.f32s),
            1 => Rows::F16(&self.bits),
            _ => Rows::Int8 { codes: &self.codes, scales: &self.scales, exact: &self.f32s },
        }
    }
    fn dim(&self) -> usize {
        self.dim
    }
}

/// Numbers of −1 … 1, the same for the same seed.
fn numbers(seed: u64, n: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

fn unit(mut vector: Vec<f32>) -> Vec<f32> {
    let norm = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    vector.iter_mut().for_each(|value| *value /= norm);
    vector
}

impl Owned {
    fn new(form: u8, seed: u64, rows: usize, dim: usize) -> Self {
        let mut f32s = Vec::with_capacity(rows * dim);
        for row in 0..rows {
            // Some rows are there twice, and some nearly.
            let row = if row % 7 == 3 { row / 2 } else { row };
            f32s.extend(unit(numbers(seed + row as u64, dim)));
        }
        Self::of(form, dim, f32s)
    }

    fn of(form: u8, dim: usize, f32s: Vec<f32>) -> Self {
        let bits: Vec<u16> = f32s.iter().map(|value| f16::from_f32(*value).to_bits()).collect();
        let (mut codes, mut scales, mut row_codes) = (Vec::new(), Vec::new(), Vec::new());
        for row in f32s.chunks(dim) {
            scales.push(quantize(row, &mut row_codes));
            codes.extend_from_slice(&row_codes);
        }
        Self { dim, form, f32s, bits, codes, scales }
    }

    /// The cosine of a row in f64; halves of a unit vector may be a little longer than 1, which is cut off.
    fn score(&self, row: usize, query: &[f32]) -> f64 {
        let of = |n: usize| match self.form {
            1 => f16::from_bits(self.bits[n]).to_f64(),
            _ => f64::from(self.f32s[n]),
        };
        (0..self.dim).map(|d| of(row * self.dim + d) * f64::from(query[d])).sum::<f64>().clamp(-1.0, 1.0)
    }
}

/// Asserts that these are the best of the rows that may be found, by scores in f64.
fn assert_best(hits: &[Hit], source: &Owned, query: &[f32], k: usize, may: impl Fn(usize) -> bool) {
    let rows = source.f32s.len() / source.dim;
    let mut expected: Vec<(f64, usize)> =
        (0..rows).filter(|row| may(*row)).map(|row| (source.score(row, query), row)).collect();
    expected.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    expected.truncate(k);
    assert_eq!(hits.len(), expected.len());
    for (hit, (score, _)) in hits.iter().zip(&expected) {
        // Place by place the scores are the best ones, and each row's is its own: rows may differ where scores do not.
        assert!((f64::from(hit.score) - score).abs() < 1e-5, "{hit:?} is not {score}");
        assert!((f64::from(hit.score) - source.score(hit.row, query)).abs() < 1e-5);
        assert!(may(hit.row));
    }
    for pair in hits.windows(2) {
        let order = pair[1].score.total_cmp(&pair[0].score).then(pair[0].row.cmp(&pair[1].row));
        assert!(order.is_lt(), "{pair:?} are out of order, or one row was found twice");
    }
}

fn small(threads: usize) -> Scanner {
    // Few rows a block, so that there are many.
    Scanner::new(Settings { threads, block_bytes: 1, together: 3 }).unwrap()
}

fn job(source: &Arc<Owned>, query: Vec<f32>, k: usize) -> Job {
    Job { source: Arc::clone(source) as Arc<dyn Source>, query, k, admit: None, accept: None }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn finds_the_best_under_concurrency(
        seed in 0u64..1 << 40,
        rows in prop::array::uniform2(0usize..900),
        dim in 1usize..70,
        forms in prop::array::uniform2(0u8..3),
        k in prop::sample::select(vec![1usize, 2, 10, 100, 1000]),
        every in 1usize..80,
        threads in 1usize..4,
    ) {
        let sources = [0, 1].map(|n| Arc::new(Owned::new(forms[n], seed + n as u64, rows[n], dim)));
        let scanner = small(threads);
        std::thread::scope(|scope| {
            for caller in 0..6usize {
                let (scanner, sources) = (&scanner, &sources);
                scope.spawn(move || {
                    for turn in 0..3usize {
                        let source = &sources[(caller + turn) % 2];
                        let rows = source.f32s.len() / dim;
                        let query = unit(numbers(seed ^ (caller * 8 + turn) as u64, dim));
                        let mut job = job(source, query.clone(), k);
                        let (by_set, by_test) = (caller % 3 == 1, caller % 2 == 1);
                        if by_set {
                            job.admit = Some(Arc::new(Bitmap::of(rows, |row| row % every == turn)));
                        }
                        if by_test {
                            job.accept = Some(Box::new(|row| row % 5 != 2));
                        }
                        let may = |row: usize| {
                            (!by_set || row % every == turn) && (!by_test || row % 5 != 2)
                        };
                        assert_best(&scanner.search(job).unwrap(), source, &query, k, may);
                    }
                });
            }
        });
    }

    /// A team in company, one thread alone, and the exact rows: the same bits for all.
    #[test]
    fn hits_have_the_same_bits_in_any_company(
        seed in 0u64..1 << 40, rows in 1usize..3000, dim in 1usize..40, k in 1usize..50, sparse in 1usize..100,
    ) {
        let coded = Arc::new(Owned::new(2, seed, rows, dim));
        let exact = Arc::new(Owned { form: 0, ..(*coded).clone() });
        let query = unit(numbers(seed + 7, dim));
        let admit = Arc::new(Bitmap::of(rows, |row| row % sparse == 0));
        let expected = nearest(exact.rows(), dim, &[&query], k, Some(&admit)).unwrap().remove(0);
        let scanner = small(3);
        let (sender, receiver) = mpsc::channel();
        for n in 0..7usize {
            let sender = sender.clone();
            let job = Job { admit: Some(Arc::clone(&admit)), ..job(if n % 2 == 0 { &coded } else { &exact }, query.clone(), k) };
            scanner.submit(job, Box::new(move |result| sender.send(result).unwrap())).unwrap().detach();
        }
        for _ in 0..7 {
            prop_assert_eq!(&receiver.recv().unwrap().unwrap(), &expected);
        }
    }
}

/// Rows that codes cannot tell apart, stored from the worst to the best: nothing is left out for that.
#[test]
fn codes_decide_nothing_that_they_cannot_see() {
    let (rows, dim) = (2000, 9);
    let base = numbers(3, dim);
    let query = unit(numbers(4, dim));
    let mut vectors: Vec<Vec<f32>> = (0..rows)
        .map(|row| {
            let noise = numbers(100 + row as u64, dim);
            unit(base.iter().zip(noise).map(|(a, b)| a + b * 1e-3).collect())
        })
        .collect();
    let score = |row: &Vec<f32>| row.iter().zip(&query).map(|(a, b)| a * b).sum::<f32>();
    vectors.sort_by(|a, b| score(a).total_cmp(&score(b)));
    let coded = Owned::of(2, dim, vectors.concat());
    let exact = Owned { form: 0, ..coded.clone() };
    for k in [1, 10, 500] {
        let found = |source: &Owned| nearest(source.rows(), dim, &[&query], k, None).unwrap();
        assert_eq!(found(&coded), found(&exact));
        assert_best(&found(&coded)[0], &exact, &query, k, |_| true);
    }
}

#[test]
fn the_margin_bounds_every_error_and_little_more() {
    for (seed, dim) in [(1, 1), (2, 3), (3, 64), (4, 256), (5, 1000)] {
        let query = unit(numbers(seed, dim));
        let source = Owned::new(2, seed + 50, 500, dim);
        let margin = bound::margin(&query);
        let l1: f32 = query.iter().map(|value| value.abs()).sum();
        assert!((0.5 * l1..0.51 * l1).contains(&margin));
        for row in 0..500 {
            let codes = &source.codes[row * dim..][..dim];
            let coded: f64 =
                codes.iter().zip(&query).map(|(code, value)| f64::from(*code) * f64::from(*value)).sum();
            let scale = f64::from(source.scales[row]);
            assert!((coded * scale - source.score(row, &query)).abs() <= scale * f64::from(margin));
        }
    }
}

#[test]
fn what_is_no_number_is_never_found() {
    for form in [0, 2] {
        let mut f32s = Owned::new(0, 1, 300, 20).f32s;
        f32s[40 * 20] = f32::NAN;
        let source = Owned::of(form, 20, f32s);
        let query = unit(numbers(2, 20));
        let hits = nearest(source.rows(), 20, &[&query], 1000, None).unwrap().remove(0);
        assert_eq!(hits.len(), 299);
        assert!(hits.iter().all(|hit| hit.row != 40));
        let query = vec![f32::NAN; 20];
        assert_eq!(nearest(source.rows(), 20, &[&query], 10, None).unwrap(), [[]]);
    }
}

#[test]
fn refuses_what_does_not_fit() {
    let source = Arc::new(Owned::new(2, 1, 10, 4));
    let scanner = small(1);
    let dim = scanner.search(job(&source, vec![0.0; 3], 1));
    assert_eq!(dim, Err(ScanError::Dim { got: 3, expected: 4 }));
    let admit = Some(Arc::new(Bitmap::none(9)));
    let admitted = scanner.search(Job { admit, ..job(&source, vec![0.0; 4], 1) });
    assert_eq!(admitted, Err(ScanError::Admitted { got: 9, expected: 10 }));
    for broken in [
        Owned { scales: vec![1.0; 9], ..(*source).clone() },
        Owned { codes: vec![1; 39], ..(*source).clone() },
        Owned { dim: 0, ..(*source).clone() },
    ] {
        let dim = broken.dim;
        let shape = scanner.search(job(&Arc::new(broken), vec![0.0; dim], 1));
        assert_eq!(shape, Err(ScanError::Shape { dim }));
    }
    assert_eq!(scanner.search(job(&source, vec![0.0; 4], 0)), Ok(vec![]));
    assert_eq!(scanner.search(job(&Arc::new(Owned::new(0, 1, 0, 4)), vec![0.0; 4], 5)), Ok(vec![]));
}

/// A source whose rows wait until they are let go.
struct Held {
    rows: Owned,
    gate: (Mutex<bool>, Condvar),
    blocks: AtomicUsize,
}

impl Held {
    fn new() -> Arc<Self> {
        let rows = Owned::new(0, 1, 64 * 10, 4);
        Arc::new(Self { rows, gate: (Mutex::new(true), Condvar::new()), blocks: AtomicUsize::new(0) })
    }

    fn open(&self) {
        *self.gate.0.lock().unwrap() = false;
        self.gate.1.notify_all();
    }
}

impl Source for Held {
    fn rows(&self) -> Rows<'_> {
        if std::thread::current().name().is_some_and(|name| name.starts_with("scan-")) {
            self.blocks.fetch_add(1, Ordering::SeqCst);
            drop(self.gate.1.wait_while(self.gate.0.lock().unwrap(), |held| *held).unwrap());
        }
        self.rows.rows()
    }
    fn dim(&self) -> usize {
        self.rows.dim()
    }
}

type Answers = mpsc::Receiver<(usize, Result<Vec<Hit>, ScanError>)>;

/// `n` searches of a held source, of which the first has taken a block.
fn held(scanner: &Scanner, source: &Arc<Held>, n: usize) -> (Vec<Pending>, Answers) {
    let (sender, receiver) = mpsc::channel();
    let submit = |n: usize| {
        let (sender, source) = (sender.clone(), Arc::clone(source) as Arc<dyn Source>);
        let job = Job { source, query: unit(numbers(n as u64, 4)), k: 3, admit: None, accept: None };
        scanner.submit(job, Box::new(move |result| sender.send((n, result)).unwrap())).unwrap()
    };
    let mut pending = vec![submit(0)];
    while source.blocks.load(Ordering::SeqCst) == 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    pending.extend((1..n).map(submit));
    (pending, receiver)
}

/// Ten blocks and one thread: searches that come during the first block need one block more than it, not ten.
#[test]
fn searches_that_come_later_join_at_once() {
    let (scanner, source) = (small(1), Held::new());
    let (_pending, answers) = held(&scanner, &source, 3);
    source.open();
    for _ in 0..3 {
        let (n, result) = answers.recv().unwrap();
        assert_best(&result.unwrap(), &source.rows, &unit(numbers(n as u64, 4)), 3, |_| true);
    }
    assert_eq!(source.blocks.load(Ordering::SeqCst), 11);
}

/// Three are together; seven need three rounds, in the order in which they came.
#[test]
fn more_than_may_share_a_pass_wait_in_order() {
    let (scanner, source) = (small(1), Held::new());
    let (_pending, answers) = held(&scanner, &source, 7);
    source.open();
    let order: Vec<usize> = (0..7).map(|_| answers.recv().unwrap().0).collect();
    assert_eq!(order, [0, 1, 2, 3, 4, 5, 6]);
    assert!((30..=32).contains(&source.blocks.load(Ordering::SeqCst)));
}

#[test]
fn a_search_that_is_taken_back_ends_and_costs_no_more() {
    let (scanner, source) = (small(1), Held::new());
    let (pending, answers) = held(&scanner, &source, 5);
    drop(pending);
    for expected in 0..5 {
        assert_eq!(answers.recv().unwrap(), (expected, Err(ScanError::Cancelled)));
    }
    source.open();
    // Another source's search passes after the one block that was under way.
    let other = Arc::new(Owned::new(0, 1, 100, 4));
    assert_eq!(scanner.search(job(&other, vec![0.5; 4], 5)).unwrap().len(), 5);
    assert_eq!(source.blocks.load(Ordering::SeqCst), 1);
    drop(scanner);
    assert_eq!(Arc::strong_count(&source), 1, "nobody holds the rows any more");
}

#[test]
fn a_search_that_is_not_wanted_any_more_is_taken_back() {
    let (scanner, source) = (small(1), Held::new());
    let held = Arc::clone(&source) as Arc<dyn Source>;
    let asked = Job { source: held, query: vec![0.5; 4], k: 3, admit: None, accept: None };
    let wanted = || source.blocks.load(Ordering::SeqCst) == 0;
    assert_eq!(scanner.search_while(asked, &wanted), Err(ScanError::Cancelled));
    source.open();
    let other = Arc::new(Owned::new(0, 1, 100, 4));
    assert_eq!(scanner.search_while(job(&other, vec![0.5; 4], 5), &|| true).unwrap().len(), 5);
    assert_eq!(source.blocks.load(Ordering::SeqCst), 1, "nothing more of it was scanned");
}

/// One after another's block: the small source's search ends long before the large one's.
#[test]
fn sources_take_turns() {
    let (scanner, source) = (small(1), Held::new());
    let (_pending, answers) = held(&scanner, &source, 1);
    let other = Arc::new(Owned::new(0, 1, 64, 4));
    let (sender, receiver) = mpsc::channel();
    let seen = Arc::clone(&source);
    let done = move |_| sender.send(seen.blocks.load(Ordering::SeqCst)).unwrap();
    scanner.submit(job(&other, vec![0.5; 4], 5), Box::new(done)).unwrap().detach();
    source.open();
    assert!(receiver.recv().unwrap() <= 2);
    assert!(answers.recv().unwrap().1.is_ok());
}

#[test]
fn closing_ends_what_is_under_way() {
    let (scanner, source) = (small(2), Held::new());
    let (_pending, answers) = held(&scanner, &source, 4);
    let opener = {
        let source = Arc::clone(&source);
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            source.open();
        })
    };
    drop(scanner);
    opener.join().unwrap();
    let mut ended: Vec<usize> = answers
        .try_iter()
        .map(|(n, result)| {
            assert_eq!(result, Err(ScanError::Closed));
            n
        })
        .collect();
    ended.sort_unstable();
    assert_eq!(ended, [0, 1, 2, 3]);
}

/// The last owner of a scanner may be a search of its own.
#[test]
fn a_scanner_may_be_dropped_by_its_own_thread() {
    let (scanner, source) = (Arc::new(small(2)), Arc::new(Owned::new(0, 1, 300, 4)));
    let (sender, receiver) = mpsc::channel();
    let own = Arc::clone(&scanner);
    let (gate, opened) = mpsc::channel::<()>();
    let done = move |result: Result<Vec<Hit>, ScanError>| {
        opened.recv().unwrap();
        drop(own);
        sender.send(result.map(|hits| hits.len())).unwrap();
    };
    scanner.submit(job(&source, vec![0.5; 4], 5), Box::new(done)).unwrap().detach();
    drop(scanner);
    gate.send(()).unwrap();
    assert_eq!(receiver.recv().unwrap(), Ok(5));
}

#[test]
fn a_test_or_a_caller_that_panics_hurts_no_other() {
    let (scanner, source) = (small(1), Arc::new(Owned::new(0, 1, 300, 4)));
    let accept: Accept = Box::new(|row| if row == 5 { panic!("a test that breaks") } else { true });
    let broken = scanner.search(Job { accept: Some(accept), ..job(&source, vec![0.5; 4], 300) });
    assert_eq!(broken, Err(ScanError::Predicate));
    let done: Done = Box::new(|_| panic!("a caller that breaks"));
    scanner.submit(job(&source, vec![0.5; 4], 5), done).unwrap().detach();
    assert_eq!(scanner.search(job(&source, vec![0.5; 4], 5)).unwrap().len(), 5);
}
