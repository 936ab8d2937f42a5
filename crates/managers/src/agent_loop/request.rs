//! What a request to send messages must be, and the messages it becomes.

use muisti_orm::schema::{
    AgentId, ContentPart, ConversationId, InputMessage, MessageRole, RunId, StoredMessage, StreamingSendRequest,
};
use uuid::Uuid;

use crate::{Error, Result, error::FieldError};

/// The most messages that one request may carry.
const MAX_MESSAGES: usize = 1_000;

/// Checks a request and gives its messages.
///
/// # Errors
/// 422 for fields that break their rules.
pub(super) fn check(request: &StreamingSendRequest) -> Result<Vec<InputMessage>> {
    let refuse = |message| Error::Unprocessable(vec![FieldError::request(message)]);
    if let Some(conflict) = request.stream.conflict() {
        return Err(refuse(conflict));
    }
    let messages = request.request.checked_messages().and_then(|messages| match messages.len() {
        0..=MAX_MESSAGES => Ok(messages),
        many => Err(format!("One request carries at most {MAX_MESSAGES} messages, not {many}.")),
    });
    messages.map_err(refuse)
}

/// The stored form of a request's messages.
///
/// # Errors
/// 400 when one of them is empty or of a kind that cannot be processed where it stands.
pub(super) fn to_stored(
    agent_id: AgentId,
    conversation_id: Option<ConversationId>,
    run_id: RunId,
    messages: Vec<InputMessage>,
) -> Result<Vec<StoredMessage>> {
    let mut stored = Vec::with_capacity(messages.len());
    for (index, message) in messages.into_iter().enumerate() {
        let InputMessage::Message(message) = message else {
            return Err(Error::BadRequest(
                if index == 0 {
                    "Cannot process approval response: No tool call is currently awaiting approval. Please send a \
                     regular message to interact with the agent."
                } else {
                    "Expected MessageCreate, got ApprovalCreate"
                }
                .to_owned(),
            ));
        };
        let empty = |part: &ContentPart| part.as_text().is_some_and(|text| text.trim_matches('\0').is_empty());
        let content = message.content.into_parts();
        if content.iter().all(empty) {
            return Err(Error::BadRequest(format!(
                "Message content is empty or invalid: message {index} of the request has empty content in it. Give it \
                 some text or an image."
            )));
        }
        let mut row = StoredMessage::new(agent_id, MessageRole::from(message.role), content);
        row.conversation_id = conversation_id;
        row.run_id = Some(run_id);
        row.otid = Some(message.otid.unwrap_or_else(|| Uuid::new_v4().to_string()));
        row.name = message.name;
        row.sender_id = message.sender_id;
        row.group_id = message.group_id;
        row.batch_item_id = message.batch_item_id;
        stored.push(row);
    }
    Ok(stored)
}
