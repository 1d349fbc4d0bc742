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

/// A fault of the whole message.
pub type Syntax<T> = Result<T, Fault>;

/// A number's text, of JSON's number grammar.
#[derive(Debug, Clone, Copy)]
pub struct Number<'a> {
    /// The text.
    pub text: &'a [u8],
    /// True without fraction and exponent.
    pub is_integer: bool,
}

fn invalid(message: &str) -> Fault {
    Fault {
        code: RejectCode::InvalidJson,
        field: None,
        message: message.to_owned(),
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
            if !matches!(b, b' ' | b'\n' | b'\r' | b'\t') {
                return b;
            }
            self.at += 1;
        }
        0
    }

    /// Consumes `byte`, after white space.
    #[inline]
    pub fn expect(&mut self, byte: u8, message: &str) -> Syntax<()> {
        if self.peek() == byte && self.at < self.bytes.len() {
            self.at += 1;
            Ok(())
        } else {
            Err(invalid(message))
        }
    }

    /// One level down; `[` or `{` was consumed.
    #[inline]
    pub fn enter(&mut self) -> Syntax<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Fault {
                code: RejectCode::TooDeep,
                field: None,
                message: format!("nested beyond {MAX_DEPTH} levels"),
            });
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
            _ => Err(invalid("a comma or a closing bracket was expected")),
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
            Err(invalid("text follows the value"))
        }
    }

    /// `true`, `false` or `null`.
    pub fn word(&mut self, word: &str) -> Syntax<()> {
        self.peek();
        if self.bytes[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(())
        } else {
            Err(invalid("a value was expected"))
        }
    }

    /// A number, after white space.
    #[inline]
    pub fn number(&mut self) -> Syntax<Number<'a>> {
        self.peek();
        let from = self.at;
        let bytes = self.bytes;
        let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
        let bad = || Err(invalid("a number is malformed"));
        if bytes.get(self.at) == Some(&b'-') {
            self.at += 1;
        }
        if !digit(self.at) {
            return bad();
        }
        if bytes[self.at] == b'0' {
            self.at += 1;
            if digit(self.at) {
                return bad();
            }
        } else {
            while digit(self.at) {
                self.at += 1;
            }
        }
        let mut is_integer = true;
        if bytes.get(self.at) == Some(&b'.') {
            is_integer = false;
            self.at += 1;
            if !digit(self.at) {
                return bad();
            }
            while digit(self.at) {
                self.at += 1;
            }
        }
        if matches!(bytes.get(self.at), Some(b'e' | b'E')) {
            is_integer = false;
            self.at += 1;
            if matches!(bytes.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if !digit(self.at) {
                return bad();
            }
            while digit(self.at) {
                self.at += 1;
            }
        }
        Ok(Number {
            text: &bytes[from..self.at],
            is_integer,
        })
    }

    /// A string, after white space: its text, from the message itself, or from `scratch` where it
    /// has escapes.
    #[inline]
    pub fn string<'s>(&mut self, scratch: &'s mut Vec<u8>) -> Syntax<&'s [u8]>
    where
        'a: 's,
    {
        self.expect(b'"', "a string was expected")?;
        let from = self.at;
        self.at = plain_end(self.bytes, self.at);
        match self.bytes.get(self.at) {
            Some(b'"') => {
                let text = &self.bytes[from..self.at];
                self.at += 1;
                Ok(text)
            }
            Some(b'\\') => {
                scratch.clear();
                scratch.extend_from_slice(&self.bytes[from..self.at]);
                self.escaped(scratch)?;
                Ok(scratch)
            }
            Some(_) => Err(invalid("a control character stands in a string")),
            None => Err(invalid("a string does not end")),
        }
    }

    /// The rest of a string from its first escape on.
    fn escaped(&mut self, out: &mut Vec<u8>) -> Syntax<()> {
        loop {
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape(out)?,
                Some(b) if *b < 0x20 => {
                    return Err(invalid("a control character stands in a string"));
                }
                Some(_) => {
                    let end = plain_end(self.bytes, self.at);
                    out.extend_from_slice(&self.bytes[self.at..end]);
                    self.at = end;
                }
                None => return Err(invalid("a string does not end")),
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
                            return Err(invalid("a lone surrogate stands in a string"));
                        }
                        self.at += 2;
                        let second = self.hex4()?;
                        if !(0xDC00..=0xDFFF).contains(&second) {
                            return Err(invalid("a lone surrogate stands in a string"));
                        }
                        0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)
                    }
                    other => other,
                };
                let Some(c) = char::from_u32(code) else {
                    return Err(invalid("a lone surrogate stands in a string"));
                };
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(());
            }
            _ => return Err(invalid("an escape is malformed")),
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
                .ok_or_else(|| invalid("an escape is malformed"))?;
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
            _ => Err(invalid("a value was expected")),
        }
    }
}

/// The first byte from `at` on that is a quote, a backslash or a control character.
#[inline]
fn plain_end(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    while let Some(chunk) = bytes.get(at..at + 8) {
        let Ok(word) = <[u8; 8]>::try_from(chunk) else {
            break;
        };
        let word = u64::from_le_bytes(word);
        let has_zero = |w: u64| w.wrapping_sub(ONES) & !w & HIGH;
        let quote = has_zero(word ^ (ONES * u64::from(b'"')));
        let backslash = has_zero(word ^ (ONES * u64::from(b'\\')));
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        let hit = quote | backslash | control;
        if hit != 0 {
            // The lowest hit is exact; those above it may be borrowed.
            return at + hit.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while let Some(b) = bytes.get(at) {
        if *b == b'"' || *b == b'\\' || *b < 0x20 {
            break;
        }
        at += 1;
    }
    at
}
