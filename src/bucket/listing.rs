//! The objects under a prefix, in pieces.
//!
//! Owns: the walk of a local folder, and how far one listing of a remote store goes: at most so many
//! pages, from where the last one stopped, so that a bucket of any size costs a bounded number of
//! requests. Does not own: what a key means (`names`).

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::bucket::names::{self, Kind};
use crate::bucket::{Bucket, Object, is_not_there};
use crate::error::Result;
use crate::store::disk_error;

/// Pages of one listing: with 1,000 keys each, a bucket of 100,000 is seen in two.
const PAGES: usize = 50;

/// Files of a piece.
const PIECE: usize = 1000;

/// Where the next listing goes on: behind this key; from the beginning without one.
pub type Cursor = Option<String>;

/// A part of what there is.
#[derive(Debug, Default)]
pub struct Piece {
    /// Objects.
    pub objects: Vec<Object>,
    /// Keys that cannot be read by; they have to be renamed.
    pub unreadable: Vec<String>,
    /// Drops whose results would have names that the bucket does not take; the same.
    pub too_long: Vec<Arc<str>>,
}

impl Piece {
    /// `object` is there; results have names of at most `room` bytes.
    fn add(&mut self, object: Object, room: usize) {
        match names::kind(&object.key) == Kind::Other || names::has_room(&object.key, room) {
            true => self.objects.push(object),
            false => self.too_long.push(object.key),
        }
    }
}

/// A listing under way.
#[derive(Debug)]
pub enum Listing {
    /// A walk through a folder.
    Walk(mpsc::Receiver<Result<Piece>>),
    /// Pages of a store.
    Pages(Box<Pages>),
}

/// Pages that are left of a listing.
#[derive(Debug)]
pub struct Pages {
    bucket: Bucket,
    prefix: String,
    /// Behind this key.
    after: Cursor,
    left: usize,
}

impl Bucket {
    /// Lists what is under `prefix`, behind `cursor`.
    pub fn list(&self, prefix: &str, cursor: Cursor) -> Listing {
        let Some(folder) = self.store.folder() else {
            return Listing::Pages(Box::new(Pages {
                bucket: self.clone(),
                prefix: prefix.to_owned(),
                after: cursor,
                left: PAGES,
            }));
        };
        let (sender, pieces) = mpsc::channel(2);
        let (root, prefix) = (folder.to_owned(), prefix.to_owned());
        let room = self.store.longest_name();
        tokio::task::spawn_blocking(move || {
            let mut walk = Walk {
                root,
                room,
                piece: Piece::default(),
                sender,
            };
            // An error means that nobody listens any more, or is the listener's.
            if let Some(error) = walk.folders(&prefix).err() {
                let _ = walk.sender.blocking_send(Err(error));
            }
            walk.hand_on();
        });
        Listing::Walk(pieces)
    }
}

impl Bucket {
    /// Everything under `prefix`, piece by piece, by as many listings as it takes.
    ///
    /// # Errors
    /// The store cannot be reached.
    pub async fn every(&self, prefix: &str, mut each: impl FnMut(Piece)) -> Result<()> {
        let mut cursor = None;
        loop {
            let mut listing = self.list(prefix, cursor);
            while let Some(piece) = listing.next().await? {
                each(piece);
            }
            cursor = listing.cursor();
            if cursor.is_none() {
                return Ok(());
            }
        }
    }
}

impl Listing {
    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// The store cannot be reached.
    pub async fn next(&mut self) -> Result<Option<Piece>> {
        match self {
            Listing::Walk(pieces) => pieces.recv().await.transpose(),
            Listing::Pages(pages) => pages.next().await,
        }
    }

    /// Where the next listing goes on; from the beginning where this one came to the end.
    pub fn cursor(self) -> Cursor {
        match self {
            Listing::Walk(_) => None,
            Listing::Pages(pages) => pages.after,
        }
    }
}

impl Pages {
    async fn next(&mut self) -> Result<Option<Piece>> {
        if self.left == 0 {
            return Ok(None);
        }
        let store = &self.bucket.store;
        let page = store.page(&self.prefix, self.after.as_deref()).await?;
        self.left = match page.next {
            Some(_) => self.left - 1,
            None => 0,
        };
        self.after = page.next;
        let mut piece = Piece {
            unreadable: page.unreadable.into_iter().collect(),
            ..Piece::default()
        };
        let room = store.longest_name();
        for object in page.objects {
            piece.add(Object::of_store(object), room);
        }
        Ok(Some(piece))
    }
}

struct Walk {
    root: PathBuf,
    room: usize,
    piece: Piece,
    sender: mpsc::Sender<Result<Piece>>,
}

impl Walk {
    /// All folders below the one of `prefix`, breadth first.
    fn folders(&mut self, prefix: &str) -> Result<()> {
        let mut folders = VecDeque::from([prefix.trim_end_matches('/').to_owned()]);
        while let Some(key) = folders.pop_front() {
            let entries = match std::fs::read_dir(self.root.join(&key)) {
                Ok(entries) => entries,
                // Of a bucket that is away nothing is known.
                Err(e) if is_not_there(&e) && self.root.is_dir() => continue,
                // It holds up no other.
                Err(_) if key != prefix.trim_end_matches('/') => {
                    self.piece.unreadable.push(key);
                    continue;
                }
                Err(e) => return Err(disk_error("list the folder of drops", e)),
            };
            for entry in entries {
                let entry = entry.map_err(|e| disk_error("list the folder of drops", e))?;
                let name = entry.file_name();
                let Some(name) = name.to_str() else {
                    let whole = Path::new(&key).join(&name);
                    self.piece.unreadable.push(whole.display().to_string());
                    continue;
                };
                let below = match key.as_str() {
                    "" => name.to_owned(),
                    key => format!("{key}/{name}"),
                };
                if name.starts_with('.') || below == "_results" {
                    continue;
                }
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    folders.push_back(below);
                } else {
                    self.file(&below);
                }
                if self.piece.objects.len() >= PIECE && !self.hand_on() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// A file, if it is still there. Of a link, what it leads to.
    fn file(&mut self, key: &str) {
        if let Ok(metadata) = std::fs::metadata(self.root.join(key))
            && metadata.is_file()
        {
            self.piece.add(Object::of_file(key, &metadata), self.room);
        }
    }

    /// False if nobody listens any more.
    fn hand_on(&mut self) -> bool {
        let piece = std::mem::take(&mut self.piece);
        self.sender.blocking_send(Ok(piece)).is_ok()
    }
}
