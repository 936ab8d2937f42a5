//! How the time of a run was spent, as OpenTelemetry has it: the run, its steps, their tools, the first token.
//!
//! Nothing of this is recorded on its own: the spans are made from the timings that runs and steps have anyway, so they
//! are there without any collector.

use std::collections::{BTreeMap, HashMap};

use chrono::DateTime;
use muisti_orm::{
    schema::{Run, RunId, Span, StepId},
    traces::StepTime,
};

/// The spans of a run in the order in which they began; none when no step of it has ended.
pub(super) fn of_run(run: &Run, steps: &[StepTime], called: &HashMap<StepId, Vec<String>>) -> Vec<Span> {
    let Some(first) = steps.iter().filter_map(|step| step.start_ns).min() else { return Vec::new() };
    let trace = Trace { id: trace_id(run.id) };
    let accepted = run.created_at.utc().timestamp_nanos_opt().unwrap_or(first).min(first);
    let ends = steps.iter().filter_map(|step| Some(step.start_ns? + step.duration_ns.unwrap_or(0)));
    let duration = run.total_duration_ns.or_else(|| Some(ends.max()? - accepted)).unwrap_or(0);
    let root = trace.span(&run.id.to_string(), None);
    let kind = run.metadata.as_ref().and_then(|data| data.get("run_type")?.as_str()).unwrap_or("run").to_owned();
    let mut spans = vec![Span {
        span_name: kind,
        span_attributes: attributes([("run_id", run.id.to_string()), ("agent_id", run.agent_id.to_string())]),
        ..root.lasting(accepted, duration, run.status.as_str() == "failed")
    }];
    if let Some(ttft) = run.ttft_ns {
        let span = trace.span(&format!("{}-first-token", run.id), Some(&root.id));
        spans.push(Span { span_name: "time_to_first_token".to_owned(), ..span.lasting(accepted, ttft, false) });
    }
    for step in steps {
        let Some(start) = step.start_ns else { continue };
        let span = trace.span(&step.id.to_string(), Some(&root.id));
        let mut told = attributes([("step_id", step.id.to_string())]);
        told.extend(step.model.clone().map(|model| ("model".to_owned(), model)));
        if let Some(asked) = step.llm_ns {
            told.insert("llm_request_ns".to_owned(), asked.to_string());
        }
        let tools = step.tools_ns.map(|tools_ns| {
            let names = called.get(&step.id).map(|names| names.join(", ")).unwrap_or_default();
            let began = step.llm_start_ns.unwrap_or(start) + step.llm_ns.unwrap_or(0);
            let inner = trace.span(&format!("{}-tools", step.id), Some(&span.id));
            Span {
                span_name: "agent._execute_tool".to_owned(),
                span_attributes: attributes([("tool_names", names), ("step_id", step.id.to_string())]),
                ..inner.lasting(began, tools_ns, false)
            }
        });
        spans.push(Span {
            span_name: "agent_step".to_owned(),
            span_attributes: told,
            ..span.lasting(start, step.duration_ns.unwrap_or(0), step.failed)
        });
        spans.extend(tools);
    }
    spans.sort_by(|a, b| a.timestamp.cmp(&b.timestamp));
    spans
}

/// The trace that a run and its steps are.
pub(crate) fn trace_id(run: RunId) -> String {
    hex(&run.to_string(), 32)
}

struct Trace {
    id: String,
}

/// A span's place among the others.
struct Place {
    trace: String,
    id: String,
    parent: String,
}

impl Trace {
    /// The place of what this text names.
    fn span(&self, name: &str, parent: Option<&str>) -> Place {
        Place { trace: self.id.clone(), id: hex(name, 16), parent: parent.unwrap_or_default().to_owned() }
    }
}

impl Place {
    fn lasting(&self, start: i64, duration: i64, failed: bool) -> Span {
        Span {
            timestamp: DateTime::from_timestamp_nanos(start).format("%Y-%m-%dT%H:%M:%S%.9fZ").to_string(),
            trace_id: self.trace.clone(),
            span_id: self.id.clone(),
            parent_span_id: self.parent.clone(),
            trace_state: String::new(),
            span_name: String::new(),
            span_kind: "Internal".to_owned(),
            service_name: "muisti".to_owned(),
            resource_attributes: BTreeMap::new(),
            scope_name: "muisti".to_owned(),
            scope_version: env!("CARGO_PKG_VERSION").to_owned(),
            span_attributes: BTreeMap::new(),
            duration,
            status_code: if failed { "Error" } else { "Ok" }.to_owned(),
            status_message: String::new(),
        }
    }
}

fn attributes<const N: usize>(pairs: [(&str, String); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// An id of so many hex digits that is always the same for the same thing.
fn hex(text: &str, digits: usize) -> String {
    use sha2::{Digest, Sha256};
    let hash = Sha256::digest(text.as_bytes());
    hash.iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .take(digits)
        .filter_map(|n| char::from_digit(n.into(), 16))
        .collect()
}

#[cfg(test)]
mod tests {
    use muisti_orm::schema::{AgentId, RunId};
    use serde_json::json;

    use super::*;

    fn run() -> Run {
        serde_json::from_value(json!({
            "id": RunId::random(), "agent_id": AgentId::random(), "status": "completed",
            "created_at": "2025-11-22T02:37:37Z", "ttft_ns": 5, "total_duration_ns": 900,
            "metadata": { "run_type": "send_message" },
        }))
        .unwrap()
    }

    #[test]
    fn a_run_holds_its_steps_and_a_step_its_tools() {
        let run = run();
        let start = run.created_at.utc().timestamp_nanos_opt().unwrap();
        let step = StepTime {
            id: StepId::random(),
            model: Some("m".to_owned()),
            failed: false,
            start_ns: Some(start + 100),
            llm_start_ns: Some(start + 110),
            llm_ns: Some(50),
            tools_ns: Some(30),
            duration_ns: Some(200),
        };
        let called = HashMap::from([(step.id, vec!["a".to_owned(), "b".to_owned()])]);
        let spans = of_run(&run, &[step], &called);
        let names: Vec<_> = spans.iter().map(|span| span.span_name.as_str()).collect();
        assert_eq!(names, ["send_message", "time_to_first_token", "agent_step", "agent._execute_tool"]);
        assert_eq!(
            (spans[2].parent_span_id.clone(), spans[3].parent_span_id.clone()),
            (spans[0].span_id.clone(), spans[2].span_id.clone())
        );
        assert!(spans.iter().all(|span| span.trace_id == spans[0].trace_id && span.span_id.len() == 16));
        assert_eq!(spans[3].span_attributes["tool_names"], "a, b");
        assert_eq!(spans[3].timestamp, "2025-11-22T02:37:37.000000160Z");
        assert_eq!((spans[0].duration, spans[2].duration, spans[3].duration), (900, 200, 30));
    }

    #[test]
    fn a_run_of_which_nothing_is_timed_has_no_spans() {
        assert!(of_run(&run(), &[], &HashMap::new()).is_empty());
    }
}
