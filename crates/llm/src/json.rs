//! Reads JSON that a model wrote, which is nearly JSON.

use serde_json::{Map, Value};

/// What a model is told of arguments that end before they are complete, mostly because it ran out of tokens.
const BROKEN_OFF: &str = "The arguments of this tool call broke off before their end, so they were not used. Send the \
                          call again, and make it shorter: what is long can be done in several calls.";

/// The arguments of a tool call as an object. Strict JSON first, then what [`repair`] makes of it, unless they break
/// off: half an argument would do harm where the whole one was meant.
///
/// # Errors
///
/// What is wrong, for the model, when the text is no JSON object even with tolerance, or only the beginning of one.
pub fn tool_arguments(text: &str) -> Result<Map<String, Value>, String> {
    let strict = match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(map)) => return Ok(map),
        // Some models write the object as a JSON string.
        Ok(Value::String(inner)) => match serde_json::from_str(&inner) {
            Ok(Value::Object(map)) => return Ok(map),
            _ => "a string".to_owned(),
        },
        Ok(Value::Null) => return Ok(Map::new()),
        Ok(Value::Array(_)) => "an array".to_owned(),
        Ok(_) => "a single value".to_owned(),
        Err(e) => match repair(text) {
            Some(Repaired { broken_off: true, .. }) => return Err(BROKEN_OFF.to_owned()),
            Some(Repaired { value: Value::Object(map), .. }) => return Ok(map),
            _ => format!("not valid JSON ({e})"),
        },
    };
    Err(format!("The arguments of a tool call must be one JSON object; these are {strict}."))
}

/// Whether a text is a JSON object to every reader, however strict.
pub fn is_object(text: &str) -> bool {
    serde_json::from_str::<Map<String, Value>>(text).is_ok()
}

/// What [`repair`] has read.
#[derive(Debug, Clone, PartialEq)]
pub struct Repaired<'a> {
    /// The value.
    pub value: Value,
    /// What follows it.
    pub rest: &'a str,
    /// Whether the text ended in the middle of the value.
    pub broken_off: bool,
}

/// Reads the JSON value at the start of a text. A text that breaks off is closed: an open string ends where the text
/// ends, a key without a value gets null. Empty text is an empty object.
///
/// `None` when the text does not begin like JSON.
pub fn repair(text: &str) -> Option<Repaired<'_>> {
    if text.trim().is_empty() {
        return Some(Repaired { value: Value::Object(Map::new()), rest: "", broken_off: false });
    }
    let mut reader = Reader { rest: text.trim_start(), broken_off: false };
    let value = reader.value(0)?;
    Some(Repaired { value, rest: reader.rest, broken_off: reader.broken_off })
}

/// Nesting deeper than this is no tool call, and must not exhaust the stack.
const DEEPEST: usize = 128;

struct Reader<'a> {
    rest: &'a str,
    broken_off: bool,
}

impl<'a> Reader<'a> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, c: char) -> bool {
        self.skip_space();
        match self.rest.strip_prefix(c) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Whether the text is at its end, where it must not be.
    fn breaks_off(&mut self) -> bool {
        self.skip_space();
        self.broken_off |= self.rest.is_empty();
        self.rest.is_empty()
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth > DEEPEST {
            return None;
        }
        self.skip_space();
        match self.rest.chars().next()? {
            '{' => self.object(depth),
            '[' => self.array(depth),
            '"' => Some(Value::String(self.string())),
            '-' | '.' | '0'..='9' => Some(self.number()),
            't' | 'T' | 'f' | 'F' | 'n' | 'N' => self.word(),
            _ => None,
        }
    }

    fn object(&mut self, depth: usize) -> Option<Value> {
        let mut map = Map::new();
        self.take('{');
        loop {
            if self.breaks_off() || self.take('}') {
                return Some(Value::Object(map));
            }
            if self.take(',') {
                continue;
            }
            if !self.rest.starts_with('"') {
                return None;
            }
            let key = self.string();
            let has_value = self.take(':');
            self.skip_space();
            let next = self.rest.chars().next();
            if !has_value && !matches!(next, None | Some('}' | ',')) {
                return None;
            }
            let value = match next {
                None | Some(',' | '}') => Value::Null,
                Some(_) => self.value(depth + 1)?,
            };
            map.insert(key, value);
        }
    }

    fn array(&mut self, depth: usize) -> Option<Value> {
        let mut items = Vec::new();
        self.take('[');
        loop {
            if self.breaks_off() || self.take(']') {
                return Some(Value::Array(items));
            }
            if self.take(',') {
                continue;
            }
            items.push(self.value(depth + 1)?);
        }
    }

