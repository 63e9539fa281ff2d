//! A running service, and what a client asks of it.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Parser;
use fondue_language::config::Args;
use fondue_proto::language::{
    Cut, DescribeRequest, DescribeResponse, Done, Features, GenerateRequest, Part, Started,
    generate_event::Kind, language_client::LanguageClient, part,
};
use fondue_serving::upstream::{Channel, connect_lazy};
use tokio::{net::TcpListener, task::JoinHandle};
use tonic::Status;

/// Nothing here takes this long unless it hangs.
const HANGS: Duration = Duration::from_secs(60);

pub(crate) struct Scene {
    client: LanguageClient<Channel>,
    pub(crate) facts: DescribeResponse,
    task: JoinHandle<()>,
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a reply told.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) started: Started,
    pub(crate) text: String,
    pub(crate) done: Done,
}

impl Scene {
    /// The shipped model, loaded, with further flags.
    pub(crate) async fn with(flags: &[&str]) -> Self {
        let model = model();
        let words = ["language", "--threads=1", "--drain-seconds=0.2", "--model", model.to_str().unwrap()];
        let config = Args::parse_from(words.iter().chain(flags)).resolve().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let task = tokio::spawn(async move {
            fondue_language::run(config, listener, std::future::pending()).await.unwrap();
        });
        let client = LanguageClient::new(connect_lazy(&address).unwrap());
        let loaded = async {
            loop {
                if let Ok(facts) = client.clone().describe(DescribeRequest {}).await {
                    return facts.into_inner();
                }
                tokio::time::sleep(Duration::from_millis(10)).await; // between two looks
            }
        };
        let facts = tokio::time::timeout(HANGS, loaded).await.expect("it does not come up");
        Self { client, facts, task }
    }

    /// The answer to a prompt that may begin at these cuts.
    pub(crate) async fn generate(
        &self,
        parts: Vec<Part>,
        cuts: &[(usize, usize)],
        max_new_tokens: i32,
    ) -> Result<Told, Status> {
        let cut = |&(part, byte): &(usize, usize)| Cut { part: part as u32, byte: byte as u32 };
        let cuts = cuts.iter().map(cut).collect();
        let request = GenerateRequest { parts, cuts, max_new_tokens, ..GenerateRequest::default() };
        let mut events = self.client.clone().generate(request).await?.into_inner();
        let (mut started, mut text) = (None, String::new());
        loop {
            let event = tokio::time::timeout(HANGS, events.message()).await.expect("it hangs")?;
            match event.expect("no Done").kind.unwrap() {
                Kind::Started(begun) => started = Some(begun),
                Kind::Text(delta) => text += &delta.text,
                Kind::Query(_) => {}
                Kind::Done(done) => return Ok(Told { started: started.unwrap(), text, done }),
            }
        }
    }

    /// A picture's features.
    pub(crate) fn picture(&self) -> Part {
        let values = vec![0.25; self.facts.feature_dim as usize];
        Part { kind: Some(part::Kind::Image(Features { values })) }
    }
}

pub(crate) fn text(text: &str) -> Part {
    Part { kind: Some(part::Kind::Text(text.to_owned())) }
}

pub(crate) fn model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/model")
}
