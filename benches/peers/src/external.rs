//! Servers based on the official SDKs of other languages, installed below the target directory on
//! demand.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::json;

use crate::{
    catalogue::{self, ToolSet},
    server::Setting,
};

/// The names of the languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Language {
    /// Runs on node, installed with npm.
    Typescript,
    /// Runs on python3, installed with pip in a virtual environment.
    Python,
}

impl Language {
    fn name(self) -> &'static str {
        match self {
            Self::Typescript => "typescript",
            Self::Python => "python",
        }
    }

    fn files(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Typescript => &[
                ("server.mjs", include_str!("../external/typescript/server.mjs")),
                ("package.json", include_str!("../external/typescript/package.json")),
                ("package-lock.json", include_str!("../external/typescript/package-lock.json")),
            ],
            Self::Python => &[
                ("server.py", include_str!("../external/python/server.py")),
                ("requirements.txt", include_str!("../external/python/requirements.txt")),
            ],
        }
    }
}

/// An installed server.
#[derive(Clone)]
pub(crate) struct External {
    language: Language,
    directory: PathBuf,
}

impl External {
    /// Installs the server and its packages below the target directory.
    pub(crate) fn install(language: Language) -> io::Result<Self> {
        // The executable is in the directory of the profile, below the target directory.
        let target = std::env::current_exe()?;
        let directory = target
            .ancestors()
            .nth(2)
            .ok_or_else(|| io::Error::other("no target directory"))?
            .join("external")
            .join(language.name());
        fs::create_dir_all(&directory)?;
        for (name, content) in language.files() {
            fs::write(directory.join(name), content)?;
        }
        for set in [ToolSet::Two, ToolSet::Four, ToolSet::Hundred] {
            fs::write(directory.join(tools_file(set)), tools(set))?;
        }
        match language {
            Language::Typescript => run(&directory, "npm", &["ci", "--no-audit", "--no-fund"])?,
            Language::Python => {
                run(&directory, "python3", &["-m", "venv", "venv"])?;
                let install = ["install", "--quiet", "--requirement", "requirements.txt"];
                run(&directory, "venv/bin/pip", &install)?;
            }
        }
        Ok(Self { language, directory })
    }

    pub(crate) fn name(&self) -> &'static str {
        self.language.name()
    }

    pub(crate) fn command(&self, setting: Setting) -> Command {
        let (program, server) = match self.language {
            Language::Typescript => (PathBuf::from("node"), "server.mjs"),
            Language::Python => (self.directory.join("venv/bin/python"), "server.py"),
        };
        let mut command = Command::new(program);
        command.current_dir(&self.directory).args([server, tools_file(setting.tools)]).arg(if setting.sse {
            "sse"
        } else {
            "json"
        });
        command
    }
}

fn tools_file(set: ToolSet) -> &'static str {
    match set {
        ToolSet::Two => "two.json",
        ToolSet::Four => "four.json",
        ToolSet::Hundred => "hundred.json",
    }
}

/// The tools as `tools/list` describes them.
fn tools(set: ToolSet) -> String {
    let tools: Vec<_> = catalogue::tools(set)
        .iter()
        .map(|tool| {
            json!({
                "name": tool.name,
                "description": tool.description,
                "inputSchema": tool.schema_value(),
            })
        })
        .collect();
    json!(tools).to_string()
}

fn run(directory: &Path, program: &str, arguments: &[&str]) -> io::Result<()> {
    // A program inside the directory is given relative to it.
    let path = directory.join(program);
    let found = if path.exists() { path } else { program.into() };
    let status = Command::new(found)
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .map_err(|error| io::Error::other(format!("{program}: {error}")))?;
    if status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!("{program} failed: {status}")))
}
