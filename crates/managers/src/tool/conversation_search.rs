//! `conversation_search`: from the arguments to a query over stored messages, and from what is found to what
//! the agent reads.

use chrono::TimeDelta;
use chrono_tz::Tz;
use serde_json::{Map, Value, json};

use crate::{
    orm::messages::{Found, SearchQuery},
    prompt::time::{instant, timezone},
    schema::{AgentId, ContentPart, MessageRole, StoredMessage, Timestamp},
};

const NAME: &str = "conversation_search";
const DEFAULT_LIMIT: i64 = 5;
const HIGHEST_LIMIT: i64 = 100;

/// What an agent asks of its past.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Search {
    text: Option<String>,
    roles: Vec<MessageRole>,
    limit: i64,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
    zone: Tz,
}

impl Search {
    /// Reads the arguments, which have been checked against the schema. Dates without an offset are in the
    /// agent's timezone.
    pub(super) fn new(args: &Map<String, Value>, timezone_name: &str) -> Result<Self, String> {
        let zone = timezone(timezone_name).unwrap_or(Tz::UTC);
        let text = |key: &str| args.get(key).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
        let date = |key: &str, end: bool| {
            text(key)
                .map(|date| {
                    instant(date, zone, end).ok_or_else(|| {
                        format!("Invalid {key} format: {date}. Use ISO 8601 format (YYYY-MM-DD or YYYY-MM-DDTHH:MM)")
                    })
                })
                .transpose()
        };
        let asked: Vec<&str> =
            args.get("roles").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        // What tools returned is not conversation: asking for it alone finds nothing.
        let roles = [MessageRole::User, MessageRole::Assistant];
        let roles = roles.into_iter().filter(|role| asked.is_empty() || asked.contains(&role.as_str())).collect();
        let limit = args.get("limit").and_then(Value::as_i64).unwrap_or(DEFAULT_LIMIT).clamp(1, HIGHEST_LIMIT);
        Ok(Self {
            text: text("query").map(str::to_owned),
            roles,
            limit,
            start: date("start_date", false)?,
            end: date("end_date", true)?,
            zone,
        })
    }

    /// The query, or none if nothing can be found.
    pub(super) fn query(&self, agent_id: AgentId) -> Option<SearchQuery<'_>> {
        (!self.roles.is_empty()).then_some(SearchQuery {
            agent_id: Some(agent_id),
            text: self.text.as_deref(),
            roles: &self.roles,
            start: self.start,
            end: self.end,
            // Some of what is found is not shown.
            limit: self.limit * 3,
            ..SearchQuery::default()
        })
    }

    /// What the agent gets to read.
    pub(super) fn result(&self, found: &[Found], now: Timestamp) -> Value {
        let results: Vec<Value> = found
            .iter()
            .filter_map(|found| Some(self.entry(found, shown(&found.message)?, now)))
            .take(usize::try_from(self.limit).unwrap_or_default())
            .collect();
        if results.is_empty() {
            return json!({"message": "No results found.", "results": []});
        }
        json!({"message": format!("Showing {} results:", results.len()), "results": results})
    }

    fn entry(&self, Found { message, rank }: &Found, content: Map<String, Value>, now: Timestamp) -> Value {
        let time = message.created_at.utc().with_timezone(&self.zone);
        let mut entry = Map::new();
        entry.insert("timestamp".into(), time.format("%Y-%m-%dT%H:%M:%S%:z").to_string().into());
        entry.insert("time_ago".into(), time_ago(now.utc() - message.created_at.utc()).into());
        entry.insert("role".into(), message.role.as_str().into());
        if self.text.is_some() {
            let relevance = match rank {
                Some(rank) => json!({"fts_rank": rank, "search_mode": "fts"}),
                None => json!({"search_mode": "sql"}),
            };
            entry.insert("relevance".into(), relevance);
        }
        for (key, value) in content {
            entry.entry(key).or_insert(value);
        }
        Value::Object(entry)
    }
}

fn time_ago(age: TimeDelta) -> String {
    let seconds = age.num_seconds().max(0);
    match seconds {
        0..60 => format!("{seconds}s ago"),
        60..3600 => format!("{}m ago", seconds / 60),
        3600..86400 => format!("{}h ago", seconds / 3600),
        _ => format!("{}d ago", seconds / 86400),
    }
}

/// What a result says of the message, or none if the message is no part of the conversation.
fn shown(message: &StoredMessage) -> Option<Map<String, Value>> {
    let calls = &message.tool_calls;
    if message.role == MessageRole::Tool || calls.iter().any(|call| call.function.name == NAME) {
        return None;
    }
    let text = text_of(message);
    let mut content = Map::new();
    if let Some(call) = calls.iter().find(|call| call.function.name == "send_message") {
        let args: Value = serde_json::from_str(&call.function.arguments).unwrap_or_default();
        content.insert("thinking".into(), text.into());
        content.insert("content".into(), args.get("message").cloned().unwrap_or_default());
        return Some(content);
    }
    if text.trim().is_empty() {
        return None;
    }
    // An envelope of the server is shown by its members; a heartbeat is nobody's word.
    match serde_json::from_str(&text) {
        Ok(Value::Object(envelope)) if envelope.get("type") == Some(&json!("heartbeat")) => return None,
        Ok(Value::Object(envelope)) => content = envelope,
        _ => {
            content.insert("content".into(), text.into());
        }
    }
    Some(content)
}

