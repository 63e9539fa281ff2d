//! Changes are seen at once, outlive the process, and go through compactions and activations.

use std::{collections::HashSet, time::Duration};

use fondue_domain::Embedding;

use super::*;
use crate::{
    Builder, Exclusions, Filter, How, Item, Metadata, Precision, Query, Searcher, Value,
    graph::{Graphing, Params},
    metadata::Kind,
};

const DIM: usize = 6;

const SETTINGS: Settings = Settings {
    verify: true,
    max_open: 2,
    collect_after: Duration::ZERO,
    graphing: Graphing { above: 100, params: Params { m: 4, ef_construction: 20, threads: 1 } },
    limits: Limits { changes: 1000, bytes: 1 << 20, batch_bytes: 1 << 16 },
};

fn vector(seed: usize) -> Embedding {
    let value = |n: usize| ((seed * 7919 + n * 104_729 + seed * n * 31) % 2003) as f32 / 1001.0 - 1.0;
    Embedding::normalized((0..DIM).map(value).collect()).unwrap()
}

/// Picture `id` as of some version: vector, bytes and caption tell both.
fn new(id: usize, version: usize) -> (NewItem, Embedding) {
    let mut metadata = Metadata::new();
    metadata.set("version", Value::Number(version as f64)).unwrap();
    let item = Item {
        id: id.to_string(),
        caption: format!("{id} v{version}"),
        media_type: "image/png".to_owned(),
        metadata,
        ..Item::default()
    };
    let picture = Some(format!("{id}-{version}").into_bytes());
    (NewItem { item, picture, sha256: [id as u8; 32] }, vector(id + 1000 * version))
}

fn built(ids: std::ops::Range<usize>, precision: Precision) -> (tempfile::TempDir, String) {
    let root = tempfile::tempdir().unwrap();
    let id = build(root.path(), ids, precision);
    Root::open(root.path()).unwrap().activate(&id).unwrap();
    (root, id)
}

fn build(root: &Path, ids: std::ops::Range<usize>, precision: Precision) -> String {
    let mut builder =
        Builder::new(root, DIM, "model").unwrap().seen_by("tower").stored_as(precision).unwrap();
    for id in ids {
        let (new, vector) = new(id, 0);
        builder.add(new, &vector).unwrap();
    }
    builder.publish().unwrap()
}

fn open(root: &Path) -> Index {
    Index::open(root, SETTINGS).unwrap()
}

/// What is there, by id, with its version; all ways of looking must agree.
fn content(index: &Index, searcher: &Searcher) -> Vec<(usize, usize)> {
    let view = index.view("").unwrap();
    let (filter, exclusions) = (Filter::default(), Exclusions::default());
    let vector = vector(77);
    let query = Query { vector: &vector, k: 10_000, filter: &filter, exclusions: &exclusions };
    let found = view.search(&query).unwrap();
    assert_eq!(searcher.search(&view, &query, How::Nearly { ef: None }).unwrap().found.len(), found.len());
    let mut content: Vec<(usize, usize)> = found
        .iter()
        .map(|found| {
            let item = view.item(found.place).unwrap();
            let bytes = String::from_utf8(view.picture(found.place).unwrap()).unwrap();
            let (id, version) = bytes.split_once('-').unwrap();
            assert_eq!((item.id.as_str(), item.caption), (id, format!("{id} v{version}")));
            assert_eq!(view.find(id).unwrap(), Some(found.place));
            (id.parse().unwrap(), version.parse().unwrap())
        })
        .collect();
    assert_eq!(view.len(), content.len());
    content.sort_unstable();
    content
}

fn versions(of: &[(std::ops::Range<usize>, usize)]) -> Vec<(usize, usize)> {
    of.iter().flat_map(|(ids, version)| ids.clone().map(|id| (id, *version))).collect()
}

fn ids(ids: std::ops::Range<usize>) -> Vec<String> {
    ids.map(|id| id.to_string()).collect()
}

