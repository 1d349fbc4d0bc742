//! The registry's part of the checklist: whether it answers, and what holds for the streams'
//! subjects.

use crate::cli::check::Check;
use crate::clock::Clock;
use crate::config::{Config, Origin};
use crate::error::{Error, Kind, Result};
use crate::metrics::Metrics;
use crate::schema::registry::Registry;

/// Nothing where there is none.
pub(super) async fn checks(config: &Config) -> Vec<Check> {
    let Some(settings) = &config.registry else {
        return Vec::new();
    };
    let registry = Metrics::new().and_then(|m| Registry::start(settings, &m, Clock::system()));
    let registry = match registry {
        Ok(registry) => registry,
        Err(error) => return vec![Check::new("registry", Err(error))],
    };
    let answer = registry.level(None).await.map_err(Error::from);
    let there = answer.is_ok();
    let mut checks = vec![Check::new(
        "registry",
        answer.map(|level| format!("answers; its level is {level}")),
    )];
    // A registry that is away is told once.
    if there {
        let subjects = config.streams.iter().filter_map(|s| match &s.origin {
            Origin::Registry { subject, .. } => Some((subject, s.schema.version)),
            Origin::Folder { .. } => None,
        });
        for (subject, version) in subjects {
            let found = of_subject(&registry, subject, version).await;
            checks.push(Check::new(format!("subject {subject}"), found));
        }
    }
    checks
}

async fn of_subject(registry: &Registry, subject: &str, version: u32) -> Result<String> {
    let versions = registry.versions(subject).await.map_err(Error::from)?;
    let level = registry.level(Some(subject)).await.map_err(Error::from)?;
    match versions.contains(&version) {
        true => Ok(format!(
            "version {version} of {}, level {level}",
            versions.len()
        )),
        false => Err(Error::new(
            Kind::Found,
            format!("version {version}, which the stream reads with, is not there any more"),
        )),
    }
}
