//! Who is let in, who is not, and what each is told.

use std::{path::Path, time::Duration};

use fondue_authority::{Authority, Files};
use fondue_tls::{
    ClientFiles, ClientTls, DialError, Name, Pair, ServerFiles, ServerTls, TlsError, client_refused, names,
};
use http::Uri;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};
use tower::ServiceExt;

/// Time enough on a busy machine.
const WITHIN: Duration = Duration::from_secs(20);

pub(crate) fn pair(files: &Files) -> Pair {
    Pair { certificate: files.certificate.clone(), key: files.key.clone() }
}

/// An authority with a server's certificate for `localhost`, and one for clients.
pub(crate) struct Papers {
    pub(crate) folder: TempDir,
    pub(crate) authority: Authority,
}

impl Papers {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), authority: Authority::new("ours").unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn ca(&self) -> std::path::PathBuf {
        self.authority.write(&self.path().join("ca.pem")).unwrap()
    }

    pub(crate) fn server(&self) -> Pair {
        pair(
            &self.authority.issue(&["localhost", "127.0.0.1"]).unwrap().write(self.path(), "server").unwrap(),
        )
    }
}

/// What the server made of one connection: the client's names and the byte that it sent, or why not.
type Outcome = JoinHandle<Result<(Vec<Name>, u8), String>>;

/// A server for one connection, which answers a byte with the same.
pub(crate) async fn serve(tls: ServerTls) -> (Uri, Outcome) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let outcome = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = tls.acceptor().accept(stream).await.map_err(|error| client_refused(&error))?;
        let byte = stream.read_u8().await.map_err(|error| error.to_string())?;
        stream.write_u8(byte).await.unwrap();
        stream.flush().await.unwrap();
        let names = names(stream.get_ref().1);
        let _ = stream.read_u8().await;
        Ok((names, byte))
    });
    (format!("https://localhost:{port}").parse().unwrap(), outcome)
}

/// Connects, sends a byte and reads one; what failed is told.
pub(crate) async fn exchange(client: &ClientTls, to: &Uri) -> Result<u8, String> {
    let connector = client.connector(to.host().unwrap(), WITHIN).unwrap();
    let mut stream = connector.oneshot(to.clone()).await.map_err(|error| error.to_string())?.into_inner();
    stream.write_u8(7).await.map_err(|error| error.to_string())?;
    stream.flush().await.map_err(|error| error.to_string())?;
    stream.read_u8().await.map_err(|error| error.to_string())
}

#[tokio::test]
async fn the_right_authority_is_trusted_and_another_is_not() {
    let papers = Papers::new();
    let (ca, server) = (papers.ca(), papers.server());
    let tls = ServerTls::load(ServerFiles { pair: server, client_ca: None }).unwrap();
    let trusting = ClientTls::load(ClientFiles { ca: Some(ca), ..ClientFiles::default() }).unwrap();
    let (to, served) = serve(tls.clone()).await;
    assert_eq!(exchange(&trusting, &to).await, Ok(7));
    assert_eq!(served.await.unwrap(), Ok((Vec::new(), 7)));

    let other = Authority::new("another").unwrap().write(&papers.path().join("other.pem")).unwrap();
    let wrong = ClientTls::load(ClientFiles { ca: Some(other), ..ClientFiles::default() }).unwrap();
    let (to, served) = serve(tls.clone()).await;
    let error = exchange(&wrong, &to).await.unwrap_err();
    assert!(error.starts_with("TLS with localhost:") && error.contains("other.pem"), "{error}");
    let told = served.await.unwrap().unwrap_err();
    assert!(told.contains("does not trust the authority"), "{told}");

    // The system trusts nobody who was born a moment ago. Where it trusts nobody at all, that is told.
    match ClientTls::load(ClientFiles::default()) {
        Ok(system) => {
            let (to, _served) = serve(tls).await;
            let error = exchange(&system, &to).await.unwrap_err();
            assert!(error.contains("none of those in the system's authorities"), "{error}");
        }
        Err(error) => assert!(matches!(error, TlsError::NoAuthorities), "{error}"),
    }
}

#[tokio::test]
async fn a_certificate_that_expired_or_is_for_another_name_is_refused() {
    let papers = Papers::new();
    let client = ClientTls::load(ClientFiles { ca: Some(papers.ca()), ..ClientFiles::default() }).unwrap();
    let expired =
        papers.authority.issue_expired(&["localhost"]).unwrap().write(papers.path(), "old").unwrap();
    let (to, _served) =
        serve(ServerTls::load(ServerFiles { pair: pair(&expired), client_ca: None }).unwrap()).await;
    let error = exchange(&client, &to).await.unwrap_err();
    assert!(error.contains("has expired"), "{error}");

    let other = papers.authority.issue(&["vision.fondue"]).unwrap().write(papers.path(), "other").unwrap();
    let tls = ServerTls::load(ServerFiles { pair: pair(&other), client_ca: None }).unwrap();
    let (to, _served) = serve(tls.clone()).await;
    let error = exchange(&client, &to).await.unwrap_err();
    assert!(error.contains("not for localhost, but for: ") && error.contains("vision.fondue"), "{error}");
    // Unless it is told whose certificate it must be.
    let files = ClientFiles { ca: Some(papers.ca()), name: Some("vision.fondue".into()), pair: None };
    let (to, served) = serve(tls).await;
    assert_eq!(exchange(&ClientTls::load(files).unwrap(), &to).await, Ok(7));
    assert!(served.await.unwrap().is_ok());
}

