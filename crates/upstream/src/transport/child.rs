//! A child process and its descendants: start and end.

use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::failure::Cause;
use crate::settings::Program;

/// How long a child may take to end after its input was closed, and after SIGTERM.
const GRACE: Duration = Duration::from_secs(2);
const TERM_GRACE: Duration = Duration::from_millis(500);

/// The variables of the host's environment that every child inherits: enough to find programs, the
/// user's files and their language, and none that grants access.
#[cfg(not(windows))]
const SAFE: &[&str] = &["HOME", "LANG", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "TZ", "USER"];
#[cfg(windows)]
const SAFE: &[&str] = &[
    "APPDATA",
    "HOMEDRIVE",
    "HOMEPATH",
    "LOCALAPPDATA",
    "PATH",
    "PATHEXT",
    "PROCESSOR_ARCHITECTURE",
    "PROGRAMFILES",
    "SYSTEMDRIVE",
    "SYSTEMROOT",
    "TEMP",
    "TMP",
    "USERNAME",
    "USERPROFILE",
];

fn is_safe(name: &str) -> bool {
    if cfg!(windows) {
        return SAFE.iter().any(|safe| safe.eq_ignore_ascii_case(name));
    }
    SAFE.contains(&name) || name.starts_with("LC_")
}

/// The standard streams of a child.
pub(super) struct Streams {
    pub(super) input: ChildStdin,
    pub(super) output: ChildStdout,
    pub(super) errors: ChildStderr,
}

/// A running child. Dropping it ends the child and its descendants.
pub(super) struct RunningChild {
    child: Child,
    group: Group,
}

/// Starts a program in its own process group.
///
/// # Errors
/// Returns an error if the system cannot start it. The cause names what is missing.
pub(super) fn start(program: &Program) -> Result<(RunningChild, Streams), Cause> {
    spawn(program).map_err(|error| refused(program, &error))
}

/// Returns why a program cannot be started. The system's error does not tell a missing program from
/// a missing directory.
fn refused(program: &Program, error: &io::Error) -> Cause {
    let command = program.command.to_string_lossy();
    match &program.dir {
        Some(dir) if !dir.is_dir() => {
            Cause::new("it cannot be started: its working directory does not exist")
                .detail(dir.display().to_string())
        }
        _ if error.kind() == io::ErrorKind::NotFound && Path::new(&program.command).is_file() => {
            Cause::new("it cannot be started: the interpreter of its program is missing")
                .detail(format!("{command:?}"))
        }
        _ if error.kind() == io::ErrorKind::NotFound => {
            let hint = match &*command {
                text if text.starts_with('~') => "; ~ is not expanded",
                text if text.contains(' ') => {
                    "; arguments are passed separately, not as a part of the command"
                }
                _ => "",
            };
            Cause::new("it cannot be started: there is no such program").detail(format!("{command:?}{hint}"))
        }
        _ => {
            let detail = format!("{command:?}: {error}");
            Cause::new(format!("it cannot be started: {}", error.kind())).detail(detail)
        }
    }
}

