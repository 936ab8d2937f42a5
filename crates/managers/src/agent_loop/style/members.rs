//! Reads a JSON object member by member from text that comes in pieces.

/// What the next character of the text completes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A key whose value follows.
    Key(String),
    /// The next character of a value, as it is written.
    Value(char),
    /// The value is complete.
    End,
    /// The object is complete. What follows it is not looked at.
    Close,
    /// A character of text that is no object.
    Stray(char),
}

/// Reads an object. Blanks between its members are left out, those inside a value are not.
#[derive(Debug, Default)]
pub(super) struct Members {
    state: State,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Start,
    BeforeKey,
    Key {
        raw: String,
        escaped: bool,
    },
    AfterKey(String),
    BeforeValue,
    Value {
        depth: usize,
        in_string: bool,
        escaped: bool,
    },
    Closed,
    NoObject,
}

impl Members {
    /// Reads one more character, and gives what it completes.
    pub(super) fn push(&mut self, next: char, mut token: impl FnMut(Token)) {
        self.state = match std::mem::take(&mut self.state) {
            State::Start if next.is_whitespace() => State::Start,
            State::Start if next == '{' => State::BeforeKey,
            State::Start | State::NoObject => {
                token(Token::Stray(next));
                State::NoObject
            }
            State::BeforeKey => match next {
                '"' => State::Key { raw: String::new(), escaped: false },
                '}' => close(token),
                _ => State::BeforeKey,
            },
            State::Key { raw, escaped: false } if next == '"' => State::AfterKey(unescaped(&raw)),
            State::Key { mut raw, escaped } => {
                raw.push(next);
                State::Key { raw, escaped: !escaped && next == '\\' }
            }
            State::AfterKey(key) => match next {
                ':' => {
                    token(Token::Key(key));
                    State::BeforeValue
                }
                // A key without a value says nothing.
                ',' => State::BeforeKey,
                '}' => close(token),
                _ => State::AfterKey(key),
            },
            State::BeforeValue if next.is_whitespace() => State::BeforeValue,
            State::BeforeValue => value(next, 0, false, false, token),
            State::Value { depth, in_string, escaped } => value(next, depth, in_string, escaped, token),
            State::Closed => State::Closed,
        };
    }
}

fn value(next: char, depth: usize, in_string: bool, escaped: bool, mut token: impl FnMut(Token)) -> State {
    if in_string {
        token(Token::Value(next));
        let in_string = escaped || next != '"';
        if !in_string && depth == 0 {
            token(Token::End);
            return State::BeforeKey;
        }
        return State::Value { depth, in_string, escaped: !escaped && next == '\\' };
    }
    // Numbers and words have no end of their own.
    if depth == 0 && (next.is_whitespace() || matches!(next, ',' | '}' | ']')) {
        token(Token::End);
        return if next == '}' { close(token) } else { State::BeforeKey };
    }
    token(Token::Value(next));
    let depth = match next {
        '{' | '[' => depth + 1,
        '}' | ']' => depth.saturating_sub(1),
        _ => depth,
    };
    if depth == 0 && matches!(next, '}' | ']') {
        token(Token::End);
        return State::BeforeKey;
    }
    State::Value { depth, in_string: next == '"', escaped: false }
}

fn close(mut token: impl FnMut(Token)) -> State {
    token(Token::Close);
    State::Closed
}

fn unescaped(raw: &str) -> String {
    serde_json::from_str(&format!("\"{raw}\"")).unwrap_or_else(|_| raw.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        let mut members = Members::default();
        let mut out = String::new();
        for next in text.chars() {
            members.push(next, |token| match token {
                Token::Key(key) => out += &format!("[{key}]"),
                Token::Value(c) => out.push(c),
                Token::End => out.push(';'),
                Token::Close => out.push('!'),
                Token::Stray(c) => out += &format!("?{c}"),
            });
        }
        out
    }

    #[test]
    fn values_of_every_kind_are_told_apart() {
        let text = r#" { "a" : "x, }\"y" , "b":1.5,"c" :{"d": [1, "]"]}, "e":null } "#;
        assert_eq!(read(text), r#"[a]"x, }\"y";[b]1.5;[c]{"d": [1, "]"]};[e]null;!"#);
        assert_eq!(read(r#"{"a":1}{"b":2}"#), "[a]1;!");
        assert_eq!(read("{}"), "!");
        assert_eq!(read(r#"{"a\"b":true}"#), "[a\"b]true;!");
    }

    #[test]
    fn what_is_no_object_is_handed_on() {
        assert_eq!(read("[{\"a\":1}]"), "?[?{?\"?a?\"?:?1?}?]");
        assert_eq!(read(r#"{"a","b":,"c"}"#), "[b];!");
    }
}
