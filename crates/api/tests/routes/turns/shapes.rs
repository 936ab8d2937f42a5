//! What a turn answers and stores.

use muisti_testkit::{Answer, ScriptedCall};
use serde_json::json;

use super::kinds;
use crate::harness::{each, on_each_database};

#[tokio::test]
async fn a_turn_with_a_tool_is_two_steps_of_one_run() {
    on_each_database(async |app| {
        let blocks = json!([{"label": "human", "value": "Nothing yet."}]);
        let agent = app.new_agent(json!({ "memory_blocks": blocks })).await;
        app.model.push(
            Answer::tool_call(
                "memory_replace",
                json!({"label": "human", "old_string": "Nothing yet.", "new_string": "Likes green."}),
            )
            .and_text("Let me note that.")
            .reasoning("They told me a fact.")
            .usage(100, 10),
        );
        app.model.push(Answer::text("Noted.").usage(130, 5));

        let answer = app.say(&agent, "I like green.").await.expect_json();

        let messages = answer["messages"].as_array().unwrap();
        let expected =
            ["reasoning_message", "assistant_message", "tool_call_message", "tool_return_message", "assistant_message"];
        assert_eq!(kinds(messages), expected);
        assert_eq!(answer["stop_reason"], json!({"message_type": "stop_reason", "stop_reason": "end_turn"}));
        let usage = &answer["usage"];
        assert_eq!([&usage["prompt_tokens"], &usage["completion_tokens"], &usage["total_tokens"]], [230, 15, 245]);
        assert_eq!([&usage["step_count"], &usage["context_tokens"]], [2, 135]);
        let runs = each(&answer["messages"], "run_id");
        assert!(runs.iter().all(|run| *run == runs[0]));
        let steps = each(&answer["messages"], "step_id");
        assert!(steps[..4].iter().all(|step| *step == steps[0]) && steps[4] != steps[0]);
        let digits: Vec<_> = each(&answer["messages"], "otid").iter().map(|otid| otid[35..].to_owned()).collect();
        assert_eq!(digits, ["0", "1", "2", "0", "0"]);

        let block = app.list(&format!("/v1/agents/{agent}/core-memory/blocks/human")).await;
        assert_eq!(block["value"], "Likes green.");
        let history = app.history(&agent).await;
        assert_eq!(kinds(&history[..2]), ["system_message", "user_message"]);
        assert_eq!(&history[2..], messages);
        assert!(history[0]["content"].as_str().unwrap().contains("Likes green."), "the prompt shows the edit");
        assert_eq!(history[1]["run_id"], runs[0].as_str());

        let run = app.list(&format!("/v1/runs/{}", runs[0])).await;
        assert_eq!([&run["status"], &run["stop_reason"]], ["completed", "end_turn"]);
        assert!(run["completed_at"].is_string() && run["ttft_ns"].is_i64() && run["total_duration_ns"].is_i64());
        assert!(run["ttft_ns"].as_i64() <= run["total_duration_ns"].as_i64());
        let usage = app.list(&format!("/v1/runs/{}/usage", runs[0])).await;
        assert_eq!(usage["total_tokens"], 245);
        let listed = app.list(&format!("/v1/runs/{}/steps?order=asc", runs[0])).await;
        assert_eq!(each(&listed, "id"), [steps[0].as_str(), steps[4].as_str()]);
        assert_eq!(each(&listed, "status"), ["success", "success"]);
        assert_eq!(listed[0]["total_tokens"], 110);
        let of_run = app.list(&format!("/v1/runs/{}/messages", runs[0])).await;
        assert_eq!(of_run.as_array().unwrap(), &history[1..]);
        let of_step = app.list(&format!("/v1/steps/{}/messages", steps[4])).await;
        assert_eq!(of_step.as_array().unwrap(), &history[6..]);
        let state = app.list(&format!("/v1/agents/{agent}")).await;
        assert_eq!(state["last_stop_reason"], "end_turn");
        assert_eq!(state["message_ids"].as_array().unwrap().len(), 5);
    })
    .await;
}

