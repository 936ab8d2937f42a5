//! Answers in a given form from providers that cannot hold a model to one: a tool stands in for the answer, the model
//! must call it, and its arguments come back as the answer's text.
//!
//! Who asks a provider need not know: [`prepare`] rewrites the request where that is needed, [`answer`] turns the
//! events back.

use std::borrow::Cow;

use futures::{StreamExt, stream};
use serde_json::{Map, Value, json};

use crate::chat::{ChatEvent, ChatRequest, ChatStream, FinishReason, ToolChoice, ToolSpec};
use crate::error::LlmError;
use crate::provider::ProviderKind;

/// The name of the tool that stands in for the answer.
pub const ANSWER_TOOL: &str = "structured_output";

/// The tool whose arguments are the answer: an object with the properties of the schema, all of them required unless
/// it says which.
pub fn answer_tool(mut schema: Map<String, Value>) -> ToolSpec {
    let properties = schema.remove("properties").filter(Value::is_object).unwrap_or_else(|| json!({}));
    let names = || properties.as_object().into_iter().flat_map(Map::keys).collect::<Vec<_>>();
    let required = schema.remove("required").filter(Value::is_array).unwrap_or_else(|| json!(names()));
    let mut parameters = json!({ "type": "object", "properties": properties, "required": required });
    if let Some(parameters) = parameters.as_object_mut() {
        // Parts of the schema may be referred to from within.
        let kept = ["$defs", "definitions", "additionalProperties"];
        parameters.extend(kept.iter().filter_map(|key| schema.remove_entry(*key)));
    }
    let description = "Gives the answer. Call it once, with the whole answer.".to_owned();
    ToolSpec { name: ANSWER_TOOL.to_owned(), description, parameters, strict: false }
}

/// Whether software of this kind holds a model to a response format of this type, when it has tools to call or none.
fn enforces(kind: ProviderKind, format: &str, with_tools: bool) -> bool {
    match kind {
        ProviderKind::Test => false,
        // Neither a stream nor tools go together with a format there.
        ProviderKind::Groq => false,
        // A grammar is either that of the tools or that of the answer.
        ProviderKind::LlamaCpp => !with_tools,
        ProviderKind::DeepSeek => format == "json_object",
        ProviderKind::LmStudio => format == "json_schema",
        _ => true,
    }
}

/// The request as this kind of provider can fulfil it.
pub(crate) fn prepare(kind: ProviderKind, request: &ChatRequest) -> Cow<'_, ChatRequest> {
    let format = request.response_format.as_ref();
    let Some((format, schema)) = format.and_then(|format| Some((format.get("type")?.as_str()?, schema_of(format)?)))
    else {
        return Cow::Borrowed(request);
    };
    let has_tools = !request.tools.is_empty();
    if enforces(kind, format, has_tools) {
        return Cow::Borrowed(request);
    }
    let mut request = ChatRequest { response_format: None, ..request.clone() };
    let choice = match &request.tool_choice {
        // A tool must be called now, so this will not be the answer.
        ToolChoice::Required | ToolChoice::Named(_) if has_tools => return Cow::Owned(request),
        ToolChoice::Auto if has_tools => ToolChoice::Required,
        _ => ToolChoice::Named(ANSWER_TOOL.to_owned()),
    };
    request.tool_choice = choice;
    request.tools.push(answer_tool(schema));
    Cow::Owned(request)
}

/// The schema of the object that a format demands; `None` when it demands none, or something else than an object.
fn schema_of(format: &Value) -> Option<Map<String, Value>> {
    match format.get("type")?.as_str()? {
        "json_object" => json!({ "additionalProperties": true }).as_object().cloned(),
        "json_schema" => {
            let schema = format.pointer("/json_schema/schema")?.as_object()?;
            let is_object = schema.get("type").map_or(schema.contains_key("properties"), |kind| kind == "object");
            is_object.then(|| schema.clone())
        }
        _ => None,
    }
}

/// The events of an answer, with the calls of [`ANSWER_TOOL`] as the text that they stand for, if its request had to be
/// `rewritten`.
pub(crate) fn answer(rewritten: bool, events: ChatStream) -> ChatStream {
    if !rewritten {
        return events;
    }
    let mut back = TurningBack::default();
    events.flat_map(move |event| stream::iter(back.read(event))).boxed()
}

#[derive(Default)]
struct TurningBack {
    /// The calls that are the answer, by their index.
    answers: Vec<usize>,
    /// Whether another tool was called too.
    others: bool,
    /// What the model says beside its calls: the answer only if it calls nothing.
    said: String,
}