/// The text parts, one after the other.
fn text_of(message: &StoredMessage) -> String {
    message.content.iter().filter_map(ContentPart::as_text).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(args: Value, zone: &str) -> Result<Search, String> {
        Search::new(args.as_object().unwrap(), zone)
    }

    fn message(json: Value) -> Found {
        let mut message = json!({
            "id": "message-123e4567-e89b-42d3-8456-426614174000",
            "agent_id": "agent-123e4567-e89b-42d3-8456-426614174000",
            "role": "user", "created_at": "2025-03-02T09:15:00Z", "content": [],
        });
        for (key, value) in json.as_object().unwrap() {
            message[key] = value.clone();
        }
        Found { message: serde_json::from_value(message).unwrap(), rank: Some(1) }
    }

    fn text(text: &str) -> Value {
        json!([{"type": "text", "text": text}])
    }

    fn call(name: &str, arguments: &str) -> Value {
        json!([{"id": "c1", "type": "function", "function": {"name": name, "arguments": arguments}}])
    }

    #[test]
    fn dates_without_an_offset_are_in_the_agents_timezone_and_an_end_date_covers_its_day() {
        let args = json!({"start_date": "2025-03-01", "end_date": "2025-03-01"});
        let search = search(args, "Europe/Helsinki").unwrap();
        assert_eq!(search.start.unwrap().to_string(), "2025-02-28T22:00:00Z");
        assert_eq!(search.end.unwrap().to_string(), "2025-03-01T21:59:59.999999Z");
        let search =
            self::search(json!({"start_date": "2025-03-01T09:30", "end_date": "2025-03-01T09:30:00Z"}), "Asia/Tokyo");
        let search = search.unwrap();
        assert_eq!(search.start.unwrap().to_string(), "2025-03-01T00:30:00Z");
        assert_eq!(search.end.unwrap().to_string(), "2025-03-01T09:30:00Z");
        // In this hour the clocks go forward.
        let search = self::search(json!({"start_date": "2025-03-30T03:30"}), "Europe/Helsinki").unwrap();
        assert_eq!(search.start.unwrap().to_string(), "2025-03-30T01:30:00Z");
    }

    #[test]
    fn a_date_that_is_none_is_named_with_the_form_it_should_have() {
        for key in ["start_date", "end_date"] {
            for date in ["yesterday", "2025-13-01", "01.03.2025"] {
                let mut args = json!({});
                args[key] = date.into();
                let expected =
                    format!("Invalid {key} format: {date}. Use ISO 8601 format (YYYY-MM-DD or YYYY-MM-DDTHH:MM)");
                assert_eq!(search(args, "UTC").unwrap_err(), expected);
            }
        }
    }

    #[test]
    fn only_what_user_and_assistant_said_is_searched() {
        let agent = AgentId::random();
        let roles = |args| search(args, "UTC").unwrap().roles;
        assert_eq!(roles(json!({})), [MessageRole::User, MessageRole::Assistant]);
        assert_eq!(roles(json!({"roles": ["assistant", "tool"]})), [MessageRole::Assistant]);
        assert!(search(json!({"roles": ["tool"]}), "UTC").unwrap().query(agent).is_none());
        let search = search(json!({"query": "  ", "limit": 1_000_000}), "UTC").unwrap();
        assert_eq!((search.text, search.limit), (None, HIGHEST_LIMIT));
    }

    #[test]
    fn results_tell_when_who_and_what() {
        let now = Timestamp::parse("2025-03-02T12:20:00Z").unwrap();
        let search = search(json!({"query": "ship"}), "Europe/Paris").unwrap();
        let found = [
            message(json!({"content": text("we ship on friday")})),
            message(json!({"role": "tool", "content": text("{}")})),
            message(
                json!({"role": "assistant", "content": text("a"), "tool_calls": call("conversation_search", "{}")}),
            ),
            message(json!({"content": text(r#"{"type":"heartbeat","reason":"x"}"#)})),
            message(json!({"role": "assistant", "content": []})),
            message(json!({"content": text(r#"{"type":"user_message","message":"ship it","role":"x"}"#)})),
            message(json!({
                "role": "assistant", "content": text("hm"),
                "tool_calls": call("send_message", r#"{"message":"Shipped."}"#),
            })),
        ];
        let relevance = json!({"fts_rank": 1, "search_mode": "fts"});
        let (timestamp, time_ago) = ("2025-03-02T10:15:00+01:00", "3h ago");
        assert_eq!(
            search.result(&found, now),
            json!({"message": "Showing 3 results:", "results": [
                {"timestamp": timestamp, "time_ago": time_ago, "role": "user", "relevance": relevance,
                 "content": "we ship on friday"},
                {"timestamp": timestamp, "time_ago": time_ago, "role": "user", "relevance": relevance,
                 "type": "user_message", "message": "ship it"},
                {"timestamp": timestamp, "time_ago": time_ago, "role": "assistant", "relevance": relevance,
                 "thinking": "hm", "content": "Shipped."},
            ]})
        );
        assert_eq!(search.result(&[], now), json!({"message": "No results found.", "results": []}));
    }

    #[test]
    fn the_age_is_in_the_largest_whole_unit() {
        for (seconds, text) in [
            (-5, "0s ago"),
            (59, "59s ago"),
            (60, "1m ago"),
            (7199, "1h ago"),
            (86400, "1d ago"),
            (8_640_000, "100d ago"),
        ] {
            assert_eq!(time_ago(TimeDelta::seconds(seconds)), text);
        }
    }
}
