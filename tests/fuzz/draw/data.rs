//! Data of a writer's schema: mostly ones that can land.

use crate::choices::Choices;
use crate::reference::schema::{Form, Schema};

/// Items that a datum is drawn with.
const MOST_ITEMS: usize = 100;

/// A datum of `schema`.
pub fn datum(schema: &Schema, choices: &mut Choices<'_>) -> Vec<u8> {
    let mut data = Data {
        schema,
        items: 0,
        out: Vec::new(),
    };
    data.value(schema.root, 0, choices);
    data.out
}

struct Data<'a> {
    schema: &'a Schema,
    items: usize,
    out: Vec<u8>,
}

pub fn varint(value: i64, out: &mut Vec<u8>) {
    let mut left = (value << 1 ^ value >> 63) as u64;
    while left >= 0x80 {
        out.push(left as u8 | 0x80);
        left >>= 7;
    }
    out.push(left as u8);
}

impl Data<'_> {
    /// A number, at times with more bytes than it needs.
    fn number(&mut self, value: i64, choices: &mut Choices<'_>) {
        varint(value, &mut self.out);
        if choices.chance(8)
            && let Some(last) = self.out.last_mut()
        {
            *last |= 0x80;
            self.out.push(0);
        }
    }

    fn text(&mut self, text: &[u8], choices: &mut Choices<'_>) {
        self.number(text.len() as i64, choices);
        self.out.extend_from_slice(text);
    }

    fn value(&mut self, ty: usize, depth: usize, choices: &mut Choices<'_>) {
        let of = &self.schema.types[ty];
        match &of.form {
            Form::Null => {}
            Form::Boolean => self.out.push(u8::from(choices.chance(128))),
            Form::Int => {
                let value = integer(&of.logical, choices);
                let least = i64::from(i32::MIN);
                self.number(value.clamp(least, i64::from(i32::MAX)), choices);
            }
            Form::Long => {
                let value = integer(&of.logical, choices);
                self.number(value, choices);
            }
            Form::Float => self.out.extend((choices.number() as u32).to_le_bytes()),
            Form::Double => self.out.extend(choices.number().to_le_bytes()),
            Form::Bytes => {
                let bytes = match choices.chance(128) {
                    true => text(choices),
                    false => choices.bytes(18),
                };
                self.text(&bytes, choices);
            }
            Form::String if of.logical == "uuid" && !choices.chance(25) => {
                self.text(b"123e4567-e89b-12d3-A456-426614174000", choices);
            }
            Form::String => {
                let text = text(choices);
                self.text(&text, choices);
            }
            Form::Fixed(size) => {
                let is_small = !choices.chance(80);
                for at in 0..*size {
                    let byte = match is_small && at + 1 < *size {
                        true => 0,
                        false => choices.byte(),
                    };
                    self.out.push(byte);
                }
            }
            Form::Enum(symbols, _) => {
                let at = choices.below(symbols.len());
                self.number(at as i64, choices);
            }
            Form::Union(branches) => {
                let is_null = |b: &usize| self.schema.types[*b].form == Form::Null;
                let null = branches.iter().position(is_null);
                let drawn = choices.below(branches.len());
                let at = null.filter(|_| depth > 12).unwrap_or(drawn);
                self.number(at as i64, choices);
                self.value(branches[at], depth, choices);
            }
            Form::Record(fields) => {
                for field in fields {
                    if depth < 70 {
                        self.value(field.ty, depth + 1, choices);
                    }
                }
            }
            Form::Array(items) => self.blocks(None, *items, depth, choices),
            Form::Map(values) => self.blocks(Some(()), *values, depth, choices),
        }
    }

    fn blocks(&mut self, keys: Option<()>, ty: usize, depth: usize, choices: &mut Choices<'_>) {
        let most = match () {
            () if depth > 6 || self.items > MOST_ITEMS || choices.is_spent() => 0,
            () if choices.chance(12) => 40,
            () => 3,
        };
        let mut at = 0;
        for _ in 0..choices.below(3) {
            let count = choices.below(most + 1);
            if count == 0 {
                break;
            }
            let from = self.out.len();
            for _ in 0..count {
                self.items += 1;
                if keys.is_some() {
                    let key = match choices.chance(5) {
                        true => "k0".to_owned(),
                        false => format!("k{at}"),
                    };
                    self.text(key.as_bytes(), choices);
                }
                at += 1;
                self.value(ty, depth + 1, choices);
            }
            let items = self.out.split_off(from);
            match choices.chance(128) {
                true => {
                    self.number(-(count as i64), choices);
                    self.number(items.len() as i64, choices);
                }
                false => self.number(count as i64, choices),
            }
            self.out.extend(items);
        }
        self.number(0, choices);
    }
}

pub fn integer(logical: &str, choices: &mut Choices<'_>) -> i64 {
    let most: i64 = match logical {
        "date" => 3_000_000,
        "time-millis" => 90_000_000,
        "time-micros" => 90_000_000_000,
        "timestamp-millis" | "local-timestamp-millis" => 260_000_000_000_000,
        "timestamp-micros" | "local-timestamp-micros" => 260_000_000_000_000_000,
        _ => i64::MAX,
    };
    let value = (choices.number() as i64).checked_rem(most).unwrap_or(0);
    value >> choices.below(41)
}

pub fn text(choices: &mut Choices<'_>) -> Vec<u8> {
    const FEW: [&str; 7] = ["", "a", "k", "ä", "😀", "twelve bytes", "x\u{0}y"];
    match choices.chance(50) {
        false => choices.pick(&FEW).as_bytes().to_vec(),
        true => "ab💧".repeat(1 + choices.below(40)).into_bytes(),
    }
}
