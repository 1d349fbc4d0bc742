use super::*;

const GUID: [u8; 16] = *b"0123456789abcdef";

fn refused(framing: Framing, value: &[u8], header: Option<&[u8]>) -> String {
    let fault = parse(framing, value, header).unwrap_err();
    assert_eq!(fault.code, RejectCode::InvalidFraming);
    assert_eq!(fault.field, None);
    fault.message
}

fn guid_framed() -> Vec<u8> {
    [&[1], &GUID[..]].concat()
}

#[test]
fn each_framing_is_taken_apart() {
    let id = Writer::Key(WriterKey::Id(0x0102_0304));
    let guid = Writer::Key(WriterKey::Guid(GUID));
    assert_eq!(
        parse(Framing::Registry, &[0, 1, 2, 3, 4, 9, 9], None),
        Ok((id, 5))
    );
    // A record without fields takes no byte.
    assert_eq!(
        parse(Framing::Registry, &[0, 1, 2, 3, 4], None),
        Ok((id, 5))
    );
    assert_eq!(
        parse(Framing::Registry, &guid_framed(), None),
        Ok((guid, 17))
    );
    assert_eq!(
        parse(Framing::Header, b"", Some(&[0, 1, 2, 3, 4])),
        Ok((id, 0))
    );
    assert_eq!(
        parse(Framing::Header, &[7], Some(&guid_framed())),
        Ok((guid, 0))
    );
    let marked = [0xc3, 1, 1, 2, 3, 4, 5, 6, 7, 8, 42];
    let fingerprint = Writer::Fingerprint(0x0807_0605_0403_0201);
    assert_eq!(
        parse(Framing::SingleObject, &marked, None),
        Ok((fingerprint, 10))
    );
    assert_eq!(
        parse(Framing::None, &marked, None),
        Ok((Writer::Declared, 0))
    );
}

#[test]
fn a_header_beside_another_framing_says_nothing() {
    let header = [0, 0, 0, 0, 9];
    let own = Writer::Key(WriterKey::Id(1));
    assert_eq!(
        parse(Framing::Registry, &[0, 0, 0, 0, 1], Some(&header)),
        Ok((own, 5))
    );
    assert_eq!(
        parse(Framing::None, &header, Some(&header)),
        Ok((Writer::Declared, 0))
    );
}

#[test]
fn whatever_is_cut_short_is_told_with_its_length() {
    for length in 0..5 {
        let message = refused(Framing::Registry, &[0, 1, 2, 3][..length.min(4)], None);
        assert!(message.contains("the value"), "{message}");
    }
    assert_eq!(
        refused(Framing::Registry, &[0, 1], None),
        "the value has 2 bytes, where the magic byte and an id take 5"
    );
    for length in 1..17 {
        let cut = &guid_framed()[..length];
        let message = format!("has {length} bytes, where the magic byte and a GUID take 17");
        assert!(refused(Framing::Registry, cut, None).ends_with(&message));
        assert!(refused(Framing::Header, b"", Some(cut)).ends_with(&message));
    }
    let marked = [0xc3, 1, 1, 2, 3, 4, 5, 6, 7, 8];
    for length in 2..10 {
        assert_eq!(
            refused(Framing::SingleObject, &marked[..length], None),
            format!("the value has {length} bytes, where the marker and a fingerprint take 10")
        );
    }
    assert!(refused(Framing::SingleObject, &marked[..1], None).contains("one byte 0xc3"));
    assert!(refused(Framing::SingleObject, b"", None).contains("is empty"));
    assert!(refused(Framing::Registry, b"", None).contains("is empty"));
}

#[test]
fn another_framing_is_told_and_not_taken() {
    let told = [
        (&b"{\"a\": 1}"[..], "0x7b (which begins a JSON text)"),
        (b"Obj\x01", "0x4f (which begins an Avro file)"),
        (
            b"\xc3\x01abcdefgh",
            "0xc3 (which begins single-object encoding)",
        ),
        (&[2, 0, 0, 0, 1], "0x02, where"),
        (&[0xff; 20], "0xff, where"),
    ];
    for (value, word) in told {
        let message = refused(Framing::Registry, value, None);
        assert!(message.contains(word), "{message}");
    }
    let framed = refused(Framing::SingleObject, &[0, 0, 0, 0, 1, 2], None);
    assert!(framed.contains("registry framing"), "{framed}");
}

#[test]
fn a_header_is_whole_and_no_more() {
    assert_eq!(
        refused(Framing::Header, &[0, 0, 0, 0, 1], None),
        "the header __value_schema_id is not there"
    );
    let message = refused(Framing::Header, b"", Some(&[0, 0, 0, 0, 1, 7]));
    assert!(
        message.ends_with("1 bytes behind the schema's key"),
        "{message}"
    );
    assert!(refused(Framing::Header, b"", Some(b"42")).contains("begins with the byte 0x34"));
}

#[test]
fn no_value_is_shown() {
    let secret = b"{\"card\": 4111111111111111}";
    for framing in [Framing::Registry, Framing::SingleObject] {
        let message = refused(framing, secret, None);
        assert!(
            !message.contains("4111") && !message.contains("card"),
            "{message}"
        );
    }
}
