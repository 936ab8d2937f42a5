//! Why turns stop.

use muisti_testkit::Answer;
use serde_json::json;

use super::kinds;
use crate::harness::{assert_error, on_each_database};

fn search() -> Answer {
    Answer::tool_call("conversation_search", json!({"query": "anything"}))
}

#[tokio::test]
async fn a_turn_takes_at_most_as_many_steps_as_it_may() {
    on_each_database(async |app| {
        let agent = app.new_agent(json!({})).await;
        app.model.always(search());
        let path = format!("/v1/agents/{agent}/messages");
        let answer = app.post(&path, json!({"input": "Go on.", "max_steps": 3})).await.expect_json();
        assert_eq!(answer["stop_reason"]["stop_reason"], "max_steps");
        assert_eq!(answer["usage"]["step_count"], 3);
        let last = answer["messages"].as_array().unwrap().last().unwrap();
        assert_eq!(last["message_type"], "tool_return_message");
        let refused = app.post(&path, json!({"input": "Go on.", "max_steps": 0})).await;
        assert_error(&refused, 422, "max_steps");
    })
    .await;
}

#[tokio::test]
async fn a_tool_that_ends_the_turn_ends_it() {
    on_each_database(async |app| {
        let rules = json!([{"type": "exit_loop", "tool_name": "conversation_search"}]);
        let agent = app.new_agent(json!({ "tool_rules": rules })).await;
        app.model.push(search());
        let answer = app.say(&agent, "Look.").await.expect_json();
        assert_eq!(answer["stop_reason"]["stop_reason"], "tool_rule");
        assert_eq!(kinds(answer["messages"].as_array().unwrap()), ["tool_call_message", "tool_return_message"]);
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_was_cut_off_says_so() {
    on_each_database(async |app| {
        let agent = app.new_agent(json!({})).await;
        app.model.push(Answer::text("It is a long st").finish_reason("length"));
        let answer = app.say(&agent, "Tell me.").await.expect_json();
        assert_eq!(answer["stop_reason"]["stop_reason"], "max_tokens_exceeded");
        assert_eq!(answer["messages"][0]["content"], "It is a long st");
    })
    .await;
}

#[tokio::test]
async fn a_later_failure_keeps_the_steps_before_it() {
    on_each_database(async |app| {
        let agent = app.new_agent(json!({})).await;
        app.model.push(search());
        app.model.push(Answer::error(400, "I have had enough."));
        let refused = app.say(&agent, "Look.").await;
        assert_eq!(refused.status, 400);
        assert!(refused.text().contains("I have had enough."), "{}", refused.text());
        let history = app.history(&agent).await;
        let expected = ["system_message", "user_message", "tool_call_message", "tool_return_message"];
        assert_eq!(kinds(&history), expected);
        let state = app.list(&format!("/v1/agents/{agent}")).await;
        assert_eq!(state["last_stop_reason"], "llm_api_error");
        app.model.push(Answer::text("Better now."));
        app.say(&agent, "And now?").await.expect_json();
    })
    .await;
}
