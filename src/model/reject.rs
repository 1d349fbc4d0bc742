//! Why a record is not a row: the closed sets of reject and skip codes.
//!
//! A code is a public name (`docs/reject-codes.md`); a new one is a change-log entry.

use std::fmt;

macro_rules! codes {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            /// Every code.
            pub const ALL: &'static [$name] = &[$($name::$variant,)+];

            /// The public name.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text,)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

codes! {
    /// Why a record was rejected.
    RejectCode {
        /// The message is not one JSON value (RFC 8259), or holds a lone surrogate.
        InvalidJson = "invalid_json",
        /// Bytes that are not UTF-8.
        InvalidUtf8 = "invalid_utf8",
        /// Not an object with one array `data` of objects.
        InvalidEnvelope = "invalid_envelope",
        /// The bytes in front of the payload are not of the declared framing.
        InvalidFraming = "invalid_framing",
        /// The registry does not know the writer's schema.
        UnknownSchema = "unknown_schema",
        /// The payload is no datum of the writer's schema.
        InvalidAvro = "invalid_avro",
        /// Bytes behind the datum.
        TrailingBytes = "trailing_bytes",
        /// The same field or map key twice.
        DuplicateField = "duplicate_field",
        /// A field that the schema does not have.
        UnknownField = "unknown_field",
        /// A field without a default is absent.
        MissingField = "missing_field",
        /// Null where the schema forbids it.
        NullValue = "null_value",
        /// Null in a primary key.
        NullKey = "null_key",
        /// A value of another kind.
        WrongType = "wrong_type",
        /// A value beyond the type's bounds.
        OutOfRange = "out_of_range",
        /// A text that has not the form of its type.
        InvalidFormat = "invalid_format",
        /// A value that the type could only hold rounded.
        Inexact = "inexact",
        /// Not a symbol of the enum.
        UnknownSymbol = "unknown_symbol",
        /// Nested beyond 64 levels.
        TooDeep = "too_deep",
        /// Beyond a limit on bytes or records.
        TooLarge = "too_large",
        /// Too few or too many cells.
        CsvColumns = "csv_columns",
        /// Quoting that is no CSV.
        CsvSyntax = "csv_syntax",
    }
}

codes! {
    /// Why a position that was read is no record.
    SkipCode {
        /// A message without a value, in append mode.
        Tombstone = "tombstone",
        /// An envelope without records.
        EmptyEnvelope = "empty_envelope",
    }
}

/// What is wrong with one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The code.
    pub code: RejectCode,
    /// Path of the field, `address.lines[2]`; `None` when the whole record is meant.
    pub field: Option<String>,
    /// The rule and the kind of what was seen; never the value.
    pub message: String,
}
