//! How a turn pauses, and what is seen of it.

use muisti_testkit::Answer;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    answers, calls, careful, frames, history, insert, kinds, look, memory, messages, messages_of, pause, pending, said,
    streamed, the, yes,
};
use crate::harness::{each, id, on_each_database};

fn number(message: &Value) -> u128 {
    let id = id(message).strip_prefix("message-").unwrap();
    id.parse::<Uuid>().unwrap().as_u128()
}

#[tokio::test]
async fn a_call_that_needs_an_approval_stops_the_turn_and_is_not_made() {
    on_each_database(async |app| {
        let agent = careful(app, json!({})).await;
        let answer = Answer::tool_calls([insert("call_1", "Green.")]).and_text("May I?").reasoning("Better ask.");
        app.model.push(answer.usage(50, 5));

        let answer = app.post(&messages(&agent), said("I like green.")).await.expect_json();

        assert_eq!(answer["stop_reason"]["stop_reason"], "requires_approval");
        assert_eq!((&answer["usage"]["step_count"], &answer["usage"]["total_tokens"]), (&json!(1), &json!(55)));
        let shown = messages_of(&answer);
        assert_eq!(kinds(shown), ["reasoning_message", "assistant_message", "approval_request_message"]);
        let request = &shown[2];
        assert_eq!(number(request), number(&shown[1]) - 1);
        assert_eq!(request["otid"], request["id"]);
        assert_eq!(request["step_id"], shown[1]["step_id"]);
        assert_eq!(request["tool_call"], request["tool_calls"][0]);
        assert_eq!(request["tool_call"]["name"], "memory_insert");
        let arguments: Value = serde_json::from_str(request["tool_call"]["arguments"].as_str().unwrap()).unwrap();
        assert_eq!(arguments, json!({ "label": "human", "new_string": "Green." }));
        assert_eq!(memory(app, &agent).await, "");
        assert_eq!(app.model.requests().len(), 1);

        assert_eq!(history(app, &agent).await[1..], *shown);
        let run = app.list(&format!("/v1/runs/{}", request["run_id"].as_str().unwrap())).await;
        assert_eq!((&run["status"], &run["stop_reason"]), (&json!("completed"), &json!("requires_approval")));
        let step = app.list(&format!("/v1/steps/{}", request["step_id"].as_str().unwrap())).await;
        assert_eq!((&step["status"], &step["stop_reason"]), (&json!("success"), &json!("requires_approval")));
        let state = app.list(&format!("/v1/agents/{agent}")).await;
        assert_eq!(state["last_stop_reason"], "requires_approval");
    })
    .await;
}

#[tokio::test]
async fn calls_that_need_no_approval_wait_along() {
    on_each_database(async |app| {
        let agent = careful(app, json!({})).await;
        let answer = pause(app, &agent, [insert("call_1", "One."), look("call_2"), insert("call_3", "Three.")]).await;
        let shown = messages_of(&answer);
        assert_eq!(kinds(shown), ["tool_call_message", "approval_request_message"]);
        assert_eq!(
            (calls(&shown[0]), calls(&shown[1])),
            (vec!["call_2".into()], vec!["call_1".into(), "call_3".into()])
        );
        assert_eq!(number(&shown[1]), number(&shown[0]) - 1);
        assert_eq!(history(app, &agent).await[1..], *shown);
    })
    .await;
}

#[tokio::test]
async fn a_stream_of_steps_shows_a_pause_as_it_is_stored() {
    on_each_database(async |app| {
        let agent = careful(app, json!({})).await;
        app.model.push(Answer::tool_calls([look("call_1"), insert("call_2", "Two.")]).and_text("May I?"));
        let shown = frames(app, &agent, &streamed(said("Go."), false)).await;
        let expected =
            ["assistant_message", "tool_call_message", "approval_request_message", "stop_reason", "usage_statistics"];
        assert_eq!(kinds(&shown), expected);
        assert_eq!(shown[3]["stop_reason"], "requires_approval");
        assert_eq!(history(app, &agent).await[1..], shown[..3]);
    })
    .await;
}

#[tokio::test]
async fn the_tokens_of_a_pause_carry_the_ids_of_what_is_stored() {
    on_each_database(async |app| {
        let agent = careful(app, json!({})).await;
        let answer = Answer::tool_calls([look("call_1"), insert("call_2", "Two."), insert("call_3", "Three.")]);
        app.model.push(answer.and_text("May I write that down?").reasoning("Better ask."));
        let shown = frames(app, &agent, &streamed(said("Go."), true)).await;
        let stored = history(app, &agent).await;
        let expected = ["reasoning_message", "assistant_message", "tool_call_message", "approval_request_message"];
        assert_eq!(kinds(&stored[1..]), expected);
        for message in &stored[1..] {
            let pieces = shown
                .iter()
                .filter(|piece| ["id", "otid", "message_type"].iter().all(|member| piece[member] == message[member]));
            let pieces: Vec<&Value> = pieces.collect();
            let joined =
                |path: &str| -> String { pieces.iter().filter_map(|piece| piece.pointer(path)?.as_str()).collect() };
            if let Some(list) = message["tool_calls"].as_array() {
                for call in list {
                    let of_call =
                        pieces.iter().filter(|piece| piece["tool_call"]["tool_call_id"] == call["tool_call_id"]);
                    let arguments: String =
                        of_call.filter_map(|piece| piece["tool_call"]["arguments"].as_str()).collect();
                    assert_eq!(call["arguments"], arguments);
                }
            } else {
                let member = if message["content"].is_string() { "content" } else { "reasoning" };
                assert_eq!(message[member], joined(&format!("/{member}")));
            }
        }
        let ids: Vec<&Value> = shown.iter().map(|frame| &frame["id"]).filter(|id| id.is_string()).collect();
        assert!(ids.iter().all(|id| **id == stored[1]["id"] || **id == stored[4]["id"]), "{ids:?}");
        assert_eq!(kinds(&shown[shown.len() - 2..]), ["stop_reason", "usage_statistics"]);
        assert_eq!(shown[shown.len() - 2]["stop_reason"], "requires_approval");
    })
    .await;
}

