//! Certificates that change while connections are open.

use std::time::Duration;

use fondue_tls::{ClientFiles, ClientTls, ServerFiles, ServerTls};

use super::handshakes::{Papers, exchange, serve};

#[tokio::test]
async fn both_sides_take_new_files_by_themselves() {
    let papers = Papers::new();
    let (ca, server) = (papers.ca(), papers.server());
    let tls = ServerTls::load(ServerFiles { pair: server, client_ca: None }).unwrap();
    let client = ClientTls::load(ClientFiles { ca: Some(ca), ..ClientFiles::default() }).unwrap();
    let (to, _served) = serve(tls.clone()).await;
    assert_eq!(exchange(&client, &to).await, Ok(7));

    // Another authority altogether, for both: until both have seen it, they do not agree.
    let renewed = Papers { folder: papers.folder, ..Papers::new() };
    renewed.server();
    renewed.ca();
    for _ in 0..100 {
        let (to, served) = serve(tls.clone()).await;
        let agreed = exchange(&client, &to).await.is_ok();
        served.abort();
        // Only the new client trusts the new server, and the old ones each other; so see that it is the new.
        let newest = ClientFiles { ca: Some(renewed.path().join("ca.pem")), ..ClientFiles::default() };
        let (to, _served) = serve(tls.clone()).await;
        if agreed && exchange(&ClientTls::load(newest).unwrap(), &to).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("after 20 s the old certificate is still in use");
}
