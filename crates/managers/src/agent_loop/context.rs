//! From the stored history to what a model is asked.
//!
//! Stored rows keep what happened; providers want a strict dialogue: every call answered, nothing answered twice,
//! nothing empty, no id used again. What does not fit is mended here, in the copy that is sent, and names and arguments
//! that a provider would not take where its wire is written. So no stored history can make an agent unusable.

use std::collections::HashMap;

use muisti_llm::{ChatMessage, ChatPart, ToolCallOut};
use muisti_orm::schema::{
    ContentPart, ImageContent, ImageSource, MessageRole, StoredMessage, ToolReturnPart, ToolReturnValue,
};

use crate::{image, tool::clip};

/// What a model reads for a call whose return is missing.
const NO_RETURN: &str = r#"{"status": "Failed", "message": "The call was interrupted before it returned."}"#;

/// What a model reads in the place of an image that is not shown to it.
const NO_IMAGE: &str = "[Image omitted]";

/// The messages of a request. `system` stands in for the stored system message when given.
pub(super) fn to_chat(history: &[StoredMessage], system: Option<&str>, context_window: i64) -> Vec<ChatMessage> {
    let mut chat = Vec::with_capacity(history.len());
    let return_limit = clip::limit(context_window);
    let mut open = Calls::default();
    for (index, message) in history.iter().enumerate() {
        match message.role {
            MessageRole::System if index == 0 => {
                chat.push(ChatMessage::system(system.map_or_else(|| text_of(&message.content), str::to_owned)));
            }
            MessageRole::Tool | MessageRole::Function => {
                for (id, content, images) in answers_of(message) {
                    if let Some(tool_call_id) = open.answer(&id) {
                        let content = clip::text(content, return_limit);
                        chat.push(ChatMessage::Tool { tool_call_id, content, images });
                    }
                }
            }
            // The rows around it say all that a model needs to know.
            MessageRole::Approval if message.tool_calls.is_empty() => {}
            MessageRole::Assistant | MessageRole::Approval => push_assistant(&mut chat, message, &mut open),
            MessageRole::System | MessageRole::User | MessageRole::Summary => {
                open.close(&mut chat);
                let parts = parts_of(&message.content);
                if !parts.is_empty() {
                    chat.push(ChatMessage::User { parts, name: message.name.clone() });
                }
            }
        }
    }
    open.close(&mut chat);
    chat
}

/// The calls that wait for their return, in order, and all ids that were ever used.
#[derive(Default)]
struct Calls {
    waiting: Vec<Asked>,
    /// How often a call had this id.
    used: HashMap<String, usize>,
}

/// A call that waits for its return.
struct Asked {
    /// Its id in the history.
    stored: String,
    /// Its id in the request.
    sent: String,
}

impl Calls {
    /// The id that a call is sent with; none if the answer that it is of has a call with its id already.
    ///
    /// Histories may have come from models that count the calls of every answer anew. A later call with a known id is
    /// another call all the same, and gets an id of its own, which is the same in every request.
    fn ask(&mut self, id: &str) -> Option<String> {
        if self.waiting.iter().any(|call| call.stored == id) {
            return None;
        }
        let mut sent = id.to_owned();
        while self.used.contains_key(&sent) {
            let times = self.used.entry(id.to_owned()).or_default();
            *times += 1;
            sent = format!("{id}-{times}");
        }
        self.used.insert(sent.clone(), 1);
        self.waiting.push(Asked { stored: id.to_owned(), sent: sent.clone() });
        Some(sent)
    }

    /// The id that a return for this call is sent with; none if there is no such call, or it has its return already.
    fn answer(&mut self, id: &str) -> Option<String> {
        let found = self.waiting.iter().position(|call| call.stored == id);
        found.map(|index| self.waiting.remove(index).sent)
    }

    /// Answers what is still waiting, before anything else is said.
    fn close(&mut self, chat: &mut Vec<ChatMessage>) {
        chat.extend(self.waiting.drain(..).map(|call| ChatMessage::tool(call.sent, NO_RETURN)));
    }
}

