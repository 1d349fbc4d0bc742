//! What commands say where something is not there, or is no number.

use crate::site::Site;

#[test]
fn before_anything_landed_there_is_no_table() {
    let site = Site::new("");
    for command in ["list", "show"] {
        let told = site.refused(&["rejects", command, "r"]);
        assert_eq!(
            told,
            "weir: nothing has landed in r yet: there is no table\n"
        );
    }
    let done = site.run(&["verify"]);
    assert_eq!(done.code, 1, "{done:?}");
    let words = "stream r: NOT proven: nothing has landed in r yet, or its tables are gone\n";
    assert!(done.stdout.starts_with(words), "{done:?}");
    // Once a stream was started there are tables, and nothing is in them.
    let daemon = site.daemon();
    site.place("r/a.csv", "id,name,amount\n");
    site.complete("r/a.csv");
    daemon.stop();
    assert_eq!(site.proven(), [0, 0, 0]);
    assert_eq!(site.run(&["rejects", "list", "r"]).stdout, "no rejects\n");
}

#[test]
fn what_is_no_number_is_told_in_words() {
    let site = Site::new("");
    for arguments in [
        &["positions", "set", "r", "t", "abc", "--reason", "x"][..],
        &["rejects", "show", "r", "--offset", "abc"],
        &["rejects", "show", "r", "--partition", "1.5"],
        &["jobs", "list", "--limit", "abc"],
        &["demo", "--events", "abc"],
    ] {
        let done = site.run(arguments);
        assert_eq!(done.code, 2, "{done:?}");
        assert!(
            done.stderr.contains(": a whole number is wanted\n"),
            "{done:?}"
        );
    }
    let done = site.run(&["demo", "--events", "0"]);
    assert_eq!(done.code, 2, "{done:?}");
    assert!(
        done.stderr.contains("a number from 1 to 62000 is wanted"),
        "{done:?}"
    );
    let done = site.run(&["demo", "--help"]);
    assert!(done.stdout.contains("no more than 62000"), "{done:?}");
}

#[test]
fn a_problem_is_told_with_its_own_file_and_a_subject_with_the_nearest() {
    let site = Site::new("");
    let path = site.path("streams/r.toml");
    let stream = std::fs::read_to_string(&path).unwrap();
    site.write("schemas/orders/1.avsc", "{}");
    let named = |subject: &str| {
        let subject = format!("subject = \"{subject}\"");
        site.write(
            "streams/r.toml",
            stream.replace("subject = \"r\"", &subject),
        );
        let (code, shown) = site.json(&["check"]);
        assert_eq!(code, 2, "{shown:#}");
        shown
    };
    let shown = named("ordrs");
    let words = format!("{}: 1 problem", path.display());
    assert_eq!(shown["checks"][0]["message"], words);
    let words = format!(
        "{} is not there; did you mean \"orders\"?",
        site.path("schemas/ordrs").display()
    );
    assert_eq!(shown["problems"][0]["message"], words);
    let shown = named("something-else");
    let words = format!(
        "{} is not there; write its first version to 1.avsc there",
        site.path("schemas/something-else").display()
    );
    assert_eq!(shown["problems"][0]["message"], words);
    // Of several files each is named.
    site.write("streams/q.toml", "[bulk]\n");
    let (_, shown) = site.json(&["check"]);
    let message = shown["checks"][0]["message"].as_str().unwrap();
    for file in ["streams/q.toml", "streams/r.toml"] {
        assert!(message.contains(file), "{message}");
    }
}
