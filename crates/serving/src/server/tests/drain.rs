//! Stopping beside clients of every kind. That a server's shutdown hangs for some of them is a known fault of such servers
//! (hyper's issue 4170): each is held against it here.

use tokio::time::timeout;
use tonic_health::pb::HealthCheckResponse;

use super::{calls::Odd, *};

/// Nothing here takes this long unless it hangs.
const HANGS: Duration = Duration::from_secs(20);

async fn odd(drain_seconds: f64) -> Running {
    let mut routes = RoutesBuilder::default();
    routes.add_service(Odd);
    start_draining(routes, drain_seconds).await
}

async fn socket(server: &Running, sends: &[u8]) -> TcpStream {
    let mut socket = TcpStream::connect(&server.address).await.unwrap();
    socket.write_all(sends).await.unwrap();
    socket
}

/// A connection that has had an answer, and stays.
async fn kept(server: &Running) -> TcpStream {
    let mut kept = socket(server, b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let mut answer = [0; 15];
    kept.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    kept
}

async fn ends(server: Running) -> Duration {
    let begun = Instant::now();
    server.stop.send(()).unwrap();
    timeout(HANGS, server.ended).await.expect("the server does not end").unwrap().unwrap();
    begun.elapsed()
}

#[tokio::test]
async fn idle_clients_do_not_hold_a_server() {
    let server = odd(60.0).await;
    let mut kept = kept(&server).await;
    let channel = upstream::connect_lazy(&server.address).unwrap();
    let mut client = HealthClient::new(channel);
    client.check(HealthCheckRequest { service: NAME.to_owned() }).await.unwrap();
    let silent = socket(&server, b"").await;
    let half = socket(&server, b"GET /live").await;
    let preface = socket(&server, b"PRI * HTTP/2.0\r\n").await;
    // The start of HTTP/2, with empty settings, and then nothing.
    let greeted = socket(&server, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    tokio::time::sleep(Duration::from_millis(100)).await; // all of them are seen
    let took = ends(server).await;
    assert!(took < Duration::from_secs(10), "{took:?}, of 60 s");
    let mut rest = Vec::new();
    let _ = timeout(HANGS, kept.read_to_end(&mut rest)).await.expect("the connection stays open");
    drop((client, silent, half, preface, greeted));
}

#[tokio::test]
async fn what_runs_has_the_drain_and_no_more() {
    let server = odd(1.0).await;
    let channel = upstream::connect_lazy(&server.address).unwrap();
    let mut running = Box::pin(async {
        let mut client = tonic::client::Grpc::new(channel);
        client.ready().await.unwrap();
        let codec = tonic_prost::ProstCodec::<HealthCheckRequest, HealthCheckResponse>::default();
        let path = "/fondue.odd.v1.Odd/Slow".parse().unwrap();
        client.unary(Request::new(HealthCheckRequest::default()), path, codec).await
    });
    assert!(timeout(Duration::from_millis(100), &mut running).await.is_err());
    // A call whose client does not send, and one whose client does not read.
    let head = "POST /fondue.odd.v1.Odd/Slow HTTP/1.1\r\nhost: x\r\ncontent-type: application/grpc\r\n";
    let unsent = socket(&server, format!("{head}content-length: 100\r\n\r\n").as_bytes()).await;
    let unread = socket(&server, format!("{head}content-length: 0\r\n\r\n").as_bytes()).await;
    let kept = kept(&server).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let took = tokio::select! {
        took = ends(server) => took,
        answer = running => panic!("it should run for 30 s: {answer:?}"),
    };
    assert!((Duration::from_millis(900)..Duration::from_secs(5)).contains(&took), "{took:?}, of 1 s");
    drop((unsent, unread, kept));
}
