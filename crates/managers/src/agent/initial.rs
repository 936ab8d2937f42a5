//! The messages that an agent's history begins with, after the system message.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    orm::agents::AgentRow,
    prompt::time::local_time,
    schema::{
        AgentId, AgentType, ContentPart, Envelope, FunctionToolCall, InputRole, MessageContent, MessageCreate,
        MessageRole, StoredMessage, StoredToolReturn, Timestamp, ToolStatus, open_system_alert, package_tool_result,
    },
};

const SEND_MESSAGE: &str = "send_message";
/// What the agent thinks and says in the example of a turn that the older types start from.
const FIRST_THOUGHT: &str = "I have just started up. I will greet whoever is there and see what they need.";
const FIRST_GREETING: &str = "Hello, I'm here. What can I do for you?";
/// LM Studio refuses longer ids of tool calls.
const SHORT_ID: usize = 9;

/// What the first messages depend on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start<'a> {
    /// The agent.
    pub(super) agent_id: AgentId,
    /// Its type.
    pub(super) agent_type: AgentType,
    /// Whether it got the base tools of its type, and with them its manner of starting.
    pub(super) base_tools: bool,
    /// The name of its model.
    pub(super) model: &'a str,
    /// The name of the model's provider.
    pub(super) provider: Option<&'a str>,
    /// Its timezone.
    pub(super) timezone: &'a str,
    /// The time of its creation.
    pub(super) now: Timestamp,
}

/// The messages after the system message: those that were sent, packaged as the agent reads them, or the ones
/// that agents of the type have when none were.
pub(super) fn messages(start: &Start<'_>, sent: Option<&[MessageCreate]>) -> Vec<StoredMessage> {
    if let Some(sent) = sent {
        return sent.iter().flat_map(|message| start.packaged(message)).collect();
    }
    match start.agent_type {
        AgentType::LettaV1Agent => Vec::new(),
        AgentType::SleeptimeAgent | AgentType::VoiceSleeptimeAgent if start.base_tools => Vec::new(),
        AgentType::SleeptimeAgent => vec![start.login()],
        _ if start.provider == Some("lmstudio_openai") => {
            let mut messages = vec![start.login()];
            messages.extend(start.boot());
            messages
        }
        _ => {
            let mut messages = start.boot();
            messages.push(start.login());
            messages
        }
    }
}

/// What the agent said at this time, as agents of the older types say it: by `send_message`, which has returned.
pub(crate) fn spoken(agent: &AgentRow, words: &str, at: Timestamp) -> Vec<StoredMessage> {
    let start = Start { now: at, ..Start::of(agent, true) };
    start.speech(words, None, package_tool_result(true, &Value::Null, &start.time()))
}

impl<'a> Start<'a> {
    /// What the first messages of this agent depend on.
    pub(super) fn of(row: &'a AgentRow, base_tools: bool) -> Self {
        Self {
            agent_id: row.id,
            agent_type: row.agent_type,
            base_tools,
            model: &row.llm_config.model,
            provider: row.llm_config.provider_name.as_deref(),
            timezone: row.timezone.as_deref().unwrap_or("UTC"),
            now: Timestamp::now(),
        }
    }

    fn time(&self) -> String {
        local_time(self.now, self.timezone)
    }

    fn message(&self, role: MessageRole, content: Vec<ContentPart>) -> StoredMessage {
        let mut message = StoredMessage::new(self.agent_id, role, content);
        message.model = Some(self.model.to_owned());
        message.created_at = self.now;
        message
    }

    fn login(&self) -> StoredMessage {
        let envelope = Envelope::Login { last_login: "Never (first login)", time: &self.time() };
        self.message(MessageRole::User, vec![ContentPart::text(pretty(&envelope))])
    }

    fn boot(&self) -> Vec<StoredMessage> {
        let result = json!({"status": "OK", "message": null, "time": self.time()});
        self.speech(FIRST_GREETING, Some(FIRST_THOUGHT), pretty(&result))
    }

    /// A turn in which the agent says something by `send_message`, with the tool's result.
    fn speech(&self, words: &str, thought: Option<&str>, result: String) -> Vec<StoredMessage> {
        let mut id = Uuid::new_v4().to_string();
        if self.provider == Some("lmstudio_openai") {
            id.truncate(SHORT_ID);
        }
        let arguments = json!({"message": words}).to_string();
        let mut call = self.message(MessageRole::Assistant, thought.map(ContentPart::text).into_iter().collect());
        call.tool_calls = vec![FunctionToolCall::new(&id, SEND_MESSAGE, arguments)];
        let mut answer = self.message(MessageRole::Tool, vec![ContentPart::text(&result)]);
        answer.name = Some(SEND_MESSAGE.to_owned());
        answer.tool_returns = vec![StoredToolReturn {
            tool_call_id: Some(id.clone()),
            status: ToolStatus::Success,
            stdout: None,
            stderr: None,
            func_response: Some(result.into()),
        }];
        answer.tool_call_id = Some(id);
        vec![call, answer]
    }

