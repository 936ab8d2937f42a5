//! The messages of a chat completion request.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Serialize;
use serde_json::Value;

use crate::chat::{ChatMessage, ChatPart, ToolCallOut};
use crate::json;
use crate::provider::ProviderKind;
use crate::tables::reads_images;

/// Longer tool call ids are cut, on calls and returns alike: other providers' ids may be longer than OpenAI takes.
const LONGEST_TOOL_CALL_ID: usize = 29;

/// A longer tool name is refused, and so is every request after it that has its call in it.
const LONGEST_TOOL_NAME: usize = 64;

/// What a call is said to be of that the model has given no name.
const NAMELESS: &str = "unknown_tool";

/// What stands in the place of an image for a model that reads none.
pub(super) const NO_IMAGE: &str = "[Image omitted: this model reads text only]";

#[derive(Serialize)]
#[serde(tag = "role", rename_all = "lowercase")]
pub(super) enum Message<'a> {
    System {
        content: &'a str,
    },
    Developer {
        content: &'a str,
    },
    User {
        content: Content<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<&'a str>,
    },
    Assistant {
        content: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        reasoning_content: Option<&'a str>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        tool_calls: Vec<Call<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<&'a str>,
    },
    Tool {
        tool_call_id: Cow<'a, str>,
        content: &'a str,
    },
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Content<'a> {
    Text(&'a str),
    Parts(Vec<Part<'a>>),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Part<'a> {
    Text { text: &'a str },
    ImageUrl { image_url: ImageUrl<'a> },
}

#[derive(Serialize)]
pub(super) struct ImageUrl<'a> {
    url: Cow<'a, str>,
    detail: &'a str,
}

#[derive(Serialize)]
pub(super) struct Call<'a> {
    id: Cow<'a, str>,
    #[serde(rename = "type")]
    kind: &'static str,
    function: CalledFunction<'a>,
}

#[derive(Serialize)]
pub(super) struct CalledFunction<'a> {
    name: Cow<'a, str>,
    arguments: Cow<'a, str>,
}

/// The messages of a request to this model, which may be one of OpenAI's reasoning models.
pub(super) fn messages<'a>(
    kind: ProviderKind,
    model: &str,
    reasons: bool,
    messages: &'a [ChatMessage],
) -> Vec<Message<'a>> {
    let ids = ToolCallIds::of(messages);
    let last_is_user = matches!(messages.last(), Some(ChatMessage::User { .. }));
    let takes_reasoning = match kind {
        ProviderKind::OpenAi | ProviderKind::Groq | ProviderKind::Xai => false,
        // A new question: DeepSeek wants what it thought about the old ones dropped.
        ProviderKind::DeepSeek => !last_is_user,
        _ => true,
    };
    let developer = reasons && !model.starts_with("o1-mini");
    let never_null = model.contains("gpt-oss");
    let sight = Sight::of(kind, model);
    let mut sent = Vec::with_capacity(messages.len());
    // Images of the returns of one answer's calls: nothing may stand between these returns.
    let mut returned: Vec<Part<'a>> = Vec::new();
    for message in messages {
        if !matches!(message, ChatMessage::Tool { .. }) {
            sent.extend(shown(&mut returned));
        }
        sent.push(match message {
            ChatMessage::System { text } if developer => Message::Developer { content: text },
            ChatMessage::System { text } => Message::System { content: text },
            ChatMessage::User { parts, name } => Message::User { content: sight.content(parts), name: speaker(name) },
            ChatMessage::Assistant { text, reasoning, tool_calls, name } => {
                let text = text.as_deref();
                if text.is_none_or(str::is_empty) && tool_calls.is_empty() {
                    continue;
                }
                let mut reasoning = reasoning.as_deref().filter(|_| takes_reasoning);
                if kind == ProviderKind::DeepSeek && takes_reasoning && !tool_calls.is_empty() {
                    reasoning = reasoning.or(Some(""));
                }
                Message::Assistant {
                    content: if never_null { Some(text.unwrap_or_default()) } else { text },
                    reasoning_content: reasoning,
                    tool_calls: tool_calls.iter().map(|call| wire_call(&ids, call)).collect(),
                    name: speaker(name),
                }
            }
            ChatMessage::Tool { tool_call_id, content, images } => {
                let content = match (content.as_str(), images.as_slice(), sight) {
                    ("", [_, ..], Sight::Yes) => "The tool returned what the next message shows.",
                    ("", [_, ..], Sight::No) => NO_IMAGE,
                    (content, ..) => content,
                };
                if sight == Sight::Yes {
                    returned.extend(images.iter().map(part));
                }
                Message::Tool { tool_call_id: ids.wire(tool_call_id), content }
            }
        });
    }
    sent.extend(shown(&mut returned));
    sent
}

