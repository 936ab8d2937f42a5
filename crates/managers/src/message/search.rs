//! Searching messages: from what is asked to a query, and from what is found to what is read.

use chrono::TimeDelta;
use muisti_orm::{
    Conn,
    messages::{self, Found, History, SearchQuery},
    schema::{
        AgentId, FoundAssistantMessage, FoundBase, FoundMessage, FoundReasoningMessage, FoundSystemMessage,
        FoundUserMessage, InvalidId, MessageRole, MessageSearchRequest, MessageSearchResult, RunRequestConfig,
        SearchAllMessagesRequest, StoredMessage, Timestamp, WireMessage, WireOptions,
    },
};

use super::MessageManager;
use crate::{Actor, Error, Result, agent::check, block::without_nul, error::FieldError};

/// What a rank counts: reciprocal rank fusion with its usual constant.
const RANK_OFFSET: f64 = 60.0;
/// The most messages that one search finds.
const MOST: i64 = 100;
/// The roles of messages that are something said. What tools returned is found by [`MessageManager::search_stored`].
const SAID: [MessageRole; 3] = [MessageRole::System, MessageRole::User, MessageRole::Assistant];

impl MessageManager<'_> {
    /// Searches what was said to and by all agents, the best match first.
    ///
    /// The limit counts stored messages: one that reasons and speaks is found as two.
    ///
    /// # Errors
    /// 422 for a limit or a conversation that is none.
    pub async fn search(&self, actor: &Actor, request: SearchAllMessagesRequest) -> Result<Vec<FoundMessage>> {
        let asked = Asked {
            text: Some(without_nul(request.query)),
            agent_id: request.agent_id,
            project_id: None,
            history: history(request.conversation_id.as_deref())?,
            roles: SAID.to_vec(),
            since: request.start_date,
            until: request.end_date,
            limit: limit(request.limit)?,
        };
        let found = self.find(actor, asked).await?;
        let options = RunRequestConfig::default().wire_options(true);
        Ok(found.iter().flat_map(|found| as_said(&found.message, &options)).collect())
    }

    /// Searches the stored messages of all agents, the best match first; without a query the newest.
    ///
    /// # Errors
    /// 422 for a limit or a conversation that is none.
    pub async fn search_stored(
        &self,
        actor: &Actor,
        request: MessageSearchRequest,
    ) -> Result<Vec<MessageSearchResult>> {
        check::list("roles", request.roles.as_deref().unwrap_or_default())?;
        let asked = Asked {
            text: request.query.map(without_nul),
            agent_id: request.agent_id,
            project_id: request.project_id,
            history: history(request.conversation_id.as_deref())?,
            roles: request.roles.unwrap_or_default(),
            since: request.start_date,
            until: request.end_date,
            limit: limit(request.limit)?,
        };
        let found = self.find(actor, asked).await?;
        Ok(found
            .into_iter()
            .map(|Found { message, rank }| result(message, Ranks { words: rank, meaning: None }))
            .collect())
    }

    async fn find(&self, actor: &Actor, asked: Asked) -> Result<Vec<Found>> {
        let organization = actor.organization_id;
        let read = move |conn: &mut Conn| messages::search(conn, organization, &asked.query()).map_err(Error::from);
        self.0.db().read(read).await
    }
}

/// What is asked, checked.
struct Asked {
    text: Option<String>,
    agent_id: Option<AgentId>,
    project_id: Option<String>,
    history: History,
    roles: Vec<MessageRole>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    limit: i64,
}

impl Asked {
    fn query(&self) -> SearchQuery<'_> {
        // Times are stored to the microsecond: the first one after the start.
        let after = self.since.map(|since| Timestamp::from(since.utc() + TimeDelta::microseconds(1)));
        SearchQuery {
            agent_id: self.agent_id,
            project_id: self.project_id.as_deref(),
            history: self.history,
            text: self.text.as_deref(),
            roles: &self.roles,
            start: after,
            end: self.until,
            limit: self.limit,
        }
    }
}

