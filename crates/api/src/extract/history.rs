//! Histories in paths: a conversation, or an agent's default history.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload};

use super::path::decode;
use crate::{
    error::{ApiError, Record, Validation},
    managers::{
        HistoryName,
        schema::{AgentId, ConversationId, Id},
    },
};

/// The history that the path parameter `conversation_id` names: `default`, the id of an agent, which means its default
/// history, or the id of a conversation. `services.conversations().history(…)` finds it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PathHistory(pub(crate) HistoryName);

impl FromRequest for PathHistory {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let text = decode(request.match_info().query("conversation_id"));
        ready(text.parse().map(Self).map_err(|_| malformed(text)))
    }
}

fn malformed(text: String) -> ApiError {
    let mut record = Record::new("string_pattern_mismatch", ["path", "conversation_id"]);
    record.msg = "String should be 'default', or match pattern 'conv-{uuid4}' or 'agent-{uuid4}'".to_owned();
    record.input = text.into();
    Validation { errors: vec![record], examples: vec![ConversationId::example(), AgentId::example()] }.into()
}
