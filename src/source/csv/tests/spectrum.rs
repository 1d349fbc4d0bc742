//! csv-spectrum 2.0.0 (`spectrum/readme.md`): its files, and what it expects of them.
//!
//! One expectation is wrong: `location_coordinates` shows another telephone number than the file
//! holds, and one object where the others show an array. The file also has quotes inside an unquoted
//! cell, which RFC 4180 forbids: strictly it is a reject, leniently it is read.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::*;

const WRONG: &str = "location_coordinates";

fn rows(bytes: &[u8], dialect: &Dialect) -> Option<Value> {
    let (columns, items) = read_all(bytes, dialect, SMALL, 1)?;
    let rows = items.iter().map(|item| match &item.verdict {
        Verdict::Cells(cells) => {
            let text = |text: &[u8]| Value::from(String::from_utf8(text.to_vec()).unwrap());
            let cells = cells.iter().map(|(cell, _)| text(cell));
            Some(Value::from_iter(columns.iter().cloned().zip(cells)))
        }
        Verdict::Fault(..) => None,
    });
    rows.collect::<Option<Vec<_>>>().map(Value::from)
}

#[test]
fn all_of_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/source/csv/tests/spectrum");
    let mut files = 0;
    for entry in fs::read_dir(folder.join("csvs")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let bytes = fs::read(&path).unwrap();
        let published = fs::read(folder.join(format!("json/{name}.json"))).unwrap();
        let mut published: Value = serde_json::from_slice(&published).unwrap();
        let strict = rows(&bytes, &dialect(|_| ()));
        if name == WRONG {
            assert_eq!(strict, None);
            let lenient = dialect(|keys| keys.quotes = "lenient".to_owned());
            let number = &mut published["Contact Phone Number"];
            assert_eq!(*number, "1234567890");
            *number = "2095257564".into();
            assert_eq!(rows(&bytes, &lenient), Some(Value::from(vec![published])));
        } else {
            assert_eq!(strict, Some(published), "{name}");
        }
        files += 1;
    }
    assert_eq!(files, 12);
}
