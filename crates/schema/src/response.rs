//! Answers of the requests that make an agent work, and what else their streams carry.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;
use utoipa::{PartialSchema, ToSchema, openapi};

use crate::{
    ApprovalRequestMessage, ApprovalResponseMessage, AssistantMessage, EventMessage, HiddenReasoningMessage,
    MessageBase, ReasoningMessage, RunId, StopReason, SummaryMessage, SystemMessage, ToolCallMessage,
    ToolReturnMessage, UserMessage, WireMessage,
    tagged::{Components, tagged_struct},
};

/// The answer of an agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = LettaResponse)]
pub struct SendResponse {
    /// What the run produced, oldest first; not what the request sent.
    pub messages: Vec<WireMessage>,
    /// Why the run stopped.
    pub stop_reason: StopReasonEvent,
    /// What it used.
    pub usage: UsageStatistics,
    /// The log-probabilities of the last answer's tokens, if they were asked for.
    #[serde(default)]
    pub logprobs: Option<ChoiceLogprobs>,
    /// The tokens of each turn, if they were asked for.
    #[serde(default)]
    pub turns: Option<Vec<TurnTokenData>>,
}

tagged_struct! {
    "message_type" = "stop_reason", as "LettaStopReason";
    /// Why a run stopped.
    #[derive(Eq)]
    pub struct StopReasonEvent {
        /// Why.
        pub stop_reason: StopReason,
        /// Whether the model provider has held the last answer back. Only clients of OpenAI have a word for it.
        #[serde(skip)]
        pub held_back: bool,
    }
}

impl From<StopReason> for StopReasonEvent {
    fn from(stop_reason: StopReason) -> Self {
        Self { stop_reason, held_back: false }
    }
}

tagged_struct! {
    "message_type" = "usage_statistics", as "LettaUsageStatistics";
    /// What a run used: sums over its model calls.
    #[derive(Default, Eq)]
    pub struct UsageStatistics {
        /// The tokens that the model wrote.
        #[serde(default)]
        pub completion_tokens: i64 [required = false, default = 0],
        /// The tokens that the model read.
        #[serde(default)]
        pub prompt_tokens: i64 [required = false, default = 0],
        /// Both.
        #[serde(default)]
        pub total_tokens: i64 [required = false, default = 0],
        /// The number of model calls.
        #[serde(default)]
        pub step_count: i64 [required = false, default = 0],
        /// Runs of other agents that this one started.
        #[serde(default)]
        pub run_ids: Option<Vec<RunId>>,
        /// The tokens read from the provider's cache; null if no call reported it.
        #[serde(default)]
        pub cached_input_tokens: Option<i64>,
        /// The tokens written to the provider's cache; null if no call reported it.
        #[serde(default)]
        pub cache_write_tokens: Option<i64>,
        /// The tokens of reasoning; null if no call reported it.
        #[serde(default)]
        pub reasoning_tokens: Option<i64>,
        /// The size of the context now, in tokens.
        #[serde(default)]
        pub context_tokens: Option<i64>,
    }
}

/// Log-probabilities of an answer's tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = letta__schemas__openai__chat_completion_response__ChoiceLogprobs)]
pub struct ChoiceLogprobs {
    /// Those of the text.
    #[serde(default)]
    pub content: Option<Vec<TokenLogprob>>,
    /// Those of a refusal.
    #[serde(default)]
    pub refusal: Option<Vec<TokenLogprob>>,
}

/// The log-probability of a token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = letta__schemas__openai__chat_completion_response__ChatCompletionTokenLogprob)]
pub struct TokenLogprob {
    /// The token.
    pub token: String,
    /// Its bytes.
    #[serde(default)]
    pub bytes: Option<Vec<i64>>,
    /// Its log-probability.
    pub logprob: f64,
    /// What else could have stood there.
    #[serde(default, deserialize_with = "crate::de::null_as_default")]
    #[schema(required = true)]
    pub top_logprobs: Vec<TopLogprob>,
}

/// The log-probability of a token that could have stood in a place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = letta__schemas__openai__chat_completion_response__TopLogprob)]
pub struct TopLogprob {
    /// The token.
    pub token: String,
    /// Its bytes.
    #[serde(default)]
    pub bytes: Option<Vec<i64>>,
    /// Its log-probability.
    pub logprob: f64,
}

