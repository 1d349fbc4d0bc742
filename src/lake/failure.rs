//! Why something of a table could not be read: the store is away, the object is gone, or it is
//! broken.
//!
//! Owns: that distinction, for readers that report what they find (`lake::verify`) and so must not
//! take an outage for a finding, and for writers, who wait for a store and not for a broken table.
//! Does not own: what a finding is.

use delta_kernel::KernelError;
use parquet::errors::ParquetError;

use crate::error::{Error, Result};
use crate::store::{disk_error, store_error};

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
        match of_kernel(error) {
            Cause::Store(error) => error.into(),
            Cause::Disk(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Failure::Missing(error.to_string())
            }
            Cause::Disk(error) => Failure::Away(disk_error("read the lake", error)),
            Cause::Away(error) => {
                Failure::Away(Error::unreachable("could not read the lake").because(error))
            }
            Cause::Table(KernelError::FileNotFound(path)) => {
                Failure::Missing(format!("{path} is not there"))
            }
            Cause::Table(error) => Failure::Broken(error.to_string()),
        }
    }
}

/// What is behind an error of the kernel's.
enum Cause {
    Store(object_store::Error),
    Disk(std::io::Error),
    Away(KernelError),
    /// The table, or what was asked of it.
    Table(KernelError),
}

fn of_kernel(error: KernelError) -> Cause {
    match error {
        KernelError::Backtraced { source, .. } => of_kernel(*source),
        KernelError::ObjectStore(error) => Cause::Store(error),
        KernelError::IOError(error) => Cause::Disk(error),
        KernelError::GenericError { source } => match source.downcast::<object_store::Error>() {
            Ok(error) => Cause::Store(*error),
            Err(source) => Cause::Away(KernelError::GenericError { source }),
        },
        KernelError::Parquet(ParquetError::External(cause)) => {
            match cause.downcast::<object_store::Error>() {
                Ok(error) => Cause::Store(*error),
                Err(cause) => Cause::Table(KernelError::Parquet(ParquetError::External(cause))),
            }
        }
        error
        @ (KernelError::Reqwest(_) | KernelError::JoinFailure(_) | KernelError::Cancelled) => {
            Cause::Away(error)
        }
        error => Cause::Table(error),
    }
}

/// What an error of the kernel's means to a writer: it waits for a store that is away, and asks an
/// operator about a table that is not as it should be.
pub(crate) fn kernel_error(doing: &str, error: KernelError) -> Error {
    match of_kernel(error) {
        Cause::Store(error) => store_error(doing, error),
        Cause::Disk(error) => disk_error(doing, error),
        Cause::Away(error) => Error::unreachable(format!("could not {doing}")).because(error),
        // So does a listing that is behind look; what is gone for good is told by `delta::side`.
        Cause::Table(
            error @ (KernelError::MissingVersion(_)
            | KernelError::InvalidLogSegment(_)
            | KernelError::EmptyLog),
        ) => Error::unreachable(format!("could not {doing}")).because(error),
        Cause::Table(error) => Error::refused(format!("could not {doing}")).because(error),
    }
}
