//! The command line.

use std::path::PathBuf;

use thiserror::Error;

const ADDRESS: &str = "127.0.0.1:8000";

#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) config: PathBuf,
    pub(crate) address: String,
    /// Names that clients reach the gateway by, beside those of their own machine.
    pub(crate) hosts: Vec<String>,
    pub(crate) action: Action,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Serve,
    /// Looks whether all servers answer, tells what they have, and leaves.
    Check,
}

#[derive(Debug, Error)]
#[error(
    "{0}\nusage: gateway CONFIG.json [--addr HOST:PORT] [--allow-host NAME]... [--check]\n\
     The address is {ADDRESS} by default; port 0 takes a free one."
)]
pub(crate) struct UsageError(String);

impl Options {
    pub(crate) fn parse(args: impl IntoIterator<Item = String>) -> Result<Self, UsageError> {
        let mut args = args.into_iter();
        let (mut config, mut address, mut hosts, mut action) = (None, None, Vec::new(), Action::Serve);
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| UsageError(format!("{arg} needs a value")));
            match arg.as_str() {
                "--check" => action = Action::Check,
                "--addr" => address = Some(value()?),
                "--allow-host" => hosts.push(value()?),
                option if option.starts_with('-') => {
                    return Err(UsageError(format!("there is no option {option}")));
                }
                _ if config.is_some() => return Err(UsageError(format!("{arg} is one file too many"))),
                path => config = Some(PathBuf::from(path)),
            }
        }
        let config = config.ok_or_else(|| UsageError("the configuration is missing".to_owned()))?;
        Ok(Self { config, address: address.unwrap_or_else(|| ADDRESS.to_owned()), hosts, action })
    }
}