/// The tokens of one turn, with providers that tell them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TurnTokenData {
    /// Whose turn it was.
    pub role: TurnRole,
    /// The ids of the tokens.
    #[serde(default)]
    pub output_ids: Option<Vec<i64>>,
    /// Log-probability, id and text of each token.
    #[serde(default)]
    pub output_token_logprobs: Option<Vec<Vec<Value>>>,
    /// What a tool returned.
    #[serde(default)]
    pub content: Option<String>,
    /// The tool.
    #[serde(default)]
    pub tool_name: Option<String>,
}

/// Whose turn it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TurnRole {
    /// The model's.
    Assistant,
    /// A tool's.
    Tool,
}

tagged_struct! {
    "message_type" = "ping", as "LettaPing", base: MessageBase;
    /// A sign of life while the model is silent.
    pub struct Ping {
    }
}

impl Ping {
    /// A ping of a run, made now.
    #[must_use]
    pub fn new(run_id: Option<RunId>) -> Self {
        let id = format!("ping-{}", uuid::Uuid::new_v4());
        Self { base: MessageBase { run_id, ..MessageBase::new(id, crate::Timestamp::now()) } }
    }
}

tagged_struct! {
    always "message_type" = "error_message", as "LettaErrorMessage";
    /// What went wrong after a stream had begun. Sent with the event name `error`.
    #[derive(Eq)]
    pub struct ErrorMessage {
        /// The run.
        pub run_id: RunId,
        /// The class of the error: `llm_timeout`, `llm_rate_limit`, `internal_error`, …
        pub error_type: String,
        /// What went wrong.
        pub message: String,
        /// The original text of the error.
        #[serde(default)]
        pub detail: Option<String>,
        /// The place in the stored stream of a background run, from 1.
        #[serde(default)]
        pub seq_id: Option<i64>,
    }
}

/// What one frame of a stream can hold.
#[derive(Debug, Clone, PartialEq)]
pub enum StreamEvent {
    /// A message, or a piece of one.
    Message(WireMessage),
    /// A sign of life.
    Ping(Ping),
    /// Why the run stopped.
    StopReason(StopReasonEvent),
    /// What the run used.
    Usage(UsageStatistics),
    /// What went wrong.
    Error(ErrorMessage),
}

impl StreamEvent {
    /// The constant that tells the kinds apart.
    #[must_use]
    pub const fn message_type(&self) -> &'static str {
        match self {
            Self::Message(message) => message.message_type().as_str(),
            Self::Ping(_) => "ping",
            Self::StopReason(_) => "stop_reason",
            Self::Usage(_) => "usage_statistics",
            Self::Error(_) => "error_message",
        }
    }

    /// The place in a stored stream; stop reasons and usage do not carry theirs.
    #[must_use]
    pub const fn seq_id(&self) -> Option<i64> {
        match self {
            Self::Message(message) => message.base().seq_id,
            Self::Ping(ping) => ping.base.seq_id,
            Self::Error(error) => error.seq_id,
            Self::StopReason(_) | Self::Usage(_) => None,
        }
    }

    /// Sets the place in a stored stream, where the frame has a member for it.
    pub const fn set_seq_id(&mut self, seq_id: i64) {
        match self {
            Self::Message(message) => message.base_mut().seq_id = Some(seq_id),
            Self::Ping(ping) => ping.base.seq_id = Some(seq_id),
            Self::Error(error) => error.seq_id = Some(seq_id),
            Self::StopReason(_) | Self::Usage(_) => {}
        }
    }
}

impl Serialize for StreamEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Message(message) => message.serialize(serializer),
            Self::Ping(ping) => ping.serialize(serializer),
            Self::StopReason(reason) => reason.serialize(serializer),
            Self::Usage(usage) => usage.serialize(serializer),
            Self::Error(error) => error.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for StreamEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let event = match value.get("message_type").and_then(Value::as_str) {
            Some("ping") => serde_json::from_value(value).map(Self::Ping),
            Some("stop_reason") => serde_json::from_value(value).map(Self::StopReason),
            Some("usage_statistics") => serde_json::from_value(value).map(Self::Usage),
            Some("error_message") => serde_json::from_value(value).map(Self::Error),
            _ => serde_json::from_value(value).map(Self::Message),
        };
        event.map_err(de::Error::custom)
    }
}

