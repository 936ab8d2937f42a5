//! Requests that make an agent work.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{PartialSchema, ToSchema, openapi};

use crate::{
    AgentId, CompactionSettingsInput, InputMessage, InvalidId, MessageContent, MessageType, RunId,
    de::WholeNumber,
    tagged::{Components, merged},
};

/// The loop's bound when the request names none.
pub const DEFAULT_MAX_STEPS: i64 = 50;
/// The tool by which the older agent types speak.
pub const DEFAULT_MESSAGE_TOOL: &str = "send_message";
/// The argument of that tool.
pub const DEFAULT_MESSAGE_TOOL_KWARG: &str = "message";

/// A message to an agent, or several, and how to answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = LettaRequest)]
#[serde(from = "AnyRequest")]
pub struct SendRequest {
    /// The messages. Exactly one of `messages` and `input` must be given.
    pub messages: Option<Vec<InputMessage>>,
    /// What the user says: short for a single message with the role `user`.
    #[schema(inline)]
    pub input: Option<MessageContent>,
    /// How many steps the agent may take at most: model calls, with the tools that they call.
    #[schema(required = false, default = 50)]
    pub max_steps: i64,
    /// Older agent types only: whether calls of the message tool are shown as assistant messages.
    #[schema(required = false, default = true, deprecated)]
    pub use_assistant_message: bool,
    /// Older agent types only: the name of the message tool.
    #[schema(required = false, default = "send_message", deprecated)]
    pub assistant_message_tool_name: String,
    /// Older agent types only: the argument of the message tool that holds the message.
    #[schema(required = false, default = "message", deprecated)]
    pub assistant_message_tool_kwarg: String,
    /// The kinds of messages to return; none, or an empty list: all.
    pub include_return_message_types: Option<Vec<MessageType>>,
    /// Without effect; kept for old clients.
    #[schema(required = false, deprecated)]
    pub enable_thinking: EnableThinking,
    /// Tools that the client runs: when the model calls one, the run pauses for its result.
    pub client_tools: Option<Vec<ClientTool>>,
    /// Skills that the client offers, told to the model in this request only.
    pub client_skills: Option<Vec<ClientSkill>>,
    /// The handle of the model to use for this request only.
    pub override_model: Option<String>,
    /// Whether to report compactions, as an event and a summary message.
    #[schema(required = false, default = false)]
    pub include_compaction_messages: bool,
    /// Whether to return the log-probabilities of the answer's tokens.
    #[schema(required = false, default = false)]
    pub return_logprobs: bool,
    /// How many alternatives to return for each token, 0 to 20.
    pub top_logprobs: Option<i64>,
    /// Whether to return the ids of the tokens, with providers that tell them.
    #[schema(required = false, default = false)]
    pub return_token_ids: bool,
    /// The system text of this request, in place of the agent's own. `system` is understood too.
    pub override_system: Option<String>,
}

/// The value of a member that has lost its meaning: a boolean, or a string.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum EnableThinking {
    /// As today's clients send it.
    Flag(bool),
    /// As the API document has it.
    Text(String),
}

impl Default for EnableThinking {
    fn default() -> Self {
        Self::Flag(true)
    }
}

/// A tool that the client runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = ClientToolSchema)]
pub struct ClientTool {
    /// The name, as the model calls it. A tool of the agent with the same name is hidden by it.
    pub name: String,
    /// What the tool does, for the model to read.
    #[serde(default)]
    pub description: Option<String>,
    /// The JSON schema of the arguments; null: none.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub parameters: Option<Map<String, Value>>,
}

/// A skill that the client offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ClientSkillSchema)]
pub struct ClientSkill {
    /// The name.
    pub name: String,
    /// When the skill is of use.
    pub description: String,
    /// Where its instructions are.
    pub location: String,
}

/// What is wrong with a request that can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestFault {
    /// The way to the value that is wrong, from `body` on. None for what the API says in a plain sentence.
    pub location: &'static [&'static str],
    /// What is wrong, as a sentence.
    pub message: String,
}

