//! JSON's syntax (RFC 8259): a cursor over one message whose bytes are known to be UTF-8.
//!
//! Owns: tokens, escapes, depth. Does not own: what a value means.

use crate::model::reject::{Fault, RejectCode};

/// Levels of arrays and objects that a message may nest.
pub const MAX_DEPTH: u32 = 64;

/// A place in a message.
#[derive(Debug, Clone, Copy)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    /// The next byte to read.
    pub at: usize,
    depth: u32,
}

/// What is wrong with a message's syntax.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// It is no JSON; the rule that was broken.
    Invalid(&'static str),
    /// It nests beyond [`MAX_DEPTH`].
    TooDeep,
}

/// A flaw is a fault of the whole message.
pub type Syntax<T> = Result<T, Flaw>;

/// A number of JSON's number grammar.
#[derive(Debug, Clone, Copy)]
pub struct Number<'a> {
    /// The text.
    pub text: &'a [u8],
    /// True without fraction and exponent.
    pub is_integer: bool,
    /// All digits but the exponent's as one integer, if there are at most [`MAX_DIGITS`] and no
    /// exponent.
    digits: Option<u64>,
    /// Digits behind the point.
    scale: usize,
}

/// Digits that a `u64` always holds.
const MAX_DIGITS: usize = 19;

/// Powers of ten that a double holds exactly.
const TENS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

impl From<Flaw> for Fault {
    #[cold]
    fn from(flaw: Flaw) -> Self {
        let (code, message) = match flaw {
            Flaw::Invalid(rule) => (RejectCode::InvalidJson, rule.to_owned()),
            Flaw::TooDeep => (
                RejectCode::TooDeep,
                format!("nested beyond {MAX_DEPTH} levels"),
            ),
        };
        Fault {
            code,
            field: None,
            message,
        }
    }
}

impl Number<'_> {
    /// The integer, if it is one of few enough digits.
    #[inline]
    pub fn as_i64(&self) -> Option<i64> {
        let value = i64::try_from(self.digits?).ok()?;
        self.is_integer
            .then_some(if self.is_negative() { -value } else { value })
    }

    /// The nearest double, where one division of two exact doubles gives it; `None` says nothing.
    #[inline]
    pub fn as_f64(&self) -> Option<f64> {
        let digits = self.digits.filter(|d| *d <= 1 << 53)?;
        let value = digits as f64 / TENS.get(self.scale)?;
        Some(if self.is_negative() { -value } else { value })
    }

    /// The nearest float, as [`Number::as_f64`].
    #[inline]
    pub fn as_f32(&self) -> Option<f32> {
        let digits = self.digits.filter(|d| *d <= 1 << 24)?;
        // 10^10 is the last power of ten that a float holds exactly.
        let tens = TENS[..=10].get(self.scale)?;
        let value = digits as f32 / *tens as f32;
        Some(if self.is_negative() { -value } else { value })
    }

    fn is_negative(&self) -> bool {
        self.text.first() == Some(&b'-')
    }
}

