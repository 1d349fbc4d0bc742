use async_trait::async_trait;
use object_store::ListResult;
use object_store::list::PaginatedListResult;
use object_store::path::Path;

use super::*;

/// A store with these keys, which lists as S3 does, or as Azure does.
struct Keys {
    keys: Vec<String>,
    is_azure: bool,
}

#[async_trait]
impl PaginatedListStore for Keys {
    async fn list_paginated(
        &self,
        prefix: Option<&str>,
        options: PaginatedListOptions,
    ) -> object_store::Result<PaginatedListResult> {
        let offset = options.offset.as_deref();
        let token = options.page_token.as_deref();
        let is_listed = |key: &&String| match (token, offset) {
            (Some(token), _) => key.as_str() >= token,
            (None, Some(offset)) if self.is_azure => key.as_str() >= offset,
            (None, Some(offset)) => key.as_str() > offset,
            (None, None) => true,
        };
        let mut left = self
            .keys
            .iter()
            .filter(|key| key.starts_with(prefix.unwrap_or_default()))
            .filter(is_listed);
        let page: Vec<&String> = left.by_ref().take(options.max_keys.unwrap()).collect();
        // object_store takes the key itself out of Azure's answer.
        let page = page
            .into_iter()
            .filter(|key| Some(key.as_str()) != offset || !self.is_azure);
        let objects = page.map(|key| {
            Ok(ObjectMeta {
                location: Path::parse(key)?,
                last_modified: Default::default(),
                size: 0,
                e_tag: None,
                version: None,
            })
        });
        Ok(PaginatedListResult {
            result: ListResult {
                objects: objects.collect::<object_store::Result<_>>()?,
                common_prefixes: Vec::new(),
                extensions: Default::default(),
            },
            page_token: left.next().cloned(),
        })
    }
}

/// What a walk through all pages finds, and what it cannot read by.
async fn walk(root: &str, prefix: &str, keys: &[&str], is_azure: bool) -> [Vec<String>; 2] {
    let mut keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    keys.sort();
    let store = Arc::new(Keys { keys, is_azure });
    let pages = Pages::new(store, &Path::from(root));
    let mut found = [Vec::new(), Vec::new()];
    let mut after: Option<String> = None;
    for _ in 0..100 {
        let page = pages.page(prefix, after.as_deref()).await.unwrap();
        let objects = page.objects.iter().map(|o| o.location.to_string());
        found[0].extend(objects);
        found[1].extend(page.unreadable);
        assert!(page.next.is_none() || page.next != after, "it stands still");
        after = page.next;
        if after.is_none() {
            return found;
        }
    }
    panic!("a listing without an end: {found:?}");
}

#[tokio::test]
async fn a_listing_goes_on_behind_a_folder_marker_and_a_key_that_cannot_be_read_by() {
    for is_azure in [false, true] {
        for root in ["", "lake"] {
            let whole = |key: &str| match root {
                "" => key.to_owned(),
                root => format!("{root}/{key}"),
            };
            let keys = [
                "orders/",
                "orders//x.csv",
                "orders/a.csv",
                "orders/b/",
                "orders/b-c.csv",
                "orders/b//y.csv",
                "orders/b/z.csv",
            ];
            let keys = keys.map(whole);
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            let [objects, unreadable] = walk(root, "orders/", &keys, is_azure).await;
            assert!(
                objects.ends_with(&["orders/b/z.csv".to_owned()]),
                "{objects:?}"
            );
            for key in ["orders/a.csv", "orders/b-c.csv"] {
                let times = objects.iter().filter(|object| *object == key).count();
                assert_eq!(times, 1, "{key} in {objects:?}");
            }
            assert!(!objects.contains(&"orders".to_owned()), "{objects:?}");
            assert_eq!(unreadable, ["orders//x.csv", "orders/b//y.csv"]);
        }
    }
}

#[tokio::test]
async fn the_marker_of_the_root_is_not_where_a_listing_goes_on() {
    let drops: Vec<String> = (0..1500).map(|n| format!("lake/a/{n:05}.csv")).collect();
    let mut keys: Vec<&str> = drops.iter().map(String::as_str).collect();
    keys.push("lake/");
    let [objects, _] = walk("lake", "", &keys, false).await;
    assert_eq!(objects.len(), drops.len());
    assert_eq!(objects.last().map(String::as_str), Some("a/01499.csv"));
}

#[tokio::test]
async fn an_empty_page_is_not_the_end() {
    // Azure's first key is the one behind which the page begins, and there is room for no other.
    let keys = ["r//a.csv", "r//b.csv", "r//c.csv", "r/d.csv"];
    let [objects, unreadable] = walk("", "r/", &keys, true).await;
    assert_eq!(objects, ["r/d.csv"]);
    assert_eq!(unreadable, &keys[..3]);
}
