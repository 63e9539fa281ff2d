//! A gateway that has no more files to open: it says so once, does not spin, and goes on when there are some again.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// Files that the process may have open: few more than it needs to run.
const FILES: usize = 40;
/// Far above what anything here takes, on a busy machine too.
const LONG: Duration = Duration::from_secs(30);

struct Gateway(Child);

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The answer to a request, if there comes one.
fn get(address: &str, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_millis(300))).ok()?;
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes())
        .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer).filter(|answer| answer.starts_with("HTTP/1.1 200"))
}

#[test]
fn a_gateway_without_files_left_says_so_and_comes_back() {
    let program = env!("CARGO_BIN_EXE_fondue-gateway");
    let mut child = Command::new("sh")
        .args(["-c", &format!("ulimit -n {FILES}; exec \"$0\" --listen 127.0.0.1:0"), program])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let _gateway = Gateway(child);
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening ").expect("it does not listen").to_owned();
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let _ = tell.send(line);
        }
    });

    let many: Vec<_> = (0..2 * FILES).map(|_| TcpStream::connect(&address).unwrap()).collect();
    let is_told = |line: &String| line.contains("the system gives no connection");
    while !is_told(&told.recv_timeout(LONG).expect("nothing is told")) {}
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(told.try_iter().filter(is_told).count(), 0, "once is enough");
    drop(many);

    let metrics = (0..100).find_map(|_| get(&address, "/metrics")).expect("it does not come back");
    let failed = metrics.lines().find_map(|line| line.strip_prefix("fondue_accept_errors_total "));
    let failed: f64 = failed.unwrap().parse().unwrap();
    // A loop that does not pause fails some hundred thousand times in two seconds.
    assert!((1.0..1000.0).contains(&failed), "{failed}");
}
