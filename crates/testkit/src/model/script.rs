//! Which answer comes next, and what was asked: the queue, the rules, and the record of requests.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;

use super::answer::Answer;

/// A request the model server got.
#[derive(Clone, Debug, Serialize)]
pub struct SeenRequest {
    pub method: String,
    /// Path and query as sent.
    pub path: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    /// Null when the body was empty, a string when it was not JSON.
    pub body: Value,
}

impl SeenRequest {
    /// The `messages` of a chat request.
    pub fn messages(&self) -> &[Value] {
        self.body["messages"].as_array().map(Vec::as_slice).unwrap_or_default()
    }

    /// The text of the first system (or developer) message.
    pub fn system(&self) -> Option<String> {
        let system = self.messages().iter().find(|message| matches!(role(message), "system" | "developer"));
        system.map(text_of)
    }

    /// The text of the last user message.
    pub fn last_user(&self) -> Option<String> {
        self.messages().iter().rev().find(|message| role(message) == "user").map(text_of)
    }

    /// The role of the last message, empty when there is none.
    pub fn last_role(&self) -> &str {
        self.messages().last().map(role).unwrap_or_default()
    }

    /// The text of the last message, whatever its role.
    pub fn last_text(&self) -> String {
        self.messages().last().map(text_of).unwrap_or_default()
    }

    /// The names of the tools offered to the model, in order.
    pub fn tool_names(&self) -> Vec<String> {
        let tools = self.body["tools"].as_array().map(Vec::as_slice).unwrap_or_default();
        tools.iter().filter_map(|tool| tool["function"]["name"].as_str().map(str::to_owned)).collect()
    }

    pub fn is_stream(&self) -> bool {
        self.body["stream"] == true
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

fn role(message: &Value) -> &str {
    message["role"].as_str().unwrap_or_default()
}

/// The text of a message, whether its content is a string or a list of parts.
fn text_of(message: &Value) -> String {
    match &message["content"] {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join(""),
        _ => String::new(),
    }
}

/// An answer for every request that fits; for scripts that must not depend on the order of requests.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rule {
    /// The role of the last message must be this.
    pub last_role: Option<String>,
    /// The text of the last message must contain this.
    pub contains: Option<String>,
    pub answer: Answer,
}

impl Rule {
    fn fits(&self, request: &SeenRequest) -> bool {
        self.last_role.as_deref().is_none_or(|role| role == request.last_role())
            && self.contains.as_deref().is_none_or(|text| request.last_text().contains(text))
    }
}

/// A script as JSON: the queue, then the first rule that fits, then the fallback.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Script {
    pub answers: Option<Vec<Answer>>,
    pub rules: Option<Vec<Rule>>,
    pub fallback: Option<Answer>,
}

pub(crate) type AnswerFunction = Arc<dyn Fn(&SeenRequest) -> Answer + Send + Sync>;

pub(crate) struct State {
    pub(crate) queue: VecDeque<Answer>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) fallback: Answer,
    pub(crate) function: Option<AnswerFunction>,
    pub(crate) requests: Vec<SeenRequest>,
    pub(crate) chat_count: u64,
    pub(crate) hangups: usize,
    /// How often held answers were let go.
    pub(crate) releases: watch::Sender<u64>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            queue: VecDeque::new(),
            rules: Vec::new(),
            fallback: Answer::text("Understood."),
            function: None,
            requests: Vec::new(),
            chat_count: 0,
            hangups: 0,
            releases: watch::Sender::new(0),
        }
    }
}

impl State {
    /// What a script names is replaced, the rest stays.
    pub(crate) fn apply(&mut self, script: Script) {
        if let Some(answers) = script.answers {
            self.queue = answers.into();
        }
        if let Some(rules) = script.rules {
            self.rules = rules;
        }
        if let Some(fallback) = script.fallback {
            self.fallback = fallback;
        }
    }

    pub(crate) fn release(&self) {
        self.releases.send_modify(|count| *count += 1);
    }

    pub(crate) fn next_answer(&mut self, request: &SeenRequest) -> (Answer, u64) {
        self.chat_count += 1;
        let answer = if let Some(answer) = self.queue.pop_front() {
            answer
        } else if let Some(function) = &self.function {
            function(request)
        } else if let Some(rule) = self.rules.iter().find(|rule| rule.fits(request)) {
            rule.answer.clone()
        } else {
            self.fallback.clone()
        };
        (answer, self.chat_count)
    }
}
