use super::*;

const LIMITS: Limits = Limits {
    commits: 10,
    files: 3,
    trail: 5,
};

fn rejects(version: u64, data: Option<i64>) -> View {
    View {
        version,
        positions: data
            .map(|data| (APP_ID_DATA.to_owned(), data))
            .into_iter()
            .collect(),
    }
}

fn file(name: &str) -> RejectsFile {
    RejectsFile {
        path: name.to_owned(),
        size: 1,
        rows: 1,
    }
}

fn commits(from: u64, files: &[&[&str]]) -> Vec<Logged> {
    let commits = files.iter().zip(from..);
    commits
        .map(|(files, version)| Logged {
            version,
            batch: None,
            instance: None,
            rejects: files.iter().map(|name| file(name)).collect(),
            job: None,
        })
        .collect()
}

#[test]
fn what_the_commits_name_is_added_once_they_name_something() {
    let none = next(&rejects(4, Some(7)), 0, &commits(8, &[&[], &[]]), &LIMITS);
    assert_eq!(none, Step::Rest { data: 9 });
    let some = commits(8, &[&[], &["a", "b"], &[]]);
    let step = next(&rejects(4, Some(7)), 0, &some, &LIMITS);
    let files = vec![file("a"), file("b")];
    assert_eq!(
        step,
        Step::Add {
            at: 5,
            files,
            data: 10
        }
    );
    assert_eq!(
        next(&rejects(0, None), 3, &[], &LIMITS),
        Step::Rest { data: 3 }
    );
}

#[test]
fn a_commit_names_no_more_files_than_the_bound_but_for_one_batch() {
    let many = commits(1, &[&["a", "b"], &["c"], &[], &["d"]]);
    let Step::Add { files, data, .. } = next(&rejects(0, None), 0, &many, &LIMITS) else {
        panic!("nothing is added");
    };
    assert_eq!((files.len(), data), (3, 3));
    let large = commits(1, &[&["a", "b", "c", "d"], &["e"]]);
    let Step::Add { files, data, .. } = next(&rejects(0, None), 0, &large, &LIMITS) else {
        panic!("nothing is added");
    };
    assert_eq!((files.len(), data), (4, 1));
}

#[test]
fn a_long_way_without_rejects_is_written_down() {
    let step = next(&rejects(2, Some(3)), 7, &commits(8, &[&[]]), &LIMITS);
    assert_eq!(
        step,
        Step::Add {
            at: 3,
            files: Vec::new(),
            data: 8
        }
    );
}