macro_rules! stream_event {
    ($($variant:ident($inner:ty);)*) => {$(
        impl From<$inner> for StreamEvent {
            fn from(inner: $inner) -> Self {
                Self::$variant(inner)
            }
        }
    )*};
}

stream_event! {
    Message(WireMessage);
    Ping(Ping);
    StopReason(StopReasonEvent);
    Usage(UsageStatistics);
    Error(ErrorMessage);
}

macro_rules! stream_members {
    ($($member:ty),+ $(,)?) => {
        impl PartialSchema for StreamEvent {
            fn schema() -> openapi::RefOr<openapi::Schema> {
                openapi::schema::OneOfBuilder::new()
                    $(.item(openapi::Ref::from_schema_name(<$member as ToSchema>::name())))+
                    .discriminator(Some(openapi::schema::Discriminator::new("message_type")))
                    .into()
            }
        }

        impl ToSchema for StreamEvent {
            fn name() -> std::borrow::Cow<'static, str> {
                "LettaStreamingResponse".into()
            }

            fn schemas(components: &mut Components) {
                $(
                    components.push((<$member as ToSchema>::name().into_owned(), <$member as PartialSchema>::schema()));
                    <$member as ToSchema>::schemas(components);
                )+
            }
        }
    };
}

stream_members!(
    SystemMessage,
    UserMessage,
    ReasoningMessage,
    HiddenReasoningMessage,
    ToolCallMessage,
    ToolReturnMessage,
    AssistantMessage,
    ApprovalRequestMessage,
    ApprovalResponseMessage,
    SummaryMessage,
    EventMessage,
    Ping,
    ErrorMessage,
    StopReasonEvent,
    UsageStatistics,
);

/// The answer of a bare question to a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GenerateResponse {
    /// The answer.
    pub content: String,
    /// The model that gave it.
    pub model: String,
    /// What it used.
    pub usage: UsageStatistics,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn frames_are_flat_and_told_apart_by_their_type() {
        let run_id = RunId::random();
        let error = ErrorMessage {
            run_id,
            error_type: "llm_error".into(),
            message: "Sorry.".into(),
            detail: None,
            seq_id: None,
        };
        let events: Vec<StreamEvent> = vec![
            Ping::new(Some(run_id)).into(),
            StopReasonEvent::from(StopReason::EndTurn).into(),
            UsageStatistics::default().into(),
            error.into(),
            WireMessage::from(AssistantMessage {
                base: MessageBase::new("message-1", crate::Timestamp::now()),
                content: "Hi".into(),
            })
            .into(),
        ];
        for event in events {
            let json = serde_json::to_value(&event).unwrap();
            assert_eq!(json["message_type"], event.message_type());
            assert_eq!(serde_json::from_value::<StreamEvent>(json).unwrap(), event);
        }
    }

    #[test]
    fn a_stop_reason_and_usage_have_all_their_members() {
        let stop = StreamEvent::from(StopReasonEvent::from(StopReason::EndTurn));
        assert_eq!(
            serde_json::to_value(stop).unwrap(),
            json!({"message_type": "stop_reason", "stop_reason": "end_turn"})
        );
        let usage = serde_json::to_value(UsageStatistics::default()).unwrap();
        assert_eq!(
            usage,
            json!({"message_type": "usage_statistics", "completion_tokens": 0, "prompt_tokens": 0, "total_tokens": 0,
                "step_count": 0, "run_ids": null, "cached_input_tokens": null, "cache_write_tokens": null,
                "reasoning_tokens": null, "context_tokens": null})
        );
    }

    #[test]
    fn a_ping_has_the_base_members_and_only_those() {
        let mut ping = StreamEvent::from(Ping::new(None));
        ping.set_seq_id(14);
        let json = serde_json::to_value(&ping).unwrap();
        assert_eq!(json.as_object().unwrap().len(), 10);
        assert_eq!(json["seq_id"], 14);
        assert!(json["id"].as_str().unwrap().starts_with("ping-"));
    }
}
