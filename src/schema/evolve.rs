//! Whether a table that was made for one schema can follow another.
//!
//! Owns: what a table's columns can become: columns are added, and a required one becomes nullable
//! where a version lets it be null.
//! Does not own: doing it (`lake`), and whether old data can be read (`schema::compat`).

use arrow::datatypes::{DataType, Field, Fields};

use crate::schema::names;

/// Why a table of the columns `have` cannot take rows of the columns `want`: a sentence for each
/// column. Empty if it can.
pub fn refusals(have: &Fields, want: &Fields) -> Vec<String> {
    let mut refusals = changed(have, want);
    refusals.extend(removed(have, want));
    refusals
}

/// Columns that would become other ones: those that no version between could mend.
pub fn changed(have: &Fields, want: &Fields) -> Vec<String> {
    want.iter()
        .filter_map(|field| {
            let name = field.name();
            if let Some((_, there)) = have.find(name) {
                return changes(there, field);
            }
            let other = have.iter().find(|f| f.name().eq_ignore_ascii_case(name))?;
            Some(format!(
                "{name}: differs only in case from the column {}, and a table cannot tell them apart",
                other.name()
            ))
        })
        .collect()
}

/// Required columns that would not be written any more. A version that lets one be null makes it
/// nullable, and a later one may leave it out.
fn removed<'a>(have: &'a Fields, want: &'a Fields) -> impl Iterator<Item = String> + 'a {
    let is_written = |name: &str| want.iter().any(|f| f.name().eq_ignore_ascii_case(name));
    let removed = have
        .iter()
        .filter(move |there| !there.is_nullable() && !is_written(there.name()));
    removed.map(|there| {
        format!(
            "{}: is required there and would not be written any more; let it be null in one version before a later one leaves it out",
            there.name()
        )
    })
}

fn changes(have: &Field, want: &Field) -> Option<String> {
    (!same(have.data_type(), want.data_type())).then(|| {
        format!(
            "{}: is {} there and would become {}; type changes, widenings too, are refused for now",
            want.name(),
            names::delta(have.data_type()),
            names::delta(want.data_type())
        )
    })
}

/// Equal, nested names and nulls included, whatever the metadata and the names of a list's or a
/// map's parts. (`DataType::equals_datatype` does not look at a struct's names.)
fn same(have: &DataType, want: &DataType) -> bool {
    let same_field = |a: &Field, b: &Field| {
        a.is_nullable() == b.is_nullable() && same(a.data_type(), b.data_type())
    };
    match (have, want) {
        (DataType::Struct(have), DataType::Struct(want)) => {
            have.len() == want.len()
                && have
                    .iter()
                    .zip(want)
                    .all(|(a, b)| a.name() == b.name() && same_field(a, b))
        }
        (DataType::List(have), DataType::List(want)) => same_field(have, want),
        (DataType::Map(have, _), DataType::Map(want, _)) => {
            match (have.data_type(), want.data_type()) {
                (DataType::Struct(have), DataType::Struct(want)) => {
                    have.len() == want.len() && have.iter().zip(want).all(|(a, b)| same_field(a, b))
                }
                (have, want) => have == want,
            }
        }
        (have, want) => have == want,
    }
}

#[cfg(test)]
mod tests;
