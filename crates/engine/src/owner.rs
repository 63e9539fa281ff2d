//! A thread that owns a model: started with it loaded, joined when the last handle goes.

use std::thread::{self, JoinHandle};

use tokio::sync::{mpsc, watch};

use crate::EngineError;

/// The handles' side: dropping it closes the queue and waits for the thread, which takes one step at most.
pub(crate) struct Owner<Command> {
    queue: Option<mpsc::UnboundedSender<Command>>,
    thread: Option<JoinHandle<()>>,
    alive: watch::Receiver<()>,
}

impl<Command: Send + 'static> Owner<Command> {
    /// Starts a thread that loads a model and then serves commands; returns once it is loaded, with what `describe`
    /// says of it.
    ///
    /// The queue itself has no bound: admission is by permits, which travel with the commands.
    pub(crate) fn spawn<Model: Send, Facts: Send + 'static, Error: Into<EngineError> + Send + 'static>(
        name: &str,
        load: impl FnOnce() -> Result<Model, Error> + Send + 'static,
        describe: impl FnOnce(&Model) -> Facts + Send + 'static,
        serve: impl FnOnce(Model, mpsc::UnboundedReceiver<Command>) + Send + 'static,
    ) -> Result<(Self, Facts), EngineError> {
        let (queue, commands) = mpsc::unbounded_channel();
        let (loaded, ready) = std::sync::mpsc::channel();
        let (living, alive) = watch::channel(());
        let work = move || match load() {
            Ok(model) => {
                let _ = loaded.send(Ok(describe(&model)));
                // Dropped when the thread ends, by a panic too.
                let _living = living;
                // No gradient is ever wanted here; without this every step would keep a graph.
                tch::no_grad(|| serve(model, commands));
            }
            Err(error) => {
                let _ = loaded.send(Err(error));
            }
        };
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(work)
            .map_err(|error| EngineError::Thread(error.to_string()))?;
        let facts = ready.recv().map_err(|_| EngineError::Stopped)?.map_err(Into::into)?;
        Ok((Self { queue: Some(queue), thread: Some(thread), alive }, facts))
    }

    /// Completes when the thread has ended.
    pub(crate) fn ended(&self) -> impl Future<Output = ()> + Send + use<Command> {
        let mut alive = self.alive.clone();
        async move { while alive.changed().await.is_ok() {} }
    }

    pub(crate) fn send(&self, command: Command) -> Result<(), EngineError> {
        let queue = self.queue.as_ref().ok_or(EngineError::Stopped)?;
        queue.send(command).map_err(|_| EngineError::Stopped)
    }
}

impl<Command> Drop for Owner<Command> {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
