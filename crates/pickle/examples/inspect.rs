//! Prints what a pickle or a torch checkpoint holds at its upper levels, and what reading it took.
//!
//! `cargo run --release -p fondue-pickle --example inspect FILE`

use std::{error::Error, path::Path, time::Instant};

use fondue_pickle::{Archive, Kind, View};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: inspect FILE")?;
    let begin = Instant::now();
    let archive = Archive::open(Path::new(&path))?;
    println!("{:?}, read in {:.3} s", archive.form(), begin.elapsed().as_secs_f64());
    memory();
    show("", archive.root(), 0);
    let begin = Instant::now();
    let (n_texts, n_bytes) = walk(&archive);
    println!("{n_texts} texts and arrays, {n_bytes} bytes, walked in {:.3} s", begin.elapsed().as_secs_f64());
    memory();
    Ok(())
}

/// Prints a value, and the first items of a container.
fn show(name: &str, value: View<'_>, level: usize) {
    const FIRST: usize = 12;
    const DEEPEST: usize = 4;
    print!("{:1$}{name}: ", "", 2 * level);
    match value.kind() {
        Kind::Int | Kind::Float => println!("{:?}", value.as_f64()),
        Kind::Text => println!("{:.60?}", value.as_str()),
        Kind::Tensor => println!("{:?}", value.as_tensor().map(|tensor| (tensor.dtype, tensor.shape))),
        Kind::Array => println!("{:?}", value.as_array().map(|array| (array.dtype, array.shape))),
        kind => println!("{kind}"),
    }
    if level == DEEPEST {
        return;
    }
    if let Some(dict) = value.as_dict() {
        for (key, item) in dict.iter().take(FIRST) {
            let name = key.as_str().map_or_else(|| format!("{:?}", key.as_i64()), str::to_owned);
            show(&name, item, level + 1);
        }
    }
    if let Some(items) = value.as_list().or(value.as_tuple()) {
        for (place, item) in items.iter().take(FIRST.min(3)).enumerate() {
            show(&place.to_string(), item, level + 1);
        }
    }
}

/// Touches every text and the data of every array in the lists of a dict.
fn walk(archive: &Archive) -> (usize, usize) {
    let mut sum = (0, 0);
    let mut add = |value: View<'_>| {
        let len = match value.kind() {
            Kind::Array => {
                value.as_array().map_or(0, |array| array.bytes.iter().filter(|&&b| b < 255).count())
            }
            _ => value.as_str().map_or(0, str::len),
        };
        sum.0 += 1;
        if sum.0 % 100_000 == 0 {
            archive.release_all();
        }
        sum.1 += len;
    };
    for (_, value) in archive.root().as_dict().iter().flat_map(|dict| dict.iter()) {
        match value.as_list() {
            Some(items) => items.iter().for_each(&mut add),
            None => add(value),
        }
    }
    sum
}

/// Prints this process's memory, where the system tells it.
fn memory() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    for line in status.lines().filter(|line| line.starts_with("VmHWM") || line.starts_with("Rss")) {
        println!("  {line}");
    }
}
