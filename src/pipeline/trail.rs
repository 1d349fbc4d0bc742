//! What follows a commit: the rejects table, and the upkeep of the log.
//!
//! Owns: that neither fails what is committed already. Does not own: how either is done (`lake`).

use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::lake::LakeTable;

/// Lets the rejects table follow, then starts the upkeep of the log in a task of its own: the next
/// batch does not wait for a checkpoint or a fold. What fails is told, and tried again with the next
/// commit.
pub async fn follow(table: &Arc<dyn LakeTable>, stream: &str) -> JoinHandle<()> {
    if let Err(error) = table.follow_rejects().await {
        tracing::warn!(stream, %error, "the rejects table trails; it follows at the next commit");
    }
    let (table, stream) = (table.clone(), stream.to_owned());
    tokio::spawn(async move {
        if let Err(error) = table.upkeep().await {
            tracing::warn!(stream, %error, "the upkeep of the log was not done; tried again later");
        }
    })
}
