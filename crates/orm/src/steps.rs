//! Steps: one row a model call, with what it cost.

mod row;

use chrono::NaiveDateTime;
use diesel::prelude::*;

use crate::{
    Conn, Error, Page, Result,
    connection::with_backend,
    json::RawJson,
    json_list::has_any,
    page::load_page,
    row::{changed, readable},
    schema::{
        AgentId, FeedbackType, OrganizationId, RunId, RunUsage, Step, StepId, StepMetrics, StepStatus, StopReason,
        Timestamp, UsageStatistics,
    },
    tables::steps as t,
};
use row::{MetricsRow, StepRow};

const MODEL: &str = "Step";

/// A step as it begins.
#[derive(Debug, Clone)]
pub struct NewStep {
    /// Its id.
    pub id: StepId,
    /// The run that it belongs to.
    pub run_id: RunId,
    /// The agent that takes it.
    pub agent_id: AgentId,
    /// The agent's project.
    pub project_id: Option<String>,
    /// The kind of endpoint that is called.
    pub provider_name: Option<String>,
    /// Whose provider it is, `base` or `byok`.
    pub provider_category: Option<String>,
    /// The model.
    pub model: String,
    /// The model as users write it.
    pub model_handle: Option<String>,
    /// The address that is called.
    pub model_endpoint: Option<String>,
    /// The tokens that fit into the model's context.
    pub context_window_limit: i64,
    /// The client's own id of the request.
    pub request_id: Option<String>,
    /// The trace that it is a part of.
    pub trace_id: Option<String>,
}

/// How long the parts of a step took, in nanoseconds, as far as that is known.
#[derive(Debug, Clone, Copy, Default)]
pub struct StepTimes {
    /// When the step began, since 1970.
    pub step_start_ns: Option<i64>,
    /// When the model was asked, since 1970.
    pub llm_request_start_ns: Option<i64>,
    /// The model call.
    pub llm_request_ns: Option<i64>,
    /// The longest tool call.
    pub tool_execution_ns: Option<i64>,
    /// All of it.
    pub step_ns: Option<i64>,
}

/// The end of a step.
#[derive(Debug, Clone)]
pub struct StepEnd<'a> {
    /// How it ended.
    pub status: StepStatus,
    /// Why the turn stopped with it, if it did.
    pub stop_reason: Option<StopReason>,
    /// What this step's model call cost.
    pub usage: Option<UsageStatistics>,
    /// The class of the failure.
    pub error_type: Option<&'a str>,
    /// More about the failure.
    pub error_data: Option<serde_json::Value>,
    /// How long it took.
    pub times: StepTimes,
}

/// What a list of steps is limited to.
#[derive(Debug, Clone, Default)]
pub struct StepFilter {
    /// Those of this run.
    pub run_id: Option<RunId>,
    /// Those of this agent.
    pub agent_id: Option<AgentId>,
    /// Those of this model.
    pub model: Option<String>,
    /// Those of these traces; all when empty.
    pub trace_ids: Vec<String>,
    /// Those with this feedback.
    pub feedback: Option<FeedbackType>,
    /// Those with or without feedback.
    pub has_feedback: Option<bool>,
    /// Those with one of these tags; all when empty.
    pub tags: Vec<String>,
    /// Those of this project.
    pub project_id: Option<String>,
    /// Those that began after this time.
    pub start: Option<Timestamp>,
    /// Those that began before this time.
    pub end: Option<Timestamp>,
}

