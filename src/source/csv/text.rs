//! A file's text: what is not cut into slices yet, as UTF-8, and beside it the bytes as sent.
//!
//! Owns: byte order marks, encodings, and which bytes a part of the text was. A malformed sequence
//! stands in the text as the byte FF, which is no UTF-8, so that its record is found at fault later.

use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};

use crate::config::dialect::TextEncoding;
use crate::source::csv::unpack::Unpacked;
use crate::source::csv::{Read, Trouble};

/// Stands for a malformed sequence.
const MALFORMED: u8 = 0xFF;

/// Room that is made for the text of a slice; more of it is for a long record, and not kept.
const MOST_ROOM: usize = 4 << 20;

/// The text that was read and not taken.
#[derive(Debug)]
pub(super) struct Text {
    source: Unpacked,
    /// How characters are written.
    pub(super) encoding: &'static Encoding,
    /// `None` in UTF-8.
    decoder: Option<Decoder>,
    /// UTF-8, but for malformed sequences.
    pub(super) text: Vec<u8>,
    /// The bytes of `text` as sent; empty in UTF-8, where they are the same.
    raw: Vec<u8>,
    /// A place in `text` and the same place in `raw`.
    known: (usize, usize),
    /// True if there is no more than `text`.
    pub(super) ended: bool,
    /// Where in the file `text` begins.
    pub(super) byte: u64,
}

impl Text {
    /// The text of `source` from its beginning; a byte order mark is passed over.
    pub(super) fn begin(mut source: Unpacked, declared: TextEncoding) -> Read<Self> {
        let mut bytes = Vec::new();
        source.read(&mut bytes, 4)?;
        if let Some(reason) = other_kind(&bytes, source.is_plain()) {
            return Err(Trouble::File(reason.to_owned()));
        }
        let marked = Encoding::for_bom(&bytes);
        let (encoding, mark) = match (declared, marked) {
            (TextEncoding::Utf8, Some((e, length))) if e == UTF_8 => (e, length),
            (TextEncoding::Utf8, None) => (UTF_8, 0),
            (TextEncoding::Utf16, Some((e, length))) if e != UTF_8 => (e, length),
            (TextEncoding::Utf16, None) if bytes.is_empty() => (UTF_16LE, 0),
            (TextEncoding::Utf16, None) => {
                return Err(Trouble::File(
                    "the file has no byte order mark, which encoding = \"utf-16\" goes by; set \"utf-16le\" or \"utf-16be\""
                        .to_owned(),
                ));
            }
            (TextEncoding::Other(e), None) => (e, 0),
            (TextEncoding::Other(e), Some((marked, length))) if e == marked => (e, length),
            (_, Some((marked, _))) => {
                return Err(Trouble::File(format!(
                    "the file begins with the byte order mark of {}, and the dialect says {}",
                    marked.name(),
                    name(declared)
                )));
            }
        };
        let bytes = bytes.split_off(mark);
        let mut text = Self::new(source, encoding, mark as u64);
        text.append(bytes);
        Ok(text)
    }

    /// The text of `source`, whose next byte is the file's byte `byte`, the beginning of a line.
    pub(super) fn resume(source: Unpacked, encoding: &'static Encoding, byte: u64) -> Self {
        Self::new(source, encoding, byte)
    }

    fn new(source: Unpacked, encoding: &'static Encoding, byte: u64) -> Self {
        Self {
            source,
            encoding,
            decoder: (encoding != UTF_8).then(|| encoding.new_decoder_without_bom_handling()),
            text: Vec::new(),
            raw: Vec::new(),
            known: (0, 0),
            ended: false,
            byte,
        }
    }

    /// Reads on by about `count` bytes.
    pub(super) fn fill(&mut self, count: usize) -> Read<()> {
        let Some(decoder) = &mut self.decoder else {
            self.ended = self.source.read(&mut self.text, count)? == 0;
            return Ok(());
        };
        let from = self.raw.len();
        self.ended = self.source.read(&mut self.raw, count)? == 0;
        decode(decoder, &self.raw[from..], self.ended, &mut self.text);
        Ok(())
    }

    fn append(&mut self, bytes: Vec<u8>) {
        match &mut self.decoder {
            None => self.text = bytes,
            Some(decoder) => {
                decode(decoder, &bytes, false, &mut self.text);
                self.raw = bytes;
            }
        }
    }

    /// Where in the bytes as sent the place `at` of the text is; `at` must be between characters.
    fn raw_of(&mut self, at: usize) -> usize {
        if self.decoder.is_none() {
            return at;
        }
        if at < self.known.0 {
            self.known = (0, 0);
        }
        let (text, raw) = self.known;
        let there = raw + raw_length(self.encoding, &self.raw[raw..], at - text);
        self.known = (at, there);
        there
    }

