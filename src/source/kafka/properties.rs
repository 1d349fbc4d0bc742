//! Properties of the configuration, as librdkafka takes them.
//!
//! Owns: that a refusal never shows a value: any of them may be a secret, and librdkafka's own words
//! hold it. Does not own: which properties a configuration may set (`config::kafka_properties`).

use std::collections::BTreeMap;

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaConfRes;

use crate::config::Secret;
use crate::error::{Error, Result};

/// Whether librdkafka knows each property and takes its value.
///
/// # Errors
/// Every one that it refuses, by its name.
pub fn check_properties(properties: &BTreeMap<String, Secret>) -> Result<()> {
    let mut refusals = Vec::new();
    for (key, value) in properties {
        let mut alone = ClientConfig::new();
        alone.set(key, &value.0);
        if let Err(error) = alone.create_native_config() {
            refusals.push(told(&error, properties));
        }
    }
    match refusals.is_empty() {
        true => Ok(()),
        false => Err(Error::config(refusals.join("\n"))),
    }
}

/// The error of a client that could not be made.
pub(super) fn refused(error: &KafkaError, properties: &BTreeMap<String, Secret>) -> Error {
    Error::config(told(error, properties))
}

fn told(error: &KafkaError, properties: &BTreeMap<String, Secret>) -> String {
    match error {
        KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, _, key, _) => {
            format!("kafka.properties.{key}: librdkafka has no such property")
        }
        KafkaError::ClientConfig(_, _, key, _) => {
            format!("kafka.properties.{key}: librdkafka refuses the value")
        }
        other => {
            let mut text = other.to_string();
            for Secret(value) in properties.values() {
                if !value.is_empty() {
                    text = text.replace(value.as_str(), "***");
                }
            }
            format!("the Kafka settings are refused: {text}")
        }
    }
}

#[cfg(test)]
mod tests;
