//! The styles by example, and what is streamed against what is stored.

use muisti_llm::{Assembler, ChatEvent, FinishReason, json::tool_arguments};
use muisti_orm::schema::{
    AgentId, ContentPart, FunctionToolCall, MessageRole, MessageType, ModelEndpointType, ReasoningContent,
    ReasoningSource, StoredMessage, WireMessage,
};
use proptest::prelude::*;

use super::*;

const IN_ARGUMENTS: Style = Style::Older(Thoughts::InArguments);
const IN_TEXT: Style = Style::Older(Thoughts::InText);
const CURRENT: Style = Style::Current { must_call: false };

fn config(in_arguments: bool, reasons: bool) -> LlmConfig {
    let mut config = LlmConfig::new(ModelEndpointType::Openai, "m", 8192);
    config.put_inner_thoughts_in_kwargs = Some(in_arguments);
    config.enable_reasoner = reasons;
    config
}

fn spec() -> ToolSpec {
    ToolSpec {
        name: "f".to_owned(),
        description: String::new(),
        parameters: json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}),
        strict: false,
    }
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn allowed(tools: &[&str], must_call: bool) -> Allowed {
    Allowed { tools: tools.iter().map(|tool| (*tool).to_owned()).collect(), must_call }
}

fn choice(style: Style, allowed: &Allowed) -> ToolChoice {
    let offered: Vec<ToolSpec> = allowed.tools.iter().map(|name| ToolSpec { name: name.clone(), ..spec() }).collect();
    style.choice(allowed, &offered)
}

#[test]
fn the_style_is_that_of_the_type_and_of_how_the_model_thinks() {
    let of = |agent_type| Style::of(agent_type, &config(true, false));
    assert_eq!(of(AgentType::LettaV1Agent), CURRENT);
    assert_eq!(of(AgentType::SleeptimeAgent), Style::Current { must_call: true });
    for agent_type in [
        AgentType::MemgptAgent,
        AgentType::MemgptV2Agent,
        AgentType::ReactAgent,
        AgentType::WorkflowAgent,
        AgentType::SplitThreadAgent,
        AgentType::VoiceConvoAgent,
        AgentType::VoiceSleeptimeAgent,
    ] {
        assert_eq!(of(agent_type), IN_ARGUMENTS);
        assert!(of(agent_type).one_call_only() && of(agent_type).must_call());
    }
    assert_eq!(Style::of(AgentType::MemgptAgent, &config(false, true)), Style::Older(Thoughts::Native));
    assert_eq!(Style::of(AgentType::MemgptAgent, &config(false, false)), IN_TEXT);
    assert!(!CURRENT.one_call_only() && !CURRENT.must_call());
}

#[test]
fn a_tool_is_offered_with_a_thought_first_and_a_heartbeat_last() {
    let mut tool = spec();
    IN_ARGUMENTS.offer(&mut tool, false);
    let keys: Vec<_> = tool.parameters["properties"].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["thinking", "a", "request_heartbeat"]);
    assert_eq!(tool.parameters["required"], json!(["thinking", "a", "request_heartbeat"]));
    assert_eq!(tool.parameters["properties"]["request_heartbeat"]["type"], "boolean");
}

#[test]
fn a_tool_that_ends_the_turn_has_no_heartbeat_and_natural_thought_no_argument() {
    let mut tool = spec();
    IN_ARGUMENTS.offer(&mut tool, true);
    assert_eq!(tool.parameters["required"], json!(["thinking", "a"]));
    let mut tool = spec();
    Style::Older(Thoughts::Native).offer(&mut tool, true);
    assert_eq!(tool, spec());
    CURRENT.offer(&mut tool, false);
    assert_eq!(tool, spec());
}

#[test]
fn a_tool_without_parameters_is_offered_with_ours() {
    let mut tool = ToolSpec { parameters: json!({"type": "object"}), ..spec() };
    IN_ARGUMENTS.offer(&mut tool, false);
    assert_eq!(tool.parameters["required"], json!(["thinking", "request_heartbeat"]));
}

