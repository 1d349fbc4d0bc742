//! A subject of the registry that is followed while its stream runs.
//!
//! Owns: what the registry's versions are as a source of versions. Does not own: which of them are
//! taken up.

use std::time::Duration;

use async_trait::async_trait;

use crate::error::{Error, Result};
use crate::schema::registry::{Failure, Named, Registry, Wanted};
use crate::schema::versions::{Found, VersionSource};
use crate::schema::{Schema, inline, parse};

/// The versions of a subject.
#[derive(Debug, Clone)]
pub struct RegistryVersions {
    /// The registry.
    pub registry: Registry,
    /// The subject.
    pub subject: String,
    /// See `nanos` of the stream.
    pub nanos_as_long: bool,
}

/// A look is a request, and may be one for every record that has an unknown field.
const PACE: Duration = Duration::from_secs(2);

#[async_trait]
impl VersionSource for RegistryVersions {
    async fn versions(&self, above: u32) -> Result<Vec<Found>> {
        let mut numbers = self.registry.versions(&self.subject).await?;
        numbers.retain(|number| *number > above);
        let mut found = Vec::with_capacity(numbers.len());
        for version in numbers {
            let wanted = Wanted::Number(version);
            let schema = match self.registry.version(&self.subject, wanted).await {
                Ok(named) => parsed(&self.subject, &named, self.nanos_as_long),
                Err(away @ Failure::Away(_)) => return Err(Error::from(away)),
                Err(failure) => Err(vec![failure.to_string()]),
            };
            found.push(Found { version, schema });
        }
        Ok(found)
    }

    fn pace(&self) -> Option<Duration> {
        Some(PACE)
    }
}

/// A version as a stream's schema: its text holds what it refers to.
///
/// # Errors
/// What is wrong with it, a sentence each.
pub fn parsed(
    subject: &str,
    named: &Named,
    nanos_as_long: bool,
) -> std::result::Result<Schema, Vec<String>> {
    let schema = &named.schema;
    inline::inlined(&schema.text, &schema.references)
        .map_err(|why| vec![why])
        .and_then(|text| parse::parse(subject, named.version, &text, nanos_as_long))
        .map_err(|faults| {
            let place = format!("{subject} version {} of the registry", named.version);
            faults.iter().map(|f| format!("{place}: {f}")).collect()
        })
}
