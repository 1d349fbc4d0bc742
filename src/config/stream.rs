//! `streams/<name>.toml`: one stream.
//!
//! Owns: the keys of a stream, and the topics that it reads. What is held against its schema is in
//! `config::fields`; what is held against other streams is in `config::load`.

use std::sync::Arc;

use regex::Regex;

use crate::config::bulk;
use crate::config::fields;
use crate::config::file::{Settings, flush};
use crate::config::fit;
use crate::config::origin::{SAFE_NAME, is_safe_name, origin};
use crate::config::payload;
use crate::config::registry::Reader;
use crate::config::section::{Section, Text};
use crate::config::{Category, OnGap, Origin, Start, Stream, TopicSelect, Topics, UnknownFields};
use crate::schema::Schema;

/// Which schema a stream asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SchemaRequest {
    /// Where it is.
    pub(crate) origin: Origin,
    /// `nanos = "long"`: nanosecond timestamps land as longs instead of being refused.
    pub(crate) nanos_as_long: bool,
}

const MIB: u64 = 1 << 20;

/// Which schema the stream names; `None` if that was reported.
pub(crate) fn schema_request(root: &Section<'_>) -> Option<SchemaRequest> {
    let nanos_as_long = is_nanos_as_long(root);
    let schema = root.section("schema");
    if !root.has("schema") {
        root.problem("schema", "is required, as in { subject = \"orders\" }");
        return None;
    }
    Some(SchemaRequest {
        origin: origin(&schema)?,
        nanos_as_long,
    })
}

fn is_nanos_as_long(root: &Section<'_>) -> bool {
    root.choice("nanos", &[("long", true)]).unwrap_or(false)
}

/// Reads the stream; `schema` is `None` where a problem with it was reported. `None` if a problem
/// leaves nothing to go on with.
pub(crate) fn stream(
    root: &Section<'_>,
    name: &str,
    schema: Option<(Origin, Schema)>,
    settings: &Settings,
    reader: &Reader<'_>,
) -> Option<Stream> {
    if !is_safe_name(name) {
        root.problem("", format!("the file's name {SAFE_NAME}"));
    }
    let source = root.required_text("source");
    let object = root.required_text("object");
    let category = category(root);
    if category == Some(Category::Engagement) && !root.has("event_time") {
        root.problem("event_time", "is required for the category engagement");
    }
    let unknown_fields = root.choice(
        "unknown_fields",
        &[
            ("reject", UnknownFields::Reject),
            ("ignore", UnknownFields::Ignore),
        ],
    );
    let topics = topics(root, settings, reader);
    let bulk = root
        .has("bulk")
        .then(|| bulk::bulk(&root.section("bulk"), name, settings.bucket.is_some()))
        .flatten();
    let flush = flush(&root.section("flush"), settings.flush);
    let fields = fields::read(root, schema.as_ref().map(|(_, schema)| schema));
    let (origin, schema) = schema?;
    let schema = fields.apply(&schema);
    if let Some(writer) = topics.as_ref().and_then(|t| t.writer.as_ref()) {
        for fault in fit::writer_faults(writer, &schema) {
            root.section("topics").problem("writer", fault);
        }
    }
    let unknown_fields = unknown_fields.unwrap_or(UnknownFields::Reject);
    if let Some(bulk) = &bulk {
        for fault in fit::column_faults(bulk, &schema, unknown_fields) {
            let section = root.section("bulk");
            section.section("dialect").problem("columns", fault);
        }
    }
    Some(Stream {
        name: name.to_owned(),
        source: source?.text,
        object: object?.text,
        category: category?,
        schema: Arc::new(schema),
        origin,
        nanos_as_long: is_nanos_as_long(root),
        names: fields.names,
        primary_key: fields.primary_key,
        event_time: fields.event_time,
        partition_by: fields.partition_by,
        unknown_fields,
        topics,
        bulk,
        flush,
    })
}

