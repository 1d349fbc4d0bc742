//! The bytes of a datum: varints, lengths, indices and blocks, each within what is there.
//!
//! Owns: the specification's binary encoding, strictly. Does not own: what the values mean.

use crate::model::reject::RejectCode;

/// What is wrong with a datum as one of its writer's schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    Ends,
    Varint,
    Int,
    Boolean,
    Index,
    Length,
    Block,
    Utf8,
    Deep,
    Large,
    Trailing,
}

impl Flaw {
    pub(super) fn code(self) -> RejectCode {
        match self {
            Flaw::Utf8 => RejectCode::InvalidUtf8,
            Flaw::Deep => RejectCode::TooDeep,
            Flaw::Large => RejectCode::TooLarge,
            Flaw::Trailing => RejectCode::TrailingBytes,
            _ => RejectCode::InvalidAvro,
        }
    }

    pub(super) fn rule(self) -> &'static str {
        match self {
            Flaw::Ends => "the datum ends before its value does",
            Flaw::Varint => "a varint has more than 64 bits",
            Flaw::Int => "an int has more than 32 bits",
            Flaw::Boolean => "a boolean is neither 0 nor 1",
            Flaw::Index => "the index is of no branch or symbol",
            Flaw::Length => "a length is negative",
            Flaw::Block => "a block's items do not take the bytes that it says",
            Flaw::Utf8 => "a string is not UTF-8",
            Flaw::Deep => "the datum nests more than 64 levels",
            Flaw::Large => "the datum has more items than its bytes allow",
            Flaw::Trailing => "bytes stand behind the datum",
        }
    }
}

type Found<T> = Result<T, Flaw>;

/// A datum, read from its beginning.
#[derive(Debug)]
pub(super) struct Bytes<'a> {
    datum: &'a [u8],
    pub(super) at: usize,
}

/// A block of an array or a map.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) count: usize,
    /// Where it ends, if it says so.
    end: Option<usize>,
}

impl<'a> Bytes<'a> {
    pub(super) fn new(datum: &'a [u8]) -> Self {
        Self { datum, at: 0 }
    }

    #[inline]
    pub(super) fn end(&self) -> Found<()> {
        match self.at == self.datum.len() {
            true => Ok(()),
            false => Err(Flaw::Trailing),
        }
    }

    #[inline]
    fn left(&self) -> usize {
        self.datum.len() - self.at
    }

