use super::*;

fn files(names: &[&str]) -> Vec<(String, String)> {
    let file = |name: &&str| (format!("r/{name}.csv"), format!("id of {name}"));
    names.iter().map(file).collect()
}

fn record(id: &str, files: &[(String, String)]) -> JobRecord {
    JobRecord {
        id: id.to_owned(),
        key: format!("r/{id}"),
        identity: "i".to_owned(),
        sha256: format!("content of {id}"),
        files: files.iter().map(|(_, id)| id.clone()).collect(),
    }
}

#[test]
fn jobs_that_share_a_file_do_not_land_beside_each_other() {
    let own = files(&["a", "b"]);
    let manifest = Candidate {
        id: "m",
        key: "r/m.job.json",
        sha256: "content",
        files: &own,
        policy: OnDuplicate::Load,
    };
    let one = Candidate {
        id: "id of a",
        key: "r/a.csv",
        files: &[],
        ..manifest
    };
    for (candidate, other, meets) in [
        (manifest, record("n", &files(&["b", "c"])), true),
        (manifest, record("n", &files(&["c"])), false),
        (manifest, record("id of b", &[]), true),
        (manifest, record("id of c", &[]), false),
        (one, record("n", &files(&["c", "a"])), true),
        (one, record("n", &files(&["b"])), false),
    ] {
        let reason = format!("job {} landed meanwhile", other.id);
        let told = candidate.meets(&other);
        assert_eq!(told, meets.then_some(reason), "{candidate:?} {other:?}");
    }
}
