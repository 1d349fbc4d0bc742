use std::collections::VecDeque;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;

use super::*;
use crate::error::Kind;
use crate::lake::Traces;
use crate::model::ledger::{Cut, RECORD_VERSION, RangeRecord, Role};
use crate::model::position::{SourceId, SourcePartition};
use crate::shutdown::{self, Trigger};

/// What the next put does.
#[derive(Debug, Clone, Copy)]
enum Put {
    /// Happens, and the answer is lost.
    LandsUnheard,
    /// Does not happen, and the answer is lost.
    Lost(Kind),
    /// Another writer's commit takes the version first: it moves partition .0 to .1.
    Overtaken(i32, i64),
    /// Another instance lands the same batch first.
    LandedByOther,
}

#[derive(Debug, Default)]
struct Log {
    commits: Vec<Commit>,
    script: VecDeque<Put>,
    published: Vec<u32>,
}

/// A log in memory, whose puts go wrong as the script says, and right when it is at its end.
#[derive(Debug, Default)]
struct Memory(Mutex<Log>);

impl Memory {
    fn records(&self) -> Vec<(u64, Option<CommitRecord>)> {
        let log = self.0.lock();
        let commits = log.commits.iter().enumerate();
        commits
            .map(|(i, commit)| (i as u64 + 1, Some(commit.record.clone())))
            .collect()
    }
}

#[async_trait]
impl LakeTable for Memory {
    async fn view(&self) -> Result<View> {
        let log = self.0.lock();
        let positions = log.commits.iter().flat_map(|c| c.positions.clone());
        Ok(View {
            version: log.commits.len() as u64,
            positions: positions.collect(),
        })
    }

    async fn commits_since(&self, after: u64, most: usize) -> Result<Vec<Logged>> {
        let records = self.records().into_iter().map(|(version, record)| Logged {
            version,
            batch: record.as_ref().map(|record| record.batch),
            instance: record.as_ref().map(|record| record.instance.clone()),
            rejects: Vec::new(),
            job: record.and_then(|record| record.job.clone()),
        });
        let newer = records.filter(|commit| commit.version > after);
        Ok(newer.take(most).collect())
    }

    async fn try_commit(&self, at: u64, commit: &Commit) -> Answer {
        let mut log = self.0.lock();
        let put = log.script.pop_front();
        if let Some(Put::Overtaken(partition, to)) = put {
            let other = batch(at as u128 + 1000, partition, to, to, None).commit;
            log.commits.push(other);
        }
        if let Some(Put::LandedByOther) = put {
            let mut same = commit.clone();
            same.record.instance = "other".to_owned();
            log.commits.push(same);
        }
        if log.commits.len() as u64 + 1 != at {
            return Answer::Conflict;
        }
        if let Some(Put::Lost(kind)) = put {
            return Answer::Unknown(Error::new(kind, "no answer"));
        }
        log.commits.push(commit.clone());
        match put {
            Some(Put::LandsUnheard) => Answer::Unknown(Error::unreachable("no answer")),
            _ => Answer::Committed(at),
        }
    }

    async fn follow_rejects(&self) -> Result<u64> {
        Ok(0)
    }

    async fn traces(&self, _: &[SourcePartition], _: bool) -> Result<Traces> {
        Ok(Traces::default())
    }

    async fn admit(&self, _: &SchemaRef) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    async fn publish_schema(&self, version: u32, _text: &str) -> Result<()> {
        self.0.lock().published.push(version);
        Ok(())
    }

    async fn schema_text(&self, _version: u32) -> Result<Option<String>> {
        Ok(None)
    }

    async fn upkeep(&self) -> Result<()> {
        Ok(())
    }
}

fn partition(n: i32) -> SourcePartition {
    SourcePartition {
        source_id: SourceId::kafka("c", "orders", 1),
        partition: n,
    }
}

