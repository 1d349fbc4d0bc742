//! JSON messages for a schema: mostly ones that can land, as they are written by hand and by
//! machines.

use crate::choices::Choices;
use crate::draw::data;
use crate::reference::message::Rules;
use crate::reference::schema::{Form, Type};

/// A message by `rules`.
pub fn message(rules: &Rules, choices: &mut Choices<'_>) -> Vec<u8> {
    let mut messages = Messages {
        rules,
        out: String::new(),
        items: 0,
    };
    match rules.envelope {
        false => messages.record(rules.schema.root, 0, choices),
        true => messages.envelope(choices),
    }
    messages.space(choices);
    messages.out.into_bytes()
}

struct Messages<'a> {
    rules: &'a Rules,
    out: String,
    items: usize,
}

/// Values that fit few types.
const ODD: [&str; 32] = [
    "null",
    "0",
    "-0",
    "1.0",
    "1e0",
    "true",
    "\"\"",
    "[]",
    "{}",
    "\"1\"",
    "[1,]",
    "tru",
    "01",
    "1.",
    "\"\\ud800\"",
    "\"\\ud83d\\ude00\"",
    "{\"int\":1}",
    "{\"a\":1,\"a\":1}",
    "[[[[]]]]",
    "1e400",
    "1e-400",
    "-1E+5",
    "9007199254740993",
    "16777217",
    "123456789012345678901234567890",
    "0.1",
    "\"2024-02-30\"",
    "\"0000-01-01T00:00:00Z\"",
    "\"AAE=\"",
    "\"23:59:60\"",
    "1.7976931348623157e308",
    "4.9e-324",
];

