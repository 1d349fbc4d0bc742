use super::*;

fn denied() -> object_store::Error {
    object_store::Error::PermissionDenied {
        path: "a".into(),
        source: "403".into(),
    }
}

fn on_disk(kind: io::ErrorKind) -> object_store::Error {
    object_store::Error::Generic {
        store: "LocalFileSystem",
        source: Box::new(io::Error::from(kind)),
    }
}

#[test]
fn what_a_person_has_to_mend_is_said() {
    let no_bucket = object_store::Error::NotFound {
        path: "a".into(),
        source: "<Code>NoSuchBucket</Code>".into(),
    };
    let listing = object_store::Error::Generic {
        store: "S3",
        source: "Server returned non-2xx status code: 403 Forbidden: <Code>…".into(),
    };
    let cases = [
        (listing, "check the key and the secret"),
        (denied(), "check the key and the secret"),
        (no_bucket, "there is no such bucket"),
        (on_disk(io::ErrorKind::StorageFull), "no space left"),
        (on_disk(io::ErrorKind::QuotaExceeded), "no space left"),
        (on_disk(io::ErrorKind::ReadOnlyFilesystem), "read-only"),
        (on_disk(io::ErrorKind::PermissionDenied), "owner or mode"),
    ];
    for (error, words) in cases {
        let error = store_error("write", error);
        assert!(error.is_outage(), "{error}");
        let text = error.to_string();
        assert!(text.starts_with("could not write: "), "{text}");
        assert!(text.contains(words), "{text}");
    }
    let full = disk_error("write", io::ErrorKind::StorageFull.into());
    assert!(full.is_outage() && full.to_string().contains("no space left"));
}

#[test]
fn other_errors_pass_by_themselves_or_are_settings() {
    let away = object_store::Error::Generic {
        store: "S3",
        source: "connection refused".into(),
    };
    let away = store_error("read", away);
    assert_eq!(
        (away.is_outage(), away.to_string().as_str()),
        (true, "could not read: Generic S3 error: connection refused")
    );
    let path = object_store::path::Path::parse("a//b").unwrap_err();
    let setting = store_error("read", path.into());
    assert_eq!(setting.kind(), Kind::Config);
}
