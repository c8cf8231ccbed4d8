//! The profile that this program was built with, and so every Rust server.

use std::io;

/// The name, as in `cargo build --profile`.
pub(crate) fn name() -> io::Result<String> {
    // The executable is in the profile's directory below the target's.
    let program = std::env::current_exe()?;
    let directory = program.parent().and_then(|directory| directory.file_name());
    let name = directory.ok_or_else(|| io::Error::other("the program is in no directory"))?;
    Ok(name.to_string_lossy().into_owned())
}

/// The name, and what `Cargo.toml` says about the profile.
pub(crate) fn describe(name: &str) -> String {
    match name {
        "release" => "`release` (one codegen unit, fat LTO)".to_owned(),
        "default-release" => {
            "`default-release` (16 codegen units, no LTO: what Cargo does by default)".to_owned()
        }
        other => format!("`{other}`"),
    }
}
