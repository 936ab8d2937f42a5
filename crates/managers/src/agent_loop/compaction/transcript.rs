//! Messages as a text for the model that summarises them: one line each, who spoke first.

use std::fmt::Write;

use muisti_orm::schema::{ContentPart, MessageRole, StoredApproval, StoredMessage};

use super::{super::context, summary};
use crate::tool::clip;

const START: &str = "<start_transcript>";
const END: &str = "<end_transcript>";
/// What stands in the place of the middle that is left out.
const GAP: &str = "\n[… the middle of the transcript is left out …]\n";
/// The characters of a tool return that are kept once a transcript has proved too long.
const CLIPPED_RETURN: usize = 5_000;
/// The bytes that a transcript may always have.
const LEAST_BYTES: usize = 2_000;

/// How hard a transcript is pressed to be short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pressed {
    /// Not at all.
    No,
    /// What tools returned is clipped.
    Returns,
    /// That, and the middle is left out, so that this many bytes are left.
    Middle(usize),
}

impl Pressed {
    /// The lightest first. `window` is that of the model that reads, in tokens, `overhead` the bytes of what else it is
    /// sent.
    pub(super) fn ladder(window: i64, overhead: usize) -> [Self; 3] {
        let bytes = usize::try_from(window).unwrap_or_default().saturating_mul(4) / 10 * 6;
        [Self::No, Self::Returns, Self::Middle(bytes.saturating_sub(overhead).max(LEAST_BYTES))]
    }
}

/// The transcript of these messages.
pub(super) fn write(messages: &[StoredMessage], pressed: Pressed) -> String {
    let limit = if pressed == Pressed::No { usize::MAX } else { CLIPPED_RETURN };
    let lines = messages.iter().filter_map(|message| line(message, limit));
    let mut body = String::new();
    for line in lines {
        body.push_str(&line);
        body.push('\n');
    }
    if let Pressed::Middle(bytes) = pressed {
        body = without_middle(body, bytes);
    }
    format!("{START}\n{body}{END}")
}

fn line(message: &StoredMessage, limit: usize) -> Option<String> {
    let text = match message.role {
        MessageRole::System => return None,
        MessageRole::Summary => summary::text_of(message),
        MessageRole::Tool | MessageRole::Function => {
            let returns = context::returns_of(message).into_iter().map(|(_, text)| clip::text(text, limit));
            returns.collect::<Vec<_>>().join("\n")
        }
        MessageRole::Approval if message.tool_calls.is_empty() => decisions(message),
        _ => said(message),
    };
    let mut line = format!("[{}] {text}", message.role);
    for call in &message.tool_calls {
        // Writing to a string cannot fail.
        let _ = write!(line, " -> {}({})", call.function.name, call.function.arguments);
    }
    Some(line)
}

fn said(message: &StoredMessage) -> String {
    let parts = message.content.iter().filter_map(|part| match part {
        ContentPart::Text(text) => Some(text.text.as_str()),
        ContentPart::Image(_) => Some("[Image omitted]"),
        _ => None,
    });
    parts.collect::<Vec<_>>().join(" ")
}

fn decisions(message: &StoredMessage) -> String {
    let decision = |approval: &StoredApproval| match approval {
        StoredApproval::Approval(approval) if approval.approve => "approved".to_owned(),
        StoredApproval::Approval(approval) => match &approval.reason {
            Some(reason) => format!("denied: {reason}"),
            None => "denied".to_owned(),
        },
        StoredApproval::Tool(_) => "returned by the client".to_owned(),
    };
    message.approvals.iter().map(decision).collect::<Vec<_>>().join(", ")
}

/// The text with as much of its beginning as of its end, `bytes` in all.
fn without_middle(text: String, bytes: usize) -> String {
    if text.len() <= bytes {
        return text;
    }
    let half = bytes / 2;
    let (from, upto) = (text.ceil_char_boundary(text.len() - half), text.floor_char_boundary(half));
    [text.get(..upto).unwrap_or_default(), text.get(from..).unwrap_or_default()].join(GAP)
}

#[cfg(test)]
mod tests {
    use muisti_orm::schema::{AgentId, FunctionToolCall, StoredToolReturn, ToolStatus};

    use super::*;

    fn message(role: MessageRole, text: &str) -> StoredMessage {
        StoredMessage::new(AgentId::random(), role, vec![ContentPart::text(text)])
    }

    fn returned(text: &str) -> StoredMessage {
        let mut row = message(MessageRole::Tool, "");
        row.tool_returns.push(StoredToolReturn {
            tool_call_id: Some("c".to_owned()),
            status: ToolStatus::Success,
            stdout: None,
            stderr: None,
            func_response: Some(text.to_owned().into()),
        });
        row
    }

    #[test]
    fn a_transcript_has_a_line_for_each_message_with_its_calls() {
        let mut called = message(MessageRole::Assistant, "Looking.");
        called.tool_calls.push(FunctionToolCall::new("c", "search", r#"{"q":"x"}"#));
        let rows =
            [message(MessageRole::System, "Be."), message(MessageRole::User, "Find x"), called, returned("Found")];
        let lines = "[user] Find x\n[assistant] Looking. -> search({\"q\":\"x\"})\n[tool] Found\n";
        assert_eq!(write(&rows, Pressed::No), format!("<start_transcript>\n{lines}<end_transcript>"));
    }

    #[test]
    fn a_pressed_transcript_clips_returns_and_then_loses_its_middle() {
        let rows = [
            message(MessageRole::User, &"a".repeat(6_000)),
            returned(&"b".repeat(6_000)),
            message(MessageRole::User, "end"),
        ];
        assert!(write(&rows, Pressed::No).contains(&"b".repeat(6_000)));
        let clipped = write(&rows, Pressed::Returns);
        assert!(clipped.contains(&"a".repeat(6_000)) && clipped.contains(&"b".repeat(5_000)));
        assert!(!clipped.contains(&"b".repeat(5_001)));
        let cut = write(&rows, Pressed::Middle(2_000));
        assert!(cut.len() < 2_200 && cut.contains("left out") && cut.contains("[user] end"));
        assert!(cut.starts_with("<start_transcript>\n[user] aaa"));
    }

    #[test]
    fn a_middle_is_left_out_between_characters() {
        for bytes in 0..20 {
            without_middle("äöü€𝄞".repeat(4), bytes);
        }
        assert_eq!(Pressed::ladder(8_000, 200).last(), Some(&Pressed::Middle(19_000)));
        assert_eq!(Pressed::ladder(0, 200).last(), Some(&Pressed::Middle(2_000)));
    }
}