fn push_assistant(chat: &mut Vec<ChatMessage>, message: &StoredMessage, open: &mut Calls) {
    let calls_of = |open: &mut Calls| -> Vec<ToolCallOut> {
        let calls = message.tool_calls.iter().filter_map(|call| {
            let (name, arguments) = (call.function.name.clone(), call.function.arguments.clone());
            Some(ToolCallOut { id: open.ask(&call.id)?, name, arguments })
        });
        calls.collect()
    };
    // An approval request right after the calls that needed none belongs to the same answer of the model.
    if message.role == MessageRole::Approval
        && let Some(ChatMessage::Assistant { tool_calls, .. }) = chat.last_mut()
    {
        tool_calls.extend(calls_of(open));
        return;
    }
    open.close(chat);
    let text = Some(text_of(&message.content)).filter(|text| !text.is_empty());
    let calls = calls_of(open);
    if text.is_some() || !calls.is_empty() {
        chat.push(ChatMessage::Assistant { text, reasoning: None, tool_calls: calls, name: None });
    }
}

/// The returns of a tool row with the ids of their calls; old rows have only their text.
pub(super) fn returns_of(message: &StoredMessage) -> Vec<(String, String)> {
    if message.tool_returns.is_empty() {
        let id = message.tool_call_id.clone();
        return id.map(|id| (id, text_of(&message.content))).into_iter().collect();
    }
    let texts = message.tool_returns.iter();
    texts.filter_map(|tool| Some((tool.tool_call_id.clone()?, tool.func_response.as_ref()?.shown_as_text()))).collect()
}

/// What a model reads of the returns of a tool row: the ids of the calls, texts and images.
fn answers_of(message: &StoredMessage) -> impl Iterator<Item = (String, String, Vec<ChatPart>)> {
    returns_of(message).into_iter().map(|(id, text)| {
        let mut stored = message.tool_returns.iter().filter(|tool| tool.tool_call_id.as_ref() == Some(&id));
        match stored.next().and_then(|tool| tool.func_response.as_ref()) {
            Some(ToolReturnValue::Parts(parts)) => {
                let (text, images) = texts_and_images(parts);
                (id, text, images)
            }
            _ => (id, text, Vec::new()),
        }
    })
}

fn texts_and_images(parts: &[ToolReturnPart]) -> (String, Vec<ChatPart>) {
    let (mut texts, mut images) = (Vec::new(), Vec::new());
    for part in parts {
        match part {
            ToolReturnPart::Text(text) => texts.push(text.text.as_str()),
            ToolReturnPart::Image(image) => images.push(image_part(image)),
        }
    }
    (texts.join("\n"), images)
}

/// The text parts of some content, in order.
pub(super) fn text_of(content: &[ContentPart]) -> String {
    let mut texts = content.iter().filter_map(ContentPart::as_text);
    let mut text = texts.next().unwrap_or_default().to_owned();
    for more in texts {
        text.push('\n');
        text.push_str(more);
    }
    text
}

fn parts_of(content: &[ContentPart]) -> Vec<ChatPart> {
    let mut parts = Vec::with_capacity(content.len());
    for part in content {
        match part {
            ContentPart::Text(text) if !text.text.is_empty() => parts.push(ChatPart::Text(text.text.clone())),
            ContentPart::Image(image) => parts.push(image_part(image)),
            _ => {}
        }
    }
    parts
}

fn image_part(image: &ImageContent) -> ChatPart {
    let (data, detail) = match &image.source {
        ImageSource::Base64(image) => (Some(&image.data), &image.detail),
        ImageSource::Stored(image) => (image.data.as_ref(), &image.detail),
        // Only in rows from elsewhere: what clients send is fetched when it comes.
        ImageSource::Url(image) => return ChatPart::ImageUrl { url: image.url.clone(), detail: None },
    };
    // Rows from elsewhere may have anything here, and a model refuses all messages for one that is no image.
    match data.and_then(|data| Some((image::media_type(data)?, data))) {
        Some((media_type, data)) => {
            ChatPart::Image { media_type: media_type.to_owned(), data: data.clone(), detail: detail.clone() }
        }
        None => ChatPart::Text(NO_IMAGE.to_owned()),
    }
}

/// Whether there is an image among the messages.
pub(super) fn shows_images(chat: &[ChatMessage]) -> bool {
    let is_image = |part: &ChatPart| !matches!(part, ChatPart::Text(_));
    chat.iter().any(|message| match message {
        ChatMessage::User { parts, .. } | ChatMessage::Tool { images: parts, .. } => parts.iter().any(is_image),
        ChatMessage::System { .. } | ChatMessage::Assistant { .. } => false,
    })
}

