//! Provider traces: what model providers were asked and what they answered.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use crate::{
    Conn, Result,
    connection::with_backend,
    json::RawJson,
    row::{Reader, user},
    schema::{OrganizationId, ProviderTrace, ProviderTraceId, RunId, StepId, StepStatus, Timestamp},
    tables::{provider_traces as t, steps as s},
};

const MODEL: &str = "Provider trace";

/// The call of the step itself, which a step's trace is before all others.
pub const AGENT_STEP: &str = "agent_step";

#[derive(Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = t)]
struct TraceRow {
    id: String,
    organization_id: String,
    agent_id: Option<String>,
    step_id: Option<String>,
    run_id: Option<String>,
    call_type: String,
    source: Option<String>,
    request_json: RawJson,
    response_json: RawJson,
    agent_tags: Option<RawJson>,
    compaction_settings: Option<RawJson>,
    llm_config: Option<RawJson>,
    created_at: NaiveDateTime,
    created_by_id: Option<String>,
}

impl TraceRow {
    fn new(trace: &ProviderTrace) -> Result<Self> {
        Ok(Self {
            id: trace.id.to_string(),
            organization_id: trace.org_id.map(|id| id.to_string()).unwrap_or_default(),
            agent_id: trace.agent_id.map(|id| id.to_string()),
            step_id: trace.step_id.map(|id| id.to_string()),
            run_id: trace.run_id.map(|id| id.to_string()),
            call_type: trace.call_type.clone().unwrap_or_else(|| AGENT_STEP.to_owned()),
            source: trace.source.clone(),
            request_json: RawJson::of(&trace.request_json)?,
            response_json: RawJson::of(&trace.response_json)?,
            agent_tags: RawJson::of_opt(trace.agent_tags.as_ref())?,
            compaction_settings: RawJson::of_opt(trace.compaction_settings.as_ref())?,
            llm_config: RawJson::of_opt(trace.llm_config.as_ref())?,
            created_at: trace.created_at.naive(),
            created_by_id: trace.created_by_id.map(|id| id.to_string()),
        })
    }

    fn into_trace(self) -> Result<ProviderTrace> {
        let reader = Reader { model: MODEL, id: &self.id };
        let id: ProviderTraceId = reader.id("id", &self.id)?;
        Ok(ProviderTrace {
            id,
            request_json: reader.json("request_json", &self.request_json)?,
            response_json: reader.json("response_json", &self.response_json)?,
            step_id: self.step_id.and_then(|id| id.parse().ok()),
            agent_id: self.agent_id.and_then(|id| id.parse().ok()),
            agent_tags: reader.json_opt("agent_tags", self.agent_tags.as_ref())?,
            call_type: Some(self.call_type),
            run_id: self.run_id.and_then(|id| id.parse().ok()),
            source: self.source,
            org_id: self.organization_id.parse().ok(),
            compaction_settings: reader.json_opt("compaction_settings", self.compaction_settings.as_ref())?,
            llm_config: reader.json_opt("llm_config", self.llm_config.as_ref())?,
            billing_context: None,
            created_at: self.created_at.into(),
            updated_at: None,
            created_by_id: user(self.created_by_id),
            last_updated_by_id: None,
        })
    }
}

/// Stores traces, each of its organization.
///
/// # Errors
/// [`Error::ForeignKey`](crate::Error::ForeignKey) when the organization, agent, step or run of one of them is gone;
/// then none is stored.
pub fn insert(conn: &mut Conn, traces: &[ProviderTrace]) -> Result<()> {
    let rows = traces.iter().map(TraceRow::new).collect::<Result<Vec<_>>>()?;
    with_backend!(conn, c => diesel::insert_into(t::table).values(&rows).execute(c))?;
    Ok(())
}

/// The trace of a step: the latest of its own calls, or if there is none, of the others made for it.
pub fn of_step(conn: &mut Conn, organization: OrganizationId, step: StepId) -> Result<Option<ProviderTrace>> {
    let query = t::table
        .filter(t::organization_id.eq(organization.to_string()))
        .filter(t::step_id.eq(step.to_string()))
        .order((t::call_type.eq(AGENT_STEP).desc(), t::created_at.desc(), t::id.desc()));
    let row: Option<TraceRow> = with_backend!(conn, c => query.select(TraceRow::as_select()).first(c).optional())?;
    row.map(TraceRow::into_trace).transpose()
}

/// Deletes up to `limit` traces from before this time, of all organizations, and says how many; fewer than `limit` means
/// that none are left.
pub fn delete_before(conn: &mut Conn, time: Timestamp, limit: i64) -> Result<usize> {
    let old = t::table.filter(t::created_at.lt(time.naive())).order(t::created_at).limit(limit).select(t::id);
    Ok(with_backend!(conn, c => {
        let ids: Vec<String> = old.load(c)?;
        if ids.is_empty() {
            return Ok(0);
        }
        diesel::delete(t::table.filter(t::id.eq_any(&ids))).execute(c)
    })?)
}

/// How long the parts of a step took, in nanoseconds.
#[derive(Debug, Clone)]
pub struct StepTime {
    /// The step.
    pub id: StepId,
    /// The model that was asked.
    pub model: Option<String>,
    /// Whether it failed.
    pub failed: bool,
    /// When it began, since 1970.
    pub start_ns: Option<i64>,
    /// When the model was asked, since 1970.
    pub llm_start_ns: Option<i64>,
    /// The model call.
    pub llm_ns: Option<i64>,
    /// The tools.
    pub tools_ns: Option<i64>,
    /// All of it.
    pub duration_ns: Option<i64>,
}

type TimeRow = (String, Option<String>, String, Option<i64>, Option<i64>, Option<i64>, Option<i64>, Option<i64>);

/// How long the steps of a run took, those that have ended, in their order.
pub fn step_times(conn: &mut Conn, organization: OrganizationId, run: RunId) -> Result<Vec<StepTime>> {
    let query = s::table
        .filter(s::organization_id.eq(organization.to_string()))
        .filter(s::run_id.eq(run.to_string()))
        .filter(s::step_ns.is_not_null())
        .order((s::created_at, s::id))
        .select((
            s::id,
            s::model,
            s::status,
            s::step_start_ns,
            s::llm_request_start_ns,
            s::llm_request_ns,
            s::tool_execution_ns,
            s::step_ns,
        ));
    let rows: Vec<TimeRow> = with_backend!(conn, c => query.load(c))?;
    let read = |(id, model, status, start_ns, llm_start_ns, llm_ns, tools_ns, duration_ns): TimeRow| {
        let id = Reader { model: "Step", id: &id }.id("id", &id)?;
        let failed = status == StepStatus::Failed.as_str();
        Ok(StepTime { id, model, failed, start_ns, llm_start_ns, llm_ns, tools_ns, duration_ns })
    };
    rows.into_iter().map(read).collect()
}
