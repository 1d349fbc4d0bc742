//! The main job from outside: the real binary, a broker inside it, tables on local disk.

use std::process::Command;

#[test]
fn demo_lands_every_event_once() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("demo");
    let output = Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(["demo", "--events", "3000", "--format", "json", "--dir"])
        .arg(&dir)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let shown: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    // Of 3,000 events one in a hundred is bad, and of those one in ten is a tombstone.
    let stream = &shown["streams"][0];
    assert_eq!(stream["read"], 3000, "{shown}");
    assert_eq!(stream["accepted"], 2970, "{shown}");
    assert_eq!(stream["rejected"], 27, "{shown}");
    assert_eq!(stream["skipped"], 3, "{shown}");
    let codes: Vec<&str> = shown["rejects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["code"].as_str().unwrap())
        .collect();
    assert_eq!(codes.len(), 9, "{codes:?}");
    assert!(dir.join("lake/orders__dll/_delta_log").is_dir());
}
