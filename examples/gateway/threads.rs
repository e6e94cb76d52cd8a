//! The threads that serve requests, each with its own runtime and its own connections.

use std::io;
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::{mpsc, oneshot};

use crate::serve::Accepted;

/// A thread that serves the connections sent to it.
#[derive(Debug)]
pub(crate) struct Worker {
    /// The queue of the thread. When it is dropped, the thread finishes its connections and ends.
    pub(crate) connections: mpsc::UnboundedSender<Accepted>,
    pub(crate) runtime: Handle,
    /// Resolves when the thread has finished its work.
    pub(crate) ended: oneshot::Receiver<()>,
}

impl Worker {
    /// Starts a thread that runs `work`. `work` must end once its queue is closed and its connections are finished.
    pub(crate) fn start<W, F>(work: W) -> io::Result<Self>
    where
        W: FnOnce(mpsc::UnboundedReceiver<Accepted>) -> F + Send + 'static,
        F: Future<Output = ()>,
    {
        let (connections, incoming) = mpsc::unbounded_channel();
        let (end, ended) = oneshot::channel();
        // One runtime per thread: no request moves to another core, and the threads share no connections.
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        thread::Builder::new().name("worker".into()).spawn(move || {
            runtime.block_on(work(incoming));
            let _ = end.send(());
        })?;
        Ok(Self { connections, runtime: handle, ended })
    }
}
