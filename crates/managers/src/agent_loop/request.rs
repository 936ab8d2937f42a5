//! What a request to send messages must be, and what the turn keeps of it.

use muisti_orm::{
    histories::HistoryId,
    schema::{
        ApprovalEntry, ClientSkill, ClientTool, ContentPart, InputMessage, MessageCreate, MessageRole, RunId,
        RunRequestConfig, SendRequest, StoredMessage, StreamOptions, StreamingSendRequest,
    },
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{accept::WhenPending, ending::Keep};
use crate::{Error, Result, error::FieldError};

/// The most messages that one request may carry.
const MAX_MESSAGES: usize = 1_000;
/// The most tools that a client may bring along.
const MAX_CLIENT_TOOLS: usize = 500;

/// What of a request the turn goes by. It is stored with the run, for a process that must carry it on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct TurnRequest {
    pub(super) max_steps: i64,
    pub(super) override_model: Option<String>,
    pub(super) override_system: Option<String>,
    pub(super) config: RunRequestConfig,
    #[serde(default)]
    pub(super) client_tools: Vec<ClientTool>,
    #[serde(default)]
    pub(super) client_skills: Vec<ClientSkill>,
    pub(super) include_compaction_messages: bool,
    pub(super) return_logprobs: bool,
    pub(super) top_logprobs: Option<i64>,
    /// What to do when calls wait for the client.
    #[serde(default)]
    pub(super) when_pending: WhenPending,
    /// The client's own id of the request.
    #[serde(default)]
    pub(super) request_id: Option<String>,
    /// How the answer is delivered.
    pub(super) stream: StreamOptions,
}

impl TurnRequest {
    pub(super) fn of(request: &StreamingSendRequest) -> Self {
        let send = &request.request;
        Self {
            max_steps: send.max_steps,
            override_model: send.override_model.clone(),
            override_system: send.override_system.clone(),
            config: send.config(),
            client_tools: send.client_tools.clone().unwrap_or_default(),
            client_skills: send.client_skills.clone().unwrap_or_default(),
            include_compaction_messages: send.include_compaction_messages,
            return_logprobs: send.return_logprobs,
            top_logprobs: send.top_logprobs,
            when_pending: WhenPending::default(),
            request_id: None,
            stream: request.stream,
        }
    }

    /// What of the input goes into the history when the server stops before anything has come of it.
    pub(super) fn keep(&self) -> Keep {
        Keep::WhatFits { denies: self.when_pending == WhenPending::Deny }
    }

    /// Whether the client runs a tool of this name.
    pub(super) fn is_client_tool(&self, name: &str) -> bool {
        self.client_tools.iter().any(|tool| tool.name == name)
    }
}

/// Checks a request and gives its messages.
///
/// # Errors
/// 422 for fields that break their rules.
pub(super) fn check(request: &SendRequest, stream: &StreamOptions) -> Result<Vec<InputMessage>> {
    let refuse = |fault| Error::Unprocessable(vec![fault]);
    if let Some(conflict) = stream.conflict() {
        return Err(refuse(FieldError::request(conflict)));
    }
    let tools = request.client_tools.as_ref().map_or(0, Vec::len);
    if tools > MAX_CLIENT_TOOLS {
        let message = format!("One request brings at most {MAX_CLIENT_TOOLS} client tools along, not {tools}.");
        return Err(refuse(FieldError::body("client_tools", message)));
    }
    let messages = request.checked_messages().map_err(|fault| {
        let location = fault.location.iter().map(|&part| part.to_owned()).collect();
        refuse(FieldError { location, ..FieldError::request(fault.message) })
    })?;
    if messages.len() > MAX_MESSAGES {
        let message = format!("One request carries at most {MAX_MESSAGES} messages, not {}.", messages.len());
        return Err(refuse(FieldError::body("messages", message)));
    }
    Ok(messages)
}

/// The stored form of a request's messages. Only the first may answer an approval request.
///
/// # Errors
/// 400 when one of them is empty or of a kind that cannot be processed where it stands.
pub(super) fn to_stored(history: HistoryId, run: RunId, messages: Vec<InputMessage>) -> Result<Vec<StoredMessage>> {
    let mut stored: Vec<StoredMessage> = Vec::with_capacity(messages.len());
    for (index, message) in messages.into_iter().enumerate() {
        let row = match message {
            InputMessage::Message(message) => said(history, index, message)?,
            InputMessage::Approval(answer) if index == 0 => {
                let entries = answer.entries();
                answered(history, answer.otid, answer.group_id, entries)
            }
            InputMessage::ToolReturn(answer) if index == 0 => {
                let entries = answer.tool_returns.into_iter().map(Into::into).collect();
                answered(history, answer.otid, answer.group_id, entries)
            }
            InputMessage::Approval(_) | InputMessage::ToolReturn(_) => {
                if stored.first().is_some_and(|first| first.role == MessageRole::Approval) {
                    tracing::warn!(run_id = %run, index, "only the first message of a request may answer approvals");
                    continue;
                }
                return Err(Error::BadRequest("Expected MessageCreate, got ApprovalCreate".to_owned()));
            }
        };
        stored.push(StoredMessage { run_id: Some(run), ..row });
    }
    Ok(stored)
}

fn said(history: HistoryId, index: usize, message: MessageCreate) -> Result<StoredMessage> {
    // Parts of other kinds are those of answers: a model is not shown them in what is said to it.
    let says_something = |part: &ContentPart| match part {
        ContentPart::Text(text) => !text.text.trim_matches('\0').is_empty(),
        ContentPart::Image(_) => true,
        _ => false,
    };
    let content = message.content.into_parts();
    if !content.iter().any(says_something) {
        return Err(Error::BadRequest(format!(
            "Message content is empty or invalid: message {index} of the request has empty content in it. Give it \
             some text or an image."
        )));
    }
    let mut row = row(history, MessageRole::from(message.role), content, message.otid, message.group_id);
    row.name = message.name;
    row.sender_id = message.sender_id;
    row.batch_item_id = message.batch_item_id;
    Ok(row)
}

fn answered(
    history: HistoryId,
    otid: Option<String>,
    group_id: Option<String>,
    entries: Vec<ApprovalEntry>,
) -> StoredMessage {
    let mut row = row(history, MessageRole::Approval, Vec::new(), otid, group_id);
    row.set_approvals(entries);
    row
}

fn row(
    history: HistoryId,
    role: MessageRole,
    content: Vec<ContentPart>,
    otid: Option<String>,
    group_id: Option<String>,
) -> StoredMessage {
    let mut row = StoredMessage::new(history.agent_id, role, content);
    row.conversation_id = history.conversation_id;
    row.otid = Some(otid.unwrap_or_else(|| Uuid::new_v4().to_string()));
    row.group_id = group_id;
    row
}
