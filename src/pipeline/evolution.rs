//! Which schema version a running stream is at, and how it comes to a newer one.
//!
//! Owns: the looks at the source of versions, the take-up, what is told of a version that is
//! refused. Does not own: what a level allows (`config::schemas`), what a table can follow
//! (`schema::evolve`), the order in which batches of two versions land (`flow`).
//!
//! | what is seen | what follows |
//! | --- | --- |
//! | the table is at a newer version | its text is taken from the table, whatever the source holds |
//! | a newer version in the source that holds, and that stream and table can follow | it is taken up: the batches that are opened from now on are of it |
//! | any other newer version | it is refused and told; the version in force goes on |
//! | the source is away | nothing |
//!
//! Nothing is raised here: the first commit with rows of a version brings it into force.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::clock::{Clock, Tick};
use crate::config::schemas::{self, ANOTHER_TEXT, Refused};
use crate::config::{Compatibility, Stream};
use crate::error::{Error, Result};
use crate::lake::LakeTable;
use crate::metrics::Metrics;
use crate::pipeline::commit::Committer;
use crate::pipeline::flow::Flow;
use crate::pipeline::in_force;
use crate::pipeline::plan::StreamPlan;
use crate::pipeline::status::{SchemaStatus, StatusBoard};
use crate::schema::Schema;
use crate::schema::versions::VersionSource;

/// First and longest wait before what failed is tried again.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));

/// How long a look may take before it counts as not answered.
const LOOK: Duration = Duration::from_secs(10);

/// What a stream's evolution needs.
#[derive(Debug)]
pub struct EvolutionParts {
    /// The stream.
    pub flow: Arc<Flow>,
    /// Its table.
    pub table: Arc<dyn LakeTable>,
    /// Who commits; it publishes the texts.
    pub committer: Arc<Committer>,
    /// Where newer versions come from.
    pub source: Arc<dyn VersionSource>,
    /// What newer versions are held to.
    pub level: Compatibility,
    /// Metrics.
    pub metrics: Metrics,
    /// What HTTP tells.
    pub status: StatusBoard,
    /// Clock.
    pub clock: Clock,
}

/// The evolution of one stream.
#[derive(Debug)]
pub struct Evolution {
    parts: EvolutionParts,
    /// One at a time changes the plan; what was last told stands in it.
    turn: tokio::sync::Mutex<()>,
    refused: Mutex<Option<Refusal>>,
}

/// A version that is refused, with its text, so that it is judged once.
#[derive(Debug, Clone)]
struct Refusal {
    told: Refused,
    text: Option<Arc<str>>,
}

/// Why a version is not taken up.
enum Unfit {
    Refused(Vec<String>),
    Failed(Error),
}

impl From<Error> for Unfit {
    fn from(error: Error) -> Self {
        Unfit::Failed(error)
    }
}

impl Evolution {
    /// Nothing is in force before [`Evolution::start`].
    pub fn new(parts: EvolutionParts) -> Self {
        if parts.source.pace().is_some() {
            // Not looked yet, though there is something to look for.
            parts.flow.note_look(Tick::default());
        }
        Self {
            parts,
            turn: tokio::sync::Mutex::default(),
            refused: Mutex::default(),
        }
    }

    /// Puts a version in force: the table's, else the configured one; then what may follow it.
    /// Waits for as long as it takes.
    pub async fn start(&self) {
        let _turn = self.turn.lock().await;
        self.patiently(None).await;
        if let Err(error) = self.look_in_turn().await {
            let stream = self.parts.flow.name();
            tracing::warn!(stream, %error, "newer schema versions are not known yet");
        }
    }

    /// Takes up the version that the table is at, or a later one; waits for as long as it takes.
    pub async fn catch_up(&self, version: u32) {
        let _turn = self.turn.lock().await;
        if self.parts.flow.plan().version() >= version {
            return;
        }
        self.patiently(Some(version)).await;
    }

