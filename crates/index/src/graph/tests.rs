//! Recall against the exact scan, filters, small graphs, damage.

use std::sync::Arc;

use super::*;
use crate::{Bitmap, Hit, rows::quantize, scan};

const DIM: usize = 32;

/// Points around the same centres, of unit length; the same ones for each seed.
pub(super) fn clustered(n: usize, seed: u64) -> Vec<f32> {
    let mut state = 77;
    let mut draw = |seed: Option<u64>| {
        state = seed.unwrap_or(state);
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f32 / (1u64 << 31) as f32 - 0.5
    };
    let centres: Vec<f32> = (0..20 * DIM).map(|_| draw(None)).collect();
    draw(Some(seed));
    let mut rows = Vec::with_capacity(n * DIM);
    for row in 0..n {
        let centre = &centres[row % 20 * DIM..][..DIM];
        let values: Vec<f32> = centre.iter().map(|value| value + draw(None) * 0.8).collect();
        let norm = values.iter().map(|value| value * value).sum::<f32>().sqrt();
        rows.extend(values.iter().map(|value| value / norm));
    }
    rows
}

fn built(rows: &[f32], params: Params) -> Built {
    Built::new(Rows::F32(rows), DIM, params, &|_, _| true).unwrap()
}

fn open<'a>(rows: &'a [f32], built: &'a Built) -> Graph<'a> {
    Graph::over(Rows::F32(rows), DIM, built).unwrap()
}

fn rows_of(hits: &[Hit]) -> Vec<usize> {
    hits.iter().map(|hit| hit.row).collect()
}

fn exact(rows: &[f32], query: &[f32], k: usize, admit: Option<&Arc<Bitmap>>) -> Vec<usize> {
    rows_of(&scan::nearest(Rows::F32(rows), DIM, &[query], k, admit).unwrap()[0])
}

/// The share of the nearest `k` that are found.
fn recall(
    graph: &Graph<'_>,
    rows: &[f32],
    queries: &[f32],
    k: usize,
    ef: usize,
    admit: Option<&Arc<Bitmap>>,
) -> f64 {
    let mut scratch = Scratch::default();
    let (mut hit, mut all) = (0, 0);
    for query in queries.chunks(DIM) {
        let ask = Ask { query, k, ef, admit: admit.map(|admit| &**admit), accept: None };
        let found = graph.search(&ask, &mut scratch).unwrap();
        assert!(found.is_sorted_by(|a, b| a.score >= b.score));
        let expected = exact(rows, query, k, admit);
        hit += rows_of(&found).iter().filter(|row| expected.contains(row)).count();
        all += expected.len();
    }
    hit as f64 / all as f64
}

#[test]
fn nearly_all_of_the_nearest_are_found() {
    let (rows, queries) = (clustered(8000, 1), clustered(100, 9));
    let built = built(&rows, Params::new(2));
    let graph = open(&rows, &built);
    let (few, many) =
        (recall(&graph, &rows, &queries, 10, 10, None), recall(&graph, &rows, &queries, 10, 128, None));
    assert!(many >= 0.99 && many >= few, "{few} {many}");
    assert!(recall(&graph, &rows, &queries, 100, 200, None) >= 0.98);
}

#[test]
fn filters_let_through_what_they_should() {
    let (rows, queries) = (clustered(8000, 1), clustered(50, 9));
    let built = built(&rows, Params::new(2));
    let graph = open(&rows, &built);
    for every in [2, 5, 20] {
        let admit = Arc::new(Bitmap::of(8000, |row| row % every == 0));
        assert!(recall(&graph, &rows, &queries, 10, 128, Some(&admit)) >= 0.97, "one in {every}");
    }
    let mut scratch = Scratch::default();
    let query = &queries[..DIM];
    let best = exact(&rows, query, 3, None);
    let accept = |row: usize| row != best[0];
    let ask = Ask { query, k: 2, ef: 128, admit: None, accept: Some(&accept) };
    assert_eq!(rows_of(&graph.search(&ask, &mut scratch).unwrap()), best[1..]);
    let none = Bitmap::none(8000);
    let ask = Ask { query, k: 2, ef: 8, admit: Some(&none), accept: None };
    assert!(graph.search(&ask, &mut scratch).unwrap().is_empty());
}

#[test]
fn small_and_degenerate_graphs_are_searched_whole() {
    for n in [1, 2, 3, 40] {
        let rows = clustered(n, 3);
        let built = built(&rows, Params::new(3));
        let graph = open(&rows, &built);
        let mut scratch = Scratch::default();
        for query in clustered(5, 8).chunks(DIM) {
            let ask = |k| Ask { query, k, ef: 64, admit: None, accept: None };
            assert_eq!(
                rows_of(&graph.search(&ask(50), &mut scratch).unwrap()),
                exact(&rows, query, 50, None)
            );
            assert!(graph.search(&ask(0), &mut scratch).unwrap().is_empty());
        }
        let short = Ask { query: &[1.0], k: 1, ef: 1, admit: None, accept: None };
        assert!(matches!(graph.search(&short, &mut scratch), Err(IndexError::Dim { got: 1, .. })));
    }
    // All alike: every one is as good as any other.
    let rows = clustered(1, 4).repeat(300);
    let built = built(&rows, Params::new(2));
    let ask = Ask { query: &rows[..DIM], k: 10, ef: 64, admit: None, accept: None };
    let found = open(&rows, &built).search(&ask, &mut Scratch::default()).unwrap();
    assert!(found.len() == 10 && found.iter().all(|hit| (hit.score - 1.0).abs() < 1e-5));
    assert!(matches!(Built::new(Rows::F32(&[]), DIM, Params::new(1), &|_, _| true), Err(IndexError::Empty)));
}

