//! The few kinds of failure of the process, each telling the operator what to do.
//!
//! Owns: the error type that crosses layers, and the exit code that each kind means.
//! Does not own: faults in the data. Those are values with a position (`model::reject`).

use std::fmt;

/// What the operator has to do about a failure; decides the exit code (`docs/operating.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The command line or the configuration is wrong: mend it and start again. Exit code 2.
    Config,
    /// A dependency (broker, store, registry) did not answer in time: wait, or mend it. Exit code 3.
    Unreachable,
    /// Something was found that does not hold (a check, a verification). Exit code 1.
    Found,
    /// The state of the lake or the log does not fit what weir knows, and going on could lose or
    /// double records: an operator decides. Exit code 1.
    Refused,
    /// A bug in weir, or a resource of the host that gave out. Exit code 1.
    Internal,
}

/// A failure of the process, with what was tried and why it failed.
pub struct Error {
    kind: Kind,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// `Result` with [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of `kind`; `message` is lower case, without a full stop.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
        }
    }

    /// Adds the cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Shorthand for [`Kind::Config`].
    pub fn config(message: impl Into<String>) -> Self {
        Self::new(Kind::Config, message)
    }

    /// Shorthand for [`Kind::Unreachable`].
    pub fn unreachable(message: impl Into<String>) -> Self {
        Self::new(Kind::Unreachable, message)
    }

    /// Shorthand for [`Kind::Refused`].
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(Kind::Refused, message)
    }

    /// Shorthand for [`Kind::Internal`].
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Kind::Internal, message)
    }

    /// What the operator has to do.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// True if waiting may cure it.
    pub fn is_outage(&self) -> bool {
        self.kind == Kind::Unreachable
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        let mut source = self
            .source
            .as_ref()
            .map(|e| e.as_ref() as &dyn std::error::Error);
        let mut told = self.message.clone();
        while let Some(cause) = source {
            // Many errors tell their cause themselves.
            let text = without_document(cause.to_string());
            if !told.ends_with(&text) {
                write!(f, ": {text}")?;
                told = text;
            }
            source = cause.source();
        }
        Ok(())
    }
}

/// A store answers a refusal with an XML document, which holds the request down to its signature: of
/// that, its code and what it says.
fn without_document(text: String) -> String {
    let Some(at) = text.find("<?xml").or_else(|| text.find("<Error>")) else {
        return text;
    };
    let (before, document) = text.split_at(at);
    let element = |name: &str| {
        let (_, rest) = document.split_once(&format!("<{name}>"))?;
        let (value, _) = rest.split_once(&format!("</{name}>"))?;
        value.lines().next()
    };
    let said: Vec<&str> = ["Code", "Message"]
        .into_iter()
        .filter_map(element)
        .collect();
    format!("{before}{}", said.join(": "))
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.kind)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_stores_document_its_code_and_message_are_told() {
        let cause = "Server returned non-2xx status code: 403 Forbidden: <?xml version=\"1.0\"?>\n\
             <Error><Code>SignatureDoesNotMatch</Code><Message>It does not match.\nAt all.</Message>\
             <AWSAccessKeyId>AKIA</AWSAccessKeyId><StringToSign>AWS4</StringToSign></Error>";
        let error = Error::unreachable("could not list").because(cause.to_owned());
        assert_eq!(
            error.to_string(),
            "could not list: Server returned non-2xx status code: 403 Forbidden: \
             SignatureDoesNotMatch: It does not match."
        );
        let error = Error::unreachable("could not list").because("a < b".to_owned());
        assert_eq!(error.to_string(), "could not list: a < b");
    }
}
