//! When a server should stop: a signal, or the end of its launcher.

use std::{io::Read, thread};

use tokio::{
    signal::unix::{SignalKind, signal as on},
    sync::oneshot,
};

/// Completes at SIGTERM or SIGINT or, if asked, when stdin ends: a launcher that dies closes it, whatever it died of.
///
/// Where the system gives no signal handlers, the server runs on until it is killed.
pub async fn signal(stop_with_stdin: bool) {
    let terminate = async {
        match on(SignalKind::terminate()) {
            Ok(mut signals) => signals.recv().await,
            Err(_) => std::future::pending().await,
        };
    };
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let launcher_gone = async {
        if stop_with_stdin {
            stdin_ends().await;
        } else {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = terminate => tracing::info!("SIGTERM: stopping"),
        () = interrupt => tracing::info!("SIGINT: stopping"),
        () = launcher_gone => tracing::info!("stdin ended: stopping"),
    }
}

/// A plain thread reads, since tokio would wait for its own at exit.
async fn stdin_ends() {
    let (ended, end) = oneshot::channel();
    let read = move || {
        let mut buffer = [0; 256];
        while matches!(std::io::stdin().lock().read(&mut buffer), Ok(n) if n > 0) {}
        let _ = ended.send(());
    };
    if thread::Builder::new().name("stdin".to_owned()).spawn(read).is_err() {
        std::future::pending::<()>().await;
    }
    let _ = end.await;
}
