//! From the stored history to what a model is asked.
//!
//! Stored rows keep what happened; providers want a strict dialogue: every call answered, nothing answered twice,
//! nothing empty. What does not fit is mended here, in the copy that is sent, so no stored history can make an agent
//! unusable.

use std::collections::HashSet;

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
                for (tool_call_id, content, images) in answers_of(message) {
                    if open.answer(&tool_call_id) {
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

/// The calls that wait for their return, in order, and all that were ever answered or asked.
#[derive(Default)]
struct Calls {
    waiting: Vec<String>,
    seen: HashSet<String>,
}

impl Calls {
    /// Whether a return for this call may be sent: the call is there and has none yet.
    fn answer(&mut self, id: &str) -> bool {
        let found = self.waiting.iter().position(|waiting| waiting == id);
        found.map(|index| self.waiting.remove(index)).is_some()
    }

    /// Answers what is still waiting, before anything else is said.
    fn close(&mut self, chat: &mut Vec<ChatMessage>) {
        chat.extend(self.waiting.drain(..).map(|id| ChatMessage::tool(id, NO_RETURN)));
    }
}

fn push_assistant(chat: &mut Vec<ChatMessage>, message: &StoredMessage, open: &mut Calls) {
    let text = Some(text_of(&message.content)).filter(|text| !text.is_empty());
    let mut calls: Vec<ToolCallOut> = Vec::new();
    for call in &message.tool_calls {
        if open.seen.insert(call.id.clone()) {
            calls.push(ToolCallOut {
                id: call.id.clone(),
                name: call.function.name.clone(),
                arguments: call.function.arguments.clone(),
            });
        }
    }
    // An approval request right after the calls that needed none belongs to the same answer of the model.
    if message.role == MessageRole::Approval
        && let Some(ChatMessage::Assistant { tool_calls, .. }) = chat.last_mut()
    {
        open.waiting.extend(calls.iter().map(|call| call.id.clone()));
        tool_calls.append(&mut calls);
        return;
    }
    open.close(chat);
    if text.is_none() && calls.is_empty() {
        return;
    }
    open.waiting.extend(calls.iter().map(|call| call.id.clone()));
    chat.push(ChatMessage::Assistant { text, reasoning: None, tool_calls: calls, name: None });
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
