//! Where a stream's schemas come from.
//!
//! Owns: the choice by the stream's settings. Does not own: reading them (`schema`).

use crate::clock::Clock;
use crate::config::{Framing, Origin, PayloadFormat, Schemas, Stream};
use crate::error::{Error, Result};
use crate::pipeline::writers::WriterSource;
use crate::schema::fingerprints::{Fingerprints, Home};
use crate::schema::registry::Registry;
use crate::schema::registry::versions::RegistryVersions;
use crate::schema::versions::{FolderVersions, Pinned, VersionSource};
use std::sync::Arc;

/// Where newer versions of the stream's schema come from.
///
/// # Errors
/// It is a registry, and none is named.
pub fn version_source(
    schemas: &Schemas,
    registry: Option<&Registry>,
    stream: &Stream,
) -> Result<Arc<dyn VersionSource>> {
    let nanos_as_long = stream.nanos_as_long;
    Ok(match &stream.origin {
        Origin::Folder {
            version: Some(_), ..
        }
        | Origin::Registry {
            version: Some(_), ..
        } => Arc::new(Pinned(stream.schema.clone())),
        Origin::Folder { subject, .. } => Arc::new(FolderVersions {
            dir: schemas.dir.clone(),
            subject: subject.clone(),
            nanos_as_long,
        }),
        Origin::Registry { subject, .. } => Arc::new(RegistryVersions {
            // The configuration refuses a stream whose registry is not named.
            registry: registry
                .ok_or_else(|| Error::config("there is no [registry]"))?
                .clone(),
            subject: subject.clone(),
            nanos_as_long,
        }),
    })
}

/// Where the schemas of a stream's writers are found.
///
/// # Errors
/// It is a registry, and none is named.
pub fn writer_source(
    schemas: &Schemas,
    registry: Option<&Registry>,
    stream: &Stream,
    clock: Clock,
) -> Result<WriterSource> {
    let Some(topics) = &stream.topics else {
        return Ok(WriterSource::None);
    };
    if topics.format != PayloadFormat::Avro {
        return Ok(WriterSource::None);
    }
    // The configuration refuses a stream whose registry is not named.
    let registry = || {
        let registry = registry.ok_or_else(|| Error::config("there is no [registry]"))?;
        Ok::<_, Error>(registry.clone())
    };
    Ok(match topics.framing {
        Framing::None => match &topics.writer {
            Some(writer) => WriterSource::Declared(writer.clone()),
            None => WriterSource::None,
        },
        Framing::Registry | Framing::Header => WriterSource::Registry {
            registry: registry()?,
            subject: match &stream.origin {
                Origin::Registry { subject, .. } => Some(subject.clone()),
                Origin::Folder { .. } => None,
            },
        },
        Framing::SingleObject => {
            let (home, subject) = match &stream.origin {
                Origin::Folder { subject, .. } => (Home::Folder(schemas.dir.clone()), subject),
                Origin::Registry { subject, .. } => (Home::Registry(registry()?), subject),
            };
            WriterSource::Fingerprints(Fingerprints::new(home, subject.clone(), clock)?)
        }
    })
}
