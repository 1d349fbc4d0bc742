//! A listing in pages, each behind a key: what a bucket of any size is watched by.
//!
//! Owns: pages of stores that list in the order of their keys, and keys that no path of this program
//! can be. Does not own: what a key means (`bucket`).

use std::sync::Arc;

use futures::TryStreamExt;
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::{ObjectMeta, path};

use crate::error::Result;
use crate::store::{Store, Watch, store_error};

/// Keys of a page.
const PAGE: usize = 1000;

/// A store that lists in pages, and the root of ours in it.
#[derive(Clone)]
pub(super) struct Pages {
    store: Arc<dyn PaginatedListStore>,
    root: String,
    watch: Option<Watch>,
}

/// Some objects of a listing.
#[derive(Debug, Default)]
pub struct Page {
    /// Those that have a name that can be read by; relative to the store's URL.
    pub objects: Vec<ObjectMeta>,
    /// A key that no path here can be: it has an empty part, `.`, `..` or a control character.
    pub unreadable: Option<String>,
    /// The listing goes on behind this key; `None` at its end.
    pub next: Option<String>,
}

impl Pages {
    pub(super) fn new(store: Arc<dyn PaginatedListStore>, root: &path::Path) -> Self {
        let mut root = root.to_string();
        if !root.is_empty() {
            root.push('/');
        }
        Self {
            store,
            root,
            watch: None,
        }
    }

    /// Bytes of each key in front of the name in this store.
    pub(super) fn root_length(&self) -> usize {
        self.root.len()
    }

    pub(super) fn watched(self, watch: &Watch) -> Self {
        Self {
            watch: Some(watch.clone()),
            ..self
        }
    }

    /// The next page. One that holds a key which cannot be read by fails as a whole: fewer keys are
    /// asked for then, until it is the next one.
    async fn page(&self, prefix: &str, after: Option<&str>) -> object_store::Result<Page> {
        let mut most = PAGE;
        loop {
            match self.ask(prefix, after, most).await {
                Err(object_store::Error::InvalidPath { .. }) if most > 1 => {
                    most = (most / 8).max(1);
                }
                Err(object_store::Error::InvalidPath {
                    source:
                        path::Error::EmptySegment { path: key }
                        | path::Error::BadSegment { path: key, .. },
                }) => {
                    let key = key.strip_prefix(&self.root).unwrap_or(&key).to_owned();
                    return Ok(Page {
                        objects: Vec::new(),
                        next: Some(key.clone()),
                        unreadable: Some(key),
                    });
                }
                answer => return answer,
            }
        }
    }

    async fn ask(
        &self,
        prefix: &str,
        after: Option<&str>,
        most: usize,
    ) -> object_store::Result<Page> {
        let whole = format!("{}{prefix}", self.root);
        let after = after.map(|after| format!("{}{after}", self.root));
        let mut token = None;
        loop {
            let options = PaginatedListOptions {
                offset: after.clone(),
                max_keys: Some(most),
                page_token: token,
                ..PaginatedListOptions::default()
            };
            let prefix = (!whole.is_empty()).then_some(whole.as_str());
            let asked = self.store.list_paginated(prefix, options);
            let answer = match &self.watch {
                Some(watch) => watch.over("list", asked).await?,
                None => asked.await?,
            };
            let objects = answer.result.objects;
            token = answer.page_token;
            // A page may be empty and not the last one: only the token knows where it goes on.
            if objects.is_empty() && token.is_some() {
                continue;
            }
            return Ok(self.of_answer(objects, &whole, after.as_deref(), token.is_some()));
        }
    }

    /// The page of what was listed below `whole`, behind `after`.
    fn of_answer(
        &self,
        listed: Vec<ObjectMeta>,
        whole: &str,
        after: Option<&str>,
        has_more: bool,
    ) -> Page {
        let mut page = Page::default();
        let mut last: Option<String> = None;
        for mut object in listed {
            let mut key = object.location.to_string();
            // The marker of a folder, whose slash is lost on its way to a path: without it the key
            // would not have been listed here.
            let is_marker = !key.starts_with(whole) || after.is_some_and(|after| *key <= *after);
            if is_marker {
                key.push('/');
            }
            let Some(below) = key.strip_prefix(&self.root) else {
                continue;
            };
            if last.as_deref().is_none_or(|last| last < below) {
                last = Some(below.to_owned());
            }
            if !is_marker && let Ok(path) = path::Path::parse(below) {
                object.location = path;
                page.objects.push(object);
            }
        }
        page.next = last.filter(|_| has_more);
        page
    }
}

impl std::fmt::Debug for Pages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pages")
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// The objects whose keys begin with `prefix`, behind the key `after`: a page of them, in the
    /// order of their keys; all at once of a store that has no pages.
    ///
    /// # Errors
    /// The store cannot be reached.
    pub async fn page(&self, prefix: &str, after: Option<&str>) -> Result<Page> {
        let page = match &self.pages {
            Some(pages) => pages.page(prefix, after).await,
            None => {
                let folder = prefix.trim_end_matches('/');
                let folder = (!folder.is_empty()).then(|| path::Path::from(folder));
                let objects = self.objects.list(folder.as_ref()).try_collect().await;
                objects.map(|objects| Page {
                    objects,
                    ..Page::default()
                })
            }
        };
        page.map_err(|e| store_error("list the bucket", e))
    }
}

#[cfg(test)]
mod tests;
