//! One model call as it is stored.

use std::{collections::HashMap, sync::Arc};

use muisti_llm::{ChatAnswer, ChatMessage, ChatPart, ChatRequest, Provider, ToolCallOut, Usage};
use muisti_orm::schema::{
    AgentId, CompactionSettings, LlmConfig, MessageId, ProviderTrace, ProviderTraceId, RunId, StepId, Timestamp,
};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::shrink;
use crate::Actor;

/// A model call, to be noted.
pub struct Trace {
    /// On whose behalf it was made.
    pub actor: Actor,
    /// What it was for.
    pub call_type: CallType,
    /// The agent that it was made for.
    pub agent_id: AgentId,
    /// The step.
    pub step_id: Option<StepId>,
    /// The run.
    pub run_id: Option<RunId>,
    /// Who was asked.
    pub provider: Arc<dyn Provider>,
    /// What was asked.
    pub request: ChatRequest,
    /// What came of it.
    pub outcome: Outcome,
}

/// What a model call was for.
pub enum CallType {
    /// A step of an agent, with this model.
    AgentStep(Box<LlmConfig>),
    /// A summary of older messages, made with these settings.
    Summarization(Box<CompactionSettings>),
}

impl CallType {
    const fn as_str(&self) -> &'static str {
        match self {
            Self::AgentStep(_) => muisti_orm::traces::AGENT_STEP,
            Self::Summarization(_) => "summarization",
        }
    }
}

/// What came of a model call.
pub enum Outcome {
    /// The model answered, and the answer is stored under this id, if it is.
    Answered(Box<ChatAnswer>, Option<MessageId>),
    /// The call failed, with a sentence and a word for the kind of failure.
    Failed {
        /// What went wrong.
        error: String,
        /// The kind of failure.
        error_type: &'static str,
    },
}

impl Trace {
    /// About how many bytes it holds.
    pub(super) fn weight(&self) -> usize {
        let messages = self.request.messages.iter().map(|message| match message {
            ChatMessage::System { text } | ChatMessage::Tool { content: text, .. } => text.len(),
            ChatMessage::User { parts, .. } => parts.iter().map(part_weight).sum(),
            ChatMessage::Assistant { text, reasoning, tool_calls, .. } => {
                let texts = [text, reasoning].into_iter().flatten().map(String::len).sum::<usize>();
                texts + tool_calls.iter().map(|call| call.arguments.len()).sum::<usize>()
            }
        });
        messages.sum()
    }

    /// As it is stored, with the tags of its agent.
    pub(super) fn into_stored(
        self,
        tags: &HashMap<AgentId, Vec<String>>,
        source: Option<String>,
        at: Timestamp,
    ) -> ProviderTrace {
        let mut request = object(&self.provider.request_body(&self.request));
        let mut response = match self.outcome {
            Outcome::Answered(answer, id) => answered(&answer, id, &self.request.model),
            Outcome::Failed { error, error_type } => object(&json!({ "error": error, "error_type": error_type })),
        };
        shrink::fit(&mut request);
        shrink::fit(&mut response);
        let call_type = self.call_type.as_str().to_owned();
        let (llm_config, compaction_settings) = match &self.call_type {
            CallType::AgentStep(config) => (Some(object(config)), None),
            CallType::Summarization(settings) => (None, Some(object(settings))),
        };
        ProviderTrace {
            id: ProviderTraceId::random(),
            request_json: request,
            response_json: response,
            step_id: self.step_id,
            agent_id: Some(self.agent_id),
            agent_tags: Some(tags.get(&self.agent_id).cloned().unwrap_or_default()),
            call_type: Some(call_type),
            run_id: self.run_id,
            source,
            org_id: Some(self.actor.organization_id),
            compaction_settings,
            llm_config,
            billing_context: None,
            created_at: at,
            updated_at: None,
            created_by_id: Some(self.actor.user_id),
            last_updated_by_id: None,
        }
    }
}

fn part_weight(part: &ChatPart) -> usize {
    match part {
        ChatPart::Text(text) | ChatPart::Image { data: text, .. } | ChatPart::ImageUrl { url: text, .. } => text.len(),
    }
}

fn object<T: Serialize>(value: &T) -> Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