/// Every member that a request of this module may have. They are read through this one flat struct, so that a
/// request can be nested in Rust and flat in JSON.
#[derive(Deserialize)]
struct AnyRequest {
    messages: Option<Vec<InputMessage>>,
    input: Option<MessageContent>,
    max_steps: Option<WholeNumber>,
    use_assistant_message: Option<bool>,
    assistant_message_tool_name: Option<String>,
    assistant_message_tool_kwarg: Option<String>,
    include_return_message_types: Option<Vec<MessageType>>,
    enable_thinking: Option<EnableThinking>,
    client_tools: Option<Vec<ClientTool>>,
    client_skills: Option<Vec<ClientSkill>>,
    override_model: Option<String>,
    include_compaction_messages: Option<bool>,
    return_logprobs: Option<bool>,
    top_logprobs: Option<WholeNumber>,
    return_token_ids: Option<bool>,
    override_system: Option<String>,
    system: Option<String>,
    streaming: Option<bool>,
    stream_tokens: Option<bool>,
    include_pings: Option<bool>,
    background: Option<bool>,
    callback_url: Option<String>,
    agent_id: Option<String>,
}

impl AnyRequest {
    fn streaming(&self, default: bool) -> StreamOptions {
        StreamOptions {
            streaming: self.streaming.unwrap_or(default),
            stream_tokens: self.stream_tokens.unwrap_or(false),
            include_pings: self.include_pings.unwrap_or(true),
            background: self.background.unwrap_or(false),
        }
    }
}

impl From<AnyRequest> for SendRequest {
    fn from(any: AnyRequest) -> Self {
        Self {
            messages: any.messages,
            input: any.input,
            max_steps: any.max_steps.map_or(DEFAULT_MAX_STEPS, |number| number.0),
            use_assistant_message: any.use_assistant_message.unwrap_or(true),
            assistant_message_tool_name: any
                .assistant_message_tool_name
                .unwrap_or_else(|| DEFAULT_MESSAGE_TOOL.to_owned()),
            assistant_message_tool_kwarg: any
                .assistant_message_tool_kwarg
                .unwrap_or_else(|| DEFAULT_MESSAGE_TOOL_KWARG.to_owned()),
            include_return_message_types: any.include_return_message_types,
            enable_thinking: any.enable_thinking.unwrap_or_default(),
            client_tools: any.client_tools,
            client_skills: any.client_skills,
            override_model: any.override_model,
            include_compaction_messages: any.include_compaction_messages.unwrap_or(false),
            return_logprobs: any.return_logprobs.unwrap_or(false),
            top_logprobs: any.top_logprobs.map(|number| number.0),
            return_token_ids: any.return_token_ids.unwrap_or(false),
            override_system: any.override_system.or(any.system),
        }
    }
}

impl Default for SendRequest {
    fn default() -> Self {
        Self {
            messages: None,
            input: None,
            max_steps: DEFAULT_MAX_STEPS,
            use_assistant_message: true,
            assistant_message_tool_name: DEFAULT_MESSAGE_TOOL.to_owned(),
            assistant_message_tool_kwarg: DEFAULT_MESSAGE_TOOL_KWARG.to_owned(),
            include_return_message_types: None,
            enable_thinking: EnableThinking::default(),
            client_tools: None,
            client_skills: None,
            override_model: None,
            include_compaction_messages: false,
            return_logprobs: false,
            top_logprobs: None,
            return_token_ids: false,
            override_system: None,
        }
    }
}

impl SendRequest {
    /// A request with these messages and otherwise as if nothing else were sent.
    #[must_use]
    pub fn of(messages: Vec<InputMessage>) -> Self {
        Self { messages: Some(messages), ..Self::default() }
    }

    /// The messages, `input` among them as a message of the user.
    ///
    /// # Errors
    ///
    /// What is wrong: both or neither of the two given, no message in the list, fewer than one step, or `top_logprobs`
    /// outside of 0 to 20.
    pub fn checked_messages(&self) -> Result<Vec<InputMessage>, RequestFault> {
        let fault = |location, message: &str| Err(RequestFault { location, message: message.to_owned() });
        let messages = match (&self.messages, &self.input) {
            (Some(_), Some(_)) => return fault(&["body"], "Give either 'messages' or 'input', not both."),
            (None, None) => return fault(&["body"], "Give 'messages', or 'input' with what the user says."),
            (Some(messages), None) => messages.clone(),
            (None, Some(input)) => vec![InputMessage::user(input.clone())],
        };
        if messages.is_empty() {
            return fault(&[], "Messages must not be empty");
        }
        if self.max_steps < 1 {
            let message = format!("'max_steps' must be at least 1, not {}.", self.max_steps);
            return fault(&["body", "max_steps"], &message);
        }
        match self.top_logprobs {
            Some(number) if !(0..=20).contains(&number) => {
                let message = format!("'top_logprobs' must be between 0 and 20, not {number}.");
                fault(&["body", "top_logprobs"], &message)
            }
            _ => Ok(messages),
        }
    }

