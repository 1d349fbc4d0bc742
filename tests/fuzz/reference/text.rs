//! JSON's syntax (RFC 8259) into a tree that keeps members in order, doubled ones too, and numbers
//! as they stand.

use std::ops::Range;

#[derive(Debug, Clone)]
pub struct Node {
    pub tree: Tree,
    /// Where it stands.
    pub at: Range<usize>,
}

#[derive(Debug, Clone)]
pub enum Tree {
    Null,
    Boolean(bool),
    Number(String),
    Text(String),
    Array(Vec<Node>),
    Object(Vec<(String, Node)>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    Invalid,
    TooDeep,
}

/// The one value of `text`, which nests at most `levels`.
pub fn read(text: &str, levels: usize) -> Result<Node, Flaw> {
    let mut reader = Reader {
        text,
        at: 0,
        levels,
    };
    reader.blank();
    let node = reader.value(0)?;
    reader.blank();
    match reader.rest().is_empty() {
        true => Ok(node),
        false => Err(Flaw::Invalid),
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    levels: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn next(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn blank(&mut self) {
        while let Some(' ' | '\n' | '\r' | '\t') = self.next() {
            self.at += 1;
        }
    }

    fn take(&mut self, token: &str) -> bool {
        let is_there = self.rest().starts_with(token);
        if is_there {
            self.at += token.len();
        }
        is_there
    }

    fn want(&mut self, token: &str) -> Result<(), Flaw> {
        match self.take(token) {
            true => Ok(()),
            false => Err(Flaw::Invalid),
        }
    }

    /// `level` arrays and objects stand around it.
    fn value(&mut self, level: usize) -> Result<Node, Flaw> {
        let from = self.at;
        let tree = match self.next() {
            Some('n') => self.want("null").map(|()| Tree::Null)?,
            Some('t') => self.want("true").map(|()| Tree::Boolean(true))?,
            Some('f') => self.want("false").map(|()| Tree::Boolean(false))?,
            Some('"') => Tree::Text(self.string()?),
            Some('-' | '0'..='9') => Tree::Number(self.number()?),
            Some('[') => self.array(level)?,
            Some('{') => self.object(level)?,
            _ => return Err(Flaw::Invalid),
        };
        Ok(Node {
            tree,
            at: from..self.at,
        })
    }

    fn open(&mut self, token: &str, level: usize) -> Result<(), Flaw> {
        self.want(token)?;
        if level >= self.levels {
            return Err(Flaw::TooDeep);
        }
        self.blank();
        Ok(())
    }

    fn array(&mut self, level: usize) -> Result<Tree, Flaw> {
        self.open("[", level)?;
        let mut items = Vec::new();
        if self.take("]") {
            return Ok(Tree::Array(items));
        }
        loop {
            self.blank();
            items.push(self.value(level + 1)?);
            self.blank();
            if self.take("]") {
                return Ok(Tree::Array(items));
            }
            self.want(",")?;
        }
    }

    fn object(&mut self, level: usize) -> Result<Tree, Flaw> {
        self.open("{", level)?;
        let mut members = Vec::new();
        if self.take("}") {
            return Ok(Tree::Object(members));
        }
        loop {
            self.blank();
            let name = self.string()?;
            self.blank();
            self.want(":")?;
            self.blank();
            members.push((name, self.value(level + 1)?));
            self.blank();
            if self.take("}") {
                return Ok(Tree::Object(members));
            }
            self.want(",")?;
        }
    }

    fn digits(&mut self) -> Result<usize, Flaw> {
        let from = self.at;
        while let Some('0'..='9') = self.next() {
            self.at += 1;
        }
        match self.at - from {
            0 => Err(Flaw::Invalid),
            count => Ok(count),
        }
    }

    fn number(&mut self) -> Result<String, Flaw> {
        let from = self.at;
        self.take("-");
        let leading = self.next();
        if self.digits()? > 1 && leading == Some('0') {
            return Err(Flaw::Invalid);
        }
        if self.take(".") {
            self.digits()?;
        }
        if self.take("e") || self.take("E") {
            let _ = self.take("+") || self.take("-");
            self.digits()?;
        }
        Ok(self.text[from..self.at].to_owned())
    }

    fn string(&mut self) -> Result<String, Flaw> {
        self.want("\"")?;
        let mut text = String::new();
        loop {
            let c = self.next().ok_or(Flaw::Invalid)?;
            self.at += c.len_utf8();
            match c {
                '"' => return Ok(text),
                '\\' => text.push(self.escape()?),
                '\0'..='\u{1f}' => return Err(Flaw::Invalid),
                c => text.push(c),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Flaw> {
        for (token, c) in [
            ("\"", '"'),
            ("\\", '\\'),
            ("/", '/'),
            ("b", '\u{8}'),
            ("f", '\u{c}'),
            ("n", '\n'),
            ("r", '\r'),
            ("t", '\t'),
        ] {
            if self.take(token) {
                return Ok(c);
            }
        }
        let mut units = vec![self.unit("u")?];
        if (0xd800..0xdc00).contains(&units[0]) {
            units.push(self.unit("\\u")?);
        }
        match char::decode_utf16(units).collect::<Vec<_>>().as_slice() {
            [Ok(c)] => Ok(*c),
            _ => Err(Flaw::Invalid),
        }
    }

    fn unit(&mut self, token: &str) -> Result<u16, Flaw> {
        self.want(token)?;
        let digits: String = self.rest().chars().take(4).collect();
        if digits.len() != 4 || !digits.chars().all(|c| c.is_ascii_hexdigit()) {
            return Err(Flaw::Invalid);
        }
        self.at += 4;
        u16::from_str_radix(&digits, 16).map_err(|_| Flaw::Invalid)
    }
}
