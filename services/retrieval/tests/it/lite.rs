//! A real Milvus server for a test: `milvus-lite`, which `cargo xtask setup` installs.

use std::{
    fs::File,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Python starts slowly, the more so on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(90);

/// A running server with its data, which go when it goes.
pub(crate) struct Lite {
    data: tempfile::TempDir,
    port: u16,
    process: Child,
}

impl Lite {
    pub(crate) fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        // Free a moment ago; the server is asked to take it before anybody else does.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = run(data.path(), port);
        Self { data, port, process }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Ends it at once, as a crash would.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it again on its data.
    pub(crate) fn start_again(&mut self) {
        self.process = run(self.data.path(), self.port);
    }
}

impl Drop for Lite {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn run(data: &Path, port: u16) -> Child {
    let packages = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../.milvus-lite");
    assert!(
        packages.join("COMPLETE").exists(),
        "there is no Milvus to test with; run `cargo xtask setup` once"
    );
    let log = File::create(data.join("server.log")).unwrap();
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", packages).args(["-m", "milvus_lite"]);
    command.args(["server", "--host", "127.0.0.1", "--port", &port.to_string(), "--data-dir"]);
    let mut process = command
        .arg(data.join("data"))
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        let log = || std::fs::read_to_string(data.join("server.log")).unwrap_or_default();
        let ended = process.try_wait().unwrap();
        assert!(ended.is_none(), "milvus-lite ended ({ended:?}):\n{}", log());
        assert!(begun.elapsed() < PATIENCE, "milvus-lite does not answer:\n{}", log());
        std::thread::sleep(Duration::from_millis(50));
    }
    process
}
