//! Pictures by URL: fetched where the operator allows it, and like sent ones from then on.

use std::sync::{Arc, Mutex};

use fondue_proto::dialogue::{
    Exchange, Image, OpenDialogue, Part, RetrieveRequest, converse_request::Action, part,
};
use fondue_serving::status::violations_of;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tonic::Code;

use crate::scene::{Scene, done, failed, image, text, turn};

/// A web server: `/a` and `/bbb` are pictures, `/bad` is none, `/empty` nothing, `/broken` an error, everything else is not there.
struct Web {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Drop for Web {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Web {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = asked.clone();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(answer(stream, noted.clone()));
            }
        });
        Self { port, asked, task }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn link(&self, path: &str) -> Part {
        link(&format!("http://127.0.0.1:{}/{path}", self.port))
    }

    /// A gateway that may fetch from it.
    async fn scene(&self, more: &[&str]) -> Scene {
        let port = self.port.to_string();
        let flags = ["--image-host", "127.0.0.1", "--image-port", &port, "--image-network", "127.0.0.0/8"];
        Scene::with(&[&flags[..], more].concat()).await
    }
}

async fn answer(mut stream: TcpStream, asked: Arc<Mutex<Vec<String>>>) {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).await.is_ok_and(|n| n == 1) {
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    asked.lock().unwrap().push(path.clone());
    let (status, body) = match path.as_str() {
        "/a" => ("200 OK", "a"),
        "/bbb" => ("200 OK", "bbb"),
        "/bad" => ("200 OK", "bad"),
        "/empty" => ("200 OK", ""),
        "/broken" => ("500 Internal Server Error", "no"),
        _ => ("404 Not Found", "no"),
    };
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    let _ = stream.write_all((head + body).as_bytes()).await;
}

