use futures::FutureExt;
use notify::event::{CreateKind, DataChange, RemoveKind};

use super::*;
use crate::clock::Micros;

const CREATE: EventKind = EventKind::Create(CreateKind::File);
const FOLDER: EventKind = EventKind::Create(CreateKind::Folder);
const DATA: EventKind = EventKind::Modify(ModifyKind::Data(DataChange::Any));
const MOVE: EventKind = EventKind::Modify(ModifyKind::Name(RenameMode::To));
const CLOSE: EventKind = EventKind::Access(AccessKind::Close(AccessMode::Write));
const READ: EventKind = EventKind::Access(AccessKind::Open(AccessMode::Any));

fn file(kind: EventKind, key: &str) -> Option<Meaning> {
    meaning(&kind, key, || false)
}

#[test]
fn only_drops_and_folders_are_news() {
    for kind in [CREATE, FOLDER, DATA, MOVE, CLOSE] {
        for key in [
            "_results/a.csv/0a/job.json",
            "_results/a.csv/0a/failed.csv",
            "_results/a.csv/0a/failed.csv#1",
            "a.csv.tmp",
            ".a.csv",
            "b/.hidden/a.csv",
            "a.txt",
        ] {
            assert_eq!(file(kind, key), None, "{kind:?} {key}");
        }
        for key in ["_results", "_results/b", ".hidden"] {
            assert_eq!(meaning(&kind, key, || true), None, "{kind:?} {key}");
        }
    }
    for kind in [FOLDER, MOVE] {
        assert_eq!(meaning(&kind, "b", || true), Some(Meaning::Came));
    }
    for key in ["a.csv", "b/c.csv.gz", "b/c.job.json"] {
        assert_eq!(file(MOVE, key), Some(Meaning::Moved));
        assert_eq!(file(CLOSE, key), Some(Meaning::Came));
        let removed = EventKind::Remove(RemoveKind::File);
        for kind in [CREATE, DATA, removed, EventKind::Any] {
            assert_eq!(file(kind, key), Some(Meaning::Written));
        }
        assert_eq!(file(READ, key), None, "weir reads it itself");
    }
}

#[test]
fn a_file_that_goes_on_being_written_wakes_once_a_second() {
    let events = Events {
        shared: Arc::new(Shared::default()),
        told: Mutex::new(None),
        _watcher: None,
    };
    let clock = Clock::manual(Micros(0));
    let tell = |kind, name: &str| {
        let event = Event::new(kind).add_path(Path::new("/drop").join(name));
        events.shared.tell(Path::new("/drop"), &event);
    };
    let is_told = || events.changed(&clock).now_or_never().is_some();
    assert!(!is_told());
    tell(CREATE, "r/a.csv");
    assert!(is_told(), "at once");
    for _ in 0..3 {
        for _ in 0..9 {
            clock.advance(Duration::from_millis(100));
            tell(DATA, "r/a.csv");
            assert!(!is_told());
        }
        clock.advance(Duration::from_millis(100));
        assert!(is_told(), "what was written meanwhile");
        clock.advance(Duration::from_millis(10));
        assert!(!is_told(), "it was told");
    }
    tell(DATA, "r/a.csv");
    tell(CLOSE, "r/a.csv");
    assert!(is_told(), "it is whole");
    assert!(events.moved().is_empty());
    tell(MOVE, "r/b.csv");
    assert!(is_told());
    assert_eq!(events.moved(), HashSet::from(["r/b.csv".to_owned()]));
}
