use super::*;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn put(&self, name: &str, text: &str) {
        let incoming = self.0.path().join("incoming");
        std::fs::write(&incoming, text).unwrap();
        std::fs::rename(incoming, self.0.path().join(name)).unwrap();
    }

    fn text(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.0.path().join(name)).ok()
    }

    fn place(&self) -> Place<'static> {
        Place::of(self.0.path(), "a.csv")
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect()
    }
}

/// True for the version that was read.
fn read(object: &Object) -> bool {
    object.size == 4
}

#[test]
fn what_was_read_is_deleted_and_nothing_else() {
    let folder = Folder::new();
    folder.put("a.csv", "read");
    folder.place().delete_if(read).unwrap();
    assert_eq!(folder.names(), [""; 0]);
    folder.place().delete_if(read).unwrap();
    folder.put("a.csv", "newer");
    folder.place().delete_if(read).unwrap();
    assert_eq!(folder.names(), ["a.csv"]);
}

#[test]
fn one_that_comes_between_stays() {
    let folder = Folder::new();
    for _ in 0..300 {
        folder.put("a.csv", "read");
        std::thread::scope(|threads| {
            threads.spawn(|| folder.put("a.csv", "newer"));
            folder.place().delete_if(read).unwrap();
        });
        assert_eq!(folder.text("a.csv").as_deref(), Some("newer"));
        assert_eq!(folder.names(), ["a.csv"]);
    }
}

#[test]
fn what_a_crash_left_aside_goes_where_it_belongs() {
    let folder = Folder::new();
    let aside = folder.place().aside;
    let aside = aside.file_name().unwrap().to_str().unwrap();
    folder.put(aside, "read");
    folder.place().delete_if(read).unwrap();
    assert_eq!(folder.names(), [""; 0]);
    folder.put(aside, "newer");
    folder.place().delete_if(read).unwrap();
    assert_eq!(folder.names(), ["a.csv"]);
    // It was replaced while it was away.
    folder.put(aside, "newer");
    folder.put("a.csv", "newest");
    folder.place().delete_if(read).unwrap();
    assert_eq!(folder.names(), ["a.csv"]);
    assert_eq!(folder.text("a.csv").as_deref(), Some("newest"));
    // A link to a file is deleted, and the file is not.
    folder.put("there", "read");
    std::fs::remove_file(folder.0.path().join("a.csv")).unwrap();
    std::os::unix::fs::symlink("there", folder.0.path().join("a.csv")).unwrap();
    folder.place().delete_if(read).unwrap();
    assert_eq!(folder.names(), ["there"]);
}