impl<'a> Cursor<'a> {
    /// The beginning of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            depth: 0,
        }
    }

    /// The next byte that is no white space, not consumed; 0 at the end.
    #[inline]
    pub fn peek(&mut self) -> u8 {
        while let Some(&b) = self.bytes.get(self.at) {
            if b > b' ' || !matches!(b, b' ' | b'\n' | b'\r' | b'\t') {
                return b;
            }
            self.at += 1;
        }
        0
    }

    /// The bytes not yet read.
    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Consumes `byte`, after white space.
    #[inline]
    pub fn expect(&mut self, byte: u8, message: &'static str) -> Syntax<()> {
        if self.peek() == byte && self.at < self.bytes.len() {
            self.at += 1;
            Ok(())
        } else {
            Err(Flaw::Invalid(message))
        }
    }

    /// One level down; `[` or `{` was consumed.
    #[inline]
    pub fn enter(&mut self) -> Syntax<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Flaw::TooDeep);
        }
        Ok(())
    }

    /// One level up.
    #[inline]
    pub fn leave(&mut self) {
        self.depth -= 1;
    }

    /// After a member or element: true if another follows, false at `close`, which is consumed.
    #[inline]
    pub fn more(&mut self, close: u8) -> Syntax<bool> {
        if self.bytes.get(self.at) == Some(&b',') {
            self.at += 1;
            return Ok(true);
        }
        match self.peek() {
            b',' => {
                self.at += 1;
                Ok(true)
            }
            b if b == close && self.at < self.bytes.len() => {
                self.at += 1;
                self.leave();
                Ok(false)
            }
            _ => Err(Flaw::Invalid("a comma or a closing bracket was expected")),
        }
    }

    /// After `[` or `{`: true if it is empty; the closing byte is consumed.
    #[inline]
    pub fn is_empty(&mut self, close: u8) -> bool {
        let empty = self.peek() == close && self.at < self.bytes.len();
        if empty {
            self.at += 1;
            self.leave();
        }
        empty
    }

    /// Nothing but white space is left.
    pub fn end(&mut self) -> Syntax<()> {
        self.peek();
        if self.at == self.bytes.len() {
            Ok(())
        } else {
            Err(Flaw::Invalid("text follows the value"))
        }
    }

    /// `true`, `false` or `null`.
    pub fn word(&mut self, word: &str) -> Syntax<()> {
        self.peek();
        if self.bytes[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(())
        } else {
            Err(Flaw::Invalid("a value was expected"))
        }
    }

    /// A number, after white space.
    #[inline]
    pub fn number(&mut self) -> Syntax<Number<'a>> {
        const BAD: Flaw = Flaw::Invalid("a number is malformed");
        self.peek();
        let from = self.at;
        let mut digits = 0;
        if self.bytes.get(from) == Some(&b'-') {
            self.at += 1;
        }
        let leading = self.bytes.get(self.at);
        let whole = self.digits(&mut digits);
        if whole == 0 || whole > 1 && leading == Some(&b'0') {
            return Err(BAD);
        }
        let mut scale = 0;
        let mut is_integer = true;
        if self.bytes.get(self.at) == Some(&b'.') {
            is_integer = false;
            self.at += 1;
            scale = self.digits(&mut digits);
            if scale == 0 {
                return Err(BAD);
            }
        }
        let mut is_plain = whole + scale <= MAX_DIGITS;
        if matches!(self.bytes.get(self.at), Some(b'e' | b'E')) {
            is_integer = false;
            is_plain = false;
            self.at += 1;
            if matches!(self.bytes.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if self.digits(&mut 0) == 0 {
                return Err(BAD);
            }
        }
        Ok(Number {
            text: &self.bytes[from..self.at],
            is_integer,
            digits: is_plain.then_some(digits),
            scale,
        })
    }

    /// Passes digits over and appends them to `value`, which wraps around; returns their number.
    #[inline]
    fn digits(&mut self, value: &mut u64) -> usize {
        let digit = |b: &u8| Some(b.wrapping_sub(b'0')).filter(|digit| *digit <= 9);
        let mut count = 0;
        for digit in self.rest().iter().map_while(digit) {
            *value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
            count += 1;
        }
        self.at += count;
        count
    }

    /// A string, after white space: its text, from the message itself, or from `scratch` where it
    /// has escapes.
    #[inline]
    pub fn string<'s>(&mut self, scratch: &'s mut Vec<u8>) -> Syntax<&'s [u8]>
    where
        'a: 's,
    {
        self.expect(b'"', "a string was expected")?;
        let rest = self.rest();
        let length = plain_length(rest);
        if let Some((text, [b'"', ..])) = rest.split_at_checked(length) {
            self.at += length + 1;
            return Ok(text);
        }
        scratch.clear();
        self.escaped(scratch)?;
        Ok(scratch)
    }

    /// The rest of a string that has escapes.
    #[cold]
    fn escaped(&mut self, out: &mut Vec<u8>) -> Syntax<()> {
        loop {
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape(out)?,
                Some(b) if *b < 0x20 => {
                    return Err(Flaw::Invalid("a control character stands in a string"));
                }
                Some(_) => {
                    let rest = self.rest();
                    let plain = &rest[..plain_length(rest)];
                    out.extend_from_slice(plain);
                    self.at += plain.len();
                }
                None => return Err(Flaw::Invalid("a string does not end")),
            }
        }
    }

    fn escape(&mut self, out: &mut Vec<u8>) -> Syntax<()> {
        let kind = self.bytes.get(self.at + 1).copied().unwrap_or(0);
        self.at += 2;
        let byte = match kind {
            b'"' | b'\\' | b'/' => kind,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let first = self.hex4()?;
                let code = match first {
                    0xD800..=0xDBFF => {
                        if self.bytes.get(self.at..self.at + 2) != Some(b"\\u".as_slice()) {
                            return Err(Flaw::Invalid("a lone surrogate stands in a string"));
                        }
                        self.at += 2;
                        let second = self.hex4()?;
                        if !(0xDC00..=0xDFFF).contains(&second) {
                            return Err(Flaw::Invalid("a lone surrogate stands in a string"));
                        }
                        0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)
                    }
                    other => other,
                };
                let Some(c) = char::from_u32(code) else {
                    return Err(Flaw::Invalid("a lone surrogate stands in a string"));
                };
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(());
            }
            _ => return Err(Flaw::Invalid("an escape is malformed")),
        };
        out.push(byte);
        Ok(())
    }

    fn hex4(&mut self) -> Syntax<u32> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self
                .bytes
                .get(self.at)
                .and_then(|b| char::from(*b).to_digit(16))
                .ok_or(Flaw::Invalid("an escape is malformed"))?;
            code = code << 4 | digit;
            self.at += 1;
        }
        Ok(code)
    }

    /// Passes one value over, checking its syntax and depth.
    pub fn skip(&mut self, scratch: &mut Vec<u8>) -> Syntax<()> {
        match self.peek() {
            b'{' => {
                self.at += 1;
                self.enter()?;
                if self.is_empty(b'}') {
                    return Ok(());
                }
                loop {
                    self.string(scratch)?;
                    self.expect(b':', "a colon was expected")?;
                    self.skip(scratch)?;
                    if !self.more(b'}')? {
                        return Ok(());
                    }
                }
            }
            b'[' => {
                self.at += 1;
                self.enter()?;
                if self.is_empty(b']') {
                    return Ok(());
                }
                loop {
                    self.skip(scratch)?;
                    if !self.more(b']')? {
                        return Ok(());
                    }
                }
            }
            b'"' => self.string(scratch).map(drop),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            b'-' | b'0'..=b'9' => self.number().map(drop),
            _ => Err(Flaw::Invalid("a value was expected")),
        }
    }
}

/// The number of bytes before the first that is a quote, a backslash or a control character.
#[inline]
fn plain_length(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let mut rest = bytes;
    while let Some((word, next)) = rest.split_first_chunk::<8>() {
        let word = u64::from_le_bytes(*word);
        // In each, a byte's highest bit is set where the byte was below, or was high before.
        let quote = (word ^ (ONES * u64::from(b'"'))).wrapping_sub(ONES);
        let backslash = (word ^ (ONES * u64::from(b'\\'))).wrapping_sub(ONES);
        let control = word.wrapping_sub(ONES * 0x20);
        let hit = (quote | backslash | control) & !word & HIGH;
        if hit != 0 {
            // The lowest hit is exact; those above it may be borrowed.
            return bytes.len() - rest.len() + hit.trailing_zeros() as usize / 8;
        }
        rest = next;
    }
    let plain = |b: &&u8| **b != b'"' && **b != b'\\' && **b >= 0x20;
    bytes.len() - rest.len() + rest.iter().take_while(plain).count()
}

#[cfg(test)]
mod tests;
