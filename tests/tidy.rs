//! The rules of the house that no compiler knows, each told in a sentence.
//!
//! Owns: layers, the homes of libraries, headers, lengths, unfinished work in `src/`; that `fuzz/` goes
//! by the same lock file. Does not own: what clippy denies (`clippy.toml`, `[lints]` of Cargo.toml).

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

/// Layers from the bottom up. A file may import its own layer's module and those of layers below;
/// of modules that share a layer, only those listed in [`BESIDE`] import one another.
const LAYERS: &[&[&str]] = &[
    &["error", "clock", "shutdown", "fail_point"],
    &["model", "metrics"],
    &["schema"],
    &["config"],
    &["source", "store", "lake", "decode", "bucket"],
    &["pipeline"],
    &["jobs"],
    &["http", "app", "demo", "verify"],
    &["positions", "what_if", "load"],
    &["cli"],
];

/// Imports within a layer that are by design.
const BESIDE: &[(&str, &str)] = &[
    ("lake", "store"),
    ("bucket", "store"),
    ("bucket", "source"),
    ("clock", "error"),
    ("shutdown", "clock"),
    ("shutdown", "error"),
    ("fail_point", "error"),
    ("metrics", "model"),
    ("app", "http"),
    ("demo", "app"),
    ("demo", "verify"),
];

/// Which folders a library is used in.
const HOMES: &[(&str, &[&str])] = &[
    ("rdkafka", &["source/kafka"]),
    ("delta_kernel", &["lake"]),
    ("delta_kernel_default_engine", &["lake"]),
    ("object_store", &["store", "lake", "bucket"]),
    ("apache_avro", &["schema"]),
    ("encoding_rs", &["config/dialect", "source/csv"]),
    ("flate2", &["source/csv"]),
    ("notify", &["bucket/events"]),
    ("reqwest", &["schema/registry"]),
    ("axum", &["http"]),
    ("clap", &["cli"]),
    ("toml", &["config"]),
];

const MAX_LINES: usize = 500;

/// Faults that are known, by file and a word of the sentence: each with its reason. One that is
/// mended must leave this list.
const KNOWN: &[(&str, &str, &str)] = &[];

/// What breaks a rule in `text`, a file at `path` below `src/`.
fn faults(path: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let test = path.contains("tests");
    if path.ends_with("mod.rs") {
        faults.push(format!(
            "src/{path}: a module's file is name.rs beside name/, never mod.rs"
        ));
    }
    if !test && path != "main.rs" && !text.starts_with("//!") {
        faults.push(format!(
            "src/{path}:1: a file begins with `//!`: what it owns and does not own"
        ));
    }
    let lines = text.lines().count();
    if !test && lines > MAX_LINES {
        faults.push(format!(
            "src/{path}: has {lines} lines; beyond {MAX_LINES} a file is split by subject"
        ));
    }
    let mut test = test;
    for (i, line) in text.lines().enumerate() {
        let at = format!("src/{path}:{}", i + 1);
        // a file's own tests stand at its end
        test |= line == "mod tests {";
        faults.extend(unfinished(line).map(|f| format!("{at}: {f}")));
        if test || line.trim_start().starts_with("//") {
            continue;
        }
        faults.extend(forbidden(path, line).map(|f| format!("{at}: {f}")));
        faults.extend(upward(path, line).map(|f| format!("{at}: {f}")));
        faults.extend(away_from_home(path, line).map(|f| format!("{at}: {f}")));
    }
    faults
}

fn unfinished(line: &str) -> Option<String> {
    let marks = [
        ["to", "do!("],
        ["unimple", "mented!("],
        ["TO", "DO"],
        ["FIX", "ME"],
    ];
    marks
        .map(|halves| halves.concat())
        .into_iter()
        .find(|mark| line.contains(mark.as_str()))
        .map(|mark| format!("`{mark}` is unfinished work; finish it or leave it out"))
}

/// Calls that clippy denies too; here they turn `cargo test` red, whatever a file allows itself.
fn forbidden(path: &str, line: &str) -> Option<&'static str> {
    if line.contains(".unwrap()") {
        return Some(
            "`unwrap` ends the process where a message would do; return an Error, or match",
        );
    }
    let clocks = ["Instant::now", "SystemTime::now", "Timestamp::now"];
    (path != "clock.rs" && clocks.iter().any(|c| line.contains(c))).then_some(
        "time is read through Clock, in clock.rs only, so that what depends on it can be simulated",
    )
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

fn module(path: &str) -> &str {
    path.split('/')
        .next()
        .unwrap_or(path)
        .trim_end_matches(".rs")
}

/// The names behind each `crate::` of a line.
fn imports(line: &str) -> impl Iterator<Item = &str> {
    line.split("crate::").skip(1).filter_map(|rest| {
        rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .next()
    })
}

fn upward(path: &str, line: &str) -> Option<String> {
    let from = module(path);
    if line.contains("crate::{") {
        return Some(
            "each `use crate::…` names its module by itself, so that layers can be read off it"
                .to_owned(),
        );
    }
    let Some(mine) = layer(from) else {
        let outside = matches!(from, "lib" | "main");
        return (!outside && imports(line).next().is_some()).then(|| {
            format!(
                "`{from}` has no layer; give it one in LAYERS, so that its imports can be judged"
            )
        });
    };
    imports(line).find_map(|to| {
        let theirs = layer(to)?;
        if theirs < mine || to == from || BESIDE.contains(&(from, to)) {
            return None;
        }
        let where_it_is = if theirs == mine { "beside" } else { "above" };
        Some(format!(
            "`{from}` imports `{to}`, which is {where_it_is} it; layers import downward only, so that each can be read and tested without those on top"
        ))
    })
}

