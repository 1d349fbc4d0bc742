//! Headers against the schema, and records against the header.

use super::*;

fn schema_of_three() -> Schema {
    let mut schema = schema(
        r#"{"name":"order_id","type":"string"},{"name":"amount","type":"double"},
           {"name":"note","type":["null","string"]},
           {"name":"count","type":"int","default":7}"#,
    );
    let root = Arc::make_mut(&mut schema.root);
    root.fields[0].external = "Order ID".to_owned();
    schema
}

fn refused(header: &str) -> String {
    let schema = schema_of_three();
    let text = format!("{header}\n");
    let unknown = UnknownFields::Reject;
    let usual = dialect(|_| ());
    match decoded(text.as_bytes(), &schema, &usual, Sizes::default(), unknown) {
        Err(reason) => reason,
        Ok(_) => "fits".to_owned(),
    }
}

#[test]
fn every_problem_is_told_before_the_first_record() {
    assert_eq!(refused("amount,Order ID"), "fits");
    assert_eq!(refused("count,note,amount,Order ID"), "fits");
    assert_eq!(
        refused("Order ID,amont"),
        "column 2, \"amont\", is no field of the schema; did you mean \"amount\"?; \
         there is no column \"amount\", which the schema requires"
    );
    assert_eq!(
        refused("order_id,AMOUNT,amount"),
        "column 1, \"order_id\", is no field of the schema; [names] calls that field \"Order ID\"; \
         column 2, \"AMOUNT\", is no field of the schema; did you mean \"amount\"?; \
         there is no column \"Order ID\", which the schema requires"
    );
    assert_eq!(
        refused("Order ID,amount,note,,amount"),
        "column 4 has no name; columns 2 and 5 are both \"amount\""
    );
    assert_eq!(
        refused("Order ID, amount"),
        "column 2, \" amount\", is no field of the schema; did you mean \"amount\"?; \
         there is no column \"amount\", which the schema requires"
    );
    assert_eq!(
        refused("Order ID;amount"),
        "is the delimiter ';'?; column 1, \"Order ID;amount\", is no field of the schema; \
         there are no columns \"Order ID\", \"amount\", which the schema requires"
    );
    for header in [
        "weir_line,Order ID,amount",
        "weir_field,weir_code,weir_message,Order ID,amount",
    ] {
        assert_eq!(
            refused(header),
            "keep all four weir_ columns in front, or remove all"
        );
    }
    let many = refused(&format!("Order ID,amount{}", ",q".repeat(30)));
    assert!(many.ends_with("; and 20 more"), "{many}");
    assert_eq!(refused(""), "empty");
    let long = "x".repeat(500_000);
    assert_eq!(
        refused(&format!("Order ID,amount,{long}")),
        format!(
            "column 3, \"{}\"…, is no field of the schema",
            "x".repeat(100)
        )
    );
}

#[test]
fn absent_columns_are_filled_and_unknown_ones_passed_over() {
    let schema = schema_of_three();
    let text = b"amount,x,Order ID,\n1.5,?,a,\n,?,b,\n";
    let usual = dialect(|_| ());
    let ignore = UnknownFields::Ignore;
    let (arrays, verdicts) = decoded(text, &schema, &usual, Sizes::default(), ignore).unwrap();
    assert_eq!(
        verdicts,
        [
            "ok",
            "3: null_value@amount: null stands in a required field"
        ]
    );
    let shown: Vec<String> = arrays
        .iter()
        .map(|a| array_value_to_string(a, 0).unwrap())
        .collect();
    assert_eq!(shown, ["a", "1.5", "", "7"]);
    assert!(arrays[2].is_null(0));
}

#[test]
fn records_longer_and_shorter_than_the_header() {
    let schema = schema_of_three();
    let text = "Order ID,amount\na,1\na\na,1,2\n\"a\nb\",1,\nx,y\n";
    assert_eq!(
        verdicts(text, &schema, &dialect(|_| ())),
        [
            "ok",
            "3: csv_columns: the record has 1 cells, and there are 2 columns",
            "4: csv_columns: the record has 3 cells, and there are 2 columns",
            "5: csv_columns: the record has 3 cells, and there are 2 columns",
            "7: wrong_type@amount: a number is wanted, a text was seen",
        ]
    );
}

#[test]
fn the_first_fault_in_the_order_of_the_columns() {
    let schema = schema_of_three();
    let text = "note,amount,Order ID\n,x,\n,1,\na,,b\n";
    assert_eq!(
        verdicts(text, &schema, &dialect(|_| ())),
        [
            "2: wrong_type@amount: a number is wanted, a text was seen",
            "3: null_value@[\"Order ID\"]: null stands in a required field",
            "4: null_value@amount: null stands in a required field",
        ]
    );
}

#[test]
fn a_returned_file_is_loaded_without_its_first_columns() {
    let schema = schema_of_three();
    let text = "weir_line,weir_field,weir_code,weir_message,amount,Order ID\n\
                2,amount,wrong_type,\"no, not this\",1.5,a\n\
                9,,csv_columns,x,b\n";
    for dialect in [
        dialect(|_| ()),
        dialect(|k| k.skip_lines = 2),
        dialect(|k| {
            k.header = false;
            k.columns = vec!["amount".to_owned(), "Order ID".to_owned()];
        }),
    ] {
        assert_eq!(
            verdicts(text, &schema, &dialect),
            [
                "ok",
                "3: csv_columns: the record has 5 cells, and there are 6 columns"
            ]
        );
    }
}

/// What is wrong with the file comes before what is wrong with a record.
#[test]
fn no_csv_and_no_text() {
    let schema = schema_of_three();
    let small = dialect(|k| k.max_record_bytes = 20);
    let mut text = b"Order ID,amount\n\"a\"b,1\n".to_vec();
    text.extend_from_slice(b"\xFFx,1\n");
    text.extend_from_slice(b"0123456789012345678901234567890\n");
    text.extend_from_slice(b"\xFF\nok,2\n");
    let sizes = Sizes::default();
    let (arrays, verdicts) = decoded(&text, &schema, &small, sizes, UnknownFields::Reject).unwrap();
    assert_eq!(
        verdicts,
        [
            "2: csv_syntax: text stands behind a closing quote",
            "3: invalid_utf8: the record is not UTF-8",
            "4: too_large: the line is longer than max_record_bytes; the first 20 of 31 bytes are \
             kept, sha256 4bc94f8385c5ee93f664f4886e0f880b25f6f6cba740ea8148029cae46c09aa4",
            "5: invalid_utf8: the record is not UTF-8",
            "ok",
        ]
    );
    assert_eq!(batch(&schema, arrays).num_rows(), 1);
}
