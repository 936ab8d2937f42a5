//! The end of a run that did not come to its own end: it was cancelled, it failed, or its process is gone.

use muisti_orm::{
    Conn, Order, Page, frames,
    histories::{self, HistoryId},
    messages::{self, MessageFilter},
    runs,
    schema::{ErrorMessage, MessageId, RunId, RunStatus, StepId, StepStatus, StoredMessage, Timestamp},
    steps,
};

use super::{calls::UnderWay, cancel::CANCELLED, draft, opening::what_stays, pending, turn::close};
use crate::{Actor, Error, Result};

/// What there is to be put in order.
pub(super) struct Early {
    pub(super) actor: Actor,
    pub(super) run_id: RunId,
    pub(super) history: HistoryId,
    /// The step that has begun and not ended.
    pub(super) step: Option<StepId>,
    /// How long its parts have taken, as far as that is known.
    pub(super) times: steps::StepTimes,
    /// The tool calls that were being carried out.
    pub(super) under_way: Option<UnderWay>,
    /// Input that is not in the history.
    pub(super) input: Vec<StoredMessage>,
    /// Input that comes behind the returns of the calls, if it goes into the history at all.
    pub(super) deferred: Vec<StoredMessage>,
    /// What of the input goes into the history if nothing came of it.
    pub(super) keep: Keep,
    /// What went wrong, if something did.
    pub(super) error: Option<ErrorMessage>,
    pub(super) end: runs::RunEnd,
    pub(super) track: bool,
}

/// What of the input goes into the history of which nothing came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// Nothing: its client knows that it has to send it again.
    Nothing,
    /// What does not bury the calls that wait for the client: it was told that the input is taken. `denies` says whether
    /// the run was to deny them.
    WhatFits { denies: bool },
    /// All of it: what waited is dealt with in it.
    All,
}

impl Early {
    /// Brings the history into a state from which it goes on, and ends the run. Returns whether the run was still
    /// going.
    ///
    /// The calls under way are answered, for what they did cannot be undone; of a model that had not finished its
    /// answer nothing stays.
    pub(super) fn settle(&self, conn: &mut Conn) -> Result<bool> {
        let input = self.input.clone();
        let mut stored = match self.keep {
            _ if self.under_way.is_some() => input,
            Keep::Nothing => Vec::new(),
            Keep::All => input,
            Keep::WhatFits { denies } => {
                let organization = self.actor.organization_id;
                what_stays(conn, organization, self.history, self.run_id, input, denies)?
            }
        };
        let usage = self.under_way.as_ref().and_then(|under_way| under_way.usage.clone());
        let mut step_id = self.step;
        if let Some(under_way) = &self.under_way {
            let mut draft = under_way.draft.clone();
            let cancelled = self.end.status == RunStatus::Cancelled;
            draft.settle(if cancelled { draft::cancelled } else { draft::interrupted });
            let made = draft.into_messages();
            step_id = step_id.or_else(|| made.first().and_then(|message| message.step_id));
            stored.extend(made);
            if self.keep != Keep::Nothing {
                stored.extend(self.deferred.iter().cloned());
            }
        }
        stored.iter_mut().for_each(|message| message.step_id = message.step_id.or(step_id));
        if !stored.is_empty() {
            messages::insert(conn, &self.actor, &stored)?;
            let ids: Vec<MessageId> = stored.iter().map(|message| message.id).collect();
            histories::append(conn, &self.actor, &self.history, &ids)?;
        }
        if self.end.status == RunStatus::Cancelled {
            // Calls that this run has come to leave to its client just before.
            pending::give_up(conn, &self.actor, self.history, Some(self.run_id), CANCELLED)?;
        }
        if let Some(step) = self.step {
            self.end_step(conn, step, usage)?;
        }
        if self.end.status == RunStatus::Failed && stored.is_empty() && !self.has_messages(conn)? {
            // Nothing came of the request, so it may come again.
            frames::free_token(conn, self.run_id)?;
        }
        close(conn, &self.actor, self.history, self.run_id, &self.end, self.track).map_err(Error::from)
    }

    /// Whether something of the run is in the history.
    fn has_messages(&self, conn: &mut Conn) -> Result<bool> {
        let filter = MessageFilter { run_id: Some(self.run_id), ..Default::default() };
        Ok(!messages::list(conn, self.actor.organization_id, &filter, &Page::first(1, Order::Asc))?.is_empty())
    }

    fn end_step(
        &self,
        conn: &mut Conn,
        step: StepId,
        usage: Option<muisti_orm::schema::UsageStatistics>,
    ) -> Result<()> {
        let cancelled = self.end.status == RunStatus::Cancelled;
        let data = self
            .error
            .as_ref()
            .map(|error| serde_json::json!({"message": error.message, "details": error.detail, "traceback": null}));
        let end = steps::StepEnd {
            status: if cancelled { StepStatus::Cancelled } else { StepStatus::Failed },
            stop_reason: Some(self.end.stop_reason),
            usage,
            error_type: self.error.as_ref().map(|error| error.error_type.as_str()),
            error_data: data,
            times: self.times_at_end(),
        };
        steps::finish(conn, step, &end).map_err(Error::from)
    }

    /// The times of the step. A model that was asked and had not answered was asked for until now.
    fn times_at_end(&self) -> steps::StepTimes {
        let asked_for = || Some(Timestamp::now().utc().timestamp_nanos_opt()? - self.times.llm_request_start_ns?);
        steps::StepTimes { llm_request_ns: self.times.llm_request_ns.or_else(asked_for), ..self.times }
    }
}
