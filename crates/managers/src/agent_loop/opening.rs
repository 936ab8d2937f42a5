//! How a turn begins: what its input means for a history at whose end calls may wait for the client.

use muisti_orm::{
    Conn, agents,
    histories::{self, HistoryId},
    messages,
    schema::{ContentPart, MessageRole, OrganizationId, RunId, StoredMessage},
};
use uuid::Uuid;

use super::{
    accept::WhenPending,
    calls::UnderWay,
    draft::Draft,
    halt::Turned,
    loaded::{ChatModel, Loaded},
    pending::{Answered, Pending, Place, is_repeat},
    step::OpenStep,
    turn::{Commit, Turn, Work},
};
use crate::{Error, Result, Services};

/// How many of the last tool messages are looked at for whether an answer has come before.
const REPEATS_LOOKED_AT: usize = 10;
/// What the model reads in place of an answer that it has had already, when nothing else was sent.
const KEEP_ALIVE: &str = "<system-alert>This is an automated keep-alive ping: the tool results above have been \
                          delivered again. There is nothing to answer; ignore it.</system-alert>";
/// Why calls are denied that waited when the user went on.
const PASSED_OVER: &str = "The user went on without deciding on this tool call, so it was denied.";
/// Why calls are denied that waited for too long.
const EXPIRED: &str = "Nobody decided on this tool call in time, so it was denied.";

/// What the input of a request means for a history.
pub(super) enum Opening {
    /// The model is asked, with this input. `rewritten` says whether it is another than was sent.
    Ask { input: Vec<StoredMessage>, rewritten: bool },
    /// All calls that waited are decided on, and are dealt with before what was sent after the answer.
    CarryOut { answer: StoredMessage, draft: Draft, followed: Vec<StoredMessage> },
    /// A part of them is. The rest waits on.
    Wait { answer: StoredMessage, pending: Pending },
}

/// Whose input it is, and for which history.
pub(super) struct Asking<'a> {
    pub(super) services: &'a Services,
    pub(super) organization: OrganizationId,
    pub(super) history: HistoryId,
    pub(super) run: RunId,
    pub(super) when_pending: WhenPending,
}

impl Asking<'_> {
    /// What this input means for the history with this context.
    ///
    /// # Errors
    /// 409 for a message while calls wait, 400 for an answer that fits nothing.
    pub(super) async fn understand(&self, mut input: Vec<StoredMessage>, loaded: &Loaded) -> Result<Opening> {
        let conversation = self.history.conversation_id;
        let place = Place { conversation, run: Some(self.run), timezone: loaded.timezone() };
        let answers = answer_in(&input).is_some();
        let mut settled = Vec::new();
        match Pending::at_end_of(&loaded.context) {
            Some(pending) => match self.why_given_up(&pending, answers) {
                Some(reason) => settled = pending.give_up(reason, place),
                None if answers => return take_answer(pending, input, place),
                None => return Err(Error::PendingApproval(Box::new(pending.calls()))),
            },
            None if answers && !self.is_repeat(input.first(), &loaded.context).await? => return Err(nothing_pending()),
            None => {}
        }
        let rewritten = answers || !settled.is_empty();
        if answers {
            // It comes too late, or has come before: what it decides on has returned.
            input.remove(0);
            if input.is_empty() && settled.is_empty() {
                input.push(user_message(self.history, self.run, KEEP_ALIVE));
            }
        }
        input.splice(..0, settled);
        Ok(Opening::Ask { input, rewritten })
    }

    /// Why what is pending is denied before anything else, if it is.
    fn why_given_up(&self, pending: &Pending, answers: bool) -> Option<&'static str> {
        if pending.is_expired(self.services.settings().approval_lifetime) {
            return Some(EXPIRED);
        }
        (self.when_pending == WhenPending::Deny && !answers).then_some(PASSED_OVER)
    }

    /// Whether what an answer decides on has returned already.
    async fn is_repeat(&self, answer: Option<&StoredMessage>, context: &[StoredMessage]) -> Result<bool> {
        let tool_rows = context.iter().rev().filter(|message| message.role == MessageRole::Tool);
        let mut returns: Vec<&StoredMessage> = tool_rows.take(REPEATS_LOOKED_AT).collect();
        // Where none is left in context they may have been compacted away.
        let newest = if returns.is_empty() { self.newest_returns().await? } else { None };
        returns.extend(&newest);
        Ok(answer.is_some_and(|answer| is_repeat(answer, &returns)))
    }

    /// The newest tool message of the whole history.
    async fn newest_returns(&self) -> Result<Option<StoredMessage>> {
        let (organization, history) = (self.organization, self.history);
        let read = move |conn: &mut Conn| messages::newest_returns(conn, organization, history);
        self.services.db().read(read).await.map_err(Error::from)
    }
}

