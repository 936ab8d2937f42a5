//! What one stored message of each kind looks like to clients.

use serde_json::{Value, json};

use super::*;
use crate::{
    AgentId, Base64Image, Envelope, ImageContent, OmittedReasoningContent, ReasoningContent, RedactedReasoningContent,
    SummarizedReasoningContent, SummarizedReasoningContentPart, TextContent, package_tool_result,
};

const ID: &str = "message-3f2b8c1e-5a77-4d0e-9b1f-2c6d7e8f90ab";
const NOW: &str = "2026-01-05 10:00:00 AM UTC+0000";

fn row(role: MessageRole, content: Vec<ContentPart>) -> StoredMessage {
    let mut message = StoredMessage::new(AgentId::random(), role, content);
    message.id = ID.parse().unwrap();
    message
}

fn reasoning(text: &str, signature: Option<&str>) -> ContentPart {
    ReasoningContent { is_native: true, reasoning: text.into(), signature: signature.map(Into::into) }.into()
}

fn call(id: &str, name: &str, arguments: Value) -> FunctionToolCall {
    FunctionToolCall::new(id, name, arguments.to_string())
}

fn returned(id: &str, ok: bool, value: &Value) -> StoredToolReturn {
    StoredToolReturn {
        tool_call_id: Some(id.into()),
        status: if ok { ToolStatus::Success } else { ToolStatus::Error },
        stdout: None,
        stderr: None,
        func_response: Some(package_tool_result(ok, value, NOW).into()),
    }
}

/// Without the members that all messages share.
fn shown(messages: &[WireMessage]) -> Vec<Value> {
    let shared = ["id", "date", "name", "otid", "sender_id", "step_id", "is_err", "seq_id", "run_id"];
    messages
        .iter()
        .map(|message| {
            let mut json = serde_json::to_value(message).unwrap();
            json.as_object_mut().unwrap().retain(|key, _| !shared.contains(&key.as_str()));
            json
        })
        .collect()
}

fn otids(messages: &[WireMessage]) -> Vec<&str> {
    messages.iter().map(|message| message.base().otid.as_deref().unwrap_or("null")).collect()
}

fn legacy() -> WireOptions {
    WireOptions { text_is_assistant: false, use_assistant_message: true, ..WireOptions::default() }
}

#[test]
fn an_assistant_message_shows_its_parts_then_its_calls_and_counts_them() {
    let mut message = row(
        MessageRole::Assistant,
        vec![
            reasoning("Let me ", None),
            reasoning("think.", Some("sig")),
            ContentPart::text("Hel"),
            ContentPart::text("lo."),
        ],
    );
    message.tool_calls = vec![call("c1", "f", json!({})), call("c2", "g", json!({"a": 1}))];
    let wire = message.to_wire(&WireOptions::default());
    let f = json!({"name": "f", "arguments": "{}", "tool_call_id": "c1"});
    assert_eq!(
        shown(&wire),
        [
            json!({"message_type": "reasoning_message", "source": "reasoner_model", "reasoning": "Let me think.",
                "signature": "sig"}),
            json!({"message_type": "assistant_message", "content": "Hello."}),
            json!({"message_type": "tool_call_message", "tool_call": f,
                "tool_calls": [f, {"name": "g", "arguments": "{\"a\":1}", "tool_call_id": "c2"}]}),
        ]
    );
    let prefix = "3f2b8c1e-5a77-4d0e-9b1f-2c6d7e8f908";
    assert_eq!(otids(&wire), [format!("{prefix}0"), format!("{prefix}1"), format!("{prefix}2")]);
    assert!(wire.iter().all(|message| message.base().id == ID));

    let reversed = WireOptions { reversed: true, ..WireOptions::default() };
    assert_eq!(otids(&message.to_wire(&reversed)), [format!("{prefix}2"), format!("{prefix}1"), format!("{prefix}0")]);
    let only = WireOptions { include_types: Some(vec![MessageType::AssistantMessage]), ..WireOptions::default() };
    assert_eq!(otids(&message.to_wire(&only)), [format!("{prefix}1")]);
    let no_filter = WireOptions { include_types: Some(Vec::new()), ..WireOptions::default() };
    assert_eq!(message.to_wire(&no_filter).len(), 3);
}