impl TurningBack {
    fn read(&mut self, event: Result<ChatEvent, LlmError>) -> Vec<Result<ChatEvent, LlmError>> {
        let text = |text: String| if text.is_empty() { Vec::new() } else { vec![Ok(ChatEvent::Text(text))] };
        match event {
            Ok(ChatEvent::Text(piece)) => {
                self.said.push_str(&piece);
                Vec::new()
            }
            Ok(ChatEvent::ToolCall { index, name, arguments, .. })
                if name.as_deref() == Some(ANSWER_TOOL) || self.answers.contains(&index) =>
            {
                if !self.answers.contains(&index) {
                    self.answers.push(index);
                }
                text(arguments)
            }
            Ok(ChatEvent::Finish(reason)) => {
                let (reason, mut events) = match (self.answers.is_empty(), reason) {
                    (true, reason) => (reason, text(std::mem::take(&mut self.said))),
                    (false, FinishReason::ToolCalls) if !self.others => (FinishReason::Stop, Vec::new()),
                    (false, reason) => (reason, Vec::new()),
                };
                events.push(Ok(ChatEvent::Finish(reason)));
                events
            }
            Ok(event) => {
                self.others |= matches!(event, ChatEvent::ToolCall { .. });
                vec![Ok(event)]
            }
            Err(error) => {
                let mut events = text(std::mem::take(&mut self.said));
                events.push(Err(error));
                events
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Assembler, ChatAnswer};

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    fn asks(format: Value, tools: &[&str], tool_choice: ToolChoice) -> ChatRequest {
        let tool = |name: &&str| ToolSpec { name: (*name).to_owned(), ..answer_tool(Map::new()) };
        let tools = tools.iter().map(tool).collect();
        ChatRequest { response_format: Some(format), tools, tool_choice, ..ChatRequest::default() }
    }

    fn weather() -> Value {
        json!({"type": "json_schema", "json_schema": {"name": "w", "schema": {
            "type": "object", "properties": {"sky": {"type": "string"}}, "additionalProperties": false}}})
    }

    async fn turned_back(events: Vec<ChatEvent>) -> ChatAnswer {
        let mut events = answer(true, stream::iter(events.into_iter().map(Ok)).boxed());
        let mut assembler = Assembler::new();
        while let Some(event) = events.next().await {
            assembler.push(&event.unwrap());
        }
        assembler.finish("lab").unwrap()
    }

    fn call(index: usize, name: Option<&str>, arguments: &str) -> ChatEvent {
        let id = name.map(|name| format!("call_{name}"));
        ChatEvent::ToolCall { index, id, name: name.map(str::to_owned), arguments: arguments.to_owned() }
    }

    #[test]
    fn all_properties_of_a_schema_are_required_unless_it_says_which() {
        let parameters = |schema: Value| answer_tool(object(schema)).parameters;
        let properties = json!({ "a": { "type": "string" }, "b": { "type": "integer" } });
        assert_eq!(parameters(json!({ "properties": properties }))["required"], json!(["a", "b"]));
        assert_eq!(parameters(json!({ "properties": properties, "required": ["b"] }))["required"], json!(["b"]));
        assert_eq!(parameters(json!({}))["properties"], json!({}));
        assert_eq!(parameters(json!({ "$defs": { "x": {} } }))["$defs"], json!({ "x": {} }));
    }

    #[test]
    fn a_provider_that_enforces_a_format_gets_the_request_as_it_is() {
        let request = asks(weather(), &["t"], ToolChoice::Auto);
        for kind in [ProviderKind::OpenAi, ProviderKind::Compatible, ProviderKind::Ollama, ProviderKind::LmStudio] {
            assert!(matches!(prepare(kind, &request), Cow::Borrowed(_)), "{kind:?}");
        }
        let plain = asks(json!({"type": "text"}), &[], ToolChoice::Auto);
        assert!(matches!(prepare(ProviderKind::Groq, &plain), Cow::Borrowed(_)));
        let list =
            asks(json!({"type": "json_schema", "json_schema": {"schema": {"type": "array"}}}), &[], ToolChoice::Auto);
        assert!(matches!(prepare(ProviderKind::Groq, &list), Cow::Borrowed(_)), "arguments are always an object");
    }

    #[test]
    fn the_answer_is_a_tool_for_a_provider_that_enforces_nothing() {
        let alone = asks(weather(), &[], ToolChoice::Auto);
        let alone = prepare(ProviderKind::Groq, &alone);
        assert_eq!((alone.tools.len(), &alone.response_format), (1, &None));
        assert_eq!(alone.tool_choice, ToolChoice::Named(ANSWER_TOOL.to_owned()));
        assert_eq!(alone.tools[0].parameters["properties"]["sky"]["type"], "string");

        let with_tools = asks(weather(), &["t"], ToolChoice::Auto);
        let with_tools = prepare(ProviderKind::LlamaCpp, &with_tools);
        assert_eq!((with_tools.tools.len(), &with_tools.tool_choice), (2, &ToolChoice::Required));

        let any = asks(json!({"type": "json_object"}), &[], ToolChoice::Auto);
        assert_eq!(prepare(ProviderKind::LmStudio, &any).tools[0].parameters["additionalProperties"], true);
    }

    #[test]
    fn a_demanded_tool_goes_before_the_answer() {
        let demanded = asks(weather(), &["t"], ToolChoice::Named("t".to_owned()));
        let prepared = prepare(ProviderKind::Groq, &demanded);
        assert_eq!((prepared.tools.len(), &prepared.tool_choice), (1, &demanded.tool_choice));
        assert_eq!(prepared.response_format, None);
    }

    #[tokio::test]
    async fn the_arguments_come_back_as_the_text() {
        let answer = turned_back(vec![
            ChatEvent::Text("Let me see.".to_owned()),
            call(0, Some(ANSWER_TOOL), "{\"sky\":"),
            call(0, None, "\"blue\"}"),
            ChatEvent::Finish(FinishReason::ToolCalls),
        ])
        .await;
        assert_eq!(answer.text.as_deref(), Some("{\"sky\":\"blue\"}"));
        assert_eq!((answer.tool_calls.len(), answer.finish), (0, Some(FinishReason::Stop)));
    }

    #[tokio::test]
    async fn calls_of_other_tools_and_plain_answers_stay_what_they_are() {
        let called = turned_back(vec![call(0, Some("t"), "{}"), ChatEvent::Finish(FinishReason::ToolCalls)]).await;
        assert_eq!((called.tool_calls.len(), called.finish), (1, Some(FinishReason::ToolCalls)));
        let said = turned_back(vec![
            ChatEvent::Text("No ".to_owned()),
            ChatEvent::Text("idea.".to_owned()),
            ChatEvent::Finish(FinishReason::Stop),
        ])
        .await;
        assert_eq!((said.text.as_deref(), said.finish), (Some("No idea."), Some(FinishReason::Stop)));
    }
}
