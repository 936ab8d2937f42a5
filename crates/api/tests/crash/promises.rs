//! What must hold after every death: nothing accepted is lost, nothing is there twice, every call has its return.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use muisti_testkit::{ScriptedModel, SeenRequest, Server};
use serde_json::{Value, json};

use crate::{
    approvals,
    conversation::Conversation,
    mood::{self, Mood},
};

/// How long runs of a dead process may stay active.
const SETTLED_WITHIN: Duration = Duration::from_secs(60);

/// The whole history, once nothing is under way any more.
pub(crate) async fn settled_history(server: &Server, conversation: &Conversation) -> Vec<Value> {
    let mut client = server.client();
    let agent = &conversation.agent;
    let end = Instant::now() + SETTLED_WITHIN;
    loop {
        let path = format!("/v1/runs/?agent_id={agent}&statuses=created&statuses=running");
        let active = client.get(&path).await.unwrap().expect_json();
        if active.as_array().unwrap().is_empty() {
            break;
        }
        assert!(Instant::now() < end, "runs of a dead process stay active: {active:#}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let steps = client.get(&format!("/v1/steps/?agent_id={agent}&limit=1000")).await.unwrap().expect_json();
    let pending = steps.as_array().unwrap().iter().find(|step| step["status"] == "pending");
    assert!(pending.is_none(), "no run is active, but a step is pending: {pending:#?}");
    let path = format!("{}?order=asc&limit=10000", conversation.messages());
    client.get(&path).await.unwrap().expect_json().as_array().unwrap().clone()
}

/// What is promised of the history itself. `pending` are the calls that wait for an approval.
pub(crate) fn check_history(conversation: &Conversation, history: &[Value], pending: &[String]) -> Result<(), String> {
    if let Some(fault) = conversation.first_fault() {
        return Err(fault);
    }
    let mut texts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut open: BTreeSet<String> = BTreeSet::new();
    let mut answered = BTreeSet::new();
    for message in history {
        let kind = message["message_type"].as_str().unwrap_or_default();
        if !seen.insert((message["id"].as_str(), kind, message["otid"].as_str())) {
            return Err(format!("listed twice: {message}"));
        }
        match kind {
            "user_message" => *texts.entry(message["content"].as_str().unwrap_or_default()).or_default() += 1,
            "tool_call_message" | "approval_request_message" => {
                for id in ids(&message["tool_calls"]) {
                    if answered.contains(&id) || !open.insert(id.clone()) {
                        return Err(format!("tool call {id} is there twice"));
                    }
                }
            }
            "tool_return_message" => {
                for id in ids(&message["tool_returns"]) {
                    if !open.remove(&id) {
                        return Err(format!("tool return {id} answers no open call, or a second time"));
                    }
                    answered.insert(id);
                }
            }
            _ => {}
        }
    }
    // What one step calls is answered together, when the last of what waits has its answer.
    if pending.is_empty()
        && let Some(id) = open.first()
    {
        return Err(format!("tool call {id} has no return"));
    }
    if let Some(id) = pending.iter().find(|id| !open.contains(*id)) {
        return Err(format!("tool call {id} waits for an approval, but is no open call of the history"));
    }
    for (text, accepted) in conversation.sent.all() {
        match texts.get(text.as_str()).copied().unwrap_or_default() {
            0 if accepted => return Err(format!("'{text}' was accepted and is lost")),
            0 | 1 => {}
            count => return Err(format!("'{text}' was stored {count} times")),
        }
    }
    Ok(())
}

fn ids(list: &Value) -> Vec<String> {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(|item| item["tool_call_id"].as_str().map(str::to_owned)).collect()
}

/// A next message is answered, and what the model got to see with it is whole.
pub(crate) async fn goes_on(
    server: &Server,
    model: &ScriptedModel,
    conversation: &Conversation,
    text: &str,
) -> Result<(), String> {
    let mut client = server.client();
    conversation.sent.attempt(text);
    model.clear_requests();
    let body = json!({ "input": text });
    let response = client.post(&conversation.messages(), &body).await.map_err(|error| error.to_string())?;
    if !response.is_success() {
        return Err(format!("the conversation does not go on: {} {}", response.status, response.text()));
    }
    conversation.sent.accepted(text);
    model.requests().iter().try_for_each(check_request)?;

    let history = settled_history(server, conversation).await;
    let pending = approvals::pending(&server.url(), conversation).await.map_err(|error| error.to_string())?;
    check_history(conversation, &history, &pending)?;
    let state = client.get(&format!("/v1/agents/{}", conversation.agent)).await.unwrap().expect_json();
    check_context(conversation.mood, &state, &history)?;
    let memory = client.get(&format!("/v1/agents/{}/core-memory/blocks/human", conversation.agent)).await.unwrap();
    mood::marks(memory.expect_json()["value"].as_str().unwrap_or_default()).map(|_| ())
}

/// The context holds messages of the history, none of them twice, and all of them unless it has been compacted.
fn check_context(mood: Mood, state: &Value, history: &[Value]) -> Result<(), String> {
    let context: Vec<&str> = state["message_ids"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let listed: Vec<&str> = history.iter().filter_map(|message| message["id"].as_str()).collect();
    if let Some(stray) = context.iter().find(|id| !listed.contains(*id)) {
        return Err(format!("the context holds {stray}, which is no message of the agent"));
    }
    if context.iter().collect::<BTreeSet<_>>().len() != context.len() {
        return Err("the context holds a message twice".to_owned());
    }
    if context.first() != listed.first() {
        return Err("the context does not begin with the system message".to_owned());
    }
    if listed.last().is_some_and(|last| !context.contains(last)) {
        return Err("the context lacks the last message".to_owned());
    }
    let missing = listed.iter().find(|id| !context.contains(*id));
    match missing {
        Some(missing) if mood != Mood::Compaction => Err(format!("the context lacks {missing}")),
        _ => Ok(()),
    }
}

/// Every tool call that the model is shown is followed at once by its return, as model servers demand.
fn check_request(request: &SeenRequest) -> Result<(), String> {
    let mut open: BTreeSet<String> = BTreeSet::new();
    for message in request.messages() {
        if message["role"] == "tool" {
            let id = message["tool_call_id"].as_str().unwrap_or_default();
            if !open.remove(id) {
                return Err(format!("the model was shown a return without its call: {id}"));
            }
            continue;
        }
        if let Some(id) = open.first() {
            return Err(format!("the model was shown a call without its return: {id}"));
        }
        let calls = message["tool_calls"].as_array().map(Vec::as_slice).unwrap_or_default();
        open.extend(calls.iter().filter_map(|call| call["id"].as_str().map(str::to_owned)));
    }
    if open.is_empty() { Ok(()) } else { Err(format!("the model was shown calls without returns: {open:?}")) }
}
