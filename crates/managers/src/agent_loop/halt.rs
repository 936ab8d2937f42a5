//! How a turn stops that does not come to its own end.

use muisti_orm::{
    frames, runs,
    schema::{AgentId, SendResponse, StopReason, StreamEvent},
};

use super::{
    ending::{Early, Keep},
    failure::Failure,
    repeat::{self, Told},
    turn::Turn,
};
use crate::{Error, Result};

/// Why a turn does not come to its own end.
pub(super) enum Halt {
    Cancelled,
    /// The server stops.
    Stopped,
    Failed(Error),
    /// It is no longer this node's, so nothing more of it may be stored here.
    Lost,
}

impl Halt {
    /// What it means for a turn how things stand with its run.
    pub(super) fn check(standing: runs::Standing, agent: AgentId) -> Turned<()> {
        match standing {
            runs::Standing::Going => Ok(()),
            runs::Standing::Cancelled => Err(Self::Cancelled),
            runs::Standing::Lost => Err(Self::Lost),
            runs::Standing::Gone => Err(Self::Failed(Error::missing("Agent", agent))),
        }
    }
}

impl<E: Into<Error>> From<E> for Halt {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// What a part of a turn comes to.
pub(super) type Turned<T> = std::result::Result<T, Halt>;

impl Turn {
    /// Ends a turn that was cancelled or has failed. Finished steps stay; the calls under way are answered.
    ///
    /// Being cancelled is final: a turn that fails after it ends as cancelled.
    pub(super) async fn halt(mut self, halt: Halt) -> Result<SendResponse> {
        let error = match halt {
            Halt::Cancelled => None,
            Halt::Failed(error) => Some(error),
            // Another server, or the next start of this one, goes on with it from what is stored.
            Halt::Stopped if self.request.stream.background => {
                self.let_go().await;
                return Err(Error::Unavailable(format!("Run {} is carried on by another server.", self.run_id)));
            }
            Halt::Stopped => Some(Error::Interrupted { kept: self.is_kept() }),
            Halt::Lost if self.request.stream.background => return Err(self.lost()),
            Halt::Lost => return self.settled_elsewhere().await,
        };
        let failure = error.map(Failure::new);
        let ended = match self.settle(failure.as_ref()).await {
            runs::Standing::Lost if self.request.stream.background => return Err(self.lost()),
            runs::Standing::Lost => return self.settled_elsewhere().await,
            runs::Standing::Cancelled if failure.is_some() => {
                self.settle(None).await;
                None
            }
            _ => failure,
        };
        match ended {
            None => Ok(self.answer(StopReason::Cancelled)),
            Some(failure) => {
                if self.calls_back {
                    self.services.callbacks().wake();
                }
                Err(failure.error)
            }
        }
    }

    /// Whether the input is in the history, or goes there when the turn is settled: its client was told that it is
    /// taken, or something came of it that cannot be undone.
    fn is_kept(&self) -> bool {
        self.sink.is_stream() || self.rounds > 1 || self.under_way.is_some()
    }

    /// What the only client of a turn hears that another node has put in order, while this one was out of reach: how it
    /// has ended there.
    async fn settled_elsewhere(mut self) -> Result<SendResponse> {
        tracing::warn!(run_id = %self.run_id, "a run that lived here was ended elsewhere");
        let told = repeat::told(&self.services, &self.actor, self.run_id).await?;
        let kept = matches!(told, Told::Failed(_));
        let (events, answer) = match told {
            Told::Answer(answer) => (self.last_words(answer.stop_reason.stop_reason).into(), Ok(answer)),
            told => (told.into_events(), Err(Error::Interrupted { kept })),
        };
        let staged = self.sink.stage(events);
        self.sink.publish(staged);
        answer
    }

    /// What a client hears of a turn that was taken from this process.
    fn lost(&self) -> Error {
        tracing::warn!(run_id = %self.run_id, "a run that lived here is carried on elsewhere");
        Error::Unavailable(format!(
            "Run {} is no longer carried on by this server. Ask for it to see its end.",
            self.run_id
        ))
    }

    /// Lets others carry the run on at once.
    async fn let_go(&self) {
        let (run_id, node) = (self.run_id, self.services.node().clone());
        let gone = self.services.db().write(move |conn| runs::let_go(conn, run_id, node.id())).await;
        if let Err(error) = gone {
            tracing::warn!(run_id = %self.run_id, %error, "a run is carried on only when its lease has run out");
        }
    }

    /// Brings everything in order behind a turn that has failed, or else was cancelled. Returns how things stand with
    /// the run. Nothing is done when it is lost, or when it was cancelled before it failed.
    async fn settle(&mut self, failure: Option<&Failure>) -> runs::Standing {
        let mut end = self.run_end(failure.map_or(StopReason::Cancelled, |failure| failure.stop_reason));
        let error = failure.map(|failure| failure.message(self.run_id));
        let events = match &error {
            Some(error) => {
                tracing::info!(run_id = %self.run_id, error_type = error.error_type, detail = ?error.detail, "a turn failed");
                end.metadata.extend(serde_json::to_value(error).map(|error| ("error".to_owned(), error)));
                end.metadata.extend(failure.and_then(Failure::pending));
                vec![StreamEvent::StopReason(end.stop_reason.into()), StreamEvent::Error(error.clone())]
            }
            None => self.last_words(StopReason::Cancelled).into(),
        };
        let staged = self.sink.stage(events);
        let early = Early {
            actor: self.actor,
            run_id: self.run_id,
            history: self.history,
            step: self.open,
            times: self.times,
            under_way: self.under_way.clone(),
            input: self.input.clone(),
            deferred: self.deferred.clone(),
            keep: match failure {
                Some(Failure { error: Error::Interrupted { kept: true }, .. }) if self.rewritten => Keep::All,
                Some(Failure { error: Error::Interrupted { kept: true }, .. }) => self.request.keep(),
                _ => Keep::Nothing,
            },
            error,
            end,
            track: self.services.settings().track_last_run,
        };
        let (rows, step, failed) = (staged.rows.clone(), early.step, failure.is_some());
        let (run_id, node) = (self.run_id, self.services.node().clone());
        let settled = self.services.db().write(move |conn| {
            let standing = runs::standing(conn, run_id, node.id())?;
            let too_late = failed && standing == runs::Standing::Cancelled;
            if !too_late && matches!(standing, runs::Standing::Going | runs::Standing::Cancelled) {
                early.settle(conn)?;
                frames::append(conn, &rows)?;
            }
            Ok::<_, Error>(standing)
        });
        let standing = settled.await.unwrap_or_else(|error| {
            // Recovery will find the run once its lease has run out.
            tracing::error!(run_id = %self.run_id, %error, "the end of a turn could not be stored");
            runs::Standing::Gone
        });
        match standing {
            runs::Standing::Lost => return standing,
            runs::Standing::Cancelled if failed => return standing,
            runs::Standing::Going | runs::Standing::Cancelled => {
                step.into_iter().for_each(|step| self.services.step_webhook().completed(step));
            }
            runs::Standing::Gone => {}
        }
        // Before anybody hears of the end: what comes next finds the history free.
        self.line = None;
        self.sink.publish(staged);
        standing
    }
}
