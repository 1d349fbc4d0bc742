//! Which of a ledger's segments count, where several instances folded at once.
//!
//! Owns: the choice, a pure function. Does not own: what a segment holds (`ledger::segment`).

use std::collections::BTreeMap;

#[cfg(test)]
mod tests;

/// Of the segments `all` (first and last version) those that follow each other without a gap and
/// reach furthest, ascending; behind a gap the same again.
///
/// Instances that fold side by side write the same segments, unless one of them was told to fold up
/// to another version. Whoever removed commits from the log had a chain of segments that covers
/// them, and so does the chain that reaches furthest.
pub(super) fn chain(mut all: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    // Newest first: what a segment leads to is known before it.
    all.sort_unstable_by(|a, b| b.cmp(a));
    let mut best: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    for (from, to) in all {
        let reach = best
            .get(&to.saturating_add(1))
            .map_or(to, |(reach, _)| *reach);
        let there = best.entry(from).or_insert((reach, to));
        if reach > there.0 {
            *there = (reach, to);
        }
    }
    let mut chain = Vec::new();
    let mut next = 0;
    while let Some((from, (_, to))) = best.range(next..).next() {
        chain.push((*from, *to));
        next = to.saturating_add(1);
    }
    chain
}
