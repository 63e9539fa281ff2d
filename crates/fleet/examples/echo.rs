//! What a service looks like to a fleet: it announces where it listens, ends with its stdin, and gives back what it gets. The
//! tests start it under the services' names; `--late` makes it never ready, `--bad` ends it at once.

use std::{
    io::{self, Read, Write, stdout},
    net::TcpListener,
    thread,
};

fn main() -> io::Result<()> {
    let words: Vec<String> = std::env::args().collect();
    if words.iter().any(|word| word == "--bad") {
        eprintln!("that is a bad flag");
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let at = words.iter().position(|word| word == "--listen").and_then(|at| words.get(at + 1));
    let listener = TcpListener::bind(at.map_or("127.0.0.1:0", String::as_str))?;
    if !words.iter().any(|word| word == "--late") {
        println!("listening {}", listener.local_addr()?);
        println!("{}", words[1..].join(" "));
        stdout().flush()?;
    }
    eprintln!("flags {}", words[1..].join(" "));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || io::copy(&mut &stream, &mut &stream));
        }
    });
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
