//! An instance of the daemon, reduced to what the protocol sees: it reads what it owns, decodes,
//! uploads, and lands through the real committer.

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::Rng;
use weir::clock::Micros;
use weir::lake::protocol::resolve_start;
use weir::lake::{Commit, DataFile, LakeTable, ReadyBatch, View};
use weir::model::ledger::{CommitRecord, Cut, RECORD_VERSION, RangeRecord, RejectsFile, Role};
use weir::model::position::{SourceId, SourcePartition};
use weir::pipeline::commit::{Committer, Landing};
use weir::shutdown::{self, Phase, Trigger};

use crate::bugs::Bug;
use crate::table::SimTable;
use crate::world::{Held, Shared, Stored, World, Yield, give_way, pause};

/// A partition of the topic, which operators accept anew from time to time.
pub fn partition(incarnation: u32, n: i32) -> SourcePartition {
    SourcePartition {
        source_id: SourceId::kafka("c", "t", incarnation),
        partition: n,
    }
}

/// The topic's newest incarnation.
pub fn newest_incarnation(view: &View) -> u32 {
    let ids = view.positions.keys();
    let partitions = ids.filter_map(|id| SourcePartition::from_app_id(id));
    let incarnations = partitions.filter_map(|p| p.source_id.as_kafka().map(|(_, _, n)| n));
    incarnations.max().unwrap_or(1)
}

struct Instance {
    id: usize,
    world: Shared,
    table: Arc<SimTable>,
    committer: Committer,
    trigger: Trigger,
    /// The schema version that it decodes with.
    schema: u32,
    /// The incarnation that it reads.
    incarnation: u32,
}

/// What a batch's rows and rejects are, before they are files.
#[derive(Default)]
struct Open {
    /// The version that they were decoded with.
    schema: u32,
    ranges: Vec<RangeRecord>,
    rows: Vec<(i32, i64)>,
    rejects: Vec<(i32, i64)>,
}

/// What becomes of the instance's positions after a batch.
enum After {
    Advance,
    ReadAgain,
    DecodeAgain(u32),
    /// The stop was abandoned.
    Stop,
}

/// How an assignment ends.
enum End {
    Rebalance,
    Stop,
    /// All that is owned is settled, and the world is calm.
    Settled,
}

/// Runs until it is dropped, or the world is calm and all that it owns is settled.
pub async fn instance(world: Shared, id: usize) {
    // One that stops in time is started again.
    while !process(world.clone(), id).await {}
}

/// One life; true if it ended with all settled.
async fn process(world: Shared, id: usize) -> bool {
    let table = Arc::new(SimTable::new(world.clone()));
    let schema = {
        let mut world = world.lock();
        let newest = world.newest_schema;
        world.rng.random_range(1..=newest)
    };
    let (committer, trigger) = committer(&world, &table);
    committer.know_schema(schema, schema.to_string());
    let mut instance = Instance {
        id,
        world,
        table,
        committer,
        trigger,
        schema,
        incarnation: 1,
    };
    loop {
        match instance.assignment().await {
            End::Rebalance => {}
            End::Stop => return false,
            End::Settled => return true,
        }
    }
}

pub fn committer(world: &Shared, table: &Arc<SimTable>) -> (Committer, Trigger) {
    let (trigger, shutdown) = shutdown::channel();
    let mut world = world.lock();
    let seed = world.rng.random();
    let committer = Committer::new(table.clone(), world.clock.clone(), shutdown, seed)
        .with_judge(world.bug.judge())
        .with_upload_age_max(world.bug.upload_age_max());
    (committer, trigger)
}

