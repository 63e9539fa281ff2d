//! Fakes of the services behind the gateway. They note what they are asked and do what a test tells them.

pub(crate) mod language;
pub(crate) mod retrieval;
pub(crate) mod vision;

use tokio::{net::TcpListener, runtime::Runtime};
use tonic::{service::Routes, transport::Server};

/// A server in a runtime of its own, so that it can be killed with all its connections.
pub(crate) struct Fake {
    pub(crate) address: String,
    runtime: Option<Runtime>,
}

impl Fake {
    pub(crate) fn serve(routes: Routes) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let std_listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        std_listener.set_nonblocking(true).unwrap();
        let address = format!("http://{}", std_listener.local_addr().unwrap());
        runtime.spawn(async move {
            let listener = TcpListener::from_std(std_listener).unwrap();
            let incoming = tonic::transport::server::TcpIncoming::from(listener).with_nodelay(Some(true));
            Server::builder().add_routes(routes).serve_with_incoming(incoming).await.unwrap();
        });
        Self { address, runtime: Some(runtime) }
    }

    /// Cuts all connections and refuses new ones, as a process does that dies.
    pub(crate) fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.kill();
    }
}
