//! Changing the history of a conversation: in its order, as a whole or not at all.

use fondue_proto::dialogue::{
    BranchHistory, EditFailed, Exchange, OpenDialogue, ResetHistory, UndoTurns, converse_request::Action,
    event::Kind,
};
use tonic::Status;

use crate::{
    fakes::language::Step::{Fail, Ret, Text, Wait},
    scene::{Conversation, Scene, done, failed, images, text, turn},
};

fn undo(turns: u32) -> Action {
    Action::Undo(UndoTurns { turns })
}

fn reset() -> Action {
    Action::Reset(ResetHistory {})
}

fn branch(after_turn: u32) -> Action {
    Action::Branch(BranchHistory { after_turn })
}

impl Conversation {
    /// The next event, which must be of the conversation itself.
    async fn own(&mut self) -> Kind {
        let event = self.events.next().await.unwrap().expect("the stream has ended");
        assert_eq!(event.turn, 0, "{event:?}");
        event.kind.unwrap()
    }

    /// The turns of the history that it tells next.
    async fn changed(&mut self) -> Vec<u32> {
        match self.own().await {
            Kind::HistoryChanged(changed) => changed.turns,
            other => panic!("not changed: {other:?}"),
        }
    }

    /// Why the history stays as it is.
    async fn unchanged(&mut self) -> EditFailed {
        match self.own().await {
            Kind::EditFailed(failed) => failed,
            other => panic!("not refused: {other:?}"),
        }
    }

