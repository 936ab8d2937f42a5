//! Cutting what tools returned to a length that leaves the model's window room for the rest.

use muisti_orm::schema::{StoredApproval, StoredMessage, ToolReturnValue};
use serde_json::Value;

/// The least number of characters that is always kept.
const LEAST: usize = 5_000;

/// How many characters of one tool return fit: a fifth of a window of so many tokens, at four characters a token.
pub(crate) fn limit(context_window: i64) -> usize {
    let window = usize::try_from(context_window).unwrap_or_default();
    (window.saturating_mul(4) / 5).max(LEAST)
}

/// The first `limit` characters of a text, and how many were left out.
pub(crate) fn text(text: String, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        None => text,
        Some((end, _)) => {
            let left_out = text.chars().count() - limit;
            format!("{}... [truncated {left_out} chars]", text.get(..end).unwrap_or_default())
        }
    }
}

/// Cuts what the tools of a client returned, before it is stored.
pub(crate) fn client_returns(answers: &mut [StoredMessage], context_window: i64) {
    let limit = limit(context_window);
    for answer in answers.iter_mut().flat_map(|message| &mut message.approvals) {
        if let StoredApproval::Tool(tool) = answer {
            tool.func_response = tool.func_response.take().map(|value| client_return(value, limit));
        }
    }
}

/// A text over `limit` characters is cut, inside its `message` where it is a JSON object that has one. Parts stay as they
/// are.
fn client_return(value: ToolReturnValue, limit: usize) -> ToolReturnValue {
    match value {
        ToolReturnValue::Text(long) if is_longer(&long, limit) => {
            within_message(&long, limit).unwrap_or_else(|| text(long, limit)).into()
        }
        other => other,
    }
}

/// The JSON object with its `message` cut; none for other texts, and where the rest of the object is too long as well.
fn within_message(json: &str, limit: usize) -> Option<String> {
    let Value::Object(mut object) = serde_json::from_str(json).ok()? else { return None };
    let Some(Value::String(message)) = object.get_mut("message") else { return None };
    let message = text(std::mem::take(message), limit);
    let rest = Value::Object(object.clone()).to_string();
    object.insert("message".to_owned(), message.into());
    (!is_longer(&rest, limit)).then(|| Value::Object(object).to_string())
}

fn is_longer(text: &str, limit: usize) -> bool {
    text.chars().nth(limit).is_some()
}

#[cfg(test)]
mod tests {
    use muisti_orm::schema::ToolReturnPart;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_fifth_of_the_window_is_kept_and_never_too_little() {
        assert_eq!(limit(128_000), 102_400);
        assert_eq!(limit(8_192), 6_553);
        assert_eq!(limit(4_096), 5_000);
        assert_eq!(limit(-1), 5_000);
        assert!(limit(i64::MAX) > 5_000);
    }

    #[test]
    fn a_text_is_cut_by_characters() {
        assert_eq!(text("äöü".to_owned(), 3), "äöü");
        assert_eq!(text("äöüß".to_owned(), 3), "äöü... [truncated 1 chars]");
        assert_eq!(client_return("äöüß".into(), 3), "äöü... [truncated 1 chars]".into());
    }

    #[test]
    fn an_object_with_a_message_stays_one() {
        let long = json!({"status": "OK", "message": "a".repeat(120), "time": "now"}).to_string();
        let ToolReturnValue::Text(cut) = client_return(long.into(), 100) else { panic!() };
        let cut: Value = serde_json::from_str(&cut).unwrap();
        assert_eq!(cut["message"], "a".repeat(100) + "... [truncated 20 chars]");
        assert_eq!((&cut["status"], &cut["time"]), (&json!("OK"), &json!("now")));
        for other in [json!({"message": "a", "rest": "b".repeat(200)}), json!({"message": ["a".repeat(200)]})] {
            let ToolReturnValue::Text(cut) = client_return(other.to_string().into(), 100) else { panic!() };
            assert!(cut.contains("... [truncated "), "{cut}");
            assert!(cut.chars().count() < 130, "{cut}");
        }
    }

    #[test]
    fn parts_are_not_cut() {
        let parts = ToolReturnValue::Parts(vec![ToolReturnPart::Text("a".repeat(200).into())]);
        assert_eq!(client_return(parts.clone(), 100), parts);
    }
}
