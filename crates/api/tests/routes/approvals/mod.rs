//! Tool calls that wait for the client: how a turn pauses, goes on and is given up.

mod client_tools;
mod conflicts;
mod giving_up;
mod kinds_of_agents;
mod partial;
mod pausing;
mod policies;
mod repeats;
mod resuming;
mod rules;

use muisti_testkit::{Answer, ScriptedCall, SseEvent};
use serde_json::{Value, json};

use crate::harness::{App, id};

/// An agent that may make several calls at once and has to ask before it writes into its memory. Gives its id.
async fn careful(app: &mut App, fields: Value) -> String {
    let mut body = json!({
        "memory_blocks": [{ "label": "human", "value": "" }],
        "parallel_tool_calls": true,
        "include_base_tool_rules": false,
        "tool_rules": [{ "type": "requires_approval", "tool_name": "memory_insert" }],
    });
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    id(&app.agent(body).await).to_owned()
}

/// A conversation of this agent. Gives its id.
async fn conversation(app: &mut App, agent: &str) -> String {
    id(&app.post(&format!("/v1/conversations/?agent_id={agent}"), json!({})).await.expect_json()).to_owned()
}

/// Where messages of an agent, or of a conversation, are sent and listed.
fn messages(of: &str) -> String {
    let kind = if of.starts_with("agent-") { "agents" } else { "conversations" };
    format!("/v1/{kind}/{of}/messages")
}

/// Where what goes on in an agent's default history, or in a conversation, is cancelled.
fn cancel(of: &str) -> String {
    if of.starts_with("agent-") { format!("{}/cancel", messages(of)) } else { format!("/v1/conversations/{of}/cancel") }
}

/// Where what is pending is reset.
fn reset(of: &str) -> String {
    cancel(of).replace("/cancel", "/reset-pending")
}

/// A call that has to wait.
fn insert(id: &str, text: &str) -> ScriptedCall {
    ScriptedCall::new("memory_insert", json!({ "label": "human", "new_string": text })).with_id(id)
}

/// A call that need not wait.
fn look(id: &str) -> ScriptedCall {
    ScriptedCall::new("conversation_search", json!({ "query": "anything" })).with_id(id)
}

fn yes(call: &str) -> Value {
    json!({ "type": "approval", "tool_call_id": call, "approve": true })
}

fn no(call: &str, reason: &str) -> Value {
    json!({ "type": "approval", "tool_call_id": call, "approve": false, "reason": reason })
}

fn gave(call: &str, text: &str) -> Value {
    json!({ "type": "tool", "tool_call_id": call, "tool_return": text, "status": "success" })
}

/// A request with these answers, for a whole answer.
fn answers(entries: impl IntoIterator<Item = Value>) -> Value {
    let approvals: Vec<Value> = entries.into_iter().collect();
    json!({ "messages": [{ "type": "approval", "approvals": approvals }], "streaming": false })
}

fn said(text: &str) -> Value {
    json!({ "messages": [{ "role": "user", "content": text }], "streaming": false })
}

/// The same request, for a stream.
fn streamed(mut body: Value, tokens: bool) -> Value {
    body["streaming"] = true.into();
    body["stream_tokens"] = tokens.into();
    body
}

/// Lets the model make these calls, of which some have to wait. Gives the answer.
async fn pause(app: &mut App, of: &str, calls: impl IntoIterator<Item = ScriptedCall>) -> Value {
    app.model.push(Answer::tool_calls(calls));
    let answer = app.post(&messages(of), said("Go.")).await.expect_json();
    assert_eq!(answer["stop_reason"]["stop_reason"], "requires_approval", "{answer}");
    answer
}

/// The frames of a stream that ends as it should, without pings and the last one.
async fn frames(app: &mut App, of: &str, body: &Value) -> Vec<Value> {
    let stream = app.client.stream(&messages(of), body).await.unwrap();
    assert_eq!(stream.status, 200);
    let events = stream.collect().await.unwrap();
    let (last, events) = events.split_last().unwrap();
    assert!(last.is_done(), "{last:?}");
    events.iter().map(SseEvent::json).filter(|frame| frame["message_type"] != "ping").collect()
}

/// All messages, oldest first, without the system message and what went before it.
async fn history(app: &mut App, of: &str) -> Vec<Value> {
    let of_its_own = if of.starts_with("agent-") { "&conversation_id=default" } else { "" };
    let list = app.list(&format!("{}?order=asc&limit=1000{of_its_own}", messages(of))).await;
    let mut list = list.as_array().unwrap().clone();
    let first = list.iter().position(|message| message["message_type"] == "system_message").unwrap();
    list.split_off(first + 1)
}

/// What waits, as the agent's state shows it.
async fn pending(app: &mut App, agent: &str) -> Value {
    app.list(&format!("/v1/agents/{agent}?include=agent.pending_approval")).await["pending_approval"].clone()
}

/// What the agent has in memory.
async fn memory(app: &mut App, agent: &str) -> String {
    let block = app.list(&format!("/v1/agents/{agent}/core-memory/blocks/human")).await;
    block["value"].as_str().unwrap().to_owned()
}

/// The kinds of these messages.
fn kinds(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["message_type"].as_str().unwrap()).collect()
}

/// The messages of an answer.
fn messages_of(answer: &Value) -> &[Value] {
    answer["messages"].as_array().unwrap()
}

/// The only message of this kind.
#[track_caller]
fn the<'a>(messages: &'a [Value], kind: &str) -> &'a Value {
    let found: Vec<&Value> = messages.iter().filter(|message| message["message_type"] == kind).collect();
    assert_eq!(found.len(), 1, "{kind} among {messages:?}");
    found[0]
}

/// The ids of the calls that a message asks or answers about.
fn calls(message: &Value) -> Vec<String> {
    let list = message["tool_calls"].as_array().or(message["tool_returns"].as_array()).unwrap();
    list.iter().map(|call| call["tool_call_id"].as_str().unwrap().to_owned()).collect()
}