fn batch(id: u128, n: i32, from: i64, to: i64, schema: Option<u32>) -> ReadyBatch {
    let range = RangeRecord {
        to,
        read: to - from,
        accepted: to - from,
        ..RangeRecord::starting_point("orders", &partition(n), from)
    };
    let record = CommitRecord {
        version: RECORD_VERSION,
        role: Role::Data,
        batch: Uuid::from_u128(id),
        instance: "i".into(),
        cut: Some(Cut::Age),
        schema,
        ranges: vec![range],
        rejects: Vec::new(),
        job: None,
        reason: None,
    };
    ReadyBatch {
        batch: record.batch,
        rejects: Vec::new(),
        commit: Commit {
            record,
            files: Vec::new(),
            positions: vec![(partition(n).app_id(), to)],
            schema: None,
        },
    }
}

struct Bench {
    table: Arc<Memory>,
    committer: Committer,
    trigger: Trigger,
    clock: Clock,
}

/// A table in which partition 0 starts at 0, and puts go as `script` says.
fn bench(script: impl IntoIterator<Item = Put>) -> Bench {
    let table = Arc::new(Memory::default());
    {
        let mut log = table.0.lock();
        log.commits.push(batch(1, 0, 0, 0, None).commit);
        log.script = script.into_iter().collect();
    }
    let (trigger, shutdown) = shutdown::channel();
    let clock = Clock::manual(Micros(0));
    let committer = Committer::new(table.clone(), clock.clone(), shutdown, 7);
    committer.know_schema(1, "\"long\"");
    Bench {
        table,
        committer,
        trigger,
        clock,
    }
}

impl Bench {
    /// How often the batch is in the log.
    fn times(&self, batch: &ReadyBatch) -> usize {
        let records = self.table.records();
        let ours = records.iter().filter(|(_, record)| {
            let record = record.as_ref().expect("all commits are ours");
            record.batch == batch.batch
        });
        ours.count()
    }
}

#[tokio::test]
async fn a_batch_lands_and_brings_its_schema_into_force() {
    let bench = bench([]);
    let one = batch(2, 0, 0, 5, Some(1));
    let landing = bench.committer.land(&one).await;
    assert!(
        matches!(
            landing,
            Landing::Committed {
                version: 2,
                conflicts: 0
            }
        ),
        "{landing:?}"
    );
    let two = batch(3, 0, 5, 6, Some(1));
    let landing = bench.committer.land(&two).await;
    assert!(
        matches!(landing, Landing::Committed { version: 3, .. }),
        "{landing:?}"
    );
    let log = bench.table.0.lock();
    assert_eq!(
        log.published,
        [1],
        "once, with the first batch that uses it"
    );
    let raised = (APP_ID_SCHEMA.to_owned(), 1);
    assert!(log.commits[1].positions.contains(&raised));
    assert!(!log.commits[2].positions.contains(&raised));
}

#[tokio::test]
async fn an_answer_that_was_lost_is_settled_by_looking() {
    let outage = Put::Lost(Kind::Unreachable);
    let bench = bench([outage, outage, Put::LandsUnheard]);
    let batch = batch(2, 0, 0, 5, None);
    let landing = bench.committer.land(&batch).await;
    assert!(
        matches!(
            landing,
            Landing::AlreadyCommitted {
                version: 2,
                is_own: true,
                ..
            }
        ),
        "{landing:?}"
    );
    assert_eq!(bench.times(&batch), 1);
}

#[tokio::test]
async fn a_batch_that_another_instance_landed_is_not_its_own() {
    let bench = bench([Put::LandedByOther]);
    let job = batch(2, 0, 0, 5, None);
    for conflicts in [1, 0] {
        let landing = bench.committer.land_job(&job, 1, &|_| None).await;
        let Landing::AlreadyCommitted {
            version: 2,
            is_own: false,
            conflicts: found,
        } = landing
        else {
            panic!("{landing:?}");
        };
        assert_eq!(found, conflicts);
    }
    assert_eq!(bench.times(&job), 1);
}