#[test]
fn reasoning_of_every_kind_is_shown_or_hinted_at() {
    let part = |index, text: &str| SummarizedReasoningContentPart { index, text: text.into() };
    let summarized =
        |summary| SummarizedReasoningContent { id: "rs_1".into(), summary, encrypted_content: Some("secret".into()) };
    let message = row(
        MessageRole::Assistant,
        vec![
            summarized(vec![part(0, "One."), part(1, ""), part(2, "Two.")]).into(),
            summarized(vec![part(0, "")]).into(),
            RedactedReasoningContent { data: "opaque".into() }.into(),
            OmittedReasoningContent { signature: None }.into(),
        ],
    );
    assert_eq!(
        shown(&message.to_wire(&WireOptions::default())),
        [
            json!({"message_type": "reasoning_message", "source": "reasoner_model", "reasoning": "One.\n\nTwo.",
                "signature": "secret"}),
            json!({"message_type": "hidden_reasoning_message", "state": "redacted", "hidden_reasoning": "opaque"}),
            json!({"message_type": "hidden_reasoning_message", "state": "omitted", "hidden_reasoning": null}),
        ]
    );
}

#[test]
fn the_older_types_think_in_text_and_speak_through_the_message_tool() {
    let mut message = row(MessageRole::Assistant, vec![ContentPart::text("Be kind.")]);
    message.tool_calls = vec![
        call("c1", "a", json!({})),
        call("c2", "send_message", json!({"message": "Hi"})),
        call("c3", "send_message", json!({"message": {"deep": true}})),
        call("c4", "send_message", json!({"text": "lost"})),
        call("c5", "b", json!({})),
    ];
    let wire = message.to_wire(&legacy());
    let types: Vec<_> = wire.iter().map(|message| message.message_type().as_str()).collect();
    assert_eq!(
        types,
        ["reasoning_message", "tool_call_message", "assistant_message", "assistant_message", "tool_call_message"]
    );
    let shown = shown(&wire);
    assert_eq!(shown[0]["source"], "non_reasoner_model");
    assert_eq!(shown[1]["tool_calls"].as_array().unwrap().len(), 1);
    assert_eq!((&shown[2]["content"], &shown[3]["content"]), (&json!("Hi"), &json!("{\"deep\":true}")));
    assert_eq!(shown[4]["tool_call"]["name"], "b");
    let last_digits: Vec<_> = otids(&wire).iter().map(|otid| &otid[35..]).collect();
    assert_eq!(last_digits, ["0", "1", "2", "3", "4"]);

    let off = WireOptions { use_assistant_message: false, ..legacy() };
    assert_eq!(message.to_wire(&off).len(), 2);
}

#[test]
fn what_the_message_tool_returned_is_left_out_of_lists() {
    let mut say = row(MessageRole::Assistant, Vec::new());
    say.tool_calls = vec![call("c1", "send_message", json!({"message": "Hi"}))];
    let mut said = row(MessageRole::Tool, Vec::new());
    said.tool_returns = vec![returned("c1", true, &json!(null))];
    let mut other = row(MessageRole::Tool, Vec::new());
    other.tool_returns = vec![returned("c9", true, &json!("9"))];
    let mut earlier_page = row(MessageRole::Tool, vec![ContentPart::text("None")]);
    earlier_page.name = Some("send_message".into());
    earlier_page.tool_call_id = Some("c0".into());

    let list = [earlier_page, say, said, other];
    let types = |options: &WireOptions| {
        to_wire_list(&list, options).iter().map(|message| message.message_type().as_str()).collect::<Vec<_>>()
    };
    assert_eq!(types(&legacy()), ["assistant_message", "tool_return_message"]);
    let off = WireOptions { use_assistant_message: false, ..legacy() };
    assert_eq!(types(&off), ["tool_return_message", "tool_call_message", "tool_return_message", "tool_return_message"]);
}

#[test]
fn a_tool_message_shows_all_returns_and_repeats_the_first() {
    let mut message = row(MessageRole::Tool, Vec::new());
    let image = Base64Image { media_type: "image/png".into(), data: "AA==".into(), detail: None };
    let image = ImageContent { source: image.into() };
    message.tool_returns = vec![
        returned("c1", false, &json!({"a": 1})),
        StoredToolReturn {
            func_response: Some(vec![ToolReturnPart::Text("See:".into()), image.clone().into(), image.into()].into()),
            stdout: Some(vec!["out".into()]),
            ..returned("c2", true, &json!(null))
        },
    ];
    let wire = message.to_wire(&WireOptions::default());
    let json = serde_json::to_value(&wire[0]).unwrap();
    assert_eq!(
        (&json["tool_return"], &json["status"], &json["tool_call_id"]),
        (&json!("{\"a\":1}"), &json!("error"), &json!("c1"))
    );
    assert_eq!(json["tool_returns"][1]["tool_return"][1]["type"], "image");
    assert_eq!(json["tool_returns"][1]["stdout"], json!(["out"]));
    assert_eq!(json["otid"], "3f2b8c1e-5a77-4d0e-9b1f-2c6d7e8f9080");
    let parts = message.tool_returns[1].func_response.as_ref().unwrap();
    assert_eq!(parts.shown_as_text(), "See:\n[2 images omitted]");
}

