//! A client: its turns, one after the other, each followed to its end.

use std::time::Duration;

use fondue_proto::dialogue::{
    CancelTurn, ConverseRequest, Event, Image, Part, ReplyRequest, Turn, TurnOptions,
    converse_request::Action, dialogue_client::DialogueClient, event::Kind, part,
};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Code, Status, Streaming, transport::Channel};

use crate::{
    journal::{End, Journal, Told, What},
    network::to_gateway,
    plan::Asked,
};

/// How long after its time a turn's end may come before the client gives up: far more than any law allows.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks everything of a list.
pub(crate) async fn ask(list: Vec<Asked>, journal: Journal) -> turmoil::Result {
    let mut client = Client { client: DialogueClient::new(to_gateway()), journal, talk: None };
    for asked in &list {
        sleep(asked.pause).await;
        let timeout = asked.timeout;
        client.journal.note(asked.turn, What::Asked { timeout });
        let end = if asked.converses { client.converse(asked).await } else { client.reply(asked).await };
        client.journal.note(asked.turn, What::Ended(end));
    }
    Ok(())
}

struct Client {
    client: DialogueClient<Channel>,
    journal: Journal,
    talk: Option<Talk>,
}

/// A conversation.
struct Talk {
    say: mpsc::UnboundedSender<ConverseRequest>,
    events: Streaming<Event>,
}

impl Client {
    /// A call of its own, dropped if it is taken back.
    async fn reply(&mut self, asked: &Asked) -> End {
        let request = ReplyRequest { turn: Some(turn(asked)), ..ReplyRequest::default() };
        let whole = async {
            match self.client.reply(request).await {
                Ok(response) => hear(&mut response.into_inner()).await,
                Err(status) => refused(status),
            }
        };
        let patience = asked.cancel.unwrap_or(asked.timeout + PATIENCE);
        match timeout(patience, whole).await {
            Ok(end) => end,
            Err(_) if asked.cancel.is_some() => {
                self.journal.note(asked.turn, What::Cancelled);
                End::Left
            }
            Err(_) => End::Silent,
        }
    }

    /// A turn of the conversation, which is begun if there is none.
    async fn converse(&mut self, asked: &Asked) -> End {
        let talk = match self.talk.take() {
            Some(talk) => Ok(talk),
            None => {
                let begun = timeout(PATIENCE, begin(&mut self.client)).await;
                begun.unwrap_or_else(|_| Err(Status::unavailable("no conversation can be begun")))
            }
        };
        let mut talk = match talk {
            Ok(talk) => talk,
            Err(status) => return refused(status),
        };
        let say = |action| talk.say.send(ConverseRequest { action: Some(action) }).is_ok();
        if !say(Action::Turn(turn(asked))) {
            return End::Failed(Code::Unavailable, "the conversation has ended".to_owned(), Told::default());
        }
        let mut heard = Box::pin(hear(&mut talk.events));
        let mut is_cancelled = false;
        let first = asked.cancel.unwrap_or(asked.timeout + PATIENCE);
        let mut end = timeout(first, &mut heard).await;
        if end.is_err() && asked.cancel.is_some() {
            self.journal.note(asked.turn, What::Cancelled);
            is_cancelled = true;
            let _ = talk.say.send(ConverseRequest { action: Some(Action::Cancel(CancelTurn {})) });
            end = timeout(asked.timeout + PATIENCE, &mut heard).await;
        }
        drop(heard);
        match end {
            Ok(End::Done(_)) if is_cancelled => {
                self.talk = Some(talk);
                End::Left
            }
            Ok(end) => {
                if !matches!(end, End::Silent) {
                    self.talk = Some(talk);
                }
                end
            }
            Err(_) => End::Silent,
        }
    }
}

async fn begin(client: &mut DialogueClient<Channel>) -> Result<Talk, Status> {
    let (say, words) = mpsc::unbounded_channel();
    let events = client.converse(UnboundedReceiverStream::new(words)).await?.into_inner();
    Ok(Talk { say, events })
}

fn turn(asked: &Asked) -> Turn {
    let name = format!("turn {}", asked.turn);
    let text = Part { kind: Some(part::Kind::Text(name.clone())) };
    let image = Image { data: name.into_bytes().into(), ..Image::default() };
    let image = asked.picture.then_some(Part { kind: Some(part::Kind::Image(image)) });
    let timeout_ms = i32::try_from(asked.timeout.as_millis()).ok();
    Turn {
        parts: image.into_iter().chain([text]).collect(),
        options: Some(TurnOptions { timeout_ms, ..TurnOptions::default() }),
    }
}

/// The events of a turn to its end.
async fn hear(events: &mut Streaming<Event>) -> End {
    let mut told = Told::default();
    loop {
        match events.message().await {
            Ok(Some(event)) => match event.kind {
                Some(Kind::Text(delta)) => told.text.push_str(&delta.text),
                Some(Kind::Image(_)) => told.found += 1,
                Some(Kind::ImageUnavailable(_)) => told.unavailable += 1,
                Some(Kind::Done(_)) => return End::Done(told),
                Some(Kind::Failed(failed)) => {
                    return End::Failed(Code::from(failed.code), failed.message, told);
                }
                _ => {}
            },
            Ok(None) => return End::Silent,
            Err(status) => {
                return End::Failed(status.code(), status.message().to_owned(), told);
            }
        }
    }
}

fn refused(status: Status) -> End {
    End::Failed(status.code(), status.message().to_owned(), Told::default())
}