impl Messages<'_> {
    fn space(&mut self, choices: &mut Choices<'_>) {
        if choices.chance(30) {
            self.out += choices.pick(&[" ", "\n", "\r\n\t ", "  "]);
        }
    }

    fn token(&mut self, token: &str, choices: &mut Choices<'_>) {
        self.space(choices);
        self.out += token;
        self.space(choices);
    }

    fn string(&mut self, text: &str, choices: &mut Choices<'_>) {
        self.out.push('"');
        for c in text.chars() {
            match c {
                _ if choices.chance(8) => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        self.out += &format!("\\u{unit:04x}");
                    }
                }
                '"' => self.out += "\\\"",
                '\\' => self.out += "\\\\",
                '\n' => self.out += "\\n",
                '\0'..='\u{1f}' => self.out += &format!("\\u{:04X}", c as u32),
                c => self.out.push(c),
            }
        }
        self.out.push('"');
    }

    fn envelope(&mut self, choices: &mut Choices<'_>) {
        let name = match choices.chance(5) {
            true => "date",
            false => "data",
        };
        self.token("{", choices);
        self.string(name, choices);
        self.token(":", choices);
        self.token("[", choices);
        for at in 0..choices.below(6) {
            if at > 0 {
                self.token(",", choices);
            }
            match choices.chance(10) {
                true => self.odd(choices),
                false => self.record(self.rules.schema.root, 2, choices),
            }
        }
        self.token("]", choices);
        if choices.chance(5) {
            self.out += ",\"x\":1";
        }
        self.token("}", choices);
    }

    fn odd(&mut self, choices: &mut Choices<'_>) {
        match choices.chance(3) {
            true => {
                let levels = 60 + choices.below(8);
                self.out += &"[".repeat(levels);
                self.out += &"]".repeat(levels);
            }
            false => self.out += choices.pick(&ODD),
        }
    }

    fn record(&mut self, record: usize, depth: usize, choices: &mut Choices<'_>) {
        let fields = self.rules.schema.fields(record);
        let names: Vec<String> = match record == self.rules.schema.root {
            true => self.rules.names.clone(),
            false => fields.iter().map(|f| f.name.clone()).collect(),
        };
        let mut order: Vec<usize> = (0..fields.len()).collect();
        if choices.chance(50) {
            order.rotate_left(choices.below(fields.len()));
            let (a, b) = (choices.below(fields.len()), choices.below(fields.len()));
            order.swap(a, b);
        }
        if choices.chance(12) {
            order.push(choices.below(fields.len()));
        }
        if choices.chance(20) {
            order.remove(choices.below(order.len()));
        }
        self.token("{", choices);
        let mut first = true;
        for at in order {
            if !first {
                self.token(",", choices);
            }
            first = false;
            if choices.chance(8) {
                self.unknown(record, choices);
                self.token(",", choices);
            }
            self.string(&names[at], choices);
            self.token(":", choices);
            self.value(fields[at].ty, depth + 1, choices);
        }
        self.token("}", choices);
    }

    fn unknown(&mut self, record: usize, choices: &mut Choices<'_>) {
        let name = match choices.chance(50) {
            true => self.rules.schema.types[record].name.clone(),
            false => choices
                .pick(&["x", "data", "f0 ", "F0", "", "é"])
                .to_owned(),
        };
        self.string(&name, choices);
        self.token(":", choices);
        self.odd(choices);
    }

    fn value(&mut self, ty: usize, depth: usize, choices: &mut Choices<'_>) {
        if choices.chance(10) {
            return self.odd(choices);
        }
        let Ok((ty, nullable)) = self.rules.schema.landing(ty) else {
            return;
        };
        if nullable && choices.chance(80) {
            self.out += "null";
            return;
        }
        let of = &self.rules.schema.types[ty];
        match &of.form {
            Form::Record(_) => self.record(ty, depth, choices),
            Form::Array(items) => {
                self.token("[", choices);
                for at in 0..self.count(depth, choices) {
                    if at > 0 {
                        self.token(",", choices);
                    }
                    self.value(*items, depth + 1, choices);
                }
                self.token("]", choices);
            }
            Form::Map(values) => {
                self.token("{", choices);
                for at in 0..self.count(depth, choices) {
                    if at > 0 {
                        self.token(",", choices);
                    }
                    let key = match choices.chance(8) {
                        true => "k0".to_owned(),
                        false => format!("k{at}"),
                    };
                    self.string(&key, choices);
                    self.token(":", choices);
                    self.value(*values, depth + 1, choices);
                }
                self.token("}", choices);
            }
            _ => self.scalar(of, choices),
        }
    }

    fn count(&mut self, depth: usize, choices: &mut Choices<'_>) -> usize {
        let most = match () {
            () if depth > 8 || self.items > 100 || choices.is_spent() => 0,
            () if choices.chance(12) => 40,
            () => 4,
        };
        let count = choices.below(most + 1);
        self.items += count;
        count
    }

    fn scalar(&mut self, of: &Type, choices: &mut Choices<'_>) {
        match (&of.form, of.logical.as_str()) {
            (_, "decimal") => self.decimal(of, choices),
            (_, "uuid") => self.out += "\"123e4567-e89b-12d3-A456-426614174000\"",
            (_, "date" | "time-millis" | "time-micros")
            | (_, "timestamp-millis")
            | (_, "timestamp-micros" | "timestamp-nanos" | "local-timestamp-millis")
            | (_, "local-timestamp-micros" | "local-timestamp-nanos")
                if choices.chance(200) =>
            {
                let text = moment(&of.logical, choices);
                self.string(&text, choices);
            }
            (Form::Boolean, _) => self.out += choices.pick(&["true", "false"]),
            (Form::Int, _) => {
                let value = data::integer(&of.logical, choices);
                let value = if of.logical.is_empty() {
                    value >> 31
                } else {
                    value
                };
                self.out += &value.to_string();
            }
            (Form::Long, _) => self.out += &data::integer(&of.logical, choices).to_string(),
            (Form::Float | Form::Double, _) => self.float(choices),
            (Form::Enum(symbols, _), _) => {
                let symbol = symbols[choices.below(symbols.len())].clone();
                self.string(&symbol, choices);
            }
            (Form::Fixed(size), _) => {
                let bytes: Vec<u8> = (0..*size).map(|_| choices.byte()).collect();
                self.base64(&bytes);
            }
            (Form::Bytes, _) => {
                let bytes = choices.bytes(18);
                self.base64(&bytes);
            }
            _ => {
                let text = data::text(choices);
                self.string(&String::from_utf8_lossy(&text), choices);
            }
        }
    }

    fn base64(&mut self, bytes: &[u8]) {
        use base64::Engine as _;
        let text = base64::engine::general_purpose::STANDARD.encode(bytes);
        self.out += &format!("\"{text}\"");
    }

    /// Digits with a point and an exponent where it may hurt.
    fn float(&mut self, choices: &mut Choices<'_>) {
        match choices.below(4) {
            0 => self.out += &(data::integer("", choices)).to_string(),
            1 => {
                let value = f64::from_bits(choices.number());
                self.out += &match value.is_finite() {
                    true => format!("{value:e}"),
                    false => "1.5".to_owned(),
                };
            }
            2 => {
                let value = f32::from_bits(choices.number() as u32);
                self.out += &match value.is_finite() {
                    true => format!("{value}"),
                    false => "0.5".to_owned(),
                };
            }
            _ => {
                let whole = choices.number() >> choices.below(64);
                let fraction = choices.number() >> choices.below(64);
                self.out += &format!("{whole}.{fraction}");
                if choices.chance(100) {
                    self.out += &format!("e{}", choices.below(700) as i64 - 350);
                }
            }
        }
    }

    fn decimal(&mut self, of: &Type, choices: &mut Choices<'_>) {
        let mut digits = String::new();
        let count = 1 + choices.below(of.precision as usize + 1);
        for _ in 0..count {
            digits.push(char::from(b'0' + choices.below(10) as u8));
        }
        let digits = digits.trim_start_matches('0');
        let scale = choices.below(of.scale as usize + 2);
        let padded = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = padded.split_at(padded.len() - scale);
        let point = if fraction.is_empty() { "" } else { "." };
        let sign = if choices.chance(80) { "-" } else { "" };
        let exponent = choices.pick(&["", "", "", "e0", "E+1", "e-2", "e99999999999999999999"]);
        let text = format!("{sign}{whole}{point}{fraction}{exponent}");
        match choices.chance(128) {
            true => self.out += &format!("\"{text}\""),
            false => self.out += &text,
        }
    }
}

