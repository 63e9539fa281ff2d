//! Services that want to know who calls: the gateway shows its certificate, and trusts none but theirs.

use clap::Parser;
use fondue_authority::{Authority, Files};
use fondue_gateway::config::Args;
use fondue_proto::dialogue::dialogue_client::DialogueClient;
use fondue_tls::{Pair, ServerFiles, ServerTls};
use tokio::net::{TcpListener, TcpStream};

use crate::{
    fakes::{Fake, language::LanguageFake, retrieval::RetrievalFake, vision::VisionFake},
    scene::{done, reply, text, turn},
};

/// TLS before a fake; gives its `https://` address.
async fn before(fake: &Fake, tls: &ServerTls) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tls, behind) = (tls.clone(), fake.address.trim_start_matches("http://").to_owned());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, behind) = (tls.acceptor(), behind.clone());
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut behind = TcpStream::connect(behind).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut behind).await;
            });
        }
    });
    format!("https://localhost:{port}")
}

#[tokio::test]
async fn the_gateway_calls_services_that_ask_for_its_certificate() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new("ours").unwrap());
    let issue = |name: &str| authority.issue(&[name]).unwrap().write(folder.path(), name).unwrap();
    let ca = authority.write(&folder.path().join("ca.pem")).unwrap();
    let Files { certificate, key } = issue("localhost");
    let files = ServerFiles { pair: Pair { certificate, key }, client_ca: Some(ca.clone()) };
    let tls = ServerTls::load(files).unwrap();
    let language = LanguageFake::default();
    let fakes = [language.routes(), VisionFake::default().routes(), RetrievalFake::default().routes()];
    let fakes = fakes.map(Fake::serve);
    let [l, v, r] = &fakes;
    let (l, v, r) = (before(l, &tls).await, before(v, &tls).await, before(r, &tls).await);
    let own = issue("gateway.fondue");

    let serve = async |more: &[&str]| {
        let words = ["gateway", "--language", &l, "--vision", &v, "--retrieval", &r];
        let words = [&words[..], more].concat();
        let config = Args::parse_from(words).resolve().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(fondue_gateway::run(config, listener, std::future::pending()));
        DialogueClient::connect(address).await.unwrap()
    };
    let path = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let (ca, certificate, key) = (path(&ca), path(&own.certificate), path(&own.key));
    let shown = ["--upstream-ca", &ca, "--upstream-certificate", &certificate, "--upstream-key", &key];
    let client = serve(&shown).await;
    let mut events = reply(client, turn([text("hello")])).await.unwrap();
    assert_eq!(done(&events.turn().await).text, "ok");

    // Without a certificate it is not let in, and the turn says which service is the matter.
    let client = serve(&shown[..2]).await;
    let refused = match reply(client, turn([text("hello")])).await {
        Err(status) => status.message().to_owned(),
        Ok(mut events) => format!("{:?}", events.turn().await),
    };
    assert!(refused.contains("the language service is unavailable"), "{refused}");
}