    /// Line breaks inside a string are kept as they are; models write them often.
    fn string(&mut self) -> String {
        let body = self.rest.strip_prefix('"').unwrap_or(self.rest);
        let mut out = String::new();
        let mut chars = body.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.rest = body.get(at + 1..).unwrap_or_default();
                    return out;
                }
                '\\' => match chars.next() {
                    Some((_, 'n')) => out.push('\n'),
                    Some((_, 't')) => out.push('\t'),
                    Some((_, 'r')) => out.push('\r'),
                    Some((_, 'b')) => out.push('\u{8}'),
                    Some((_, 'f')) => out.push('\u{c}'),
                    Some((start, 'u')) => {
                        let read = unicode_escape(body.get(start + 1..).unwrap_or_default());
                        let Some((c, used)) = read else { continue };
                        out.push(c);
                        for _ in 0..used {
                            chars.next();
                        }
                    }
                    Some((_, other)) => out.push(other),
                    None => {}
                },
                c => out.push(c),
            }
        }
        self.rest = "";
        self.broken_off = true;
        out
    }

    fn number(&mut self) -> Value {
        let end = self.rest.find(|c: char| !matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E'));
        let (text, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        let whole = text.trim_end_matches(['.', 'e', 'E', '-', '+']);
        match serde_json::from_str(text).or_else(|_| serde_json::from_str(whole)) {
            Ok(number @ Value::Number(_)) => number,
            _ => Value::String(text.to_owned()),
        }
    }

    fn word(&mut self) -> Option<Value> {
        let end = self.rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        let at_end = rest.is_empty();
        let word = word.to_ascii_lowercase();
        let known =
            [("true", Value::Bool(true)), ("false", Value::Bool(false)), ("null", Value::Null), ("none", Value::Null)];
        let (_, value) = known.into_iter().find(|(full, _)| *full == word || (at_end && full.starts_with(&word)))?;
        self.rest = rest;
        Some(value)
    }
}

/// The character of `XXXX` or of a surrogate pair `XXXX\uXXXX`, and how many characters that took.
fn unicode_escape(text: &str) -> Option<(char, usize)> {
    let unit = |text: &str| u32::from_str_radix(text.get(..4)?, 16).ok();
    let first = unit(text)?;
    if let Some(c) = char::from_u32(first) {
        return Some((c, 4));
    }
    let second = text.get(4..).and_then(|rest| rest.strip_prefix("\\u")).and_then(unit);
    match second {
        Some(second @ 0xDC00..=0xDFFF) if (0xD800..0xDC00).contains(&first) => {
            char::from_u32(0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00)).map(|c| (c, 10))
        }
        // Half a pair means nothing alone.
        _ => Some((char::REPLACEMENT_CHARACTER, 4)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn what_is_nearly_json_is_read() {
        for (text, expected) in [
            ("", json!({})),
            ("  ", json!({})),
            (r#"{"a": 1} and so on"#, json!({"a": 1})),
            (r#"{"a":, "b": 2}"#, json!({"a": null, "b": 2})),
            (r#"{"a": [1, 2,]}"#, json!({"a": [1, 2]})),
            (r#"{"a": True, "b": None, "c": 1.}"#, json!({"a": true, "b": null, "c": 1})),
            ("{\"a\": \"two\nlines\"}", json!({"a": "two\nlines"})),
            (r#"{"a": "\ud83d\ude00 \u00e4 \ud83d"}"#, json!({"a": "😀 ä \u{fffd}"})),
        ] {
            let repaired = repair(text).unwrap();
            assert_eq!((repaired.value, repaired.broken_off), (expected, false), "{text}");
        }
        assert_eq!(repair(r#"{"a": 1} rest"#).unwrap().rest, " rest");
        assert!(repair("hello").is_none());
        assert!(repair(r#"{"a" 1}"#).is_none());
        assert!(repair(&"[".repeat(100_000)).is_none());
    }

    #[test]
    fn what_breaks_off_is_closed_and_said_to_be_broken_off() {
        for (text, expected) in [
            (r#"{"a": "unterm"#, json!({"a": "unterm"})),
            (r#"{"a": "b""#, json!({"a": "b"})),
            (r#"{"a": [1, 2"#, json!({"a": [1, 2]})),
            (r#"{"a": {"b": 1}"#, json!({"a": {"b": 1}})),
            (r#"{"a": tr"#, json!({"a": true})),
            (r#"{"a""#, json!({"a": null})),
            (r#"{"a":"#, json!({"a": null})),
            (r#"{"a": -"#, json!({"a": "-"})),
            ("{", json!({})),
        ] {
            let repaired = repair(text).unwrap();
            assert_eq!((repaired.value, repaired.broken_off), (expected, true), "{text}");
            assert_eq!(tool_arguments(text).unwrap_err(), BROKEN_OFF, "{text}");
        }
        assert_eq!(tool_arguments(r#"{"a": 1}{"a": "#).unwrap()["a"], 1, "the first object is whole");
    }

    #[test]
    fn arguments_are_an_object_or_an_error_that_says_what_they_are() {
        assert_eq!(tool_arguments(r#""{\"a\": 1}""#).unwrap()["a"], 1);
        assert!(tool_arguments("null").unwrap().is_empty());
        assert!(tool_arguments("[1]").unwrap_err().contains("these are an array"));
        assert!(tool_arguments("remember").unwrap_err().contains("not valid JSON"));
    }

    proptest! {
        #[test]
        fn any_prefix_of_an_object_is_an_object(text in r#"[a-z\\"\{\}\[\]:, 0-9é]{0,40}"#, at in 0usize..80) {
            let whole = json!({"k": text, "n": [1, {"x": null}], "t": true}).to_string();
            let cut = whole.char_indices().map(|(i, _)| i).nth(at).unwrap_or(whole.len());
            let repaired = repair(&whole[..cut]).unwrap();
            prop_assert!(repaired.value.is_object());
            prop_assert_eq!(repaired.broken_off, 0 < cut && cut < whole.len());
            prop_assert_eq!(is_object(&whole[..cut]), cut == whole.len());
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,60}") {
            let _ = repair(&text);
        }

        #[test]
        fn valid_json_is_read_as_itself(text in ".{0,20}", number in any::<i64>()) {
            let value = json!({"a": text, "b": [number, null, true], "c": {"d": []}});
            prop_assert_eq!(repair(&value.to_string()).unwrap().value, value);
        }
    }
}