    fn packaged(&self, sent: &MessageCreate) -> Vec<StoredMessage> {
        let (text, images) = text_and_images(&sent.content);
        let time = self.time();
        let mut messages = match sent.role {
            InputRole::User => {
                let envelope = Envelope::UserMessage { message: &text, time: &time };
                vec![self.message(MessageRole::User, vec![ContentPart::text(pretty(&envelope))])]
            }
            InputRole::System => {
                let alert = match open_system_alert(&text) {
                    Some(_) => text,
                    None => Envelope::SystemAlert { message: &text, time: &time, compaction_stats: None }.to_text(),
                };
                vec![self.message(MessageRole::System, vec![ContentPart::text(alert)])]
            }
            InputRole::Assistant => self.speech(&text, None, package_tool_result(true, &Value::Null, &time)),
        };
        if let Some(first) = messages.first_mut() {
            first.content.extend(images);
            first.name.clone_from(&sent.name);
            first.otid.clone_from(&sent.otid);
            first.sender_id.clone_from(&sent.sender_id);
            first.group_id.clone_from(&sent.group_id);
        }
        messages
    }
}

fn pretty(value: &impl serde::Serialize) -> String {
    // Strings and JSON values cannot fail to serialise.
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// The text parts joined, and the other parts as they are.
fn text_and_images(content: &MessageContent) -> (String, Vec<ContentPart>) {
    let parts = content.clone().into_parts().into_iter();
    let (texts, others): (Vec<_>, Vec<_>) = parts.partition(|part| part.as_text().is_some());
    let text = texts.iter().filter_map(ContentPart::as_text).collect::<Vec<_>>().join("\n");
    (text, others)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{InputMessage, open_user_message};

    fn start(agent_type: AgentType) -> Start<'static> {
        Start {
            agent_id: AgentId::random(),
            agent_type,
            base_tools: true,
            model: "gpt-4o-mini",
            provider: Some("openai"),
            timezone: "UTC",
            now: Timestamp::parse("2025-03-01T16:05:06Z").unwrap(),
        }
    }

    fn roles(messages: &[StoredMessage]) -> Vec<MessageRole> {
        messages.iter().map(|message| message.role).collect()
    }

    fn sent(json: Value) -> Vec<MessageCreate> {
        match serde_json::from_value(json).unwrap() {
            InputMessage::Message(message) => vec![message],
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn older_types_start_with_a_greeting_and_a_login() {
        let messages = messages(&start(AgentType::MemgptV2Agent), None);
        assert_eq!(roles(&messages), [MessageRole::Assistant, MessageRole::Tool, MessageRole::User]);
        assert_eq!(messages[1].tool_call_id.as_deref(), Some(messages[0].tool_calls[0].id.as_str()));
        assert_eq!(
            messages[2].single_text().unwrap(),
            "{\n  \"type\": \"login\",\n  \"last_login\": \"Never (first login)\",\n  \
             \"time\": \"2025-03-01 04:05:06 PM UTC+0000\"\n}"
        );
        assert!(messages.iter().all(|message| message.model.as_deref() == Some("gpt-4o-mini")));
    }

    #[test]
    fn the_current_type_and_the_background_ones_start_with_nothing() {
        for agent_type in [AgentType::LettaV1Agent, AgentType::SleeptimeAgent, AgentType::VoiceSleeptimeAgent] {
            assert!(messages(&start(agent_type), None).is_empty());
        }
        let bare = Start { base_tools: false, ..start(AgentType::SleeptimeAgent) };
        assert_eq!(roles(&messages(&bare, None)), [MessageRole::User]);
    }

    #[test]
    fn an_empty_sequence_means_no_messages() {
        assert!(messages(&start(AgentType::MemgptV2Agent), Some(&[])).is_empty());
    }

    #[test]
    fn a_user_s_message_is_put_into_its_envelope() {
        let sent = sent(json!({"role": "user", "content": "Grüße", "name": "Ada"}));
        let messages = messages(&start(AgentType::MemgptV2Agent), Some(&sent));
        assert_eq!(messages.len(), 1);
        assert_eq!(open_user_message(messages[0].single_text().unwrap()).as_deref(), Some("Grüße"));
        assert_eq!(messages[0].name.as_deref(), Some("Ada"));
    }

    #[test]
    fn text_parts_are_joined() {
        let content = json!([{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]);
        let messages =
            messages(&start(AgentType::LettaV1Agent), Some(&sent(json!({"role": "user", "content": content}))));
        assert_eq!(open_user_message(messages[0].single_text().unwrap()).as_deref(), Some("one\ntwo"));
    }

    #[test]
    fn a_system_alert_is_not_wrapped_twice() {
        let start = start(AgentType::LettaV1Agent);
        let once = messages(&start, Some(&sent(json!({"role": "system", "content": "Note this."}))));
        let text = once[0].single_text().unwrap().to_owned();
        let twice = messages(&start, Some(&sent(json!({"role": "system", "content": text}))));
        assert_eq!(twice[0].single_text(), Some(text.as_str()));
    }

    #[test]
    fn an_assistant_s_words_become_a_call_of_send_message_with_its_result() {
        let sent = sent(json!({"role": "assistant", "content": "Hi!"}));
        let messages = messages(&start(AgentType::LettaV1Agent), Some(&sent));
        assert_eq!(roles(&messages), [MessageRole::Assistant, MessageRole::Tool]);
        assert_eq!(messages[0].tool_calls[0].function.arguments, r#"{"message":"Hi!"}"#);
        assert!(messages[1].single_text().unwrap().contains("\"message\": \"None\""));
    }
}
