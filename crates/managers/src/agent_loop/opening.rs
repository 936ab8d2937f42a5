//! How a turn begins: what its input means for a history at whose end calls may wait for the client.

use std::collections::HashSet;

use muisti_orm::{
    Conn, agents,
    histories::{self, HistoryId},
    messages,
    schema::{ContentPart, MessageId, MessageRole, OrganizationId, RunId, StoredMessage},
};
use uuid::Uuid;

use super::{
    accept::WhenPending,
    calls::UnderWay,
    halt::Turned,
    loaded::{ChatModel, Loaded},
    pending::{Answered, Pending, is_repeat},
    step::OpenStep,
    turn::{Commit, Turn, Work},
};
use crate::{Error, Result};

/// How many of the last tool messages are looked at for whether an answer has come before.
const REPEATS_LOOKED_AT: usize = 10;
/// What the model reads in place of an answer that it has had already, when nothing else was sent.
const KEEP_ALIVE: &str = "<system-alert>This is an automated keep-alive ping: the tool results above have been \
                          delivered again. There is nothing to answer; ignore it.</system-alert>";
/// Why calls are denied that waited when the user went on.
const PASSED_OVER: &str = "The user went on without deciding on this tool call, so it was denied.";
/// Why calls are denied that waited for too long.
const EXPIRED: &str = "Nobody decided on this tool call in time, so it was denied.";

impl Turn {
    /// Whether the input fits the end of the history, as it is before the turn begins.
    ///
    /// # Errors
    /// 409 and 400 as [`Self::begin`], which decides.
    pub(super) async fn check_beginning(&self, loaded: &Loaded) -> Result<()> {
        match (Pending::at_end_of(&loaded.context), answer_in(&self.input)) {
            (Some(pending), Some(answer)) => check_answer(&pending, answer, self.input.len() > 1),
            (Some(pending), None) if self.why_given_up(&pending).is_none() => {
                Err(Error::PendingApproval(Box::new(pending.calls())))
            }
            (None, Some(answer)) if !self.is_repeat(answer, &loaded.context).await? => Err(nothing_pending()),
            _ => Ok(()),
        }
    }

