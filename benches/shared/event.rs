//! The events of the benches: 8 fields, about 240 bytes, the same from the same seed.

use std::fmt::Write as _;
use std::ops::Range;

use serde::Deserialize;

/// Their schema.
pub const SCHEMA: &str = r#"{
  "type": "record", "name": "Event", "namespace": "weir.bench", "fields": [
    {"name": "id", "type": "string"},
    {"name": "number", "type": "long"},
    {"name": "category", "type": {"type": "enum", "name": "Category", "symbols":
      ["book", "cinema", "coffee", "flight", "food", "fuel", "game", "hotel", "music", "rent", "tool", "train"]}},
    {"name": "amount", "type": "double"},
    {"name": "country", "type": "string"},
    {"name": "created_at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    {"name": "active", "type": "boolean"},
    {"name": "note", "type": "string"}
  ]
}"#;

/// The symbols of `category`, in order.
pub const CATEGORIES: [&str; 12] = [
    "book", "cinema", "coffee", "flight", "food", "fuel", "game", "hotel", "music", "rent", "tool",
    "train",
];
const COUNTRIES: [&str; 10] = [
    "AUT", "BEL", "CHE", "DEU", "ESP", "FRA", "ITA", "NLD", "POL", "SWE",
];
const SYLLABLES: [&str; 16] = [
    "ba", "den", "fo", "gri", "ka", "lu", "men", "no", "pes", "ra", "shi", "ter", "u", "vel", "wo",
    "zy",
];

/// An event as a plain struct: what the floor parses.
#[derive(Debug, Deserialize)]
#[allow(dead_code, missing_docs)]
pub struct Event<'a> {
    pub id: &'a str,
    pub number: i64,
    pub category: &'a str,
    pub amount: f64,
    pub country: &'a str,
    pub created_at: &'a str,
    pub active: bool,
    pub note: &'a str,
}

/// Messages in one arena.
#[derive(Debug, Default)]
pub struct Events {
    arena: Vec<u8>,
    places: Vec<Range<usize>>,
}

impl Events {
    /// `count` events from `seed`.
    pub fn generate(seed: u64, count: usize) -> Self {
        let mut maker = Maker::new(seed);
        let mut events = Self::default();
        for _ in 0..count {
            events.push(maker.next());
        }
        events
    }

    /// Appends a message.
    pub fn push(&mut self, message: &[u8]) {
        let from = self.arena.len();
        self.arena.extend_from_slice(message);
        self.places.push(from..self.arena.len());
    }

    /// The messages, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.places.iter().map(|place| &self.arena[place.clone()])
    }

    /// Their number.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Their bytes.
    pub fn bytes(&self) -> usize {
        self.arena.len()
    }
}

/// Makes one event after the other.
#[derive(Debug)]
pub struct Maker {
    state: u64,
    number: u64,
    vocabulary: Vec<String>,
    text: String,
}

impl Maker {
    /// Events from `seed`.
    pub fn new(seed: u64) -> Self {
        let mut maker = Self {
            state: 0x5eed,
            number: 0,
            vocabulary: Vec::new(),
            text: String::new(),
        };
        // The words are the same for every seed.
        for _ in 0..1024 {
            let syllables = 1 + maker.below(3);
            let word = (0..syllables).map(|_| SYLLABLES[maker.below(16)]).collect();
            maker.vocabulary.push(word);
        }
        maker.state = seed;
        maker
    }

    /// The next one.
    pub fn next(&mut self) -> &[u8] {
        let n = self.number;
        self.number += 1;
        self.text.clear();
        let id = self.random();
        let number = self.random() % 1_000_000_000;
        let amount = self.below(1_000_000);
        let category = CATEGORIES[self.below(12)];
        let country = COUNTRIES[self.below(10)];
        let active = self.below(3) > 0;
        let (day, ms) = (1 + n / 86_400_000 % 28, n % 86_400_000);
        let (s, ms) = (ms / 1000, ms % 1000);
        // Writing to a text does not fail.
        let _ = write!(
            self.text,
            r#"{{"id":"{id:016x}","number":{number},"category":"{category}","amount":{}.{:02},"country":"{country}","created_at":"2026-03-{day:02}T{:02}:{:02}:{:02}.{ms:03}Z","active":{active},"note":""#,
            amount / 100,
            amount % 100,
            s / 3600,
            s / 60 % 60,
            s % 60,
        );
        let end = self.text.len() + 60 + self.below(41);
        while self.text.len() < end {
            let word = self.below(self.vocabulary.len());
            self.text.push_str(&self.vocabulary[word]);
            self.text.push(' ');
        }
        self.text.truncate(end);
        self.text.push_str("\"}");
        self.text.as_bytes()
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.random() % limit as u64) as usize
    }

    /// SplitMix64.
    fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = self.state;
        let z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }
}
