//! What messages are made of: text, images, reasoning, and traces of tool calls.

use std::{fmt, marker::PhantomData};

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::{Map, Value};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ArrayBuilder, ObjectBuilder, Ref, RefOr, Schema, schema},
};

use crate::tagged::{Components, tagged_struct};

tagged_struct! {
    "type" = "text", as "TextContent";
    /// Text.
    pub struct TextContent {
        /// The text.
        pub text: String,
        /// What the provider wants back with the text in the next request.
        #[serde(default)]
        pub signature: Option<String>,
    }
}

tagged_struct! {
    "type" = "image", as "ImageContent";
    /// An image.
    pub struct ImageContent {
        /// Where the image is.
        pub source: ImageSource [inline],
    }
}

tagged_struct! {
    "type" = "url", as "UrlImage";
    /// An image by its address: `http`, `https` or `data`.
    pub struct UrlImage {
        /// The address.
        pub url: String,
    }
}

tagged_struct! {
    "type" = "base64", as "Base64Image";
    /// An image in the message itself.
    pub struct Base64Image {
        /// The media type, `image/png` for example.
        pub media_type: String,
        /// The image, base64.
        pub data: String,
        /// How closely the model should look: `low`, `high`, `auto`.
        #[serde(default)]
        pub detail: Option<String>,
    }
}

tagged_struct! {
    "type" = "letta", as "LettaImage";
    /// An image that this server keeps.
    pub struct StoredImage {
        /// The id of the image.
        pub file_id: String,
        /// The media type, `image/png` for example.
        #[serde(default)]
        pub media_type: Option<String>,
        /// The image, base64.
        #[serde(default)]
        pub data: Option<String>,
        /// How closely the model should look: `low`, `high`, `auto`.
        #[serde(default)]
        pub detail: Option<String>,
    }
}

tagged_union! {
    /// Where an image is.
    enum ImageSource ("ImageSource", by "type") {
        /// At an address.
        Url (UrlImage) = "url",
        /// In the message itself.
        Base64 (Base64Image) = "base64",
        /// Kept by this server.
        Stored (StoredImage) = "letta",
    }
}

tagged_struct! {
    "type" = "tool_call", as "ToolCallContent";
    /// A tool call as part of a message's content.
    pub struct ToolCallContent {
        /// The id of the call.
        pub id: String,
        /// The name of the tool.
        pub name: String,
        /// The arguments.
        pub input: Map<String, Value> [value_type = Object],
        /// What the provider wants back with the call in the next request.
        #[serde(default)]
        pub signature: Option<String>,
    }
}

tagged_struct! {
    "type" = "tool_return", as "ToolReturnContent";
    /// A tool's result as part of a message's content.
    pub struct ToolReturnContent {
        /// The id of the call that this answers.
        pub tool_call_id: String,
        /// The result.
        pub content: String,
        /// Whether the tool failed.
        pub is_error: bool,
    }
}

tagged_struct! {
    "type" = "reasoning", as "ReasoningContent";
    /// Reasoning in clear text.
    pub struct ReasoningContent {
        /// Whether the model reasons by itself, rather than because a prompt asks it to.
        pub is_native: bool,
        /// The reasoning.
        pub reasoning: String,
        /// What the provider wants back with the reasoning in the next request.
        #[serde(default)]
        pub signature: Option<String>,
    }
}

tagged_struct! {
    "type" = "redacted_reasoning", as "RedactedReasoningContent";
    /// Reasoning that the provider has encrypted.
    pub struct RedactedReasoningContent {
        /// The opaque data, to be sent back as it is.
        pub data: String,
    }
}

tagged_struct! {
    "type" = "omitted_reasoning", as "OmittedReasoningContent";
    /// Reasoning that the provider keeps to itself.
    pub struct OmittedReasoningContent {
        /// What the provider wants back in the next request.
        #[serde(default)]
        pub signature: Option<String>,
    }
}

tagged_struct! {
    "type" = "summarized_reasoning", as "SummarizedReasoningContent";
    /// Reasoning of which the provider shows a summary.
    pub struct SummarizedReasoningContent {
        /// The provider's id of the reasoning.
        pub id: String,
        /// The summary, in parts.
        pub summary: Vec<SummarizedReasoningContentPart>,
        /// The reasoning itself, encrypted, to be sent back as it is.
        #[serde(default)]
        pub encrypted_content: Option<String>,
    }
}

/// One part of a summary of reasoning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SummarizedReasoningContentPart {
    /// The place of the part in the summary.
    pub index: i64,
    /// The text.
    pub text: String,
}

tagged_union! {
    /// A part of a message.
    enum ContentPart ("LettaMessageContentUnion", by "type") {
        /// Text.
        Text (TextContent) = "text",
        /// An image.
        Image (ImageContent) = "image",
        /// A tool call.
        ToolCall (ToolCallContent) = "tool_call",
        /// A tool's result.
        ToolReturn (ToolReturnContent) = "tool_return",
        /// Reasoning in clear text.
        Reasoning (ReasoningContent) = "reasoning",
        /// Encrypted reasoning.
        RedactedReasoning (RedactedReasoningContent) = "redacted_reasoning",
        /// Reasoning that is not shown.
        OmittedReasoning (OmittedReasoningContent) = "omitted_reasoning",
        /// Reasoning of which a summary is shown.
        SummarizedReasoning (SummarizedReasoningContent) = "summarized_reasoning",
    }
}