    /// What the run keeps of the request, so that its messages are later listed as they were returned.
    #[must_use]
    pub fn config(&self) -> crate::RunRequestConfig {
        crate::RunRequestConfig {
            use_assistant_message: self.use_assistant_message,
            assistant_message_tool_name: self.assistant_message_tool_name.clone(),
            assistant_message_tool_kwarg: self.assistant_message_tool_kwarg.clone(),
            include_return_message_types: self.include_return_message_types.clone(),
        }
    }
}

/// Whether and how an answer is streamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StreamOptions {
    /// Whether to answer with server-sent events.
    #[schema(required = false, default = false)]
    pub streaming: bool,
    /// Whether to send each token as it comes, rather than whole messages.
    #[schema(required = false, default = false)]
    pub stream_tokens: bool,
    /// Whether to send pings while the model is silent.
    #[schema(required = false, default = true)]
    pub include_pings: bool,
    /// Whether the run goes on without the client, and its stream can be read again.
    #[schema(required = false, default = false)]
    pub background: bool,
}

impl StreamOptions {
    /// Why these options make no sense without streaming; none if they do, or if streaming is on.
    #[must_use]
    pub fn conflict(&self) -> Option<String> {
        let reasons: Vec<&str> = [
            (self.stream_tokens, "stream_tokens can only be true when streaming=true"),
            (!self.include_pings, "include_pings can only be set to false when streaming=true"),
            (self.background, "background can only be true when streaming=true"),
        ]
        .into_iter()
        .filter_map(|(wrong, reason)| wrong.then_some(reason))
        .collect();
        (!self.streaming && !reasons.is_empty()).then(|| {
            format!(
                "Streaming options set without streaming enabled. {}. Either set streaming=true or use default values \
                 for streaming options.",
                reasons.join("; ")
            )
        })
    }
}

macro_rules! flat_schema {
    ($name:ident as $component:literal: $first:ty, $second:ty) => {
        impl PartialSchema for $name {
            fn schema() -> openapi::RefOr<openapi::Schema> {
                merged(<$first as PartialSchema>::schema(), <$second as PartialSchema>::schema())
            }
        }

        impl ToSchema for $name {
            fn name() -> std::borrow::Cow<'static, str> {
                $component.into()
            }

            fn schemas(components: &mut Components) {
                <$first as ToSchema>::schemas(components);
                <$second as ToSchema>::schemas(components);
            }
        }
    };
}

/// A request whose answer may be streamed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "AnyRequest")]
pub struct StreamingSendRequest {
    /// What to do.
    #[serde(flatten)]
    pub request: SendRequest,
    /// How to answer.
    #[serde(flatten)]
    pub stream: StreamOptions,
}

flat_schema!(StreamingSendRequest as "LettaStreamingRequest": SendRequest, StreamOptions);

impl From<AnyRequest> for StreamingSendRequest {
    fn from(any: AnyRequest) -> Self {
        Self { stream: any.streaming(false), request: any.into() }
    }
}

/// A request to a conversation, which is answered with a stream unless it says otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "AnyRequest")]
pub struct ConversationSendRequest {
    /// The agent, for its default history.
    pub agent_id: Option<AgentId>,
    /// What to do.
    #[serde(flatten)]
    pub request: SendRequest,
    /// How to answer.
    #[serde(flatten)]
    pub stream: StreamOptions,
}

/// The members of a conversation request that others do not have, or have with another default.
#[derive(ToSchema)]
#[allow(dead_code)]
struct OfConversation {
    /// The agent, for its default history.
    agent_id: Option<AgentId>,
    /// Whether to answer with server-sent events.
    #[schema(required = false, default = true)]
    streaming: bool,
}

flat_schema!(ConversationSendRequest as "ConversationMessageRequest": StreamingSendRequest, OfConversation);

impl TryFrom<AnyRequest> for ConversationSendRequest {
    type Error = InvalidId;

    fn try_from(mut any: AnyRequest) -> Result<Self, InvalidId> {
        let agent_id = any.agent_id.take().map(|id| id.parse()).transpose()?;
        Ok(Self { agent_id, stream: any.streaming(true), request: any.into() })
    }
}