#[tokio::test]
async fn a_lost_race_is_tried_again_unless_our_partition_moved() {
    let bench = bench([Put::Overtaken(1, 9), Put::Overtaken(2, 9)]);
    let first = batch(2, 0, 0, 5, None);
    let landing = bench.committer.land(&first).await;
    assert!(
        matches!(
            landing,
            Landing::Committed {
                version: 4,
                conflicts: 2
            }
        ),
        "{landing:?}"
    );
    bench.table.0.lock().script.push_back(Put::Overtaken(0, 8));
    let second = batch(3, 0, 5, 7, None);
    let landing = bench.committer.land(&second).await;
    let Landing::Fenced {
        moved,
        conflicts: 1,
    } = landing
    else {
        panic!("{landing:?}");
    };
    assert_eq!((moved[0].expected, moved[0].found), (5, Some(8)));
    assert_eq!(bench.times(&second), 0);
}

#[tokio::test]
async fn a_batch_of_an_older_schema_is_not_committed() {
    let bench = bench([]);
    let raised = (APP_ID_SCHEMA.to_owned(), 3);
    bench.table.0.lock().commits[0].positions.push(raised);
    let batch = batch(2, 0, 0, 5, Some(1));
    let landing = bench.committer.land(&batch).await;
    assert!(
        matches!(landing, Landing::SchemaBehind { table: 3, .. }),
        "{landing:?}"
    );
    assert_eq!(bench.times(&batch), 0);
}

#[tokio::test]
async fn a_refusal_is_given_up_and_an_outage_only_when_the_stop_is_abandoned() {
    let bench1 = bench([Put::Lost(Kind::Refused); 100]);
    let one = batch(2, 0, 0, 5, None);
    let landing = bench1.committer.land(&one).await;
    assert!(
        matches!(&landing, Landing::GaveUp(e) if e.kind() == Kind::Refused),
        "{landing:?}"
    );
    let bench2 = bench(std::iter::repeat_n(Put::Lost(Kind::Unreachable), 10_000));
    let abandon = async {
        tokio::task::yield_now().await;
        bench2.trigger.advance(Phase::Draining);
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(
            bench2.table.0.lock().script.len() < 9_990,
            "it went on trying"
        );
        bench2.trigger.advance(Phase::Abandoned);
    };
    let (landing, ()) = tokio::join!(bench2.committer.land(&one), abandon);
    assert!(
        matches!(&landing, Landing::GaveUp(e) if e.is_outage()),
        "{landing:?}"
    );
}

#[tokio::test]
async fn old_uploads_are_not_committed_and_the_batch_is_still_known_afterwards() {
    let bench = bench([]);
    bench.clock.advance(UPLOAD_AGE_MAX + Duration::from_secs(1));
    let batch = batch(2, 0, 0, 5, None);
    let landing = bench.committer.land_uploaded(&batch, Micros(0)).await;
    assert!(matches!(landing, Landing::UploadAgain), "{landing:?}");
    assert_eq!(bench.times(&batch), 0);
    // A put of ours that was still on its way.
    bench.table.0.lock().commits.push(batch.commit.clone());
    let landing = bench.committer.land(&batch).await;
    assert!(
        matches!(landing, Landing::AlreadyCommitted { version: 2, .. }),
        "{landing:?}"
    );
}

#[tokio::test]
async fn starting_points_are_put_once_and_those_in_the_table_win() {
    let bench = bench([Put::Overtaken(1, 40), Put::LandsUnheard]);
    let mut record = batch(2, 0, 3, 3, None).commit.record;
    for n in [1, 2] {
        let range = RangeRecord::starting_point("orders", &partition(n), 5);
        record.ranges.push(range);
    }
    let mut positions = bench.committer.start(&record).await.expect("it is started");
    positions.sort();
    let expected = [(partition(0), 0), (partition(1), 40), (partition(2), 5)];
    assert_eq!(positions, expected);
    let log = bench.table.0.lock();
    assert_eq!(log.commits.len(), 3);
    assert_eq!(log.commits[2].positions, [(partition(2).app_id(), 5)]);
    assert_eq!(log.commits[2].record.ranges.len(), 1);
}
