//! Confluent's REST contract: what is asked, and what the answers mean.
//!
//! Owns: paths, the form of answers, and following references. Does not own: the request
//! (`client`), copies (`disk`).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::schema::registry::client::{Answer, Client};
use crate::schema::registry::pace::REFERENCES;
use crate::schema::registry::{
    Away, Failure, Named, Registered, SubjectVersion, Wanted, WriterKey,
};

type Result<T> = std::result::Result<T, Failure>;

/// A schema, by any path.
#[derive(Debug, Deserialize)]
struct SchemaAnswer {
    schema: String,
    #[serde(rename = "schemaType")]
    kind: Option<String>,
    references: Option<Vec<Reference>>,
    id: Option<u32>,
    version: Option<u32>,
}

#[derive(Debug, Deserialize)]
struct Reference {
    subject: String,
    version: u32,
}

/// A schema's text, and the versions of subjects that it refers to.
struct Referring {
    text: Arc<str>,
    refers_to: Vec<(String, u32)>,
}

/// The schema of `key`, what it refers to, and where it is registered.
pub(super) async fn by_key(client: &Client, key: WriterKey) -> Result<Registered> {
    let (kind, name) = match key {
        WriterKey::Id(id) => ("ids", id.to_string()),
        WriterKey::Guid(guid) => ("guids", uuid::Uuid::from_bytes(guid).to_string()),
    };
    let what = format!("the schema of {key}");
    let path = ["schemas", kind, &name];
    let answer: SchemaAnswer = match ask(client, &path, &[], &what).await? {
        Ok(answer) => answer,
        Err(_) => {
            return Err(Failure::Unknown(format!(
                "the registry does not know the schema of {key}"
            )));
        }
    };
    let subjects = match key {
        WriterKey::Id(id) => subjects(client, id).await?,
        WriterKey::Guid(_) => Vec::new(),
    };
    let id = match key {
        WriterKey::Id(id) => Some(id),
        WriterKey::Guid(_) => answer.id,
    };
    registered(client, answer, id, subjects, &what).await
}

/// A version of `subject`.
pub(super) async fn version(client: &Client, subject: &str, wanted: Wanted) -> Result<Named> {
    let number = match wanted {
        Wanted::Latest => "latest".to_owned(),
        Wanted::Number(number) => number.to_string(),
    };
    let what = format!("{subject}/{number}");
    let path = ["subjects", subject, "versions", &number];
    let answer: SchemaAnswer = match ask(client, &path, &[], &what).await? {
        Ok(answer) => answer,
        Err(40_402) => {
            return Err(Failure::Unknown(format!(
                "the registry has no version {number} of the subject {subject}"
            )));
        }
        Err(_) => return Err(no_subject(subject)),
    };
    let Some(version) = answer.version.filter(|v| *v > 0) else {
        return Err(no_registry(&what));
    };
    let subjects = vec![SubjectVersion {
        subject: subject.to_owned(),
        version,
    }];
    let id = answer.id;
    let schema = registered(client, answer, id, subjects, &what).await?;
    Ok(Named {
        version,
        schema: Arc::new(schema),
    })
}

/// The versions of `subject`, ascending.
pub(super) async fn versions(client: &Client, subject: &str) -> Result<Vec<u32>> {
    let what = format!("the versions of {subject}");
    let path = ["subjects", subject, "versions"];
    let mut versions: Vec<u32> = ask(client, &path, &[], &what)
        .await?
        .map_err(|_| no_subject(subject))?;
    versions.sort_unstable();
    Ok(versions)
}

/// The compatibility level that holds for `subject`, or for whatever has none of its own.
pub(super) async fn level(client: &Client, subject: Option<&str>) -> Result<String> {
    #[derive(Deserialize)]
    struct Level {
        #[serde(rename = "compatibilityLevel")]
        level: String,
    }
    let what = "the compatibility level";
    if let Some(subject) = subject {
        let query = [("defaultToGlobal", "true")];
        let own = ask::<Level>(client, &["config", subject], &query, what).await?;
        // Older registries do not fall back by themselves.
        if let Ok(own) = own {
            return Ok(own.level);
        }
    }
    let global: Level = ask(client, &["config"], &[], what)
        .await?
        .map_err(|_| no_registry(what))?;
    Ok(global.level)
}

