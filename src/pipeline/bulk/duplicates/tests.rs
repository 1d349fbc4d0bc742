use super::*;

/// The file `name.csv`, as dropped the first time; `touched` later.
fn file(name: &str, content: &str) -> FileRecord {
    FileRecord {
        id: format!("id of {name}"),
        key: format!("r/{name}.csv"),
        sha256: Some(content.to_owned()),
    }
}

fn touched(name: &str, content: &str) -> FileRecord {
    FileRecord {
        id: format!("new id of {name}"),
        ..file(name, content)
    }
}

/// A job of that key's own id, of one file or of several.
fn record(name: &str, content: &str, files: &[FileRecord]) -> JobRecord {
    JobRecord {
        id: format!("id of {name}"),
        key: format!("r/{name}.csv"),
        identity: "i".to_owned(),
        sha256: content.to_owned(),
        files: files.to_vec(),
    }
}

/// The drop of a job by `record`.
fn candidate(record: &JobRecord, policy: OnDuplicate) -> Candidate<'_> {
    Candidate {
        id: &record.id,
        key: &record.key,
        sha256: &record.sha256,
        files: &record.files,
        policy,
    }
}

#[test]
fn jobs_that_share_a_file_do_not_land_beside_each_other() {
    let manifest = |name: &str, files: &[&str]| {
        let files: Vec<FileRecord> = files.iter().map(|name| file(name, name)).collect();
        record(name, &format!("content of {name}"), &files)
    };
    let one = |name: &str| record(name, name, &[]);
    // What is told of it already does not matter.
    for is_flagged in [false, true] {
        for (own, other, meets) in [
            (manifest("m", &["a", "b"]), manifest("n", &["b", "c"]), true),
            (manifest("m", &["a", "b"]), manifest("n", &["c"]), false),
            (manifest("m", &["a", "b"]), one("b"), true),
            (manifest("m", &["a", "b"]), one("c"), false),
            (one("a"), manifest("n", &["c", "a"]), true),
            (one("a"), manifest("n", &["c", "b"]), false),
        ] {
            let told = candidate(&own, OnDuplicate::Load).meets(&other, is_flagged);
            let reason = format!("job {} landed meanwhile", other.id);
            assert_eq!(told, meets.then_some(reason), "{own:?} {other:?}");
        }
    }
}

#[test]
fn the_same_content_lands_behind_another_look_until_it_is_flagged() {
    fn by_itself(name: &str) -> JobRecord {
        record(name, "x", &[])
    }
    fn in_manifest(name: &str) -> JobRecord {
        let files = [touched(name, "x"), file("z", "z")];
        record(&format!("with {name}"), "all", &files)
    }
    let makes: [fn(&str) -> JobRecord; 2] = [by_itself, in_manifest];
    for (own, other) in makes.iter().flat_map(|own| makes.map(|other| (own, other))) {
        for (own, is_flagged, policy, meets) in [
            (own("a"), false, OnDuplicate::Load, true),
            (own("a"), true, OnDuplicate::Load, false),
            (own("a"), false, OnDuplicate::Skip, true),
            (own("a"), true, OnDuplicate::Skip, true),
            // Under its own name.
            (own("b"), true, OnDuplicate::Load, true),
        ] {
            let mut other = other("b");
            // Neither shares a file with the other.
            other.id = "other".to_owned();
            other.files.retain(|file| file.key != "r/z.csv");
            other
                .files
                .iter_mut()
                .for_each(|file| file.id = "its".to_owned());
            let told = candidate(&own, policy).meets(&other, is_flagged);
            assert_eq!(told.is_some(), meets, "{own:?} {other:?} {is_flagged}");
            other.sha256 = "y".to_owned();
            other.files.clear();
            assert_eq!(candidate(&own, policy).meets(&other, is_flagged), None);
        }
    }
}

#[test]
fn a_drop_is_held_against_files_and_manifests_that_landed() {
    let empty = FileRecord {
        sha256: None,
        ..file("e", "")
    };
    let landed = LandedJobs::of([
        record(
            "m",
            "a and b",
            &[file("a", "a"), file("b", "b"), empty.clone()],
        ),
        record("c", "c", &[]),
    ]);
    let skips = "`bulk.on_duplicate` is skip";
    let both = |text: &str| (text.to_owned(), text.to_owned());
    let flagged = |flag: &str, skip: &str| (format!("flagged: {flag}"), skip.to_owned());
    let [m, c] = ["m", "c"].map(|name| LandedJobs::id_of(&format!("id of {name}")));
    let of_m = format!("{m} of r/m.csv");
    let lone = |name: &str, content: &str| {
        let record = record(name, content, &[]);
        JobRecord {
            id: format!("new {}", record.id),
            ..record
        }
    };
    let several = |files: &[FileRecord]| record("new", "all of new", files);
    for (own, (load, skip)) in [
        (lone("a", "new"), both("new")),
        (
            lone("a", "a"),
            both(&format!(
                "before: the same content landed under this name as job {of_m}"
            )),
        ),
        (
            lone("d", "a"),
            flagged(
                &format!("loaded, though r/a.csv has the same content (job {of_m})"),
                &format!("before: r/a.csv has the same content and landed as job {of_m}; {skips}"),
            ),
        ),
        (
            JobRecord {
                id: "touched".to_owned(),
                ..record("m", "a and b", &[file("a", "a"), file("b", "b")])
            },
            both(&format!(
                "before: the same content landed under this name as job {m}"
            )),
        ),
        (
            several(&[file("d", "d"), file("a", "other")]),
            both(&format!("partly: r/a.csv landed before, as job {of_m}")),
        ),
        (
            several(&[file("d", "d"), touched("b", "b")]),
            both(&format!(
                "partly: r/b.csv landed before with the same content, as job {of_m}"
            )),
        ),
        (
            several(&[touched("c", "c")]),
            both(&format!(
                "partly: r/c.csv landed before with the same content, as job {c} of r/c.csv"
            )),
        ),
        (several(&[file("d", "d"), touched("a", "new")]), both("new")),
        (
            several(&[file("d", "d"), file("f", "c")]),
            flagged(
                &format!("loaded, though r/f.csv has the content of r/c.csv (job {c})"),
                &format!(
                    "partly: r/f.csv has the content of r/c.csv, which landed as job {c}; {skips}, and a job lands whole or not at all"
                ),
            ),
        ),
        (
            several(&[file("d", "d"), file("f", "d")]),
            flagged(
                "loaded, though r/f.csv has the content of r/d.csv",
                &format!(
                    "partly: r/f.csv has the content of r/d.csv; {skips}, and a job lands whole or not at all"
                ),
            ),
        ),
        // Files without records double nothing.
        (
            several(&[
                FileRecord {
                    id: "new id of e".to_owned(),
                    ..empty.clone()
                },
                file("d", "d"),
            ]),
            both("new"),
        ),
    ] {
        for (policy, told) in [(OnDuplicate::Load, load), (OnDuplicate::Skip, skip)] {
            let seen = match candidate(&own, policy).seen(&landed) {
                Seen::New => "new".to_owned(),
                Seen::Flagged(reason) => format!("flagged: {reason}"),
                Seen::Before(reason) => format!("before: {reason}"),
                Seen::Partly(reason) => format!("partly: {reason}"),
            };
            assert_eq!(seen, told, "{own:?}");
        }
    }
}
