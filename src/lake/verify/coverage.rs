//! Which positions of a partition have rows, and which records of a message.
//!
//! Owns: marking a row once, and telling what is not marked. A bit a position, and nothing for
//! stretches that are whole.

use std::collections::BTreeMap;

#[cfg(test)]
mod tests;

/// Positions of a chunk.
const CHUNK: i64 = 4096;
const WORDS: usize = (CHUNK / 64) as usize;

/// The rows of one partition that were seen.
#[derive(Debug, Default)]
pub(super) struct Coverage {
    /// Positions whose record 0 was seen.
    chunks: BTreeMap<i64, Chunk>,
    /// The further records of messages: offset → their indexes, half-open, ascending.
    records: BTreeMap<i64, Vec<[i32; 2]>>,
}

#[derive(Debug)]
enum Chunk {
    Whole,
    Bits(Box<[u64; WORDS]>),
}

impl Coverage {
    /// Marks record 0 of positions `[from, to)`; appends those that were marked before to `twice`.
    pub(super) fn mark(&mut self, from: i64, to: i64, twice: &mut Vec<[i64; 2]>) {
        let mut at = from;
        while at < to {
            let chunk = at.div_euclid(CHUNK);
            let end = to.min((chunk + 1).saturating_mul(CHUNK));
            self.mark_chunk(chunk, at, end, twice);
            at = end;
        }
    }

    fn mark_chunk(&mut self, chunk: i64, from: i64, to: i64, twice: &mut Vec<[i64; 2]>) {
        let base = chunk * CHUNK;
        let there = self
            .chunks
            .entry(chunk)
            .or_insert_with(|| Chunk::Bits(Box::new([0; WORDS])));
        let Chunk::Bits(words) = there else {
            push(twice, from, to);
            return;
        };
        for (i, word) in words.iter_mut().enumerate() {
            let start = base + 64 * i as i64;
            let mask = mask(start, from, to);
            each_run(*word & mask, start, |a, b| push(twice, a, b));
            *word |= mask;
        }
        if words.iter().all(|w| *w == u64::MAX) {
            *there = Chunk::Whole;
        }
    }

    /// Marks record `index`, above 0, of the message at `offset`; false if it was marked before.
    pub(super) fn mark_record(&mut self, offset: i64, index: i32) -> bool {
        let runs = self.records.entry(offset).or_default();
        let at = runs.partition_point(|run| run[1] < index);
        match runs.get(at).copied() {
            Some([from, to]) if from <= index && index < to => return false,
            Some([_, to]) if to == index => runs[at][1] = index + 1,
            Some([from, _]) if from == index + 1 => runs[at][0] = index,
            _ => runs.insert(at, [index, index + 1]),
        }
        if let (Some(this), Some(next)) = (runs.get(at).copied(), runs.get(at + 1).copied())
            && this[1] == next[0]
        {
            runs[at][1] = next[1];
            runs.remove(at + 1);
        }
        true
    }

    /// Passes each stretch of `[from, to)` whose record 0 was not seen to `each`, or each that was
    /// (`seen`); neighbours may come apart.
    pub(super) fn runs(&self, seen: bool, from: i64, to: i64, mut each: impl FnMut(i64, i64)) {
        let mut at = from;
        let first = from.div_euclid(CHUNK);
        for (chunk, there) in self.chunks.range(first..) {
            let base = chunk * CHUNK;
            if base >= to {
                break;
            }
            let (start, end) = (base.max(from), (base + CHUNK).min(to));
            if !seen && at < start {
                each(at, start);
            }
            match there {
                Chunk::Whole if seen => each(start, end),
                Chunk::Whole => {}
                Chunk::Bits(words) => {
                    for (i, word) in words.iter().enumerate() {
                        let word_start = base + 64 * i as i64;
                        let word = if seen { *word } else { !*word };
                        each_run(word & mask(word_start, start, end), word_start, &mut each);
                    }
                }
            }
            at = end;
        }
        if !seen && at < to {
            each(at, to);
        }
    }

    /// Passes each message of several records to `each`, with the indexes below its last one that
    /// were not seen.
    pub(super) fn record_gaps(&self, mut each: impl FnMut(i64, [i32; 2])) {
        for (offset, runs) in &self.records {
            let mut next = 1;
            for [from, to] in runs {
                if *from > next {
                    each(*offset, [next, *from]);
                }
                next = *to;
            }
        }
    }

    /// Offsets of messages with a record above 0.
    pub(super) fn messages(&self) -> impl Iterator<Item = i64> {
        self.records.keys().copied()
    }
}

/// Appends `[from, to)`, joined with the last one where they touch.
pub(super) fn push(ranges: &mut Vec<[i64; 2]>, from: i64, to: i64) {
    match ranges.last_mut() {
        Some(last) if last[1] == from => last[1] = to,
        _ => ranges.push([from, to]),
    }
}

/// The bits of the word that begins at `start` which are in `[from, to)`.
fn mask(start: i64, from: i64, to: i64) -> u64 {
    let low = (from - start).clamp(0, 64) as u32;
    let high = (to - start).clamp(0, 64) as u32;
    if low >= high {
        return 0;
    }
    let width = high - low;
    let bits = if width == 64 {
        u64::MAX
    } else {
        (1 << width) - 1
    };
    bits << low
}

fn each_run(mut word: u64, start: i64, mut each: impl FnMut(i64, i64)) {
    let mut at = start;
    while word != 0 {
        let zeros = word.trailing_zeros();
        word >>= zeros;
        at += i64::from(zeros);
        let ones = word.trailing_ones();
        each(at, at + i64::from(ones));
        at += i64::from(ones);
        word = if ones == 64 { 0 } else { word >> ones };
    }
}
