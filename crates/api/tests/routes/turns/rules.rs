//! Tool rules in turns.

use muisti_testkit::{Answer, SseEvent};
use serde_json::{Value, json};

use super::kinds;
use crate::harness::on_each_database;

fn insert(text: &str) -> Answer {
    Answer::tool_call("memory_insert", json!({"label": "human", "new_string": text}))
}

fn search() -> Answer {
    Answer::tool_call("conversation_search", json!({"query": "anything"}))
}

#[tokio::test]
async fn the_first_tool_is_demanded_and_gets_what_the_rule_says() {
    on_each_database(async |app| {
        let rules =
            json!([{"type": "run_first", "tool_name": "memory_insert", "args": {"new_string": "By the rule."}}]);
        let blocks = json!([{"label": "human", "value": ""}]);
        let agent = app.new_agent(json!({ "tool_rules": rules, "memory_blocks": blocks })).await;
        app.model.push_all([insert("By the model."), Answer::text("Done.")]);

        let answer = app.say(&agent, "Go.").await.expect_json();

        let asked = app.model.requests();
        assert_eq!(asked[0].body["tool_choice"]["function"]["name"], "memory_insert");
        assert_eq!(asked[0].tool_names(), ["memory_insert"]);
        assert_eq!(asked[1].tool_names().len(), 3);
        let arguments = answer["messages"][0]["tool_call"]["arguments"].as_str().unwrap();
        assert!(arguments.contains("By the rule."), "{arguments}");
        let block = app.list(&format!("/v1/agents/{agent}/core-memory/blocks/human")).await;
        assert_eq!(block["value"], "By the rule.");
    })
    .await;
}

#[tokio::test]
async fn a_token_stream_shows_the_arguments_that_are_stored() {
    on_each_database(async |app| {
        let rules = json!([{"type": "run_first", "tool_name": "memory_insert", "args": {"new_string": "As set."}}]);
        let blocks = json!([{"label": "human", "value": ""}]);
        let agent = app.new_agent(json!({ "tool_rules": rules, "memory_blocks": blocks })).await;
        app.model.push_all([insert("By the model."), Answer::text("Done.")]);
        let events = app.stream(&agent, "Go.", true).await;
        let frames: Vec<Value> = events[..events.len() - 1].iter().map(SseEvent::json).collect();
        let shown: String = frames.iter().filter_map(|frame| frame["tool_call"]["arguments"].as_str()).collect();
        let history = app.history(&agent).await;
        assert_eq!(shown, history[2]["tool_call"]["arguments"].as_str().unwrap());
        assert!(shown.contains("As set.") && !shown.contains("By the model."), "{shown}");
    })
    .await;
}

#[tokio::test]
async fn arguments_that_a_rule_sets_wrongly_stop_the_turn() {
    on_each_database(async |app| {
        let rules = json!([{"type": "run_first", "tool_name": "memory_insert", "args": {"colour": "red"}}]);
        let blocks = json!([{"label": "human", "value": "Untouched."}]);
        let agent = app.new_agent(json!({ "tool_rules": rules, "memory_blocks": blocks })).await;
        app.model.push(insert("Touched."));
        let answer = app.say(&agent, "Go.").await.expect_json();
        assert_eq!(answer["stop_reason"]["stop_reason"], "invalid_tool_call");
        let told = answer["messages"][1]["tool_return"].as_str().unwrap();
        assert!(told.contains("Unknown argument 'colour' for tool 'memory_insert'."), "{told}");
        let block = app.list(&format!("/v1/agents/{agent}/core-memory/blocks/human")).await;
        assert_eq!(block["value"], "Untouched.");
    })
    .await;
}

#[tokio::test]
async fn a_call_against_the_rules_is_refused_with_a_hint_and_the_turn_goes_on() {
    on_each_database(async |app| {
        let rules = json!([{"type": "max_count_per_step", "tool_name": "conversation_search", "max_count_limit": 1}]);
        let agent = app.new_agent(json!({ "tool_rules": rules })).await;
        app.model.push_all([search(), search(), Answer::text("I give up.")]);
        let answer = app.say(&agent, "Look twice.").await.expect_json();
        let messages = answer["messages"].as_array().unwrap();
        assert_eq!(messages[1]["status"], "success");
        assert_eq!(messages[3]["status"], "error");
        let told = messages[3]["tool_return"].as_str().unwrap();
        assert!(told.starts_with("[ToolConstraintError] Cannot call conversation_search"), "{told}");
        assert!(told.contains("** Hint:") && told.contains("at most 1 time"), "{told}");
        assert_eq!(answer["stop_reason"]["stop_reason"], "end_turn");
    })
    .await;
}

#[tokio::test]
async fn a_required_tool_is_asked_for_before_the_turn_ends() {
    on_each_database(async |app| {
        let rules = json!([{"type": "required_before_exit", "tool_name": "conversation_search"}]);
        let agent = app.new_agent(json!({ "tool_rules": rules })).await;
        app.model.push_all([Answer::text("Done already."), search(), Answer::text("Now I am done.")]);

        let answer = app.say(&agent, "Go.").await.expect_json();

        let shown = ["assistant_message", "tool_call_message", "tool_return_message", "assistant_message"];
        assert_eq!(kinds(answer["messages"].as_array().unwrap()), shown, "the reminder is not for the client");
        assert_eq!(answer["stop_reason"]["stop_reason"], "end_turn");
        let reminder = app.model.requests()[1].last_user().unwrap();
        assert!(reminder.contains("ToolRuleViolated") && reminder.contains("conversation_search"), "{reminder}");
        assert_eq!(kinds(&app.history(&agent).await)[3], "user_message");
    })
    .await;
}
