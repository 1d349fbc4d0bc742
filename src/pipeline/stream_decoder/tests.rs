use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::clock::Clock;
use crate::config::{self, Category, Flush, OnGap, Origin, Start, TopicSelect, UnknownFields};
use crate::pipeline::writers::WriterSource;
use crate::pipeline::writers::tests::scripted;
use crate::schema::fingerprint::fingerprint;
use crate::schema::fingerprints::{Fingerprints, Home};
use crate::schema::parse::parse;
use crate::schema::writer::WriterSchema;

const READER: &str = r#"{"type": "record", "name": "R", "fields": [
    {"name": "n", "type": "long"},
    {"name": "s", "type": ["null", "string"], "default": null}]}"#;
/// With a field that the reader does not have.
const WIDER: &str = r#"{"type": "record", "name": "R", "fields": [
    {"name": "n", "type": "long"}, {"name": "x", "type": "long"}]}"#;
/// Without a field that the reader needs.
const OTHER: &str =
    r#"{"type": "record", "name": "R", "fields": [{"name": "n", "type": "string"}]}"#;

/// Nothing was looked for since.
const BEFORE: Tick = Tick(Duration::ZERO);
const SEEN: Tick = Tick(Duration::from_secs(1));
/// It was.
const AFTER: Tick = Tick(Duration::from_secs(2));

fn stream(format: PayloadFormat, framing: Framing, unknown_fields: UnknownFields) -> Stream {
    Stream {
        name: "s".to_owned(),
        source: "e".to_owned(),
        object: "o".to_owned(),
        category: Category::Other,
        schema: Arc::new(parse("r", 1, READER, false).unwrap()),
        origin: Origin::Folder {
            subject: "r".to_owned(),
            version: None,
        },
        nanos_as_long: false,
        names: BTreeMap::new(),
        primary_key: vec!["n".to_owned()],
        event_time: None,
        partition_by: Vec::new(),
        unknown_fields,
        topics: Some(config::Topics {
            select: TopicSelect::Names(vec!["t".to_owned()]),
            format,
            framing,
            writer: None,
            start: Start::Earliest,
            on_gap: OnGap::Stop,
            max_message_bytes: 100,
            max_records_per_message: 100,
        }),
        bulk: None,
        flush: Flush {
            max_age: Duration::from_secs(1),
            max_rows: 1,
            max_bytes: 1,
        },
    }
}

struct Judge {
    decoder: StreamDecoder,
    columns: Columns,
    judged: Judged,
    topic: Arc<str>,
}

impl Judge {
    fn new(stream: &Stream, source: WriterSource) -> Self {
        let writers = Arc::new(Writers::new(source, stream.schema.clone()));
        Self {
            decoder: StreamDecoder::of_messages(stream, &writers),
            columns: Columns::new(&stream.schema),
            judged: Judged::default(),
            topic: "t".into(),
        }
    }

    fn decode(&mut self, value: &[u8], header: Option<&[u8]>, looked: Tick) -> Option<WaitsFor> {
        let message = Message {
            value,
            header,
            topic: &self.topic,
            seen: SEEN,
        };
        self.decoder
            .decode(message, looked, &mut self.columns, &mut self.judged)
    }

    /// The one reject of a value that does not wait: code, field, its bytes, and the writer.
    fn reject(&mut self, value: &[u8], header: Option<&[u8]>) -> String {
        let rows = self.columns.rows();
        assert_eq!(self.decode(value, header, AFTER), None);
        assert_eq!(self.columns.rows(), rows);
        let [reject] = &self.judged.rejects[..] else {
            panic!("{:?}", self.judged);
        };
        let fault = &reject.fault;
        format!(
            "{} {:?} {:?} {:?}: {}",
            fault.code,
            fault.field,
            reject.raw,
            self.decoder.writer_schema(),
            fault.message
        )
    }
}

fn declared(text: &str) -> WriterSource {
    WriterSource::Declared(config::Writer {
        name: "w/3".into(),
        schema: WriterSchema::parse(text, &[]).unwrap(),
    })
}

