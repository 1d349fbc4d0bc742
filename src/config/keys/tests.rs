use std::collections::BTreeSet;

use super::{STREAM, WEIR, unknown};
use crate::config::kafka_properties;
use crate::model::reject::{RejectCode, SkipCode};

/// The names in the first column of the tables under `## heading`.
fn documented(page: &str, heading: &str) -> BTreeSet<String> {
    let path = format!("{}/docs/{page}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let section = text
        .split("\n## ")
        .find(|s| s.starts_with(heading))
        .unwrap();
    section
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .map(str::to_owned)
        .collect()
}

fn names<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    names.into_iter().map(str::to_owned).collect()
}

#[test]
fn every_key_is_documented_and_every_documented_key_known() {
    let page = "configuration.md";
    assert_eq!(documented(page, "weir.toml"), names(WEIR.iter().copied()));
    assert_eq!(documented(page, "Streams"), names(STREAM.iter().copied()));
    assert_eq!(
        documented(page, "Refused"),
        names(kafka_properties::refused().map(|(name, _)| name))
    );
}

#[test]
fn every_code_is_documented_and_every_documented_code_known() {
    let page = "reject-codes.md";
    let rejects = RejectCode::ALL.iter().map(|c| c.as_str());
    assert_eq!(documented(page, "# Reject"), names(rejects));
    let skips = SkipCode::ALL.iter().map(|c| c.as_str());
    assert_eq!(documented(page, "Skip codes"), names(skips));
}

#[test]
fn the_nearest_key_is_named() {
    let near = |path| unknown(path, WEIR);
    assert!(near("kafka.broker").contains("`kafka.brokers`"));
    assert!(near("kafak").contains("`kafka`"));
    assert!(near("budget").contains("`memory.budget`"));
    assert!(!near("something.else.entirely").contains("did you mean"));
}
