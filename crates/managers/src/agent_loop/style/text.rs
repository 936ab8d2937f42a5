//! Reads a JSON value that is to become text, character by character.

use serde_json::Value;

/// How long an escape with two halves of a character is: `\ud83d\ude00`.
const PAIR: usize = 12;

/// A value that is read as text. A string is given as it comes, without its escapes; anything else when it is complete.
#[derive(Debug, Default)]
pub(super) enum JsonText {
    /// Nothing has come.
    #[default]
    Nothing,
    /// A string, with the escape that is not complete yet.
    Text { escape: String },
    /// Another kind of value, as it is written.
    Other(String),
}

impl JsonText {
    /// Takes one more character as it is written, and adds to `text` what is known by it.
    pub(super) fn push(&mut self, next: char, text: &mut String) {
        match self {
            Self::Nothing if next == '"' => *self = Self::Text { escape: String::new() },
            Self::Nothing => *self = Self::Other(next.to_string()),
            Self::Other(written) => written.push(next),
            Self::Text { escape } => unescape(escape, next, text),
        }
    }

    /// The value is complete: gives it, unless it was a string.
    pub(super) fn finish(self) -> Option<Value> {
        match self {
            Self::Other(written) => Some(serde_json::from_str(&written).unwrap_or(Value::String(written))),
            Self::Nothing | Self::Text { .. } => None,
        }
    }
}

fn unescape(escape: &mut String, next: char, text: &mut String) {
    if escape.is_empty() {
        match next {
            '\\' => escape.push(next),
            // The end of the string.
            '"' => {}
            _ => text.push(next),
        }
        return;
    }
    // Half a character that the other half does not follow.
    let alone = match escape.len() {
        6 => next != '\\',
        7 => next != 'u',
        _ => false,
    };
    if alone {
        text.push(char::REPLACEMENT_CHARACTER);
        *escape = escape.split_off(6);
        return unescape(escape, next, text);
    }
    escape.push(next);
    if is_open(escape) {
        return;
    }
    let written = std::mem::take(escape);
    match serde_json::from_str::<String>(&format!("\"{written}\"")) {
        Ok(character) => text.push_str(&character),
        // No escape that JSON knows: nearest to what was meant is the character itself.
        Err(_) if written.starts_with("\\u") => text.push(char::REPLACEMENT_CHARACTER),
        Err(_) => text.extend(written.chars().skip(1)),
    }
}

/// Whether more must come before the escape says which character it is.
fn is_open(escape: &str) -> bool {
    let is_high_half =
        || escape.get(2..4).is_some_and(|half| matches!(half.to_ascii_lowercase().as_bytes(), [b'd', b'8'..=b'b']));
    match escape.len() {
        1 => true,
        2..=5 => escape.starts_with("\\u"),
        6 => is_high_half(),
        length => length < PAIR,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(written: &str) -> (String, Option<Value>) {
        let (mut value, mut text) = (JsonText::default(), String::new());
        written.chars().for_each(|next| value.push(next, &mut text));
        (text, value.finish())
    }

    proptest! {
        #[test]
        fn a_string_reads_as_it_was_meant(text: String) {
            let written = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(read(&written), (text.clone(), None));
            let escaped: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            prop_assert_eq!(read(&format!("\"{escaped}\"")), (text, None));
        }
    }

    #[test]
    fn other_values_are_given_at_their_end() {
        assert_eq!(read("[1, 2]"), (String::new(), Some(serde_json::json!([1, 2]))));
        assert_eq!(read("null"), (String::new(), Some(Value::Null)));
        assert_eq!(read(r#""\q""#).0, "q");
    }

    #[test]
    fn half_a_character_takes_nothing_else_with_it() {
        assert_eq!(read(r#""\ud83dab""#).0, "\u{fffd}ab");
        assert_eq!(read(r#""\ud83d\nb""#).0, "\u{fffd}\nb");
        assert_eq!(read(r#""\ud83d\ude00b""#).0, "\u{1f600}b");
    }
}