#[tokio::test]
async fn what_waits_is_shown_with_the_agent() {
    on_each_database(async |app| {
        let agent = careful(app, json!({})).await;
        assert_eq!(pending(app, &agent).await, Value::Null);
        let answer = pause(app, &agent, [insert("call_1", "Green.")]).await;
        let request = the(messages_of(&answer), "approval_request_message");
        assert_eq!(pending(app, &agent).await, *request);
        let listed = app.list("/v1/agents/?include=agent.pending_approval").await;
        assert_eq!(listed[0]["pending_approval"], *request);
        assert_eq!(app.list(&format!("/v1/agents/{agent}")).await["pending_approval"], Value::Null, "only when asked");
        app.post(&messages(&agent), answers([yes("call_1")])).await.expect_json();
        assert_eq!(pending(app, &agent).await, Value::Null);
    })
    .await;
}

#[tokio::test]
async fn an_agent_that_waits_can_be_looked_at_and_changed() {
    on_each_database(async |app| {
        let agent = careful(app, json!({})).await;
        pause(app, &agent, [insert("call_1", "Green."), look("call_2")]).await;
        let context = app.list(&format!("/v1/agents/{agent}/context")).await;
        assert_eq!(context["num_messages"], 4);
        app.patch(&format!("/v1/agents/{agent}"), json!({ "description": "Waits." })).await.expect_json();
        let block = format!("/v1/agents/{agent}/core-memory/blocks/human");
        app.patch(&block, json!({ "value": "Blue." })).await.expect_json();
        app.list(&format!("/v1/agents/{agent}/export")).await;
        let answer = app.post(&messages(&agent), answers([yes("call_1")])).await.expect_json();
        assert_eq!(answer["stop_reason"]["stop_reason"], "end_turn");
        assert_eq!(memory(app, &agent).await, "Blue.\nGreen.");
    })
    .await;
}

#[tokio::test]
async fn a_tool_that_always_needs_an_approval_brings_its_rule_along() {
    on_each_database(async |app| {
        let source = "def deploy(env: str) -> str:\n    \"\"\"Deploys.\n\n    Args:\n        env (str): Where to.\n    \"\"\"\n    return env\n";
        let tool = json!({ "source_code": source, "default_requires_approval": true });
        let tool = app.post("/v1/tools/", tool).await.expect_json();
        let agent = careful(app, json!({ "tool_ids": [id(&tool)], "tool_rules": [] })).await;
        let rules = app.list(&format!("/v1/agents/{agent}")).await["tool_rules"].clone();
        assert!(each(&rules, "tool_name").contains(&"deploy".to_owned()), "{rules}");
        app.model.push(Answer::tool_call("deploy", json!({ "env": "prod" })));
        let answer = app.post(&messages(&agent), said("Deploy.")).await.expect_json();
        assert_eq!(the(messages_of(&answer), "approval_request_message")["tool_call"]["name"], "deploy");
    })
    .await;
}

#[tokio::test]
async fn turning_the_rule_off_changes_nothing_for_what_waits_already() {
    on_each_database(async |app| {
        let agent = careful(app, json!({ "tool_rules": [] })).await;
        let rule = format!("/v1/agents/{agent}/tools/approval/memory_insert");
        for _ in 0..2 {
            assert_eq!(app.patch(&rule, json!({ "requires_approval": true })).await.text(), "null");
        }
        let elsewhere = format!("/v1/agents/{agent}/tools/approval/not_attached");
        assert_eq!(app.patch(&elsewhere, json!({ "requires_approval": true })).await.status, 200);
        pause(app, &agent, [insert("call_1", "Green.")]).await;
        assert_eq!(app.patch(&rule, json!({ "requires_approval": false })).await.text(), "null");
        assert_eq!(calls(&pending(app, &agent).await), ["call_1"]);
        assert_eq!(app.post(&messages(&agent), said("Well?")).await.status, 409);
        app.model.push_all([Answer::tool_calls([insert("call_2", "Blue.")]), Answer::text("Both are there.")]);
        let answer = app.post(&messages(&agent), answers([yes("call_1")])).await.expect_json();
        assert_eq!(answer["stop_reason"]["stop_reason"], "end_turn", "the rule is off");
        assert_eq!(memory(app, &agent).await, "Green.\nBlue.");
    })
    .await;
}

#[tokio::test]
async fn arguments_that_a_rule_sets_are_what_the_client_decides_on() {
    on_each_database(async |app| {
        let rules = json!([
            { "type": "requires_approval", "tool_name": "memory_insert" },
            { "type": "run_first", "tool_name": "memory_insert", "args": { "new_string": "As the rule says." } },
        ]);
        let agent = careful(app, json!({ "tool_rules": rules })).await;
        let answer = pause(app, &agent, [insert("call_1", "As the model says.")]).await;
        let request = the(messages_of(&answer), "approval_request_message");
        assert!(request["tool_call"]["arguments"].as_str().unwrap().contains("As the rule says."), "{request}");
        app.post(&messages(&agent), answers([yes("call_1")])).await.expect_json();
        assert_eq!(memory(app, &agent).await, "As the rule says.");
    })
    .await;
}
