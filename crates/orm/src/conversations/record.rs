//! The row of a conversation.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::MODEL;
use crate::{
    Actor, Result,
    json::RawJson,
    row::{Reader, user},
    schema::{Conversation, Timestamp},
    tables::conversations,
    text::clean_opt,
};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = conversations, treat_none_as_default_value = false)]
pub(super) struct Record {
    pub(super) id: String,
    organization_id: String,
    agent_id: String,
    hidden: bool,
    #[diesel(embed)]
    columns: Columns,
    created_at: NaiveDateTime,
    created_by_id: Option<String>,
}

/// What can change.
#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = conversations, treat_none_as_default_value = false, treat_none_as_null = true)]
pub(super) struct Columns {
    summary: Option<String>,
    description: Option<String>,
    archived_at: Option<NaiveDateTime>,
    model: Option<String>,
    model_settings: Option<RawJson>,
    context_window_limit: Option<i64>,
    last_message_at: Option<NaiveDateTime>,
    updated_at: NaiveDateTime,
    last_updated_by_id: Option<String>,
}

impl Columns {
    pub(super) fn of(actor: &Actor, conversation: &Conversation, now: Timestamp) -> Result<Self> {
        Ok(Self {
            summary: clean_opt(conversation.summary.clone()),
            description: clean_opt(conversation.description.clone()),
            archived_at: conversation.archived_at.map(Timestamp::naive),
            model: clean_opt(conversation.model.clone()),
            model_settings: RawJson::of_opt(conversation.model_settings.as_ref())?,
            context_window_limit: conversation.context_window_limit,
            last_message_at: conversation.last_message_at.map(Timestamp::naive),
            updated_at: now.naive(),
            last_updated_by_id: Some(actor.user_id.to_string()),
        })
    }
}

impl Record {
    pub(super) fn new(actor: &Actor, conversation: &Conversation, hidden: bool) -> Result<Self> {
        let now = Timestamp::now();
        Ok(Self {
            id: conversation.id.to_string(),
            organization_id: actor.organization_id.to_string(),
            agent_id: conversation.agent_id.to_string(),
            hidden,
            columns: Columns::of(actor, conversation, now)?,
            created_at: now.naive(),
            created_by_id: Some(actor.user_id.to_string()),
        })
    }

    /// The conversation, without its context and its blocks.
    pub(super) fn read(self) -> Result<Conversation> {
        let reader = Reader { model: MODEL, id: &self.id };
        let columns = self.columns;
        Ok(Conversation {
            id: reader.id("id", &self.id)?,
            agent_id: reader.id("agent_id", &self.agent_id)?,
            summary: columns.summary,
            description: columns.description,
            archived: columns.archived_at.is_some(),
            archived_at: columns.archived_at.map(Into::into),
            in_context_message_ids: Vec::new(),
            isolated_block_ids: Vec::new(),
            model: columns.model,
            model_settings: reader.json_opt("model_settings", columns.model_settings.as_ref())?,
            context_window_limit: columns.context_window_limit,
            last_message_at: columns.last_message_at.map(Into::into),
            created_at: Some(self.created_at.into()),
            updated_at: Some(columns.updated_at.into()),
            created_by_id: user(self.created_by_id),
            last_updated_by_id: user(columns.last_updated_by_id),
        })
    }
}
