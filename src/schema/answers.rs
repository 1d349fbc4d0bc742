//! Questions that many have at once: each is asked by one task at a time.
//!
//! Owns: who asks, the answers so far within bounds, and waking those that wait for one. Does not
//! own: what is asked, and which answers count (whoever looks says so).

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::error::{Error, Result};

/// Most answers that are held.
const ANSWERS: usize = 16_384;
/// Most bytes of answers that are held.
const BYTES: usize = 64 << 20;
/// Most questions under way; beyond, they wait until one has its answer.
const QUESTIONS: usize = 1_024;

/// Answers by key. Cheap to clone.
pub(super) struct Answers<K, V>(Arc<Shared<K, V>>);

struct Shared<K, V> {
    table: Mutex<Table<K, V>>,
    /// Grows with every answer.
    given: watch::Sender<u64>,
    runtime: Handle,
}

impl<K, V> Clone for Answers<K, V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K, V> fmt::Debug for Answers<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answers")
    }
}

impl<K, V> Answers<K, V>
where
    K: Copy + Eq + Hash + Send + 'static,
    V: Send + 'static,
{
    /// No answers yet. `size` tells the bytes of one. Within a tokio runtime, which asks.
    ///
    /// # Errors
    /// There is no runtime.
    pub(super) fn new(size: fn(&V) -> usize) -> Result<Self> {
        let runtime = Handle::try_current()
            .map_err(|e| Error::internal("asking for schemas needs a runtime").because(e))?;
        Ok(Self(Arc::new(Shared {
            table: Mutex::new(Table::new(size)),
            given: watch::Sender::new(0),
            runtime,
        })))
    }

    /// What the answer to `key` says, if it `counts`. If not, it is asked for from now on with
    /// `ask`, which is shown the answer before; once for all that look meanwhile.
    pub(super) fn find<T, F>(
        &self,
        key: K,
        counts: impl FnOnce(&V) -> Option<T>,
        ask: impl FnOnce(Option<&V>) -> F,
    ) -> Option<T>
    where
        F: Future<Output = V> + Send + 'static,
    {
        let mut table = self.0.table.lock();
        let before = table.get(key);
        let found = before.and_then(counts);
        if found.is_none() && table.is_free(key) {
            let asked = ask(before);
            table.begin(key);
            let this = self.clone();
            self.0.runtime.spawn(async move {
                let answer = asked.await;
                this.0.table.lock().put(key, answer);
                this.0.given.send_modify(|n| *n += 1);
            });
        }
        found
    }

    /// What `find` finds, for as long as it takes.
    pub(super) async fn wait<T>(&self, find: impl Fn() -> Option<T>) -> T {
        let mut given = self.0.given.subscribe();
        loop {
            if let Some(found) = find() {
                return found;
            }
            // The sender lives as long as `self`.
            let _ = given.changed().await;
        }
    }

    /// What the answer to `key` says, without asking.
    pub(super) fn peek<T>(&self, key: K, says: impl FnOnce(&V) -> Option<T>) -> Option<T> {
        self.0.table.lock().get(key).and_then(says)
    }

    /// Puts `answer` in place of the one that is there; nothing where there is none any more.
    pub(super) fn replace(&self, key: K, answer: V) {
        let mut table = self.0.table.lock();
        if table.get(key).is_some() {
            table.hold(key, answer);
        }
    }
}

struct Table<K, V> {
    slots: HashMap<K, Slot<V>>,
    /// Keys that have an answer, oldest answer first.
    order: VecDeque<K>,
    bytes: usize,
    questions: usize,
    size: fn(&V) -> usize,
}

struct Slot<V> {
    answer: Option<V>,
    is_asked: bool,
}

impl<K: Copy + Eq + Hash, V> Table<K, V> {
    fn new(size: fn(&V) -> usize) -> Self {
        Self {
            slots: HashMap::new(),
            order: VecDeque::new(),
            bytes: 0,
            questions: 0,
            size,
        }
    }

    fn get(&self, key: K) -> Option<&V> {
        self.slots.get(&key)?.answer.as_ref()
    }

    /// True if `key` may be asked for.
    fn is_free(&self, key: K) -> bool {
        self.questions < QUESTIONS && self.slots.get(&key).is_none_or(|slot| !slot.is_asked)
    }

    fn slot(&mut self, key: K) -> &mut Slot<V> {
        self.slots.entry(key).or_insert(Slot {
            answer: None,
            is_asked: false,
        })
    }

    fn begin(&mut self, key: K) {
        self.slot(key).is_asked = true;
        self.questions += 1;
    }

    /// The answer to a question.
    fn put(&mut self, key: K, answer: V) {
        self.slot(key).is_asked = false;
        self.questions = self.questions.saturating_sub(1);
        self.hold(key, answer);
    }

    /// Holds `answer`. The oldest answers go where there are too many.
    fn hold(&mut self, key: K, answer: V) {
        self.forget(key);
        self.bytes += (self.size)(&answer);
        self.slot(key).answer = Some(answer);
        self.order.push_back(key);
        while self.order.len() > ANSWERS || (self.bytes > BYTES && self.order.len() > 1) {
            let Some(oldest) = self.order.front().copied() else {
                return;
            };
            self.forget(oldest);
        }
    }

    fn forget(&mut self, key: K) {
        let Some(slot) = self.slots.get_mut(&key) else {
            return;
        };
        let answer = slot.answer.take();
        if !slot.is_asked {
            self.slots.remove(&key);
        }
        let Some(answer) = answer else {
            return;
        };
        self.bytes = self.bytes.saturating_sub((self.size)(&answer));
        if let Some(at) = self.order.iter().position(|k| *k == key) {
            self.order.remove(at);
        }
    }
}

#[cfg(test)]
mod tests;