fn spawn(program: &Program) -> io::Result<(RunningChild, Streams)> {
    let mut command = Command::new(&program.command);
    command.args(&program.args).env_clear();
    let inherited = std::env::vars_os()
        .filter(|(name, _)| program.inherit.contains(name) || name.to_str().is_some_and(is_safe));
    command.envs(inherited).envs(program.env.iter().map(|(key, value)| (key, value)));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    if let Some(dir) = &program.dir {
        command.current_dir(dir);
    }
    #[cfg(unix)]
    command.process_group(0);
    // Before the child can end, so that its signal is not missed.
    let group = Group::watch()?;
    let mut child = command.spawn()?;
    let group = group.of(&child);
    let (input, output, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let piped = || io::Error::other("a standard stream is missing");
    let streams = Streams {
        input: input.ok_or_else(piped)?,
        output: output.ok_or_else(piped)?,
        errors: errors.ok_or_else(piped)?,
    };
    Ok((RunningChild { child, group }, streams))
}

impl RunningChild {
    /// Waits until the child has ended, and ends its descendants.
    pub(super) async fn exit(&mut self) -> io::Result<ExitStatus> {
        // The number of the group is only reserved until its leader is reaped.
        self.group.leader_ended().await;
        self.group.kill();
        self.child.wait().await
    }

    /// Ends a child whose input is closed: waits, then sends SIGTERM, then kills it.
    pub(super) async fn end(&mut self) {
        if timeout(GRACE, self.exit()).await.is_ok() {
            return;
        }
        self.group.terminate();
        if timeout(TERM_GRACE, self.exit()).await.is_err() {
            self.kill().await;
        }
    }

    /// Kills the child and its descendants.
    pub(super) async fn kill(&mut self) {
        self.group.kill();
        let _ = self.child.start_kill();
        // A killed process may still be stuck in the kernel.
        let _ = timeout(GRACE, self.child.wait()).await;
    }
}

impl Drop for RunningChild {
    fn drop(&mut self) {
        // Before the runtime reaps the leader, which happens after this.
        self.group.kill();
    }
}

/// The process group of a child and its descendants.
#[cfg(unix)]
struct Group {
    /// `None` once the group has been killed.
    leader: Option<rustix::process::Pid>,
    /// Receives SIGCHLD.
    ended: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Group {
    /// Starts to watch for children that end.
    fn watch() -> io::Result<Self> {
        let ended = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::child())?;
        Ok(Self { leader: None, ended })
    }

    fn of(mut self, child: &Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        self.leader = id.and_then(rustix::process::Pid::from_raw);
        self
    }

    /// Waits until the leader has ended, without reaping it.
    async fn leader_ended(&mut self) {
        use rustix::process::{WaitId, WaitIdOptions, waitid};

        let Some(leader) = self.leader else { return };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        while let Ok(None) = waitid(WaitId::Pid(leader), options) {
            if self.ended.recv().await.is_none() {
                return;
            }
        }
    }

    /// Sends SIGTERM to the group.
    fn terminate(&self) {
        if let Some(leader) = self.leader {
            let _ = rustix::process::kill_process_group(leader, rustix::process::Signal::TERM);
        }
    }

    /// Kills the group, once: afterwards its number may belong to another group.
    fn kill(&mut self) {
        if let Some(leader) = self.leader.take() {
            let _ = rustix::process::kill_process_group(leader, rustix::process::Signal::KILL);
        }
    }
}

/// On other systems, only the child itself is ended.
#[cfg(not(unix))]
struct Group;

#[cfg(not(unix))]
impl Group {
    fn watch() -> io::Result<Self> {
        Ok(Self)
    }

    fn of(self, _: &Child) -> Self {
        self
    }

    async fn leader_ended(&mut self) {}

    fn terminate(&self) {}

    fn kill(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::is_safe;
    #[cfg(target_os = "linux")]
    use super::{Program, start};

    /// The number of the group is only reserved until its leader is reaped.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn the_leader_of_a_group_is_not_reaped_before_its_group_is_ended() {
        let args = ["-c", "sleep 1000 & echo $!; exit 5"].map(Into::into).to_vec();
        let (env, inherit) = Default::default();
        let program = Program { command: "sh".into(), args, env, inherit, dir: None };
        let (mut child, streams) = start(&program).expect("a shell");
        let mut lines = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(streams.output));
        let grandchild = lines.next_line().await.expect("readable").expect("a line");
        child.group.leader_ended().await;
        let leader = child.child.id().expect("not reaped");
        let state = |id: &str| {
            let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
            stat.rsplit(')').next().and_then(|rest| rest.trim_start().chars().next())
        };
        assert_eq!(state(&leader.to_string()), Some('Z'), "not a zombie");
        // It may still be executing `sleep`, and wait for the disk (`D`).
        let alive = state(&grandchild);
        assert!(!matches!(alive, None | Some('Z' | 'X')), "the grandchild has ended: {alive:?}");
        assert_eq!(child.exit().await.expect("a status").code(), Some(5));
        assert!(matches!(lines.next_line().await, Ok(None)), "the grandchild is still running");
    }

    #[test]
    fn only_what_is_harmless_is_inherited() {
        for name in ["PATH", "HOME", "LANG", "LC_ALL", "TZ"] {
            assert!(is_safe(name) || cfg!(windows), "{name}");
        }
        for name in ["AWS_SECRET_ACCESS_KEY", "OPENAI_API_KEY", "LD_PRELOAD", "PYTHONPATH", "path_to"] {
            assert!(!is_safe(name), "{name}");
        }
    }
}
