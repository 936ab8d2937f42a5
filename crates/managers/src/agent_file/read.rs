//! From bytes to an agent file.

use serde_json::Value;

use super::legacy;
use crate::{
    error::{Error, FieldError, Result},
    schema::AgentFile,
};

pub(super) fn read(bytes: &[u8]) -> Result<AgentFile> {
    let mut value: Value = serde_json::from_slice(bytes).map_err(|error| corrupted(&error))?;
    if let Value::String(text) = &value {
        // Clients that write what an SDK gives them as JSON once more.
        value = serde_json::from_str(text).map_err(|error| corrupted(&error))?;
    }
    if !value.get("agents").is_some_and(Value::is_array) {
        value = legacy::convert(value).ok_or_else(|| {
            Error::BadRequest(
                "Legacy AgentSchema format is deprecated. Please use the new AgentFileSchema format with 'agents' field."
                    .to_owned(),
            )
        })?;
    }
    let file: AgentFile = serde_path_to_error::deserialize(value).map_err(invalid)?;
    if let Some(skill) = file.skills.iter().find(|skill| !skill.is_complete()) {
        return Err(incomplete(&skill.name));
    }
    Ok(file)
}

/// A skill that is neither there nor anywhere else. 422.
pub(super) fn incomplete(skill: &str) -> Error {
    let message = format!("The skill '{skill}' needs a file SKILL.md among its files, or a source_url.");
    Error::Unprocessable(vec![FieldError::body("skills", message)])
}

fn corrupted(error: &serde_json::Error) -> Error {
    Error::BadRequest(format!("Corrupted agent file format. It is not JSON: {error}."))
}

fn invalid(error: serde_path_to_error::Error<serde_json::Error>) -> Error {
    let place = error
        .path()
        .iter()
        .map(|segment| segment.to_string().trim_matches(['[', ']']).to_owned())
        .filter(|segment| segment != "?");
    let location = ["body".to_owned(), "file".to_owned()].into_iter().chain(place).collect();
    let message = error.into_inner().to_string();
    let kind = if message.starts_with("missing field") { "missing" } else { "value_error" };
    Error::Unprocessable(vec![FieldError { kind, location, message }])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn empty() -> Value {
        json!({"agents": [], "groups": [], "blocks": [], "files": [], "sources": [], "tools": [], "mcp_servers": []})
    }

    fn refusal(value: &Value) -> Error {
        read(value.to_string().as_bytes()).unwrap_err()
    }

    #[test]
    fn a_file_may_be_wrapped_in_a_json_string_once() {
        let text = empty().to_string();
        assert_eq!(read(text.as_bytes()).unwrap(), AgentFile::default());
        let wrapped = Value::from(text).to_string();
        assert_eq!(read(wrapped.as_bytes()).unwrap(), AgentFile::default());
        assert!(read(Value::from(wrapped).to_string().as_bytes()).is_err());
    }

    #[test]
    fn what_is_no_agent_file_is_refused() {
        for bytes in [b"".as_slice(), b"{", b"PK\x03\x04", b"\"{\"", b"\xff"] {
            let error = read(bytes).unwrap_err();
            assert!(matches!(&error, Error::BadRequest(text) if text.starts_with("Corrupted agent file format.")));
        }
        for value in [json!({}), json!([]), json!(null), json!({"agents": {}}), json!(7)] {
            assert!(refusal(&value).to_string().starts_with("Legacy AgentSchema format is deprecated."), "{value}");
        }
    }

    #[test]
    fn what_is_wrong_in_a_file_is_named_with_its_place() {
        let place = |change: fn(&mut Value)| {
            let mut value = empty();
            change(&mut value);
            let Error::Unprocessable(fields) = refusal(&value) else { panic!() };
            format!("{} {}: {}", fields[0].kind, fields[0].location.join("."), fields[0].message)
        };
        assert_eq!(
            place(|file| file["blocks"] = json!([{"id": "block-0", "value": "x"}])),
            "missing body.file.blocks.0: missing field `label`"
        );
        assert!(
            place(|file| {
                file.as_object_mut().unwrap().remove("tools");
            })
            .contains("missing field `tools`")
        );
        let role = place(|file| {
            file["agents"] =
                json!([{"id": "agent-0", "messages": [{"id": "message-0", "role": "king", "content": ""}]}]);
        });
        assert!(role.contains("king"), "{role}");
        assert!(place(|file| file["skills"] = json!([{"name": "s"}])).contains("SKILL.md"));
    }

    #[test]
    fn unknown_members_are_ignored() {
        let mut file = empty();
        file["news"] = json!(1);
        file["tools"] = json!([{"id": "tool-0", "name": "t", "news": 1}]);
        assert_eq!(read(file.to_string().as_bytes()).unwrap().tools[0].name.as_deref(), Some("t"));
    }
}