impl Instance {
    /// From one assignment to the next.
    async fn assignment(&mut self) -> End {
        let owned = self.world.lock().owned(self.id);
        let Some(mut positions) = self.start(&owned).await else {
            return End::Stop;
        };
        loop {
            give_way(&self.world).await;
            if self.world.lock().owned(self.id) != owned {
                return End::Rebalance;
            }
            if self.world.lock().mishap(60) {
                if !self.job().await {
                    return End::Stop;
                }
                continue;
            }
            let open = self.read(&positions);
            if open.ranges.is_empty() {
                if self.is_settled().await {
                    return End::Settled;
                }
                continue;
            }
            self.take_up();
            let ends: Vec<_> = open.ranges.iter().map(|r| (r.partition, r.to)).collect();
            match self.land(open).await {
                After::Advance => positions.extend(ends),
                After::ReadAgain => return End::Rebalance,
                After::DecodeAgain(version) => self.load_schema(version).await,
                After::Stop => return End::Stop,
            }
        }
    }

    /// The positions of what is owned, with starting points where there are none.
    async fn start(&mut self, owned: &[i32]) -> Option<BTreeMap<i32, i64>> {
        let view = loop {
            if let Ok(view) = self.table.view().await {
                break view;
            }
        };
        self.incarnation = newest_incarnation(&view);
        let wanted: Vec<_> = {
            let world = self.world.lock();
            let at = |n: i32| {
                if world.latest {
                    world.ends[n as usize]
                } else {
                    0
                }
            };
            let source = |n: i32| partition(self.incarnation, n);
            owned.iter().map(|n| (source(*n), at(*n))).collect()
        };
        pause(&self.world).await;
        if self.world.lock().bug == Bug::NoStartingPoint {
            let start = resolve_start(&view, &wanted);
            let all = start.known.into_iter().chain(start.missing);
            return Some(all.map(|(p, at)| (p.partition, at)).collect());
        }
        let mut record = self.record(Role::Data, None);
        let ranges = wanted.iter();
        record.ranges = ranges
            .map(|(partition, at)| RangeRecord::starting_point("t", partition, *at))
            .collect();
        match self.committer.start(&record).await {
            Ok(positions) => Some(
                positions
                    .into_iter()
                    .map(|(p, at)| (p.partition, at))
                    .collect(),
            ),
            Err(error) => {
                self.world.lock().fault = Some(format!("no start: {error}"));
                None
            }
        }
    }

    /// Now and then a newer version is there while the process runs; what was decoded with the older
    /// one is on its way yet.
    fn take_up(&mut self) {
        let newest = {
            let mut world = self.world.lock();
            let newest = world.newest_schema;
            if newest <= self.schema || !world.mishap(200) {
                return;
            }
            *world.landings.entry("schema taken up").or_default() += 1;
            newest
        };
        self.committer.know_schema(newest, newest.to_string());
        self.schema = newest;
    }

    /// Takes up the version that the table says is in force.
    async fn load_schema(&mut self, version: u32) {
        if let Ok(Some(text)) = self.table.schema_text(version).await {
            self.committer.know_schema(version, text);
        } else {
            let what = format!("schema {version} is in force without its text");
            self.world.lock().fault = Some(what);
        }
        self.schema = version;
    }

    /// A job of a few records that lands whole. It is told to be done only if it landed; one that
    /// dies with its instance is not taken up again. False if the process is to stop.
    async fn job(&mut self) -> bool {
        let (id, len) = {
            let mut world = self.world.lock();
            (
                -(world.new_id().as_u128() as i32),
                world.rng.random_range(1..4),
            )
        };
        let source_id = SourceId::bulk(&id.to_string());
        let job = SourcePartition {
            source_id,
            partition: 0,
        };
        loop {
            let range = RangeRecord {
                to: len,
                read: len,
                accepted: len,
                ..RangeRecord::starting_point("f", &job, 0)
            };
            let open = Open {
                schema: self.schema,
                ranges: vec![range],
                rows: (0..len).map(|n| (id, n)).collect(),
                rejects: Vec::new(),
            };
            match self.land(open).await {
                After::Advance => {
                    self.world.lock().jobs_done.push(id);
                    return true;
                }
                // A job has no positions that could have moved.
                After::ReadAgain => give_way(&self.world).await,
                After::DecodeAgain(version) => self.load_schema(version).await,
                After::Stop => return false,
            }
        }
    }