#[test]
fn changes_are_seen_at_once_and_after_a_restart() {
    let (root, generation) = built(0..10, Precision::F32);
    let searcher = Searcher::new(2, 64).unwrap();
    let index = open(root.path());
    assert!(index.writable());
    let done = index.ingest((8..13).map(|id| new(id, 1)).collect()).unwrap();
    assert_eq!(done, Ingested { replaced: 2, generation: generation.clone() });
    assert_eq!(content(&index, &searcher), versions(&[(0..8, 0), (8..13, 1)]));
    let done = index.delete(ids(5..9)).unwrap();
    assert_eq!(done, Deleted { deleted: 4, generation });
    assert_eq!(index.delete(ids(5..9)).unwrap().deleted, 0);
    // One batch may put, replace and have been put before.
    index.ingest(vec![new(6, 2), new(6, 3), new(12, 3)]).unwrap();
    let expected = versions(&[(0..5, 0), (6..7, 3), (9..12, 1), (12..13, 3)]);
    assert_eq!(content(&index, &searcher), expected);
    drop(index);
    let index = open(root.path());
    assert_eq!((content(&index, &searcher), index.cut()), (expected, 0));
    let view = index.view("").unwrap();
    assert_eq!((view.added(), view.removed()), (5, 5));
    assert_eq!(view.fields().collect::<Vec<_>>(), [("version", Kind::Number)]);
}

#[test]
fn a_view_is_one_moment() {
    let (root, _) = built(0..4, Precision::F32);
    let index = open(root.path());
    let before = index.view("").unwrap();
    index.ingest(vec![new(9, 1)]).unwrap();
    index.delete(ids(0..2)).unwrap();
    assert_eq!((before.len(), index.view("").unwrap().len()), (4, 3));
    assert!(before.find("9").unwrap().is_none() && before.find("0").unwrap().is_some());
}

#[test]
fn filters_and_exclusions_see_changes() {
    let (root, _) = built(0..10, Precision::F32);
    let (index, searcher) = (open(root.path()), Searcher::new(2, 64).unwrap());
    index.ingest((5..12).map(|id| new(id, 1)).collect()).unwrap();
    let filter = Filter {
        conditions: vec![crate::Condition {
            field: "version".to_owned(),
            test: crate::Test::AnyOf(vec![Value::Number(1.0)]),
            negate: false,
        }],
    };
    let exclusions = Exclusions { ids: ["5".to_owned(), "1".to_owned()].into(), sha256: [[6; 32]].into() };
    let (view, vector) = (index.view("").unwrap(), vector(3));
    for (filter, exclusions, left) in [
        (filter.clone(), Exclusions::default(), vec![5, 6, 7, 8, 9, 10, 11]),
        (filter, exclusions.clone(), vec![7, 8, 9, 10, 11]),
        (Filter::default(), exclusions, vec![0, 2, 3, 4, 7, 8, 9, 10, 11]),
    ] {
        for k in [1, 3, 100] {
            let query = Query { vector: &vector, k, filter: &filter, exclusions: &exclusions };
            let found = view.search(&query).unwrap();
            let served = searcher.search(&view, &query, How::Nearly { ef: None }).unwrap().found;
            assert_eq!(served.len(), found.len());
            for (a, b) in served.iter().zip(&found) {
                // Sums of another order.
                assert!(a.place == b.place && (a.score - b.score).abs() < 1e-6, "{served:?} {found:?}");
            }
            let mut there: Vec<usize> =
                found.iter().map(|found| view.item(found.place).unwrap().id.parse().unwrap()).collect();
            assert_eq!(there.len(), k.min(left.len()));
            there.sort_unstable();
            assert!(k < left.len() || there == left, "{there:?}");
        }
    }
}

