//! Tool calls that wait for the client, and its answers.
//!
//! What is pending is not a state of its own: it is read from the end of the history. An approval request that no tool
//! message follows is pending; the approvals that were given after it, in one message or in several, are its answers.

use std::{collections::HashSet, time::Duration};

use muisti_orm::{
    Conn, agents,
    histories::{self, HistoryId},
    messages, runs,
    schema::{
        ApprovalReturn, ConversationId, FunctionToolCall, MessageId, MessageRole, OrganizationId, RunId, StopReason,
        StoredApproval, StoredMessage, Timestamp, python_text,
    },
};

use super::draft::Draft;
use crate::{
    Actor,
    error::{Error, PendingCalls, Result},
    tool::ToolOutcome,
};

/// Why calls are denied that somebody has given up.
const RESET: &str = "What was pending was reset, so the tool call was denied.";
/// How many messages at the end of a context are read at first to find what is pending.
const TAIL: usize = 8;

/// The tool calls of an answer of the model that wait for the client.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    /// The approval request. Its calls are those that the client decides on.
    pub(super) request: StoredMessage,
    /// The calls of the same answer that nobody needs to decide on. They wait along.
    free: Vec<FunctionToolCall>,
    /// What the client has said so far.
    answers: Vec<StoredApproval>,
    /// The run that asked, and those that brought a part of the answers.
    runs: Vec<RunId>,
}

/// Where and by whom calls are dealt with that were asked about earlier.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// The conversation that goes on: the one of the request, or a fork of it. None for a default history.
    pub(super) conversation: Option<ConversationId>,
    /// The run that deals with them.
    pub(super) run: Option<RunId>,
    /// The time that the model is told is the agent's.
    pub(super) timezone: &'a str,
}

/// What an answer of the client leads to.
pub(super) enum Answered {
    /// Every call is decided on.
    All(Draft),
    /// Some calls still wait.
    Some(Pending),
}

