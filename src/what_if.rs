//! What a new version of a stream's schema would do to real records.
//!
//! Owns: judging each record by both versions, and where the records come from. Does not own: the
//! verdicts (`pipeline::trial`), counting (`tally`), what registration says (`registration`), showing
//! (`cli::schema`).

mod file;
pub mod registration;
mod rejects;
pub mod tally;
mod topics;

use std::time::Duration;

use serde::Serialize;

use crate::app::writer_source;
use crate::clock::Clock;
use crate::config::{Config, Stream};
use crate::error::Result;
use crate::metrics::Metrics;
use crate::pipeline::trial::{Trial, TrialMessage, TrialParts};

use crate::schema::registry::Registry;

use registration::Registration;
use tally::{Place, Tally, Verdicts};

pub use file::from_file;
pub use rejects::from_rejects;
pub use topics::{from_topics, ranges};

/// The whole answer.
#[derive(Debug, Serialize)]
pub struct Report {
    /// True if the version would be accepted and no record gets worse.
    pub ok: bool,
    /// The stream.
    pub stream: String,
    /// `<subject>/<version>` that records are judged by now.
    pub in_force: String,
    /// The same that the new version would have.
    pub new: String,
    /// What registration would say.
    pub registration: Registration,
    /// The records; `None` where nothing can be judged by the new version.
    pub records: Option<Records>,
}

/// The records that were judged.
#[derive(Debug, Serialize)]
pub struct Records {
    /// Where they come from.
    pub source: Source,
    /// False if it ended before all was read.
    pub complete: bool,
    /// Of the topics, what was read of each partition.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub partitions: Vec<PartitionRead>,
    /// The verdicts.
    #[serde(flatten)]
    pub verdicts: Verdicts,
    /// True if the broker gave nothing more.
    #[serde(skip)]
    pub is_stalled: bool,
}

/// Where records come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The stream's topics.
    Topics,
    /// The stream's rejects table.
    Rejects,
    /// A CSV file.
    File,
}

/// What was read of a partition; positions are half-open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PartitionRead {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The first position.
    pub from: i64,
    /// The end that was to be reached: the log's, when it began.
    pub to: i64,
    /// The end that was reached.
    pub read_to: i64,
    /// Positions that the log no longer held.
    pub gone: i64,
}

/// The registry that the settings name. Within a runtime.
///
/// # Errors
/// Certificates or a key that cannot be read.
fn registry(config: &Config) -> Result<Option<Registry>> {
    let settings = config.registry.as_ref();
    settings
        .map(|s| Registry::start(s, &Metrics::new()?, Clock::system()))
        .transpose()
}

/// What the judges of `stream` need; a writer's schema may be waited for as long as `patience`.
///
/// # Errors
/// The registry's settings are refused.
pub fn trial_parts(config: &Config, stream: &Stream, patience: Duration) -> Result<TrialParts> {
    let clock = Clock::system();
    let registry = registry(config)?;
    Ok(TrialParts {
        source: writer_source(&config.schemas, registry.as_ref(), stream, clock.clone())?,
        clock,
        patience,
    })
}

/// A judge of each version.
#[derive(Debug)]
struct Judges {
    in_force: Trial,
    new: Trial,
}

impl Judges {
    /// Of whole messages.
    fn of_messages(in_force: &Stream, new: &Stream, parts: &TrialParts) -> Self {
        Self {
            in_force: Trial::of_messages(in_force, parts),
            new: Trial::of_messages(new, parts),
        }
    }

    /// Of single records, as an envelope holds them.
    fn of_records(in_force: &Stream, new: &Stream, parts: &TrialParts) -> Self {
        Self {
            in_force: Trial::of_records(in_force, parts),
            new: Trial::of_records(new, parts),
        }
    }

    fn judge(
        &mut self,
        message: TrialMessage<'_>,
        place: Place<'_>,
        tally: &mut Tally,
    ) -> Result<()> {
        let in_force = self.in_force.judge(message)?;
        tally.add(in_force, self.new.judge(message)?, place);
        Ok(())
    }
}
