//! Chat completions as OpenAI has them, with an agent for a model.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{RunId, UsageStatistics};

/// A chat with an agent, as clients of OpenAI send it. What is not named here is taken and has no effect: the agent has
/// its own model, settings, tools and history.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ChatCompletionRequest {
    /// The id of the agent.
    #[schema(required = true)]
    pub model: String,
    /// The conversation as the client has it. Only the last message of the user is read.
    #[schema(required = true, value_type = Vec<Object>)]
    pub messages: Vec<ChatCompletionInput>,
    /// Without effect: 0 to 2.
    #[schema(minimum = 0, maximum = 2)]
    pub temperature: Option<f64>,
    /// Without effect: 0 to 1.
    #[schema(minimum = 0, maximum = 1)]
    pub top_p: Option<f64>,
    /// Without effect: at least 1. There is always one answer.
    #[schema(minimum = 1, default = 1)]
    pub n: Option<i64>,
    /// Whether the answer comes as server-sent events, piece by piece.
    #[schema(default = false)]
    pub stream: Option<bool>,
    /// What else a stream carries.
    pub stream_options: Option<ChatStreamOptions>,
    /// Without effect.
    #[schema(inline)]
    pub stop: Option<StopSequences>,
    /// Without effect.
    pub max_tokens: Option<i64>,
    /// Without effect: -2 to 2.
    #[schema(minimum = -2, maximum = 2)]
    pub presence_penalty: Option<f64>,
    /// Without effect: -2 to 2.
    #[schema(minimum = -2, maximum = 2)]
    pub frequency_penalty: Option<f64>,
    /// The id of the user on whose behalf the agent is asked, unless the request says so otherwise. Any other text has
    /// no effect.
    pub user: Option<String>,
}

impl ChatCompletionRequest {
    /// The numbers that are out of their range: the member, and a sentence about it.
    pub fn out_of_range(&self) -> Vec<(&'static str, String)> {
        let ranges = [
            ("temperature", self.temperature, 0.0, 2.0),
            ("top_p", self.top_p, 0.0, 1.0),
            ("presence_penalty", self.presence_penalty, -2.0, 2.0),
            ("frequency_penalty", self.frequency_penalty, -2.0, 2.0),
        ];
        let outside = ranges.into_iter().filter_map(|(name, value, least, most)| {
            let value = value.filter(|value| !(least..=most).contains(value))?;
            Some((name, format!("'{name}' must be between {least} and {most}, not {value}.")))
        });
        let answers = self.n.filter(|n| *n < 1).map(|n| ("n", format!("'n' must be at least 1, not {n}.")));
        outside.chain(answers).collect()
    }

    /// Whether a stream ends with what the answer cost.
    #[must_use]
    pub fn include_usage(&self) -> bool {
        self.stream_options.as_ref().is_some_and(|options| options.include_usage)
    }
}

/// A message of the conversation as the client has it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ChatCompletionInput {
    /// Who speaks: `user`, or another whose messages are not read.
    pub role: String,
    /// What is said.
    pub content: Option<ChatCompletionContent>,
    /// The speaker's name.
    pub name: Option<String>,
}

/// The content of a message: a text, or parts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ChatCompletionContent {
    /// A text.
    Text(String),
    /// Texts, images and others, in order.
    Parts(Vec<ChatCompletionPart>),
}

/// A part of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChatCompletionPart {
    /// `text`, `image_url`, or a kind that agents cannot read.
    pub r#type: String,
    /// The text.
    #[serde(default)]
    pub text: Option<String>,
    /// The image.
    #[serde(default)]
    pub image_url: Option<ChatImageUrl>,
}

/// Where an image of a message is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatImageUrl {
    /// An `https:` or `data:` address.
    pub url: String,
}

/// What else a stream carries.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ChatStreamOptions {
    /// Whether one more piece after the last one says what the answer cost.
    #[serde(deserialize_with = "crate::de::null_as_default")]
    pub include_usage: bool,
}

/// Where an answer should end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum StopSequences {
    /// At one text.
    One(String),
    /// At any of these.
    Many(Vec<String>),
}

/// An agent's whole answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ChatCompletion {
    /// `chatcmpl-` and the id of the run.
    pub id: String,
    /// One answer.
    pub choices: Vec<Choice>,
    /// When it was made: seconds since 1970.
    pub created: i64,
    /// The name of the agent's model.
    pub model: String,
    /// Always `chat.completion`.
    pub object: CompletionObject,
    /// Always null.
    pub service_tier: Option<ServiceTier>,
    /// Always null.
    pub system_fingerprint: Option<String>,
    /// What the answer cost, all steps of the agent together.
    pub usage: Option<CompletionUsage>,
}

/// The constant of a whole answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum CompletionObject {
    /// A whole answer.
    #[serde(rename = "chat.completion")]
    ChatCompletion,
}

/// How fast OpenAI would answer; never given by this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum ServiceTier {
    Auto,
    Default,
    Flex,
    Scale,
    Priority,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Choice {
    /// Why it ends.
    pub finish_reason: ChatFinishReason,
    /// Always 0.
    pub index: i64,
    /// Always null.
    #[schema(value_type = Option<Object>)]
    pub logprobs: Option<()>,
    /// What the agent said.
    pub message: ChatCompletionMessage,
}

/// Why an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChatFinishReason {
    /// The agent had said what it wanted to say.
    Stop,
    /// The model ran out of tokens.
    Length,
    /// Never given: agents call their tools themselves.
    ToolCalls,
    /// The model provider held the answer back.
    ContentFilter,
    /// Never given.
    FunctionCall,
}