/// A date, a time or both, at times with a part that is none.
fn moment(logical: &str, choices: &mut Choices<'_>) -> String {
    let is_odd = choices.chance(30);
    let mut part = |from: usize, to: usize| {
        let to = if is_odd { to + 2 } else { to };
        from + choices.below(to - from + 1)
    };
    let year = match part(0, 7) {
        0 => 1970,
        1 => part(1, 9999),
        2 => 2000,
        3 => 100 * part(1, 99),
        4 => part(0, 2),
        5 => part(9997, 9999),
        _ => part(1600, 2300),
    };
    // the ends of months, and of Februaries most
    let month = if part(0, 2) == 2 { 2 } else { part(1, 12) };
    let day = match part(0, 3) {
        0..=2 => part(1, 28),
        _ => part(28, 31),
    };
    let date = format!("{year:04}-{month:02}-{day:02}");
    let mut time = format!("{:02}:{:02}:{:02}", part(0, 23), part(0, 59), part(0, 59));
    let digits = part(0, 12);
    if digits > 0 {
        time.push('.');
        for at in 0..digits {
            let digit = if at < 3 {
                part(0, 9) % 10
            } else {
                part(0, 9) % 10 / 9
            };
            time.push(char::from(b'0' + digit as u8));
        }
    }
    let zone = choices.pick(&["Z", "z", "+00:00", "-23:59", "+05:30", "", "+24:00", "Zx"]);
    let between = choices.pick(&["T", "T", "t", " ", "_"]);
    match logical {
        "date" => date,
        "time-millis" | "time-micros" => time,
        _ if logical.starts_with("local") && !is_odd => format!("{date}{between}{time}"),
        _ => format!("{date}{between}{time}{zone}"),
    }
}
