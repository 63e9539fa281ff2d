//! Bodies that are long, slow, cut, or not what they are said to be.

use std::time::Duration;

use fondue_fetch::{Fetcher, Limits, Reason};
use tokio::{io::AsyncWriteExt, time::sleep};

use crate::{
    limits, open, says,
    server::{Server, ok, say},
};

async fn error_of(server: &Server, fetcher: &Fetcher) -> Reason {
    fetcher.fetch(&server.url("/")).await.unwrap_err().reason
}

#[tokio::test]
async fn bytes_at_the_limit() {
    let max = limits().max_bytes;
    for (n, fits) in [(0, true), (max - 1, true), (max, true), (max + 1, false)] {
        let body = vec![7; n];
        let mut chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
        for piece in body.chunks(1000) {
            chunked.extend(format!("{:x}\r\n", piece.len()).bytes());
            chunked.extend_from_slice(piece);
            chunked.extend(b"\r\n");
        }
        chunked.extend(b"0\r\n\r\n");
        let until_closed = [&b"HTTP/1.0 200 OK\r\n\r\n"[..], &body].concat();
        for answer in [ok(&body), chunked, until_closed] {
            let server = Server::saying(answer).await;
            match open(&server, limits()).fetch(&server.url("/")).await {
                Ok(fetched) => assert!(fits && fetched.bytes == body, "{n}"),
                Err(error) => {
                    assert!(!fits && matches!(error.reason, Reason::TooLarge { .. }), "{n}: {error}")
                }
            }
        }
    }
}

/// What this process holds, in bytes.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[tokio::test]
async fn ten_gigabytes_are_cut_at_the_limit() {
    // It would go on; how much went out is counted.
    let (sent, mut done) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::start(move |_, mut stream| {
        let sent = sent.clone();
        async move {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
            let (piece, mut n) = (vec![0; 64 << 10], 0usize);
            while n < 10 << 30 && stream.write_all(&piece).await.is_ok() {
                n += piece.len();
            }
            let _ = sent.send(n);
        }
    })
    .await;
    let before = resident();
    let fetcher = open(&server, Limits { max_bytes: 1 << 20, ..limits() });
    assert!(matches!(error_of(&server, &fetcher).await, Reason::TooLarge { max: 1_048_576 }));
    // The connection is closed: the server cannot go on. Buffers of the system are on the way.
    let n = done.recv().await.unwrap();
    assert!(n < 64 << 20, "{n} bytes went out");
    assert!(resident() < before + (64 << 20), "{before} → {}", resident());
    // Of one that says so, nothing is read.
    let server = Server::saying("HTTP/1.1 200 OK\r\ncontent-length: 10737418240\r\n\r\n").await;
    assert!(matches!(error_of(&server, &open(&server, limits())).await, Reason::TooLarge { .. }));
}

