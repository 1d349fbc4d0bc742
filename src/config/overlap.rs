//! Whether two topic patterns can match one name.
//!
//! Owns: the search for such a name. Does not own: what is done about it (`config::load`).

use std::collections::{HashSet, VecDeque};

use regex_automata::Anchored;
use regex_automata::dfa::Automaton;
use regex_automata::dfa::dense::{Builder, Config, DFA};
use regex_automata::util::primitives::StateID;
use regex_automata::util::start;

/// The bytes of a topic's name. Letters before digits, so that an example reads well.
const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyz-0123456789_.ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// The longest name of a topic.
const MAX_NAME: usize = 249;

/// Beyond either, the question is left open: a pattern is a person's, and small.
const MAX_AUTOMATON_BYTES: usize = 4 << 20;
const MAX_PAIRS: usize = 200_000;

/// A topic's name that both patterns match, the shortest; `None` if there is none, or if that could
/// not be found out with reasonable effort.
pub(crate) fn common_name(one: &str, other: &str) -> Option<String> {
    let (one, other) = (Side::new(one)?, Side::new(other)?);
    let start = (Some(one.start()?), Some(other.start()?));
    let mut seen = HashSet::from([start]);
    let mut queue = VecDeque::from([(start, String::new())]);
    while let Some((at, name)) = queue.pop_front() {
        if is_name(&name) && one.ends(at.0) && other.ends(at.1) {
            return Some(name);
        }
        if name.len() == MAX_NAME {
            continue;
        }
        for byte in ALPHABET {
            let next = match (one.step(at.0, *byte), other.step(at.1, *byte)) {
                (Some(a), Some(b)) => (a, b),
                _ => continue,
            };
            if seen.insert(next) {
                if seen.len() > MAX_PAIRS {
                    return None;
                }
                queue.push_back((next, format!("{name}{}", char::from(*byte))));
            }
        }
    }
    None
}

fn is_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..")
}

/// A pattern as an automaton. Its state is `None` once it has matched: whatever follows, the
/// pattern is found in the name.
struct Side(DFA<Vec<u32>>);

impl Side {
    fn new(pattern: &str) -> Option<Self> {
        let config = Config::new()
            .dfa_size_limit(Some(MAX_AUTOMATON_BYTES))
            .determinize_size_limit(Some(MAX_AUTOMATON_BYTES))
            // names are ASCII, so that what Unicode says of a word's end cannot matter
            .unicode_word_boundary(true);
        Builder::new()
            .configure(config)
            .build(pattern)
            .ok()
            .map(Self)
    }

    fn start(&self) -> Option<StateID> {
        let begin = start::Config::new().anchored(Anchored::No);
        self.0.start_state(&begin).ok()
    }

    /// Outer `None`: no name that goes on so is matched.
    fn step(&self, at: Option<StateID>, byte: u8) -> Option<Option<StateID>> {
        let Some(at) = at else { return Some(None) };
        let next = self.0.next_state(at, byte);
        if self.0.is_match_state(next) {
            Some(None)
        } else if self.0.is_dead_state(next) || self.0.is_quit_state(next) {
            None
        } else {
            Some(Some(next))
        }
    }

    /// Whether a name that ends here is matched.
    fn ends(&self, at: Option<StateID>) -> bool {
        at.is_none_or(|at| self.0.is_match_state(self.0.next_eoi_state(at)))
    }
}

#[cfg(test)]
mod tests;
