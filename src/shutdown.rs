//! How the process is told to stop: one token that every component watches.
//!
//! Owns: the phases of a stop. Does not own: signals (`cli`), what each component does about it.

use tokio::sync::watch;

/// How far the stop has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// No stop was asked for.
    Running,
    /// Stop fetching, flush, commit, leave the group.
    Draining,
    /// The grace period is over or a second signal came: leave at once; nothing is lost by it.
    Abandoned,
}

/// The side that decides.
#[derive(Debug)]
pub struct Trigger(watch::Sender<Phase>);

/// The side that watches. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Receiver<Phase>);

/// A trigger and its first watcher.
pub fn channel() -> (Trigger, Shutdown) {
    let (sender, receiver) = watch::channel(Phase::Running);
    (Trigger(sender), Shutdown(receiver))
}

impl Trigger {
    /// Moves to `phase`; never back.
    pub fn advance(&self, phase: Phase) {
        self.0.send_if_modified(|now| {
            let later = phase > *now;
            if later {
                *now = phase;
            }
            later
        });
    }

    /// A further watcher.
    pub fn watcher(&self) -> Shutdown {
        Shutdown(self.0.subscribe())
    }
}

impl Shutdown {
    /// The phase now.
    pub fn phase(&self) -> Phase {
        *self.0.borrow()
    }

    /// True from [`Phase::Draining`] on.
    pub fn is_stopping(&self) -> bool {
        self.phase() != Phase::Running
    }

    /// Returns once `phase` or a later one is reached, or the trigger is gone.
    pub async fn reached(&mut self, phase: Phase) {
        // An error means that the trigger was dropped: nothing will come any more.
        let _ = self.0.wait_for(|now| *now >= phase).await;
    }
}
