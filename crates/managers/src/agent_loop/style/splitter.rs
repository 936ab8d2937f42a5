//! Parts the thought from the other arguments of a call while they come.

use super::{
    THOUGHTS, as_text,
    members::{Members, Token},
    text::JsonText,
};

/// Splits the JSON text of a call's arguments, piece by piece.
///
/// The other arguments are held back until the thought is over and the next key has begun: what was thought comes
/// before what was done, whatever comes first on the wire.
#[derive(Debug, Default)]
pub(super) struct ThoughtSplitter {
    members: Members,
    /// The value being read, if it is the thought.
    thought: Option<JsonText>,
    thought_is_over: bool,
    /// Whether the arguments may go out.
    released: bool,
    held: String,
    begun: bool,
}

/// What a piece adds to both sides.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Split {
    /// To the JSON text of the arguments without the thought.
    pub(super) main: String,
    /// To the thought.
    pub(super) thoughts: String,
}

impl ThoughtSplitter {
    /// Takes the next piece.
    pub(super) fn push(&mut self, piece: &str) -> Split {
        let mut members = std::mem::take(&mut self.members);
        let mut thoughts = String::new();
        for next in piece.chars() {
            members.push(next, |token| self.take(token, &mut thoughts));
        }
        self.members = members;
        let main = if self.released { std::mem::take(&mut self.held) } else { String::new() };
        Split { main, thoughts }
    }

    /// Nothing more will come: what is still held back goes out.
    pub(super) fn finish(&mut self) -> String {
        self.released = true;
        std::mem::take(&mut self.held)
    }

    fn take(&mut self, token: Token, thoughts: &mut String) {
        match token {
            Token::Key(key) if key == THOUGHTS => self.thought = Some(JsonText::default()),
            Token::Key(key) => {
                self.released |= self.thought_is_over;
                self.held.push(if self.begun { ',' } else { '{' });
                self.begun = true;
                self.held += &serde_json::Value::String(key).to_string();
                self.held.push(':');
            }
            Token::Value(next) => match &mut self.thought {
                Some(thought) => thought.push(next, thoughts),
                None => self.held.push(next),
            },
            Token::End => {
                if let Some(thought) = self.thought.take() {
                    thoughts.extend(thought.finish().and_then(as_text));
                    self.thought_is_over = true;
                }
            }
            Token::Close => {
                self.held += if self.begun { "}" } else { "{}" };
                self.released = true;
            }
            Token::Stray(next) => {
                self.held.push(next);
                self.released = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use super::*;

    fn updates(pieces: &[&str]) -> Vec<(String, String)> {
        let mut splitter = ThoughtSplitter::default();
        pieces.iter().map(|piece| splitter.push(piece)).map(|split| (split.main, split.thoughts)).collect()
    }

    fn expect(pieces: &[&str], expected: &[(&str, &str)]) {
        let expected: Vec<_> =
            expected.iter().map(|(main, thoughts)| (main.to_string(), thoughts.to_string())).collect();
        assert_eq!(updates(pieces), expected);
    }

    #[test]
    fn the_arguments_wait_until_the_thought_is_over_and_the_next_key_began() {
        expect(
            &["{", "\"thinking\":\"abc", "\",", "\"message\":\"hi", "\"}"],
            &[("", ""), ("", "abc"), ("", ""), ("{\"message\":\"hi", ""), ("\"}", "")],
        );
    }

    #[test]
    fn arguments_without_a_thought_come_out_whole() {
        expect(&["{\"a\" : 1, ", "\"b\": {\"c\": \"d\"}}"], &[("", ""), (r#"{"a":1,"b":{"c": "d"}}"#, "")]);
        expect(&["{}"], &[("{}", "")]);
        expect(&["nonsense"], &[("nonsense", "")]);
    }

    #[test]
    fn a_thought_after_other_arguments_still_comes_first() {
        expect(
            &["{\"a\":1,", "\"thinking\":\"x\"", ",\"b\":2", "}"],
            &[("", ""), ("", "x"), ("{\"a\":1,\"b\":2", ""), ("}", "")],
        );
        expect(&["{\"a\":1,\"thinking\":\"x\"}"], &[("{\"a\":1}", "x")]);
    }

    #[test]
    fn a_thought_that_is_no_string_is_its_json_and_null_is_none() {
        expect(&["{\"thinking\":{\"a\":1},\"b\":2}"], &[("{\"b\":2}", "{\"a\":1}")]);
        expect(&["{\"thinking\":null,\"b\":2}"], &[("{\"b\":2}", "")]);
    }

    #[test]
    fn what_breaks_off_goes_out_at_the_end() {
        let mut splitter = ThoughtSplitter::default();
        assert_eq!(splitter.push("{\"a\":\"b"), Split::default());
        assert_eq!(splitter.finish(), "{\"a\":\"b");
    }

    proptest! {
        #[test]
        fn every_cut_gives_the_same(
            before: Option<String>, thought: String, after in prop::collection::vec((any::<String>(), any::<i32>()), 0..3),
            pretty: bool, cuts in prop::collection::vec(0..200_usize, 0..12),
        ) {
            let mut arguments = Map::new();
            arguments.extend(before.map(|text| ("before".to_owned(), json!(text))));
            arguments.insert(THOUGHTS.to_owned(), json!(thought));
            arguments.extend(after.into_iter().map(|(key, value)| (format!("k{key}"), json!({ "v": value, "l": ["}", "{"] }))));
            let mut others = arguments.clone();
            others.shift_remove(THOUGHTS);
            let text = if pretty {
                serde_json::to_string_pretty(&arguments).unwrap()
            } else {
                Value::Object(arguments).to_string()
            };
            let mut splitter = ThoughtSplitter::default();
            let mut all = Split::default();
            let characters: Vec<char> = text.chars().collect();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(characters.len())).collect();
            cuts.extend([0, characters.len()]);
            cuts.sort_unstable();
            for pair in cuts.windows(2) {
                let split = splitter.push(&characters[pair[0]..pair[1]].iter().collect::<String>());
                all.main += &split.main;
                all.thoughts += &split.thoughts;
            }
            prop_assert_eq!(splitter.finish(), "");
            prop_assert_eq!(all.thoughts, thought);
            prop_assert_eq!(serde_json::from_str::<Value>(&all.main).unwrap(), Value::Object(others));
        }
    }
}