#[tokio::test]
async fn the_model_is_asked_with_the_memory_the_history_and_the_tools() {
    on_each_database(async |app| {
        let blocks = json!([{"label": "human", "value": "Her name is Ada."}]);
        let agent = app.new_agent(json!({ "memory_blocks": blocks, "system": "You are terse." })).await;
        app.model.push(Answer::text("Hello."));
        app.say(&agent, "Hi.").await.expect_json();
        app.model.push(Answer::text("Ada."));

        app.say(&agent, "Who am I?").await.expect_json();

        let request = app.model.last_request();
        let system = request.system().unwrap();
        assert!(system.starts_with("You are terse.") && system.contains("Her name is Ada."), "{system}");
        let said: Vec<_> = request.messages()[1..].iter().map(|message| message["role"].as_str().unwrap()).collect();
        assert_eq!(said, ["user", "assistant", "user"]);
        assert_eq!(request.tool_names(), ["conversation_search", "memory_replace", "memory_insert"]);
    })
    .await;
}

#[tokio::test]
async fn an_edit_is_in_the_prompt_of_the_next_turn() {
    on_each_database(async |app| {
        let blocks = json!([{"label": "human", "value": "Nothing."}]);
        let agent = app.new_agent(json!({ "memory_blocks": blocks })).await;
        app.model.push(Answer::tool_call("memory_insert", json!({"label": "human", "new_string": "Plays chess."})));
        app.model.push(Answer::text("Noted."));
        app.say(&agent, "I play chess.").await.expect_json();
        let asked = app.model.requests();
        assert!(!asked.last().unwrap().system().unwrap().contains("Plays chess."), "stable within a turn");
        app.model.push(Answer::text("Chess!"));

        app.say(&agent, "What do I play?").await.expect_json();

        assert!(app.model.last_request().system().unwrap().contains("Plays chess."));
    })
    .await;
}

#[tokio::test]
async fn of_several_calls_the_first_is_made_unless_the_agent_allows_more() {
    on_each_database(async |app| {
        let blocks = json!([{"label": "human", "value": ""}]);
        let two = || {
            let note = |text: &str| ScriptedCall::new("memory_insert", json!({"label": "human", "new_string": text}));
            Answer::tool_calls([note("one"), note("two")])
        };
        let agent = app.new_agent(json!({ "memory_blocks": blocks })).await;
        app.model.push_all([two(), Answer::text("Done.")]);
        let answer = app.say(&agent, "Go.").await.expect_json();
        assert_eq!(answer["messages"][0]["tool_calls"].as_array().unwrap().len(), 1);

        let agent = app.new_agent(json!({ "memory_blocks": blocks, "parallel_tool_calls": true })).await;
        app.model.push_all([two(), Answer::text("Done.")]);
        let answer = app.say(&agent, "Go.").await.expect_json();

        let calls = each(&answer["messages"][0]["tool_calls"], "tool_call_id");
        let returns = each(&answer["messages"][1]["tool_returns"], "tool_call_id");
        assert_eq!(calls.len(), 2);
        assert_eq!(calls, returns);
        let asked = app.model.last_request();
        let roles: Vec<_> = asked.messages().iter().map(|message| message["role"].as_str().unwrap()).collect();
        assert_eq!(roles[roles.len() - 3..], ["assistant", "tool", "tool"]);
    })
    .await;
}

#[tokio::test]
async fn a_client_gets_the_kinds_of_messages_that_it_asks_for() {
    on_each_database(async |app| {
        let agent = app.new_agent(json!({})).await;
        let path = format!("/v1/agents/{agent}/messages");
        for (types, expected) in [
            (json!(["assistant_message"]), vec!["assistant_message"]),
            (json!([]), vec!["reasoning_message", "assistant_message"]),
        ] {
            app.model.push(Answer::text("Hi.").reasoning("A greeting."));
            let body = json!({"input": "Hi.", "include_return_message_types": types});
            let answer = app.post(&path, body).await.expect_json();
            assert_eq!(kinds(answer["messages"].as_array().unwrap()), expected);
        }
        let body = json!({"input": "Hi.", "include_return_message_types": ["telegram"]});
        assert_eq!(app.post(&path, body).await.status, 422);
    })
    .await;
}

#[tokio::test]
async fn what_was_said_is_found_again() {
    on_each_database(async |app| {
        let agent = app.new_agent(json!({})).await;
        app.model.push(Answer::text("A fine instrument."));
        app.say(&agent, "I play the cello in an orchestra.").await.expect_json();
        app.model.push(Answer::text("Sure."));
        app.say(&agent, "The weather is fine.").await.expect_json();
        app.model.push(Answer::tool_call("conversation_search", json!({"query": "cello"})));
        app.model.push(Answer::text("You play the cello."));

        let answer = app.say(&agent, "What do I play?").await.expect_json();

        let found = answer["messages"][1]["tool_returns"][0]["tool_return"].as_str().unwrap();
        assert!(found.contains("in an orchestra") && !found.contains("weather"), "{found}");
    })
    .await;
}
