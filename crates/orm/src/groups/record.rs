//! The row of a group.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::MODEL;
use crate::{
    Actor, Result,
    row::Reader,
    schema::{Group, ManagerType, Timestamp},
    tables::groups,
    text::{clean, clean_opt},
};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = groups, treat_none_as_default_value = false)]
pub(super) struct Record {
    id: String,
    organization_id: String,
    #[diesel(embed)]
    columns: Columns,
    created_at: NaiveDateTime,
    created_by_id: Option<String>,
}

/// What can change.
#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = groups, treat_none_as_default_value = false, treat_none_as_null = true)]
pub(super) struct Columns {
    manager_type: String,
    description: String,
    project_id: Option<String>,
    template_id: Option<String>,
    base_template_id: Option<String>,
    deployment_id: Option<String>,
    manager_agent_id: Option<String>,
    termination_token: Option<String>,
    max_turns: Option<i64>,
    sleeptime_agent_frequency: Option<i64>,
    turns_counter: Option<i64>,
    last_processed_message_id: Option<String>,
    max_message_buffer_length: Option<i64>,
    min_message_buffer_length: Option<i64>,
    hidden: Option<bool>,
    updated_at: NaiveDateTime,
    last_updated_by_id: Option<String>,
}

impl Columns {
    pub(super) fn of(actor: &Actor, group: &Group, now: Timestamp) -> Self {
        let group = group.clone();
        Self {
            manager_type: group.manager_type.to_string(),
            description: clean(group.description),
            project_id: clean_opt(group.project_id),
            template_id: clean_opt(group.template_id),
            base_template_id: clean_opt(group.base_template_id),
            deployment_id: clean_opt(group.deployment_id),
            manager_agent_id: group.manager_agent_id.map(|id| id.to_string()),
            termination_token: clean_opt(group.termination_token),
            max_turns: group.max_turns,
            sleeptime_agent_frequency: group.sleeptime_agent_frequency,
            turns_counter: group.turns_counter,
            last_processed_message_id: group.last_processed_message_id.map(|id| id.to_string()),
            max_message_buffer_length: group.max_message_buffer_length,
            min_message_buffer_length: group.min_message_buffer_length,
            hidden: group.hidden,
            updated_at: now.naive(),
            last_updated_by_id: Some(actor.user_id.to_string()),
        }
    }
}

impl Record {
    pub(super) fn new(actor: &Actor, group: &Group) -> Self {
        let now = Timestamp::now();
        Self {
            id: group.id.to_string(),
            organization_id: actor.organization_id.to_string(),
            columns: Columns::of(actor, group, now),
            created_at: now.naive(),
            created_by_id: Some(actor.user_id.to_string()),
        }
    }

    /// The group, without its members and blocks.
    pub(super) fn read(self) -> Result<Group> {
        let reader = Reader { model: MODEL, id: &self.id };
        let columns = self.columns;
        let manager = columns.manager_agent_id.map(|id| reader.id("manager_agent_id", &id)).transpose()?;
        Ok(Group {
            id: reader.id("id", &self.id)?,
            manager_type: ManagerType::lenient(&columns.manager_type),
            agent_ids: Vec::new(),
            description: columns.description,
            project_id: columns.project_id,
            template_id: columns.template_id,
            base_template_id: columns.base_template_id,
            deployment_id: columns.deployment_id,
            shared_block_ids: Vec::new(),
            manager_agent_id: manager,
            termination_token: columns.termination_token,
            max_turns: columns.max_turns,
            sleeptime_agent_frequency: columns.sleeptime_agent_frequency,
            turns_counter: columns.turns_counter,
            last_processed_message_id: columns.last_processed_message_id.and_then(|id| id.parse().ok()),
            max_message_buffer_length: columns.max_message_buffer_length,
            min_message_buffer_length: columns.min_message_buffer_length,
            hidden: columns.hidden,
        })
    }
}
