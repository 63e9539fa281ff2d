//! What one request takes of memory: its body, its texts once more, and little beside them, whatever it holds. Measured on the
//! gateway's own process, a new one for each shape, since what is freed is not always given back.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{process::Process, scene::HANGS};

/// Bytes of a body, just below the usual limit.
const SIZE: usize = 31 << 20;
/// What threads, connections and the allocator take beside it.
const BESIDE: u64 = 16 << 20;

/// `head`, `item`s until `SIZE` with commas between, and `tail`.
fn many(head: &str, item: &str, tail: &str) -> String {
    let n = (SIZE - head.len() - tail.len()) / (item.len() + 1);
    filled(head, item, n, tail)
}

fn filled(head: &str, item: &str, n: usize, tail: &str) -> String {
    let items = format!("{item},").repeat(n);
    format!("{head}{}{tail}", items.trim_end_matches(','))
}

/// A chat whose further fields are `more`.
fn chat(more: &str) -> String {
    format!("{{\"model\":\"fondue\",\"messages\":[{{\"role\":\"user\",\"content\":\"hi\"}}],{more}")
}

/// Posts `body`; gives the status and what the process took for it at most.
async fn post(path: &str, body: String) -> (u16, u64) {
    let gateway = Process::start(&[]);
    let before = gateway.account("VmHWM");
    let mut stream = TcpStream::connect(&gateway.address).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n",
        body.len()
    );
    let exchange = async {
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8(answer).unwrap()
    };
    let answer = tokio::time::timeout(3 * HANGS, exchange).await.expect("the gateway hangs");
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    assert!(answer.contains("\"error\":{"), "{answer:.300}");
    (status, gateway.account("VmHWM") - before)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_takes_a_small_multiple_of_its_bytes_whatever_it_holds() {
    let messages = "{\"model\":\"fondue\",\"messages\":[";
    let text = |n: usize| "x".repeat(n);
    let user = |content: &str| format!("{{\"role\":\"user\",\"content\":\"{content}\"}}");
    let answers =
        |content: &str| format!("{},{{\"role\":\"assistant\",\"content\":\"{content}\"}}", user("hi"));
    let link = "![](/v1/images/a/b#ret=1&at=2)";
    for (what, path, body) in [
        ("messages", "chat/completions", many(messages, "{\"role\":\"user\"}", "]}")),
        ("lists", "chat/completions", many(&chat("\"tools\":["), "[]", "]}")),
        ("objects", "chat/completions", many(&chat("\"response_format\":["), "{\"a\":{}}", "]}")),
        ("stops", "chat/completions", many(&chat("\"stop\":["), "\"\"", "]}")),
        ("numbers", "chat/completions", many(&chat("\"logit_bias\":["), "1", "]}")),
        ("conditions", "chat/completions", many(&chat("\"fondue\":{\"conditions\":["), "{}", "]}}")),
        ("keys", "chat/completions", many(&chat("\"metadata\":{"), "\"a\":\"\"", "}}")),
        (
            "parts",
            "chat/completions",
            many(
                "{\"model\":\"fondue\",\"messages\":[{\"role\":\"user\",\"content\":[",
                "{\"type\":\"text\",\"text\":\"\"}",
                "]}]}",
            ),
        ),
        ("inputs", "embeddings", many("{\"model\":\"fondue\",\"input\":[", "[]", "]}")),
        ("ids", "images/search", many("{\"input\":\"a\",\"exclude_ids\":[", "\"\"", "]}")),
        // As many values as may be, and as many bytes.
        ("few messages", "chat/completions", filled(messages, &user(&text(3050)), 10_000, "]}")),
        ("one text", "chat/completions", format!("{messages}{}]}}", user(&text(SIZE - 100)))),
        ("escapes", "chat/completions", format!("{messages}{}]}}", user(&"\\u0041".repeat(SIZE / 6 - 20)))),
        ("stop", "chat/completions", chat(&format!("\"stop\":\"\\n{}\"}}", text(SIZE - 200)))),
        ("links", "chat/completions", filled(messages, &answers(&link.repeat(34_000)), 30, "]}")),
        (
            "a picture",
            "images/search",
            format!(
                "{{\"input\":[{{\"type\":\"image_url\",\"image_url\":{{\"url\":\"data:image/png;base64,{}\"}}}}]}}",
                "A".repeat(SIZE / 4 * 4 - 400)
            ),
        ),
    ] {
        assert!(body.len() <= 32 << 20, "{what} {}", body.len());
        let size = body.len() as u64;
        let (status, peak) = post(&format!("/v1/{path}"), body).await;
        eprintln!("{what}: {status}, {} MiB for {} MiB", peak >> 20, size >> 20);
        assert!(peak <= 4 * size + BESIDE, "{what}: {} MiB for {} MiB", peak >> 20, size >> 20);
    }
}
