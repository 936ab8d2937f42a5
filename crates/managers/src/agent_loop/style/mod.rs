//! How agents of a type speak, think and go on.
//!
//! Agents of the current types speak in plain text, and a turn goes on as long as they call tools. The older types call
//! exactly one tool in every step: they speak with the message tool, think in an argument of the call (or natively, or
//! in the text beside the call), and ask with another argument, the heartbeat, to be woken again. All of them run on the
//! same loop; what differs is here, as functions of values.
//!
//! - `next`: whether a turn goes on after a call, and what the model is told then.
//! - `pieces`: what clients see of an answer of the older types while it comes.
//! - `splitter`: the thought apart from the other arguments, as they come.
//! - `members`, `text`: reading a JSON object and a JSON string character by character.

mod members;
mod next;
mod pieces;
mod splitter;
mod text;

use muisti_llm::{ChatAnswer, LlmError, LlmErrorKind, ToolChoice, ToolSpec};
use muisti_orm::schema::{AgentType, LlmConfig, RunRequestConfig};
use serde_json::{Map, Value, json};

use super::rules::Allowed;
use crate::message::speaks_in_text;

pub(super) use next::{Facts, Fate, Next, Onward, heartbeat, must_still_call};
pub(super) use pieces::{Numbering, Piece, Pieces};

/// The argument that holds what the model thinks.
const THOUGHTS: &str = "thinking";
/// The argument with which the model asks to be woken again.
const HEARTBEAT: &str = "request_heartbeat";
/// What some models close their thoughts with, although nobody has opened them.
const END_OF_THOUGHTS: &str = "</thinking>";

/// How an agent speaks, thinks and goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// It speaks in text, and goes on as long as it calls tools.
    Current {
        /// Whether every step must call one: so for agents in the background, which speak to nobody.
        must_call: bool,
    },
    /// It calls one tool in every step, and goes on when it asks for that.
    Older(Thoughts),
}

/// Where an agent of an older type thinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Thoughts {
    /// In an argument of every call.
    InArguments,
    /// In the text beside the call.
    InText,
    /// The model reasons by itself; text beside the call says nothing.
    Native,
}

/// The arguments of a call, apart from those that are for the server.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Taken {
    /// What the tool gets.
    pub(super) arguments: Map<String, Value>,
    /// What the model thought.
    pub(super) thoughts: Option<String>,
    /// Whether the model asks to be woken again.
    pub(super) heartbeat: bool,
}

impl Style {
    /// The style of an agent with this model.
    pub(super) fn of(agent_type: AgentType, config: &LlmConfig) -> Self {
        if speaks_in_text(agent_type) {
            return Self::Current { must_call: agent_type != AgentType::LettaV1Agent };
        }
        Self::Older(if config.put_inner_thoughts_in_kwargs.unwrap_or(false) {
            Thoughts::InArguments
        } else if config.enable_reasoner {
            Thoughts::Native
        } else {
            Thoughts::InText
        })
    }

    /// Adds to a tool, as the model is told of it, the arguments that are for the server. `ends_turn` says whether a
    /// call of it ends the turn. An argument of the tool itself that has such a name stays the tool's.
    pub(super) fn offer(self, tool: &mut ToolSpec, ends_turn: bool) {
        let Self::Older(thoughts) = self else { return };
        if thoughts == Thoughts::InArguments {
            let description = "What you think before you make this call: private, at most a few sentences. \
                               Nobody but you reads it.";
            add(tool, 0, THOUGHTS, json!({"type": "string", "description": description}));
        }
        if !ends_turn {
            let description = "Whether you want to be woken right after this call, to see what it returned and to go \
                               on. False ends your turn.";
            add(tool, usize::MAX, HEARTBEAT, json!({"type": "boolean", "description": description}));
        }
    }

    /// What the provider is told about calling tools.
    pub(super) fn choice(self, allowed: &Allowed, offered: &[ToolSpec]) -> ToolChoice {
        match (self, allowed.choice(offered), offered) {
            (Self::Older(_), ToolChoice::Auto, [only]) => ToolChoice::Named(only.name.clone()),
            (style, ToolChoice::Auto, _) if style.must_call() => ToolChoice::Required,
            (_, choice, _) => choice,
        }
    }

    /// Whether the model must call a tool in every step.
    pub(super) const fn must_call(self) -> bool {
        matches!(self, Self::Older(_) | Self::Current { must_call: true })
    }

