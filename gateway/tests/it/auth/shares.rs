//! What all bodies under way may hold is shared out among tenants.

use serde_json::json;
use tokio::{io::AsyncWriteExt, net::TcpStream};

use super::{ALICE, BOB, Folder, becomes};
use crate::http::{CHAT, posted, question, send};

#[tokio::test(flavor = "multi_thread")]
async fn bodies_of_one_tenant_leave_room_for_anothers() {
    let folder = Folder::new("", "");
    let scene = folder.scene(&["--max-message-bytes", "100000", "--max-bodies-bytes", "400000"]).await;
    let whole = async |key: &str| {
        let mut asked = posted(CHAT, &question(json!({ "user": "x".repeat(60_000) })));
        asked.headers_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
        send(&scene, asked).await
    };
    assert_eq!(whole(ALICE).await.status, 200);
    // Most of a body that does not come whole.
    let mut half = TcpStream::connect(scene.address.strip_prefix("http://").unwrap()).await.unwrap();
    let head = format!(
        "POST {} HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\nauthorization: Bearer {ALICE}\r\n\
         content-length: 90000\r\n\r\n{{\"user\":\"",
        CHAT
    );
    half.write_all(head.as_bytes()).await.unwrap();
    half.write_all(&[b'x'; 60_000]).await.unwrap();
    becomes(async || {
        let got = whole(ALICE).await;
        got.status == 429 && got.json()["error"]["message"].as_str().unwrap().contains("its share")
    })
    .await;
    assert_eq!(whole(BOB).await.status, 200);
}
