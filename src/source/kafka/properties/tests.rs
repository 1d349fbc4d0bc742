use std::collections::BTreeMap;

use super::check_properties;
use crate::config::{Kafka, Secret};
use crate::error::Kind;
use crate::source::kafka::Cluster;

const CANARY: &str = "canary-7f3a";

fn properties(pairs: &[(&str, &str)]) -> BTreeMap<String, Secret> {
    let pair = |(key, value): &(&str, &str)| ((*key).to_owned(), Secret((*value).to_owned()));
    pairs.iter().map(pair).collect()
}

#[test]
fn every_refused_property_is_named_and_no_value_shown() {
    let given = properties(&[
        ("sasl.passwrd", CANARY),
        ("security.protocol", CANARY),
        ("session.timeout.ms", CANARY),
        ("client.rack", "a"),
    ]);
    let error = check_properties(&given).unwrap_err();
    assert_eq!(error.kind(), Kind::Config);
    assert_eq!(
        error.to_string(),
        "kafka.properties.sasl.passwrd: librdkafka has no such property\n\
         kafka.properties.security.protocol: librdkafka refuses the value\n\
         kafka.properties.session.timeout.ms: librdkafka refuses the value"
    );
    assert!(!format!("{error:?}").contains(CANARY));
    let right = properties(&[("client.rack", "a"), ("session.timeout.ms", "6000")]);
    assert!(check_properties(&right).is_ok());
}

#[test]
fn a_client_that_cannot_be_made_shows_no_value() {
    // each is right by itself; what they name is not there, and librdkafka says what it looked for
    let kafka = Kafka {
        brokers: "127.0.0.1:1".to_owned(),
        group: "g".to_owned(),
        properties: properties(&[("security.protocol", "ssl"), ("ssl.ca.location", CANARY)]),
    };
    let error = Cluster::connect(&kafka, "c").unwrap_err();
    assert_eq!(error.kind(), Kind::Config);
    assert!(
        error
            .to_string()
            .starts_with("the Kafka settings are refused: "),
        "{error}"
    );
    assert!(!format!("{error} {error:?}").contains(CANARY), "{error:?}");
}

#[test]
fn whoever_only_asks_takes_what_a_consumer_takes() {
    let kafka = Kafka {
        brokers: "127.0.0.1:1".to_owned(),
        group: "g".to_owned(),
        properties: properties(&[("receive.message.max.bytes", "40000000")]),
    };
    assert!(Cluster::connect(&kafka, "c").is_ok());
}