#[test]
fn copies_of_one_row_trap_nobody() {
    let (mut rows, queries) = (clustered(8000, 1), clustered(200, 9));
    let copied = rows[..DIM].to_vec();
    // Three in ten, spread over all, the very first and the last among them.
    for row in (0..8000).filter(|row| row % 10 < 2 || row % 10 == 9) {
        rows[row * DIM..][..DIM].copy_from_slice(&copied);
    }
    for threads in [1, 2] {
        let built = built(&rows, Params::new(threads));
        let graph = open(&rows, &built);
        assert!(recall(&graph, &rows, &queries, 10, 64, None) >= 0.97);
        // All copies are found, one after the other.
        let ask = Ask { query: &copied, k: 2400, ef: 2400, admit: None, accept: None };
        let found = graph.search(&ask, &mut Scratch::default()).unwrap();
        assert!(found.len() == 2400 && found.iter().all(|hit| hit.row % 10 < 2 || hit.row % 10 == 9));
        // And filters see behind them.
        let others = Bitmap::of(8000, |row| row % 10 == 5);
        let ask = Ask { query: &copied, k: 10, ef: 64, admit: Some(&others), accept: None };
        let (found, others) = (graph.search(&ask, &mut Scratch::default()).unwrap(), Arc::new(others));
        let right = exact(&rows, &copied, 10, Some(&others));
        assert!(rows_of(&found).iter().filter(|row| right.contains(row)).count() >= 9);
    }
}

#[test]
fn every_precision_is_walked_by_codes_and_ranked_by_rows() {
    let (rows, queries) = (clustered(3000, 1), clustered(30, 9));
    let halves: Vec<u16> = rows.iter().map(|value| half::f16::from_f32(*value).to_bits()).collect();
    let (mut codes, mut scales, mut row) = (Vec::new(), Vec::new(), Vec::new());
    for values in rows.chunks(DIM) {
        scales.push(quantize(values, &mut row));
        codes.extend_from_slice(&row);
    }
    let int8 = Rows::Int8 { codes: &codes, scales: &scales, exact: &rows };
    for stored in [Rows::F16(&halves), int8] {
        let built = Built::new(stored, DIM, Params::new(2), &|_, _| true).unwrap();
        let graph = Graph::over(stored, DIM, &built).unwrap();
        assert!(recall(&graph, &rows, &queries, 10, 128, None) >= 0.97);
    }
}

#[test]
fn damage_finds_less_and_never_breaks() {
    let (mut rows, queries) = (clustered(500, 1), clustered(5, 9));
    for row in 0..50 {
        rows.copy_within(0..DIM, row * DIM);
    }
    let built = built(&rows, Params { m: 4, ..Params::new(1) });
    let (codes, scales) = built.codes.as_ref().unwrap();
    let mut scratch = Scratch::default();
    let whole = Parts { codes, scales, links: &built.links, upper: &built.upper, copies: &built.copies };
    let mut try_all = |parts: Parts<'_>, facts: &GraphFacts| {
        let Some(graph) = Graph::new(Rows::F32(&rows), DIM, parts, facts) else { return false };
        for query in queries.chunks(DIM) {
            let ask = Ask { query, k: 5, ef: 20, admit: None, accept: None };
            assert!(graph.search(&ask, &mut scratch).unwrap().iter().all(|hit| hit.row < 500));
        }
        true
    };
    for at in (0..built.links.len()).step_by(7) {
        let mut links = built.links.clone();
        links[at] ^= 1 << (at % 32);
        assert!(try_all(Parts { links: &links, ..whole }, &built.facts));
    }
    for at in 0..built.upper.len() {
        let mut upper = built.upper.clone();
        upper[at] ^= 1 << (at % 32);
        assert!(try_all(Parts { upper: &upper, ..whole }, &built.facts));
        assert!(!try_all(Parts { upper: &upper[..at], ..whole }, &built.facts));
    }
    assert_eq!(built.copies.len(), 49);
    for (at, end) in (0..49).flat_map(|at| [(at, 0), (at, 1)]) {
        for wrong in [0, at as u32, 499, 500, u32::MAX] {
            let mut copies = built.copies.clone();
            copies[at][end] = wrong;
            assert!(try_all(Parts { copies: &copies, ..whole }, &built.facts));
        }
    }
    assert!(!try_all(Parts { links: &built.links[1..], ..whole }, &built.facts));
    for facts in [
        GraphFacts { entry: 500, ..built.facts.clone() },
        GraphFacts { m: usize::MAX, ..built.facts.clone() },
        GraphFacts { m: 0, ..built.facts.clone() },
        GraphFacts { upper: vec![usize::MAX], ..built.facts.clone() },
    ] {
        assert!(!try_all(whole, &facts));
    }
}

#[test]
fn building_can_be_stopped_and_tells_how_far_it_is() {
    let rows = clustered(2000, 1);
    let seen = std::sync::Mutex::new(Vec::new());
    let stop = |done: usize, total: usize| {
        assert_eq!(total, 2000);
        seen.lock().unwrap().push(done);
        done < 1000
    };
    assert!(matches!(Built::new(Rows::F32(&rows), DIM, Params::new(2), &stop), Err(IndexError::Stopped)));
    assert!(seen.lock().unwrap().iter().any(|done| (1000..1600).contains(done)));
}
