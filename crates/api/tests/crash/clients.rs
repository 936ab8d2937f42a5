//! What clients do while servers die: send in every way there is, until theirs is gone.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    approvals, background,
    conversation::{Conversation, client},
    dice::Dice,
    mood::Mood,
};

/// Sends message after message to the server at `url`, until it is gone or the conversation rests. A client of a
/// background run reads its stream to the end even then, from any of the servers.
pub(crate) async fn keep_sending(
    url: String,
    servers: Vec<String>,
    conversation: Arc<Conversation>,
    name: String,
    dice: Arc<Dice>,
) {
    // What an earlier turn has asked for stands in the way of the next message.
    if conversation.mood == Mood::Approvals && !approvals::answer_all(&url, &conversation, &dice).await {
        return;
    }
    for count in 0.. {
        if conversation.is_resting() {
            return;
        }
        let beginning = format!("message {name}{count}");
        let text = conversation.mood.text(&beginning);
        conversation.sent.attempt(&text);
        let body = json!({ "input": text });
        let accepted = || conversation.sent.accepted(&text);
        let turn = if conversation.mood == Mood::Background {
            background::send(&url, &servers, &conversation, body, accepted, &dice).await
        } else if dice.once_in(3) {
            send(&url, &conversation, &body, accepted).await
        } else {
            stream(&url, &conversation, body, accepted, &dice).await
        };
        let alive = match turn {
            Turn::Over => true,
            Turn::Waits => approvals::answer_all(&url, &conversation, &dice).await,
            Turn::Lost => false,
        };
        if !alive {
            return;
        }
    }
}

/// How a turn ended for its client.
pub(crate) enum Turn {
    Over,
    /// Somebody must approve of something.
    Waits,
    /// The server was gone before the end.
    Lost,
}

impl Turn {
    pub(crate) fn of(stop_reason: &Value) -> Self {
        if stop_reason == "requires_approval" { Self::Waits } else { Self::Over }
    }
}

/// A plain request. A 2xx is what counts as acceptance.
pub(crate) async fn send(url: &str, conversation: &Conversation, body: &Value, accepted: impl Fn()) -> Turn {
    match client(url).post(&conversation.messages(), body).await {
        Ok(response) if response.is_success() => {
            accepted();
            Turn::of(&response.json()["stop_reason"]["stop_reason"])
        }
        Ok(response) => {
            conversation.fault(format!("a plain send was refused: {} {}", response.status, response.text()));
            Turn::Lost
        }
        Err(_) => Turn::Lost,
    }
}

/// A stream in the foreground. Its first frame is what counts as acceptance.
async fn stream(url: &str, conversation: &Conversation, mut body: Value, accepted: impl Fn(), dice: &Dice) -> Turn {
    body["streaming"] = true.into();
    body["stream_tokens"] = dice.once_in(2).into();
    let Ok(mut stream) = client(url).stream(&conversation.messages(), &body).await else { return Turn::Lost };
    if stream.status != 200 {
        let (status, text) = (stream.status, stream.text().await.unwrap_or_default());
        conversation.fault(format!("a stream was refused: {status} {text}"));
        return Turn::Lost;
    }
    let mut turn = Turn::Over;
    loop {
        match stream.next().await {
            Ok(Some(event)) => {
                accepted();
                if event.is_done() {
                    return turn;
                }
                let frame = event.json();
                if frame["message_type"] == "stop_reason" {
                    turn = Turn::of(&frame["stop_reason"]);
                }
                if event.event.as_deref() == Some("error") {
                    conversation.fault(format!("a stream failed: {}", event.data));
                }
            }
            Ok(None) | Err(_) => return Turn::Lost,
        }
    }
}
