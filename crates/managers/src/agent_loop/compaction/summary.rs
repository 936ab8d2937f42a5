//! The message that stands for those that a compaction took out, and what clients see of it.

use muisti_orm::{
    histories::HistoryId,
    schema::{
        CompactionStats, ContentPart, Envelope, EventMessage, EventType, MessageBase, MessageRole, RunId,
        SUMMARY_FOLLOWS, StepId, StoredMessage, SummaryMessage, Timestamp, WireMessage, open_summary, otid,
    },
};
use serde_json::json;
use uuid::Uuid;

use super::{Compacted, Trigger};

/// What a summary ends with that was longer than it may be.
const CLIPPED: &str = "... [summary truncated to fit]";
/// What comes before the earlier summary where messages were left out without a new one.
const EARLIER: &str = "\n\nThe summary of what came before them:\n\n";
/// How such a text begins, behind the number.
const LEFT_OUT: &str = " older messages were left out without a summary";

/// The text of a summary's envelope.
pub(super) fn envelope(text: &str, evicted: Option<usize>, time: &str, stats: &CompactionStats) -> String {
    let which = match evicted {
        Some(count) => format!("The {count} messages before this one"),
        None => "Earlier messages".to_owned(),
    };
    let message = format!("{which} are no longer shown {SUMMARY_FOLLOWS}{text}");
    Envelope::SystemAlert { message: &message, time, compaction_stats: Some(stats) }.to_text()
}

/// The summary that a message holds, without its envelope and its note.
pub(super) fn text_of(message: &StoredMessage) -> String {
    open_summary(&message.text()).0
}

/// Cuts a summary to so many characters and so many bytes.
pub(super) fn clip(text: &str, chars: Option<i64>, bytes: usize) -> String {
    let chars = chars.map_or(usize::MAX, |chars| usize::try_from(chars).unwrap_or_default());
    let by_chars = text.char_indices().nth(chars).map_or(text.len(), |(end, _)| end);
    let end = by_chars.min(text.floor_char_boundary(bytes));
    match text.get(..end) {
        Some(kept) if end < text.len() => format!("{kept}{CLIPPED}"),
        _ => text.to_owned(),
    }
}

/// What is said where no model could write a summary: how many messages are gone from sight, where they are, and what
/// the last summary said of those before them.
pub(super) fn left_out(evicted: &[StoredMessage]) -> String {
    let (summaries, rows): (Vec<_>, Vec<_>) = evicted.iter().partition(|message| message.role == MessageRole::Summary);
    let earlier = summaries.last().map(|message| text_of(message));
    let (before, carried) = match earlier {
        Some(text) => match opened(&text) {
            Some((count, carried)) => (count, carried.map(str::to_owned)),
            None => (0, Some(text)),
        },
        None => (0, None),
    };
    let count = rows.len() + before;
    let mut text = format!(
        "{count}{LEFT_OUT}, because no model could write one. They are still stored: use conversation_search with \
         words that they may have to find them."
    );
    if let Some(carried) = carried {
        text.push_str(EARLIER);
        text.push_str(&carried);
    }
    text
}

/// The number and the earlier summary in such a text.
fn opened(text: &str) -> Option<(usize, Option<&str>)> {
    let (count, rest) = text.split_once(LEFT_OUT)?;
    Some((count.parse().ok()?, rest.split_once(EARLIER).map(|(_, carried)| carried)))
}

/// What clients that asked for it see before a compaction.
pub(in crate::agent_loop) fn event(
    trigger: Trigger,
    tokens: Option<i64>,
    window: i64,
    run: Option<RunId>,
    step: Option<StepId>,
) -> WireMessage {
    let mut base = MessageBase::new(Uuid::new_v4().to_string(), Timestamp::now());
    (base.run_id, base.step_id) = (run, step);
    let data = json!({ "trigger": trigger.as_str(), "context_token_estimate": tokens, "context_window": window });
    let event_data = data.as_object().cloned().unwrap_or_default();
    EventMessage { base, event_type: EventType::Compaction, event_data }.into()
}

impl Compacted {
    /// What clients that asked for it see after the compaction: the bare summary.
    pub(in crate::agent_loop) fn shown(&self) -> WireMessage {
        let mut base = MessageBase::new(self.summary.id.to_string(), self.summary.created_at);
        (base.run_id, base.step_id) = (self.summary.run_id, self.summary.step_id);
        base.otid = Some(otid(self.summary.id, 0));
        SummaryMessage { base, summary: self.text.clone(), compaction_stats: Some(self.stats.clone()) }.into()
    }
}

/// The row of a summary.
pub(super) fn row(history: &HistoryId, envelope: String) -> StoredMessage {
    let mut row = StoredMessage::new(history.agent_id, MessageRole::Summary, vec![ContentPart::text(envelope)]);
    row.conversation_id = history.conversation_id;
    row
}

#[cfg(test)]
mod tests {
    use muisti_orm::schema::{AgentId, open_system_alert};

    use super::*;

    fn stats() -> CompactionStats {
        CompactionStats {
            trigger: "post_step_context_check".to_owned(),
            context_tokens_before: Some(9),
            context_tokens_after: None,
            context_window: 8,
            messages_count_before: 7,
            messages_count_after: 3,
        }
    }

    fn summary(text: &str) -> StoredMessage {
        let envelope = envelope(text, Some(4), "now", &stats());
        StoredMessage::new(AgentId::random(), MessageRole::Summary, vec![ContentPart::text(envelope)])
    }

    #[test]
    fn a_summary_comes_back_without_its_envelope_and_its_note() {
        let row = summary("The user likes tea.\n\nA lot.");
        let (message, stored) = open_system_alert(&row.text()).unwrap();
        assert!(message.starts_with("The 4 messages before this one are no longer shown"));
        assert_eq!(stored, Some(stats()));
        assert_eq!(text_of(&row), "The user likes tea.\n\nA lot.");
        let foreign = StoredMessage::new(AgentId::random(), MessageRole::Summary, vec![ContentPart::text("Bare.")]);
        assert_eq!(text_of(&foreign), "Bare.");
    }

    #[test]
    fn a_long_summary_is_cut_and_says_so() {
        assert_eq!(clip("abcdef", Some(6), 100), "abcdef");
        assert_eq!(clip("abcdef", Some(2), 100), "ab... [summary truncated to fit]");
        assert_eq!(clip("äöü", None, 3), "ä... [summary truncated to fit]");
        assert_eq!(clip("abc", None, usize::MAX), "abc");
        assert_eq!(clip("abc", Some(-1), usize::MAX), CLIPPED);
    }

    #[test]
    fn what_was_left_out_again_and_again_is_counted_and_keeps_the_last_real_summary() {
        let row = || StoredMessage::new(AgentId::random(), MessageRole::User, vec![ContentPart::text("x")]);
        let first = left_out(&[summary("Tea."), row(), row()]);
        assert!(first.starts_with("2 older messages were left out") && first.ends_with("\n\nTea."), "{first}");
        assert!(first.contains("conversation_search"));
        let second = left_out(&[summary(&first), row(), row(), row()]);
        assert!(second.starts_with("5 older messages were left out") && second.ends_with("\n\nTea."), "{second}");
        assert_eq!(second.matches("left out").count(), 1);
        assert!(left_out(&[row()]).ends_with("find them."));
    }
}