/// Puts a note in the place of each image.
pub(super) fn omit_images(chat: &mut [ChatMessage]) {
    for message in chat {
        match message {
            ChatMessage::User { parts, .. } => {
                for part in parts.iter_mut().filter(|part| !matches!(part, ChatPart::Text(_))) {
                    *part = ChatPart::Text(NO_IMAGE.to_owned());
                }
            }
            ChatMessage::Tool { content, images, .. } => {
                for _ in images.drain(..) {
                    if !content.is_empty() {
                        content.push('\n');
                    }
                    content.push_str(NO_IMAGE);
                }
            }
            ChatMessage::System { .. } | ChatMessage::Assistant { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use muisti_orm::schema::{AgentId, FunctionToolCall, StoredToolReturn, ToolStatus};

    use super::*;

    fn row(role: MessageRole, text: &str) -> StoredMessage {
        StoredMessage::new(AgentId::random(), role, vec![ContentPart::text(text.to_owned())])
    }

    fn calls(role: MessageRole, ids: &[&str]) -> StoredMessage {
        let tool_calls = ids.iter().map(|id| FunctionToolCall::new(*id, "f", "{}")).collect();
        StoredMessage { tool_calls, ..row(role, "") }
    }

    fn returns(entries: &[(&str, &str)]) -> StoredMessage {
        let value = |(id, text): &(&str, &str)| StoredToolReturn {
            tool_call_id: Some((*id).to_owned()),
            status: ToolStatus::Success,
            stdout: None,
            stderr: None,
            func_response: Some(ToolReturnValue::Text((*text).to_owned())),
        };
        StoredMessage { tool_returns: entries.iter().map(value).collect(), ..row(MessageRole::Tool, "") }
    }

    /// A line for each message: the ids of its calls, or that of the call that it answers and the answer.
    fn sent(history: &[StoredMessage]) -> Vec<String> {
        let line = |message: &ChatMessage| match message {
            ChatMessage::Assistant { tool_calls, .. } => {
                tool_calls.iter().map(|call| call.id.as_str()).collect::<Vec<_>>().join(" ")
            }
            ChatMessage::Tool { tool_call_id, content, .. } => format!("{tool_call_id}: {content}"),
            ChatMessage::System { .. } | ChatMessage::User { .. } => "-".to_owned(),
        };
        to_chat(history, None, 8_192).iter().map(line).collect()
    }

    #[test]
    fn calls_with_an_id_that_was_used_before_get_another_and_so_do_their_returns() {
        let (assistant, approval) = (MessageRole::Assistant, MessageRole::Approval);
        let history = [
            calls(assistant, &["c", "d"]),
            returns(&[("d", "1"), ("c", "2")]),
            calls(assistant, &["c"]),
            returns(&[("c", "3")]),
            row(MessageRole::User, "Go on."),
            calls(assistant, &["c-2"]),
            calls(approval, &["c"]),
            returns(&[("c", "4"), ("c-2", "5")]),
        ];
        let expected = ["c d", "d: 1", "c: 2", "c-2", "c-2: 3", "-", "c-2-2 c-3", "c-3: 4", "c-2-2: 5"];
        assert_eq!(sent(&history), expected);
        assert_eq!(sent(&history[..5]), expected[..6], "what follows changes nothing in what went before");
    }

    #[test]
    fn an_image_that_is_none_is_left_out_and_one_that_is_called_another_is_called_what_it_is() {
        let image = |media_type: &str, data: &str| {
            let source = serde_json::json!({ "type": "base64", "media_type": media_type, "data": data });
            serde_json::from_value(serde_json::json!({ "type": "image", "source": source })).unwrap()
        };
        let content = vec![image("image/png", "aGVsbG8="), image("image/tiff", "iVBORw0KGgo=")];
        let mut chat = to_chat(&[StoredMessage::new(AgentId::random(), MessageRole::User, content)], None, 8_192);
        let note = || ChatPart::Text(NO_IMAGE.to_owned());
        let ChatMessage::User { parts, .. } = &chat[0] else { panic!() };
        assert_eq!(parts[0], note());
        assert!(matches!(&parts[1], ChatPart::Image { media_type, .. } if media_type == "image/png"));
        assert!(shows_images(&chat));
        omit_images(&mut chat);
        assert!(!shows_images(&chat));
        assert_eq!(chat, [ChatMessage::User { parts: vec![note(), note()], name: None }]);
    }

    #[test]
    fn each_call_of_an_answer_is_answered_once_and_nothing_else_is() {
        let history = [
            calls(MessageRole::Assistant, &["a", "a", "b"]),
            returns(&[("a", "1"), ("a", "2"), ("x", "3")]),
            row(MessageRole::User, "Go on."),
            returns(&[("b", "4")]),
        ];
        assert_eq!(sent(&history), ["a b", "a: 1", &format!("b: {NO_RETURN}"), "-"]);
    }
}