/// Stores a step that begins.
pub fn insert(conn: &mut Conn, organization: OrganizationId, step: &NewStep) -> Result<()> {
    let now = Timestamp::now().naive();
    let tags = RawJson::of::<[String]>(&[])?;
    let values = (
        (
            t::id.eq(step.id.to_string()),
            t::organization_id.eq(organization.to_string()),
            t::agent_id.eq(step.agent_id.to_string()),
            t::run_id.eq(step.run_id.to_string()),
            t::project_id.eq(&step.project_id),
            t::provider_name.eq(&step.provider_name),
            t::provider_category.eq(&step.provider_category),
            t::model.eq(&step.model),
            t::model_handle.eq(&step.model_handle),
            t::model_endpoint.eq(&step.model_endpoint),
        ),
        t::context_window_limit.eq(step.context_window_limit),
        t::request_id.eq(&step.request_id),
        t::trace_id.eq(&step.trace_id),
        t::completion_tokens.eq(0),
        t::prompt_tokens.eq(0),
        t::total_tokens.eq(0),
        t::tags.eq(tags),
        t::status.eq(StepStatus::Pending.as_str()),
        t::created_at.eq(now),
        t::updated_at.eq(now),
    );
    with_backend!(conn, c => diesel::insert_into(t::table).values(values).execute(c))?;
    Ok(())
}

/// Ends a step. If its beginning or its length is not known, it began when it was stored and took until now.
pub fn finish(conn: &mut Conn, id: StepId, end: &StepEnd<'_>) -> Result<()> {
    let now = Timestamp::now();
    let times = match end.times {
        StepTimes { step_start_ns: Some(_), step_ns: Some(_), .. } => end.times,
        times => {
            let query = t::table.find(id.to_string()).select(t::created_at);
            let stored: Option<NaiveDateTime> = with_backend!(conn, c => query.first(c).optional())?;
            let nanoseconds = |time: Timestamp| time.utc().timestamp_nanos_opt();
            let start = times.step_start_ns.or_else(|| nanoseconds(stored?.into()));
            let length = || Some(nanoseconds(now)?.saturating_sub(start?).max(0));
            StepTimes { step_start_ns: start, step_ns: times.step_ns.or_else(length), ..times }
        }
    };
    let error_data = RawJson::of_opt(end.error_data.as_ref())?;
    let change = (
        t::status.eq(end.status.as_str()),
        t::stop_reason.eq(end.stop_reason.map(StopReason::as_str)),
        t::error_type.eq(end.error_type),
        t::error_data.eq(error_data),
        t::step_start_ns.eq(times.step_start_ns),
        t::llm_request_start_ns.eq(times.llm_request_start_ns),
        t::llm_request_ns.eq(times.llm_request_ns),
        t::tool_execution_ns.eq(times.tool_execution_ns),
        t::step_ns.eq(times.step_ns),
        t::updated_at.eq(now.naive()),
    );
    let usage = end.usage.as_ref().map(|usage| {
        (
            t::prompt_tokens.eq(usage.prompt_tokens),
            t::completion_tokens.eq(usage.completion_tokens),
            t::total_tokens.eq(usage.total_tokens),
            t::cached_input_tokens.eq(usage.cached_input_tokens),
            t::cache_write_tokens.eq(usage.cache_write_tokens),
            t::reasoning_tokens.eq(usage.reasoning_tokens),
        )
    });
    let row = t::table.find(id.to_string());
    with_backend!(conn, c => match usage {
        Some(usage) => diesel::update(row).set((change, usage)).execute(c),
        None => diesel::update(row).set(change).execute(c),
    })?;
    Ok(())
}

/// The step of the run that has not ended.
pub fn pending(conn: &mut Conn, run: RunId) -> Result<Option<StepId>> {
    let query =
        t::table.filter(t::run_id.eq(run.to_string())).filter(t::status.eq(StepStatus::Pending.as_str())).select(t::id);
    let id: Option<String> = with_backend!(conn, c => query.first(c).optional())?;
    let step = |id: String| {
        id.parse().map_err(|e: crate::schema::InvalidId| Error::Corrupt { model: MODEL, id, reason: e.to_string() })
    };
    id.map(step).transpose()
}

/// One step.
pub fn get(conn: &mut Conn, organization: OrganizationId, id: StepId) -> Result<Option<Step>> {
    let query = t::table.filter(t::organization_id.eq(organization.to_string())).filter(t::id.eq(id.to_string()));
    let row: Option<StepRow> = with_backend!(conn, c => query.select(StepRow::as_select()).first(c).optional())?;
    row.map(StepRow::into_step).transpose()
}

