//! `/v1/conversations`

mod asked;
mod forks;
mod life;
mod past;
mod reading;
mod sends;

use muisti_api::managers::{
    DEFAULT_ACTOR,
    orm::{HistoryId, histories, messages},
    schema::{ContentPart, MessageId, MessageRole, StoredMessage},
};
use serde_json::{Value, json};

use crate::harness::{App, each, id};

const UNKNOWN: &str = "conv-123e4567-e89b-42d3-8456-426614174000";
const UNKNOWN_AGENT: &str = "agent-123e4567-e89b-42d3-8456-426614174000";

impl App {
    /// Makes a conversation of the agent.
    async fn conversation(&mut self, agent: &Value, body: Value) -> Value {
        self.post(&format!("/v1/conversations/?agent_id={}", id(agent)), body).await.expect_json()
    }

    /// The conversation as it is now.
    async fn again(&mut self, conversation: &Value) -> Value {
        self.list(&format!("/v1/conversations/{}", id(conversation))).await
    }

    /// The system message that the conversation has stored.
    async fn system_text(&mut self, conversation: &Value) -> String {
        let path = format!("/v1/conversations/{}/messages?order=asc&limit=1", id(conversation));
        let messages = self.list(&path).await;
        assert_eq!(messages[0]["message_type"], "system_message");
        messages[0]["content"].as_str().unwrap().to_owned()
    }

    /// Takes messages into a history, and gives their ids.
    async fn import(&mut self, history: &str, texts: &[&str]) -> Vec<String> {
        let messages: Vec<Value> = texts.iter().map(|text| json!({ "role": "user", "content": text })).collect();
        let path = format!("/v1/conversations/{history}/messages/import");
        each(&self.post(&path, json!({ "messages": messages })).await.expect_json(), "id")
    }

    /// Does what a compaction does: in the context a summary takes the place of all but the newest message.
    async fn compact(&self, conversation: &Value) {
        let history = history(conversation);
        let compact = move |conn: &mut _| {
            let text = vec![ContentPart::text("Summary.")];
            let mut summary = StoredMessage::new(history.agent_id, MessageRole::Summary, text);
            summary.conversation_id = history.conversation_id;
            let context = histories::context(conn, DEFAULT_ACTOR.organization_id, &history)?.unwrap();
            let kept: Vec<MessageId> = vec![context[0], summary.id, context[context.len() - 1]];
            messages::insert(conn, &DEFAULT_ACTOR, &[summary])?;
            histories::replace(conn, &DEFAULT_ACTOR, &history, &kept)
        };
        self.write(compact).await;
    }
}

fn history(conversation: &Value) -> HistoryId {
    let agent = conversation["agent_id"].as_str().unwrap().parse().unwrap();
    HistoryId::of_conversation(agent, id(conversation).parse().unwrap())
}

fn context(conversation: &Value) -> Vec<String> {
    let ids = conversation["in_context_message_ids"].as_array().unwrap();
    ids.iter().map(|id| id.as_str().unwrap().to_owned()).collect()
}
