//! Readers that do not read: they wait alone.

use fondue_proto::dialogue::{dialogue_client::DialogueClient, event};

use crate::{
    fakes::language::Step,
    scene::{Scene, done, reply, text, turn},
};

/// Longer than what is under way unread of one stream at any hop.
const LONG: usize = 8 << 20;
/// One delta of it.
const PIECE: usize = 4 << 10;

#[tokio::test]
async fn readers_that_do_not_read_do_not_delay_others() {
    let scene = Scene::new().await;
    let piece: &'static str = Box::leak("x".repeat(PIECE).into_boxed_str());
    let mut stalled = Vec::new();
    for _ in 0..8 {
        scene.language.will(vec![Step::Text(piece); LONG / PIECE]);
        // Each on a connection of its own, as other people's.
        let client = DialogueClient::connect(scene.address.clone()).await.unwrap();
        let client = client.max_decoding_message_size(4 * LONG);
        let mut events = reply(client, turn([text("go on")])).await.unwrap();
        events.text().await;
        stalled.push(events);
    }
    for _ in 0..20 {
        let mut events = scene.reply(turn([text("hello")])).await.unwrap();
        assert_eq!(done(&events.turn().await).text, "ok");
    }
    // And those who waited miss nothing, once they read.
    for mut events in stalled {
        let mut length = PIECE;
        while let Some(event) = events.next().await.unwrap() {
            if let Some(event::Kind::Text(delta)) = event.kind {
                length += delta.text.len();
            }
        }
        assert_eq!(length, LONG);
    }
}
