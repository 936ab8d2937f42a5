//! The row of a message, and the way to and from [`StoredMessage`].

use chrono::NaiveDateTime;
use diesel::prelude::*;

use crate::{
    Actor, Result,
    json::RawJson,
    row::Reader,
    schema::{MessageRole, StoredMessage, Timestamp, open_user_message},
    tables::messages,
    text::{clean, clean_opt},
};

/// A message as it is read.
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = messages)]
pub(super) struct MessageRow {
    pub(super) sequence_id: i64,
    pub(super) id: String,
    agent_id: String,
    conversation_id: Option<String>,
    role: String,
    content: Option<RawJson>,
    name: Option<String>,
    model: Option<String>,
    tool_calls: Option<RawJson>,
    tool_call_id: Option<String>,
    tool_returns: Option<RawJson>,
    approvals: Option<RawJson>,
    approve: Option<bool>,
    approval_request_id: Option<String>,
    denial_reason: Option<String>,
    otid: Option<String>,
    sender_id: Option<String>,
    group_id: Option<String>,
    batch_item_id: Option<String>,
    step_id: Option<String>,
    run_id: Option<String>,
    is_err: Option<bool>,
    created_at: NaiveDateTime,
    updated_at: NaiveDateTime,
    created_by_id: Option<String>,
    last_updated_by_id: Option<String>,
}

impl MessageRow {
    pub(super) fn into_message(self) -> Result<StoredMessage> {
        let reader = Reader { model: super::MODEL, id: &self.id };
        Ok(StoredMessage {
            id: reader.id("id", &self.id)?,
            sequence_id: self.sequence_id,
            agent_id: reader.id("agent_id", &self.agent_id)?,
            conversation_id: self.conversation_id.and_then(|id| id.parse().ok()),
            role: self.role.parse().unwrap_or(MessageRole::User),
            content: reader.json_opt("content", self.content.as_ref())?.unwrap_or_default(),
            name: self.name,
            model: self.model,
            tool_calls: reader.json_opt("tool_calls", self.tool_calls.as_ref())?.unwrap_or_default(),
            tool_call_id: self.tool_call_id,
            tool_returns: reader.json_opt("tool_returns", self.tool_returns.as_ref())?.unwrap_or_default(),
            approvals: reader.json_opt("approvals", self.approvals.as_ref())?.unwrap_or_default(),
            approve: self.approve,
            approval_request_id: self.approval_request_id,
            denial_reason: self.denial_reason,
            otid: self.otid,
            sender_id: self.sender_id,
            group_id: self.group_id,
            batch_item_id: self.batch_item_id,
            step_id: self.step_id.and_then(|id| id.parse().ok()),
            run_id: self.run_id.and_then(|id| id.parse().ok()),
            is_err: self.is_err,
            created_at: self.created_at.into(),
            updated_at: Some(self.updated_at.into()),
            created_by_id: self.created_by_id.and_then(|id| id.parse().ok()),
            last_updated_by_id: self.last_updated_by_id.and_then(|id| id.parse().ok()),
        })
    }
}

/// A message as it is written.
#[derive(Debug, Insertable)]
#[diesel(table_name = messages, treat_none_as_default_value = false)]
pub(super) struct NewRow {
    id: String,
    organization_id: String,
    agent_id: String,
    conversation_id: Option<String>,
    role: &'static str,
    content: Option<RawJson>,
    name: Option<String>,
    model: Option<String>,
    tool_calls: Option<RawJson>,
    tool_call_id: Option<String>,
    tool_returns: Option<RawJson>,
    approvals: Option<RawJson>,
    approve: Option<bool>,
    approval_request_id: Option<String>,
    denial_reason: Option<String>,
    otid: Option<String>,
    sender_id: Option<String>,
    group_id: Option<String>,
    batch_item_id: Option<String>,
    step_id: Option<String>,
    run_id: Option<String>,
    is_err: Option<bool>,
    search_text: Option<String>,
    created_at: NaiveDateTime,
    updated_at: NaiveDateTime,
    created_by_id: Option<String>,
    last_updated_by_id: Option<String>,
}

impl NewRow {
    pub(super) fn new(actor: &Actor, message: &StoredMessage) -> Result<Self> {
        let text = |id: &Option<String>| clean_opt(id.clone());
        Ok(Self {
            id: message.id.to_string(),
            organization_id: actor.organization_id.to_string(),
            agent_id: message.agent_id.to_string(),
            conversation_id: message.conversation_id.map(|id| id.to_string()),
            role: message.role.as_str(),
            content: json(&message.content)?,
            name: text(&message.name),
            model: text(&message.model),
            tool_calls: json(&message.tool_calls)?,
            tool_call_id: text(&message.tool_call_id),
            tool_returns: json(&message.tool_returns)?,
            approvals: json(&message.approvals)?,
            approve: message.approve,
            approval_request_id: text(&message.approval_request_id),
            denial_reason: text(&message.denial_reason),
            otid: text(&message.otid),
            sender_id: text(&message.sender_id),
            group_id: text(&message.group_id),
            batch_item_id: text(&message.batch_item_id),
            step_id: message.step_id.map(|id| id.to_string()),
            run_id: message.run_id.map(|id| id.to_string()),
            is_err: message.is_err,
            search_text: search_text(message),
            created_at: message.created_at.naive(),
            updated_at: message.updated_at.unwrap_or_else(Timestamp::now).naive(),
            created_by_id: Some(actor.user_id.to_string()),
            last_updated_by_id: Some(actor.user_id.to_string()),
        })
    }
}

fn json<T: serde::Serialize>(list: &[T]) -> Result<Option<RawJson>> {
    if list.is_empty() {
        return Ok(None);
    }
    RawJson::of(list).map(Some)
}

/// The text that a search looks at: what was said and what tools found, not instructions, not the searches
/// themselves, and not what the server said in the user's place.
pub fn search_text(message: &StoredMessage) -> Option<String> {
    let text = match message.role {
        MessageRole::User => words_of_user(message.text())?,
        MessageRole::Assistant => {
            let mut text = message.text();
            for call in message.tool_calls.iter().filter(|call| call.function.name == "send_message") {
                text.push('\n');
                text.push_str(&call.function.arguments);
            }
            text
        }
        MessageRole::Tool if !matches!(message.name.as_deref(), Some("send_message" | "conversation_search")) => {
            message.text()
        }
        _ => return None,
    };
    Some(clean(text)).filter(|text| !text.trim().is_empty())
}

/// What a user said, without its envelope; none for what the server wrote in the user's place.
fn words_of_user(text: String) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Envelope {
        r#type: String,
    }
    if let Some(words) = open_user_message(&text) {
        return Some(words);
    }
    let envelope = text.starts_with('{').then(|| serde_json::from_str::<Envelope>(&text).ok()).flatten();
    match envelope {
        Some(envelope) if matches!(envelope.r#type.as_str(), "heartbeat" | "login" | "system_alert") => None,
        _ => Some(text),
    }
}