tagged_union! {
    /// A part of a user message as clients see it.
    enum UserPart ("LettaUserMessageContentUnion", by "type") {
        /// Text.
        Text (TextContent) = "text",
        /// An image.
        Image (ImageContent) = "image",
    }
}

tagged_union! {
    /// A part of a tool's result.
    enum ToolReturnPart ("LettaToolReturnContentUnion", by "type") {
        /// Text.
        Text (TextContent) = "text",
        /// An image.
        Image (ImageContent) = "image",
    }
}

tagged_union! {
    /// A part of an assistant message as clients see it.
    enum AssistantPart ("LettaAssistantMessageContentUnion", by "type") {
        /// Text.
        Text (TextContent) = "text",
    }
}

/// Content that is plain text or a list of parts.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum TextOrParts<P> {
    /// Plain text.
    Text(String),
    /// Parts, in order.
    Parts(Vec<P>),
}

/// Content of a message as it is sent to the server.
pub type MessageContent = TextOrParts<ContentPart>;
/// Content of a user message as clients see it.
pub type UserContent = TextOrParts<UserPart>;
/// Content of an assistant message as clients see it.
pub type AssistantContent = TextOrParts<AssistantPart>;
/// A tool's result.
pub type ToolReturnValue = TextOrParts<ToolReturnPart>;

impl<P> From<String> for TextOrParts<P> {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl<P> From<&str> for TextOrParts<P> {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl<P> From<Vec<P>> for TextOrParts<P> {
    fn from(parts: Vec<P>) -> Self {
        Self::Parts(parts)
    }
}

impl<P> TextOrParts<P> {
    /// Whether there is nothing in it: no character, or no part.
    pub const fn is_empty(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::Parts(parts) => parts.is_empty(),
        }
    }
}

impl<P: From<TextContent>> TextOrParts<P> {
    /// The content as parts; plain text is one text part.
    pub fn into_parts(self) -> Vec<P> {
        match self {
            Self::Text(text) => vec![TextContent::from(text).into()],
            Self::Parts(parts) => parts,
        }
    }
}

impl<'de, P: Deserialize<'de>> Deserialize<'de> for TextOrParts<P> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<P>(PhantomData<P>);

        impl<'de, P: Deserialize<'de>> de::Visitor<'de> for Visitor<P> {
            type Value = TextOrParts<P>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a list of content parts")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(TextOrParts::Text(text.to_owned()))
            }

            fn visit_string<E: de::Error>(self, text: String) -> Result<Self::Value, E> {
                Ok(TextOrParts::Text(text))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
                Vec::deserialize(de::value::SeqAccessDeserializer::new(seq)).map(TextOrParts::Parts)
            }
        }

        deserializer.deserialize_any(Visitor(PhantomData))
    }
}

impl<P: ToSchema> PartialSchema for TextOrParts<P> {
    fn schema() -> RefOr<Schema> {
        schema::OneOfBuilder::new()
            .item(ObjectBuilder::new().schema_type(schema::Type::String))
            .item(ArrayBuilder::new().items(Ref::from_schema_name(P::name())))
            .into()
    }
}

// Always written out in place (`#[schema(inline)]`), so it needs no name of its own.
impl<P: ToSchema> ToSchema for TextOrParts<P> {
    fn schemas(components: &mut Components) {
        components.push((P::name().into_owned(), P::schema()));
        P::schemas(components);
    }
}

impl From<String> for TextContent {
    fn from(text: String) -> Self {
        Self { text, signature: None }
    }
}

impl From<&str> for TextContent {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl ContentPart {
    /// A part of plain text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(TextContent { text: text.into(), signature: None })
    }

    /// The text, if it is a text part.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(part) => Some(&part.text),
            _ => None,
        }
    }
}

impl From<UserPart> for ContentPart {
    fn from(part: UserPart) -> Self {
        match part {
            UserPart::Text(text) => Self::Text(text),
            UserPart::Image(image) => Self::Image(image),
        }
    }
}

impl From<ToolReturnPart> for ContentPart {
    fn from(part: ToolReturnPart) -> Self {
        match part {
            ToolReturnPart::Text(text) => Self::Text(text),
            ToolReturnPart::Image(image) => Self::Image(image),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_carry_their_type_alone_and_in_unions() {
        let json = r#"{"type":"text","text":"Hi","signature":null}"#;
        let part = TextContent::from("Hi");
        assert_eq!(serde_json::to_string(&part).unwrap(), json);
        assert_eq!(serde_json::to_string(&ContentPart::from(part.clone())).unwrap(), json);
        assert_eq!(serde_json::from_str::<ContentPart>(json).unwrap(), ContentPart::Text(part));
    }

    #[test]
    fn content_is_a_string_or_parts_and_nothing_else() {
        let read = |json: &str| serde_json::from_str::<MessageContent>(json);
        assert_eq!(read(r#""Hi""#).unwrap(), "Hi".into());
        assert_eq!(read(r#"[{"type":"text","text":"Hi"}]"#).unwrap(), vec![ContentPart::text("Hi")].into());
        assert!(read("[]").unwrap().is_empty());
        let error = read("3").unwrap_err().to_string();
        assert!(error.contains("a string or a list of content parts"), "{error}");
        assert!(read(r#"[{"type":"smell"}]"#).unwrap_err().to_string().contains("smell"));
    }
}
