//! Turns: what an agent does with a message, as its answer, its stream and its stored history show it.

mod answers;
mod compaction;
mod context;
mod endings;
mod endless;
mod forms;
mod malformed;
mod older;
mod options;
mod order;
mod parallel;
mod refusals;
mod rules;
mod shapes;
mod skills;
mod speech;
mod streams;

use muisti_testkit::{Response, SseEvent};
use serde_json::{Value, json};

use crate::harness::{App, id};

impl App {
    /// Creates an agent and gives its id.
    async fn new_agent(&mut self, fields: Value) -> String {
        id(&self.agent(fields).await).to_owned()
    }

    /// Sends a text and gives the answer.
    async fn say(&mut self, agent: &str, text: &str) -> Response {
        self.post(&format!("/v1/agents/{agent}/messages"), json!({ "input": text })).await
    }

    /// Sends a text and gives the frames of the stream.
    async fn stream(&mut self, agent: &str, text: &str, tokens: bool) -> Vec<SseEvent> {
        let body = json!({ "input": text, "streaming": true, "stream_tokens": tokens });
        self.client.stream(&format!("/v1/agents/{agent}/messages"), &body).await.unwrap().collect().await.unwrap()
    }

    /// All messages of the agent, oldest first.
    async fn history(&mut self, agent: &str) -> Vec<Value> {
        let list = self.list(&format!("/v1/agents/{agent}/messages?order=asc&limit=1000")).await;
        list.as_array().unwrap().clone()
    }
}

/// The kinds of these messages.
fn kinds(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["message_type"].as_str().unwrap()).collect()
}