/// The images that tools returned, as a message of their own: this wire has no place for them in a return.
fn shown<'a>(returned: &mut Vec<Part<'a>>) -> Option<Message<'a>> {
    if returned.is_empty() {
        return None;
    }
    let mut parts = vec![Part::Text { text: "The images that the tools returned, in the order of their calls:" }];
    parts.append(returned);
    Some(Message::User { content: Content::Parts(parts), name: None })
}

fn wire_call<'a>(ids: &ToolCallIds<'_>, call: &'a ToolCallOut) -> Call<'a> {
    let function = CalledFunction { name: tool_name(&call.name), arguments: arguments(&call.arguments) };
    Call { id: ids.wire(&call.id), kind: "function", function }
}

/// The arguments of an earlier call as an object. Models write others at times, and strict providers refuse every later
/// request for them.
fn arguments(written: &str) -> Cow<'_, str> {
    if json::is_object(written) {
        return Cow::Borrowed(written);
    }
    json::tool_arguments(written).map_or(Cow::Borrowed("{}"), |read| Cow::Owned(Value::Object(read).to_string()))
}

/// The name of an earlier call in the characters that providers take.
fn tool_name(written: &str) -> Cow<'_, str> {
    let taken = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    match written.chars().count() {
        0 => Cow::Borrowed(NAMELESS),
        1..=LONGEST_TOOL_NAME if written.chars().all(taken) => Cow::Borrowed(written),
        _ => written.chars().take(LONGEST_TOOL_NAME).map(|c| if taken(c) { c } else { '_' }).collect(),
    }
}

/// Whether the model reads images.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sight {
    Yes,
    No,
}

impl Sight {
    fn of(kind: ProviderKind, model: &str) -> Self {
        if reads_images(kind, model) { Self::Yes } else { Self::No }
    }

    fn content(self, parts: &[ChatPart]) -> Content<'_> {
        match parts {
            [] => Content::Text(""),
            [ChatPart::Text(text)] => Content::Text(text),
            parts => Content::Parts(parts.iter().map(|part| self.part(part)).collect()),
        }
    }

    fn part(self, part: &ChatPart) -> Part<'_> {
        match (self, part) {
            (Self::No, ChatPart::Image { .. } | ChatPart::ImageUrl { .. }) => Part::Text { text: NO_IMAGE },
            (_, part) => self::part(part),
        }
    }
}

fn part(part: &ChatPart) -> Part<'_> {
    match part {
        ChatPart::Text(text) => Part::Text { text },
        ChatPart::Image { media_type, data, detail } => Part::ImageUrl {
            image_url: ImageUrl { url: format!("data:{media_type};base64,{data}").into(), detail: or_auto(detail) },
        },
        ChatPart::ImageUrl { url, detail } => {
            Part::ImageUrl { image_url: ImageUrl { url: url.into(), detail: or_auto(detail) } }
        }
    }
}

fn or_auto(detail: &Option<String>) -> &str {
    detail.as_deref().unwrap_or("auto")
}

/// OpenAI refuses the whole request over a name with a space or one of `<|\/>`.
fn speaker(name: &Option<String>) -> Option<&str> {
    let refused = |c: char| c.is_whitespace() || "<|\\/>".contains(c);
    name.as_deref().filter(|name| !name.is_empty() && !name.contains(refused))
}

/// The ids that two different long ids would share when cut.
struct ToolCallIds<'a> {
    shared: HashMap<&'a str, usize>,
}

impl<'a> ToolCallIds<'a> {
    fn of(messages: &'a [ChatMessage]) -> Self {
        let mut first: HashMap<&str, &str> = HashMap::new();
        let mut shared = HashMap::new();
        let ids = messages.iter().flat_map(|message| match message {
            ChatMessage::Assistant { tool_calls, .. } => tool_calls.as_slice(),
            _ => &[],
        });
        for id in ids.map(|call| call.id.as_str()) {
            let cut = cut(id);
            if *first.entry(cut).or_insert(id) != id {
                let next = shared.len() + 1;
                shared.entry(id).or_insert(next);
            }
        }
        Self { shared }
    }

    /// The id as sent: cut, and told apart from another that begins alike.
    fn wire<'b>(&self, id: &'b str) -> Cow<'b, str> {
        match self.shared.get(id) {
            Some(number) => {
                let suffix = format!("-{number}");
                let keep: String = id.chars().take(LONGEST_TOOL_CALL_ID.saturating_sub(suffix.len())).collect();
                Cow::Owned(keep + &suffix)
            }
            None => Cow::Borrowed(cut(id)),
        }
    }
}

fn cut(id: &str) -> &str {
    match id.char_indices().nth(LONGEST_TOOL_CALL_ID) {
        Some((end, _)) => id.get(..end).unwrap_or(id),
        None => id,
    }
}
