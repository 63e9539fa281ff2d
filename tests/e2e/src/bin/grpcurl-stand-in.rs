//! What of `grpcurl` the book's examples use, for the test that runs them: the same command line and the same JSON.
//!
//! `grpcurl -plaintext [-d JSON|@] HOST:PORT list|SERVICE/METHOD`. Methods are called through the generated clients, so that an
//! example with a wrong name or a field that does not exist fails.

use std::io::Read;

use anyhow::{Context, Result, bail, ensure};
use fondue_proto::{
    dialogue::{
        ConverseRequest, ReplyRequest, RetrieveRequest, ScoreRequest, dialogue_client::DialogueClient,
    },
    retrieval::{ActivateRequest, retrieval_client::RetrievalClient},
};
use fondue_serving::upstream::connect_lazy;
use serde::{Serialize, de::DeserializeOwned};
use tonic::Streaming;
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut words = std::env::args().skip(1).peekable();
    ensure!(words.next().as_deref() == Some("-plaintext"), "there is no TLS: -plaintext is needed");
    let mut data = "{}".to_owned();
    if words.next_if(|word| word == "-d").is_some() {
        data = words.next().context("-d needs data")?;
        if data == "@" {
            data.clear();
            std::io::stdin().read_to_string(&mut data)?;
        }
    }
    let (address, what) = (words.next().context("no address")?, words.next().context("no method")?);
    ensure!(words.next().is_none(), "flags stand before the address");
    let channel = connect_lazy(&address)?;
    let mut dialogue = DialogueClient::new(channel.clone()).max_decoding_message_size(64 << 20);
    match what.as_str() {
        "list" => return list(&address).await,
        "fondue.dialogue.v1.Dialogue/Reply" => {
            let request: ReplyRequest = one(&data)?;
            events(dialogue.reply(request).await?.into_inner()).await
        }
        "fondue.dialogue.v1.Dialogue/Converse" => {
            let messages: Vec<ConverseRequest> = all(&data)?;
            events(dialogue.converse(tokio_stream::iter(messages)).await?.into_inner()).await
        }
        "fondue.dialogue.v1.Dialogue/Retrieve" => {
            let request: RetrieveRequest = one(&data)?;
            show(&dialogue.retrieve(request).await?.into_inner())
        }
        "fondue.dialogue.v1.Dialogue/Score" => {
            let request: ScoreRequest = one(&data)?;
            show(&dialogue.score(request).await?.into_inner())
        }
        "fondue.retrieval.v1.Retrieval/Activate" => {
            let request: ActivateRequest = one(&data)?;
            show(&RetrievalClient::new(channel).activate(request).await?.into_inner())
        }
        other => bail!("{other}: this stand-in does not know it yet"),
    }
}

/// The services, as the server's own reflection lists them.
async fn list(address: &str) -> Result<()> {
    let mut client = ServerReflectionClient::new(connect_lazy(address)?);
    let asked = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut answers = client.server_reflection_info(tokio_stream::iter([asked])).await?.into_inner();
    let answer = answers.message().await?.and_then(|answer| answer.message_response);
    let Some(MessageResponse::ListServicesResponse(services)) = answer else { bail!("no list: {answer:?}") };
    let mut names: Vec<_> = services.service.into_iter().map(|service| service.name).collect();
    names.sort();
    names.iter().for_each(|name| println!("{name}"));
    Ok(())
}

async fn events<T: Serialize>(mut stream: Streaming<T>) -> Result<()> {
    while let Some(event) = stream.message().await? {
        show(&event)?;
    }
    Ok(())
}

fn show(message: &impl Serialize) -> Result<()> {
    println!("{}", serde_json::to_string_pretty(message)?);
    Ok(())
}

fn one<T: DeserializeOwned>(data: &str) -> Result<T> {
    serde_json::from_str(data).context("the data")
}

fn all<T: DeserializeOwned>(data: &str) -> Result<Vec<T>> {
    serde_json::Deserializer::from_str(data).into_iter().collect::<Result<_, _>>().context("the data")
}