    /// Takes `from..to` out, and shows the bytes as sent to `seen`.
    pub(super) fn cut(&mut self, from: usize, to: usize, seen: impl FnOnce(&[u8])) {
        let raw = self.raw_of(from)..self.raw_of(to);
        if self.decoder.is_none() {
            seen(&self.text[raw.clone()]);
        } else {
            seen(&self.raw[raw.clone()]);
            self.raw.drain(raw.clone());
        }
        self.known = (from, raw.start);
        self.text.drain(from..to);
        self.byte += raw.len() as u64;
    }

    /// The bytes as sent of a part of the text.
    pub(super) fn sent(&mut self, from: usize, to: usize) -> &[u8] {
        let raw = self.raw_of(from)..self.raw_of(to);
        match self.decoder {
            None => &self.text[raw],
            Some(_) => &self.raw[raw],
        }
    }

    /// Takes the first `to` bytes of the text, with the bytes as sent (none in UTF-8); what was cut
    /// out is not among them.
    pub(super) fn take(&mut self, to: usize) -> (Vec<u8>, Vec<u8>) {
        let raw_to = self.raw_of(to);
        self.byte += raw_to as u64;
        self.known = (0, 0);
        let raw = match self.decoder {
            None => Vec::new(),
            Some(_) => front(&mut self.raw, raw_to),
        };
        (front(&mut self.text, to), raw)
    }
}

/// Takes the first `to` bytes, and leaves room for as many again.
fn front(bytes: &mut Vec<u8>, to: usize) -> Vec<u8> {
    let room = bytes.capacity().min(MOST_ROOM).max(bytes.len() - to);
    let mut rest = Vec::with_capacity(room);
    rest.extend_from_slice(&bytes[to..]);
    bytes.truncate(to);
    std::mem::replace(bytes, rest)
}

fn name(declared: TextEncoding) -> &'static str {
    match declared {
        TextEncoding::Utf8 => "UTF-8",
        TextEncoding::Utf16 => "UTF-16",
        TextEncoding::Other(e) => e.name(),
    }
}

/// What the first bytes show a file to be, if it is no text.
fn other_kind(bytes: &[u8], is_plain: bool) -> Option<&'static str> {
    match bytes {
        [0x1F, 0x8B, 8, ..] | [0x28, 0xB5, 0x2F, 0xFD, ..] if !is_plain => {
            Some("the file is packed twice; pack it once")
        }
        [0x1F, 0x8B, 8, ..] => Some("the file is gzip; its name must end with .gz"),
        [0x28, 0xB5, 0x2F, 0xFD, ..] => Some("the file is zstd; its name must end with .zst"),
        [b'P', b'K', 3, 4, ..] => {
            Some("the file is a ZIP archive, as spreadsheets are; export it as CSV")
        }
        _ => None,
    }
}

/// Appends `bytes` to `out` as UTF-8.
fn decode(decoder: &mut Decoder, bytes: &[u8], last: bool, out: &mut Vec<u8>) {
    let mut rest = bytes;
    loop {
        // the length cannot overflow: a call gets some MiB
        let room = decoder.max_utf8_buffer_length_without_replacement(rest.len());
        let from = out.len();
        out.resize(from + room.unwrap_or(rest.len() + 16), 0);
        let (result, read, written) =
            decoder.decode_to_utf8_without_replacement(rest, &mut out[from..], last);
        out.truncate(from + written);
        rest = &rest[read..];
        match result {
            DecoderResult::InputEmpty => return,
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(_, _) => out.push(MALFORMED),
        }
    }
}

/// How many of the bytes of `raw` became the first `length` bytes of their text. `raw` begins
/// between characters, and so does its text end.
pub(super) fn raw_length(encoding: &'static Encoding, raw: &[u8], length: usize) -> usize {
    const FAR: usize = 64;
    if encoding == UTF_8 {
        return length;
    }
    let is_wide = encoding == UTF_16LE || encoding == UTF_16BE;
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let mut out = [0; 4096];
    let (mut at, mut made) = (0, 0);
    while made < length {
        let left = length - made;
        // far from the end in one go; then bit by bit, so as not to read beyond it
        let (piece, room) = if left > FAR {
            (raw.len() - at, (left - FAR / 2).min(out.len()))
        } else {
            ((if is_wide { 2 } else { 1 }).min(raw.len() - at), FAR)
        };
        let bytes = &raw[at..at + piece];
        let (result, read, written) =
            decoder.decode_to_utf8_without_replacement(bytes, &mut out[..room], false);
        at += read;
        made += written;
        if let DecoderResult::Malformed(_, beyond) = result {
            made += 1;
            if beyond > 0 && made == length {
                return at - usize::from(beyond);
            }
            // what was read beyond it comes out by itself
            let (_, _, written) = decoder.decode_to_utf8_without_replacement(b"", &mut out, false);
            made += written;
        } else if piece == 0 {
            return raw.len();
        }
    }
    at
}
