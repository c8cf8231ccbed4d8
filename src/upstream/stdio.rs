//! An upstream over the standard streams of a child.

use std::borrow::Cow;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{Fuse, FusedFuture};
use rmcp::RoleClient;
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::Transport;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::child::{Excess, Line, Program, Running, Streams, drain, read_line};
use super::router::{Closing, Router};
use super::wire;

/// The largest message that an upstream may send.
pub(super) const MAX_MESSAGE: usize = 16 * 1024 * 1024;
/// How many messages wait between the child and `rmcp`, in either direction.
const QUEUED: usize = 64;
/// How long a message waits for a child that does not read.
const WRITE_LIMIT: Duration = Duration::from_secs(30);
/// How long what a child has said is still read after its end.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What `rmcp` speaks with. The child itself belongs to a task, which ends with this.
pub(super) struct Stdio {
    router: Arc<Router>,
    outgoing: Option<mpsc::Sender<Vec<u8>>>,
    incoming: mpsc::Receiver<ServerJsonRpcMessage>,
    task: Option<JoinHandle<()>>,
}

impl Stdio {
    /// Starts the child.
    pub(super) fn start(program: &Program, router: &Arc<Router>, upstream: &Arc<str>) -> io::Result<Self> {
        let (running, streams) = program.start()?;
        let (outgoing, to_write) = mpsc::channel(QUEUED);
        let (read, incoming) = mpsc::channel(QUEUED);
        let (for_task, upstream) = (Arc::clone(router), Arc::clone(upstream));
        let task = tokio::spawn(supervise(running, streams, to_write, read, for_task, upstream));
        Ok(Self { router: Arc::clone(router), outgoing: Some(outgoing), incoming, task: Some(task) })
    }
}

impl Drop for Stdio {
    fn drop(&mut self) {
        if self.task.is_some() {
            self.router.close(Closing::Now);
        }
    }
}

impl Transport<RoleClient> for Stdio {
    type Error = io::Error;

    fn name() -> Cow<'static, str> {
        "child process".into()
    }

    fn send(
        &mut self,
        message: ClientJsonRpcMessage,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        let line = wire::encode(&message, &self.router).map_err(io::Error::other);
        let outgoing = self.outgoing.clone();
        async move {
            let mut line = line?;
            line.push(b'\n');
            let outgoing = outgoing.ok_or(io::ErrorKind::BrokenPipe)?;
            match timeout(WRITE_LIMIT, outgoing.send(line)).await {
                Ok(sent) => sent.map_err(|_| io::ErrorKind::BrokenPipe.into()),
                Err(_) => Err(io::ErrorKind::TimedOut.into()),
            }
        }
    }

    async fn receive(&mut self) -> Option<ServerJsonRpcMessage> {
        self.incoming.recv().await
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.router.close(Closing::Gently);
        self.outgoing = None;
        if let Some(task) = self.task.take() {
            task.await.map_err(io::Error::other)?;
        }
        Ok(())
    }
}

/// Lives as long as the child: reads and writes its streams, and sees to its end.
async fn supervise(
    mut running: Running,
    streams: Streams,
    outgoing: mpsc::Receiver<Vec<u8>>,
    incoming: mpsc::Sender<ServerJsonRpcMessage>,
    router: Arc<Router>,
    upstream: Arc<str>,
) {
    let Streams { input, output, complaints } = streams;
    let drained = drain(complaints, &upstream);
    let read = async {
        if let Err(error) = read(output, incoming, &router).await {
            tracing::warn!(%upstream, %error, "an upstream cannot be read any more");
        }
    };
    let (mut drained, mut read) = (pin!(drained.fuse()), pin!(read.fuse()));
    let mut written = Box::pin(write(input, outgoing).fuse());
    loop {
        tokio::select! {
            () = &mut drained, if !drained.is_terminated() => {}
            () = &mut written, if !written.is_terminated() => {}
            () = &mut read => break,
            status = running.exit() => {
                if let Ok(status) = status && !router.is_closing() {
                    tracing::warn!(%upstream, %status, "an upstream has ended");
                }
                // Its group is gone, so that the end of its output comes at once.
                let _ = timeout(LAST_WORDS, read).await;
                router.close(Closing::Gently);
                return;
            }
            () = router.closed() => break,
        }
    }
    router.close(Closing::Gently);
    // Its input ends with this, which asks it to end.
    drop(written);
    // It must be read on, or it might not get to its end.
    let rest = async {
        tokio::join!(unless_over(read), unless_over(drained));
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = running.end() => {}
        () = rest => {}
        () = router.closes(Closing::Now) => {}
    }
    running.kill().await;
}

/// Waits for what may have been waited for already.
async fn unless_over(future: Pin<&mut Fuse<impl Future<Output = ()>>>) {
    if !future.is_terminated() {
        future.await;
    }
}

async fn write(mut input: ChildStdin, mut outgoing: mpsc::Receiver<Vec<u8>>) {
    while let Some(line) = outgoing.recv().await {
        let written = async {
            input.write_all(&line).await?;
            input.flush().await
        };
        if let Err(error) = written.await {
            // Its end is noticed elsewhere.
            tracing::debug!(%error, "an upstream takes no input any more");
            return;
        }
    }
}

/// Reads messages to the end of the output.
async fn read(
    output: ChildStdout,
    incoming: mpsc::Sender<ServerJsonRpcMessage>,
    router: &Router,
) -> io::Result<()> {
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    while read_line(&mut output, &mut line, MAX_MESSAGE, Excess::Refuse).await? == Line::Whole {
        let Ok(text) = std::str::from_utf8(&line) else { continue };
        if text.trim().is_empty() {
            continue;
        }
        let Some(message) = router.receive(text, None).await else { continue };
        match serde_json::from_str(&message) {
            Ok(message) => {
                if incoming.send(message).await.is_err() {
                    return Ok(());
                }
            }
            Err(error) => tracing::debug!(%error, "an upstream sends something that is no message"),
        }
        if line.capacity() > MAX_MESSAGE / 16 {
            line = Vec::new();
        }
    }
    Ok(())
}
