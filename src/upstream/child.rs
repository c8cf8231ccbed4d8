//! A child process with all that it starts: its beginning, its standard error, its end.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// How much of a line of standard error is logged.
const LOGGED: usize = 1024;
/// How long a child may take to end after its input has ended, and after it was asked to.
const GRACE: Duration = Duration::from_secs(2);
const TERM_GRACE: Duration = Duration::from_millis(500);

/// A program that is run as a child.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) command: OsString,
    pub(super) args: Vec<OsString>,
    pub(super) env: Vec<(OsString, OsString)>,
    pub(super) dir: Option<PathBuf>,
}

/// The standard streams of a child.
pub(super) struct Streams {
    pub(super) input: ChildStdin,
    pub(super) output: ChildStdout,
    pub(super) complaints: ChildStderr,
}

/// A running child. Dropping it ends it, with all that it has started.
pub(super) struct Running {
    child: Child,
    group: Group,
}

impl Program {
    /// Starts the program, in a process group of its own.
    pub(super) fn start(&self) -> io::Result<(Running, Streams)> {
        let mut command = Command::new(&self.command);
        command.args(&self.args).envs(self.env.iter().map(|(key, value)| (key, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command.spawn()?;
        let group = Group::of(&child);
        let (input, output, complaints) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let piped = || io::Error::other("a standard stream is missing");
        let streams = Streams {
            input: input.ok_or_else(piped)?,
            output: output.ok_or_else(piped)?,
            complaints: complaints.ok_or_else(piped)?,
        };
        Ok((Running { child, group }, streams))
    }
}

impl Running {
    /// Waits until the child has ended; what it has started is ended then as well.
    pub(super) async fn exit(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await;
        self.group.kill();
        status
    }

    /// Ends a child whose input has ended: waits, asks, and kills it.
    pub(super) async fn end(&mut self) {
        if timeout(GRACE, self.exit()).await.is_ok() {
            return;
        }
        self.group.terminate();
        if timeout(TERM_GRACE, self.exit()).await.is_err() {
            self.kill().await;
        }
    }

    /// Ends the child at once.
    pub(super) async fn kill(&mut self) {
        self.group.kill();
        let _ = self.child.start_kill();
        // What was killed may still be stuck in the kernel.
        let _ = timeout(GRACE, self.child.wait()).await;
    }
}

/// The group of a child and of all that it starts.
struct Group {
    #[cfg(unix)]
    leader: Option<rustix::process::Pid>,
}

impl Group {
    #[cfg(unix)]
    fn of(child: &Child) -> Self {
        let leader =
            child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
        Self { leader }
    }

    #[cfg(not(unix))]
    fn of(_: &Child) -> Self {
        Self {}
    }

    /// Asks all to end.
    fn terminate(&self) {
        #[cfg(unix)]
        if let Some(leader) = self.leader {
            let _ = rustix::process::kill_process_group(leader, rustix::process::Signal::TERM);
        }
    }

    /// Ends all, once: afterwards the number may belong to another group.
    fn kill(&mut self) {
        #[cfg(unix)]
        if let Some(leader) = self.leader.take() {
            let _ = rustix::process::kill_process_group(leader, rustix::process::Signal::KILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Logs what a child complains of, line by line, to the end: a child whose complaints nobody
/// reads stands still when the pipe is full.
pub(super) async fn drain(complaints: ChildStderr, upstream: &str) {
    let mut complaints = BufReader::new(complaints);
    let mut line = Vec::new();
    while let Ok(read) = read_line(&mut complaints, &mut line, LOGGED, Excess::Drop).await {
        if read == Line::End {
            return;
        }
        tracing::debug!(upstream, "{}", String::from_utf8_lossy(&line).trim_end());
    }
}

/// What becomes of a line's bytes beyond the limit.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Excess {
    Drop,
    Refuse,
}

/// What was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A line, or what came before the end.
    Whole,
    /// There is no more.
    End,
}

/// Reads the next line, without its end, of which no more than `limit` bytes are kept.
pub(super) async fn read_line(
    input: &mut (impl AsyncBufRead + Unpin),
    line: &mut Vec<u8>,
    limit: usize,
    excess: Excess,
) -> io::Result<Line> {
    line.clear();
    let mut has_begun = false;
    loop {
        let available = input.fill_buf().await?;
        if available.is_empty() {
            return Ok(if has_begun { Line::Whole } else { Line::End });
        }
        has_begun = true;
        let end = memchr::memchr(b'\n', available);
        let part = &available[..end.unwrap_or(available.len())];
        let kept = part.len().min(limit - line.len());
        if kept < part.len() && excess == Excess::Refuse {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a message is too large"));
        }
        line.extend_from_slice(&part[..kept]);
        let used = part.len() + usize::from(end.is_some());
        input.consume(used);
        if end.is_some() {
            return Ok(Line::Whole);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Excess, Line, read_line};

    #[tokio::test]
    async fn lines_are_read_whole_and_no_longer_than_they_may_be() {
        let mut input: &[u8] = b"one\n\nlonger\nrest";
        let mut line = Vec::new();
        let mut lines = Vec::new();
        while read_line(&mut input, &mut line, 4, Excess::Drop).await.expect("readable") == Line::Whole {
            lines.push(String::from_utf8(line.clone()).expect("UTF-8"));
        }
        assert_eq!(lines, ["one", "", "long", "rest"]);
        let mut input: &[u8] = b"longer\n";
        assert!(read_line(&mut input, &mut line, 4, Excess::Refuse).await.is_err());
    }
}