/// Takes an answer to what is pending. What was sent after it waits until the calls are carried out.
fn take_answer(pending: Pending, input: Vec<StoredMessage>, place: Place<'_>) -> Result<Opening> {
    let mut input = input.into_iter();
    let Some(mut answer) = input.next() else { return Err(Error::Internal("no answer to take".to_owned())) };
    let followed: Vec<StoredMessage> = input.collect();
    let waiting = pending.calls();
    match pending.answer(&mut answer, place)? {
        Answered::All(draft) => Ok(Opening::CarryOut { answer, draft, followed }),
        Answered::Some(pending) if followed.is_empty() => Ok(Opening::Wait { answer, pending }),
        // Before all calls are decided on nothing can be said after it.
        Answered::Some(_) => Err(Error::PendingApproval(Box::new(waiting))),
    }
}

/// What the server says in the user's place.
pub(super) fn user_message(history: HistoryId, run: RunId, text: impl Into<String>) -> StoredMessage {
    let mut message = StoredMessage::new(history.agent_id, MessageRole::User, vec![ContentPart::text(text)]);
    message.conversation_id = history.conversation_id;
    message.run_id = Some(run);
    message.otid = Some(Uuid::new_v4().to_string());
    message
}

impl Turn {
    fn asking(&self) -> Asking<'_> {
        Asking {
            services: &self.services,
            organization: self.actor.organization_id,
            history: self.history,
            run: self.run_id,
            when_pending: self.request.when_pending,
        }
    }

    /// Whether the input fits the end of the history, as it is before the turn begins.
    ///
    /// # Errors
    /// 409 and 400 as [`Self::begin`], which decides.
    pub(super) async fn check_beginning(&self, loaded: &Loaded) -> Result<()> {
        self.asking().understand(self.input.clone(), loaded).await.map(drop)
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
        let work = match self.asking().understand(self.input.clone(), loaded).await? {
            Opening::CarryOut { answer, draft, followed } => {
                loaded.context.push(answer.clone());
                self.input = vec![answer];
                self.deferred = followed;
                let input = Some(self.input.clone());
                self.under_way = Some(UnderWay { step: None, usage: None, wakes: true, input, draft });
                return Ok(Work::CarryOut);
            }
            Opening::Wait { answer, pending } => {
                loaded.context.push(answer.clone());
                // What was said before is not said again.
                self.input = Some(answer).filter(|answer| !answer.approvals.is_empty()).into_iter().collect();
                return self.wait_on(&pending).await;
            }
            Opening::Ask { input, rewritten } => {
                self.input = input;
                self.rewritten |= rewritten;
                self.ask_next(loaded, model)
            }
        };
        if let (Work::Ask(step), None) = (&work, self.open) {
            self.open_step(step, loaded).await?;
        }
        Ok(work)
    }

    /// The work of asking the model, with the input in its context. A step may be there already.
    fn ask_next(&mut self, loaded: &mut Loaded, model: &ChatModel) -> Work {
        loaded.context.extend(self.input.iter().cloned());
        let step = OpenStep::new(model);
        Work::Ask(match self.open {
            Some(id) => step.with_id(id),
            None => step,
        })
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

    /// What the server says in the user's place.
    pub(super) fn user_message(&self, text: impl Into<String>) -> StoredMessage {
        user_message(self.history, self.run_id, text)
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
            let timezone = timezone.as_deref().unwrap_or("UTC");
            let place = Place { conversation: history.conversation_id, run: Some(run), timezone };
            let settled = pending.give_up(PASSED_OVER, place);
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

fn nothing_pending() -> Error {
    Error::InvalidApproval {
        message:
            "Cannot process approval response: No tool call is currently awaiting approval. Please send a regular \
                  message to interact with the agent."
                .to_owned(),
        pending: None,
    }
}
