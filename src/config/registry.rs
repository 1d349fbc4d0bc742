//! `[registry]`, and the schemas of streams that come from there.
//!
//! Owns: the section's keys and rules, and asking for a version while the configuration is read:
//! the registry first, and its copies when it is away. Does not own: the client
//! (`schema::registry`).

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;

use crate::clock::Clock;
use crate::config::section::{Section, Text};
use crate::config::{Lake, Secret};
use crate::error::Error;
use crate::metrics::Metrics;
use crate::schema::registry::{
    Auth, Away, Failure, Identity, Named, Registry, Settings, Wanted, versions,
};
use crate::schema::versions::Found;

/// Whether the registry may be asked while the configuration is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// Its copies only.
    Never,
    /// Once; its copies where it is away.
    Once,
}

/// Reads the section, which is there; `None` if a problem leaves nothing to go on with. `folder` is
/// where the file stands.
pub(crate) fn settings(
    section: &Section<'_>,
    folder: &Path,
    lake: Option<&Lake>,
) -> Option<Settings> {
    let urls = urls(section);
    let auth = auth(section);
    let allow_http = section.boolean("allow_http", false);
    if auth != Auth::None && !allow_http {
        for (url, text) in urls.iter().flatten() {
            if url.scheme() == "http" && !is_loopback(url) {
                section.problem_at(
                    &text.at,
                    "url",
                    "would send the credentials in the clear; use https, or set `registry.allow_http = true`",
                );
            }
        }
    }
    let ca = file(section, "ca", folder);
    let cert = file(section, "cert", folder);
    let key = file(section, "key", folder);
    let identity = match (cert, key) {
        (Some(cert), Some(key)) => Some(Identity {
            pem: [cert, key].join(&b'\n'),
        }),
        _ => None,
    };
    if section.has("cert") != section.has("key") {
        let there = if section.has("cert") { "cert" } else { "key" };
        section.problem(there, "needs `registry.cert` and `registry.key` together");
    }
    let settings = Settings {
        urls: urls?.into_iter().map(|(url, _)| url).collect(),
        auth,
        ca,
        identity,
        timeout: section.duration("timeout", Duration::from_secs(10)),
        cache: cache(section, folder, lake),
    };
    if let Err(error) = Registry::check(&settings) {
        section.problem("url", error.to_string());
        return None;
    }
    Some(settings)
}

/// The URLs, each with its place.
fn urls(section: &Section<'_>) -> Option<Vec<(Url, Text)>> {
    if !section.has("url") {
        section.problem("url", "is required, as in \"http://127.0.0.1:8081\"");
        return None;
    }
    let mut urls = Vec::new();
    for text in section.text_or_texts("url")? {
        for one in text.text.split(',') {
            match url(one.trim()) {
                Ok(url) => urls.push((url, text.clone())),
                Err(why) => {
                    section.problem_at(&text.at, "url", format!("{} {why}", text.shown()));
                    return None;
                }
            }
        }
    }
    if urls.is_empty() {
        section.problem("url", "must name a registry");
        return None;
    }
    Some(urls)
}

fn url(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "is no URL, as in \"http://127.0.0.1:8081\"")?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err("must begin with http:// or https:// and a host");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("holds credentials; put them into `registry.username` and `registry.password`");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must have no query and no fragment");
    }
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

fn auth(section: &Section<'_>) -> Auth {
    let text = |key| {
        section
            .has(key)
            .then(|| section.required_text(key))
            .flatten()
    };
    let (username, password, token) = (text("username"), text("password"), text("token"));
    if section.has("username") != section.has("password") {
        let there = ["password", "username"][usize::from(section.has("username"))];
        section.problem(
            there,
            "needs `registry.username` and `registry.password` together",
        );
    }
    if section.has("token") && section.has("username") {
        section.problem("token", "must not stand beside `registry.username`");
    }
    match (username, password, token) {
        (_, _, Some(token)) => Auth::Bearer(Secret(token.text)),
        (Some(username), Some(password), _) => Auth::Basic {
            username: username.text,
            password: Secret(password.text),
        },
        _ => Auth::None,
    }
}

fn file(section: &Section<'_>, key: &str, folder: &Path) -> Option<Vec<u8>> {
    if !section.has(key) {
        return None;
    }
    let name = section.required_text(key)?;
    match std::fs::read(folder.join(&name.text)) {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            let message = format!("{} cannot be read: {error}", name.shown());
            section.problem_at(&name.at, key, message);
            None
        }
    }
}

/// The folder of the copies: beside the tables of a lake on local disk where none is named.
fn cache(section: &Section<'_>, folder: &Path, lake: Option<&Lake>) -> Option<PathBuf> {
    if section.has("cache") {
        let name = section.required_text("cache")?;
        return Some(folder.join(name.text));
    }
    let lake = lake.filter(|l| l.url.scheme() == "file")?;
    Some(lake.url.to_file_path().ok()?.join("_weir/registry"))
}

