//! The row of a step as it is read.

use diesel::prelude::*;

use crate::{
    Result,
    json::RawJson,
    row::Reader,
    schema::{CompletionTokenDetails, PromptTokenDetails, RunUsage, Step, StepMetrics, StopReason},
    tables::steps,
};

/// Prompt, completion, total, cached, cache-written and reasoning tokens of a step.
pub(super) type Tokens = (i64, i64, i64, Option<i64>, Option<i64>, Option<i64>);

#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = steps)]
pub(super) struct StepRow {
    id: String,
    agent_id: Option<String>,
    run_id: Option<String>,
    project_id: Option<String>,
    origin: Option<String>,
    provider_id: Option<String>,
    provider_name: Option<String>,
    provider_category: Option<String>,
    model: Option<String>,
    model_handle: Option<String>,
    model_endpoint: Option<String>,
    context_window_limit: Option<i64>,
    completion_tokens: i64,
    prompt_tokens: i64,
    total_tokens: i64,
    cached_input_tokens: Option<i64>,
    cache_write_tokens: Option<i64>,
    reasoning_tokens: Option<i64>,
    stop_reason: Option<String>,
    tags: RawJson,
    tid: Option<String>,
    trace_id: Option<String>,
    request_id: Option<String>,
    feedback: Option<String>,
    error_type: Option<String>,
    error_data: Option<RawJson>,
    status: String,
}

impl StepRow {
    pub(super) fn into_step(self) -> Result<Step> {
        let reader = Reader { model: super::MODEL, id: &self.id };
        Ok(Step {
            id: reader.id("id", &self.id)?,
            origin: self.origin,
            provider_id: self.provider_id,
            run_id: self.run_id.and_then(|id| id.parse().ok()),
            agent_id: self.agent_id.and_then(|id| id.parse().ok()),
            provider_name: self.provider_name,
            provider_category: self.provider_category,
            model: self.model,
            model_handle: self.model_handle,
            model_endpoint: self.model_endpoint,
            context_window_limit: self.context_window_limit,
            completion_tokens: Some(self.completion_tokens),
            prompt_tokens: Some(self.prompt_tokens),
            total_tokens: Some(self.total_tokens),
            cached_input_tokens: positive(self.cached_input_tokens),
            cache_write_tokens: positive(self.cache_write_tokens),
            reasoning_tokens: positive(self.reasoning_tokens),
            completion_tokens_details: completion_details(self.reasoning_tokens),
            prompt_tokens_details: prompt_details(self.cached_input_tokens, self.cache_write_tokens),
            stop_reason: self.stop_reason.as_deref().map(StopReason::lenient),
            tags: reader.json("tags", &self.tags)?,
            tid: self.tid,
            trace_id: self.trace_id,
            request_id: self.request_id,
            messages: Vec::new(),
            feedback: self.feedback.and_then(|feedback| feedback.parse().ok()),
            project_id: self.project_id,
            error_type: self.error_type,
            error_data: reader.json_opt("error_data", self.error_data.as_ref())?,
            status: self.status.parse().ok(),
        })
    }
}

#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = steps)]
pub(super) struct MetricsRow {
    id: String,
    agent_id: Option<String>,
    run_id: Option<String>,
    project_id: Option<String>,
    template_id: Option<String>,
    base_template_id: Option<String>,
    provider_id: Option<String>,
    step_start_ns: Option<i64>,
    llm_request_start_ns: Option<i64>,
    llm_request_ns: Option<i64>,
    tool_execution_ns: Option<i64>,
    step_ns: Option<i64>,
}

impl MetricsRow {
    pub(super) fn into_metrics(self) -> Result<StepMetrics> {
        let reader = Reader { model: super::MODEL, id: &self.id };
        Ok(StepMetrics {
            id: reader.id("id", &self.id)?,
            provider_id: self.provider_id,
            run_id: self.run_id.and_then(|id| id.parse().ok()),
            agent_id: self.agent_id.and_then(|id| id.parse().ok()),
            step_start_ns: self.step_start_ns,
            llm_request_start_ns: self.llm_request_start_ns,
            llm_request_ns: self.llm_request_ns,
            tool_execution_ns: self.tool_execution_ns,
            step_ns: self.step_ns,
            base_template_id: self.base_template_id,
            template_id: self.template_id,
            project_id: self.project_id,
        })
    }
}

/// That a provider has reported none, the details say.
fn positive(tokens: Option<i64>) -> Option<i64> {
    tokens.filter(|tokens| *tokens > 0)
}

fn completion_details(reasoning: Option<i64>) -> Option<CompletionTokenDetails> {
    reasoning.map(|tokens| CompletionTokenDetails { reasoning_tokens: Some(tokens) })
}

fn prompt_details(cached: Option<i64>, written: Option<i64>) -> Option<PromptTokenDetails> {
    (cached.is_some() || written.is_some()).then_some(PromptTokenDetails {
        cached_tokens: cached,
        cache_read_tokens: None,
        cache_creation_tokens: written,
    })
}

/// The sums over all steps; what no step reported stays null.
pub(super) fn run_usage(steps: &[Tokens]) -> RunUsage {
    let sum = |part: fn(&Tokens) -> i64| steps.iter().map(part).sum();
    let known = |part: fn(&Tokens) -> Option<i64>| {
        let mut tokens = steps.iter().filter_map(part).peekable();
        tokens.peek().is_some().then(|| tokens.sum())
    };
    RunUsage {
        prompt_tokens: sum(|step| step.0),
        completion_tokens: sum(|step| step.1),
        total_tokens: sum(|step| step.2),
        prompt_tokens_details: prompt_details(known(|step| step.3), known(|step| step.4)),
        completion_tokens_details: completion_details(known(|step| step.5)),
    }
}
