//! The row of a run as it is read.

use chrono::NaiveDateTime;
use diesel::prelude::*;
use serde::de::DeserializeOwned;

use crate::{
    Actor, Result,
    json::RawJson,
    row::Reader,
    schema::{AgentId, ConversationId, Run, RunId, RunMetrics, RunStatus, StopReason, StoredMessage, Timestamp},
    tables::runs,
};

#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = runs)]
pub(super) struct RunRow {
    id: String,
    agent_id: String,
    conversation_id: Option<String>,
    base_template_id: Option<String>,
    status: String,
    background: Option<bool>,
    metadata: Option<RawJson>,
    request_config: Option<RawJson>,
    stop_reason: Option<String>,
    callback_url: Option<String>,
    callback_sent_at: Option<NaiveDateTime>,
    callback_status_code: Option<i32>,
    callback_error: Option<String>,
    ttft_ns: Option<i64>,
    total_duration_ns: Option<i64>,
    created_at: NaiveDateTime,
    completed_at: Option<NaiveDateTime>,
}

impl RunRow {
    pub(super) fn into_run(self) -> Result<Run> {
        let reader = Reader { model: super::MODEL, id: &self.id };
        Ok(Run {
            id: reader.id("id", &self.id)?,
            // A state of another version is one that this server will not carry on.
            status: self.status.parse().unwrap_or(RunStatus::Failed),
            created_at: self.created_at.into(),
            completed_at: self.completed_at.map(Into::into),
            agent_id: reader.id("agent_id", &self.agent_id)?,
            conversation_id: self.conversation_id.and_then(|id| id.parse().ok()),
            base_template_id: self.base_template_id,
            background: self.background,
            metadata: reader.json_opt("metadata", self.metadata.as_ref())?,
            request_config: reader.json_opt("request_config", self.request_config.as_ref())?,
            stop_reason: self.stop_reason.as_deref().map(StopReason::lenient),
            callback_url: self.callback_url,
            callback_sent_at: self.callback_sent_at.map(Into::into),
            callback_status_code: self.callback_status_code.map(i64::from),
            callback_error: self.callback_error,
            ttft_ns: self.ttft_ns,
            total_duration_ns: self.total_duration_ns,
        })
    }
}

/// A run whose process is gone, with what is needed to settle it.
#[derive(Debug, Clone)]
pub struct Orphan {
    /// The run.
    pub id: RunId,
    /// On whose behalf it was made.
    pub actor: Actor,
    /// The agent.
    pub agent_id: AgentId,
    /// The conversation; none for the default history.
    pub conversation_id: Option<ConversationId>,
    /// The history that it worked on.
    pub history_key: String,
    /// Input that is not in the history.
    pub pending_input: Vec<StoredMessage>,
    /// Whether the client was told that the input is taken.
    pub accepted: bool,
    /// Whether it is to go on without its client.
    pub background: bool,
    /// Whether it was cancelled, and is only to be wound up.
    pub cancelled: bool,
    /// The node that carried it on.
    pub node_id: Option<String>,
    /// How often it was carried on by another process.
    pub resumes: i32,
    /// When it was accepted.
    pub created_at: Timestamp,
    request: Option<RawJson>,
    progress: Option<RawJson>,
    draft: Option<RawJson>,
}

impl Orphan {
    /// What was kept of its request; none if it cannot be read.
    pub fn request<R: DeserializeOwned>(&self) -> Option<R> {
        self.read("request", self.request.as_ref())
    }

    /// How far it has come; none before the end of its first step.
    pub fn progress<P: DeserializeOwned>(&self) -> Option<P> {
        self.read("progress", self.progress.as_ref())
    }

    /// The state of the tool calls that were under way.
    pub fn draft<D: DeserializeOwned>(&self) -> Option<D> {
        self.read("draft", self.draft.as_ref())
    }

    fn read<T: DeserializeOwned>(&self, column: &str, json: Option<&RawJson>) -> Option<T> {
        json?.parse().inspect_err(|error| tracing::error!(run_id = %self.id, column, %error, "unreadable")).ok()
    }
}

#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = runs)]
pub(super) struct OrphanRow {
    id: String,
    organization_id: String,
    agent_id: String,
    conversation_id: Option<String>,
    history_key: String,
    pending_input: Option<RawJson>,
    accepted: bool,
    background: Option<bool>,
    status: String,
    node_id: Option<String>,
    resumes: i32,
    request: Option<RawJson>,
    progress: Option<RawJson>,
    draft: Option<RawJson>,
    created_at: NaiveDateTime,
    created_by_id: Option<String>,
}

impl OrphanRow {
    pub(super) fn into_orphan(self) -> Result<Orphan> {
        let reader = Reader { model: super::MODEL, id: &self.id };
        Ok(Orphan {
            id: reader.id("id", &self.id)?,
            actor: Actor {
                organization_id: reader.id("organization_id", &self.organization_id)?,
                user_id: reader.id("created_by_id", self.created_by_id.as_deref().unwrap_or_default())?,
            },
            agent_id: reader.id("agent_id", &self.agent_id)?,
            conversation_id: self.conversation_id.and_then(|id| id.parse().ok()),
            pending_input: reader.json_opt("pending_input", self.pending_input.as_ref())?.unwrap_or_default(),
            history_key: self.history_key,
            accepted: self.accepted,
            background: self.background.unwrap_or(false),
            cancelled: self.status == RunStatus::Cancelled.as_str(),
            node_id: self.node_id,
            resumes: self.resumes,
            created_at: self.created_at.into(),
            request: self.request,
            progress: self.progress,
            draft: self.draft,
        })
    }
}

#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = runs)]
pub(super) struct MetricsRow {
    id: String,
    agent_id: String,
    project_id: Option<String>,
    template_id: Option<String>,
    base_template_id: Option<String>,
    run_start_ns: Option<i64>,
    total_duration_ns: Option<i64>,
    num_steps: i32,
    tools_used: Option<RawJson>,
}

impl MetricsRow {
    pub(super) fn into_metrics(self) -> Result<RunMetrics> {
        let reader = Reader { model: super::MODEL, id: &self.id };
        Ok(RunMetrics {
            id: reader.id("id", &self.id)?,
            agent_id: self.agent_id.parse().ok(),
            project_id: self.project_id,
            run_start_ns: self.run_start_ns,
            run_ns: self.total_duration_ns,
            num_steps: Some(self.num_steps.into()),
            tools_used: reader.json_opt("tools_used", self.tools_used.as_ref())?,
            template_id: self.template_id,
            base_template_id: self.base_template_id,
        })
    }
}
