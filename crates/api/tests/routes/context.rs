//! What the model sees of an agent: its context, its system message, a bare question; and how its runs are measured.

use muisti_testkit::Answer;
use serde_json::{Value, json};

use crate::harness::{App, MODEL, assert_error, each, id, on_each_database};

const UNKNOWN: &str = "agent-123e4567-e89b-42d3-8456-426614174000";

async fn path(app: &mut App, fields: Value) -> String {
    format!("/v1/agents/{}", id(&app.agent(fields).await))
}

#[tokio::test]
async fn the_parts_of_the_context_add_up() {
    on_each_database(async |app| {
        let agent = path(app, json!({ "memory_blocks": [{ "label": "human", "value": "Likes green." }] })).await;
        app.post(&format!("{agent}/messages"), json!({ "input": "Hello" })).await.expect_json();
        let context = app.list(&format!("{agent}/context")).await;
        let parts = context.as_object().unwrap().iter().filter(|(name, _)| name.starts_with("num_tokens_"));
        let sum: i64 = parts.map(|(_, tokens)| tokens.as_i64().unwrap()).sum();
        assert_eq!(context["context_window_size_current"], sum);
        assert_eq!(context["num_messages"], context["messages"].as_array().unwrap().len());
        assert_eq!(context["messages"][0]["role"], "system");
        assert!(context["core_memory"].as_str().unwrap().contains("Likes green."));
        assert!(context["external_memory_summary"].as_str().unwrap().starts_with("<memory_metadata>"));
        assert!(context["num_tokens_functions_definitions"].as_i64().unwrap() > 0);
        assert_eq!(context["functions_definitions"][0]["type"], "function");
        assert_eq!(context["num_recall_memory"], context["num_messages"]);
        assert_error(&app.get(&format!("/v1/agents/{UNKNOWN}/context")).await, 404, "not found");
        assert_error(&app.get("/v1/agents/x/context").await, 422, "string_pattern_mismatch");
        assert_error(&app.get(&format!("{agent}/context?conversation_id=x")).await, 400, "INVALID_ARGUMENT");
    })
    .await;
}

#[tokio::test]
async fn a_system_message_is_rendered_anew_by_either_name() {
    on_each_database(async |app| {
        let agent = path(app, json!({ "system": "Be kind.", "memory_blocks": [] })).await;
        let text = app.post(&format!("{agent}/recompile"), json!({})).await.expect_json();
        assert!(text.as_str().unwrap().starts_with("Be kind."));
        let same = app.post(&format!("{agent}/system-prompt/recompile?dry_run=true"), json!({})).await.expect_json();
        assert_eq!(same, text);
        let without_body = app.client.send("POST", &format!("{agent}/recompile?update_timestamp=true"), None).await;
        assert!(without_body.unwrap().is_success());
        let unknown = app.post(&format!("/v1/agents/{UNKNOWN}/recompile"), json!({})).await;
        assert_error(&unknown, 404, "not found");
        assert_error(&app.post(&format!("{agent}/recompile?dry_run=maybe"), json!({})).await, 422, "bool_parsing");
    })
    .await;
}

#[tokio::test]
async fn an_agent_that_has_lost_its_context_is_told_the_way_out() {
    on_each_database(async |app| {
        let agent = path(app, json!({})).await;
        app.patch(&agent, json!({ "message_ids": [] })).await.expect_json();
        let lost = app.post(&format!("{agent}/messages"), json!({ "input": "Hello" })).await;
        let way_out = format!("PATCH {agent}/reset-messages");
        assert_error(&lost, 400, &way_out);
        app.patch(&format!("{agent}/reset-messages"), json!({})).await.expect_json();
        app.post(&format!("{agent}/messages"), json!({ "input": "Hello" })).await.expect_json();
    })
    .await;
}