impl Pending {
    /// What waits at the end of the history with these messages in context, of which as few as possible are read.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(super) fn find(conn: &mut Conn, organization: OrganizationId, context: &[MessageId]) -> Result<Option<Self>> {
        let mut length = TAIL;
        loop {
            let tail = context.get(context.len().saturating_sub(length)..).unwrap_or_default();
            let tail_messages = messages::by_ids(conn, organization, tail)?;
            // Before the answers there must be the request, and before that what was said with it.
            let whole = tail_messages.iter().rposition(|message| !is_answer(message)).is_some_and(|place| place > 0);
            if whole || tail.len() == context.len() {
                return Ok(Self::at_end_of(&tail_messages));
            }
            length = length.saturating_mul(4);
        }
    }

    /// What waits at the end of this history.
    pub(super) fn at_end_of(history: &[StoredMessage]) -> Option<Self> {
        let answers_from = history.iter().rposition(|message| !is_answer(message))?;
        let (before, rest) = history.split_at_checked(answers_from)?;
        let (request, given) = rest.split_first()?;
        if !request.is_approval_request() {
            return None;
        }
        // Neither has a step when they come from elsewhere, or their run was deleted.
        let same_answer =
            |message: &&StoredMessage| message.role == MessageRole::Assistant && message.step_id == request.step_id;
        let free = before.last().filter(same_answer).map(|message| message.tool_calls.clone());
        let answers = given.iter().flat_map(|message| message.approvals.iter().cloned()).collect();
        let runs = rest.iter().filter_map(|message| message.run_id).collect();
        let pending = Self { request: request.clone(), free: free.unwrap_or_default(), answers, runs };
        let waits = pending.open().next().is_some();
        waits.then_some(pending)
    }

    /// The calls that the client has not decided on.
    fn open(&self) -> impl Iterator<Item = &FunctionToolCall> {
        let decided: HashSet<&str> = self.answers.iter().filter_map(call_id).collect();
        self.request.tool_calls.iter().filter(move |call| !decided.contains(call.id.as_str()))
    }

    /// Whether this run asked, or brought a part of the answers.
    pub(super) fn concerns(&self, run: RunId) -> bool {
        self.runs.contains(&run)
    }

    /// What waits, as clients are told.
    pub(super) fn calls(&self) -> PendingCalls {
        PendingCalls {
            request_id: self.request.id,
            tool_call_ids: self.open().map(|call| call.id.clone()).collect(),
            run_id: self.request.run_id,
        }
    }

    /// The request as it would be made now, with the calls that still wait.
    pub(super) fn remaining_request(&self) -> StoredMessage {
        let mut request = self.request.clone();
        request.content.clear();
        request.tool_calls = self.open().cloned().collect();
        request
    }

    /// Whether the request is older than it may get.
    pub(super) fn is_expired(&self, lifetime: Option<Duration>) -> bool {
        let age = Timestamp::now().utc().signed_duration_since(self.request.created_at.utc()).to_std();
        lifetime.is_some_and(|lifetime| age.is_ok_and(|age| age > lifetime))
    }

    /// Takes an answer of the client, which must be about calls that wait. Those that it has decided on before may be
    /// among them; what it said first counts, and nothing else is left in the answer.
    ///
    /// # Errors
    /// 400 for an answer about other calls, or about none.
    pub(super) fn answer(mut self, answer: &mut StoredMessage, place: Place<'_>) -> Result<Answered> {
        self.understand_old_clients(answer);
        self.check(answer)?;
        let mut decided: HashSet<String> = self.answers.iter().filter_map(call_id).map(str::to_owned).collect();
        answer.approvals.retain(|approval| call_id(approval).is_some_and(|id| decided.insert(id.to_owned())));
        self.answers.extend(answer.approvals.iter().cloned());
        if self.open().next().is_some() {
            return Ok(Answered::Some(self));
        }
        Ok(Answered::All(self.into_draft(place)))
    }

    /// Whether an answer is about calls that wait.
    ///
    /// # Errors
    /// 400 for an answer about other calls, or about none.
    fn check(&self, answer: &StoredMessage) -> Result<()> {
        if answer.approvals.is_empty() {
            return Err(Error::InvalidApproval {
                message: "Invalid approval response. Approval response message does not contain any approvals.".into(),
                pending: Some(Box::new(self.calls())),
            });
        }
        let known = |id: &&str| self.request.tool_calls.iter().any(|call| call.id == **id);
        if !self.is_of_old_client(answer) && !answer.approvals.iter().filter_map(call_id).all(|id| known(&id)) {
            let pending = self.calls();
            let received = answer.approvals.iter().filter_map(call_id).map(str::to_owned).collect::<Vec<_>>();
            return Err(Error::InvalidApproval {
                message: format!(
                    "Invalid tool call IDs. Expected '{}', but received '{}'.",
                    list_in_python(&pending.tool_call_ids),
                    list_in_python(&received)
                ),
                pending: Some(Box::new(pending)),
            });
        }
        Ok(())
    }

    /// Old clients name the request where today's name the call, which is the only one that waits.
    fn is_of_old_client(&self, answer: &StoredMessage) -> bool {
        let names_request = |answer: &StoredApproval| call_id(answer) == Some(&self.request.id.to_string());
        matches!(answer.approvals.as_slice(), [answer] if names_request(answer)) && self.open().count() == 1
    }

    fn understand_old_clients(&self, answer: &mut StoredMessage) {
        if self.is_of_old_client(answer)
            && let ([given], Some(call)) = (answer.approvals.as_mut_slice(), self.open().next())
        {
            match given {
                StoredApproval::Approval(approval) => approval.tool_call_id.clone_from(&call.id),
                StoredApproval::Tool(returned) => returned.tool_call_id = Some(call.id.clone()),
            }
        }
    }

    /// The calls as they are carried out: what the client's own tools returned and what it denied have ended already,
    /// what it approved and what needed no approval is still to be done. The returns come in this order.
    fn into_draft(self, place: Place<'_>) -> Draft {
        let Self { request, free, answers, .. } = self;
        let mut draft = Draft::of_request(&request, place.conversation, place.run, place.timezone);
        let answer_of = |call: &FunctionToolCall| answers.iter().find(|answer| call_id(answer) == Some(&call.id));
        let (mut denied, mut approved) = (Vec::new(), Vec::new());
        for call in request.tool_calls {
            match answer_of(&call) {
                Some(StoredApproval::Tool(tool)) => draft.push_returned(call, tool.clone()),
                Some(StoredApproval::Approval(approval)) if approval.approve => approved.push(call),
                Some(StoredApproval::Approval(approval)) => denied.push((call, denial(approval.reason.as_deref()))),
                None => {}
            }
        }
        denied.into_iter().for_each(|(call, outcome)| draft.push_denied(call, outcome));
        approved.into_iter().chain(free).for_each(|call| draft.push(call));
        draft
    }

    /// Gives up what is pending, for this reason. What the client's own tools have returned stays; nothing is carried
    /// out. Gives the messages that end it: the denials, and a return for every call.
    pub(super) fn give_up(mut self, reason: &str, place: Place<'_>) -> Vec<StoredMessage> {
        let mut denials = StoredMessage::new(self.request.agent_id, MessageRole::Approval, Vec::new());
        denials.conversation_id = place.conversation;
        denials.step_id = self.request.step_id;
        denials.run_id = place.run;
        denials.approvals = self.denials(reason);
        denials.approve = Some(false);
        denials.approval_request_id = Some(self.request.id.to_string());
        denials.denial_reason = Some(reason.to_owned());
        self.answers.extend(denials.approvals.iter().cloned());
        let mut draft = self.into_draft(place);
        draft.settle(|_, _| ToolOutcome::refused(reason));
        let mut messages = vec![denials];
        messages.extend(draft.into_messages());
        messages
    }

    /// Denials of all calls that still wait.
    fn denials(&self, reason: &str) -> Vec<StoredApproval> {
        let deny = |call: &FunctionToolCall| {
            let (tool_call_id, reason) = (call.id.clone(), Some(reason.to_owned()));
            StoredApproval::Approval(ApprovalReturn { tool_call_id, approve: false, reason })
        };
        self.open().map(deny).collect()
    }
}