fn link(url: &str) -> Part {
    let image = Image { url: url.to_owned(), ..Image::default() };
    Part { kind: Some(part::Kind::Image(image)) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_by_url_is_like_its_bytes() {
    let web = Web::start().await;
    let scene = web.scene(&[]).await;
    let mut talk = scene.converse().await;
    let kinds = talk.turn(turn([web.link("a"), web.link("bbb"), web.link("a"), text("what?")])).await;
    let (timings, usage) = (done(&kinds).timings.clone().unwrap(), done(&kinds).usage.unwrap());
    assert!(timings.fetch_ms > 0.0 && timings.fetch_ms < timings.total_ms, "{timings:?}");
    assert_eq!(usage.images_in, 3);
    let prompt = ["<[97.0, 1.0]>", "<[98.0, 3.0]>", "<[97.0, 1.0]>", "Q: what?\nA:"];
    assert_eq!(scene.language.prompt(0), prompt);
    let mut asked = web.asked();
    asked.sort();
    assert_eq!(asked, ["/a", "/bbb"], "each once");
    // It is known as the picture that it is.
    let kinds = talk.turn(turn([image("a"), text("and?")])).await;
    assert_eq!(done(&kinds).timings.clone().unwrap().fetch_ms, 0.0);
    assert_eq!(scene.vision.encoded().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn histories_and_other_calls_may_hold_links() {
    let web = Web::start().await;
    let scene = web.scene(&[]).await;
    let mut talk = scene.converse().await;
    let exchange =
        Exchange { parts: vec![web.link("a"), text("fruit?")], reply: "yes".into(), ..Exchange::default() };
    talk.act(Action::Open(OpenDialogue { history: vec![exchange.clone()], ..OpenDialogue::default() }));
    talk.turn(turn([text("more")])).await;
    assert_eq!(scene.language.prompt(0), ["<[97.0, 1.0]>", "Q: fruit?\nA: yes\nQ: more\nA:"]);
    let request = RetrieveRequest { parts: exchange.parts, ..RetrieveRequest::default() };
    scene.client.clone().retrieve(request).await.unwrap();
    assert_eq!(scene.language.queried(), ["<[97.0, 1.0]>", "fruit?[RET]"]);

    // A conversation does not begin without its pictures.
    let mut talk = scene.converse().await;
    let exchange = Exchange { parts: vec![web.link("lost")], reply: "yes".into(), ..Exchange::default() };
    talk.act(Action::Open(OpenDialogue { history: vec![exchange], ..OpenDialogue::default() }));
    let status = talk.events.next().await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(violations_of(&status)[0].field, "open.history[0].parts[0].image.url");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_link_that_leads_nowhere_is_named() {
    let web = Web::start().await;
    let scene = web.scene(&["--max-image-bytes", "2"]).await;
    let mut talk = scene.converse().await;
    let parts = [
        web.link("lost"),
        web.link("a"),
        web.link("empty"),
        web.link("bbb"), // has a byte too many
        link("ftp://127.0.0.1/a"),
        link("http://elsewhere.example/a"),
        link("a picture"),
        text("what?"),
    ];
    let kinds = talk.turn(turn(parts)).await;
    let refused = failed(&kinds);
    let mut fields: Vec<_> = refused.violations.iter().map(|violation| violation.field.as_str()).collect();
    fields.sort_unstable();
    let expected = [0, 2, 3, 4, 5, 6].map(|n| format!("turn.parts[{n}].image.url"));
    assert_eq!((refused.code, fields), (3, expected.iter().map(String::as_str).collect()));
    assert!(scene.language.asked().is_empty());
    // One that leads to something else than a picture is found out later.
    let scene = web.scene(&[]).await;
    let mut talk = scene.converse().await;
    let kinds = talk.turn(turn([web.link("bad"), text("what?")])).await;
    let refused = failed(&kinds);
    assert_eq!((refused.code, refused.violations[0].field.as_str()), (3, "turn.parts[0].image.url"));
    // A host that is down may be up later.
    let kinds = talk.turn(turn([web.link("broken"), text("what?")])).await;
    assert_eq!(failed(&kinds).code, 14, "{kinds:?}");
    done(&talk.turn(turn([web.link("a"), text("what?")])).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_fetched_that_the_operator_does_not_allow() {
    let web = Web::start().await;
    let field = "turn.parts[0].image.url";
    let scene = Scene::new().await;
    let kinds = scene.converse().await.turn(turn([web.link("a")])).await;
    let refused = failed(&kinds);
    assert_eq!((refused.code, refused.violations[0].field.as_str()), (3, field));
    assert!(refused.violations[0].description.contains("image_hosts"), "{refused:?}");
    // A host by name, but within the operator's own network.
    let port = web.port.to_string();
    let scene = Scene::with(&["--image-host", "*", "--image-port", &port]).await;
    let kinds = scene.converse().await.turn(turn([web.link("a")])).await;
    let refused = failed(&kinds);
    assert_eq!((refused.code, refused.violations[0].field.as_str()), (3, field), "{refused:?}");
    assert!(web.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_has_bytes_or_a_url_of_some_length() {
    let scene = Scene::new().await;
    let both = Image { data: b"a".as_slice().into(), url: "http://a.example/".into(), fit: 0 };
    let both = Part { kind: Some(part::Kind::Image(both)) };
    let long = link(&format!("http://a.example/{}", "x".repeat(2049 - 17)));
    let most = link(&format!("http://a.example/{}", "x".repeat(2048 - 17)));
    let kinds = scene.converse().await.turn(turn([both, image(""), long])).await;
    let told: Vec<_> = failed(&kinds).violations.iter().map(|violation| violation.field.as_str()).collect();
    assert_eq!(told, ["turn.parts[0].image", "turn.parts[1].image.data", "turn.parts[2].image.url"]);
    let kinds = scene.converse().await.turn(turn([most])).await;
    let description = &failed(&kinds).violations[0].description;
    assert!(description.contains("image_hosts"), "its length is right: {description}");
}
