//! How a turn begins: what its input means for a history at whose end calls may wait for the client.

use muisti_orm::{
    messages,
    schema::{ContentPart, MessageId, MessageRole, StoredMessage},
};

use super::{
    accept::WhenPending,
    calls::UnderWay,
    loaded::{ChatModel, Loaded},
    pending::{Answered, Pending, is_repeat},
    step::OpenStep,
    turn::{Commit, Turn, Turned, Work},
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
        let lifetime = self.services.settings().approval_lifetime;
        let mut pending = Pending::at_end_of(&loaded.context);
        let answers = self.input.first().is_some_and(|first| first.role == MessageRole::Approval);
        let reason = match &pending {
            Some(pending) if pending.is_expired(lifetime) => Some(EXPIRED),
            Some(_) if !answers && self.when_pending == WhenPending::Deny => Some(PASSED_OVER),
            _ => None,
        };
        if let (Some(reason), Some(given_up)) = (reason, pending.take_if(|_| reason.is_some())) {
            let settled = given_up.give_up(reason, Some(self.run_id), loaded.timezone());
            loaded.context.extend(settled.iter().cloned());
            self.input.splice(..0, settled);
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
        let known: std::collections::HashSet<MessageId> = loaded.context.iter().map(|message| message.id).collect();
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
        let answered = pending.answer(&mut answer, self.run_id, loaded.timezone());
        loaded.context.push(answer.clone());
        match answered? {
            Answered::All(draft) => {
                self.input = vec![answer];
                self.deferred = followed;
                self.under_way = Some(UnderWay { step: None, usage: None, wakes: true, draft });
                Ok(Work::CarryOut)
            }
            Answered::Some(pending) => {
                if !followed.is_empty() {
                    return Err(Error::PendingApproval(Box::new(pending.calls())).into());
                }
                self.input = vec![answer];
                self.wait_on(&pending).await
            }
        }
    }

    /// Stores an answer to a part of what is pending. The rest waits on.
    async fn wait_on(&mut self, pending: &Pending) -> Turned<Work> {
        let stop = muisti_orm::schema::StopReason::RequiresApproval;
        let remaining = pending.remaining_request();
        self.input.iter_mut().for_each(|answer| answer.step_id = remaining.step_id);
        let shown = self.shown(&[remaining]);
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
        let tool_rows = loaded.context.iter().rev().filter(|message| message.role == MessageRole::Tool);
        let mut returns: Vec<&StoredMessage> = tool_rows.take(REPEATS_LOOKED_AT).collect();
        let compacted =
            loaded.context.iter().all(|message| matches!(message.role, MessageRole::System | MessageRole::Summary));
        let newest = if compacted { self.newest_returns().await? } else { None };
        returns.extend(&newest);
        if !just_settled && !is_repeat(&answer, &returns) {
            return Err(Error::InvalidApproval {
                message:
                    "Cannot process approval response: No tool call is currently awaiting approval. Please send a \
                          regular message to interact with the agent."
                        .to_owned(),
                pending: None,
            });
        }
        if !self.input.iter().any(|message| message.role != MessageRole::Tool && message.role != MessageRole::Approval)
        {
            let mut ping =
                StoredMessage::new(self.history.agent_id, MessageRole::User, vec![ContentPart::text(KEEP_ALIVE)]);
            ping.conversation_id = self.history.conversation_id;
            ping.run_id = Some(self.run_id);
            self.input.push(ping);
        }
        Ok(())
    }

    /// The newest tool message of the whole history.
    async fn newest_returns(&self) -> Result<Option<StoredMessage>> {
        let (organization, history) = (self.actor.organization_id, self.history);
        let read = move |conn: &mut muisti_orm::Conn| messages::newest_returns(conn, organization, history);
        self.services.db().read(read).await.map_err(Error::from)
    }
}
