//! The JSON envelopes in which the server speaks to the model in the user's place.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::CompactionStats;

/// The text of an envelope.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Envelope<'a> {
    /// A user's message of old, or of an agent's first messages.
    UserMessage {
        /// What the user said.
        message: &'a str,
        /// When.
        time: &'a str,
    },
    /// Something that the model must know.
    SystemAlert {
        /// What.
        message: &'a str,
        /// When.
        time: &'a str,
        /// What a summary saved, when this is one.
        #[serde(skip_serializing_if = "Option::is_none")]
        compaction_stats: Option<&'a CompactionStats>,
    },
    /// The model's turn without a word from the user.
    Heartbeat {
        /// Why.
        reason: &'a str,
        /// When.
        time: &'a str,
    },
    /// The user has come back.
    Login {
        /// When the user was last here.
        last_login: &'a str,
        /// When.
        time: &'a str,
    },
}

impl Envelope<'_> {
    /// The envelope as the text of a message.
    #[must_use]
    pub fn to_text(&self) -> String {
        // Strings and numbers cannot fail to serialise.
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[derive(Deserialize)]
struct Opened {
    r#type: String,
    message: Value,
    #[serde(default)]
    compaction_stats: Value,
}

fn open(text: &str, kind: &str) -> Option<Opened> {
    if !text.trim_start().starts_with('{') {
        return None;
    }
    serde_json::from_str(text).ok().filter(|opened: &Opened| opened.r#type == kind)
}

/// The user's words in an envelope; none if the text is not a user's envelope.
#[must_use]
pub fn open_user_message(text: &str) -> Option<String> {
    match open(text, "user_message")?.message {
        Value::String(message) => Some(message),
        other => Some(other.to_string()),
    }
}

/// The words of an alert, and what a summary saved; none if the text is not an alert.
#[must_use]
pub fn open_system_alert(text: &str) -> Option<(String, Option<CompactionStats>)> {
    let Opened { message, compaction_stats, .. } = open(text, "system_alert")?;
    let message = match message {
        Value::String(message) => message,
        other => other.to_string(),
    };
    Some((message, serde_json::from_value(compaction_stats).ok()))
}

/// How the note before a summary ends, which is one line. What follows it is the summary itself.
pub const SUMMARY_FOLLOWS: &str = "to save memory. This is a summary of them:\n\n";

/// The text of a summary without its envelope and its note, and what it saved.
#[must_use]
pub fn open_summary(text: &str) -> (String, Option<CompactionStats>) {
    let (text, stats) = open_system_alert(text).unwrap_or_else(|| (text.to_owned(), None));
    match text.split_once(SUMMARY_FOLLOWS) {
        Some((note, summary)) if !note.contains('\n') => (summary.to_owned(), stats),
        _ => (text, stats),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_is_opened_only_by_its_kind() {
        let user = Envelope::UserMessage { message: "Hi", time: "now" }.to_text();
        assert_eq!(user, r#"{"type":"user_message","message":"Hi","time":"now"}"#);
        assert_eq!(open_user_message(&user).as_deref(), Some("Hi"));
        assert_eq!(open_system_alert(&user), None);
        assert_eq!(open_user_message("{\"type\":\"user_message\"}"), None);
        let heartbeat = Envelope::Heartbeat { reason: "More to do.", time: "now" }.to_text();
        assert_eq!(heartbeat, r#"{"type":"heartbeat","reason":"More to do.","time":"now"}"#);
    }

    #[test]
    fn odd_statistics_in_an_alert_are_as_if_there_were_none() {
        let alert = Envelope::SystemAlert { message: "Short.", time: "now", compaction_stats: None }.to_text();
        assert_eq!(open_system_alert(&alert), Some(("Short.".to_owned(), None)));
        let odd = r#"{"type":"system_alert","message":"Short.","compaction_stats":{"trigger":7}}"#;
        assert_eq!(open_system_alert(odd), Some(("Short.".to_owned(), None)));
    }
}
