//! Scratch: builds, opens, selects, verifies.
#![allow(clippy::unwrap_used)]
use std::{ops::Bound, path::Path, time::Instant};

use fondue_domain::Embedding;
use fondue_index::{Builder, Condition, Filter, Item, Metadata, NewItem, Root, Test, Value};

fn memory() -> String {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = |name: &str| text.lines().find(|l| l.starts_with(name)).unwrap().split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024;
    format!("peak {} MiB, now {} MiB of which anonymous {}", line("VmHWM"), line("VmRSS"), line("RssAnon"))
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let root = Path::new(&words[1]);
    if words[0] == "build" {
        let (rows, dim): (usize, usize) = (words[2].parse().unwrap(), words[3].parse().unwrap());
        let begun = Instant::now();
        let mut builder = Builder::new(root, dim, "model").unwrap().stored_as(words[4].parse().unwrap()).unwrap();
        let mut state = 1u64;
        let mut draw = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as f32 / (1u64 << 31) as f32 - 0.5
        };
        let mut making = 0.0;
        for n in 0..rows {
            let t = Instant::now();
            let vector = Embedding::normalized((0..dim).map(|_| draw()).collect()).unwrap();
            let mut metadata = Metadata::new();
            metadata.set("year", Value::Number((1900 + n % 120) as f64)).unwrap();
            metadata.set("season", Value::Text(["spring", "summer", "autumn", "winter"][n % 4].into())).unwrap();
            metadata.set("public", Value::Truth(n % 3 == 0)).unwrap();
            let item = Item {
                id: format!("picture-{:09}", n * 7919 % 1_000_003 + n / 1_000_003 * 1_000_003),
                caption: format!("a picture of number {n} in its place"),
                group: format!("group {}", n % 50),
                media_type: String::new(),
                url: format!("https://example.org/{n}.jpg"),
                metadata,
            };
            making += t.elapsed().as_secs_f64();
            let mut sha256 = [0; 32];
            sha256[..8].copy_from_slice(&(n as u64).to_le_bytes());
            builder.add(NewItem { item, picture: None, sha256 }, &vector).unwrap();
        }
        println!("added in {:.1} s (and {making:.1} to make), {}", begun.elapsed().as_secs_f64() - making, memory());
        let t = Instant::now();
        let laid = builder.lay_down().unwrap();
        println!("laid down in {:.1} s, {}", t.elapsed().as_secs_f64(), memory());
        let t = Instant::now();
        let id = laid.seal().unwrap().publish().unwrap();
        println!("sealed in {:.2} s, {}", t.elapsed().as_secs_f64(), memory());
        Root::open(root).unwrap().activate(&id).unwrap();
        return;
    }
    let root = Root::open(root).unwrap();
    let id = root.active().unwrap();
    for _ in 0..3 {
        let t = Instant::now();
        let generation = root.generation(&id).unwrap();
        println!("opened in {:.2} ms, {}", t.elapsed().as_secs_f64() * 1e3, memory());
        drop(generation);
    }
    let generation = root.generation(&id).unwrap();
    let condition = |field: &str, test, negate| Condition { field: field.into(), test, negate };
    let three = vec![
        condition("year", Test::Range(Bound::Included(1950.0), Bound::Excluded(2000.0)), false),
        condition("season", Test::AnyOf(vec![Value::Text("summer".into()), Value::Text("winter".into())]), false),
        condition("public", Test::AnyOf(vec![Value::Truth(true)]), true),
    ];
    let numbers = vec![condition("year", Test::AnyOf((0..1000).map(|n| Value::Number(n as f64 + 1950.0)).collect()), false)];
    let texts = vec![condition("group", Test::AnyOf((0..1000).map(|n| Value::Text(format!("group {n}"))).collect()), false)];
    let ids = vec![condition("id", Test::AnyOf((0..1000).map(|n| Value::Text(format!("picture-{n:09}"))).collect()), false)];
    let caption = vec![condition("caption", Test::AnyOf(vec![Value::Text("a picture of number 7 in its place".into())]), false)];
    for (name, conditions) in [("three", three), ("1000 numbers", numbers), ("1000 texts", texts), ("1000 ids", ids), ("caption", caption)] {
        for _ in 0..3 {
            let t = Instant::now();
            let rows = generation.select(&Filter { conditions: conditions.clone() }).unwrap().unwrap();
            println!("{name}: {} of {} in {:.2} ms", rows.count(), generation.len(), t.elapsed().as_secs_f64() * 1e3);
        }
    }
    let t = Instant::now();
    generation.verify().unwrap();
    println!("verified in {:.2} s, {}", t.elapsed().as_secs_f64(), memory());
}
