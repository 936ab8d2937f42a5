//! The row of an agent, as it is stored and as it is handed on.

use chrono::NaiveDateTime;
use diesel::prelude::*;
use serde_json::{Map, Value};

use super::MODEL;
use crate::{
    Result,
    json::RawJson,
    row::{Reader, user},
    schema::{
        AgentId, AgentType, CompactionSettings, EmbeddingConfig, LlmConfig, MessageId, OrganizationId, ResponseFormat,
        StopReason, Timestamp, ToolRule, UserId,
    },
    tables::agents,
    text::{clean, clean_opt},
};

/// An agent without what is attached to it.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the fields are those of AgentState, which documents them")]
pub struct AgentRow {
    pub id: AgentId,
    pub organization_id: OrganizationId,
    pub agent_type: AgentType,
    pub name: String,
    pub description: Option<String>,
    pub system: String,
    pub message_ids: Vec<MessageId>,
    pub metadata: Option<Map<String, Value>>,
    pub llm_config: LlmConfig,
    pub embedding_config: Option<EmbeddingConfig>,
    pub compaction_settings: Option<CompactionSettings>,
    pub response_format: Option<ResponseFormat>,
    pub tool_rules: Vec<ToolRule>,
    pub project_id: Option<String>,
    pub template_id: Option<String>,
    pub base_template_id: Option<String>,
    pub deployment_id: Option<String>,
    pub entity_id: Option<String>,
    pub message_buffer_autoclear: bool,
    pub enable_sleeptime: Option<bool>,
    pub last_run_completion: Option<Timestamp>,
    pub last_run_duration_ms: Option<i64>,
    pub last_stop_reason: Option<StopReason>,
    pub timezone: Option<String>,
    pub max_files_open: Option<i64>,
    pub per_file_view_window_char_limit: Option<i64>,
    pub hidden: Option<bool>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub created_by_id: Option<UserId>,
    pub last_updated_by_id: Option<UserId>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = agents, treat_none_as_default_value = false)]
pub(super) struct Record {
    id: String,
    organization_id: String,
    agent_type: String,
    name: String,
    description: Option<String>,
    system: String,
    message_ids: RawJson,
    metadata: Option<RawJson>,
    llm_config: RawJson,
    embedding_config: Option<RawJson>,
    compaction_settings: Option<RawJson>,
    response_format: Option<RawJson>,
    tool_rules: RawJson,
    project_id: Option<String>,
    template_id: Option<String>,
    base_template_id: Option<String>,
    deployment_id: Option<String>,
    entity_id: Option<String>,
    message_buffer_autoclear: bool,
    enable_sleeptime: Option<bool>,
    last_run_completion: Option<NaiveDateTime>,
    last_run_duration_ms: Option<i64>,
    last_stop_reason: Option<String>,
    timezone: Option<String>,
    max_files_open: Option<i64>,
    per_file_view_window_char_limit: Option<i64>,
    hidden: Option<bool>,
    created_at: NaiveDateTime,
    updated_at: NaiveDateTime,
    created_by_id: Option<String>,
    last_updated_by_id: Option<String>,
}

impl Record {
    pub(super) fn of(agent: &AgentRow) -> Result<Self> {
        let agent = agent.clone();
        Ok(Self {
            id: agent.id.to_string(),
            organization_id: agent.organization_id.to_string(),
            agent_type: agent.agent_type.to_string(),
            name: clean(agent.name),
            description: clean_opt(agent.description),
            system: clean(agent.system),
            message_ids: RawJson::of(&agent.message_ids)?,
            metadata: RawJson::of_opt(agent.metadata.as_ref())?,
            llm_config: RawJson::of(&agent.llm_config)?,
            embedding_config: RawJson::of_opt(agent.embedding_config.as_ref())?,
            compaction_settings: RawJson::of_opt(agent.compaction_settings.as_ref())?,
            response_format: RawJson::of_opt(agent.response_format.as_ref())?,
            tool_rules: RawJson::of(&agent.tool_rules)?,
            project_id: clean_opt(agent.project_id),
            template_id: clean_opt(agent.template_id),
            base_template_id: clean_opt(agent.base_template_id),
            deployment_id: clean_opt(agent.deployment_id),
            entity_id: clean_opt(agent.entity_id),
            message_buffer_autoclear: agent.message_buffer_autoclear,
            enable_sleeptime: agent.enable_sleeptime,
            last_run_completion: agent.last_run_completion.map(Timestamp::naive),
            last_run_duration_ms: agent.last_run_duration_ms,
            last_stop_reason: agent.last_stop_reason.map(|reason| reason.to_string()),
            timezone: clean_opt(agent.timezone),
            max_files_open: agent.max_files_open,
            per_file_view_window_char_limit: agent.per_file_view_window_char_limit,
            hidden: agent.hidden,
            created_at: agent.created_at.naive(),
            updated_at: agent.updated_at.naive(),
            created_by_id: agent.created_by_id.map(|id| id.to_string()),
            last_updated_by_id: agent.last_updated_by_id.map(|id| id.to_string()),
        })
    }

    pub(super) fn read(self) -> Result<AgentRow> {
        let reader = Reader { model: MODEL, id: &self.id };
        Ok(AgentRow {
            id: reader.id("id", &self.id)?,
            organization_id: reader.id("organization_id", &self.organization_id)?,
            agent_type: AgentType::lenient(&self.agent_type),
            name: self.name,
            description: self.description,
            system: self.system,
            message_ids: reader.json("message_ids", &self.message_ids)?,
            metadata: reader.json_opt("metadata", self.metadata.as_ref())?,
            llm_config: reader.json("llm_config", &self.llm_config)?,
            embedding_config: reader.json_opt("embedding_config", self.embedding_config.as_ref())?,
            compaction_settings: reader.json_opt("compaction_settings", self.compaction_settings.as_ref())?,
            response_format: reader.json_opt("response_format", self.response_format.as_ref())?,
            tool_rules: reader.json("tool_rules", &self.tool_rules)?,
            project_id: self.project_id,
            template_id: self.template_id,
            base_template_id: self.base_template_id,
            deployment_id: self.deployment_id,
            entity_id: self.entity_id,
            message_buffer_autoclear: self.message_buffer_autoclear,
            enable_sleeptime: self.enable_sleeptime,
            last_run_completion: self.last_run_completion.map(Into::into),
            last_run_duration_ms: self.last_run_duration_ms,
            last_stop_reason: self.last_stop_reason.as_deref().map(StopReason::lenient),
            timezone: self.timezone,
            max_files_open: self.max_files_open,
            per_file_view_window_char_limit: self.per_file_view_window_char_limit,
            hidden: self.hidden,
            created_at: self.created_at.into(),
            updated_at: self.updated_at.into(),
            created_by_id: user(self.created_by_id),
            last_updated_by_id: user(self.last_updated_by_id),
        })
    }
}