fn history(conversation: Option<&str>) -> Result<History> {
    conversation
        .map_or(Ok(History::Any), str::parse)
        .map_err(|error: InvalidId| Error::Unprocessable(vec![FieldError::body("conversation_id", error.to_string())]))
}

fn limit(limit: i64) -> Result<i64> {
    if (1..=MOST).contains(&limit) {
        return Ok(limit);
    }
    let message = format!("limit is {limit}, but it must be a number of messages from 1 to {MOST}.");
    Err(Error::Unprocessable(vec![FieldError::body("limit", message)]))
}

/// The places of a message among the results of each kind of search, from 1.
#[derive(Debug, Clone, Copy, Default)]
struct Ranks {
    words: Option<i64>,
    meaning: Option<i64>,
}

impl Ranks {
    #[expect(clippy::cast_precision_loss, reason = "ranks are small")]
    fn score(self) -> f64 {
        [self.words, self.meaning].into_iter().flatten().map(|rank| 1.0 / (RANK_OFFSET + rank as f64)).sum()
    }
}

fn result(message: StoredMessage, ranks: Ranks) -> MessageSearchResult {
    MessageSearchResult {
        embedded_text: messages::search_text(&message).unwrap_or_default(),
        message,
        fts_rank: ranks.words,
        vector_rank: ranks.meaning,
        rrf_score: ranks.score(),
    }
}

/// What a message says, part by part, without what it does.
fn as_said(message: &StoredMessage, options: &WireOptions) -> Vec<FoundMessage> {
    let base = FoundBase {
        message_id: message.id,
        agent_id: Some(message.agent_id),
        conversation_id: message.conversation_id,
        created_at: message.created_at,
    };
    let said = message.to_wire(options).into_iter().filter_map(|part| {
        let base = base.clone();
        Some(match part {
            WireMessage::System(part) => FoundSystemMessage { base, content: part.content }.into(),
            WireMessage::User(part) => FoundUserMessage { base, content: part.content }.into(),
            WireMessage::Reasoning(part) => FoundReasoningMessage { base, reasoning: part.reasoning }.into(),
            WireMessage::Assistant(part) => FoundAssistantMessage { base, content: part.content }.into(),
            _ => return None,
        })
    });
    said.collect()
}

#[cfg(test)]
mod tests {
    use muisti_orm::schema::{ContentPart, FunctionToolCall};

    use super::*;

    #[test]
    fn ranks_add_up_to_a_score() {
        let score = |words, meaning| Ranks { words, meaning }.score();
        assert!((score(Some(1), None) - 1.0 / 61.0).abs() < 1e-12);
        assert!((score(Some(2), Some(3)) - (1.0 / 62.0 + 1.0 / 63.0)).abs() < 1e-12);
        assert!(score(None, None).abs() < 1e-12);
        assert!(score(Some(5), Some(5)) > score(Some(1), None));
    }

    #[test]
    fn a_message_is_found_as_what_it_says_and_not_as_what_it_does() {
        let mut message =
            StoredMessage::new(AgentId::random(), MessageRole::Assistant, vec![ContentPart::text("Here you are.")]);
        message.tool_calls.push(FunctionToolCall::new("1", "f", "{}"));
        message.tool_calls.push(FunctionToolCall::new("2", "send_message", r#"{"message":"Hello."}"#));
        let said = as_said(&message, &RunRequestConfig::default().wire_options(true));
        let said = serde_json::to_value(said).unwrap();
        assert_eq!(said.as_array().unwrap().len(), 2);
        assert_eq!(said[0]["message_type"], "assistant_message");
        assert_eq!(said[0]["message_id"], message.id.to_string());
        assert_eq!(said[1]["content"], "Hello.");
    }

    #[test]
    fn limits_and_conversations_are_checked() {
        assert!(limit(0).is_err() && limit(101).is_err() && limit(1).is_ok() && limit(100).is_ok());
        assert_eq!(history(Some("default")).unwrap(), History::Default);
        assert!(history(Some("agent-1")).is_err());
    }
}
