//! The broker's part of the checklist: who it is, and whether the streams' topics are there.

use crate::cli::check::Check;
use crate::cli::connect;
use crate::config::keys::nearest_word;
use crate::config::{Config, Stream, TopicSelect};
use crate::error::{Error, Kind, Result};
use crate::pipeline::assignment::Topics;
use crate::source::kafka::Topic;

/// Topics of a pattern that are named.
const NAMED: usize = 5;

/// Nothing where no stream has topics.
pub(super) async fn checks(config: &Config) -> Vec<Check> {
    let Some(kafka) = &config.kafka else {
        return Vec::new();
    };
    let asked = async {
        let cluster = connect::cluster(config)?;
        let id = cluster.cluster_id().await?;
        Ok::<_, Error>((id, cluster.topics().await?))
    };
    let (id, topics) = match asked.await {
        Ok(answer) => answer,
        Err(error) => return vec![Check::new("broker", Err(error))],
    };
    let broker = format!("{} answers, cluster {id}", kafka.brokers);
    let mut checks = vec![Check::new("broker", Ok(broker))];
    for stream in &config.streams {
        checks.extend(of_stream(stream, &topics));
    }
    checks
}

fn of_stream(stream: &Stream, there: &[Topic]) -> Vec<Check> {
    match stream.topics.as_ref().map(|t| &t.select) {
        None => Vec::new(),
        Some(TopicSelect::Names(names)) => names
            .iter()
            .map(|name| Check::new(format!("topic {name}"), named(name, there)))
            .collect(),
        Some(TopicSelect::Pattern(pattern)) => {
            let found = Topics::of(stream).and_then(|topics| matched(&topics, there));
            vec![Check::new(format!("topics {pattern}"), found)]
        }
    }
}

fn named(name: &str, there: &[Topic]) -> Result<String> {
    match there.iter().find(|t| &*t.name == name) {
        Some(topic) => Ok(partitions(topic.partitions)),
        None => {
            let near = nearest_word(name, there.iter().map(|t| &*t.name));
            let near = near.map_or_else(String::new, |near| format!("; there is {near}"));
            Err(missing(format!("does not exist, or may not be seen{near}")))
        }
    }
}

fn matched(topics: &Topics, there: &[Topic]) -> Result<String> {
    let ours: Vec<&Topic> = there.iter().filter(|t| topics.include(&t.name)).collect();
    if ours.is_empty() {
        return Err(missing("match no topic that may be seen".to_owned()));
    }
    let names: Vec<&str> = ours.iter().take(NAMED).map(|t| &*t.name).collect();
    let more = match ours.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Ok(format!(
        "{} topics, {}: {}{more}",
        ours.len(),
        partitions(ours.iter().map(|t| t.partitions).sum()),
        names.join(", ")
    ))
}

fn partitions(count: i32) -> String {
    match count {
        1 => "1 partition".to_owned(),
        count => format!("{count} partitions"),
    }
}

fn missing(what: String) -> Error {
    Error::new(Kind::Found, what)
}
