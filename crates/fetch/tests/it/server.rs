//! A server that answers each connection with what a closure writes, byte by byte.

use std::{
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::sleep,
};

pub(crate) struct Server {
    pub(crate) port: u16,
    /// Heads of the requests that came.
    pub(crate) asked: Arc<Mutex<Vec<String>>>,
    /// The most connections that were open at once.
    pub(crate) most: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// `answer` gets the request's path and the connection.
    pub(crate) async fn start<F, A>(answer: A) -> Self
    where
        A: Fn(String, TcpStream) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (asked, most) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
        let (theirs, their_most, answer) = (asked.clone(), most.clone(), Arc::new(answer));
        let task = tokio::spawn(async move {
            let now = Arc::new(AtomicUsize::new(0));
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (asked, most, now, answer) =
                    (theirs.clone(), their_most.clone(), now.clone(), answer.clone());
                tokio::spawn(async move {
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    let head = head(&mut stream).await;
                    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                    asked.lock().unwrap().push(head);
                    answer(path, stream).await;
                    now.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { port, asked, most, task }
    }

    /// Answers every request alike.
    pub(crate) async fn saying(answer: impl Into<Vec<u8>>) -> Self {
        let answer: Arc<[u8]> = answer.into().into();
        Self::start(move |_, stream| {
            let answer = answer.clone();
            async move { say(stream, &answer).await }
        })
        .await
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://pictures.example:{}{path}", self.port)
    }

    pub(crate) fn n_asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

/// Writes all, waits a moment for it to go out, and closes.
pub(crate) async fn say(mut stream: TcpStream, bytes: &[u8]) {
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    sleep(Duration::from_millis(20)).await;
}

/// An answer with a body.
pub(crate) fn ok(body: &[u8]) -> Vec<u8> {
    let mut answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
    answer.extend_from_slice(body);
    answer
}

pub(crate) fn redirect(to: &str) -> Vec<u8> {
    format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n").into_bytes()
}

async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&head).into_owned()
}