#[tokio::test]
async fn a_history_begins_afresh_and_keeps_what_was_said() {
    on_each_database(async |app| {
        let agent = path(app, json!({})).await;
        app.post(&format!("{agent}/messages"), json!({ "input": "Hello" })).await.expect_json();
        let before = app.list(&format!("{agent}/messages")).await;
        let reset = format!("{agent}/reset-messages");
        let state = app.patch(&reset, json!({ "add_default_initial_messages": false })).await.expect_json();
        assert_eq!(state["message_ids"].as_array().unwrap().len(), 1);
        assert_eq!(each(&app.list(&format!("{agent}/messages")).await, "id"), each(&before, "id"));
        assert_error(&app.client.send("PATCH", &reset, None).await.unwrap(), 422, "missing");
        assert_error(&app.patch(&format!("/v1/agents/{UNKNOWN}/reset-messages"), json!({})).await, 404, "not found");
    })
    .await;
}

#[tokio::test]
async fn a_bare_question_is_answered_and_leaves_no_trace() {
    on_each_database(async |app| {
        let agent = path(app, json!({})).await;
        let generate = format!("{agent}/generate");
        app.model.push(Answer::text("42"));
        let answer =
            app.post(&generate, json!({ "prompt": "6 x 7?", "system_prompt": "Be brief." })).await.expect_json();
        assert_eq!((&answer["content"], &answer["model"]), (&json!("42"), &json!("scripted")));
        assert_eq!(answer["usage"]["message_type"], "usage_statistics");
        let asked = app.model.requests().last().unwrap().body.clone();
        assert_eq!(asked["messages"].as_array().unwrap().len(), 2);
        assert_eq!(asked["messages"][0]["content"], "Be brief.");
        assert!(asked.get("tools").is_none());
        assert_eq!(app.list("/v1/runs/").await, json!([]));

        app.model.push(Answer::tool_call("structured_output", json!({ "answer": 42 })));
        let schema = json!({ "properties": { "answer": { "type": "integer" } } });
        let answer = app.post(&generate, json!({ "prompt": "6 x 7?", "response_schema": schema })).await.expect_json();
        let content: Value = serde_json::from_str(answer["content"].as_str().unwrap()).unwrap();
        assert_eq!(content, json!({ "answer": 42 }));

        for prompt in ["", "  \n"] {
            assert_error(&app.post(&generate, json!({ "prompt": prompt })).await, 422, "prompt");
        }
        assert_error(&app.post(&generate, json!({})).await, 422, "missing");
        let other = json!({ "prompt": "x", "override_model": "openai/unknown" });
        assert_error(&app.post(&generate, other).await, 404, "openai/unknown");
        let known = json!({ "prompt": "x", "override_model": MODEL });
        app.post(&generate, known).await.expect_json();
        let unknown = app.post(&format!("/v1/agents/{UNKNOWN}/generate"), json!({ "prompt": "x" })).await;
        assert_error(&unknown, 404, "not found");
    })
    .await;
}

#[tokio::test]
async fn runs_and_steps_are_measured_judged_and_deleted() {
    on_each_database(async |app| {
        let agent = path(app, json!({ "project_id": "p" })).await;
        let sent = app.post(&format!("{agent}/messages"), json!({ "input": "Hello" })).await.expect_json();
        let run = format!("/v1/runs/{}", sent["messages"][0]["run_id"].as_str().unwrap());
        let metrics = app.list(&format!("{run}/metrics")).await;
        assert_eq!((&metrics["num_steps"], &metrics["project_id"]), (&json!(1), &json!("p")));
        assert!(metrics["run_start_ns"].as_i64().unwrap() > 0 && metrics["run_ns"].as_i64().unwrap() > 0);
        let step = app.list(&format!("{run}/steps")).await[0].clone();
        let step = format!("/v1/steps/{}", id(&step));
        let metrics = app.list(&format!("{step}/metrics")).await;
        assert!(metrics["llm_request_ns"].as_i64().unwrap() <= metrics["step_ns"].as_i64().unwrap());

        let judged = app.patch(&format!("{step}/feedback"), json!({ "feedback": "positive", "tags": ["good"] })).await;
        assert_eq!(judged.expect_json()["tags"], json!(["good"]));
        assert_eq!(app.list("/v1/steps/?feedback=positive&tags=good").await.as_array().unwrap().len(), 1);
        assert_eq!(app.list("/v1/steps/?tags=goo").await, json!([]));
        let taken_back = app.patch(&format!("{step}/feedback"), json!({ "tags": [] })).await.expect_json();
        assert_eq!((&taken_back["feedback"], &taken_back["tags"]), (&Value::Null, &json!(["good"])));
        assert_error(&app.patch(&format!("{step}/feedback"), json!({ "feedback": "meh" })).await, 422, "feedback");

        let deleted = app.delete(&run).await;
        assert_eq!((deleted.status, deleted.text().as_str()), (200, "null"));
        for path in [run.clone(), format!("{run}/metrics")] {
            assert_error(&app.get(&path).await, 404, "not found");
        }
        assert_error(&app.delete(&run).await, 404, "not found");
        assert_error(&app.delete("/v1/runs/x").await, 400, "Invalid run ID");
        assert_eq!(app.list(&step).await["run_id"], Value::Null);
        assert!(app.list(&format!("{agent}/messages")).await.as_array().unwrap().len() > 1);
        assert_error(&app.get("/v1/steps/x/metrics").await, 422, "string_pattern_mismatch");
    })
    .await;
}

