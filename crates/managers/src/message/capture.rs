//! Turns that were taken elsewhere: stored as the agent's, to be read and searched, and not shown to its model.

use muisti_orm::{
    agents, messages,
    schema::{AgentId, CaptureRequest, CaptureResponse, ContentPart, MessageRole, StoredMessage},
};
use serde_json::Value;
use uuid::Uuid;

use super::MessageManager;
use crate::{Actor, Error, Result, message::check_past};

impl MessageManager<'_> {
    /// Stores what the user said in a foreign turn, and what the model answered.
    ///
    /// # Errors
    /// 404 for an unknown agent, and 422 for more messages than one request may bring.
    pub async fn capture(&self, actor: &Actor, agent: AgentId, request: CaptureRequest) -> Result<CaptureResponse> {
        let actor = *actor;
        let messages = messages_of(agent, &request);
        check_past("request_messages", messages.len())?;
        let write = move |conn: &mut muisti_orm::Conn| {
            if !agents::is_there(conn, actor.organization_id, agent)? {
                return Err(Error::missing("Agent", agent));
            }
            messages::insert(conn, &actor, &messages)?;
            Ok(CaptureResponse { success: true, messages_created: messages.len(), run_ids: Vec::new() })
        };
        self.0.db().write(write).await
    }
}

fn messages_of(agent: AgentId, request: &CaptureRequest) -> Vec<StoredMessage> {
    let said = request.request_messages.iter().filter(|message| message.get("role") == Some(&Value::from("user")));
    let said = said.filter_map(|message| text_of(message.get("content")?));
    let answered = answer_of(&request.response_dict);
    let message = |role, text: String| {
        let mut message = StoredMessage::new(agent, role, vec![ContentPart::text(text)]);
        message.otid = Some(Uuid::new_v4().to_string());
        message
    };
    let mut messages: Vec<_> = said.map(|text| message(MessageRole::User, text)).collect();
    messages.extend(answered.map(|text| {
        let model = Some(request.model.clone()).filter(|model| !model.is_empty());
        StoredMessage { model, ..message(MessageRole::Assistant, text) }
    }));
    messages
}

/// What the model said, wherever its provider puts it.
fn answer_of(response: &Value) -> Option<String> {
    let places = ["/content", "/message/content", "/choices/0/message/content", "/output", "/text"];
    places.iter().find_map(|place| text_of(response.pointer(place)?))
}

/// The text of some content: a string, a part, or a list of them. None when there is no text in it.
fn text_of(content: &Value) -> Option<String> {
    let text = match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(text_of).collect::<Vec<_>>().join("\n"),
        Value::Object(part) => part.get("text").or_else(|| part.get("content")).and_then(text_of)?,
        _ => return None,
    };
    (!text.trim().is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn answers_of_every_provider_are_found() {
        for response in [
            json!({"content": "Hi."}),
            json!({"content": [{"type": "text", "text": "Hi."}, {"type": "tool_use", "input": {}}]}),
            json!({"choices": [{"message": {"role": "assistant", "content": "Hi."}}]}),
            json!({"output": [{"type": "message", "content": [{"type": "output_text", "text": "Hi."}]}]}),
        ] {
            assert_eq!(answer_of(&response).as_deref(), Some("Hi."), "{response}");
        }
        assert_eq!(answer_of(&json!({"content": " "})), None);
    }

    #[test]
    fn only_what_the_user_said_is_taken_of_the_request() {
        let request = CaptureRequest {
            provider: "anthropic".to_owned(),
            model: "m".to_owned(),
            request_messages: vec![
                json!({"role": "system", "content": "Be kind."}),
                json!({"role": "user", "content": [{"type": "text", "text": "Hello"}]}),
                json!({"role": "user", "content": []}),
            ],
            response_dict: json!({"content": "Hi."}),
        };
        let messages = messages_of(AgentId::random(), &request);
        let texts: Vec<_> = messages.iter().map(|message| (message.role, message.text())).collect();
        assert_eq!(texts, [(MessageRole::User, "Hello".to_owned()), (MessageRole::Assistant, "Hi.".to_owned())]);
        assert_eq!(messages[1].model.as_deref(), Some("m"));
    }
}