/// The request for what waits at the end of the history with these messages in context, as it would be made now.
///
/// # Errors
/// When the database cannot be read.
pub(crate) fn pending_request(
    conn: &mut Conn,
    organization: OrganizationId,
    context: &[MessageId],
) -> Result<Option<StoredMessage>> {
    Ok(Pending::find(conn, organization, context)?.map(|pending| pending.remaining_request()))
}

/// Denies what waits at the end of a history, if it concerns this run; none: whatever it is. Gives what waited.
///
/// # Errors
/// 404 when there is no such history.
pub(super) fn give_up(
    conn: &mut Conn,
    actor: &Actor,
    history: HistoryId,
    run: Option<RunId>,
    reason: &str,
) -> Result<Option<PendingCalls>> {
    let pending = at_end(conn, actor.organization_id, history)?;
    let Some(pending) = pending.filter(|pending| run.is_none_or(|run| pending.concerns(run))) else { return Ok(None) };
    let calls = pending.calls();
    let agent = agents::get(conn, actor.organization_id, history.agent_id)?;
    let timezone = agent.and_then(|agent| agent.timezone);
    let place = Place {
        conversation: history.conversation_id,
        run: run.or(calls.run_id),
        timezone: timezone.as_deref().unwrap_or("UTC"),
    };
    let settled = pending.give_up(reason, place);
    messages::insert(conn, actor, &settled)?;
    let ids: Vec<MessageId> = settled.iter().map(|message| message.id).collect();
    histories::append(conn, actor, &history, &ids)?;
    Ok(Some(calls))
}

/// [`give_up`] for somebody who does away with whatever waits: the run that asked ends as cancelled with it.
///
/// # Errors
/// 404 when there is no such history.
pub(crate) fn reset_pending(conn: &mut Conn, actor: &Actor, history: HistoryId) -> Result<Option<PendingCalls>> {
    let Some(calls) = give_up(conn, actor, history, None, RESET)? else { return Ok(None) };
    if let Some(run) = calls.run_id {
        runs::cancel(conn, actor.organization_id, run)?;
    }
    let stopped = Some(Some(StopReason::Cancelled));
    let changes = agents::AgentChanges { last_stop_reason: stopped, ..Default::default() };
    agents::update(conn, actor, history.agent_id, changes)?;
    Ok(Some(calls))
}

/// What waits for the client at the end of a history.
///
/// # Errors
/// 404 when there is no such history.
pub(super) fn at_end(conn: &mut Conn, organization: OrganizationId, history: HistoryId) -> Result<Option<Pending>> {
    let context = histories::context(conn, organization, &history)?.ok_or_else(|| match history.conversation_id {
        Some(id) => Error::missing("Conversation", id),
        None => Error::missing("Agent", history.agent_id),
    })?;
    Pending::find(conn, organization, &context)
}

/// What waits for the client at the end of this history.
pub(crate) fn pending_calls(history: &[StoredMessage]) -> Option<PendingCalls> {
    Pending::at_end_of(history).map(|pending| pending.calls())
}

fn is_answer(message: &StoredMessage) -> bool {
    message.role == MessageRole::Approval && !message.is_approval_request()
}

/// The call that an answer is about.
pub(super) fn call_id(answer: &StoredApproval) -> Option<&str> {
    match answer {
        StoredApproval::Approval(approval) => Some(&approval.tool_call_id),
        StoredApproval::Tool(tool) => tool.tool_call_id.as_deref(),
    }
}

/// What the model reads of a call that the client has denied.
fn denial(reason: Option<&str>) -> ToolOutcome {
    ToolOutcome::refused(format!("Error: request to call tool denied. User reason: {}", reason.unwrap_or("None")))
}

/// Clients read the ids out of the sentence in this form.
fn list_in_python(ids: &[String]) -> String {
    python_text(&ids.iter().map(String::as_str).collect())
}

/// Whether one of these messages has already returned what `answer` decides about: then it has come before.
pub(super) fn is_repeat(answer: &StoredMessage, returns: &[&StoredMessage]) -> bool {
    let ids: Vec<&str> = answer.approvals.iter().filter_map(call_id).collect();
    !ids.is_empty()
        && returns.iter().any(|message| {
            let returned: HashSet<&str> = message.returned_call_ids().collect();
            ids.iter().all(|id| returned.contains(id))
        })
}

#[cfg(test)]
mod tests;