/// What an agent said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ChatCompletionMessage {
    /// All that it said, the texts of several messages with an empty line between them.
    pub content: Option<String>,
    /// Always null.
    pub refusal: Option<String>,
    /// Always `assistant`.
    pub role: AssistantRole,
    /// Always null.
    #[schema(value_type = Option<Vec<Object>>)]
    pub annotations: Option<()>,
    /// Always null.
    #[schema(value_type = Option<Object>)]
    pub audio: Option<()>,
    /// Always null.
    #[schema(value_type = Option<Object>)]
    pub function_call: Option<()>,
    /// Always null.
    #[schema(value_type = Option<Vec<Object>>)]
    pub tool_calls: Option<()>,
}

/// The constant of an agent's message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AssistantRole {
    /// The agent.
    Assistant,
}

/// What an answer cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CompletionUsage {
    /// The tokens that the model wrote.
    pub completion_tokens: i64,
    /// The tokens that the model read.
    pub prompt_tokens: i64,
    /// Both.
    pub total_tokens: i64,
    /// More about what it wrote.
    pub completion_tokens_details: Option<CompletionTokensDetails>,
    /// More about what it read.
    pub prompt_tokens_details: Option<PromptTokensDetails>,
}

/// More about the tokens that a model wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct CompletionTokensDetails {
    /// Always null.
    pub accepted_prediction_tokens: Option<i64>,
    /// Always null.
    pub audio_tokens: Option<i64>,
    /// Those of reasoning.
    pub reasoning_tokens: Option<i64>,
    /// Always null.
    pub rejected_prediction_tokens: Option<i64>,
}

/// More about the tokens that a model read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct PromptTokensDetails {
    /// Always null.
    pub audio_tokens: Option<i64>,
    /// Those from the provider's cache.
    pub cached_tokens: Option<i64>,
}

impl From<&UsageStatistics> for CompletionUsage {
    fn from(usage: &UsageStatistics) -> Self {
        let wrote = |reasoning| CompletionTokensDetails { reasoning_tokens: Some(reasoning), ..Default::default() };
        let read = |cached| PromptTokensDetails { cached_tokens: Some(cached), ..Default::default() };
        Self {
            completion_tokens: usage.completion_tokens,
            prompt_tokens: usage.prompt_tokens,
            total_tokens: usage.total_tokens,
            completion_tokens_details: usage.reasoning_tokens.map(wrote),
            prompt_tokens_details: usage.cached_input_tokens.map(read),
        }
    }
}

/// A piece of an agent's answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChatCompletionChunk {
    /// `chatcmpl-` and the id of the run; the same in all pieces.
    pub id: String,
    /// One, or none in the piece with the usage.
    pub choices: Vec<ChunkChoice>,
    /// When the answer began: seconds since 1970; the same in all pieces.
    pub created: i64,
    /// The name of the agent's model.
    pub model: String,
    /// Always `chat.completion.chunk`.
    pub object: ChunkObject,
    /// Always null.
    pub service_tier: Option<ServiceTier>,
    /// Always null.
    pub system_fingerprint: Option<String>,
    /// What the answer cost, in the piece that is sent for it.
    pub usage: Option<CompletionUsage>,
}

/// The constant of a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChunkObject {
    /// A piece of an answer.
    #[serde(rename = "chat.completion.chunk")]
    ChatCompletionChunk,
}

/// A piece of one answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChunkChoice {
    /// What is new.
    pub delta: ChunkDelta,
    /// Why the answer ends, in its last piece.
    pub finish_reason: Option<ChatFinishReason>,
    /// Always 0.
    pub index: i64,
    /// Always null.
    pub logprobs: Option<()>,
}

/// What is new in a piece.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ChunkDelta {
    /// More of the text.
    pub content: Option<String>,
    /// Always null.
    pub function_call: Option<()>,
    /// Always null.
    pub refusal: Option<String>,
    /// Given in the first piece.
    pub role: Option<AssistantRole>,
    /// Always null.
    pub tool_calls: Option<()>,
}

/// What went wrong, as clients of OpenAI read it: in place of an answer, or as the last of its pieces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatCompletionFailure {
    /// What went wrong.
    pub error: ChatCompletionError,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatCompletionError {
    /// What, as a sentence.
    pub message: String,
    /// Whose fault it is: `invalid_request_error` or `server_error`.
    pub r#type: String,
    /// The class of the error in this server's words, such as `llm_rate_limit`.
    pub code: Option<String>,
}

/// The id of an answer.
#[must_use]
pub fn chat_completion_id(run: RunId) -> String {
    format!("chatcmpl-{run}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_out_of_range_are_named_with_their_range() {
        let request: ChatCompletionRequest = serde_json::from_str(
            r#"{"model": "x", "messages": [], "temperature": 2.1, "top_p": 0.5, "n": 0, "frequency_penalty": -3,
                "presence_penalty": 2, "logit_bias": {}}"#,
        )
        .unwrap();
        let names: Vec<_> = request.out_of_range().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["temperature", "frequency_penalty", "n"]);
        assert_eq!(request.out_of_range()[1].1, "'frequency_penalty' must be between -2 and 2, not -3.");
    }

    #[test]
    fn parts_of_any_kind_are_taken() {
        let message: ChatCompletionInput = serde_json::from_str(
            r#"{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url":
                {"url": "https://x/y.png", "detail": "low"}}, {"type": "input_audio", "input_audio": {}}]}"#,
        )
        .unwrap();
        let Some(ChatCompletionContent::Parts(parts)) = message.content else { panic!() };
        assert_eq!(
            parts.iter().map(|part| part.r#type.as_str()).collect::<Vec<_>>(),
            ["text", "image_url", "input_audio"]
        );
    }
}