    async fn land(&mut self, open: Open) -> After {
        let schema = match self.world.lock().bug {
            Bug::OldRowsAsNew => self.schema,
            _ => open.schema,
        };
        let mut record = self.record(Role::Data, Some(schema));
        record.ranges.clone_from(&open.ranges);
        let (mut batch, mut uploaded_at) = self.upload(&open, record.clone()).await;
        let landing = loop {
            let landing = self.landing(&batch, uploaded_at).await;
            {
                let mut world = self.world.lock();
                *world.landings.entry(name(landing.as_ref())).or_default() += 1;
            }
            match landing {
                Some(Landing::UploadAgain) => {
                    (batch, uploaded_at) = self.upload(&open, record.clone()).await;
                }
                Some(landing) => break landing,
                None if self.world.lock().bug == Bug::ForgottenLook => {
                    (self.committer, self.trigger) = committer(&self.world, &self.table);
                    self.committer.know_schema(schema, schema.to_string());
                }
                None => {}
            }
        };
        let in_log = matches!(
            landing,
            Landing::Committed { .. } | Landing::AlreadyCommitted { .. }
        );
        let drops = {
            let mut world = self.world.lock();
            // Of one that was given up nothing is known.
            if !matches!(landing, Landing::GaveUp(_)) {
                world.said.push((batch.batch, in_log));
            }
            world.bug == Bug::ConflictIsLoss
        };
        pause(&self.world).await;
        match landing {
            Landing::Committed { .. } | Landing::AlreadyCommitted { .. } => {
                // It may fail: whoever comes next rolls the table forward.
                let _ = self.table.follow_rejects().await;
                After::Advance
            }
            Landing::Fenced { .. } if drops => After::Advance,
            Landing::Fenced { .. } | Landing::UploadAgain | Landing::Duplicate { .. } => {
                After::ReadAgain
            }
            Landing::SchemaBehind { table, .. } => After::DecodeAgain(table),
            Landing::GaveUp(_) => After::Stop,
        }
    }

    /// Lands a batch, or is called off on the way (`None`); now and then the process is told to
    /// leave at once.
    async fn landing(&self, batch: &ReadyBatch, uploaded_at: Micros) -> Option<Landing> {
        let landing = self.committer.land_uploaded(batch, uploaded_at);
        let (called_off, abandoned, after) = {
            let mut world = self.world.lock();
            let after = world.rng.random_range(0..12);
            (world.mishap(60), world.mishap(20), after)
        };
        if !called_off && !abandoned {
            return Some(landing.await);
        }
        tokio::pin!(landing);
        tokio::select! {
            biased;
            landing = &mut landing => return Some(landing),
            () = Yield(after) => {}
        }
        if called_off {
            return None;
        }
        self.trigger.advance(Phase::Abandoned);
        Some(landing.await)
    }

    /// Writes the files of a batch; also tells when the first was begun.
    async fn upload(&self, open: &Open, record: CommitRecord) -> (ReadyBatch, Micros) {
        let uploaded_at = self.world.lock().clock.now();
        let mut commit = Commit {
            positions: Vec::new(),
            record,
            files: Vec::new(),
            schema: None,
        };
        for range in &open.ranges {
            if range.source_id.as_kafka().is_some() {
                let app_id = range.source_partition().app_id();
                commit.positions.push((app_id, range.to));
            }
        }
        let cut = open.rows.len() / 2;
        let (some, others) = open.rows.split_at(cut);
        for rows in [some, others].into_iter().filter(|rows| !rows.is_empty()) {
            let path = self.store(rows);
            commit.files.push(DataFile {
                path,
                size: 1,
                rows: rows.len() as u64,
                partition_values: Vec::new(),
                stats: String::new(),
                modified_ms: uploaded_at.0 / 1000,
            });
            pause(&self.world).await;
        }
        if !open.rejects.is_empty() {
            let path = self.store(&open.rejects);
            let rows = open.rejects.len() as i64;
            commit.record.rejects.push(RejectsFile {
                path,
                size: 1,
                rows,
            });
            pause(&self.world).await;
        }
        let batch = ReadyBatch {
            batch: commit.record.batch,
            rejects: commit.record.rejects.clone(),
            commit,
        };
        (batch, uploaded_at)
    }

