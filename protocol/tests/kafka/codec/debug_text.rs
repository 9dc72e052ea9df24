//! Reads what `{:?}` prints back into JSON, so that a message's fields can be compared by name
//! with what Kafka says is in it.
//!
//! `Name { field: 1 }` becomes an object, `Some(x)` and newtypes what is inside, `None` null.

use serde_json::{Map, Value};

/// The JSON of a value that derives `Debug`.
pub fn parse(text: &str) -> Value {
    let mut parser = Parser { rest: text };
    let value = parser.value();
    assert_eq!(parser.rest, "", "left over");
    value
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn value(&mut self) -> Value {
        match self.rest.as_bytes()[0] {
            b'"' => Value::String(self.string()),
            b'[' => self.list(),
            b'-' | b'0'..=b'9' => {
                self.word(|c| c == '-' || c.is_ascii_digit()).parse::<i64>().unwrap().into()
            }
            _ => self.named(),
        }
    }

    fn named(&mut self) -> Value {
        let name = self.word(|c| c.is_alphanumeric() || c == '_');
        match name {
            "true" => true.into(),
            "false" => false.into(),
            "None" | "Null" => Value::Null,
            "TopicId" => {
                self.expect("(");
                let id = self.word(|c| c != ')');
                self.expect(")");
                id.into()
            }
            _ if self.skip("(") => {
                let value = self.value();
                self.expect(")");
                value
            }
            _ => self.structure(),
        }
    }

    fn structure(&mut self) -> Value {
        let mut fields = Map::new();
        self.expect(" { ");
        loop {
            let name = self.word(|c| c != ':');
            self.expect(": ");
            fields.insert(name.into(), self.value());
            if !self.skip(", ") {
                self.expect(" }");
                return Value::Object(fields);
            }
        }
    }

    fn list(&mut self) -> Value {
        let mut elements = Vec::new();
        self.expect("[");
        while !self.skip("]") {
            elements.push(self.value());
            self.skip(", ");
        }
        Value::Array(elements)
    }

    fn string(&mut self) -> String {
        self.expect("\"");
        let mut string = String::new();
        loop {
            let mut chars = self.rest.chars();
            let char = chars.next().unwrap();
            self.rest = chars.as_str();
            match char {
                '"' => return string,
                '\\' => string.push(self.escaped()),
                char => string.push(char),
            }
        }
    }

    fn escaped(&mut self) -> char {
        if self.skip("u{") {
            let digits = self.word(|c| c != '}');
            self.expect("}");
            return char::from_u32(u32::from_str_radix(digits, 16).unwrap()).unwrap();
        }
        let char = self.word(|_| true).chars().next();
        unreachable!("an escape that no golden string has: {char:?}")
    }

    fn word(&mut self, is_part: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn skip(&mut self, text: &str) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, text: &str) {
        assert!(self.skip(text), "{text:?} is not what comes next: {:.40}", self.rest);
    }
}
