//! What a command works on, as the configuration names it.

use crate::config::Config;
use crate::error::{Error, Result};
use crate::source::kafka::Cluster;
use crate::store::{self, Store};

/// The configured lake.
pub(crate) fn lake(config: &Config) -> Result<Store> {
    store::open(&config.lake.url, &config.lake.options, config.lake.fsync)
}

/// The configured cluster; nothing is connected yet.
pub(crate) fn cluster(config: &Config) -> Result<Cluster> {
    let kafka = config
        .kafka
        .as_ref()
        .ok_or_else(|| Error::config("there is no [kafka] in the settings"))?;
    Cluster::connect(kafka, &config.instance)
}