/// A request that is answered with the run, which goes on in the background.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "AnyRequest")]
pub struct AsyncSendRequest {
    /// What to do.
    #[serde(flatten)]
    pub request: SendRequest,
    /// Where to post the result.
    pub callback_url: Option<String>,
}

/// The member of a background request that others do not have.
#[derive(ToSchema)]
#[allow(dead_code)]
struct Callback {
    /// Where to post the result.
    callback_url: Option<String>,
}

flat_schema!(AsyncSendRequest as "LettaAsyncRequest": SendRequest, Callback);

impl From<AnyRequest> for AsyncSendRequest {
    fn from(mut any: AnyRequest) -> Self {
        Self { callback_url: any.callback_url.take(), request: any.into() }
    }
}

/// One request of a batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "AnyRequest")]
pub struct BatchSendRequest {
    /// The agent to ask.
    pub agent_id: AgentId,
    /// What to do.
    #[serde(flatten)]
    pub request: SendRequest,
}

/// The member of a batch's request that others do not have.
#[derive(ToSchema)]
#[allow(dead_code)]
struct NamesAgent {
    /// The agent to ask.
    agent_id: AgentId,
}

flat_schema!(BatchSendRequest as "LettaBatchRequest": SendRequest, NamesAgent);

impl TryFrom<AnyRequest> for BatchSendRequest {
    type Error = InvalidId;

    fn try_from(mut any: AnyRequest) -> Result<Self, InvalidId> {
        let agent_id = any.agent_id.take().unwrap_or_default().parse()?;
        Ok(Self { agent_id, request: any.into() })
    }
}

/// A batch of requests to many agents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CreateBatch {
    /// The requests.
    pub requests: Vec<BatchSendRequest>,
    /// Where to post that the batch is done.
    #[serde(default)]
    pub callback_url: Option<String>,
}

/// Which runs to cancel.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct CancelAgentRunRequest {
    /// The runs; null: those that are under way.
    #[serde(default)]
    pub run_ids: Option<Vec<RunId>>,
}

/// Where to go on reading a background run's stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct RetrieveStreamRequest {
    /// The agent, for its default history.
    pub agent_id: Option<AgentId>,
    /// The run.
    pub run_id: Option<RunId>,
    /// The client's own id of a message of the request that made the run.
    pub otid: Option<String>,
    /// The last `seq_id` that was seen; 0 for the whole stream.
    pub starting_after: i64,
    /// Whether to send pings while the model is silent.
    pub include_pings: Option<bool>,
    /// Seconds between looks at the stored stream. Without effect: new frames are sent as they come.
    pub poll_interval: Option<f64>,
    /// How many frames to read at a time.
    pub batch_size: Option<i64>,
}

impl Default for RetrieveStreamRequest {
    fn default() -> Self {
        Self {
            agent_id: None,
            run_id: None,
            otid: None,
            starting_after: 0,
            include_pings: Some(true),
            poll_interval: Some(0.1),
            batch_size: Some(100),
        }
    }
}

/// A bare question to an agent's model: no memory, no tools, nothing stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GenerateRequest {
    /// The question. Must not be blank.
    #[schema(min_length = 1)]
    pub prompt: String,
    /// What the model is told to be.
    #[serde(default)]
    pub system_prompt: Option<String>,
    /// The handle of another model to ask.
    #[serde(default)]
    pub override_model: Option<String>,
    /// The JSON schema that the answer must match.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub response_schema: Option<Map<String, Value>>,
}

/// How to clear an agent's context.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct ResetMessagesRequest {
    /// Whether to start again with the first messages of the agent's type.
    #[serde(default)]
    #[schema(required = false, default = false)]
    pub add_default_initial_messages: bool,
}

/// How to shorten an agent's default history.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = letta__server__rest_api__routers__v1__agents__CompactionRequest)]
#[serde(default)]
pub struct CompactionRequest {
    /// What differs from the agent's own settings, this time only.
    pub compaction_settings: Option<CompactionSettingsInput>,
}

/// How to shorten a conversation.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = letta__server__rest_api__routers__v1__conversations__CompactionRequest)]
#[serde(default)]
pub struct ConversationCompactionRequest {
    /// The agent, for its default history.
    pub agent_id: Option<AgentId>,
    /// What differs from the agent's own settings, this time only.
    pub compaction_settings: Option<CompactionSettingsInput>,
}

