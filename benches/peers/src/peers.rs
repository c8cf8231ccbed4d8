//! The servers that can be measured, and how each is started.

use std::{io, process::Command};

use crate::{
    external::{External, Language},
    http::Http,
    process::{Cores, Server},
    server::{Name, Setting},
};

#[derive(Clone)]
pub(crate) enum Peer {
    Rust(Name),
    External(External),
}

impl Peer {
    /// Installs a server in another language.
    pub(crate) fn install(language: Language) -> io::Result<Self> {
        External::install(language).map(Self::External)
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Rust(name) => name.as_str(),
            Self::External(external) => external.name(),
        }
    }

    /// Returns whether the server speaks this version of HTTP in clear text.
    pub(crate) fn speaks(&self, http: Http) -> bool {
        match self {
            Self::Rust(_) => true,
            Self::External(_) => http == Http::Http1,
        }
    }

    /// Returns how much longer its warm-up is than that of compiled code.
    pub(crate) fn warm_up_factor(&self) -> u32 {
        match self {
            Self::Rust(_) => 1,
            Self::External(_) => 8,
        }
    }

    /// Starts it on the server's core.
    pub(crate) fn start(&self, setting: Setting, cores: Cores) -> io::Result<Server> {
        let command = match self {
            Self::Rust(name) => rust(*name, setting)?,
            Self::External(external) => external.command(setting),
        };
        Server::start(command, cores)
    }
}

fn rust(name: Name, setting: Setting) -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["serve", name.as_str(), "--tools", setting.tools.name(), "--http", setting.http.name()]);
    if setting.sse {
        command.arg("--sse");
    }
    Ok(command)
}