    /// Whether only the first call of an answer is carried out.
    pub(super) const fn one_call_only(self) -> bool {
        matches!(self, Self::Older(_))
    }

    /// Whether an answer is one that an agent of this style can give. `has_tools` says whether the model had any to call.
    ///
    /// # Errors
    /// `NoToolCall` when a tool had to be called and none was.
    pub(super) fn check(self, answer: &ChatAnswer, has_tools: bool, provider: &str) -> Result<(), LlmError> {
        if matches!(self, Self::Current { .. }) || !answer.tool_calls.is_empty() {
            return Ok(());
        }
        let message = if has_tools {
            "the model called no tool, and agents of this type act and speak with tools only. Take a model that \
             follows a required tool choice, or an agent of type letta_v1_agent."
        } else {
            "the model had no tool to call, and agents of this type act and speak with tools only: this one has none, \
             or its rules leave it none. Attach tools to it, send_message among them, or take an agent of type \
             letta_v1_agent."
        };
        Err(LlmError::new(LlmErrorKind::NoToolCall, provider, message))
    }

    /// Takes out of a call's arguments what is for the server. `parameters` is the schema of the tool's own.
    pub(super) fn take(self, mut arguments: Map<String, Value>, parameters: &Value) -> Taken {
        let own = |name: &str| parameters["properties"].get(name).is_some();
        let mut take = |name: &str| if own(name) { None } else { arguments.shift_remove(name) };
        let (thoughts, heartbeat) = (take(THOUGHTS), take(HEARTBEAT));
        let Self::Older(_) = self else { return Taken { arguments, thoughts: None, heartbeat: false } };
        let thoughts = thoughts.and_then(as_text).filter(|thoughts| !thoughts.is_empty());
        // A tool that has such an argument itself gets it, and it means the same.
        let asked = heartbeat.as_ref().or_else(|| arguments.get(HEARTBEAT));
        let heartbeat = asked.is_some_and(|asked| match asked {
            Value::Bool(asked) => *asked,
            Value::String(asked) => asked.trim().eq_ignore_ascii_case("true"),
            _ => false,
        });
        Taken { arguments, thoughts, heartbeat }
    }

    /// The arguments as the call is stored with them, `goes_on` being what became of the turn; none if they stay as the
    /// model wrote them.
    pub(super) fn written(self, arguments: &Map<String, Value>, goes_on: bool) -> Option<String> {
        let Self::Older(_) = self else { return None };
        let mut arguments = arguments.clone();
        arguments.insert(HEARTBEAT.to_owned(), goes_on.into());
        Some(Value::Object(arguments).to_string())
    }

    /// The text of the message that an answer is stored as: what the model said beside its call, then what it thought in
    /// the call. In lists it is shown as reasoning.
    pub(super) fn text(self, said: Option<String>, thoughts: Option<&str>) -> Option<String> {
        let Self::Older(place) = self else { return said };
        let said = said.filter(|_| place != Thoughts::Native).map(|said| said.replace(END_OF_THOUGHTS, ""));
        match (said.filter(|said| !said.is_empty()), thoughts) {
            (Some(said), Some(thoughts)) => Some(format!("{said}\n{thoughts}")),
            (said, thoughts) => said.or_else(|| thoughts.map(str::to_owned)),
        }
    }

    /// What makes the pieces that a client sees of an answer; none if they are the model's own.
    pub(super) fn pieces(self, config: &RunRequestConfig) -> Option<Pieces> {
        match self {
            Self::Current { .. } => None,
            Self::Older(thoughts) => Some(Pieces::new(thoughts, config)),
        }
    }
}

/// A value as text; nothing for null.
fn as_text(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    }
}

/// Adds a required argument to a tool that has none of this name.
fn add(tool: &mut ToolSpec, place: usize, name: &str, schema: Value) {
    let Some(parameters) = tool.parameters.as_object_mut() else { return };
    let properties = parameters.entry("properties").or_insert_with(|| json!({}));
    let Some(properties) = properties.as_object_mut().filter(|properties| !properties.contains_key(name)) else {
        return;
    };
    properties.shift_insert(place.min(properties.len()), name.to_owned(), schema);
    if let Some(required) = parameters.entry("required").or_insert_with(|| json!([])).as_array_mut() {
        required.insert(place.min(required.len()), name.into());
    }
}

#[cfg(test)]
mod tests;