#[test]
fn json_behind_the_registrys_framing_is_json() {
    let stream = stream(
        PayloadFormat::Json,
        Framing::Registry,
        UnknownFields::Reject,
    );
    let mut judge = Judge::new(&stream, WriterSource::None);
    assert_eq!(judge.decode(b"\0\0\0\0\x07{\"n\":1}", None, AFTER), None);
    assert_eq!((judge.columns.rows(), judge.judged.accepted.len()), (1, 1));
    assert_eq!(
        judge.reject(b"\0\0\0\0\x07{\"n\":\"1\"}", None),
        "wrong_type Some(\"n\") 0..14 Some(\"id 7\"): an integer is wanted, a string was seen"
    );
    let bare = judge.reject(b"{\"n\":1}", None);
    assert!(
        bare.starts_with("invalid_framing None 0..7 None: "),
        "{bare}"
    );
    let large = [&b"\x01"[..], &[b' '; 120]].concat();
    let large = judge.reject(&large, None);
    assert!(large.starts_with("too_large None 0..121 None: "), "{large}");
}

#[test]
fn an_element_of_a_framed_envelope_is_its_own_bytes() {
    let framed = stream(
        PayloadFormat::JsonEnvelope,
        Framing::Registry,
        UnknownFields::Reject,
    );
    let mut judge = Judge::new(&framed, WriterSource::None);
    let value = b"\0\0\0\0\x07{\"data\":[{\"n\":1},{\"n\":null}]}";
    let reject = judge.reject_of(value);
    assert_eq!(reject, b"{\"n\":null}");
}

impl Judge {
    fn reject_of(&mut self, value: &[u8]) -> Vec<u8> {
        assert_eq!(self.decode(value, None, AFTER), None);
        let [reject] = &self.judged.rejects[..] else {
            panic!("{:?}", self.judged);
        };
        value[reject.raw.clone()].to_vec()
    }
}

#[test]
fn bare_avro_is_read_by_its_declared_writer() {
    let bare = stream(PayloadFormat::Avro, Framing::None, UnknownFields::Ignore);
    let mut judge = Judge::new(&bare, declared(WIDER));
    // What the reader does not have is looked for before it is passed over.
    assert_eq!(judge.decode(&[2, 4], None, BEFORE), Some(WaitsFor::Look));
    assert_eq!(judge.columns.rows(), 0);
    assert_eq!(judge.decode(&[2, 4], None, AFTER), None);
    assert_eq!(judge.columns.rows(), 1);
    let cut = judge.reject(&[2], None);
    assert!(cut.starts_with("invalid_avro "), "{cut}");
    assert!(cut.contains("0..1 Some(\"w/3\")"), "{cut}");
    let longer = judge.reject(&[2, 4, 6], None);
    assert!(longer.starts_with("trailing_bytes "), "{longer}");
}

#[test]
fn a_writer_that_cannot_be_read_rejects_each_of_its_data_after_a_look() {
    let bare = stream(PayloadFormat::Avro, Framing::None, UnknownFields::Reject);
    let mut judge = Judge::new(&bare, declared(OTHER));
    assert_eq!(judge.decode(&[0], None, BEFORE), Some(WaitsFor::Look));
    for datum in [&[0][..], &[2, b'1'], &[]] {
        let reject = judge.reject(datum, None);
        assert!(reject.starts_with("wrong_type Some(\"n\") "), "{reject}");
        assert!(reject.contains("Some(\"w/3\")"), "{reject}");
    }
}

#[test]
fn a_header_names_the_writer_and_the_value_is_the_payload() {
    let framed = stream(PayloadFormat::Json, Framing::Header, UnknownFields::Reject);
    let mut judge = Judge::new(&framed, WriterSource::None);
    let header = [0, 0, 0, 0, 9];
    assert_eq!(judge.decode(b"{\"n\":1}", Some(&header), AFTER), None);
    assert_eq!(judge.decoder.writer_schema().as_deref(), Some("id 9"));
    let reject = judge.reject(b"{\"n\":1}", None);
    assert!(reject.starts_with("invalid_framing "), "{reject}");
    assert!(reject.contains("__value_schema_id"), "{reject}");
}