fn away_from_home(path: &str, line: &str) -> Option<String> {
    HOMES.iter().find_map(|(library, homes)| {
        let used = line.match_indices(&format!("{library}::")).any(|(at, _)| {
            let before = line.get(..at).unwrap_or_default();
            !before.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':')
        });
        let home = homes.iter().any(|home| {
            path.strip_prefix(home)
                .is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        });
        (used && !home).then(|| {
            format!(
                "`{library}` is used in {} only, so that it can be replaced in one place",
                homes.join(" and ")
            )
        })
    })
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn the_house_is_tidy() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    files.sort();
    assert!(files.len() > 10, "the sources are at {}", src.display());
    let mut found = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let path = file.strip_prefix(&src).unwrap().to_str().unwrap();
        found.extend(faults(path, &text));
    }
    for (file, word, reason) in KNOWN {
        let before = found.len();
        found.retain(|f| !(f.starts_with(&format!("src/{file}:")) && f.contains(word)));
        if found.len() == before {
            found.push(format!(
                "src/{file}: its known fault ({word}: {reason}) is mended; take it out of KNOWN"
            ));
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// The packages that a lock file names, each with its version.
fn locked(text: &str) -> Vec<(&str, &str)> {
    let value = |line: &'static str| move |l: &&'_ str| l.starts_with(line);
    let names = text.lines().filter(value("name = "));
    let versions = text.lines().skip(4).filter(value("version = "));
    names.zip(versions).collect()
}

/// `fuzz/` is a package of its own: what was built for weir serves there if its versions are the same.
#[test]
fn the_fuzz_targets_have_the_same_dependencies() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
    let (weir, fuzz) = (read("Cargo.lock"), read("fuzz/Cargo.lock"));
    let fuzz = locked(&fuzz);
    let missing: Vec<_> = locked(&weir)
        .into_iter()
        .filter(|package| !fuzz.contains(package))
        .collect();
    assert!(
        missing.is_empty(),
        "fuzz/Cargo.lock lacks {missing:?}; run `cp Cargo.lock fuzz/ && cargo update --workspace --manifest-path fuzz/Cargo.toml`"
    );
}

/// The one fault of a planted file.
fn planted(path: &str, line: &str) -> String {
    let found = faults(path, &format!("//! Planted.\n{line}\n"));
    assert_eq!(found.len(), 1, "{path}: {line}: {found:?}");
    found.concat()
}

#[test]
fn an_upward_import_is_found() {
    let fault = planted("model/raw.rs", "use crate::pipeline::batch::Batch;");
    assert!(fault.starts_with("src/model/raw.rs:2: `model` imports `pipeline`, which is above it"));
    planted("schema.rs", "use crate::config::Config;");
    planted("store.rs", "let x = crate::cli::run();");
    planted("source/kafka.rs", "use crate::lake::Commit;");
    planted("cli.rs", "use crate::{app::App, config};");
    planted("newcomer.rs", "use crate::app::App;");
    assert_eq!(
        faults("cli.rs", "//! x\nuse crate::config::Config;\n"),
        [""; 0]
    );
    assert_eq!(
        faults("lake/delta.rs", "//! x\nuse crate::store::Store;\n"),
        [""; 0]
    );
}

#[test]
fn a_panic_and_a_clock_are_found() {
    let fault = planted("lake/state.rs", "let x = y.unwrap();");
    assert!(fault.starts_with("src/lake/state.rs:2: `unwrap` ends the process"));
    planted("lake.rs", "let now = std::time::Instant::now();");
    planted("pipeline/flow.rs", "let now = SystemTime::now();");
    planted("config.rs", "jiff::Timestamp::now()");
    let tests = "//! x\n#[cfg(test)]\nmod tests {\n    x.unwrap();\n}\n";
    for (path, text) in [
        ("clock.rs", "//! x\nlet now = Instant::now();\n"),
        ("model.rs", "//! x\n// never .unwrap()\n"),
        ("model/tests.rs", "x.unwrap();\n"),
        ("model.rs", tests),
    ] {
        assert_eq!(faults(path, text), [""; 0], "{path}");
    }
}

#[test]
fn a_library_away_from_home_is_found() {
    planted("pipeline/upload.rs", "use object_store::ObjectStore;");
    planted("source.rs", "use rdkafka::Message;");
    planted("cli/run.rs", "let s = axum::serve(l, r);");
    assert_eq!(
        faults("source/kafka/queue.rs", "//! x\nuse rdkafka::Message;\n"),
        [""; 0]
    );
    assert_eq!(
        faults("lake.rs", "//! x\nuse delta_kernel::Engine;\n"),
        [""; 0]
    );
}

#[test]
fn the_other_rules_find_what_is_planted() {
    planted("model.rs", &["to", "do!()"].concat());
    planted("model.rs", &["// FIX", "ME later"].concat());
    assert!(
        faults("model/mod.rs", "//! x\n")
            .concat()
            .contains("never mod.rs")
    );
    assert!(
        faults("model.rs", "use std::fmt;\n")
            .concat()
            .contains("begins with")
    );
    let long = format!("//! x\n{}", "\n".repeat(500));
    assert!(faults("model.rs", &long).concat().contains("has 501 lines"));
}
