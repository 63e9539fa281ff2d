//! When a server should stop: a signal, or the end of its launcher. A second signal ends it at once.

use std::{
    io::{self, Read},
    sync::{Arc, atomic::AtomicBool},
    thread,
};

use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag,
};
use tokio::{
    signal::unix::{SignalKind, signal as on},
    sync::oneshot,
};

/// What a shell tells of a process that a signal ended.
const BY_SIGNAL: i32 = 128;

/// Completes at SIGTERM or SIGINT or, if asked, when stdin ends: a launcher that dies closes it, whatever it died of.
///
/// From then on a second SIGTERM or SIGINT ends the process where it stands, with 128 and the signal's number: whoever asks twice will
/// not wait for what still runs. It does so within the handler, so that nothing can be in its way.
///
/// Where the system gives no signal handlers, the server runs on until it is killed.
pub async fn signal(stop_with_stdin: bool) {
    if let Err(error) = second_ends() {
        tracing::warn!(%error, "a second signal will not end the server at once");
    }
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
        () = terminate => tracing::info!("SIGTERM: stopping; a second one ends the process at once"),
        () = interrupt => tracing::info!("SIGINT: stopping; a second one ends the process at once"),
        () = launcher_gone => tracing::info!("stdin ended: stopping"),
    }
}

/// Lets the first of both signals arm the second. The order matters: what is registered first runs first.
fn second_ends() -> io::Result<()> {
    let asked = Arc::new(AtomicBool::new(false));
    for number in [SIGTERM, SIGINT] {
        flag::register_conditional_shutdown(number, BY_SIGNAL + number, asked.clone())?;
        flag::register(number, asked.clone())?;
    }
    Ok(())
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
