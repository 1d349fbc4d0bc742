//! What a key of the bucket is, and where the result of a job goes.

use sha2::{Digest, Sha256};

use crate::model::job::{JobId, hex};

/// What results are below.
pub const RESULTS: &str = "_results/";

/// Bytes of the longest part of a path.
const LONGEST: usize = 240;

/// What a key is to the watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A CSV file, as it is or packed.
    File,
    /// Several files as one job.
    Manifest,
    /// None of the watch's business: results, names that are never taken, other kinds of files.
    Other,
}

/// What the name says. Names that begin with a dot, in any part of the key, and those that end in
/// `.tmp` or `.part` are never taken.
pub fn kind(key: &str) -> Kind {
    if is_hidden(key) || ends(key, ".tmp") || ends(key, ".part") {
        return Kind::Other;
    }
    if ends(key, ".job.json") {
        return Kind::Manifest;
    }
    match ends(key, ".csv") || ends(key, ".csv.gz") || ends(key, ".csv.zst") {
        true => Kind::File,
        false => Kind::Other,
    }
}

/// The folder of a key, with its slash; empty where it is in none.
pub fn folder(key: &str) -> &str {
    key.rfind('/').map_or("", |slash| &key[..=slash])
}

/// True for a file or a folder that nothing is taken from: of results, or with a dot in front of one of
/// its parts.
pub fn is_hidden(key: &str) -> bool {
    key.starts_with(RESULTS)
        || key == RESULTS.trim_end_matches('/')
        || key.starts_with('.')
        || key.contains("/.")
}

/// True if the key ends so, in whatever case. It is asked for each object of each listing.
fn ends(key: &str, end: &str) -> bool {
    let from = key.len().checked_sub(end.len());
    let tail = from.and_then(|from| key.as_bytes().get(from..));
    tail.is_some_and(|tail| tail.eq_ignore_ascii_case(end.as_bytes()))
}

/// The folder of a job's result, with a slash behind it.
pub fn result_folder(key: &str, job: &JobId) -> String {
    format!("{}/{job}/", results_below(key))
}

/// What the results of keys that begin with `prefix` begin with.
pub fn results_below(prefix: &str) -> String {
    let parts: Vec<String> = prefix.split('/').map(segment).collect();
    format!("{RESULTS}{}", parts.join("/"))
}

/// True if the names of all results of the drop `key` have at most `room` bytes.
pub fn has_room(key: &str, room: usize) -> bool {
    // The id of a job has 32 digits.
    const BEHIND: usize = "/".len() + 32 + "/failed-1000000.csv".len();
    // Percent-encoding makes three bytes of one. It is asked for each drop of each listing.
    RESULTS.len() + 3 * key.len() + BEHIND <= room || results_below(key).len() + BEHIND <= room
}

/// `job.json` of a job.
pub fn job_document(key: &str, job: &JobId) -> String {
    format!("{}job.json", result_folder(key, job))
}

/// A name as one part of a path: percent-encoded where it holds `%`, control characters or a
/// separator, or is `.` or `..`.
pub fn segment(name: &str) -> String {
    let is_dots = matches!(name, "." | "..");
    let mut segment = String::with_capacity(name.len());
    for mark in name.chars() {
        if mark == '%' || mark == '/' || mark.is_control() || is_dots {
            let mut bytes = [0; 4];
            for byte in mark.encode_utf8(&mut bytes).bytes() {
                segment.push_str(&format!("%{byte:02X}"));
            }
        } else {
            segment.push(mark);
        }
    }
    match segment.len() > LONGEST {
        true => shortened(&segment),
        false => segment,
    }
}

/// A part that is longer than file systems allow: its beginning, and a hash of the whole.
fn shortened(segment: &str) -> String {
    let mut end = LONGEST - 40;
    while !segment.is_char_boundary(end) {
        end -= 1;
    }
    let digest = hex(&Sha256::digest(segment)[..16]);
    format!("{}~{digest}", &segment[..end])
}

/// The drop's key and the job of a `job.json`; `None` for another key.
pub fn of_job_document(key: &str) -> Option<(String, JobId)> {
    let folder = key.strip_prefix(RESULTS)?.strip_suffix("/job.json")?;
    let (parts, job) = folder.rsplit_once('/')?;
    let parts: Option<Vec<String>> = parts.split('/').map(decoded).collect();
    Some((parts?.join("/"), JobId::from_text(job)))
}

