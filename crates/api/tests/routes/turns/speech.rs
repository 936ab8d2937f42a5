//! Whether a call of the message tool is shown as what the agent says.

use muisti_testkit::{Answer, SseEvent};
use serde_json::{Value, json};

use super::kinds;
use crate::harness::{App, on_each_database};

/// What is seen of a turn with these options: in a JSON answer, and in a stream without its pings and its end.
async fn seen(app: &mut App, agent: &str, tokens: Option<bool>, options: &Value) -> Vec<Value> {
    let path = format!("/v1/agents/{agent}/messages");
    let mut body = json!({ "input": "Go." });
    body.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    let Some(tokens) = tokens else {
        let answer = app.post(&path, body).await.expect_json();
        return answer["messages"].as_array().unwrap().clone();
    };
    body["streaming"] = true.into();
    body["stream_tokens"] = tokens.into();
    let events = app.client.stream(&path, &body).await.unwrap().collect().await.unwrap();
    let frames = events[..events.len() - 1].iter().map(SseEvent::json);
    frames.filter(|frame| !["ping", "stop_reason", "usage_statistics"].contains(&kind(frame))).collect()
}

fn kind(frame: &Value) -> &str {
    frame["message_type"].as_str().unwrap()
}

const DELIVERIES: [Option<bool>; 3] = [None, Some(false), Some(true)];

#[tokio::test]
async fn an_agent_that_speaks_in_text_has_no_message_tool() {
    on_each_database(async |app| {
        let agent = app.new_agent(json!({ "memory_blocks": [{ "label": "human", "value": "" }] })).await;
        let insert = json!({ "label": "human", "new_string": "Green." });
        for (tool, arguments, status) in [
            // It is not attached: what the model is told about that is to be seen.
            ("send_message", json!({ "message": "Hello." }), "error"),
            ("memory_insert", insert, "success"),
        ] {
            for options in [
                json!({}),
                json!({ "assistant_message_tool_name": tool, "assistant_message_tool_kwarg": "new_string" }),
            ] {
                for tokens in DELIVERIES {
                    app.model.push_all([Answer::tool_call(tool, arguments.clone()), Answer::text("Done.")]);
                    let shown = seen(app, &agent, tokens, &options).await;
                    let mut told = kinds(&shown);
                    told.dedup();
                    let expected = ["tool_call_message", "tool_return_message", "assistant_message"];
                    assert_eq!(told, expected, "{tool} with {options}, tokens: {tokens:?}");
                    let returned = shown.iter().find(|message| kind(message) == "tool_return_message").unwrap();
                    assert_eq!(returned["status"], status);
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn an_older_agent_speaks_with_the_same_tool_whatever_its_clients_call_it() {
    on_each_database(async |app| {
        let fields = json!({
            "agent_type": "memgpt_v2_agent", "reasoning": true, "include_base_tool_rules": false,
            "memory_blocks": [{ "label": "human", "value": "" }],
        });
        let agent = app.new_agent(fields).await;
        let options =
            json!({ "assistant_message_tool_name": "memory_insert", "assistant_message_tool_kwarg": "new_string" });
        for tokens in DELIVERIES {
            let insert = json!({
                "thinking": "Keep it.", "label": "human", "new_string": "Green.", "request_heartbeat": true,
            });
            let says = json!({ "thinking": "Answer.", "message": "Noted." });
            app.model.push_all([Answer::tool_call("memory_insert", insert), Answer::tool_call("send_message", says)]);
            let shown = seen(app, &agent, tokens, &options).await;
            let mut told = kinds(&shown);
            told.dedup();
            let expected = [
                "reasoning_message",
                "tool_call_message",
                "tool_return_message",
                "reasoning_message",
                "assistant_message",
            ];
            assert_eq!(told, expected, "tokens: {tokens:?}");
            let words: String = shown.iter().filter_map(|message| message["content"].as_str()).collect();
            assert_eq!(words, "Noted.");
        }
    })
    .await;
}
