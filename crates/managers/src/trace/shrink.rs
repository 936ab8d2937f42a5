//! Keeps what is stored of a model call within a size, and its shape readable: long texts lose their middle first, then
//! long lists theirs.

use serde_json::{Map, Value, json};

/// The most bytes of JSON that are stored of a request or an answer.
const LARGEST: usize = 512 * 1024;
/// What is left of the texts, in characters, one try after the other. Images go with the first.
const TEXTS: [usize; 3] = [50_000, 5_000, 500];
/// What is left of the lists, in items.
const LISTS: [usize; 2] = [200, 20];

/// Shrinks an object that is too large.
pub(super) fn fit(object: &mut Map<String, Value>) {
    for longest in TEXTS {
        if fits(object) {
            return;
        }
        object.values_mut().for_each(|value| clip_texts(value, longest));
    }
    for longest in LISTS {
        if fits(object) {
            return;
        }
        object.values_mut().for_each(|value| clip_lists(value, longest));
    }
}

fn fits(object: &Map<String, Value>) -> bool {
    serde_json::to_string(object).is_ok_and(|json| json.len() <= LARGEST)
}

fn clip_texts(value: &mut Value, longest: usize) {
    match value {
        Value::String(text) => {
            let count = text.chars().count();
            if count > longest {
                let half = longest / 2;
                let (head, tail): (String, String) =
                    (text.chars().take(half).collect(), text.chars().skip(count - half).collect());
                *text = format!("{head}… ({} characters left out) …{tail}", count - 2 * half);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| clip_texts(item, longest)),
        Value::Object(members) => members.values_mut().for_each(|member| clip_texts(member, longest)),
        _ => {}
    }
}

fn clip_lists(value: &mut Value, longest: usize) {
    match value {
        Value::Array(items) => {
            let count = items.len();
            if count > longest {
                let half = longest / 2;
                let left_out = json!({ "left_out": count - 2 * half });
                items.splice(half..count - half, [left_out]);
            }
            items.iter_mut().for_each(|item| clip_lists(item, longest));
        }
        Value::Object(members) => members.values_mut().for_each(|member| clip_lists(member, longest)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shrunk(value: Value) -> Map<String, Value> {
        let Value::Object(mut object) = value else { panic!() };
        fit(&mut object);
        assert!(fits(&object));
        object
    }

    #[test]
    fn what_fits_stays_as_it_is() {
        let small = json!({ "messages": [{ "content": "x".repeat(60_000) }] });
        assert_eq!(Value::Object(shrunk(small.clone())), small);
    }

    #[test]
    fn a_long_text_loses_its_middle() {
        let text = format!("begin{}end", "ü".repeat(LARGEST));
        let object = shrunk(json!({ "model": "m", "messages": [{ "content": text }] }));
        let left = object["messages"][0]["content"].as_str().unwrap();
        assert!(left.starts_with("begin") && left.ends_with("end") && left.contains("left out"), "{}", left.len());
        assert_eq!(object["model"], "m");
    }

    #[test]
    fn many_messages_lose_those_in_the_middle() {
        let messages: Vec<_> = (0..10_000).map(|n| json!({ "content": format!("{n} {}", "x".repeat(400)) })).collect();
        let object = shrunk(json!({ "messages": messages }));
        let left = object["messages"].as_array().unwrap();
        assert_eq!(left[100]["left_out"], 9_800);
        assert!(left.last().unwrap()["content"].as_str().unwrap().starts_with("9999"));
    }
}