#[tokio::test]
async fn a_server_that_asks_for_certificates_takes_its_own_authoritys_alone() {
    let papers = Papers::new();
    let (ca, server) = (papers.ca(), papers.server());
    let stranger = Authority::new("stranger").unwrap();
    let tls = ServerTls::load(ServerFiles { pair: server, client_ca: Some(ca.clone()) }).unwrap();
    let with = |pair| ClientTls::load(ClientFiles { ca: Some(ca.clone()), pair, name: None }).unwrap();

    let names = ["gateway.fondue", "spiffe://fondue/gateway"];
    let own = papers.authority.issue(&names).unwrap().write(papers.path(), "own").unwrap();
    let (to, served) = serve(tls.clone()).await;
    assert_eq!(exchange(&with(Some(pair(&own))), &to).await, Ok(7));
    let told = [Name::Dns(names[0].to_owned()), Name::Uri(names[1].to_owned())];
    assert_eq!(served.await.unwrap().unwrap().0, told);

    let (to, served) = serve(tls.clone()).await;
    // What it says may be lost, for it closes the connection in the same moment; that it refuses may not.
    assert!(exchange(&with(None), &to).await.is_err());
    let told = served.await.unwrap().unwrap_err();
    assert_eq!(told, "it shows no certificate, and tls_client_ca asks for one");

    let forged = stranger.issue(&names).unwrap().write(papers.path(), "forged").unwrap();
    let (to, served) = serve(tls.clone()).await;
    assert!(exchange(&with(Some(pair(&forged))), &to).await.is_err());
    assert!(served.await.unwrap().unwrap_err().contains("none of those in tls_client_ca"));

    let old = papers.authority.issue_expired(&names).unwrap().write(papers.path(), "old").unwrap();
    let (to, served) = serve(tls).await;
    assert!(exchange(&with(Some(pair(&old))), &to).await.is_err());
    assert!(served.await.unwrap().unwrap_err().contains("expired"));
}

#[tokio::test]
async fn a_server_without_tls_and_one_that_says_nothing_are_told() {
    let papers = Papers::new();
    let client = ClientTls::load(ClientFiles { ca: Some(papers.ca()), ..ClientFiles::default() }).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to: Uri = format!("https://localhost:{}", listener.local_addr().unwrap().port()).parse().unwrap();
    let plain = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        let _ = stream.read_u8().await;
    };
    let (error, ()) = tokio::join!(exchange(&client, &to), plain);
    let error = error.unwrap_err();
    assert!(error.contains("does not speak TLS there; use http://"), "{error}");

    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to: Uri = format!("https://{}", silent.local_addr().unwrap()).parse().unwrap();
    let connector = client.connector("localhost", Duration::from_millis(50)).unwrap();
    let error = connector.oneshot(to).await.err().unwrap();
    assert!(matches!(error, DialError::Timeout { .. }), "{error}");
    drop(silent);
}

#[tokio::test]
async fn files_that_are_wrong_are_named_and_a_key_is_never_quoted() {
    let papers = Papers::new();
    let (ca, server) = (papers.ca(), papers.server());
    let other = papers.authority.issue(&["localhost"]).unwrap().write(papers.path(), "other").unwrap();
    let load = |certificate: &Path, key: &Path, client_ca: Option<&Path>| {
        let pair = Pair { certificate: certificate.to_owned(), key: key.to_owned() };
        ServerTls::load(ServerFiles { pair, client_ca: client_ca.map(Path::to_owned) })
            .err()
            .unwrap()
            .to_string()
    };
    let error = load(&server.certificate, &other.key, None);
    assert!(
        error.contains("other.key is not the key of the certificate in ") && error.ends_with("server.pem"),
        "{error}"
    );
    let error = load(&server.certificate, &papers.path().join("none.key"), None);
    assert!(error.contains("none.key: No such file"), "{error}");
    assert!(load(&server.key, &server.key, None).contains("server.key: holds no certificate"));
    assert!(load(&server.certificate, &ca, None).contains("ca.pem: holds no private key"));
    assert!(
        load(&server.certificate, &server.key, Some(&other.key)).contains("other.key: holds no certificate")
    );

    // A key that is cut short, as it is while it is written.
    let key = std::fs::read_to_string(&server.key).unwrap();
    let secret = key.lines().nth(1).unwrap();
    let short = papers.path().join("short.key");
    std::fs::write(&short, format!("-----BEGIN PRIVATE KEY-----\n{secret}\n")).unwrap();
    let error = load(&server.certificate, &short, None);
    assert!(error.contains("short.key: holds no private key") && !error.contains(&secret[..8]), "{error}");
    std::fs::write(
        &short,
        format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", &secret[..32]),
    )
    .unwrap();
    let error = load(&server.certificate, &short, None);
    assert!(error.contains("short.key") && !error.contains(&secret[..8]), "{error}");
}
