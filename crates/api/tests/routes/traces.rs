//! What is kept of model calls, and how the time of runs was spent.

use muisti_testkit::Answer;
use serde_json::{Value, json};

use crate::harness::{App, assert_error, each, id, on_each_database, on_sqlite};

const STEP: &str = "step-123e4567-e89b-42d3-8456-426614174000";
const RUN: &str = "run-123e4567-e89b-42d3-8456-426614174000";

impl App {
    /// An agent that has called a tool and then spoken, and the ids of its two steps.
    async fn traced(&mut self) -> (String, Vec<String>) {
        let fields = json!({ "memory_blocks": [{ "label": "human", "value": "" }], "tags": ["kind"] });
        let agent = id(&self.agent(fields).await).to_owned();
        self.model.push(Answer::tool_call("memory_insert", json!({ "label": "human", "new_string": "Green." })));
        self.model.push(Answer::text("Noted.").usage(50, 5));
        self.post(&format!("/v1/agents/{agent}/messages"), json!({ "input": "Green!" })).await.expect_json();
        let steps = each(&self.list(&format!("/v1/steps/?agent_id={agent}&order=asc")).await, "id");
        (agent, steps)
    }
}

#[tokio::test]
async fn each_step_keeps_what_its_model_was_asked_and_answered() {
    on_each_database(async |app| {
        let (agent, steps) = app.traced().await;
        let asked = app.model.requests();
        let asked: Vec<_> = asked.iter().filter(|request| request.path.ends_with("/chat/completions")).collect();
        for (step, asked) in steps.iter().zip(asked) {
            let trace = app.list(&format!("/v1/steps/{step}/trace")).await;
            assert_eq!(trace["request_json"], asked.body);
            assert_eq!((&trace["step_id"], &trace["agent_id"]), (&json!(step), &json!(agent)));
            assert_eq!((&trace["call_type"], &trace["agent_tags"]), (&json!("agent_step"), &json!(["kind"])));
            assert!(trace["run_id"].as_str().unwrap().starts_with("run-"));
            assert_eq!(trace["llm_config"]["model"], "scripted");
            assert!(trace["response_json"]["usage"]["input_tokens"].as_i64().unwrap() > 0);
            assert_eq!(app.list(&format!("/v1/telemetry/{step}")).await, trace);
        }
        let answers = app.list(&format!("/v1/steps/{}/trace", steps[1])).await["response_json"].clone();
        assert_eq!(answers["content"]["content"], json!([r#"{"type":"text","text":"Noted."}"#]));
    })
    .await;
}

#[tokio::test]
async fn a_call_that_failed_is_kept_too() {
    on_each_database(async |app| {
        let agent = id(&app.agent(json!({})).await).to_owned();
        app.model.push(Answer::error(401, "No such key."));
        assert_eq!(app.post(&format!("/v1/agents/{agent}/messages"), json!({ "input": "Hi." })).await.status, 401);
        let steps = each(&app.list(&format!("/v1/steps/?agent_id={agent}")).await, "id");
        let trace = app.list(&format!("/v1/steps/{}/trace", steps[0])).await;
        assert_eq!(trace["response_json"]["error_type"], "authentication");
        assert!(trace["response_json"]["error"].as_str().unwrap().contains("No such key."));
        assert!(!trace.to_string().contains("Bearer"));
    })
    .await;
}

#[tokio::test]
async fn a_trace_that_is_written_when_its_run_is_gone_already_is_kept() {
    on_each_database(async |app| {
        let (agent, steps) = app.traced().await;
        let run = each(&app.list(&format!("/v1/runs/?agent_id={agent}")).await, "id").remove(0);
        assert_eq!(app.delete(&format!("/v1/runs/{run}")).await.text(), "null");
        for step in steps {
            let trace = app.list(&format!("/v1/steps/{step}/trace")).await;
            assert_eq!((&trace["step_id"], &trace["run_id"]), (&json!(step), &Value::Null));
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_not_kept_is_null() {
    on_each_database(async |app| {
        assert_eq!(app.list(&format!("/v1/steps/{STEP}/trace")).await, Value::Null);
        assert_eq!(app.list(&format!("/v1/telemetry/{STEP}")).await, Value::Null);
        assert_eq!(app.list("/v1/telemetry/x").await, Value::Null);
        assert_error(&app.get("/v1/steps/x/trace").await, 422, "string_pattern_mismatch");
    })
    .await;
    on_sqlite(
        |server| server.env("LETTA_TRACK_PROVIDER_TRACE", "false"),
        async |app| {
            let (_, steps) = app.traced().await;
            assert_eq!(app.list(&format!("/v1/steps/{}/trace", steps[0])).await, Value::Null);
        },
    )
    .await;
}

#[tokio::test]
async fn a_run_shows_how_its_time_was_spent() {
    on_each_database(async |app| {
        let (agent, steps) = app.traced().await;
        let run = each(&app.list(&format!("/v1/runs/?agent_id={agent}")).await, "id").remove(0);
        let spans = app.list(&format!("/v1/runs/{run}/trace")).await;
        let names = each(&spans, "SpanName");
        assert_eq!(names[0], "send_message");
        assert_eq!(names.iter().filter(|name| *name == "agent_step").count(), steps.len());
        let tool = spans.as_array().unwrap().iter().find(|span| span["SpanName"] == "agent._execute_tool").unwrap();
        assert_eq!(tool["SpanAttributes"]["tool_names"], "memory_insert");
        assert!(spans.as_array().unwrap().iter().all(|span| span["Duration"].as_i64().unwrap() > 0), "{spans}");
        assert_eq!(app.list(&format!("/v1/runs/{run}/trace?limit=2")).await.as_array().unwrap().len(), 2);
        assert_error(&app.get(&format!("/v1/runs/{run}/trace?limit=0")).await, 422, "between 1 and 5000");
        assert_error(&app.get(&format!("/v1/runs/{RUN}/trace")).await, 404, "not found");
        assert_error(&app.get("/v1/runs/x/trace").await, 400, "INVALID_ARGUMENT");
    })
    .await;
}
