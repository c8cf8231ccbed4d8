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

use path::{Variant, Workload};

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

/// Answers a workload's request `times` times. A prefix of the name says which variant.
fn run(name: &str, times: u32) -> Result<(), Failure> {
    let variant = Variant::ALL.into_iter().rfind(|variant| name.starts_with(variant.prefix()));
    let variant = variant.unwrap_or(Variant::Plain);
    variant.begin()?;
    let name = &name[variant.prefix().len()..];
    let mut known = path::NAMES.iter().chain(path::BESIDE_TASKS);
    let name = known.find(|known| **known == name).ok_or_else(|| format!("there is no workload {name}"))?;
    let workload = Workload::variant(name, variant);
    // In a runtime, without which no call becomes a task.
    let runtime = server::runtime()?;
    let _entered = path::BESIDE_TASKS.contains(name).then(|| runtime.enter());
    for _ in 0..times {
        workload.answer(workload.request());
    }
    Ok(())
}