/// Whether calls of a tool need an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ModifyApprovalRequest {
    /// Whether calls of the tool wait for an approval.
    // The TypeScript SDK sends the name that its own argument has.
    #[serde(alias = "body_requires_approval")]
    pub requires_approval: bool,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_missing_has_its_default() {
        let request: SendRequest = serde_json::from_value(json!({"input": "Hi", "colour": "green"})).unwrap();
        assert_eq!(request, SendRequest { input: Some("Hi".into()), ..SendRequest::default() });
        let request: StreamingSendRequest = serde_json::from_value(json!({"messages": []})).unwrap();
        assert_eq!((request.stream.streaming, request.stream.include_pings), (false, true));
        assert_eq!(request.request.max_steps, 50);
        let request: ConversationSendRequest = serde_json::from_value(json!({"messages": []})).unwrap();
        assert!(request.stream.streaming);
    }

    #[test]
    fn names_of_old_are_understood() {
        let json = json!({"system": "Be brief.", "enable_thinking": "high", "input": "Hi"});
        let request: SendRequest = serde_json::from_value(json).unwrap();
        assert_eq!(request.override_system.as_deref(), Some("Be brief."));
        assert_eq!(request.enable_thinking, EnableThinking::Text("high".to_owned()));
        let request: ModifyApprovalRequest = serde_json::from_value(json!({"body_requires_approval": true})).unwrap();
        assert!(request.requires_approval);
    }

    #[test]
    fn a_request_is_flat_in_json_and_comes_back() {
        let agent_id = AgentId::random();
        let json =
            json!({"agent_id": agent_id, "messages": [{"role": "user", "content": "Hi"}], "stream_tokens": true});
        let request: ConversationSendRequest = serde_json::from_value(json).unwrap();
        assert_eq!(request.agent_id, Some(agent_id));
        let json = serde_json::to_value(&request).unwrap();
        assert_eq!(json["stream_tokens"], true);
        assert_eq!(json["messages"][0]["content"], "Hi");
        assert_eq!(serde_json::from_value::<ConversationSendRequest>(json).unwrap(), request);
        let error = serde_json::from_value::<ConversationSendRequest>(json!({"agent_id": "bob"})).unwrap_err();
        assert!(error.to_string().contains("bob"), "{error}");
    }

    #[test]
    fn only_one_of_messages_and_input_may_be_given_and_not_nothing() {
        let check = |json| serde_json::from_value::<SendRequest>(json).unwrap().checked_messages();
        assert_eq!(check(json!({"input": "Hi"})).unwrap(), [InputMessage::user("Hi")]);
        assert_eq!(check(json!({"input": "Hi", "messages": []})).unwrap_err().location, ["body"]);
        assert_eq!(check(json!({})).unwrap_err().location, ["body"]);
        let empty = check(json!({"messages": []})).unwrap_err();
        assert_eq!((empty.location, empty.message.as_str()), (&[][..], "Messages must not be empty"));
        assert_eq!(check(json!({"input": "Hi", "max_steps": 0})).unwrap_err().location, ["body", "max_steps"]);
        assert!(check(json!({"input": "Hi", "top_logprobs": 21})).unwrap_err().message.contains("21"));
    }

    #[test]
    fn numbers_of_a_request_may_be_written_as_other_languages_write_them() {
        let steps = |number| {
            let request = serde_json::from_value::<SendRequest>(json!({"input": "Hi", "max_steps": number}));
            request.map(|request| request.max_steps).map_err(|error| error.to_string())
        };
        for number in [json!(5), json!(5.0), json!("5"), json!(" 5 ")] {
            assert_eq!(steps(number), Ok(5));
        }
        assert_eq!(steps(Value::Null), Ok(DEFAULT_MAX_STEPS));
        for other in [json!(5.5), json!("many"), json!("5.5"), json!(1e300), json!(u64::MAX), json!(true), json!([5])] {
            assert!(steps(other.clone()).unwrap_err().ends_with("expected i64"), "{other}");
        }
    }

    #[test]
    fn streaming_options_need_streaming() {
        let conflict = |json| serde_json::from_value::<StreamingSendRequest>(json).unwrap().stream.conflict();
        assert_eq!(conflict(json!({"stream_tokens": false, "include_pings": true})), None);
        assert_eq!(conflict(json!({"streaming": true, "background": true})), None);
        assert_eq!(
            conflict(json!({"stream_tokens": true, "background": true})).unwrap(),
            "Streaming options set without streaming enabled. stream_tokens can only be true when streaming=true; \
             background can only be true when streaming=true. Either set streaming=true or use default values for \
             streaming options."
        );
    }
}