#[test]
fn an_argument_of_the_tool_itself_stays_the_tools() {
    let mut tool = spec();
    tool.parameters["properties"]["request_heartbeat"] = json!({"type": "boolean", "description": "Mine."});
    let before = tool.parameters["properties"]["request_heartbeat"].clone();
    IN_TEXT.offer(&mut tool, false);
    assert_eq!(tool.parameters["properties"]["request_heartbeat"], before);
    let taken = IN_TEXT.take(object(json!({"a": "x", "request_heartbeat": true})), &tool.parameters);
    assert_eq!(taken.arguments.len(), 2);
    assert!(taken.heartbeat);
}

#[test]
fn one_tool_is_called_by_name_and_one_of_several_must_be() {
    let named = ToolChoice::Named("f".to_owned());
    assert_eq!(choice(IN_TEXT, &allowed(&["f"], false)), named);
    assert_eq!(choice(IN_TEXT, &allowed(&["f", "g"], false)), ToolChoice::Required);
    assert_eq!(choice(IN_TEXT, &allowed(&[], false)), ToolChoice::None);
    assert_eq!(choice(CURRENT, &allowed(&["f"], false)), ToolChoice::Auto);
    assert_eq!(choice(CURRENT, &allowed(&["f"], true)), named);
    assert_eq!(choice(Style::Current { must_call: true }, &allowed(&["f"], false)), ToolChoice::Required);
}

#[test]
fn what_is_for_the_server_does_not_reach_the_tool() {
    let arguments = object(json!({"thinking": "Hm.", "a": "x", "request_heartbeat": true}));
    let taken = IN_ARGUMENTS.take(arguments.clone(), &spec().parameters);
    assert_eq!(Value::Object(taken.arguments), json!({"a": "x"}));
    assert_eq!(taken.thoughts.as_deref(), Some("Hm."));
    assert!(taken.heartbeat);
    let taken = CURRENT.take(arguments, &spec().parameters);
    assert_eq!(taken, Taken { arguments: object(json!({"a": "x"})), thoughts: None, heartbeat: false });
}

#[test]
fn a_heartbeat_is_asked_for_by_true_alone() {
    for (value, asked) in
        [(json!(true), true), (json!("True"), true), (json!(false), false), (json!("no"), false), (json!(1), false)]
    {
        let arguments = object(json!({ "request_heartbeat": value }));
        assert_eq!(IN_TEXT.take(arguments, &Value::Null).heartbeat, asked, "{value}");
    }
    assert!(!IN_TEXT.take(Map::new(), &Value::Null).heartbeat);
}