fn category(root: &Section<'_>) -> Option<Category> {
    if !root.has("category") {
        root.problem("category", "is required: profile, engagement or other");
        return None;
    }
    root.choice(
        "category",
        &[
            ("profile", Category::Profile),
            ("engagement", Category::Engagement),
            ("other", Category::Other),
        ],
    )
}

fn topics(root: &Section<'_>, settings: &Settings, reader: &Reader<'_>) -> Option<Topics> {
    if !root.has("topics") {
        if !root.has("bulk") {
            root.problem(
                "topics",
                "is required, or [bulk]: a stream without an inlet lands nothing",
            );
        }
        return None;
    }
    let section = root.section("topics");
    let select = select(&section);
    let payload = payload::payload(&section, settings, reader);
    let start = section
        .text_or_datetime("start")
        .and_then(|t| start(&section, &t));
    let on_gap = section.choice(
        "on_gap",
        &[("stop", OnGap::Stop), ("record", OnGap::Record)],
    );
    let max_message_bytes = section.size("max_message_bytes", 16 * MIB);
    if max_message_bytes > settings.memory_budget / 4 {
        section.problem(
            "max_message_bytes",
            "must be at most a quarter of `memory.budget`, so that a message fits beside the batch it goes to",
        );
    }
    if settings.kafka.is_none() {
        section.problem("names", "needs [kafka] in weir.toml, which is not there");
    }
    let payload = payload?;
    Some(Topics {
        select: select?,
        format: payload.format,
        framing: payload.framing,
        writer: payload.writer,
        start: start.unwrap_or(Start::Earliest),
        on_gap: on_gap.unwrap_or(OnGap::Stop),
        max_message_bytes,
        max_records_per_message: section.count("max_records_per_message", 100_000),
    })
}

fn select(section: &Section<'_>) -> Option<TopicSelect> {
    match (section.has("names"), section.has("pattern")) {
        (true, true) => {
            section.problem("pattern", "must not stand beside `names`");
            None
        }
        (false, false) => {
            section.problem("names", "is required, or `pattern`");
            None
        }
        (true, false) => names(section).map(TopicSelect::Names),
        (false, true) => section
            .parsed("pattern", |text| {
                if !text.starts_with('^') {
                    return Err("must begin with `^`".to_owned());
                }
                Regex::new(text)
                    .map(|_| text.to_owned())
                    .map_err(|_| "is no regular expression".to_owned())
            })
            .map(TopicSelect::Pattern),
    }
}

fn names(section: &Section<'_>) -> Option<Vec<String>> {
    let texts = section.texts("names")?;
    if texts.is_empty() {
        section.problem("names", "must name a topic");
        return None;
    }
    let mut names: Vec<String> = Vec::with_capacity(texts.len());
    for text in texts {
        if !is_topic_name(&text.text) {
            let message = format!(
                "{} is no topic's name: 1 to 249 letters, digits, `.`, `_` or `-`; `pattern` takes expressions",
                text.shown()
            );
            section.problem_at(&text.at, "names", message);
        } else if names.contains(&text.text) {
            section.problem_at(&text.at, "names", format!("{} stands twice", text.shown()));
        }
        names.push(text.text);
    }
    Some(names)
}

/// Kafka's own rule.
fn is_topic_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..")
        && name.len() <= 249
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

fn start(section: &Section<'_>, text: &Text) -> Option<Start> {
    match text.text.as_str() {
        "earliest" => Some(Start::Earliest),
        "latest" => Some(Start::Latest),
        other => match other.parse::<jiff::Timestamp>() {
            Ok(time) => Some(Start::Timestamp(time.as_millisecond())),
            Err(_) => {
                let message = format!(
                    "{} is none of earliest, latest, or a timestamp with a zone, as in \"2026-01-31T00:00:00Z\"",
                    text.shown()
                );
                section.problem_at(&text.at, "start", message);
                None
            }
        },
    }
}
