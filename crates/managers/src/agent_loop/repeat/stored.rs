//! What became of the run that a request has made, from what is stored: for a client that asks again when the process
//! that knew it is gone, or another one.

use std::time::Duration;

use muisti_orm::{
    Conn, Order, Page, agents, frames,
    histories::{self, HistoryId},
    leases,
    messages::{self, MessageFilter},
    runs,
    schema::{
        ErrorMessage, MessageRole, OrganizationId, Run, RunId, SendResponse, StopReason, StoredMessage, StreamEvent,
        to_wire_list,
    },
};

use crate::{
    Actor, Error, Result, Services, agent_loop::pending::Pending, callback::usage, message::speaks_in_text,
    run::missing,
};

/// How often it is looked whether the run has ended, perhaps on another node.
const POLL: Duration = Duration::from_millis(250);
/// The most messages of a run that are told again.
const MAX_MESSAGES: i64 = 10_000;

/// What became of a run.
pub(in crate::agent_loop) enum Told {
    /// It came to its end, and said this.
    Answer(SendResponse),
    /// It failed, and something of it is in the history.
    Failed(ErrorMessage),
    /// It failed, and nothing of it was kept: the request is as if it had never come.
    Nothing(ErrorMessage),
}

impl Told {
    /// What a stream of it would have shown.
    pub(in crate::agent_loop) fn into_events(self) -> Vec<StreamEvent> {
        match self {
            Self::Answer(answer) => {
                let said = answer.messages.into_iter().map(StreamEvent::Message);
                said.chain([StreamEvent::StopReason(answer.stop_reason), StreamEvent::Usage(answer.usage)]).collect()
            }
            Self::Failed(error) | Self::Nothing(error) => {
                vec![StreamEvent::StopReason(StopReason::Error.into()), StreamEvent::Error(error)]
            }
        }
    }
}

/// Waits for the end of a run, and tells what became of it.
///
/// # Errors
/// 404 when the run was deleted, 503 when the server stops first.
pub(in crate::agent_loop) async fn told(services: &Services, actor: &Actor, run: RunId) -> Result<Told> {
    let organization = actor.organization_id;
    loop {
        if let Some(told) = services.db().read(move |conn| look(conn, organization, run)).await? {
            if matches!(told, Told::Nothing(_)) {
                services.db().write(move |conn| frames::free_token(conn, run)).await?;
            }
            return Ok(told);
        }
        // A run that lives here is ended with the server.
        if services.node().is_closing() && !services.node().runs().contains(&run) {
            return Err(Error::Unavailable("The server is shutting down. Send the request again in a moment.".into()));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// What became of a run; none while somebody works on it, if only to wind it up.
fn look(conn: &mut Conn, organization: OrganizationId, id: RunId) -> Result<Option<Told>> {
    let run = runs::get(conn, organization, id)?.ok_or_else(|| missing(id))?;
    let history = HistoryId { agent_id: run.agent_id, conversation_id: run.conversation_id };
    if run.status.is_going() || leases::is_held_by(conn, &history.key(), id)? {
        return Ok(None);
    }
    let filter = MessageFilter { run_id: Some(id), ..Default::default() };
    let rows = messages::list(conn, organization, &filter, &Page::first(MAX_MESSAGES, Order::Asc))?;
    let error = run.metadata.as_ref().and_then(|metadata| metadata.get("error")).cloned();
    if let Some(error) = error.and_then(|error| serde_json::from_value(error).ok()) {
        return Ok(Some(if rows.is_empty() { Told::Nothing(error) } else { Told::Failed(error) }));
    }
    answer(conn, organization, &run, history, rows).map(|answer| Some(Told::Answer(answer)))
}

/// The answer of a run as it was given at its end.
fn answer(
    conn: &mut Conn,
    organization: OrganizationId,
    run: &Run,
    history: HistoryId,
    rows: Vec<StoredMessage>,
) -> Result<SendResponse> {
    let stop_reason = run.stop_reason.unwrap_or(StopReason::EndTurn);
    let mut said = said(rows);
    if stop_reason == StopReason::RequiresApproval && !said.iter().any(StoredMessage::is_approval_request) {
        // It took a part of the answers, and was shown what still waits.
        let context = histories::context(conn, organization, &history)?.unwrap_or_default();
        said.extend(Pending::find(conn, organization, &context)?.map(|pending| pending.remaining_request()));
    }
    let agent = agents::get(conn, organization, run.agent_id)?;
    let in_text = agent.is_none_or(|agent| speaks_in_text(agent.agent_type));
    let options = run.request_config.clone().unwrap_or_default().wire_options(in_text);
    let messages = to_wire_list(&said, &options);
    let usage = usage(conn, organization, run.id)?;
    Ok(SendResponse { messages, stop_reason: stop_reason.into(), usage, logprobs: None, turns: None })
}

/// Of the messages of a run what its client was shown: not its own input, which has ids of the client's, and not what
/// the server did in the user's place.
fn said(rows: Vec<StoredMessage>) -> Vec<StoredMessage> {
    let mut given_up = false;
    let is_said = |row: &StoredMessage| match row.role {
        MessageRole::Approval if !row.is_approval_request() => {
            given_up = row.otid.is_none();
            false
        }
        MessageRole::Tool => !std::mem::take(&mut given_up),
        MessageRole::Approval => true,
        MessageRole::Assistant => row.otid.is_none(),
        _ => false,
    };
    rows.into_iter().filter(is_said).collect()
}

#[cfg(test)]
mod tests {
    use muisti_orm::schema::{AgentId, ContentPart, FunctionToolCall};

    use super::*;

    #[test]
    fn what_was_said_is_neither_what_was_sent_nor_what_the_server_did_for_the_user() {
        let agent = AgentId::random();
        let row = |role: MessageRole, otid: Option<&str>| StoredMessage {
            otid: otid.map(str::to_owned),
            ..StoredMessage::new(agent, role, vec![ContentPart::text("x")])
        };
        let mut request = row(MessageRole::Approval, Some("message-1"));
        request.tool_calls = vec![FunctionToolCall::new("a", "f", "{}")];
        let rows = vec![
            row(MessageRole::Approval, None),
            row(MessageRole::Tool, None),
            row(MessageRole::User, Some("mine")),
            row(MessageRole::Assistant, Some("put in its mouth")),
            row(MessageRole::Assistant, None),
            row(MessageRole::Tool, None),
            row(MessageRole::User, Some("a reminder")),
            request,
        ];
        let shown: Vec<_> = said(rows).into_iter().map(|row| row.role).collect();
        assert_eq!(shown, [MessageRole::Assistant, MessageRole::Tool, MessageRole::Approval]);
        let answered = vec![row(MessageRole::Approval, Some("mine")), row(MessageRole::Tool, None)];
        assert_eq!(said(answered).len(), 1, "what came of an answer of the client's is shown");
    }
}
