//! Object stores: where the lake's bytes are.
//!
//! Owns: opening a store by URL, and what its errors mean (`trouble`). Does not own: any name in it
//! (`lake::layout`).

mod file;
mod pages;
mod trouble;
mod watched;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::local::LocalFileSystem;
use object_store::prefix::PrefixStore;
use object_store::{
    BackoffConfig, ObjectStore, ObjectStoreExt, ObjectStoreScheme, PutMode, PutOptions, PutPayload,
    RetryConfig,
};
use url::Url;
use uuid::Uuid;

use crate::config::Secret;
use crate::error::{Error, Result};

pub use pages::Page;
pub use trouble::{disk_error, store_error};
pub use watched::Watch;

use pages::Pages;
use watched::Watched;

/// What the client of a remote store tries on its own, before whoever asked learns of it. A blip is
/// none of their business; an outage is, since they know how to wait and whom to tell.
const RETRY: RetryConfig = RetryConfig {
    backoff: BackoffConfig {
        init_backoff: Duration::from_millis(100),
        max_backoff: Duration::from_secs(1),
        base: 2.0,
    },
    max_retries: 3,
    retry_timeout: Duration::from_secs(15),
};

/// Bytes of the longest key of an object.
const LONGEST_KEY: usize = 1024;

/// The same of a path: Linux takes 4,095, and a file has a longer name until it is whole.
const LONGEST_PATH: usize = 4095 - 15;

/// A store rooted at a URL.
#[derive(Debug, Clone)]
pub struct Store {
    objects: Arc<dyn ObjectStore>,
    url: Url,
    /// The same store as the table engine wants it: with the root that its URLs are under.
    engine: (Arc<dyn ObjectStore>, Url),
    local: Option<Folder>,
    pages: Option<Pages>,
}

/// A store on local disk.
#[derive(Debug, Clone)]
struct Folder {
    path: PathBuf,
    fsync: bool,
}

impl Store {
    /// A store over `objects`, which is rooted at `url` and lists in order.
    pub fn new(objects: Arc<dyn ObjectStore>, url: Url) -> Result<Self> {
        let root = Url::parse("lake:///")
            .map_err(|e| Error::internal("the engine's root is no URL").because(e))?;
        Ok(Self {
            engine: (objects.clone(), root),
            objects,
            url,
            local: None,
            pages: None,
        })
    }

    /// The folder of a store on local disk.
    pub fn folder(&self) -> Option<&Path> {
        self.local.as_ref().map(|local| local.path.as_path())
    }

    /// The store for an engine that resolves URLs, and the URL (with a slash behind it) under
    /// which this store's root lies there.
    pub fn for_engine(&self) -> (Arc<dyn ObjectStore>, Url) {
        self.engine.clone()
    }

    /// The same store, every request of which `watch` sees.
    #[must_use]
    pub fn watched(self, watch: &Watch) -> Self {
        let watched = |objects| Arc::new(Watched::new(objects, watch)) as Arc<dyn ObjectStore>;
        let (engine, root) = self.engine;
        Self {
            objects: watched(self.objects),
            engine: (watched(engine), root),
            pages: self.pages.map(|pages| pages.watched(watch)),
            ..self
        }
    }

    /// The objects; paths are relative to the URL.
    pub fn objects(&self) -> Arc<dyn ObjectStore> {
        self.objects.clone()
    }

    /// Bytes of the longest name that is safe here, relative to the URL.
    pub fn longest_name(&self) -> usize {
        match (&self.local, &self.pages) {
            (Some(local), _) => LONGEST_PATH.saturating_sub(local.path.as_os_str().len() + 1),
            (None, Some(pages)) => LONGEST_KEY.saturating_sub(pages.root_length()),
            (None, None) => LONGEST_KEY,
        }
    }

    /// The URL, as configured.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Makes the folder `name` below the root, for engines that want to see one; does nothing where
    /// folders are but a part of names. With `fsync` it is there after a power loss.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn make_folder(&self, name: &str) -> Result<()> {
        let Some(local) = &self.local else {
            return Ok(());
        };
        make_folder(&local.path.join(name), local.fsync, name.split('/').count())
    }

    /// Tries whether the store refuses to overwrite an object that is put with create-only.
    ///
    /// # Errors
    /// The store cannot be reached or written, or it ignores the condition: exactly once cannot
    /// be kept on it.
    pub async fn probe_conditional_put(&self) -> Result<()> {
        #[allow(
            clippy::disallowed_methods,
            reason = "two probes at once must not meet"
        )]
        let path = object_store::path::Path::from(format!("_weir/probe-{}", Uuid::new_v4()));
        let create = || PutOptions::from(PutMode::Create);
        let put = |text: &'static str| {
            self.objects
                .put_opts(&path, PutPayload::from_static(text.as_bytes()), create())
        };
        put("1")
            .await
            .map_err(|e| store_error("probe the store", e))?;
        let second = put("2").await;
        self.objects
            .delete(&path)
            .await
            .map_err(|e| store_error("remove the probe", e))?;
        match second {
            Err(object_store::Error::AlreadyExists { .. }) => Ok(()),
            Err(e) => Err(store_error("probe the store", e)),
            Ok(_) => Err(Error::refused(
                "the store overwrites objects that are put with If-None-Match; weir needs conditional puts to keep its promise",
            )),
        }
    }
}