    /// Looks for newer versions every `poll`, when `again` changes, and when a lane asks. Never
    /// returns while the source may change.
    pub async fn watch(self: Arc<Self>, poll: Duration, mut again: watch::Receiver<u64>) {
        let Some(pace) = self.parts.source.pace() else {
            return;
        };
        let (clock, flow) = (&self.parts.clock, &self.parts.flow);
        let mut looked = clock.tick();
        let mut is_away = false;
        loop {
            tokio::select! {
                () = clock.sleep(poll) => {}
                () = told(&mut again) => {}
                () = flow.look_wanted() => {
                    let rest = pace.saturating_sub(clock.tick().since(looked));
                    clock.sleep(rest).await;
                }
            }
            looked = clock.tick();
            let turn = self.turn.lock().await;
            let outcome = clock.timeout(LOOK, self.look_in_turn()).await;
            drop(turn);
            let error = match outcome {
                Some(Ok(())) => None,
                Some(Err(error)) => Some(error),
                None => Some(Error::unreachable(
                    "a look for newer versions had no answer",
                )),
            };
            self.note_outage(error.as_ref(), &mut is_away);
            if error.is_some() {
                clock.sleep(RETRY.0).await;
                // A reading may be paused until there was one.
                flow.want_look();
            }
        }
    }

    /// Says once that the source does not answer, and that it does again.
    fn note_outage(&self, error: Option<&Error>, is_away: &mut bool) {
        let flow = &self.parts.flow;
        let stream = flow.name();
        flow.note_look_trouble(error.map(ToString::to_string));
        match error {
            Some(error) if !*is_away => {
                tracing::warn!(stream, %error, "newer schema versions cannot be looked for; the version in force goes on");
            }
            None if *is_away => {
                tracing::info!(stream, "newer schema versions can be looked for again");
            }
            _ => {}
        }
        *is_away = error.is_some();
    }

    /// The plan to begin with.
    async fn first(&self) -> Result<Arc<StreamPlan>> {
        let EvolutionParts { flow, table, .. } = &self.parts;
        in_force::plan(&**table, &self.plan_of(&flow.stream)).await
    }

    /// The plan of a version that the table knows.
    async fn of_table(&self, version: u32) -> Result<Arc<StreamPlan>> {
        let EvolutionParts { flow, table, .. } = &self.parts;
        in_force::plan_of_table(&**table, &self.plan_of(&flow.stream), version).await
    }

    /// Looks once, and takes up what may be.
    ///
    /// # Errors
    /// The source or the table is away: nothing follows from that.
    async fn look_in_turn(&self) -> Result<()> {
        let EvolutionParts {
            flow,
            source,
            clock,
            ..
        } = &self.parts;
        let began = clock.tick();
        let plan = flow.plan();
        let found = match source.versions(plan.version()).await {
            Ok(found) => found,
            Err(error) if error.is_outage() => return Err(error),
            Err(error) => {
                let told = Refused {
                    version: None,
                    reasons: vec![error.to_string()],
                };
                self.tell(Some(Refusal { told, text: None }));
                self.looked(began);
                return Ok(());
            }
        };
        let following = schemas::follow(plan.schema(), found, self.parts.level);
        let mut refusal = following.refused.map(|told| Refusal { told, text: None });
        let mut newest = None;
        for schema in following.newer {
            match self.fit(&schema).await {
                Ok(plan) => newest = Some(plan),
                Err(Unfit::Failed(error)) => return Err(error),
                Err(Unfit::Refused(reasons)) => {
                    let told = Refused {
                        version: Some(schema.version),
                        reasons,
                    };
                    let text = Some(schema.text.clone());
                    refusal = Some(Refusal { told, text });
                    break;
                }
            }
        }
        if let Some(plan) = newest {
            self.take_up(plan);
        }
        self.tell(refusal);
        self.looked(began);
        Ok(())
    }

