//! How a turn's failures reach the log.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use fondue_domain::Fault;
use tokio::sync::mpsc;

use super::*;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_failure_is_one_line_in_the_log() {
    for (fault, level) in [(Fault::Internal, "ERROR"), (Fault::Unavailable, "INFO")] {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber =
            tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
        let _log = tracing::subscriber::set_default(subscriber);
        let (events, _stream) = mpsc::channel(4);
        let reply = Reply::new(1, events);
        refused("id", Failure::new(fault, "the reason"), &reply, Counted::begin()).await.unwrap();
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.matches("the reason").count(), 1, "{text}");
        assert!(text.lines().count() == 1 && text.contains(level), "{text}");
    }
}