    async fn edit(&mut self, edit: Action) -> Vec<u32> {
        self.act(edit);
        self.changed().await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_back_was_never_said_nor_shown() {
    let scene = Scene::new().await;
    let mut talk = scene.converse().await;
    talk.turn(turn([text("hello")])).await;
    scene.language.will([Text(" here"), Ret(1.0)]);
    talk.turn(turn([text("fruit?")])).await;
    assert_eq!(talk.edit(undo(0)).await, [1], "0 is the last one");
    scene.language.will([Text(" here"), Ret(1.0)]);
    let again = talk.turn(turn([text("fruit?")])).await;
    assert_eq!(scene.language.prompt(2), scene.language.prompt(1));
    assert_eq!(images(&again)[0].id, "one", "it can be found again");
    assert!(scene.retrieval.asked()[1].excluded_ids.is_empty());
    assert_eq!(talk.edit(undo(2)).await, [0; 0]);
    talk.turn(turn([text("hello")])).await;
    assert_eq!(scene.language.prompt(3), scene.language.prompt(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_wait_for_the_turns_before_them_and_turns_for_edits() {
    let scene = Scene::with(&["--max-waiting-turns", "5"]).await;
    scene.language.will([Text(" a"), Wait]);
    let mut talk = scene.converse().await;
    talk.say(turn([text("1")]));
    talk.events.text().await;
    talk.act(undo(1));
    talk.say(turn([text("2")]));
    talk.act(branch(1));
    talk.say(turn([text("3")]));
    talk.act(reset());
    scene.language.go_on.add_permits(1);
    assert!(matches!(talk.events.kind().await, Kind::Done(_)));
    assert_eq!(talk.changed().await, [0; 0]);
    done(&talk.events.turn().await);
    assert_eq!(talk.changed().await, [1]);
    done(&talk.events.turn().await);
    assert_eq!(talk.changed().await, [0; 0]);
    assert_eq!(scene.language.prompt(1), ["Q: 2\nA:"]);
    assert_eq!(scene.language.prompt(2), ["Q: 1\nA: a\nQ: 3\nA:"]);
    talk.half_close();
    talk.events.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_history_can_be_returned_to() {
    let scene = Scene::new().await;
    let mut talk = scene.converse().await;
    let exchange = Exchange { parts: vec![text("hi")], reply: "yes".into(), ..Exchange::default() };
    talk.act(Action::Open(OpenDialogue { history: vec![exchange], ..OpenDialogue::default() }));
    talk.turn(turn([text("one")])).await;
    talk.turn(turn([text("two")])).await;
    assert_eq!(talk.edit(reset()).await, [0; 0]);
    talk.turn(turn([text("three")])).await;
    assert_eq!(talk.edit(branch(1)).await, [0, 1]);
    talk.turn(turn([text("four")])).await;
    assert_eq!(scene.language.prompt(2), ["Q: three\nA:"]);
    assert_eq!(scene.language.prompt(3), ["Q: hi\nA: yes\nQ: one\nA: ok\nQ: four\nA:"]);
    assert_eq!(talk.edit(branch(2)).await, [0, 1, 2]);
    assert_eq!(talk.edit(branch(4)).await, [0, 1, 4]);
    assert_eq!(talk.edit(branch(3)).await, [3]);
    assert_eq!(talk.edit(branch(0)).await, [0], "what was brought along");
    assert_eq!(talk.edit(undo(1)).await, [0; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_cannot_be_made_changes_nothing() {
    let scene = Scene::with(&["--branch-turns", "2"]).await;
    let mut talk = scene.converse().await;
    for said in ["one", "two", "three"] {
        talk.turn(turn([text(said)])).await;
    }
    scene.language.will([Fail(Status::unavailable("down"))]);
    failed(&talk.turn(turn([text("four")])).await);
    for (edit, field) in [
        (undo(4), "undo.turns"),
        (undo(u32::MAX), "undo.turns"),
        (branch(1), "branch.after_turn"), // only the two newest are remembered
        (branch(4), "branch.after_turn"), // it failed
        (branch(5), "branch.after_turn"), // it is yet to come
    ] {
        talk.act(edit);
        let failed = talk.unchanged().await;
        assert_eq!((failed.code, failed.violations[0].field.as_str()), (3, field), "{failed:?}");
        assert!(!failed.message.contains("  "), "{failed:?}");
    }
    talk.turn(turn([text("five")])).await;
    let history = "Q: one\nA: ok\nQ: two\nA: ok\nQ: three\nA: ok\nQ: five\nA:";
    assert_eq!(scene.language.prompt(4), [history]);
    assert_eq!(talk.edit(branch(3)).await, [1, 2, 3]);
    assert_eq!(talk.edit(undo(3)).await, [0; 0], "as many as there are");
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_without_room_are_refused_when_it_is_their_turn() {
    let scene = Scene::with(&["--max-waiting-turns", "2"]).await;
    scene.language.will([Text(" a"), Wait]);
    let mut talk = scene.converse().await;
    talk.say(turn([text("1")]));
    talk.events.text().await;
    talk.say(turn([text("2")]));
    talk.act(undo(1));
    talk.act(reset());
    talk.act(branch(0));
    talk.say(turn([text("3")]));
    // A turn is refused at once; the messages before it were taken by then.
    assert_eq!(failed(&talk.events.turn().await).code, 8);
    scene.language.go_on.add_permits(1);
    assert!(matches!(talk.events.kind().await, Kind::Done(_)));
    done(&talk.events.turn().await);
    assert_eq!(talk.changed().await, [1]);
    assert_eq!((talk.unchanged().await.code, talk.unchanged().await.code), (8, 8));
}

#[tokio::test(flavor = "multi_thread")]
async fn turns_that_can_only_be_returned_to_have_their_bytes_counted() {
    let scene = Scene::with(&["--max-branch-bytes", "8"]).await;
    let mut talk = scene.converse().await;
    talk.turn(turn([text("a long word")])).await;
    assert_eq!(talk.edit(undo(1)).await, [0; 0]);
    talk.act(branch(1));
    let failed = talk.unchanged().await;
    assert!(failed.message.contains("max_branch_bytes"), "{failed:?}");
    talk.turn(turn([text("short")])).await;
    assert_eq!(talk.edit(undo(1)).await, [0; 0]);
    assert_eq!(talk.edit(branch(2)).await, [2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_ends_behind_its_last_edit() {
    let scene = Scene::new().await;
    let mut talk = scene.converse().await;
    talk.say(turn([text("1")]));
    talk.act(reset());
    talk.half_close();
    done(&talk.events.turn().await);
    assert_eq!(talk.changed().await, [0; 0]);
    talk.events.end().await;
}
