//! The messages of conversations, listed.

use muisti_testkit::Answer;
use serde_json::{Value, json};

use super::{UNKNOWN, UNKNOWN_AGENT};
use crate::harness::{assert_error, each, id, on_each_database};

fn contents(messages: &Value) -> Vec<String> {
    each(messages, "content")
}

#[tokio::test]
async fn messages_come_in_the_order_of_their_arrival_the_newest_first() {
    on_each_database(async |app| {
        let agent = app.agent(json!({})).await;
        let made = app.conversation(&agent, json!({})).await;
        let ids = app.import(id(&made), &["1", "2", "3", "4"]).await;
        app.compact(&made).await;
        app.import(id(&made), &["5"]).await;
        let path = format!("/v1/conversations/{}/messages", id(&made));
        let types = "include_return_message_types=user_message&include_return_message_types=summary_message";
        // The summary is listed where it came, and what it stands for where that came.
        let all = app.list(&format!("{path}?{types}")).await;
        assert_eq!(all.as_array().unwrap().len(), 6);
        assert_eq!(all[0]["content"], "5");
        assert_eq!(contents(&json!(all.as_array().unwrap()[2..])), ["4", "3", "2", "1"]);
        let listed = app.list(&format!("{path}?order=asc&{types}")).await;
        let back: Vec<Value> = all.as_array().unwrap().iter().rev().cloned().collect();
        assert_eq!(listed, json!(back));
        for (query, expected) in [
            (format!("order=asc&limit=2&after={}", ids[0]), ["2", "3"]),
            (format!("order=desc&limit=2&before={}", ids[2]), ["2", "1"]),
            (format!("order=asc&limit=3&before={}&{types}", ids[2]), ["1", "2"]),
        ] {
            assert_eq!(contents(&app.list(&format!("{path}?{query}")).await), expected, "{query}");
        }
        assert_eq!(app.list(&format!("{path}?group_id=group-1")).await, json!([]));
        let elsewhere = agent["message_ids"][0].as_str().unwrap();
        assert_error(&app.get(&format!("{path}?after={elsewhere}")).await, 404, elsewhere);
        assert_error(&app.get(&format!("/v1/conversations/{UNKNOWN}/messages")).await, 404, "Conversation with ID");
    })
    .await;
}

#[tokio::test]
async fn the_parts_of_a_message_stay_in_order_when_the_newest_comes_first() {
    on_each_database(async |app| {
        let agent = app.agent(json!({ "agent_type": "memgpt_v2_agent", "initial_message_sequence": [] })).await;
        let made = app.conversation(&agent, json!({})).await;
        let past = json!({ "messages": [
            { "role": "user", "content": "Hello." }, { "role": "assistant", "content": "Hello to you." },
        ] });
        let path = format!("/v1/conversations/{}/messages", id(&made));
        app.post(&format!("{path}/import"), past).await.expect_json();
        let listed = app.list(&format!("{path}?limit=3")).await;
        assert_eq!(each(&listed, "message_type"), ["assistant_message", "user_message"]);
        assert_eq!(contents(&listed), ["Hello to you.", "Hello."]);
    })
    .await;
}

#[tokio::test]
async fn a_default_history_is_listed_as_its_agent_lists_it() {
    on_each_database(async |app| {
        let agent = app.agent(json!({})).await;
        app.model.push(Answer::text("Hello to you."));
        app.post(&format!("/v1/agents/{}/messages", id(&agent)), json!({ "input": "Hello." })).await.expect_json();
        let made = app.conversation(&agent, json!({})).await;
        app.import(id(&made), &["Elsewhere."]).await;
        let expected = app.list(&format!("/v1/agents/{}/messages?conversation_id=default", id(&agent))).await;
        assert_eq!(each(&expected, "message_type"), ["system_message", "user_message", "assistant_message"]);
        let beside = format!("/v1/conversations/default/messages?agent_id={}", id(&agent));
        assert_eq!(app.list(&beside).await, expected);
        let by_name = format!("/v1/conversations/{}/messages", id(&agent));
        assert_eq!(app.list(&by_name).await, expected);
        assert_eq!(each(&app.list(&format!("{by_name}?limit=1")).await, "id"), [id(&expected[2])]);
        // All of the agent's messages, wherever they were said.
        let all = app.list(&format!("/v1/agents/{}/messages", id(&agent))).await;
        assert_eq!(all.as_array().unwrap().len(), 5);
        assert_error(&app.get("/v1/conversations/default/messages").await, 404, "agent_id");
        assert_error(&app.get(&format!("/v1/conversations/{UNKNOWN_AGENT}/messages")).await, 404, "Agent with ID");
    })
    .await;
}

#[tokio::test]
async fn the_context_overview_shows_the_conversation_s_own_memory_and_messages() {
    on_each_database(async |app| {
        let agent = app.agent(json!({ "memory_blocks": [{ "label": "human", "value": "Ada" }] })).await;
        let made = app.conversation(&agent, json!({ "isolated_block_labels": ["human"] })).await;
        app.import(id(&made), &["Hello."]).await;
        let block = format!("/v1/blocks/{}", made["isolated_block_ids"][0].as_str().unwrap());
        app.patch(&block, json!({ "value": "Grace" })).await.expect_json();
        let path = format!("/v1/agents/{}/context?conversation_id=", id(&agent));
        let overview = app.list(&format!("{path}{}", id(&made))).await;
        assert_eq!(overview["num_messages"], 2);
        assert!(overview["core_memory"].as_str().unwrap().contains("Grace"), "{overview}");
        assert_eq!(app.list(&format!("{path}default")).await["num_messages"], 1);
        assert_error(&app.get(&format!("{path}{UNKNOWN}")).await, 404, "Conversation with ID");
    })
    .await;
}