#[tokio::test]
async fn the_internal_routes_are_other_forms_of_the_public_ones() {
    on_each_database(async |app| {
        let block = app.post("/v1/_internal_blocks/", json!({ "label": "human", "value": "x" })).await.expect_json();
        let block_path = format!("/v1/_internal_blocks/{}", id(&block));
        let agent = app.agent(json!({ "block_ids": [id(&block)], "hidden": true })).await;
        assert_eq!(app.list("/v1/_internal_agents/count").await, json!(0));
        assert_eq!(app.list("/v1/_internal_agents/count?exclude_hidden=false").await, json!(1));
        assert_eq!(each(&app.list("/v1/_internal_blocks/?label=human").await, "id"), [id(&block)]);
        assert_eq!(each(&app.list(&format!("{block_path}/agents")).await, "id"), [id(&agent)]);
        let memory = format!("/v1/_internal_agents/{}/core-memory/blocks/human", id(&agent));
        assert_eq!(app.patch(&memory, json!({ "value": "y" })).await.expect_json()["value"], "y");
        assert_eq!(app.delete(&block_path).await.text(), "null");
        assert_error(&app.delete(&block_path).await, 404, "not found");

        let agent = path(app, json!({ "project_id": "p" })).await;
        app.post(&format!("{agent}/messages"), json!({ "input": "Hello" })).await.expect_json();
        for (query, count) in [
            ("", 1),
            ("?step_count=1", 1),
            ("?step_count=2", 0),
            ("?step_count=2&step_count_operator=lte", 1),
            ("?project_id=p&order_by=duration", 1),
            ("?project_id=q", 0),
            ("?duration_value=1&duration_operator=gt", 1),
            ("?duration_value=1&duration_operator=lt", 0),
            ("?duration_percentile=100", 1),
            ("?tools_used=tool-x", 0),
            ("?start_date=2024-01-01&end_date=2024-01-31", 0),
            ("?start_date=2024-01-01", 1),
            ("?run_id=x", 0),
        ] {
            let runs = app.list(&format!("/v1/_internal_runs/{query}")).await;
            assert_eq!(runs.as_array().unwrap().len(), count, "{query}");
        }
        assert_error(&app.get("/v1/_internal_runs/?start_date=soon").await, 422, "start_date");
        assert_error(&app.get("/v1/_internal_runs/?order_by=size").await, 422, "order_by");
    })
    .await;
}

#[tokio::test]
async fn agents_are_listed_and_counted_by_when_they_were_made() {
    on_each_database(async |app| {
        let agent = app.agent(json!({})).await;
        let made = agent["created_at"].as_str().unwrap().to_owned();
        let day = &made[..10];
        for (query, count) in [
            (format!("start_date={day}&end_date={day}"), 1),
            (format!("start_date={made}&end_date={made}"), 1),
            ("start_date=2024-01-01&end_date=2024-01-31".to_owned(), 0),
            ("start_date=2999-01-01".to_owned(), 0),
            ("last_stop_reason=end_turn".to_owned(), 0),
        ] {
            assert_eq!(app.list(&format!("/v1/agents/count?{query}")).await, json!(count), "{query}");
            let listed = app.list(&format!("/v1/agents/?{query}")).await;
            assert_eq!(listed.as_array().unwrap().len(), count, "{query}");
        }
        assert_error(&app.get("/v1/agents/?end_date=soon").await, 422, "end_date");
    })
    .await;
}