    /// The plan of a newer version, if stream and table can follow to it.
    async fn fit(&self, schema: &Schema) -> Result<Arc<StreamPlan>, Unfit> {
        let EvolutionParts { flow, table, .. } = &self.parts;
        let before = self.refused.lock().clone();
        if let Some(before) = before
            && before.told.version == Some(schema.version)
            && before.text.as_ref() == Some(&schema.text)
            && flow.waiting() > 0
        {
            // Lanes ask often; what the table said holds until the next look of another kind.
            return Err(Unfit::Refused(before.told.reasons));
        }
        let mut schema = schema.clone();
        if let Some(text) = table.schema_text(schema.version).await? {
            let known = Schema {
                text: text.into(),
                ..schema.clone()
            };
            if !schemas::is_same(&known, &schema) {
                return Err(Unfit::Refused(vec![ANOTHER_TEXT.to_owned()]));
            }
            schema.text = known.text;
        }
        let stream = flow.stream.at_version(&schema).map_err(Unfit::Refused)?;
        let plan = self.plan_of(&Arc::new(stream));
        let refusals = table.admit(&plan.table.schema).await?;
        match refusals.is_empty() {
            true => Ok(plan),
            false => Err(Unfit::Refused(refusals)),
        }
    }

    fn plan_of(&self, stream: &Arc<Stream>) -> Arc<StreamPlan> {
        self.parts.flow.plan().at(stream.clone())
    }

    fn take_up(&self, plan: Arc<StreamPlan>) {
        let EvolutionParts {
            flow,
            committer,
            status,
            ..
        } = &self.parts;
        let (before, schema) = (flow.plan(), plan.schema().clone());
        committer.know_schema(schema.version, schema.text.clone());
        tracing::info!(
            stream = flow.name(),
            subject = %schema.subject,
            version = schema.version,
            before = before.version(),
            "schema version taken up"
        );
        flow.take_up(plan);
        status.set_schema(
            flow.name(),
            SchemaStatus {
                subject: schema.subject.clone(),
                version: schema.version,
                refused: self.refused.lock().as_ref().map(|r| r.told.clone()),
            },
        );
    }

    fn looked(&self, began: Tick) {
        if self.parts.source.pace().is_some() {
            self.parts.flow.note_look(began);
        }
    }

    /// Tells a refusal where it is told, in the log once for each reason; or that there is none.
    fn tell(&self, refusal: Option<Refusal>) {
        let EvolutionParts {
            flow,
            metrics,
            status,
            ..
        } = &self.parts;
        let stream = flow.name();
        metrics
            .schema_refused
            .with_label_values(&[stream])
            .set(i64::from(refusal.is_some()));
        let told = refusal.as_ref().map(|r| r.told.clone());
        status.set_refused(stream, told.clone());
        let before = std::mem::replace(&mut *self.refused.lock(), refusal);
        if before.map(|b| b.told) == told {
            return;
        }
        match told {
            Some(Refused { version, reasons }) => tracing::warn!(
                stream,
                version,
                in_force = flow.plan().version(),
                "a schema version is refused, and the one in force goes on: {}",
                reasons.join("; ")
            ),
            None => tracing::info!(stream, "no schema version is refused any more"),
        }
    }

    /// Puts the table's `version` in force, or what a start does, as often as it takes; meanwhile the
    /// stream is held, with the reason.
    async fn patiently(&self, version: Option<u32>) {
        let EvolutionParts {
            flow,
            status,
            clock,
            ..
        } = &self.parts;
        let stream = flow.name();
        let mut told = String::new();
        let mut wait = RETRY.0;
        loop {
            let plan = match version {
                Some(version) => self.of_table(version).await,
                None => self.first().await,
            };
            let reason = match plan {
                Ok(plan) => break self.take_up(plan),
                Err(error) => error.to_string(),
            };
            if reason != told {
                tracing::error!(
                    stream,
                    "the table cannot be used, and the stream waits for it: {reason}"
                );
                status.set_held(stream, Some(reason.clone()));
                told = reason;
            }
            clock.sleep(wait).await;
            wait = (wait * 2).min(RETRY.1);
        }
        if !told.is_empty() {
            status.set_held(stream, None);
        }
    }
}

/// Returns at the next change; never once nobody is left to make one.
async fn told(again: &mut watch::Receiver<u64>) {
    if again.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}
