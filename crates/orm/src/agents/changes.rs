//! Changing some columns of an agent.

use chrono::NaiveDateTime;
use diesel::prelude::*;
use serde_json::{Map, Value};

use crate::{
    Actor, Conn, Result,
    connection::with_backend,
    json::RawJson,
    row::changed,
    schema::{
        AgentId, CompactionSettings, EmbeddingConfig, LlmConfig, MessageId, ResponseFormat, StopReason, Timestamp,
        ToolRule,
    },
    tables::agents,
    text::{clean, clean_opt},
};

/// What to change of an agent. `None` leaves a column as it is, `Some(None)` clears it.
#[derive(Debug, Clone, Default, PartialEq)]
#[allow(missing_docs, reason = "the fields are those of AgentState, which documents them")]
pub struct AgentChanges {
    pub name: Option<String>,
    pub description: Option<Option<String>>,
    pub system: Option<String>,
    pub message_ids: Option<Vec<MessageId>>,
    pub metadata: Option<Option<Map<String, Value>>>,
    pub llm_config: Option<LlmConfig>,
    pub embedding_config: Option<Option<EmbeddingConfig>>,
    pub compaction_settings: Option<Option<CompactionSettings>>,
    pub response_format: Option<Option<ResponseFormat>>,
    pub tool_rules: Option<Vec<ToolRule>>,
    pub project_id: Option<Option<String>>,
    pub template_id: Option<Option<String>>,
    pub base_template_id: Option<Option<String>>,
    pub deployment_id: Option<Option<String>>,
    pub entity_id: Option<Option<String>>,
    pub message_buffer_autoclear: Option<bool>,
    pub enable_sleeptime: Option<Option<bool>>,
    pub last_run_completion: Option<Option<Timestamp>>,
    pub last_run_duration_ms: Option<Option<i64>>,
    pub last_stop_reason: Option<Option<StopReason>>,
    pub timezone: Option<Option<String>>,
    pub max_files_open: Option<Option<i64>>,
    pub per_file_view_window_char_limit: Option<Option<i64>>,
    pub hidden: Option<Option<bool>>,
}

#[derive(AsChangeset)]
#[diesel(table_name = agents)]
struct Columns {
    name: Option<String>,
    description: Option<Option<String>>,
    system: Option<String>,
    message_ids: Option<RawJson>,
    metadata: Option<Option<RawJson>>,
    llm_config: Option<RawJson>,
    embedding_config: Option<Option<RawJson>>,
    compaction_settings: Option<Option<RawJson>>,
    response_format: Option<Option<RawJson>>,
    tool_rules: Option<RawJson>,
    project_id: Option<Option<String>>,
    template_id: Option<Option<String>>,
    base_template_id: Option<Option<String>>,
    deployment_id: Option<Option<String>>,
    entity_id: Option<Option<String>>,
    message_buffer_autoclear: Option<bool>,
    enable_sleeptime: Option<Option<bool>>,
    last_run_completion: Option<Option<NaiveDateTime>>,
    last_run_duration_ms: Option<Option<i64>>,
    last_stop_reason: Option<Option<String>>,
    timezone: Option<Option<String>>,
    max_files_open: Option<Option<i64>>,
    per_file_view_window_char_limit: Option<Option<i64>>,
    hidden: Option<Option<bool>>,
    updated_at: NaiveDateTime,
    last_updated_by_id: Option<String>,
}

/// The column for a value that may be cleared.
fn json<T: serde::Serialize>(value: Option<Option<T>>) -> Result<Option<Option<RawJson>>> {
    value.map(|value| RawJson::of_opt(value.as_ref())).transpose()
}

impl Columns {
    fn of(changes: AgentChanges, actor: &Actor) -> Result<Self> {
        Ok(Self {
            name: clean_opt(changes.name),
            description: changes.description.map(clean_opt),
            system: changes.system.map(clean),
            message_ids: RawJson::of_opt(changes.message_ids.as_ref())?,
            metadata: json(changes.metadata)?,
            llm_config: RawJson::of_opt(changes.llm_config.as_ref())?,
            embedding_config: json(changes.embedding_config)?,
            compaction_settings: json(changes.compaction_settings)?,
            response_format: json(changes.response_format)?,
            tool_rules: RawJson::of_opt(changes.tool_rules.as_ref())?,
            project_id: changes.project_id.map(clean_opt),
            template_id: changes.template_id.map(clean_opt),
            base_template_id: changes.base_template_id.map(clean_opt),
            deployment_id: changes.deployment_id.map(clean_opt),
            entity_id: changes.entity_id.map(clean_opt),
            message_buffer_autoclear: changes.message_buffer_autoclear,
            enable_sleeptime: changes.enable_sleeptime,
            last_run_completion: changes.last_run_completion.map(|time| time.map(Timestamp::naive)),
            last_run_duration_ms: changes.last_run_duration_ms,
            last_stop_reason: changes.last_stop_reason.map(|reason| reason.map(|reason| reason.to_string())),
            timezone: changes.timezone.map(clean_opt),
            max_files_open: changes.max_files_open,
            per_file_view_window_char_limit: changes.per_file_view_window_char_limit,
            hidden: changes.hidden,
            updated_at: Timestamp::now().naive(),
            last_updated_by_id: Some(actor.user_id.to_string()),
        })
    }
}

/// Changes the agent and notes who did it, and when. False when there is no such agent.
pub fn update(conn: &mut Conn, actor: &Actor, id: AgentId, changes: AgentChanges) -> Result<bool> {
    let columns = Columns::of(changes, actor)?;
    let rows = with_backend!(conn, c => {
        diesel::update(
            agents::table.find(id.to_string()).filter(agents::organization_id.eq(actor.organization_id.to_string())),
        )
        .set(&columns)
        .execute(c)
    })?;
    Ok(changed(rows))
}