    fn store(&self, rows: &[(i32, i64)]) -> String {
        let mut world = self.world.lock();
        let path = format!("{:x}", world.new_id().as_u128());
        let at = world.clock.now();
        let rows = rows.to_vec();
        world.store.insert(path.clone(), Stored { rows, at });
        path
    }

    fn record(&self, role: Role, schema: Option<u32>) -> CommitRecord {
        record(self.world.lock().new_id(), role, schema)
    }

    fn read(&self, positions: &BTreeMap<i32, i64>) -> Open {
        let world = &mut self.world.lock();
        read(world, positions, self.incarnation, self.schema)
    }

    /// True once the world is calm and the rejects table follows.
    async fn is_settled(&self) -> bool {
        if !self.world.lock().calm {
            return false;
        }
        let followed = self.table.follow_rejects().await.ok();
        followed == Some(self.world.lock().log.len() as u64)
    }
}

fn name(landing: Option<&Landing>) -> &'static str {
    match landing {
        None => "called off",
        Some(Landing::Committed { .. }) => "committed",
        Some(Landing::AlreadyCommitted { .. }) => "already committed",
        Some(Landing::Fenced { .. }) => "fenced",
        Some(Landing::SchemaBehind { .. }) => "schema behind",
        Some(Landing::UploadAgain) => "upload again",
        Some(Landing::Duplicate { .. }) => "duplicate",
        Some(Landing::GaveUp(_)) => "gave up",
    }
}

/// An empty record.
pub fn record(batch: uuid::Uuid, role: Role, schema: Option<u32>) -> CommitRecord {
    CommitRecord {
        version: RECORD_VERSION,
        role,
        batch,
        instance: String::new(),
        cut: Some(Cut::Age),
        schema,
        ranges: Vec::new(),
        rejects: Vec::new(),
        job: None,
        reason: None,
    }
}

/// Reads a few messages of each partition, and decodes them.
fn read(world: &mut World, positions: &BTreeMap<i32, i64>, incarnation: u32, schema: u32) -> Open {
    let mut open = Open {
        schema,
        ..Open::default()
    };
    for (n, from) in positions {
        let to = world.ends[*n as usize].min(from + world.rng.random_range(0..5));
        // Once it is calm, all must be read, and not only what chance takes.
        let to = if world.calm {
            world.ends[*n as usize]
        } else {
            to
        };
        if *from >= to {
            continue;
        }
        let mut range = RangeRecord {
            to,
            ..RangeRecord::starting_point("t", &partition(incarnation, *n), *from)
        };
        for offset in *from..to {
            range.read += 1;
            match World::held(*n, offset, schema) {
                Held::Row => {
                    range.accepted += 1;
                    open.rows.push((*n, offset));
                }
                Held::Reject => {
                    range.rejected += 1;
                    open.rejects.push((*n, offset));
                }
                Held::Skip => {
                    range.skipped += 1;
                    let ranges = range.skip_ranges.entry("tombstone".to_owned());
                    ranges.or_default().push([offset, offset + 1]);
                }
                Held::Hole => {
                    range.read -= 1;
                    range.holes += 1;
                    range.hole_ranges.push([offset, offset + 1]);
                }
            }
        }
        open.ranges.push(range);
    }
    open
}
