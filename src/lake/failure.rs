//! Why something of a table could not be read: the store is away, the object is gone, or it is
//! broken.
//!
//! Owns: that distinction, for readers that report what they find (`lake::verify`) and so must not
//! take an outage for a finding. Does not own: what a finding is.

use delta_kernel::KernelError;
use parquet::errors::ParquetError;

use crate::error::{Error, Result};
use crate::store::store_error;

/// Why a read failed.
#[derive(Debug)]
pub enum Failure {
    /// The store did not answer; nothing is known about the object.
    Away(Error),
    /// The store answered that there is no such object.
    Missing(String),
    /// The object is there and is not what it should be.
    Broken(String),
}

impl Failure {
    /// The finding's text, or the error if the store is away.
    ///
    /// # Errors
    /// The store is away.
    pub fn found(self) -> Result<String> {
        match self {
            Failure::Away(error) => Err(error),
            Failure::Missing(text) | Failure::Broken(text) => Ok(text),
        }
    }

    /// The error, for a reader that cannot go on without.
    pub fn into_error(self, doing: &str) -> Error {
        match self {
            Failure::Away(error) => error,
            Failure::Missing(text) | Failure::Broken(text) => {
                Error::refused(format!("could not {doing}: {text}"))
            }
        }
    }
}

impl From<object_store::Error> for Failure {
    fn from(error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { path, .. } => {
                Failure::Missing(format!("{path} is not there"))
            }
            error => Failure::Away(store_error("read the lake", error)),
        }
    }
}

impl From<ParquetError> for Failure {
    fn from(error: ParquetError) -> Self {
        match error {
            ParquetError::External(cause) => match cause.downcast::<object_store::Error>() {
                Ok(store) => (*store).into(),
                Err(other) => Failure::Broken(other.to_string()),
            },
            error => Failure::Broken(error.to_string()),
        }
    }
}

impl From<KernelError> for Failure {
    fn from(error: KernelError) -> Self {
        match error {
            KernelError::Backtraced { source, .. } => (*source).into(),
            KernelError::ObjectStore(error) => error.into(),
            KernelError::Parquet(error) => error.into(),
            KernelError::FileNotFound(path) => Failure::Missing(format!("{path} is not there")),
            KernelError::IOError(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Failure::Away(Error::unreachable("could not read the lake").because(error))
            }
            error @ KernelError::Reqwest(_) => {
                Failure::Away(Error::unreachable("could not read the lake").because(error))
            }
            error => Failure::Broken(error.to_string()),
        }
    }
}