#[tokio::test]
async fn a_fingerprint_is_found_among_the_subjects_versions() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("r")).unwrap();
    std::fs::write(folder.path().join("r/1.avsc"), READER).unwrap();
    std::fs::write(folder.path().join("r/2.avsc"), OTHER).unwrap();
    let clock = Clock::system();
    let home = Home::Folder(folder.path().to_path_buf());
    let source =
        WriterSource::Fingerprints(Fingerprints::new(home, "r".to_owned(), clock.clone()).unwrap());
    let framed = stream(
        PayloadFormat::Avro,
        Framing::SingleObject,
        UnknownFields::Reject,
    );
    let mut judge = Judge::new(&framed, source.clone());
    judge.topic = "t".into();
    let value = |text: &str, datum: &[u8]| {
        let print = fingerprint(text, &[]).unwrap().to_le_bytes();
        [&[0xc3, 0x01][..], &print, datum].concat()
    };
    let good = value(READER, &[2, 2, 2, b'x']);
    let Some(WaitsFor::Writer(writer)) = judge.decode(&good, None, AFTER) else {
        panic!("{:?}", judge.judged);
    };
    let writers = Writers::new(source, framed.schema.clone());
    let wait = writers.answer(writer, "t", SEEN);
    clock.timeout(Duration::from_secs(30), wait).await.unwrap();
    assert_eq!(judge.decode(&good, None, AFTER), None);
    assert_eq!(judge.columns.rows(), 1);
    let refused = judge.reject(&value(OTHER, &[0]), None);
    assert!(
        refused.starts_with("wrong_type Some(\"n\") 0..11 Some(\"r/2\")"),
        "{refused}"
    );
}

#[test]
fn what_a_newer_version_may_take_of_a_writer_is_looked_for_once() {
    let fields = |fields: &str| {
        format!(
            r#"{{"type": "record", "name": "R", "fields": [{{"name": "n", "type": "long"}}, {fields}]}}"#
        )
    };
    let symbols = |symbols: &str, default: &str| {
        format!(
            r#"{{"name": "e", "type": {{"type": "enum", "name": "E", "symbols": [{symbols}]{default}}}}}"#
        )
    };
    let ab = symbols(r#""A", "B""#, "");
    let ab_or_a = symbols(r#""A", "B""#, r#", "default": "A""#);
    let abc = symbols(r#""A", "B", "C""#, "");
    let (required, nullable) = (
        r#"{"name": "s", "type": "string"}"#,
        r#"{"name": "s", "type": ["null", "string"], "default": null}"#,
    );
    // The reader's field, the writer's, a datum, and whether it waits.
    let cases: [(&str, &str, &[u8], bool); 7] = [
        (&ab, &abc, &[2, 4], true),
        (&ab, &abc, &[2, 0], true),
        (&ab_or_a, &abc, &[2, 4], true),
        (&abc, &ab, &[2, 2], false),
        (required, nullable, &[2, 0], true),
        (nullable, required, &[2, 2, b'x'], false),
        (nullable, nullable, &[2, 0], false),
    ];
    for (reader, writer, datum, waits) in cases {
        let mut stream = stream(PayloadFormat::Avro, Framing::None, UnknownFields::Ignore);
        stream.schema = Arc::new(parse("r", 1, &fields(reader), false).unwrap());
        let mut judge = Judge::new(&stream, declared(&fields(writer)));
        let told = judge.decode(datum, None, BEFORE);
        assert_eq!(told, waits.then_some(WaitsFor::Look), "{reader} {writer}");
        assert_eq!(judge.columns.rows(), usize::from(!waits));
        assert_eq!(judge.decode(datum, None, AFTER), None);
    }
}

#[tokio::test]
async fn ids_behind_one_that_waits_are_asked_for_with_it() {
    let clock = Clock::system();
    let (registry, asked) = scripted(|_| None, &clock);
    let source = WriterSource::Registry {
        registry,
        subject: None,
    };
    let stream = stream(
        PayloadFormat::Avro,
        Framing::Registry,
        UnknownFields::Reject,
    );
    let mut judge = Judge::new(&stream, source);
    let values: Vec<[u8; 5]> = (1..=100).map(|id| [0, 0, 0, 0, id]).collect();
    let waits = judge.decode(&values[0], None, AFTER);
    assert!(matches!(waits, Some(WaitsFor::Writer(_))), "{waits:?}");
    let behind = values[1..].iter().map(|value| Message {
        value,
        header: None,
        topic: &judge.topic,
        seen: SEEN,
    });
    judge.decoder.ask_ahead(behind);
    let path = |id: usize| format!("/schemas/ids/{id}");
    let all = async {
        while !(1..=1 + AHEAD).all(|id| asked.lock().contains(&path(id))) {
            clock.sleep(Duration::from_millis(5)).await;
        }
    };
    let in_time = clock.timeout(Duration::from_secs(10), all).await;
    assert!(in_time.is_some(), "{:?}", asked.lock());
    assert!(!asked.lock().contains(&path(2 + AHEAD)));
}