/// Where the schema with that id is registered, sorted; nowhere where the registry does not know the
/// id, or cannot tell.
pub(super) async fn subjects(client: &Client, id: u32) -> Result<Vec<SubjectVersion>> {
    let what = format!("the subjects of id {id}");
    let path = ["schemas", "ids", &id.to_string(), "versions"];
    let asked = ask::<Vec<SubjectVersion>>(client, &path, &[], &what).await;
    let mut subjects = match asked {
        Ok(answer) => answer.unwrap_or_default(),
        Err(Failure::Away(away)) if away.no_such_path => Vec::new(),
        Err(failure) => return Err(failure),
    };
    subjects.sort();
    subjects.dedup();
    Ok(subjects)
}

async fn registered(
    client: &Client,
    answer: SchemaAnswer,
    id: Option<u32>,
    subjects: Vec<SubjectVersion>,
    what: &str,
) -> Result<Registered> {
    let schema = avro(answer, what)?;
    Ok(Registered {
        id,
        text: schema.text,
        references: references(client, schema.refers_to, what).await?,
        subjects,
    })
}

/// Text and references of an answer that is an Avro schema.
fn avro(answer: SchemaAnswer, what: &str) -> Result<Referring> {
    let kind = answer.kind.as_deref().unwrap_or("AVRO");
    if kind != "AVRO" {
        // The registry's own words, as far as they are a word.
        let kind: String = kind
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .take(32)
            .collect();
        return Err(Failure::Refused(format!(
            "{what} is of the type {kind}, which is not Avro"
        )));
    }
    let references = answer.references.unwrap_or_default().into_iter();
    Ok(Referring {
        text: answer.schema.into(),
        refers_to: references.map(|r| (r.subject, r.version)).collect(),
    })
}

/// The texts that are referred to from `first` on, each behind those that it refers to.
async fn references(
    client: &Client,
    first: Vec<(String, u32)>,
    what: &str,
) -> Result<Vec<Arc<str>>> {
    let mut found: HashMap<(String, u32), Referring> = HashMap::new();
    let mut open = first.clone();
    while let Some(next) = open.pop() {
        if found.contains_key(&next) {
            continue;
        }
        if found.len() == REFERENCES {
            return Err(Failure::Refused(format!(
                "{what} refers to more than {REFERENCES} schemas"
            )));
        }
        let referred = referred(client, &next.0, next.1, what).await?;
        open.extend(referred.refers_to.iter().cloned());
        found.insert(next, referred);
    }
    Ok(in_order(&first, &found))
}

async fn referred(client: &Client, subject: &str, version: u32, what: &str) -> Result<Referring> {
    let number = version.to_string();
    let named = format!("{subject}/{number}");
    let path = ["subjects", subject, "versions", &number];
    // What a schema refers to may have been deleted since, softly; it is still there for it.
    let answer: std::result::Result<SchemaAnswer, u32> =
        ask(client, &path, &[("deleted", "true")], &named).await?;
    let answer = answer.map_err(|_| {
        Failure::Unknown(format!(
            "{what} refers to {named}, which the registry does not know"
        ))
    })?;
    avro(answer, &named)
}

/// Depth first, each once, behind what it refers to.
fn in_order(first: &[(String, u32)], found: &HashMap<(String, u32), Referring>) -> Vec<Arc<str>> {
    let mut texts = Vec::new();
    let mut seen = HashSet::new();
    // A name and whether what it refers to was visited.
    let mut stack: Vec<(&(String, u32), bool)> = first.iter().rev().map(|r| (r, false)).collect();
    while let Some((name, visited)) = stack.pop() {
        let Some(referred) = found.get(name) else {
            continue;
        };
        if visited {
            texts.push(referred.text.clone());
        } else if seen.insert(name) {
            stack.push((name, true));
            stack.extend(referred.refers_to.iter().rev().map(|r| (r, false)));
        }
    }
    texts
}

/// The answer to a question, read; or the code with which the registry says that it is not there.
async fn ask<T: DeserializeOwned>(
    client: &Client,
    path: &[&str],
    query: &[(&str, &str)],
    what: &str,
) -> Result<std::result::Result<T, u32>> {
    match client.get(path, query).await {
        Ok(Answer::Found(body)) => serde_json::from_slice(&body)
            .map(Ok)
            .map_err(|_| no_registry(what)),
        Ok(Answer::NotThere(code)) => Ok(Err(code)),
        Ok(Answer::TooLong) => Err(Failure::Refused(format!("{what} is longer than 4 MiB"))),
        Err(away) => Err(Failure::Away(away)),
    }
}

fn no_subject(subject: &str) -> Failure {
    Failure::Unknown(format!("the registry has no subject {subject}"))
}

fn no_registry(what: &str) -> Failure {
    Failure::Away(Away::new(format!(
        "what answers 200 to the question for {what} is no registry; check `registry.url`"
    )))
}
