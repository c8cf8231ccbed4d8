//! Measures what requests cost, and fails if they have become more expensive. `README.md` has the
//! commands.

#[path = "../../peers/src/catalogue.rs"]
#[expect(dead_code, reason = "the servers of `peers` offer more than is asked for here")]
mod catalogue;
mod client;
mod cost;
mod server;
mod threads;
mod valgrind;

use std::error::Error;
use std::process::ExitCode;

use path::{Observed, Workload};

use crate::server::Server;

type Failure = Box<dyn Error + Send + Sync>;

const USAGE: &str = "usage: path check | record | threads [ROUNDS] | run WORKLOAD TIMES | serve SERVER";

fn main() -> Result<ExitCode, Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["check"] => return cost::check(),
        ["record"] => cost::record()?,
        ["threads"] => threads::compare(21)?,
        ["threads", rounds] => threads::compare(rounds.parse()?)?,
        ["run", name, times] => run(name, times.parse()?)?,
        ["serve", server] => server::serve(Server::named(server)?)?,
        _ => return Err(USAGE.into()),
    }
    Ok(ExitCode::SUCCESS)
}

/// Answers a workload's request `times` times. A prefix of the name says how it is observed.
fn run(name: &str, times: u32) -> Result<(), Failure> {
    let observed = Observed::ALL.into_iter().rfind(|observed| name.starts_with(observed.prefix()));
    let observed = observed.unwrap_or(Observed::Not);
    observed.begin()?;
    let name = &name[observed.prefix().len()..];
    let name = path::NAMES.into_iter().find(|known| *known == name);
    let name = name.ok_or_else(|| format!("the workloads are {}", path::NAMES.join(", ")))?;
    let workload = Workload::observed(name, observed);
    for _ in 0..times {
        workload.answer(workload.request());
    }
    Ok(())
}
