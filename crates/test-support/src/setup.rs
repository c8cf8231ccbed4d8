//! Installs the published clients and servers below the target directory, once for the tests of all
//! packages, anew whenever their lock files change.

use std::{
    fs::{self, File},
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

const SOURCES: &str = env!("CARGO_MANIFEST_DIR");

/// The result of an installation, kept so that every test reports why it failed, not just the
/// first.
type Installed = LazyLock<Result<PathBuf, String>>;

static PYTHON_1: Installed = LazyLock::new(|| virtual_environment("python-1", "requirements-1.txt"));
static PYTHON_2: Installed = LazyLock::new(|| virtual_environment("python-2", "requirements-2.txt"));
static PYTHON_SERVERS: Installed =
    LazyLock::new(|| virtual_environment("python-servers", "requirements-servers.txt"));
static NODE_MODULES: Installed = LazyLock::new(node_modules);

/// The interpreter with `mcp` 1.x.
pub fn python_1() -> PathBuf {
    path(&PYTHON_1).join("bin/python")
}

/// The interpreter with `mcp` 2.x.
pub fn python_2() -> PathBuf {
    path(&PYTHON_2).join("bin/python")
}

/// The directory of the programs of the published Python servers, and of the interpreter that has
/// `fastmcp` and `mcp` 2.x.
pub fn python_servers() -> PathBuf {
    path(&PYTHON_SERVERS).join("bin")
}

/// Returns the directory into which cargo builds this test, such as `target/debug`.
pub fn profile() -> PathBuf {
    // Cargo puts tests into `deps`.
    let test = std::env::current_exe().expect("a running test has a path");
    test.parent().and_then(Path::parent).expect("a test is below its profile").to_owned()
}

/// Returns the directory for files that tests write, which all packages share.
pub fn scratch() -> PathBuf {
    let scratch = profile().parent().expect("a profile is below the target directory").join("tmp");
    fs::create_dir_all(&scratch).expect("the target directory takes directories");
    scratch
}

/// Returns the directory of a client script's source.
pub fn source(file: &str) -> PathBuf {
    Path::new(SOURCES).join(file)
}

/// Returns a file below the directory with `node_modules` and copies of the scripts.
pub fn typescript(file: &str) -> PathBuf {
    path(&NODE_MODULES).join(file)
}

/// Returns the Node that the conformance suite requires, which may be newer than the machine's.
pub fn node() -> PathBuf {
    typescript("node_modules/node/bin/node")
}

/// Installs Redis and nginx for the whole machine, where they are missing.
pub fn services() -> Result<(), String> {
    run(&mut Command::new(source("install-services"))).map(drop)
}

fn path(installed: &Installed) -> &Path {
    match &**installed {
        Ok(path) => path,
        Err(reason) => panic!("what this test needs is not installed: {reason}"),
    }
}

fn virtual_environment(name: &str, requirements: &str) -> Result<PathBuf, String> {
    // A virtual environment survives neither a move nor a change of its interpreter, because its
    // programs contain its path.
    let version = run(Command::new("python3").arg("--version"))?;
    let place = scratch().display().to_string();
    let requirements = source("python").join(requirements);
    let locked = format!("{version}{place}{}", read(&requirements)?);
    install(name, &locked, |directory| {
        run(Command::new("python3").args(["-m", "venv"]).arg(directory))?;
        run(Command::new(directory.join("bin/python"))
            // Packages that are not in the file must not be installed unpinned.
            .args(["-m", "pip", "install", "--quiet", "--no-deps", "--requirement"])
            .arg(&requirements))?;
        Ok(())
    })
}

fn node_modules() -> Result<PathBuf, String> {
    let scripts = source("typescript");
    let files = ["package.json", "package-lock.json"];
    let locked = files.iter().map(|file| read(&scripts.join(file))).collect::<Result<String, _>>()?;
    let directory = install("typescript", &locked, |directory| {
        for file in files {
            copy(&scripts.join(file), directory)?;
        }
        run(Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(directory))?;
        Ok(())
    })?;
    // Node looks for packages beside the script that imports them.
    for file in ["authorization_server.mjs", "oauth.mjs", "stories.mjs", "sdk1.mjs", "sdk2.mjs"] {
        copy(&scripts.join(file), &directory)?;
    }
    for file in ["counter.mjs", "forgetful.mjs", "nosession.mjs", "serving.mjs", "sessions.mjs"] {
        copy(&source("upstreams").join(file), &directory)?;
    }
    Ok(directory)
}

/// Runs `fill` on an empty directory, unless it was filled for the same `locked` content before.
///
/// Test processes may start at the same time: the first one installs, and the others wait.
fn install(
    name: &str,
    locked: &str,
    fill: impl FnOnce(&Path) -> Result<(), String>,
) -> Result<PathBuf, String> {
    let installed = scratch().join("clients");
    let directory = installed.join(name);
    let stamp = directory.join("stamp");
    let said = |error: io::Error| format!("{}: {error}", directory.display());

    fs::create_dir_all(&installed).map_err(said)?;
    let lock_file = File::create(directory.with_extension("lock")).map_err(said)?;
    let mut lock = fd_lock::RwLock::new(lock_file);
    let _locked = lock.write().map_err(said)?;

    let mut hasher = DefaultHasher::new();
    locked.hash(&mut hasher);
    let hash = format!("{:016x}", hasher.finish());
    if fs::read_to_string(&stamp).is_ok_and(|stamped| stamped == hash) {
        return Ok(directory);
    }
    match fs::remove_dir_all(&directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(said(error)),
        _ => fs::create_dir(&directory).map_err(said)?,
    }
    fill(&directory)?;
    fs::write(&stamp, hash).map_err(said)?;
    Ok(directory)
}

fn read(file: &Path) -> Result<String, String> {
    fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))
}

/// Copies by renaming, so that a running process never sees half of the new file.
fn copy(file: &Path, directory: &Path) -> Result<(), String> {
    let name = file.file_name().expect("a file's path has a name");
    let whole = directory.join(name);
    let part = whole.with_extension(format!("part-{}", std::process::id()));
    fs::copy(file, &part)
        .and_then(|_| fs::rename(&part, &whole))
        .map_err(|error| format!("{}: {error}", whole.display()))
}

/// Returns the standard output of a command, and panics if it fails.
fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => format!(
            "{} is missing: these tests need python3 (with venv and pip) and npm",
            command.get_program().display(),
        ),
        _ => format!("{command:?}: {error}"),
    })?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        Ok(said)
    } else {
        let complaint = String::from_utf8_lossy(&output.stderr);
        Err(format!("{command:?}: {}\n{said}{complaint}", output.status))
    }
}