/// The name that [`segment`] made this part of; `None` for a part that it never makes.
fn decoded(segment: &str) -> Option<String> {
    let mut pieces = segment.split('%');
    let mut name = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        let code = piece.get(..2)?;
        if code.contains('+') {
            return None;
        }
        name.push(u8::from_str_radix(code, 16).ok()?);
        name.extend_from_slice(&piece.as_bytes()[2..]);
    }
    String::from_utf8(name).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_is_one_part_of_a_path() {
        for (name, part) in [
            ("a b.csv", "a b.csv"),
            ("%2e", "%252e"),
            ("..", "%2E%2E"),
            ("a\nb", "a%0Ab"),
            ("\u{85}", "%C2%85"),
            ("ü😀", "ü😀"),
        ] {
            assert_eq!(segment(name), part);
        }
    }

    #[test]
    fn a_long_name_is_shortened_and_still_its_own() {
        let (one, other) = ("%".repeat(200), format!("{}!", "%".repeat(200)));
        assert!(segment(&one).len() <= 240 && segment(&one).starts_with("%25%25"));
        assert_ne!(segment(&one), segment(&other));
        assert_eq!(segment(&"ü".repeat(120)).len(), 240);
        assert!(segment(&"ü".repeat(121)).len() <= 240);
    }

    #[test]
    fn a_key_is_a_file_a_manifest_or_passed_over() {
        for (key, is) in [
            ("orders/a.csv", Kind::File),
            ("orders/2026/A.CSV.GZ", Kind::File),
            ("a.csv.zst", Kind::File),
            ("orders/a.job.json", Kind::Manifest),
            ("orders/a.json", Kind::Other),
            ("orders/a.csv.tmp", Kind::Other),
            ("orders/a.csv.part", Kind::Other),
            ("orders/.a.csv", Kind::Other),
            ("orders/.git/a.csv", Kind::Other),
            ("_results/orders/a.csv/1/failed.csv", Kind::Other),
            ("orders/_results/a.csv", Kind::File),
            ("orders/a.txt", Kind::Other),
        ] {
            assert_eq!(kind(key), is, "{key}");
        }
    }

    #[test]
    fn results_of_a_long_key_have_no_room() {
        let part = |length: usize| format!("{}.csv", "a".repeat(length - 4));
        let key = |last| format!("{0}/{0}/{0}/{0}/{1}", "a".repeat(200), part(last));
        let fits = (4..=240).rfind(|last| has_room(&key(*last), 1024)).unwrap();
        let job = JobId::from_text(&"0".repeat(32));
        let longest = |last| result_folder(&key(last), &job).len() + "failed-1000000.csv".len();
        assert_eq!(longest(fits), 1024);
        assert!(!has_room(&key(fits + 1), 1024));
        assert!(!has_room(&"%/".repeat(260), 1024), "it is encoded");
        assert!(has_room(&"a".repeat(3000), 1024), "it is shortened");
    }

    #[test]
    fn a_result_lies_below_the_key() {
        let job: JobId = serde_json::from_str("\"0a\"").unwrap();
        assert_eq!(
            job_document("orders/a%2e\n.csv", &job),
            "_results/orders/a%252e%0A.csv/0a/job.json"
        );
    }

    proptest! {
        #[test]
        fn a_document_tells_its_key(key in "[a-z./%\\n\u{80}-\u{9f}😀]{1,12}") {
            let job = JobId::from_text("0a");
            let document = job_document(&key, &job);
            prop_assert_eq!(of_job_document(&document), Some((key, job)));
        }
    }

    #[test]
    fn other_keys_are_no_documents() {
        for key in [
            "_results/job.json",
            "_results/0a/job.json",
            "_results/a.csv/0a/failed.csv",
            "_results/a%.csv/0a/job.json",
            "_results/a%zz/0a/job.json",
            "_results/%FF/0a/job.json",
            "orders/a.csv/0a/job.json",
        ] {
            assert_eq!(of_job_document(key), None, "{key}");
        }
    }
}
