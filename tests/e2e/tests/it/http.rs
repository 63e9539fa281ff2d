//! The HTTP API over real services, asked by OpenAI's own client, and held to its own contract by schemathesis.

use std::{path::Path, process::Stdio};

use fondue_harness::{Cluster, Flags};
use tokio::process::Command;

/// Runs Python with the clients that set-up installs.
async fn python(arguments: &[&str]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let clients = root.join(".http-clients");
    assert!(clients.exists(), "`cargo xtask setup` installs the clients");
    let scratch = tempfile::tempdir().unwrap();
    let mut command = Command::new("python3");
    command.args(arguments).env("PYTHONPATH", clients).current_dir(scratch.path());
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await.unwrap();
    let told = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "{}\n{}", told[0], told[1]);
}

fn beside(name: &str) -> String {
    format!("{}/tests/it/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[tokio::test(flavor = "multi_thread")]
async fn openais_client_holds_a_dialogue() {
    let cluster = Cluster::start(Flags::default()).await.unwrap();
    let picture = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(picture.path(), cluster.picture(0).unwrap()).unwrap();
    let address = format!("http://{}", cluster.gateway.address);
    python(&[&beside("http_client.py"), &address, picture.path().to_str().unwrap()]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_is_true() {
    let gateway = ["--max-new-tokens=4", "--new-tokens-limit=1024"];
    let cluster = Cluster::start(Flags { gateway: &gateway, ..Flags::default() }).await.unwrap();
    let address = format!("http://{}/openapi.json", cluster.gateway.address);
    let settings = beside("http_contract.toml");
    let words = ["-m", "schemathesis.cli", "--config-file", &settings, "run", &address, "--checks", "all"];
    let bounds = ["--max-examples", "25", "--seed", "7", "--workers", "1", "--request-timeout", "60"];
    python(&[&words[..], &bounds[..]].concat()).await;
}
