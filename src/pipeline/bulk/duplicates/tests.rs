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
        let told = candidate.meets(&other, false);
        assert_eq!(told, meets.then_some(reason), "{candidate:?} {other:?}");
    }
}

#[test]
fn the_same_content_lands_behind_another_look_until_it_is_flagged() {
    let candidate = Candidate {
        id: "a",
        key: "r/a",
        sha256: "content of b",
        files: &[],
        policy: OnDuplicate::Load,
    };
    let skipping = Candidate {
        policy: OnDuplicate::Skip,
        ..candidate
    };
    let under_its_name = Candidate {
        key: "r/b",
        ..candidate
    };
    for (candidate, is_flagged, meets) in [
        (candidate, false, true),
        (candidate, true, false),
        (skipping, false, true),
        (skipping, true, true),
        (under_its_name, true, true),
    ] {
        let told = candidate.meets(&record("b", &[]), is_flagged);
        assert_eq!(told.is_some(), meets, "{candidate:?} {is_flagged}");
        assert_eq!(candidate.meets(&record("c", &[]), is_flagged), None);
    }
}
