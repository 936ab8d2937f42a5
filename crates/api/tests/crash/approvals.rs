//! Whoever approves: all at once or a part, yes or no, and sometimes twice.

use serde_json::{Value, json};

use crate::{
    conversation::{Conversation, client},
    dice::Dice,
};

/// More rounds than any turn has steps.
const ROUNDS: usize = 200;

/// Answers what waits until nothing does. Whether the server was still there at the end.
pub(crate) async fn answer_all(url: &str, conversation: &Conversation, dice: &Dice) -> bool {
    for _ in 0..ROUNDS {
        let Ok(pending) = pending(url, conversation).await else { return false };
        if pending.is_empty() {
            return true;
        }
        let part = if dice.once_in(3) { &pending[..1] } else { &pending[..] };
        let body = answers(part, dice);
        for is_repeat in [false, true] {
            if is_repeat && !dice.once_in(4) {
                break;
            }
            let mut client = client(url);
            let Ok(response) = client.post(&conversation.messages(), &body).await else { return false };
            // A repeat that comes when the agent asks about other calls already is told so.
            let is_late = is_repeat && response.json()["pending_tool_call_ids"].is_array();
            if !response.is_success() && !is_late {
                let (status, text) = (response.status, response.text());
                conversation.fault(format!("the answers {body} to {pending:?} were refused: {status} {text}"));
                return false;
            }
        }
    }
    conversation.fault("approvals are asked for without end".to_owned());
    false
}

/// The ids of the calls that wait for an answer.
pub(crate) async fn pending(url: &str, conversation: &Conversation) -> std::io::Result<Vec<String>> {
    let path = format!("/v1/agents/{}?include=agent.pending_approval", conversation.agent);
    let agent = client(url).get(&path).await?.json();
    let calls = agent["pending_approval"]["tool_calls"].as_array().cloned().unwrap_or_default();
    Ok(calls.iter().filter_map(|call| call["tool_call_id"].as_str().map(str::to_owned)).collect())
}

fn answers(calls: &[String], dice: &Dice) -> Value {
    let answer = |call: &String| {
        let approve = !dice.once_in(4);
        let reason = if approve { Value::Null } else { "Not now.".into() };
        json!({ "type": "approval", "tool_call_id": call, "approve": approve, "reason": reason })
    };
    let answers: Vec<Value> = calls.iter().map(answer).collect();
    json!({ "messages": [{ "type": "approval", "approvals": answers }] })
}
