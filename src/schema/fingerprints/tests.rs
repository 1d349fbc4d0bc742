use super::*;

fn record(field: &str) -> String {
    format!(
        r#"{{"type": "record", "name": "A", "fields": [{{"name": "{field}", "type": "int"}}]}}"#
    )
}

fn of(text: &str) -> u64 {
    fingerprint(text, &[]).unwrap()
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir(folder.0.path().join("s")).unwrap();
        folder
    }

    fn write(&self, version: u32, text: &str) {
        let path = self.0.path().join(format!("s/{version}.avsc"));
        std::fs::write(path, text).unwrap();
    }

    fn fingerprints(&self) -> (Fingerprints, Clock) {
        let clock = Clock::system();
        let home = Home::Folder(self.0.path().to_path_buf());
        let fingerprints = Fingerprints::new(home, "s".to_owned(), clock.clone());
        (fingerprints.unwrap(), clock)
    }
}

fn version(lookup: Lookup) -> u32 {
    match lookup {
        Lookup::Known(schema) => schema.subjects[0].version,
        other => panic!("known, not {other:?}"),
    }
}

#[tokio::test]
async fn a_schema_is_found_by_its_fingerprint() {
    let folder = Folder::new();
    folder.write(1, &record("a"));
    // A writer's schema may be one that no table could hold.
    folder.write(2, r#"["int", "string"]"#);
    let (fingerprints, clock) = folder.fingerprints();
    let wanted = of(&record("a"));
    assert_eq!(fingerprints.lookup(wanted, clock.tick()), Lookup::Pending);
    assert_eq!(version(fingerprints.answer(wanted, clock.tick()).await), 1);
    let union = of(r#"["int", "string"]"#);
    assert_eq!(version(fingerprints.lookup(union, clock.tick())), 2);
}

#[tokio::test]
async fn one_of_nobody_is_told_after_a_look_and_found_once_it_is_there() {
    let folder = Folder::new();
    folder.write(1, &record("a"));
    let (fingerprints, clock) = folder.fingerprints();
    let wanted = of(&record("b"));
    let seen = clock.tick();
    match fingerprints.answer(wanted, seen).await {
        Lookup::Unknown(why) => {
            assert_eq!(
                *why,
                format!("no version of s has the fingerprint {wanted:016x}")
            );
        }
        other => panic!("unknown, not {other:?}"),
    }
    // A message that was seen before the look shares the verdict; one seen later does not.
    assert!(matches!(
        fingerprints.lookup(wanted, seen),
        Lookup::Unknown(_)
    ));
    // It is being written: no version until it is whole.
    folder.write(2, &record("b")[..20]);
    let answer = fingerprints.answer(wanted, clock.tick()).await;
    assert!(matches!(answer, Lookup::Unknown(_)), "{answer:?}");
    folder.write(2, &record("b"));
    assert_eq!(version(fingerprints.answer(wanted, clock.tick()).await), 2);
}

#[tokio::test]
async fn a_folder_that_cannot_be_read_is_waited_for() {
    let folder = Folder::new();
    let (fingerprints, clock) = folder.fingerprints();
    std::fs::remove_dir(folder.0.path().join("s")).unwrap();
    let wanted = of(&record("a"));
    let waiting = fingerprints.answer(wanted, clock.tick());
    assert_eq!(
        clock.timeout(Duration::from_millis(300), waiting).await,
        None
    );
    std::fs::create_dir(folder.0.path().join("s")).unwrap();
    folder.write(1, &record("a"));
    assert_eq!(version(fingerprints.answer(wanted, clock.tick()).await), 1);
}

#[tokio::test]
async fn the_newest_of_one_fingerprint_is_taken() {
    let folder = Folder::new();
    folder.write(1, &record("a"));
    folder.write(
        2,
        &record("a").replace("\"int\"", r#"{"type": "int", "logicalType": "date"}"#),
    );
    let (fingerprints, clock) = folder.fingerprints();
    let wanted = of(&record("a"));
    assert_eq!(version(fingerprints.answer(wanted, clock.tick()).await), 2);
}