#[tokio::test]
async fn lengths_that_lie() {
    // Less comes than is said.
    let server = Server::saying("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await;
    assert!(matches!(error_of(&server, &open(&server, limits())).await, Reason::Incomplete { got: 4, .. }));
    // More comes than is said: what was said is the file.
    let server = Server::saying("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfile and more").await;
    assert_eq!(open(&server, limits()).fetch(&server.url("/")).await.unwrap().bytes, b"file");
    for wrong in ["content-length: -1", "content-length: x", "content-length: 4\r\ncontent-length: 5"] {
        let server = Server::saying(format!("HTTP/1.1 200 OK\r\n{wrong}\r\n\r\nfile")).await;
        assert!(matches!(error_of(&server, &open(&server, limits())).await, Reason::Http(_)), "{wrong}");
    }
    let chunk = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff\r\nfile";
    let server = Server::saying(chunk).await;
    assert!(matches!(error_of(&server, &open(&server, limits())).await, Reason::Incomplete { .. }));
}

#[tokio::test]
async fn nothing_is_decompressed() {
    for encoding in ["gzip", "br", "deflate, gzip"] {
        let answer =
            format!("HTTP/1.1 200 OK\r\ncontent-encoding: {encoding}\r\ncontent-length: 4\r\n\r\nbomb");
        let server = Server::saying(answer).await;
        let error = open(&server, limits()).fetch(&server.url("/")).await.unwrap_err();
        says(&error, &["encoded", encoding]);
    }
    let answer = "HTTP/1.1 200 OK\r\ncontent-encoding: Identity\r\ncontent-length: 4\r\n\r\nfile";
    let server = Server::saying(answer).await;
    assert!(open(&server, limits()).fetch(&server.url("/")).await.is_ok());
}

#[tokio::test]
async fn bodies_must_get_on() {
    let trickling = |step: Duration| {
        Server::start(move |_, mut stream| async move {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 40\r\n\r\n").await;
            for _ in 0..40 {
                sleep(step).await;
                if stream.write_all(b"x").await.is_err() {
                    break;
                }
            }
        })
    };
    let window = Limits { progress_window: Duration::from_millis(400), progress_bytes: 8, ..limits() };
    let server = trickling(Duration::from_millis(5)).await;
    assert_eq!(open(&server, window.clone()).fetch(&server.url("/")).await.unwrap().bytes.len(), 40);
    let server = trickling(Duration::from_millis(150)).await;
    assert!(matches!(error_of(&server, &open(&server, window)).await, Reason::TooSlow { min: 8, .. }));
    // A body that gets on, but not in time, and one that does not come at all.
    let brief = Limits { total: Duration::from_millis(500), ..limits() };
    assert!(matches!(error_of(&server, &open(&server, brief.clone())).await, Reason::Time { .. }));
    let silent = Server::start(|_, stream| async move {
        sleep(Duration::from_secs(60)).await;
        drop(stream);
    })
    .await;
    assert!(matches!(error_of(&silent, &open(&silent, brief)).await, Reason::Time { .. }));
}

#[tokio::test]
async fn heads_have_a_limit() {
    let with = |n: usize| format!("HTTP/1.1 200 OK\r\nx: {}\r\ncontent-length: 4\r\n\r\nfile", "y".repeat(n));
    let small = Limits { max_header_bytes: Limits::LEAST_HEADER_BYTES, ..limits() };
    let server = Server::saying(with(Limits::LEAST_HEADER_BYTES - 200)).await;
    assert!(open(&server, small.clone()).fetch(&server.url("/")).await.is_ok());
    let server = Server::saying(with(Limits::LEAST_HEADER_BYTES)).await;
    assert!(matches!(error_of(&server, &open(&server, small.clone())).await, Reason::HeaderBytes { .. }));
    // A head that never ends, and many short headers.
    let server = Server::start(|_, mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
        while stream.write_all(b"x: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n").await.is_ok() {}
    })
    .await;
    assert!(matches!(error_of(&server, &open(&server, small)).await, Reason::HeaderBytes { .. }));
}

#[tokio::test]
async fn what_is_no_http_is_refused() {
    for answer in ["", "SSH-2.0-OpenSSH_9.6\r\n", "HTTP/1.1 999999 X\r\n\r\n", "\0\0\0"] {
        let server = Server::saying(answer).await;
        assert!(matches!(error_of(&server, &open(&server, limits())).await, Reason::Http(_)), "{answer:?}");
    }
    for status in [204, 206, 304, 404, 410] {
        let server = Server::start(move |_, stream| async move {
            say(stream, format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n").as_bytes()).await;
        })
        .await;
        assert!(matches!(error_of(&server, &open(&server, limits())).await, Reason::Status(_)), "{status}");
    }
}

#[tokio::test]
async fn certificates_must_be_trusted() {
    use std::sync::Arc;
    use tokio_rustls::{TlsAcceptor, rustls};
    let own = rcgen::generate_simple_self_signed(["pictures.example".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![own.cert.der().clone()], key)
            .unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        while let Ok((stream, _)) = listener.accept().await {
            let _ = acceptor.accept(stream).await;
        }
    });
    let fetcher = crate::fetcher(crate::rules(port, true), limits(), &[&["127.0.0.1"]]);
    let error = fetcher.fetch(&format!("https://pictures.example:{port}/")).await.unwrap_err();
    assert!(matches!(error.reason, Reason::Tls { .. }), "{error}");
    says(&error, &["certificate"]);
}