/// The registry while the configuration is read.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    settings: Option<&'a Settings>,
    ask: Ask,
    /// It was away for an earlier stream: that is not tried again.
    away: RefCell<Option<Away>>,
    notes: RefCell<Vec<String>>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(settings: Option<&'a Settings>, ask: Ask) -> Self {
        Self {
            settings,
            ask,
            away: RefCell::new(None),
            notes: RefCell::default(),
        }
    }

    /// What copies were used for, since the registry was away.
    pub(crate) fn into_notes(self) -> Vec<String> {
        self.notes.into_inner()
    }

    /// All versions of `subject`, each by itself, and the level that the registry holds them to.
    ///
    /// # Errors
    /// As of [`Reader::named`]; copies do not tell which versions there are.
    pub(crate) fn history(&self, subject: &str, nanos_as_long: bool) -> Result<History, Unread> {
        let settings = self.settings()?;
        if let Some(away) = self.away.borrow().clone() {
            return Err(Unread::new(Failure::Away(away).to_string(), true));
        }
        let asked = on_a_thread(async {
            let registry = Registry::start(settings, &Metrics::new()?, Clock::system())?;
            Ok(history(&registry, subject, nanos_as_long).await)
        });
        match asked {
            Ok(Ok(history)) => Ok(history),
            Ok(Err(failure)) => {
                let message = failure.to_string();
                let is_outage = matches!(failure, Failure::Away(_));
                if let Failure::Away(away) = failure {
                    *self.away.borrow_mut() = Some(away);
                }
                Err(Unread::new(message, is_outage))
            }
            Err(error) => Err(Unread::new(error.to_string(), false)),
        }
    }

    fn settings(&self) -> Result<&'a Settings, Unread> {
        self.settings.ok_or_else(|| {
            Unread::new(
                "needs [registry] in weir.toml, which is not there or has a problem",
                false,
            )
        })
    }

    /// A version of `subject` as the registry holds it.
    ///
    /// # Errors
    /// Why there is none, a sentence each; `is_outage` if waiting may cure it.
    pub(crate) fn named(&self, subject: &str, wanted: Wanted) -> Result<Named, Unread> {
        let settings = self.settings()?;
        let asked_before = self.away.borrow().clone();
        let may_ask = self.ask == Ask::Once && asked_before.is_none();
        match ask(settings, subject, wanted, may_ask) {
            Ok(Asked::Told(named)) => Ok(named),
            Ok(Asked::Away(away, Some(named))) => {
                if let Some(away) = away.or(asked_before) {
                    self.notes.borrow_mut().push(format!(
                        "{subject}: {}; its version {} of the last answer is used",
                        Failure::Away(away.clone()),
                        named.version
                    ));
                    *self.away.borrow_mut() = Some(away);
                }
                Ok(named)
            }
            Ok(Asked::Nothing(message)) => Err(Unread::new(message, false)),
            Ok(Asked::Away(away, None)) => {
                let away = away.or(asked_before);
                self.away.borrow_mut().clone_from(&away);
                Err(match away {
                    Some(away) => Unread::new(Failure::Away(away).to_string(), true),
                    None => Unread::new(
                        "is in the registry, which is not asked offline, and there is no copy of it",
                        true,
                    ),
                })
            }
            Err(error) => Err(Unread::new(error.to_string(), false)),
        }
    }
}

/// A subject of the registry.
#[derive(Debug)]
pub(crate) struct History {
    /// The level, in the registry's word.
    pub(crate) level: String,
    /// Its versions, ascending.
    pub(crate) found: Vec<Found>,
}

async fn history(
    registry: &Registry,
    subject: &str,
    nanos_as_long: bool,
) -> Result<History, Failure> {
    let numbers = registry.versions(subject).await?;
    let level = registry.level(Some(subject)).await?;
    let mut found = Vec::new();
    for version in numbers {
        let wanted = Wanted::Number(version);
        let schema = match registry.version(subject, wanted).await {
            Ok(named) => versions::parsed(subject, &named, nanos_as_long),
            Err(away @ Failure::Away(_)) => return Err(away),
            Err(failure) => Err(vec![failure.to_string()]),
        };
        found.push(Found { version, schema });
    }
    Ok(History { level, found })
}

/// Why a schema of the registry is not there.
#[derive(Debug)]
pub(crate) struct Unread {
    /// A sentence each.
    pub(crate) messages: Vec<String>,
    /// True if waiting may cure it.
    pub(crate) is_outage: bool,
}

impl Unread {
    fn new(message: impl Into<String>, is_outage: bool) -> Self {
        Self {
            messages: vec![message.into()],
            is_outage,
        }
    }
}

enum Asked {
    Told(Named),
    /// The registry does not have it, or it is no Avro.
    Nothing(String),
    /// It is away, or was not asked: why, and the copy.
    Away(Option<Away>, Option<Named>),
}

fn ask(settings: &Settings, subject: &str, wanted: Wanted, may_ask: bool) -> Result<Asked, Error> {
    on_a_thread(async {
        let registry = Registry::start(settings, &Metrics::new()?, Clock::system())?;
        let mut away = None;
        if may_ask {
            match registry.version(subject, wanted).await {
                Ok(named) => return Ok(Asked::Told(named)),
                Err(Failure::Away(found)) => away = Some(found),
                Err(failure) => return Ok(Asked::Nothing(failure.to_string())),
            }
        }
        let kept = registry.kept_version(subject, wanted);
        Ok(Asked::Away(away, kept))
    })
}

/// On a thread of its own, which may wait wherever this is called from.
fn on_a_thread<T: Send>(asked: impl Future<Output = Result<T, Error>> + Send) -> Result<T, Error> {
    let run = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| Error::internal("could not start a runtime").because(e))?
            .block_on(asked)
    };
    std::thread::scope(|scope| scope.spawn(run).join())
        .map_err(|_| Error::internal("asking the registry died"))?
}
