//! Files as people send them, each with what lands of it and what comes back.

use super::*;

/// What landed, row by row, and what did not.
fn landed(bytes: &[u8], schema: &Schema, dialect: &Dialect) -> (Vec<String>, Vec<String>) {
    let unknown = UnknownFields::Reject;
    let (arrays, verdicts) = decoded(bytes, schema, dialect, Sizes::default(), unknown).unwrap();
    let cell = |array: &ArrayRef, row| match array.is_null(row) {
        true => "-".to_owned(),
        false => array_value_to_string(array, row).unwrap(),
    };
    let rows = (0..arrays[0].len()).map(|row| {
        let cells: Vec<String> = arrays.iter().map(|array| cell(array, row)).collect();
        cells.join("|")
    });
    let rejects = verdicts.into_iter().filter(|v| v != "ok");
    (rows.collect(), rejects.collect())
}

fn orders() -> Schema {
    schema(
        r#"{"name":"id","type":"int"},{"name":"name","type":["null","string"]},
           {"name":"amount","type":["null","double"]}"#,
    )
}

#[test]
fn a_preamble_two_headers_and_a_second_table() {
    let text = "Orders of March\n\"exported, by hand\n\nid,name,amount\nid,name,amount\n\
                1,a,1.5\n\nid,total\n7,12\n2,b,\n";
    let dialect = dialect(|keys| keys.skip_lines = 2);
    let (rows, rejects) = landed(text.as_bytes(), &orders(), &dialect);
    assert_eq!(rows, ["1|a|1.5", "2|b|-"]);
    assert_eq!(
        rejects,
        [
            "5: wrong_type@id: an integer is wanted, a text was seen",
            "8: csv_columns: the record has 2 cells, and there are 3 columns",
            "9: csv_columns: the record has 2 cells, and there are 3 columns",
        ]
    );
}

#[test]
fn a_spreadsheet_s_export() {
    let text = "\u{FEFF}amount;id;name\r\n1,5;1;\"Müller; \"\"Söhne\"\"\"\r\n1.5;2;x\r\n\
                \"2,5\";3;\"two\r\nlines\"\r\n;4;";
    let dialect = dialect(|keys| {
        keys.delimiter = ";".to_owned();
        keys.decimal = ",".to_owned();
    });
    let (rows, rejects) = landed(text.as_bytes(), &orders(), &dialect);
    assert_eq!(
        rows,
        ["1|Müller; \"Söhne\"|1.5", "3|two\r\nlines|2.5", "4|-|-"]
    );
    assert_eq!(
        rejects,
        ["3: wrong_type@amount: a number is wanted, a text was seen"]
    );
}

#[test]
fn other_encodings_and_ends() {
    let latin = dialect(|keys| keys.encoding = "latin1".to_owned());
    let (rows, rejects) = landed(b"id,name,amount\r1,Z\xFCrich,\r2,\0,3", &orders(), &latin);
    assert_eq!(rows, ["1|Zürich|-", "2|\0|3.0"]);
    assert_eq!(rejects, [""; 0]);
    let wide = dialect(|keys| keys.encoding = "utf-16".to_owned());
    let mut bytes = b"\xFE\xFF".to_vec();
    let text = "id,name,amount\n1,\u{1F600},\nx,,\n2,";
    bytes.extend(text.encode_utf16().flat_map(u16::to_be_bytes));
    bytes.extend_from_slice(b"\xDC\x00\0,");
    let (rows, rejects) = landed(&bytes, &orders(), &wide);
    assert_eq!(rows, ["1|\u{1F600}|-"]);
    assert_eq!(
        rejects,
        [
            "3: wrong_type@id: an integer is wanted, a text was seen",
            "4: invalid_utf8: the record is not UTF-16BE",
        ]
    );
}

#[test]
fn a_header_alone() {
    let usual = dialect(|_| ());
    for text in ["id,name,amount", "id,name,amount\r\n", "id,name,amount\n\n"] {
        let (rows, rejects) = landed(text.as_bytes(), &orders(), &usual);
        assert!(rows.is_empty() && rejects.is_empty(), "{text:?}");
    }
}

#[test]
fn missing_values_as_a_program_writes_them() {
    let text = b"id,name,amount\n1,NA,NA\n2,\"NA\",1\n3,,NaN\n";
    let (rows, rejects) = landed(
        text,
        &orders(),
        &dialect(|k| k.null = vec!["NA".to_owned()]),
    );
    assert_eq!(rows, ["1|-|-", "2|NA|1.0"]);
    assert_eq!(
        rejects,
        ["4: wrong_type@amount: a number is wanted, a text was seen"]
    );
    let (rows, rejects) = landed(text, &orders(), &dialect(|_| ()));
    assert_eq!(rows, ["2|NA|1.0"]);
    assert_eq!(rejects.len(), 2);
}
