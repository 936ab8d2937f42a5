//! The loop: what an agent does with the messages it is sent.
//!
//! There is one loop, however its answer travels. [`AgentLoop::send`] gives the whole answer at the end,
//! [`AgentLoop::stream`] its events as they come. Either way the turn lives in a task of its own, so a client that
//! hangs up loses sight of it and nothing else.
//!
//! - `request`: what may be sent, and the messages it becomes.
//! - `turn`: from acceptance to the end: the queue for the history, the steps, the run's row.
//! - `step`: one model call; `calls`: the tools that it calls; `draft`: the step's state between two transactions.
//! - `rules`: which tools may be called next.
//! - `context`: what the model is asked; `deltas`: what a client sees of the answer while it comes.
//! - `compaction`: a history that outgrows the window.
//! - `repeat`: requests that come again.
//! - `generate`: a bare question to an agent's model, beside the loop.
//! - `node`, `history_lock`, `hold`, `recover`: who works on what, and what becomes of the work of a process that is gone.

mod asking;
mod calls;
#[cfg_attr(not(test), expect(dead_code, unused_imports, reason = "the steps take it up"))]
mod compaction;
mod context;
mod deltas;
mod draft;
mod failure;
mod generate;
mod history_lock;
pub(crate) mod hold;
mod loaded;
mod node;
mod recover;
mod preview;
mod repeat;
mod request;
mod response_format;
mod rules;
mod sink;
mod step;
#[cfg_attr(not(test), expect(dead_code, unused_imports, reason = "the steps take it up"))]
mod style;
mod turn;

use std::time::Duration;

use muisti_orm::schema::{AgentId, RunId, SendResponse, StreamEvent, StreamingSendRequest};
use tokio::sync::mpsc;

use crate::{Actor, Error, Result, Services};
use sink::{Delivery, Sink};
use turn::Turn;

pub(crate) use compaction::message_tokens;
pub use node::Node;
pub use turn::run_status;

/// How long a request for a whole answer waits for other turns of the same history. The SDKs give up after a minute.
const PATIENCE: Duration = Duration::from_secs(50);
/// How long a stream waits for them. Pings keep it open.
const STREAM_PATIENCE: Duration = Duration::from_secs(600);

/// Sends messages to agents.
pub struct AgentLoop {
    services: Services,
}

/// A turn whose events are read while it goes on.
pub struct TurnStream {
    /// The run that the turn is recorded as.
    pub run_id: RunId,
    /// What happens; the channel closes when the turn is over. It may be dropped at any time.
    pub events: mpsc::UnboundedReceiver<StreamEvent>,
}

impl Services {
    /// The way to send messages to agents.
    pub fn agent_loop(&self) -> AgentLoop {
        AgentLoop { services: self.clone() }
    }
}

impl AgentLoop {
    /// Sends messages and gives all that the agent did.
    ///
    /// The turn goes on to its end even if the returned future is dropped. With `repeat` the client says that it has
    /// sent this request before; if that turn is still going or has just ended, its answer is the answer.
    ///
    /// # Errors
    /// 404 for an unknown agent or model; 400 and 422 for a request that cannot be processed; 409 when the agent waits
    /// for an approval, or for longer than a minute works on something else; what the model provider failed with.
    pub async fn send(
        &self,
        actor: &Actor,
        agent: AgentId,
        request: StreamingSendRequest,
        repeat: bool,
    ) -> Result<SendResponse> {
        let repeats = self.services.node().repeats();
        let fingerprint = repeat::fingerprint(actor, agent, &request);
        if repeat && let Some(answer) = repeats.join(&fingerprint).await {
            return Ok(SendResponse::clone(&answer));
        }
        let attempt = repeats.begin(fingerprint);
        let sink = Sink::new(Delivery::Collected, request.request.include_return_message_types.clone());
        let turn = Turn::accept(&self.services, actor, agent, &request, "send_message", sink).await?;
        let running = tokio::spawn(async move {
            let answer = turn.run(PATIENCE).await;
            if let Ok(answer) = &answer {
                attempt.answer(answer);
            }
            answer
        });
        running.await.map_err(|error| Error::Internal(format!("a turn ended in a panic: {error}")))?
    }

    /// Sends messages and gives the events of the turn as they come. `run_type` says in the run's metadata which
    /// route it was.
    ///
    /// # Errors
    /// As [`Self::send`], for what is known before the turn begins. Later failures are events.
    pub async fn stream(
        &self,
        actor: &Actor,
        agent: AgentId,
        request: StreamingSendRequest,
        run_type: &'static str,
    ) -> Result<TurnStream> {
        let (client, events) = mpsc::unbounded_channel();
        let delivery = if request.stream.stream_tokens { Delivery::Tokens(client) } else { Delivery::Steps(client) };
        let sink = Sink::new(delivery, request.request.include_return_message_types.clone());
        let turn = Turn::accept(&self.services, actor, agent, &request, run_type, sink).await?;
        let run_id = turn.run_id();
        tokio::spawn(turn.run(STREAM_PATIENCE));
        Ok(TurnStream { run_id, events })
    }
}