    #[inline]
    pub(super) fn take(&mut self, count: usize) -> Found<&'a [u8]> {
        let rest = self.datum.get(self.at..).unwrap_or_default();
        let (taken, _) = rest.split_at_checked(count).ok_or(Flaw::Ends)?;
        self.at += count;
        Ok(taken)
    }

    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Found<[u8; N]> {
        let rest = self.datum.get(self.at..).unwrap_or_default();
        let taken = rest.first_chunk::<N>().ok_or(Flaw::Ends)?;
        self.at += N;
        Ok(*taken)
    }

    #[inline]
    pub(super) fn boolean(&mut self) -> Found<bool> {
        match self.array()? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(Flaw::Boolean),
        }
    }

    /// A varint of up to 64 bits, as it stands: without the zigzag undone.
    #[inline(always)]
    fn varint(&mut self) -> Found<u64> {
        match self.datum.get(self.at) {
            Some(first) if *first < 0x80 => {
                self.at += 1;
                Ok(u64::from(*first))
            }
            _ => self.wide_varint(),
        }
    }

    fn wide_varint(&mut self) -> Found<u64> {
        let rest = self.datum.get(self.at..).unwrap_or_default();
        // eight bytes at once: those up to the first without its high bit, seven bits of each
        if let Some(chunk) = rest.first_chunk::<8>() {
            let word = u64::from_le_bytes(*chunk);
            let ends = !word & 0x8080_8080_8080_8080;
            if ends != 0 {
                let count = ends.trailing_zeros() / 8 + 1;
                self.at += count as usize;
                return Ok(packed(word & (u64::MAX >> (64 - 8 * count))));
            }
        }
        self.long_varint()
    }

    fn long_varint(&mut self) -> Found<u64> {
        let mut value = 0_u64;
        for place in 0..10 {
            let [byte] = self.array()?;
            if place == 9 && byte > 1 {
                return Err(Flaw::Varint);
            }
            value |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Flaw::Varint)
    }

    #[inline]
    pub(super) fn long(&mut self) -> Found<i64> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// At most five bytes and 32 bits.
    #[inline]
    pub(super) fn int(&mut self) -> Found<i32> {
        let from = self.at;
        let value = self.varint()?;
        match u32::try_from(value) {
            Ok(value) if self.at - from <= 5 => Ok((value >> 1) as i32 ^ -((value & 1) as i32)),
            _ => Err(Flaw::Int),
        }
    }

    /// The index of one of `count` branches or symbols: an int by the specification, for branches
    /// written as a long.
    #[inline]
    pub(super) fn index(&mut self, count: usize) -> Found<usize> {
        match usize::try_from(self.long()?) {
            Ok(index) if index < count => Ok(index),
            _ => Err(Flaw::Index),
        }
    }

    #[inline]
    pub(super) fn bytes(&mut self) -> Found<&'a [u8]> {
        let length = usize::try_from(self.long()?).map_err(|_| Flaw::Length)?;
        self.take(length)
    }

    #[inline]
    pub(super) fn text(&mut self) -> Found<&'a [u8]> {
        let text = self.bytes()?;
        match is_utf8(text) {
            true => Ok(text),
            false => Err(Flaw::Utf8),
        }
    }

    /// The next block of items that take at least `least` bytes each; `None` behind the last one.
    pub(super) fn block(&mut self, least: usize) -> Found<Option<Block>> {
        let count = self.long()?;
        if count == 0 {
            return Ok(None);
        }
        let end = match count < 0 {
            true => {
                let size = usize::try_from(self.long()?).map_err(|_| Flaw::Length)?;
                if size > self.left() {
                    return Err(Flaw::Ends);
                }
                Some(self.at + size)
            }
            false => None,
        };
        let count = usize::try_from(count.unsigned_abs()).map_err(|_| Flaw::Ends)?;
        if count.saturating_mul(least) > self.left() {
            return Err(Flaw::Ends);
        }
        Ok(Some(Block { count, end }))
    }

    /// To be called behind the last item of a block.
    pub(super) fn leave(&self, block: &Block) -> Found<()> {
        match block.end.is_none_or(|end| end == self.at) {
            true => Ok(()),
            false => Err(Flaw::Block),
        }
    }
}

/// The low seven bits of each byte, side by side.
#[inline]
fn packed(word: u64) -> u64 {
    let w = word & 0x7f7f_7f7f_7f7f_7f7f;
    let w = (w & 0x007f_007f_007f_007f) | (w & 0x7f00_7f00_7f00_7f00) >> 1;
    let w = (w & 0x0000_3fff_0000_3fff) | (w & 0x3fff_0000_3fff_0000) >> 2;
    (w & 0x0fff_ffff) | (w & 0x0fff_ffff_0000_0000) >> 4
}

const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

/// UTF-8, with a short way for short ASCII.
#[inline]
pub(super) fn is_utf8(text: &[u8]) -> bool {
    let is_ascii = match text.len() {
        64.. => false,
        8.. => {
            let word = |chunk: &[u8]| {
                chunk
                    .first_chunk()
                    .map_or(HIGH_BITS, |c| u64::from_le_bytes(*c))
            };
            let last = text
                .last_chunk()
                .map_or(HIGH_BITS, |c| u64::from_le_bytes(*c));
            let all = text.chunks_exact(8).fold(last, |all, c| all | word(c));
            all & HIGH_BITS == 0
        }
        _ => text.iter().fold(0, |all, b| all | b) < 0x80,
    };
    is_ascii || simdutf8::basic::from_utf8(text).is_ok()
}

/// What a datum's items may still take, in bytes: a short datum cannot ask for a large row.
#[derive(Debug)]
pub(super) struct Budget {
    left: usize,
}

/// What an item costs that takes no bytes.
const NOTHING: usize = 32;

impl Budget {
    pub(super) fn new(datum: usize) -> Self {
        Self {
            left: (32 << 20) + 16 * datum,
        }
    }

    /// Takes `count` items of `bytes` each, which take at least `least` bytes of the datum.
    #[inline]
    pub(super) fn take(&mut self, count: usize, bytes: usize, least: usize) -> Found<()> {
        let each = if least == 0 {
            bytes.max(NOTHING)
        } else {
            bytes
        };
        self.left = self
            .left
            .checked_sub(count.saturating_mul(each))
            .ok_or(Flaw::Large)?;
        Ok(())
    }
}
