//! The build profile of this program, and so of every Rust server.

use std::io;

/// Returns the name, as in `cargo build --profile`.
pub(crate) fn name() -> io::Result<String> {
    // The executable is in the profile's directory below the target directory.
    let program = std::env::current_exe()?;
    let directory = program.parent().and_then(|directory| directory.file_name());
    let name = directory.ok_or_else(|| io::Error::other("the program has no parent directory"))?;
    Ok(name.to_string_lossy().into_owned())
}

/// Returns the name with the settings that `Cargo.toml` has for it.
pub(crate) fn describe(name: &str) -> String {
    match name {
        "release" => "`release` (one codegen unit, fat LTO)".to_owned(),
        "default-release" => "`default-release` (16 codegen units, no LTO; the default of Cargo)".to_owned(),
        other => format!("`{other}`"),
    }
}