/// The answer of a stream. Its parts are JSON as text, as clients of these traces know them.
fn answered(answer: &ChatAnswer, id: Option<MessageId>, model: &str) -> Map<String, Value> {
    let mut content = Vec::new();
    if let Some(reasoning) = &answer.reasoning {
        content.push(json!({ "type": "reasoning", "reasoning": reasoning }).to_string());
    } else if answer.reasoning_omitted {
        content.push(json!({ "type": "omitted_reasoning" }).to_string());
    }
    content.extend(answer.text.as_ref().map(|text| json!({ "type": "text", "text": text }).to_string()));
    let mut calls: Vec<Value> = answer.tool_calls.iter().map(call).collect();
    let calls = match calls.len() {
        0 => None,
        1 => calls.pop(),
        _ => Some(Value::Array(calls)),
    };
    object(&json!({
        "id": id,
        "model": model,
        "role": "assistant",
        "type": "message",
        "content": { "tool_call": calls.map(|calls| calls.to_string()), "content": content },
        "finish_reason": answer.finish.as_ref().map(|reason| reason.as_str()),
        "usage": answer.usage.map(usage),
    }))
}

fn call(call: &ToolCallOut) -> Value {
    json!({ "id": call.id, "type": "function", "function": { "name": call.name, "arguments": call.arguments } })
}

fn usage(usage: Usage) -> Value {
    json!({
        "input_tokens": usage.prompt_tokens,
        "output_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
        "cached_input_tokens": usage.cached_input_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
    })
}

#[cfg(test)]
mod tests {
    use muisti_llm::{FinishReason, LlmError, LlmErrorKind, TestProvider};

    use super::*;
    use crate::DEFAULT_ACTOR;

    fn stored(outcome: Outcome) -> Value {
        let config = LlmConfig::new(muisti_orm::schema::ModelEndpointType::Muisti, "test", 8_000);
        let request = ChatRequest {
            model: "test".to_owned(),
            messages: vec![ChatMessage::user("Hello")],
            ..ChatRequest::default()
        };
        let trace = Trace {
            actor: DEFAULT_ACTOR,
            call_type: CallType::AgentStep(Box::new(config)),
            agent_id: AgentId::random(),
            step_id: None,
            run_id: None,
            provider: Arc::new(TestProvider),
            request,
            outcome,
        };
        serde_json::to_value(trace.into_stored(&HashMap::new(), None, Timestamp::now())).unwrap()
    }

    #[test]
    fn an_answer_is_its_parts_as_json_text() {
        let call = |name: &str| ToolCallOut { id: "1".to_owned(), name: name.to_owned(), arguments: "{}".to_owned() };
        let usage = Usage { prompt_tokens: 7, completion_tokens: 2, total_tokens: 9, ..Usage::default() };
        let mut answer = ChatAnswer {
            text: Some("Hi.".to_owned()),
            usage: Some(usage),
            finish: Some(FinishReason::Stop),
            ..ChatAnswer::default()
        };
        let said = stored(Outcome::Answered(Box::new(answer.clone()), None));
        assert_eq!(said["call_type"], "agent_step");
        assert_eq!(said["request_json"]["messages"][0]["content"], "Hello");
        assert_eq!(said["response_json"]["usage"]["input_tokens"], 7);
        let content = &said["response_json"]["content"];
        assert_eq!(content["tool_call"], Value::Null);
        assert_eq!(content["content"], json!([r#"{"type":"text","text":"Hi."}"#]));

        answer.tool_calls = vec![call("f")];
        let one = stored(Outcome::Answered(Box::new(answer.clone()), None));
        let text = one["response_json"]["content"]["tool_call"].as_str().unwrap();
        assert_eq!(serde_json::from_str::<Value>(text).unwrap()["function"]["name"], "f");
        answer.tool_calls.push(call("g"));
        let two = stored(Outcome::Answered(Box::new(answer), None));
        let text = two["response_json"]["content"]["tool_call"].as_str().unwrap();
        assert_eq!(serde_json::from_str::<Value>(text).unwrap()[1]["function"]["name"], "g");
    }

    #[test]
    fn a_failure_keeps_its_words_and_its_kind() {
        let error = LlmError::new(LlmErrorKind::RateLimit, "openai", "slow down.");
        let failed = stored(Outcome::from(&error));
        assert_eq!(failed["response_json"]["error_type"], "rate_limit");
        assert!(failed["response_json"]["error"].as_str().unwrap().contains("slow down."));
    }
}
