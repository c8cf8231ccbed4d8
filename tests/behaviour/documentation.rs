//! Checks what `ARCHITECTURE.md` and `SECURITY.md` say about the tests.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Returns the functions of each file, by the file's path as a module: the module of
/// `crates/upstream/tests/upstream/calls.rs` is `crates::upstream::tests::upstream::calls`.
fn functions() -> BTreeMap<String, Vec<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders: Vec<PathBuf> = ["src", "tests", "examples", "crates"].map(|name| root.join(name)).into();
    let mut functions = BTreeMap::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let module = path.strip_prefix(root).expect("below the root").with_extension("");
                let module = module.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("::");
                let text = fs::read_to_string(&path).expect("source text");
                let module = module.trim_end_matches("::mod").trim_end_matches("::main").to_owned();
                functions.insert(module, text.lines().filter_map(function).map(str::to_owned).collect());
            }
        }
    }
    functions
}

fn function(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("fn ")?;
    before
        .trim()
        .trim_start_matches("pub")
        .trim_start_matches("(crate)")
        .trim()
        .trim_start_matches("async")
        .is_empty()
        .then(|| after.split(['(', '<']).next().unwrap_or_default())
}

/// Returns the rows of the tables with this heading: the names in the second column of each.
fn named_tests<'t>(text: &'t str, heading: &str) -> Vec<Vec<&'t str>> {
    let mut is_table = false;
    let mut rows = Vec::new();
    for line in text.lines() {
        let is_heading = line.starts_with(heading);
        is_table = line.starts_with('|') && (is_table || is_heading);
        let tests = line.trim_matches('|').split_once(" | ").map(|(_, tests)| tests);
        if let Some(tests) = tests.filter(|_| is_table && !is_heading) {
            rows.push(tests.split('`').skip(1).step_by(2).collect());
        }
    }
    rows
}

fn ends_with(module: &str, end: &str) -> bool {
    module == end || module.ends_with(&format!("::{end}"))
}

/// Whether there is a function with this name, whose module may be abbreviated at its beginning.
fn is_function(functions: &BTreeMap<String, Vec<String>>, name: &str) -> bool {
    name.rsplit_once("::").is_some_and(|(module_end, function)| {
        functions.iter().any(|(module, of_module)| {
            ends_with(module, module_end) && of_module.iter().any(|it| it == function)
        })
    })
}

#[test]
fn every_attack_in_the_security_policy_names_tests_that_are_there() {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/SECURITY.md")).expect("the text");
    let functions = functions();
    let attacks = named_tests(&text, "| attack | test |");
    assert!(attacks.len() > 20, "only {} attacks are named", attacks.len());
    for tests in attacks {
        assert!(!tests.is_empty(), "an attack without a test");
        for test in tests {
            assert!(is_function(&functions, test), "SECURITY.md names {test}, which is not there");
        }
    }
}

#[test]
fn every_test_that_the_architecture_names_is_there() {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/ARCHITECTURE.md")).expect("the text");
    let functions = functions();
    let is_there = |name: &&str| {
        // Unit tests are in a module of their file.
        let name = name.trim_end_matches("::tests").replace('/', "::").replace("::tests::", "::");
        let name = name.trim_end_matches("_*");
        functions.keys().any(|module| ends_with(module, name) || module.starts_with(name))
            || if name.contains("::") {
                is_function(&functions, name)
            } else {
                functions.values().flatten().any(|it| it.starts_with(name))
            }
    };
    let names = named_tests(&text, "| behaviour | test |").concat();
    assert!(names.len() > 100, "only {} tests are named", names.len());
    let missing: Vec<_> = names.into_iter().filter(|name| !is_there(name)).collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md names what is not there: {missing:#?}");
}