#[test]
fn a_call_is_stored_with_what_became_of_its_heartbeat() {
    let arguments = object(json!({"a": "x"}));
    assert_eq!(IN_TEXT.written(&arguments, false).unwrap(), r#"{"a":"x","request_heartbeat":false}"#);
    assert_eq!(IN_TEXT.written(&arguments, true).unwrap(), r#"{"a":"x","request_heartbeat":true}"#);
    assert_eq!(CURRENT.written(&arguments, true), None);
}

#[test]
fn the_stored_text_is_what_was_said_and_thought() {
    let said = || Some("I see.</thinking>".to_owned());
    assert_eq!(IN_ARGUMENTS.text(said(), Some("Hm.")).unwrap(), "I see.\nHm.");
    assert_eq!(IN_ARGUMENTS.text(None, Some("Hm.")).unwrap(), "Hm.");
    assert_eq!(IN_TEXT.text(said(), None).unwrap(), "I see.");
    assert_eq!(Style::Older(Thoughts::Native).text(said(), None), None);
    assert_eq!(CURRENT.text(said(), None), said());
}

#[test]
fn an_answer_without_a_call_is_none_of_the_older_style() {
    let answer = ChatAnswer { text: Some("Hello.".to_owned()), ..ChatAnswer::default() };
    for (has_tools, advice) in [(true, "a required tool choice"), (false, "Attach tools")] {
        let error = IN_TEXT.check(&answer, has_tools, "openai").unwrap_err();
        assert_eq!(error.kind, LlmErrorKind::NoToolCall);
        assert!(error.to_string().contains(advice), "{error}");
        assert!(CURRENT.check(&answer, has_tools, "openai").is_ok());
    }
}

fn call(index: usize, id: Option<&str>, name: Option<&str>, arguments: &str) -> ChatEvent {
    ChatEvent::ToolCall { index, id: id.map(Into::into), name: name.map(Into::into), arguments: arguments.to_owned() }
}

/// The pieces of each event.
fn pieces(style: Style, config: &RunRequestConfig, events: &[ChatEvent]) -> Vec<Vec<Piece>> {
    let (mut pieces, mut answer) = (style.pieces(config).unwrap(), Assembler::new());
    let mut of = |event: &ChatEvent| {
        answer.push(event);
        pieces.of(event, &answer)
    };
    events.iter().map(&mut of).collect()
}

fn thought(text: &str) -> Piece {
    Piece::Thought(ReasoningSource::NonReasonerModel, text.to_owned())
}

fn delta(name: Option<&str>, arguments: Option<&str>) -> Piece {
    let (name, arguments) = (name.map(Into::into), arguments.map(Into::into));
    Piece::Call(muisti_orm::schema::ToolCallDelta { name, arguments, tool_call_id: Some("1".to_owned()) })
}

#[test]
fn a_call_streams_as_thought_name_and_arguments() {
    let events = [
        call(0, Some("1"), Some("f"), ""),
        call(0, None, None, "{\"thinking\":\"Hm"),
        call(0, None, None, ".\",\"a\":\"x"),
        call(0, None, None, "\"}"),
        call(1, Some("2"), Some("g"), "{\"a\":1}"),
        ChatEvent::Finish(FinishReason::ToolCalls),
    ];
    assert_eq!(
        pieces(IN_ARGUMENTS, &RunRequestConfig::default(), &events),
        [
            vec![],
            vec![thought("Hm")],
            vec![thought("."), delta(Some("f"), None), delta(None, Some("{\"a\":\"x"))],
            vec![delta(None, Some("\"}"))],
            vec![],
            vec![],
        ]
    );
}

#[test]
fn the_message_tool_streams_as_words() {
    let events = [
        ChatEvent::Text("So</thin".to_owned()),
        ChatEvent::Text("king>.".to_owned()),
        call(0, Some("1"), Some("send_message"), "{\"message\":\"Hel"),
        call(0, None, None, "lo\\n\",\"request_heartbeat\":false}"),
    ];
    assert_eq!(
        pieces(IN_TEXT, &RunRequestConfig::default(), &events),
        [
            vec![thought("So")],
            vec![thought(".")],
            vec![Piece::Words("Hel".to_owned())],
            vec![Piece::Words("lo\n".to_owned())]
        ]
    );
    let renamed = RunRequestConfig { assistant_message_tool_name: "f".to_owned(), ..RunRequestConfig::default() };
    assert_eq!(pieces(IN_TEXT, &renamed, &events), pieces(IN_TEXT, &RunRequestConfig::default(), &events));
    let plain = RunRequestConfig { use_assistant_message: false, ..RunRequestConfig::default() };
    let shown = pieces(IN_TEXT, &plain, &events);
    assert_eq!(shown[2], [delta(Some("send_message"), None), delta(None, Some("{\"message\":\"Hel"))]);
}

#[test]
fn native_thought_is_shown_and_text_beside_it_is_not() {
    let events =
        [ChatEvent::Reasoning("Hm.".to_owned()), ChatEvent::OmittedReasoning, ChatEvent::Text("So.".to_owned())];
    let shown = pieces(Style::Older(Thoughts::Native), &RunRequestConfig::default(), &events);
    let native = Piece::Thought(ReasoningSource::ReasonerModel, "Hm.".to_owned());
    assert_eq!(shown, [vec![native], vec![Piece::HiddenThought], vec![]]);
}

#[test]
fn a_call_without_arguments_has_its_name_at_the_end() {
    let events = [call(0, Some("1"), Some("f"), ""), ChatEvent::Finish(FinishReason::ToolCalls)];
    let shown = pieces(IN_ARGUMENTS, &RunRequestConfig::default(), &events);
    assert_eq!(shown, [vec![], vec![delta(Some("f"), None)]]);
}

/// One message of an answer: its number, its kind, and its text.
type Shown = (usize, MessageType, String);

fn shown(message: &WireMessage) -> (MessageType, String) {
    let json = serde_json::to_value(message).unwrap();
    let text = [&json["content"], &json["reasoning"], &json["tool_call"]["arguments"]];
    let text = text.into_iter().find_map(Value::as_str).unwrap_or_default().to_owned();
    (message.message_type(), text)
}

/// The messages that the pieces add up to.
fn streamed(style: Style, events: &[ChatEvent]) -> Vec<Shown> {
    let mut numbering = Numbering::default();
    let mut messages: Vec<Shown> = Vec::new();
    for piece in pieces(style, &RunRequestConfig::default(), events).into_iter().flatten() {
        let number = numbering.of(piece.kind());
        let base = muisti_orm::schema::MessageBase::new("message", muisti_orm::schema::Timestamp::now());
        let (kind, text) = shown(&piece.into_message(base));
        match messages.last_mut() {
            Some((last, _, all)) if *last == number => all.push_str(&text),
            _ => messages.push((number, kind, text)),
        }
    }
    messages
}

/// The messages that the stored row of the same answer is listed as. What the turn does with the heartbeat is left out.
fn listed(style: Style, events: &[ChatEvent]) -> Vec<Shown> {
    let mut answer = Assembler::new();
    events.iter().for_each(|event| answer.push(event));
    let answer = answer.finish("p").unwrap();
    let call = answer.tool_calls.first().unwrap();
    let taken = style.take(tool_arguments(&call.arguments).unwrap(), &Value::Null);
    let mut content = Vec::new();
    content.extend(
        answer
            .reasoning
            .map(|reasoning| ContentPart::Reasoning(ReasoningContent { is_native: true, reasoning, signature: None })),
    );
    content.extend(style.text(answer.text, taken.thoughts.as_deref()).map(ContentPart::text));
    let mut row = StoredMessage::new(AgentId::random(), MessageRole::Assistant, content);
    row.tool_calls = vec![FunctionToolCall::new(&call.id, &call.name, Value::Object(taken.arguments).to_string())];
    let wire = row.to_wire(&RunRequestConfig::default().wire_options(false));
    wire.iter()
        .enumerate()
        .map(|(number, message)| {
            let (kind, text) = shown(message);
            (number, kind, text)
        })
        .collect()
}

fn cut(text: &str, cuts: &[usize]) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (characters.len() + 1)).collect();
    cuts.extend([0, characters.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|pair| characters[pair[0]..pair[1]].iter().collect()).collect()
}

proptest! {
    #[test]
    fn what_is_streamed_is_what_is_listed(
        reasoning: Option<String>, said: Option<String>, thoughts: Option<String>, value: String, speaks: bool,
        last: bool, style in prop::sample::select(vec![IN_ARGUMENTS, IN_TEXT, Style::Older(Thoughts::Native)]),
        cuts in prop::collection::vec(0..400_usize, 0..10),
    ) {
        // Empty parts are never stored, and other styles are not asked for thoughts in arguments.
        let text = |text: Option<String>| text.filter(|text| !text.is_empty());
        let thoughts = text(thoughts).filter(|_| style == IN_ARGUMENTS);
        let thought = thoughts.map(|thoughts| (THOUGHTS.to_owned(), json!(thoughts)));
        let mut arguments = Map::new();
        arguments.extend(thought.clone().filter(|_| !last));
        // Nothing said makes no piece, and is listed as an empty message.
        arguments.insert("message".to_owned(), json!(format!("{value}.")));
        arguments.insert("n".to_owned(), json!(7));
        arguments.extend(thought.filter(|_| last));
        let name = if speaks { "send_message" } else { "f" };
        let mut events = Vec::new();
        events.extend(text(reasoning).map(ChatEvent::Reasoning));
        for piece in cut(&text(said).unwrap_or_default(), &cuts) {
            events.push(ChatEvent::Text(piece));
        }
        events.push(call(0, Some("1"), Some(name), ""));
        for piece in cut(&Value::Object(arguments).to_string(), &cuts) {
            events.push(call(0, None, None, &piece));
        }
        events.push(ChatEvent::Finish(FinishReason::ToolCalls));
        prop_assert_eq!(streamed(style, &events), listed(style, &events));
    }
}
