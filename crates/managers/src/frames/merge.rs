//! Pieces of a message that wait to be stored together.

use muisti_orm::schema::{TextOrParts, ToolCallDelta, ToolCallOrDelta, ToolCalls, WireMessage};

/// The most bytes that one merged frame holds: a reader should still see an answer grow.
const LARGEST: usize = 16 * 1024;

/// Adds a piece to the one before it, if they are pieces of one thing. Gives it back if they are not.
pub(super) fn merge(last: &mut WireMessage, next: WireMessage) -> Option<WireMessage> {
    if last.base().id != next.base().id || last.base().otid != next.base().otid {
        return Some(next);
    }
    match (last, next) {
        (WireMessage::Assistant(last), WireMessage::Assistant(next)) => match (&mut last.content, &next.content) {
            (TextOrParts::Text(text), TextOrParts::Text(more)) if fits(text, more) => {
                text.push_str(more);
                None
            }
            _ => Some(next.into()),
        },
        (WireMessage::Reasoning(last), WireMessage::Reasoning(next)) => {
            let same = last.source == next.source && last.signature.is_none() && next.signature.is_none();
            if same && fits(&last.reasoning, &next.reasoning) {
                last.reasoning.push_str(&next.reasoning);
                return None;
            }
            Some(next.into())
        }
        (WireMessage::ToolCall(last), WireMessage::ToolCall(next)) => {
            match extend(&mut last.tool_call, &mut last.tool_calls, &next.tool_call) {
                true => None,
                false => Some(next.into()),
            }
        }
        (WireMessage::ApprovalRequest(last), WireMessage::ApprovalRequest(next)) => {
            match extend(&mut last.tool_call, &mut last.tool_calls, &next.tool_call) {
                true => None,
                false => Some(next.into()),
            }
        }
        (_, next) => Some(next),
    }
}

/// Adds a piece of a call to another piece of the same call, in both members that hold it.
fn extend(call: &mut ToolCallOrDelta, calls: &mut Option<ToolCalls>, next: &ToolCallOrDelta) -> bool {
    let (ToolCallOrDelta::Delta(delta), ToolCallOrDelta::Delta(next)) = (call, next) else { return false };
    let same = delta.tool_call_id == next.tool_call_id && next.name.is_none();
    let Some(more) = next.arguments.as_deref().filter(|more| same && fits(arguments(delta), more)) else {
        return false;
    };
    delta.arguments.get_or_insert_default().push_str(more);
    *calls = Some(ToolCalls::Delta(delta.clone()));
    true
}

fn arguments(delta: &ToolCallDelta) -> &str {
    delta.arguments.as_deref().unwrap_or_default()
}

const fn fits(text: &str, more: &str) -> bool {
    text.len() + more.len() <= LARGEST
}
