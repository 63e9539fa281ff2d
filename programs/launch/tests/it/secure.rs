//! `fondue say` to a gateway with TLS, which asks who calls.

use fondue_authority::Authority;
use fondue_tls::{Pair, ServerFiles, ServerTls};
use tokio::{
    net::{TcpListener, TcpStream},
    process::Command,
};

use crate::fake;

const KEY: &str = "fk_test_0123456789";

/// TLS before what listens at `address`; gives the port.
async fn before(address: String, tls: ServerTls) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, address) = (tls.acceptor(), address.clone());
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut behind = TcpStream::connect(address).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut behind).await;
            });
        }
    });
    port
}

async fn say(words: &[&str], token: Option<&str>) -> (String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fondue"));
    command.args(["say", "hello"]).args(words).env_remove("FONDUE_API_KEY");
    if let Some(token) = token {
        command.env("FONDUE_API_KEY", token);
    }
    let output = command.output().await.unwrap();
    (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn say_speaks_tls_and_says_who_calls() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("ours").unwrap();
    let files = authority.issue(&["localhost"]).unwrap().write(folder.path(), "gateway").unwrap();
    let ca = authority.write(&folder.path().join("ca.pem")).unwrap();
    let pair = Pair { certificate: files.certificate, key: files.key };
    let tls = ServerTls::load(ServerFiles { pair, client_ca: None }).unwrap();
    let plain = fake::guarded(KEY).await;
    let port = before(plain.clone(), tls).await;
    let (address, ca) = (format!("https://localhost:{port}"), ca.to_str().unwrap());

    let (stdout, stderr) = say(&["--gateway", &address, "--ca", ca], Some(KEY)).await;
    assert!(stdout.starts_with("hello after 0"), "{stdout}{stderr}");
    let (stdout, stderr) = say(&["--gateway", &address, "--ca", ca, "--api-key", KEY], None).await;
    assert!(stdout.starts_with("hello after 0"), "{stdout}{stderr}");

    let (_, stderr) = say(&["--gateway", &address, "--ca", ca], Some("fk_wrong")).await;
    assert!(stderr.contains("UNAUTHENTICATED") && !stderr.contains("fk_wrong"), "{stderr}");
    let other = Authority::new("other").unwrap().write(&folder.path().join("other.pem")).unwrap();
    let (_, stderr) = say(&["--gateway", &address, "--ca", other.to_str().unwrap()], Some(KEY)).await;
    assert!(stderr.contains("TLS with localhost:") && stderr.contains("other.pem"), "{stderr}");
    let (_, stderr) = say(&["--gateway", &format!("https://{plain}"), "--ca", ca], Some(KEY)).await;
    assert!(stderr.contains("does not speak TLS there; use http://"), "{stderr}");
    let (_, stderr) = say(&["--gateway", &plain, "--ca", ca], Some(KEY)).await;
    assert!(stderr.contains("--ca is for https://"), "{stderr}");
}