#[test]
fn a_tool_message_of_old_is_shown_from_its_text() {
    let mut message = row(MessageRole::Tool, vec![ContentPart::text(package_tool_result(false, &json!("No."), NOW))]);
    message.tool_call_id = Some("c1".into());
    let json = serde_json::to_value(&message.to_wire(&WireOptions::default())[0]).unwrap();
    assert_eq!(json["tool_return"], "No.");
    assert_eq!(json["status"], "error");
    assert_eq!(json["tool_returns"][0]["tool_call_id"], "c1");
}

#[test]
fn users_are_quoted_verbatim_except_for_their_own_envelope() {
    let content = |parts| shown(&row(MessageRole::User, parts).to_wire(&WireOptions::default()))[0]["content"].clone();
    assert_eq!(content(vec![ContentPart::text("Hi")]), "Hi");
    let envelope = Envelope::UserMessage { message: "Hi", time: NOW }.to_text();
    assert_eq!(content(vec![ContentPart::text(envelope)]), "Hi");
    let heartbeat = Envelope::Heartbeat { reason: "More.", time: NOW }.to_text();
    assert_eq!(content(vec![ContentPart::text(heartbeat.clone())]), heartbeat.as_str());
    let parts = vec![TextContent::from("a").into(), TextContent::from("b").into()];
    assert_eq!(content(parts).as_array().unwrap().len(), 2);

    let mut message = row(MessageRole::User, vec![ContentPart::text("Hi")]);
    message.otid = Some("mine".into());
    message.is_err = Some(false);
    let wire = message.to_wire(&WireOptions::default());
    assert_eq!(otids(&wire), ["mine"]);
    assert_eq!(wire[0].base().is_err, None);
}

#[test]
fn a_summary_is_a_users_envelope_unless_summaries_are_asked_for() {
    let envelope = r#"{"type":"system_alert","message":"Earlier: a lot.","time":"now","compaction_stats":{"trigger":"t",
        "context_tokens_before":null,"context_tokens_after":5,"context_window":100,"messages_count_before":9,
        "messages_count_after":2}}"#;
    let message = row(MessageRole::Summary, vec![ContentPart::text(envelope)]);
    let wire = shown(&message.to_wire(&WireOptions::default()));
    assert_eq!(wire, [json!({"message_type": "user_message", "content": envelope})]);
    let named = WireOptions { include_types: Some(vec![MessageType::SummaryMessage]), ..WireOptions::default() };
    let wire = shown(&message.to_wire(&named));
    assert_eq!(wire[0]["summary"], "Earlier: a lot.");
    assert_eq!(wire[0]["compaction_stats"]["messages_count_after"], 2);
    let asked = WireOptions { summary_messages: true, ..WireOptions::default() };
    assert_eq!(shown(&message.to_wire(&asked)), wire);
}

#[test]
fn an_approval_request_shows_its_content_first_and_has_its_own_otid() {
    let mut message = row(MessageRole::Approval, vec![ContentPart::text("May I?")]);
    message.tool_calls = vec![call("c1", "deploy", json!({"env": "prod"}))];
    let wire = message.to_wire(&WireOptions::default());
    assert_eq!(otids(&wire), ["3f2b8c1e-5a77-4d0e-9b1f-2c6d7e8f9080", ID]);
    assert_eq!(wire[1].message_type(), MessageType::ApprovalRequestMessage);
}

#[test]
fn an_approval_response_shows_every_entry_and_the_first_approval_for_old_clients() {
    let mut message = row(MessageRole::Approval, Vec::new());
    message.set_approvals(vec![
        ToolReturn {
            tool_return: "42".into(),
            status: ToolStatus::Success,
            tool_call_id: "c1".into(),
            stdout: None,
            stderr: None,
        }
        .into(),
        ApprovalReturn { tool_call_id: "c2".into(), approve: false, reason: Some("No.".into()) }.into(),
    ]);
    let approvals = json!([
        {"type": "tool", "tool_return": "42", "status": "success", "tool_call_id": "c1", "stdout": null, "stderr": null},
        {"type": "approval", "tool_call_id": "c2", "approve": false, "reason": "No."},
    ]);
    assert_eq!(
        shown(&message.to_wire(&WireOptions::default())),
        [json!({"message_type": "approval_response_message", "approvals": approvals, "approve": false,
            "approval_request_id": "c2", "reason": "No."})]
    );

    message.approvals.clear();
    let old = shown(&message.to_wire(&WireOptions::default()));
    assert_eq!(
        old[0]["approvals"],
        json!([{"type": "approval", "tool_call_id": "c2", "approve": false, "reason": "No."}])
    );
}