/// Opens the store at `url` (`file://`, `s3://`, `gs://`, `az://`), with the options of
/// object_store's own names. A local folder is created. `fsync` holds on local disk only.
pub fn open(url: &Url, options: &BTreeMap<String, Secret>, fsync: bool) -> Result<Store> {
    for name in options.keys() {
        if !knows_option(url.scheme(), name) {
            return Err(Error::config(format!(
                "a store with the scheme {} has no option {name}",
                url.scheme()
            )));
        }
    }
    if url.scheme() == "file" {
        let folder = url
            .to_file_path()
            .map_err(|()| Error::config(format!("{url} names no local folder")))?;
        make_folder(&folder, fsync, 1)?;
        let local = LocalFileSystem::new_with_prefix(&folder)
            .map_err(|e| store_error("open the local folder", e))?;
        let no_folder = || Error::config(format!("{url} names no absolute folder"));
        let path = folder.canonicalize().map_err(|_| no_folder())?;
        let root = Url::from_directory_path(&path).map_err(|()| no_folder())?;
        return Ok(Store {
            objects: Arc::new(local.with_fsync(fsync)),
            url: url.clone(),
            engine: (Arc::new(LocalFileSystem::new().with_fsync(fsync)), root),
            local: Some(Folder { path, fsync }),
            pages: None,
        });
    }
    let (objects, pages) = open_remote(url, options)
        .map_err(|e| Error::config(format!("{url} is no store that can be opened")).because(e))?;
    Ok(Store {
        pages: Some(pages),
        ..Store::new(objects, url.clone())?
    })
}

fn open_remote(
    url: &Url,
    options: &BTreeMap<String, Secret>,
) -> object_store::Result<(Arc<dyn ObjectStore>, Pages)> {
    let (scheme, prefix) = ObjectStoreScheme::parse(url)?;
    macro_rules! built {
        ($builder:ident) => {{
            let mut builder = $builder::new().with_url(url.as_str()).with_retry(RETRY);
            for (name, value) in options {
                // Names in lower case are what `knows_option` knows.
                builder = builder.with_config(name.to_ascii_lowercase().parse()?, &value.0);
            }
            let store = Arc::new(builder.build()?);
            let pages = Pages::new(store.clone(), &prefix);
            (Arc::new(PrefixStore::new(store, prefix)), pages)
        }};
    }
    Ok(match scheme {
        ObjectStoreScheme::AmazonS3 => built!(AmazonS3Builder),
        ObjectStoreScheme::GoogleCloudStorage => built!(GoogleCloudStorageBuilder),
        ObjectStoreScheme::MicrosoftAzure => built!(MicrosoftAzureBuilder),
        other => {
            return Err(object_store::Error::NotSupported {
                source: format!("{other:?} stores are not built in").into(),
            });
        }
    })
}

/// Makes `folder` and what is missing above it. A new folder's entry is its parent's to keep, so
/// with `fsync` each parent of a new one is synced, and at least `depth` of them: another process
/// may have made them a moment ago.
fn make_folder(folder: &Path, fsync: bool, depth: usize) -> Result<()> {
    let failed = |e| disk_error(&format!("create {}", folder.display()), e);
    let made = folder.ancestors().take_while(|f| !f.exists());
    let made = made.count().max(depth);
    std::fs::create_dir_all(folder).map_err(failed)?;
    if fsync {
        for parent in folder.ancestors().skip(1).take(made) {
            File::open(parent)
                .and_then(|f| f.sync_all())
                .map_err(failed)?;
        }
    }
    Ok(())
}

/// True if the store takes an option of that name; object_store itself passes over others.
fn knows_option(scheme: &str, name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    match scheme {
        "s3" | "s3a" => name.parse::<AmazonS3ConfigKey>().is_ok(),
        "gs" => name.parse::<GoogleConfigKey>().is_ok(),
        "az" | "adl" | "azure" | "abfs" | "abfss" => name.parse::<AzureConfigKey>().is_ok(),
        _ => false,
    }
}