/// How long the parts of a step took, once it has ended.
pub fn metrics(conn: &mut Conn, organization: OrganizationId, id: StepId) -> Result<Option<StepMetrics>> {
    let query = t::table
        .filter(t::organization_id.eq(organization.to_string()))
        .filter(t::id.eq(id.to_string()))
        .filter(t::step_ns.is_not_null());
    let row: Option<MetricsRow> = with_backend!(conn, c => query.select(MetricsRow::as_select()).first(c).optional())?;
    row.map(MetricsRow::into_metrics).transpose()
}

/// Notes what a user thinks of a step. Tags that are given replace those it has. Returns whether there is such a step.
pub fn set_feedback(
    conn: &mut Conn,
    organization: OrganizationId,
    id: StepId,
    feedback: Option<FeedbackType>,
    tags: Option<&[String]>,
) -> Result<bool> {
    let step = || t::table.filter(t::organization_id.eq(organization.to_string())).filter(t::id.eq(id.to_string()));
    let tags = tags.map(RawJson::of).transpose()?;
    let change = (t::feedback.eq(feedback.map(FeedbackType::as_str)), t::updated_at.eq(Timestamp::now().naive()));
    let rows = with_backend!(conn, c => match tags {
        Some(tags) => diesel::update(step()).set((change, t::tags.eq(tags))).execute(c),
        None => diesel::update(step()).set(change).execute(c),
    })?;
    Ok(changed(rows))
}

/// A page of steps by the time they began.
pub fn list(conn: &mut Conn, organization: OrganizationId, filter: &StepFilter, page: &Page) -> Result<Vec<Step>> {
    let window = page.window(MODEL, |id| {
        let query = t::table.filter(t::organization_id.eq(organization.to_string())).filter(t::id.eq(id));
        let key: Option<(NaiveDateTime, String)> =
            with_backend!(conn, c => query.select((t::created_at, t::id)).first(c).optional())?;
        Ok(key.map(Into::into))
    })?;
    let rows: Vec<StepRow> = with_backend!(conn, c => {
        let mut query = t::table.filter(t::organization_id.eq(organization.to_string())).into_boxed();
        if let Some(run) = filter.run_id {
            query = query.filter(t::run_id.eq(run.to_string()));
        }
        if let Some(agent) = filter.agent_id {
            query = query.filter(t::agent_id.eq(agent.to_string()));
        }
        if let Some(model) = &filter.model {
            query = query.filter(t::model.eq(model));
        }
        if !filter.trace_ids.is_empty() {
            query = query.filter(t::trace_id.eq_any(&filter.trace_ids));
        }
        if let Some(feedback) = filter.feedback {
            query = query.filter(t::feedback.eq(feedback.as_str()));
        }
        match filter.has_feedback {
            Some(true) => query = query.filter(t::feedback.is_not_null()),
            Some(false) => query = query.filter(t::feedback.is_null()),
            None => {}
        }
        if !filter.tags.is_empty() {
            query = query.filter(has_any(t::tags, &filter.tags)?);
        }
        if let Some(project) = &filter.project_id {
            query = query.filter(t::project_id.eq(project));
        }
        if let Some(start) = filter.start {
            query = query.filter(t::created_at.gt(start.naive()));
        }
        if let Some(end) = filter.end {
            query = query.filter(t::created_at.lt(end.naive()));
        }
        load_page!(c, query.select(StepRow::as_select()), &window, t::created_at, t::id => StepRow)
    })?;
    Ok(readable(rows, StepRow::into_step))
}

/// The tokens of all steps of a run.
pub fn usage(conn: &mut Conn, organization: OrganizationId, run: RunId) -> Result<RunUsage> {
    let query = t::table
        .filter(t::organization_id.eq(organization.to_string()))
        .filter(t::run_id.eq(run.to_string()))
        .select((
            t::prompt_tokens,
            t::completion_tokens,
            t::total_tokens,
            t::cached_input_tokens,
            t::cache_write_tokens,
            t::reasoning_tokens,
        ));
    let steps: Vec<row::Tokens> = with_backend!(conn, c => query.load(c))?;
    Ok(row::run_usage(&steps))
}