#[test]
fn compaction_keeps_everything_and_takes_over() {
    for precision in Precision::ALL {
        let (root, first) = built(0..30, precision);
        let (index, searcher) = (open(root.path()), Searcher::new(1, 64).unwrap());
        let unchanged = index.compact(&mut |_, _| true).unwrap();
        assert_eq!((unchanged.generation.as_str(), unchanged.previous.as_str()), (&*first, &*first));
        index.ingest((25..40).map(|id| new(id, 1)).collect()).unwrap();
        index.delete(ids(0..5)).unwrap();
        let expected = versions(&[(5..25, 0), (25..40, 1)]);
        let mut steps = 0;
        let done = index
            .compact(&mut |done, total| {
                steps += 1;
                // Changes go on meanwhile, and are not lost.
                if done == 10 {
                    index.ingest(vec![new(99, 7)]).unwrap();
                    index.delete(ids(5..6)).unwrap();
                }
                total == 35
            })
            .unwrap();
        assert_eq!((steps, done.rows, done.previous.as_str()), (35, 35, &*first));
        let expected: Vec<_> = expected.into_iter().skip(1).chain([(99, 7)]).collect();
        assert_eq!(content(&index, &searcher), expected, "{precision}");
        let view = index.view("").unwrap();
        assert_eq!((view.generation().id(), view.generation().parent()), (&*done.generation, Some(&*first)));
        assert_eq!((view.added(), view.removed()), (1, 1));
        assert_eq!(view.generation().precision(), precision);
        assert_eq!(view.generation().vision_fingerprint(), Some("tower"));
        // The old one is as it was when it was left, for whoever stays with it.
        assert_eq!(index.view(&first).unwrap().len(), 35);
        drop(index);
        assert_eq!(content(&open(root.path()), &searcher), expected);
    }
}

#[test]
fn what_cannot_be_compacted_stays_as_it_is() {
    let (root, first) = built(0..3, Precision::F32);
    let index = open(root.path());
    index.ingest(vec![new(5, 1)]).unwrap();
    assert!(matches!(index.compact(&mut |_, _| false), Err(IndexError::Stopped)));
    let other = build(root.path(), 0..7, Precision::F32);
    let overtaken = index.compact(&mut |_, _| {
        Root::open(root.path()).unwrap().activate(&other).unwrap();
        true
    });
    assert!(matches!(overtaken, Err(IndexError::Overtaken)));
    let mut there = [first.clone(), other.clone()];
    there.sort();
    assert_eq!(index.generations().unwrap(), there, "what nobody needs is gone");
    index.activate(&first).unwrap();
    index.delete(ids(0..6)).unwrap();
    assert!(matches!(index.compact(&mut |_, _| true), Err(IndexError::NothingLeft)));
    assert!(index.view("").unwrap().is_empty());
}

#[test]
fn changes_stay_with_their_generation() {
    let (root, first) = built(0..3, Precision::F32);
    let (index, searcher) = (open(root.path()), Searcher::new(1, 64).unwrap());
    index.ingest(vec![new(3, 1)]).unwrap();
    let second = build(root.path(), 0..2, Precision::F32);
    assert_eq!(index.activate(&second).unwrap(), (second.clone(), first.clone()));
    index.ingest(vec![new(9, 1)]).unwrap();
    assert_eq!(content(&index, &searcher), [(0, 0), (1, 0), (9, 1)]);
    index.activate(&first).unwrap();
    assert_eq!(content(&index, &searcher), [(0, 0), (1, 0), (2, 0), (3, 1)]);
    index.activate(&first).unwrap();
    index.ingest(vec![new(4, 1)]).unwrap();
    drop(index);
    let index = open(root.path());
    assert_eq!(content(&index, &searcher), [(0, 0), (1, 0), (2, 0), (3, 1), (4, 1)]);
    assert_eq!(index.view(&second).unwrap().len(), 3);
}

