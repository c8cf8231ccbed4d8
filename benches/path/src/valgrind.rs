//! Runs this program under valgrind, which counts instructions and allocations.

use std::env::current_exe;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use crate::Failure;
use crate::client;
use crate::server::Server;

const FEW: u64 = 20;
const MANY: u64 = 120;

/// Counts instructions, and bus events: instructions that lock memory.
const CALLGRIND: &[&str] = &["--tool=callgrind", "--collect-bus=yes", "--callgrind-out-file=/dev/null"];
/// Counts allocations.
const MEMCHECK: &[&str] = &["--tool=memcheck", "--undef-value-errors=no"];

/// The cost of one request.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Cost {
    pub(crate) instructions: u64,
    pub(crate) allocations: u64,
    /// Instructions that lock memory: atomic read-modify-writes.
    pub(crate) locks: u64,
}

/// Measures the cost of a request in memory.
pub(crate) fn in_memory(name: &str) -> Result<Cost, Failure> {
    per_request(|options, times| {
        let output = valgrind(options)?.args(["run", name, &times.to_string()]).output()?;
        said(output.status.success(), &output.stderr)
    })
}

/// Measures the cost of a request to a server on hyper, over one connection.
pub(crate) fn on_hyper(server: Server, request: &[u8]) -> Result<Cost, Failure> {
    per_request(|options, times| {
        let mut command = valgrind(options)?;
        let pipes = command.args(["serve", server.name()]).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = pipes.spawn()?;
        let mut addr = String::new();
        let out = child.stdout.take().ok_or("standard output is piped")?;
        BufReader::new(out).read_line(&mut addr)?;
        let asked = match addr.trim_ascii_end().parse() {
            Ok(addr) => client::ask(addr, request, times).map_err(Box::from),
            Err(_) => Err("the server printed no address".into()),
        };
        if asked.is_err() {
            child.kill()?;
        }
        let output = child.wait_with_output()?;
        asked.and_then(|()| said(output.status.success(), &output.stderr))
    })
}

/// Measures the difference between few and many requests, so that the setup does not count, rounded because
/// the setup may vary by an allocation. `run` runs the program under valgrind with the given options, and returns valgrind's output.
fn per_request(run: impl Fn(&[&str], u64) -> Result<String, Failure>) -> Result<Cost, Failure> {
    let count = |times| -> Result<[u64; 3], Failure> {
        let events = numbers_after(&run(CALLGRIND, times)?, "Collected : ")?;
        let heap = numbers_after(&run(MEMCHECK, times)?, "total heap usage: ")?;
        match (&events[..], &heap[..]) {
            (&[instructions, locks], &[allocations, ..]) => Ok([instructions, locks, allocations]),
            _ => Err(format!("unexpected output of valgrind: {events:?}, {heap:?}").into()),
        }
    };
    let (few, many) = (count(FEW)?, count(MANY)?);
    let [instructions, locks, allocations] =
        std::array::from_fn(|index| (many[index] - few[index] + (MANY - FEW) / 2) / (MANY - FEW));
    Ok(Cost { instructions, allocations, locks })
}

fn valgrind(options: &[&str]) -> Result<Command, Failure> {
    let mut command = Command::new("valgrind");
    command.args(options).arg(current_exe()?);
    Ok(command)
}

fn said(is_success: bool, stderr: &[u8]) -> Result<String, Failure> {
    let said = String::from_utf8_lossy(stderr).into_owned();
    if is_success { Ok(said) } else { Err(format!("valgrind failed: {said}").into()) }
}

/// Returns the numbers after `label` in its line, which may contain commas.
fn numbers_after(text: &str, label: &str) -> Result<Vec<u64>, Failure> {
    let (_, rest) = text.split_once(label).ok_or_else(|| format!("valgrind printed no {label:?}: {text}"))?;
    let words = rest.lines().next().unwrap_or_default().split_ascii_whitespace();
    Ok(words.map_while(|word| word.replace(',', "").parse().ok()).collect())
}