    /// Why what is pending is denied before anything else, if it is.
    fn why_given_up(&self, pending: &Pending) -> Option<&'static str> {
        if pending.is_expired(self.services.settings().approval_lifetime) {
            return Some(EXPIRED);
        }
        let passes_over = self.request.when_pending == WhenPending::Deny && answer_in(&self.input).is_none();
        passes_over.then_some(PASSED_OVER)
    }

    /// Finds out what is to be done first. Afterwards the input is part of the context that the model will see.
    pub(super) async fn begin(&mut self, loaded: &mut Loaded, model: &ChatModel) -> Turned<Work> {
        if let Some(stop) = self.stop {
            self.end(stop).await?;
            return Ok(Work::Stop(stop));
        }
        if self.under_way.is_some() {
            // Taken over from another process, in the middle of a step.
            loaded.context.extend(self.input.iter().cloned());
            return Ok(Work::CarryOut);
        }
        let answers = answer_in(&self.input).is_some();
        let mut pending = Pending::at_end_of(&loaded.context);
        let reason = pending.as_ref().and_then(|pending| self.why_given_up(pending));
        if let (Some(reason), Some(given_up)) = (reason, pending.take_if(|_| reason.is_some())) {
            let settled = given_up.give_up(reason, Some(self.run_id), loaded.timezone());
            loaded.context.extend(settled.iter().cloned());
            self.input.splice(..0, settled);
            self.rewritten = true;
        }
        let work = match (pending, answers) {
            (Some(pending), true) => return self.take_answer(pending, loaded).await,
            (Some(pending), false) => return Err(Error::PendingApproval(Box::new(pending.calls())).into()),
            (None, true) => {
                self.drop_repeat(loaded, reason.is_some()).await?;
                self.ask_next(loaded, model)
            }
            (None, false) => self.ask_next(loaded, model),
        };
        if let (Work::Ask(step), None) = (&work, self.open) {
            self.open_step(step, loaded).await?;
        }
        Ok(work)
    }

    /// The work of asking the model, with the input in its context. A step may be there already.
    fn ask_next(&mut self, loaded: &mut Loaded, model: &ChatModel) -> Work {
        // What the server said in giving up what was pending is in the context already.
        let known: HashSet<MessageId> = loaded.context.iter().map(|message| message.id).collect();
        loaded.context.extend(self.input.iter().filter(|message| !known.contains(&message.id)).cloned());
        let step = OpenStep::new(model);
        Work::Ask(match self.open {
            Some(id) => step.with_id(id),
            None => step,
        })
    }

    /// Deals with an answer to what is pending. What was sent after it waits until the calls are carried out.
    async fn take_answer(&mut self, pending: Pending, loaded: &mut Loaded) -> Turned<Work> {
        let mut input = std::mem::take(&mut self.input).into_iter();
        let Some(mut answer) = input.next() else { return Err(Error::Internal("no answer to take".to_owned()).into()) };
        let followed: Vec<StoredMessage> = input.collect();
        check_answer(&pending, &answer, !followed.is_empty())?;
        let answered = pending.answer(&mut answer, self.run_id, loaded.timezone())?;
        loaded.context.push(answer.clone());
        match answered {
            Answered::All(draft) => {
                self.input = vec![answer];
                self.deferred = followed;
                let input = Some(self.input.clone());
                self.under_way = Some(UnderWay { step: None, usage: None, wakes: true, input, draft });
                Ok(Work::CarryOut)
            }
            Answered::Some(pending) => {
                // What was said before is not said again.
                self.input = Some(answer).filter(|answer| !answer.approvals.is_empty()).into_iter().collect();
                self.wait_on(&pending).await
            }
        }
    }

    /// Stores an answer to a part of what is pending. The rest waits on.
    async fn wait_on(&mut self, pending: &Pending) -> Turned<Work> {
        let stop = muisti_orm::schema::StopReason::RequiresApproval;
        let remaining = pending.remaining_request();
        self.input.iter_mut().for_each(|answer| answer.step_id = remaining.step_id);
        // No model says it, so a token stream has not had it in pieces.
        let shown = self.as_events(&[remaining]);
        let commit = Commit {
            step: None,
            new: Vec::new(),
            tools: Vec::new(),
            next: None,
            stop: Some(stop),
            hold_end: false,
            also_shown: shown,
        };
        self.commit(commit).await?;
        Ok(Work::Stop(stop))
    }

    /// Takes an answer out of the input that has come before: what it decides on has returned.
    ///
    /// # Errors
    /// 400 for an answer to nothing.
    async fn drop_repeat(&mut self, loaded: &Loaded, just_settled: bool) -> Result<()> {
        let answer = self.input.iter().position(|message| {
            // Denials that the server has just given in the client's place are no answer of the client.
            message.role == MessageRole::Approval && message.otid.is_some()
        });
        let Some(place) = answer else { return Ok(()) };
        let answer = self.input.remove(place);
        self.rewritten = true;
        if just_settled {
            return Ok(());
        }
        if !self.is_repeat(&answer, &loaded.context).await? {
            return Err(nothing_pending());
        }
        if self.input.is_empty() {
            self.input.push(self.user_message(KEEP_ALIVE));
        }
        Ok(())
    }

    /// What the server says in the user's place.
    pub(super) fn user_message(&self, text: impl Into<String>) -> StoredMessage {
        let mut message = StoredMessage::new(self.history.agent_id, MessageRole::User, vec![ContentPart::text(text)]);
        message.conversation_id = self.history.conversation_id;
        message.run_id = Some(self.run_id);
        message.otid = Some(Uuid::new_v4().to_string());
        message
    }

    /// Whether what an answer decides on has returned already.
    async fn is_repeat(&self, answer: &StoredMessage, context: &[StoredMessage]) -> Result<bool> {
        let tool_rows = context.iter().rev().filter(|message| message.role == MessageRole::Tool);
        let mut returns: Vec<&StoredMessage> = tool_rows.take(REPEATS_LOOKED_AT).collect();
        // Where none is left in context they may have been compacted away.
        let newest = if returns.is_empty() { self.newest_returns().await? } else { None };
        returns.extend(&newest);
        Ok(is_repeat(answer, &returns))
    }

    /// The newest tool message of the whole history.
    async fn newest_returns(&self) -> Result<Option<StoredMessage>> {
        let (organization, history) = (self.actor.organization_id, self.history);
        let read = move |conn: &mut Conn| messages::newest_returns(conn, organization, history);
        self.services.db().read(read).await.map_err(Error::from)
    }
}

/// What of the input goes into the history of a run that ends before it has begun, although its client was told that
/// the input is taken. `denies` says whether the run was to deny what waits for the client.
///
/// Calls that wait must not be buried under other messages, so what would have been refused does not stay, nor does an
/// answer to them: they wait on, and the client can give it again.
pub(super) fn what_stays(
    conn: &mut Conn,
    organization: OrganizationId,
    history: HistoryId,
    run: RunId,
    input: Vec<StoredMessage>,
    denies: bool,
) -> Result<Vec<StoredMessage>> {
    let context = histories::context(conn, organization, &history)?.unwrap_or_default();
    let answers = answer_in(&input).is_some();
    match Pending::find(conn, organization, &context)? {
        Some(pending) if denies && !answers => {
            let agent = agents::get(conn, organization, history.agent_id)?;
            let timezone = agent.and_then(|agent| agent.timezone);
            let settled = pending.give_up(PASSED_OVER, Some(run), timezone.as_deref().unwrap_or("UTC"));
            Ok(settled.into_iter().chain(input).collect())
        }
        Some(_) => Ok(Vec::new()),
        None if answers => Ok(input.into_iter().skip(1).collect()),
        None => Ok(input),
    }
}

/// The answer of the client among some input, which is its first message.
fn answer_in(input: &[StoredMessage]) -> Option<&StoredMessage> {
    input.first().filter(|first| first.role == MessageRole::Approval)
}

/// Whether an answer can be taken. Before all calls are decided on nothing can be said after it.
fn check_answer(pending: &Pending, answer: &StoredMessage, followed: bool) -> Result<()> {
    pending.check(answer)?;
    if followed && pending.outlasts(answer) {
        return Err(Error::PendingApproval(Box::new(pending.calls())));
    }
    Ok(())
}

fn nothing_pending() -> Error {
    Error::InvalidApproval {
        message:
            "Cannot process approval response: No tool call is currently awaiting approval. Please send a regular \
                  message to interact with the agent."
                .to_owned(),
        pending: None,
    }
}
