//! `topics.format`, `topics.framing`, `topics.writer`: what a message's value is.
//!
//! Owns: which of them go together, and the declared writer's schema. Does not own: taking a value
//! apart (`pipeline::decode::framing`).

use std::sync::Arc;

use crate::config::file::Settings;
use crate::config::origin::origin;
use crate::config::registry::Reader;
use crate::config::section::Section;

use crate::config::{Framing, Origin, PayloadFormat, Writer};
use crate::schema::folder;
use crate::schema::registry::Wanted;
use crate::schema::writer::WriterSchema;

/// What a value is.
pub(crate) struct Payload {
    pub(crate) format: PayloadFormat,
    pub(crate) framing: Framing,
    pub(crate) writer: Option<Writer>,
}

/// Reads the keys; `None` if that was reported.
pub(crate) fn payload(
    section: &Section<'_>,
    settings: &Settings,
    reader: &Reader<'_>,
) -> Option<Payload> {
    let (format, framing) = (format(section)?, framing(section));
    let is_avro = format == PayloadFormat::Avro;
    let framing = match framing {
        Some(framing) => framing,
        None if section.has("framing") => return None,
        None if is_avro => {
            section.problem(
                "framing",
                "is required with format \"avro\", since it is not guessed: registry, header, single-object or none",
            );
            return None;
        }
        None => Framing::None,
    };
    match framing {
        Framing::SingleObject if !is_avro => {
            section.problem("framing", "single-object encoding holds Avro, not JSON");
        }
        Framing::Registry | Framing::Header if is_avro && settings.registry.is_none() => {
            section.problem(
                "framing",
                "needs [registry] in weir.toml, which tells the schemas of the ids",
            );
        }
        _ => {}
    }
    let takes_writer = is_avro && framing == Framing::None;
    let writer = match (section.has("writer"), takes_writer) {
        (false, false) => None,
        (true, true) => Some(writer(&section.section("writer"), settings, reader)?),
        (false, true) => {
            section.problem(
                "writer",
                "is required with framing \"none\": nothing in a bare datum tells its schema; as in { subject = \"orders\", version = 1 }",
            );
            return None;
        }
        (true, false) => {
            section.problem(
                "writer",
                "goes with format \"avro\" and framing \"none\"; otherwise each message names its own",
            );
            None
        }
    };
    Some(Payload {
        format,
        framing,
        writer,
    })
}

fn format(section: &Section<'_>) -> Option<PayloadFormat> {
    if !section.has("format") {
        section.problem("format", "is required: json, json-envelope or avro");
        return None;
    }
    section.choice(
        "format",
        &[
            ("json", PayloadFormat::Json),
            ("json-envelope", PayloadFormat::JsonEnvelope),
            ("avro", PayloadFormat::Avro),
        ],
    )
}

fn framing(section: &Section<'_>) -> Option<Framing> {
    section.choice(
        "framing",
        &[
            ("registry", Framing::Registry),
            ("header", Framing::Header),
            ("single-object", Framing::SingleObject),
            ("none", Framing::None),
        ],
    )
}

fn writer(section: &Section<'_>, settings: &Settings, reader: &Reader<'_>) -> Option<Writer> {
    let origin = origin(section)?;
    let (subject, version) = match &origin {
        Origin::Folder { subject, version } | Origin::Registry { subject, version } => {
            (subject, *version)
        }
    };
    let Some(version) = version else {
        section.problem(
            "version",
            "is required as a number: data do not change when a newer version appears",
        );
        return None;
    };
    let (text, references) = match &origin {
        Origin::Folder { .. } => match folder::text(&settings.schemas.dir, subject, version) {
            Ok(text) => (Arc::from(text), Vec::new()),
            Err(fault) => {
                section.problem("version", fault.to_string());
                return None;
            }
        },
        Origin::Registry { .. } => match reader.named(subject, Wanted::Number(version)) {
            Ok(named) => (named.schema.text.clone(), named.schema.references.clone()),
            Err(unread) => {
                for message in unread.messages {
                    match unread.is_outage {
                        true => section.outage("registry", message),
                        false => section.problem("registry", message),
                    }
                }
                return None;
            }
        },
    };
    let references: Vec<&str> = references.iter().map(AsRef::as_ref).collect();
    match WriterSchema::parse(&text, &references) {
        Ok(schema) => Some(Writer {
            name: format!("{subject}/{version}").into(),
            schema,
        }),
        Err(faults) => {
            for fault in faults {
                section.problem("version", format!("{subject}/{version}: {fault}"));
            }
            None
        }
    }
}

#[cfg(test)]
mod tests;