#[test]
fn what_lives_on_in_the_active_one_is_collected_and_nothing_else() {
    let (root, first) = built(0..3, Precision::F32);
    let other = build(root.path(), 0..7, Precision::F32);
    let index = open(root.path());
    let mut all = vec![first.clone()];
    for version in 1..4 {
        index.ingest(vec![new(5, version)]).unwrap();
        all.push(index.compact(&mut |_, _| true).unwrap().generation);
    }
    let patient = Settings { collect_after: Duration::from_secs(3600), ..SETTINGS };
    drop(index);
    assert!(Index::open(root.path(), patient).unwrap().collect().unwrap().is_empty());
    let index = open(root.path());
    assert_eq!(index.collect().unwrap(), all[..3]);
    let mut left = [other, all[3].clone()];
    left.sort();
    assert_eq!(index.generations().unwrap(), left);
    assert!(matches!(index.view(&first), Err(IndexError::NoGeneration { .. })));
    assert_eq!(std::fs::read_dir(root.path().join("changes")).unwrap().count(), 1, "that of the active one");
}

#[test]
fn limits_are_kept_and_a_refused_batch_leaves_nothing() {
    let (root, _) = built(0..3, Precision::F32);
    let (index, searcher) = (open(root.path()), Searcher::new(1, 64).unwrap());
    let before = content(&index, &searcher);
    let (mut wrong, vector_) = new(8, 1);
    wrong.item.metadata.set("version", Value::Text("one".to_owned())).unwrap();
    let refused = index.ingest(vec![new(7, 1), (wrong, vector_)]).unwrap_err();
    assert!(matches!(refused, IndexError::FieldKind { .. }), "{refused}");
    let (mut nameless, vector_) = new(8, 1);
    nameless.item.id.clear();
    assert!(matches!(index.ingest(vec![(nameless, vector_)]), Err(IndexError::IdLength { .. })));
    let (short, _) = new(8, 1);
    let two = Embedding::normalized(vec![1.0, 1.0]).unwrap();
    assert!(matches!(index.ingest(vec![(short, two)]), Err(IndexError::Dim { .. })));
    let (mut large, vector_) = new(8, 1);
    large.picture = Some(vec![0; SETTINGS.limits.batch_bytes]);
    assert!(matches!(index.ingest(vec![(large, vector_)]), Err(IndexError::TooLargeBatch { .. })));
    assert_eq!(content(&index, &searcher), before);
    for batch in 0..10 {
        index.ingest((0..100).map(|n| new(100 + batch * 100 + n, 1)).collect()).unwrap();
    }
    let full = index.ingest(vec![new(1, 1)]).unwrap_err();
    assert!(matches!(full, IndexError::TooManyChanges { max: 1000, .. }), "{full}");
    assert_eq!(content(&index, &searcher).len(), 1003);
    index.compact(&mut |_, _| true).unwrap();
    index.ingest(vec![new(1, 1)]).unwrap();
    assert_eq!(content(&index, &searcher).len(), 1003);
}

#[test]
fn one_process_changes_an_index_and_others_read_it() {
    let (root, _) = built(0..3, Precision::F32);
    let index = open(root.path());
    index.ingest(vec![new(5, 1)]).unwrap();
    let reader = open(root.path());
    assert!(!reader.writable());
    assert_eq!(reader.view("").unwrap().len(), 4);
    for refused in [
        reader.ingest(vec![new(6, 1)]).map(drop),
        reader.delete(ids(0..1)).map(drop),
        reader.compact(&mut |_, _| true).map(drop),
        reader.collect().map(drop),
    ] {
        assert!(matches!(refused, Err(IndexError::Locked { .. })));
    }
    drop(index);
    let index = open(root.path());
    assert!(index.writable());
}

