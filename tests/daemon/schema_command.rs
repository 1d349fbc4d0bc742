//! `weir schema`: what it finds, what it shows, how it ends.

use serde_json::json;

use crate::registry::Registry;
use crate::weir::Folder;

#[test]
fn incompatible_versions_are_a_finding() {
    let folder = Folder::new();
    let (code, found) = folder.json(&["schema", "check"]);
    assert_eq!(code, 0);
    let subject = json!({ "name": "orders", "versions": [1], "level": "BACKWARD", "faults": [] });
    assert_eq!(found, json!({ "ok": true, "subjects": [subject] }));

    let one = folder.read("schemas/orders/1.avsc");
    let required = r#"{"name": "region", "type": "string"},"#;
    let two = one.replacen("\"fields\": [", &format!("\"fields\": [{required}"), 1);
    folder.write("schemas/orders/2.avsc", &two);
    let (code, found) = folder.json(&["schema", "check", "orders"]);
    assert_eq!(code, 1);
    assert_eq!(found["ok"], false);
    let fault =
        "orders version 2 cannot read data of version 1: region: is not written and has no default";
    assert_eq!(found["subjects"][0]["faults"], json!([fault]));
    let (code, out, _) = folder.run(&["schema", "check"]);
    assert_eq!(code, 1);
    assert!(out.contains(fault), "{out}");

    // a widening passes the level, and would fail at the table
    let two = one.replace(
        r#""customer_id", "type": "long""#,
        r#""customer_id", "type": "double""#,
    );
    folder.write("schemas/orders/2.avsc", &two);
    let (code, out, _) = folder.run(&["schema", "check"]);
    assert_eq!(code, 1);
    let refusal = "customer_id: is long there and would become double; type changes, widenings too, are refused for now";
    assert!(out.contains(refusal), "{out}");
    // and a start would go on without it
    let (code, out, _) = folder.run(&["check", "--offline"]);
    assert_eq!(code, 1, "{out}");
    let found = "version 2 is refused, and weir run would go on without it: ";
    assert!(out.contains(found) && out.contains(refusal), "{out}");
}

#[test]
fn a_subject_of_the_registry_is_judged_by_the_registry_s_level() {
    let folder = Folder::new();
    let one = folder.read("schemas/orders/1.avsc");
    let required = r#""fields": [{"name": "region", "type": "string"},"#;
    let two = one.replacen("\"fields\": [", required, 1);
    let registry = Registry::start();
    registry.put("orders-value", "FULL", &[&one, &two]);
    let url = &registry.url;
    let settings = folder.read("weir.toml");
    folder.write(
        "weir.toml",
        &format!("{settings}\n[registry]\nurl = \"{url}\"\n"),
    );
    let stream = folder.read("streams/orders.toml");
    let named = stream.replace(
        "{ subject = \"orders\" }",
        "{ registry = \"orders-value\" }",
    );
    assert_ne!(named, stream);
    folder.write("streams/orders.toml", &named);
    let (code, found) = folder.json(&["schema", "check"]);
    assert_eq!(code, 1, "{found:#}");
    let fault = "orders-value version 2 cannot read data of version 1: region: is not written and has no default";
    let subject =
        json!({ "name": "orders-value", "versions": [1, 2], "level": "FULL", "faults": [fault] });
    assert_eq!(found, json!({ "ok": false, "subjects": [subject] }));
    let (code, out, _) = folder.run(&["schema", "check", "orders-value"]);
    assert_eq!(code, 1);
    assert!(out.contains("FULL") && out.contains(fault), "{out}");
    // One that is away is waited for, not judged by copies.
    folder.write(
        "weir.toml",
        &format!("{settings}\n[registry]\nurl = \"http://127.0.0.1:1\"\n"),
    );
    let (code, _, err) = folder.run(&["schema", "check"]);
    assert_eq!(code, 3, "{err}");
    assert!(err.contains("the registry is away"), "{err}");
}

#[test]
fn what_is_no_schema_is_a_finding_and_what_is_no_setting_is_not() {
    let folder = Folder::new();
    folder.write("schemas/orders/2.avsc", "{");
    let (code, found) = folder.json(&["schema", "check"]);
    assert_eq!(code, 1, "{found}");
    let faults = found["subjects"][0]["faults"].as_array().unwrap();
    assert!(
        faults[0]
            .as_str()
            .unwrap()
            .contains("2.avsc: the root: is no JSON"),
        "{found}"
    );

    let (code, _, err) = folder.run(&["schema", "check", "nothing"]);
    assert_eq!(code, 2, "{err}");
    folder.write("weir.toml", "[lake]\nurll = \"file:///x\"\n");
    let (code, _, err) = folder.run(&["schema", "check"]);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("did you mean `lake.url`?"), "{err}");
}

#[test]
fn columns_are_shown_side_by_side() {
    let (code, shown) = Folder::new().json(&["schema", "show", "orders"]);
    assert_eq!(code, 0);
    let columns = shown["columns"].as_array().unwrap();
    let amount = json!({
        "name": "amount", "external": "amount", "avro": "bytes (decimal 12,2)",
        "arrow": "Decimal128(12, 2)", "delta": "decimal(12,2)",
        "nullable": false, "key": false, "partition": false,
    });
    assert!(columns.contains(&amount), "{shown:#}");
    let day = json!({
        "name": "created_at_day", "external": null, "avro": null,
        "arrow": "Date32", "delta": "date",
        "nullable": false, "key": false, "partition": true,
    });
    assert!(columns.contains(&day), "{shown:#}");
    assert_eq!(columns.len(), 15);
    let (code, _, err) = Folder::new().run(&["schema", "show", "ordres"]);
    assert_eq!(code, 2);
    assert!(err.contains("orders"), "{err}");
}