#[test]
fn many_callers_are_written_together_and_none_is_lost() {
    let (root, _) = built(0..3, Precision::F32);
    let (index, searcher) = (open(root.path()), Searcher::new(1, 64).unwrap());
    std::thread::scope(|scope| {
        for caller in 0..8 {
            let index = &index;
            scope.spawn(move || {
                for n in 0..20 {
                    index.ingest(vec![new(100 + caller * 20 + n, 1)]).unwrap();
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..5 {
                index.compact(&mut |_, _| true).unwrap();
            }
        });
    });
    let expected = versions(&[(0..3, 0), (100..260, 1)]);
    assert_eq!(content(&index, &searcher), expected);
    drop(index);
    assert_eq!(content(&open(root.path()), &searcher), expected);
}

/// What a generation holds, by id.
fn held(index: &Index, id: &str) -> Vec<String> {
    let view = index.view(id).unwrap();
    let mut held: Vec<String> =
        (0..300).map(|id| id.to_string()).filter(|id| view.find(id).unwrap().is_some()).collect();
    held.sort();
    held
}

#[test]
fn an_equal_compaction_takes_nothing_from_an_earlier_one() {
    let (root, first) = built(0..3, Precision::F32);
    let index = open(root.path());
    index.ingest(vec![new(3, 1)]).unwrap();
    let second = index.compact(&mut |_, _| true).unwrap().generation;
    index.ingest(vec![new(4, 1)]).unwrap();
    index.activate(&first).unwrap();
    let third = index.compact(&mut |_, _| true).unwrap().generation;
    assert_ne!(second, third);
    assert_eq!(held(&index, &second), ["0", "1", "2", "3", "4"]);
    assert_eq!(held(&index, &third), ["0", "1", "2", "3"]);
    index.view("").unwrap().generation().verify().unwrap();
}

#[test]
fn what_was_changed_after_its_compaction_is_not_collected() {
    let (root, first) = built(0..3, Precision::F32);
    let index = open(root.path());
    index.ingest(vec![new(3, 1)]).unwrap();
    let second = index.compact(&mut |_, _| true).unwrap().generation;
    index.activate(&first).unwrap();
    index.ingest(vec![new(4, 1)]).unwrap();
    index.activate(&second).unwrap();
    assert!(index.collect().unwrap().is_empty());
    assert_eq!(held(&index, &first), ["0", "1", "2", "3", "4"]);
    // It lives on in another one again.
    index.activate(&first).unwrap();
    let third = index.compact(&mut |_, _| true).unwrap().generation;
    let mut gone = index.collect().unwrap();
    gone.sort();
    let mut expected = [first, second];
    expected.sort();
    assert_eq!((gone.as_slice(), index.generations().unwrap()), (&expected[..], vec![third]));
}

#[test]
fn what_a_killed_process_left_is_collected() {
    let (root, first) = built(0..3, Precision::F32);
    let mut lost = Builder::new(root.path(), DIM, "model").unwrap().instead_of(&first);
    lost.add(new(1, 1).0, &vector(1)).unwrap();
    let lost = lost.publish().unwrap();
    let gone = root.path().join("generations").join(".collected-g0123456789abcdef");
    std::fs::create_dir_all(gone.join("x")).unwrap();
    std::fs::create_dir_all(root.path().join("changes")).unwrap();
    std::fs::write(root.path().join("changes/g0123456789abcdef.log"), "what").unwrap();
    let index = open(root.path());
    assert_eq!(index.collect().unwrap(), [lost]);
    assert!(!gone.exists() && std::fs::read_dir(root.path().join("changes")).unwrap().next().is_none());
    assert_eq!(index.generations().unwrap(), [first]);
}

#[test]
fn nothing_is_collected_while_a_restart_would_open_another_one() {
    let (root, first) = built(0..3, Precision::F32);
    let index = open(root.path());
    index.ingest(vec![new(3, 1)]).unwrap();
    let second = index.compact(&mut |_, _| true).unwrap().generation;
    Root::open(root.path()).unwrap().activate(&first).unwrap();
    assert!(index.collect().unwrap().is_empty());
    Root::open(root.path()).unwrap().activate(&second).unwrap();
    assert_eq!(index.collect().unwrap(), [first]);
}

#[test]
fn use_is_remembered_of_what_is_not_open_any_more() {
    let (root, first) = built(0..3, Precision::F32);
    let settings = Settings { max_open: 0, collect_after: Duration::from_millis(600), ..SETTINGS };
    let index = Index::open(root.path(), settings).unwrap();
    index.ingest(vec![new(3, 1)]).unwrap();
    index.compact(&mut |_, _| true).unwrap();
    std::thread::sleep(Duration::from_millis(650));
    index.view(&first).unwrap();
    assert!(index.collect().unwrap().is_empty());
    std::thread::sleep(Duration::from_millis(650));
    assert_eq!(index.collect().unwrap(), [first]);
}

#[test]
fn changes_that_undo_each_other_count_until_a_compaction_does_away_with_them() {
    let (root, first) = built(0..3, Precision::F32);
    let (index, searcher) = (open(root.path()), Searcher::new(1, 64).unwrap());
    let log = crate::changes::Log::path(root.path(), &first);
    for _ in 0..9 {
        index.ingest(vec![new(7, 1)]).unwrap();
    }
    let view = index.view("").unwrap();
    let (place, length) = (view.find("7").unwrap().unwrap(), log.metadata().unwrap().len());
    index.delete(ids(7..8)).unwrap();
    let now = index.view("").unwrap();
    assert_eq!((now.added(), now.removed(), now.changes(), now.len()), (0, 0, 10, 3));
    let done = index.compact(&mut |_, _| true).unwrap();
    assert_eq!((done.generation.as_str(), done.previous.as_str(), done.rows), (&*first, &*first, 3));
    assert_eq!(index.view("").unwrap().changes(), 0);
    assert!(log.metadata().unwrap().len() < length / 9);
    // Whoever looked before still sees what there was.
    assert_eq!(view.picture(place).unwrap(), b"7-1");
    index.ingest(vec![new(8, 2)]).unwrap();
    let expected = versions(&[(0..3, 0), (8..9, 2)]);
    assert_eq!(content(&index, &searcher), expected);
    drop(index);
    let index = open(root.path());
    assert_eq!(content(&index, &searcher), expected);
    index.compact(&mut |_, _| true).unwrap();
    assert_eq!(index.collect().unwrap(), [first]);
}

#[test]
fn a_rebuilt_generation_does_not_take_up_the_changes_of_a_removed_one() {
    let (root, first) = built(0..3, Precision::F32);
    let index = open(root.path());
    index.ingest(vec![new(3, 1)]).unwrap();
    drop(index);
    std::fs::remove_dir_all(root.path().join("generations").join(&first)).unwrap();
    assert_eq!(build(root.path(), 0..3, Precision::F32), first);
    assert_eq!(held(&open(root.path()), &first), ["0", "1", "2"]);
}

#[test]
fn the_log_of_a_compaction_that_was_killed_goes_once_it_is_in_another_one() {
    let (root, id) = built(0..10, Precision::F32);
    let index = open(root.path());
    index.ingest(vec![new(1, 1)]).unwrap();
    let log = || Log::open(root.path(), &id, DIM, true, &mut |_| Ok(())).unwrap().log;
    let seen = log().mark();
    index.ingest(vec![new(2, 1)]).unwrap();
    // As a kill leaves it, that came before the generation was published.
    let unpublished = "g0123456789abcdef";
    log().pass_on(root.path(), unpublished, seen).unwrap();
    // Somebody moved the generation of this one away: nothing says what was in it.
    let foreign = "gfedcba9876543210";
    let mut other = Log::open(root.path(), foreign, DIM, true, &mut |_| Ok(())).unwrap().log;
    let mut change = Vec::new();
    crate::changes::write_removal(&mut change, "1");
    other.append(&change).unwrap();
    assert!(index.collect().unwrap().is_empty());
    assert_eq!(
        Log::all(root.path()).unwrap().into_iter().collect::<HashSet<_>>(),
        HashSet::from([id, foreign.to_owned()])
    );
    assert_eq!(content(&index, &Searcher::new(1, 64).unwrap()).len(), 10);
}
