//! The loop: what an agent does with the messages it is sent.
//!
//! There is one loop, however its answer travels. [`AgentLoop::send`] gives the whole answer at the end,
//! [`AgentLoop::stream`] its events as they come. Either way the turn lives in a task of its own, so a client that
//! hangs up loses sight of it and nothing else.
//!
//! - `request`: what may be sent, and the messages it becomes; `accept`: from here on a turn will come to an end.
//! - `turn`: the turn itself: it waits for its history, works, commits, and ends.
//! - `opening`: what its input means for a history at whose end calls wait; `pending`: these calls and their answers.
//! - `step`: what is repeated: `ask` the model, with `room` in its window, and do what it wants; `calls`: carrying out tool calls; `draft`: how far they are.
//! - `rules`: which tools may be called next.
//! - `asking`, `context`, `skills`, `response_format`: what the model is asked, also in a `preview`; `deltas`: what a client sees of the answer while it comes; `sink`: where the
//!   events go.
//! - `style`: what differs for the older types of agents; `compaction`: a history that outgrows the window.
//! - `halt`, `ending`: ends that are not the turn's own; `cancel`: who brings them about.
//! - `repeat`: requests that come again.
//! - `generate`: a bare question to an agent's model, beside the loop.
//! - `node`, `history_lock`, `hold`, `recover`: who works on what, and what becomes of the work of a process that is gone.

mod accept;
mod ask;
mod asking;
mod calls;
mod cancel;
mod compaction;
mod context;
mod deltas;
mod draft;
mod ending;
mod failure;
mod generate;
mod halt;
mod history_lock;
pub(crate) mod hold;
mod loaded;
mod node;
mod opening;
mod pending;
mod preview;
mod recover;
mod repeat;
mod request;
mod response_format;
mod room;
mod rules;
mod sink;
mod skills;
mod step;
mod style;
mod turn;

use std::time::Duration;

use muisti_orm::schema::{
    AsyncSendRequest, Run, RunId, RunStatus, SendResponse, StreamEvent, StreamOptions, StreamingSendRequest,
};
use tokio::sync::mpsc;

use crate::{Actor, Error, Result, Services, frames::StoredStream};
use accept::{Accepted, Proposal};
use failure::Failure;
use hold::PATIENCE;
use repeat::Told;
use sink::{Delivery, Sink};
use turn::Turn;

pub use accept::{Recipient, WhenBusy, WhenPending};
pub use cancel::CancelOutcome;
pub(crate) use compaction::message_tokens;
pub use node::Node;
pub(crate) use pending::{pending_calls, pending_request, reset_pending};
pub use turn::run_status;

/// How long a stream waits for them. Pings keep it open.
const STREAM_PATIENCE: Duration = Duration::from_secs(600);
/// How long a run waits for them that nobody waits for.
const BACKGROUND_PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);

/// Sends messages to agents.
pub struct AgentLoop {
    services: Services,
}

/// How a request has come, beside what it says.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// What the run's metadata says about the route; none: what follows from the recipient.
    pub run_type: Option<&'static str>,
    /// The client's own id of the request.
    pub request_id: Option<String>,
    /// Whether the client says that it has sent this request before.
    pub repeat: bool,
}

/// What a request has come to whose client waits for the end.
#[derive(Debug, Clone, PartialEq)]
pub struct Sent {
    /// The run that the turn is recorded as.
    pub run_id: RunId,
    /// All that the agent did.
    pub response: SendResponse,
}

/// A turn whose events are read while it goes on.
pub struct TurnStream {
    /// The run that the turn is recorded as.
    pub run_id: RunId,
    /// What happens.
    pub events: TurnEvents,
}

/// The events of a turn.
pub enum TurnEvents {
    /// As they come, for this client alone. The channel closes when the turn is over, and may be dropped at any time.
    Live(mpsc::UnboundedReceiver<StreamEvent>),
    /// As they are stored, for anybody.
    Stored(StoredStream),
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
    /// The turn goes on to its end even if the returned future is dropped. If the turn of a request that is a repeat is
    /// still going or has just ended, its answer is the answer.
    ///
    /// # Errors
    /// 404 for an unknown agent, conversation or model; 400 and 422 for a request that cannot be processed; 409 when
    /// the agent waits for an approval, or for too long works on something else; what the model provider failed with.
    pub async fn send(
        &self,
        actor: &Actor,
        recipient: Recipient,
        request: StreamingSendRequest,
        origin: Origin,
    ) -> Result<Sent> {
        let repeats = self.services.node().repeats();
        let fingerprint = repeat::fingerprint(actor, &recipient.history, &request);
        if origin.repeat
            && let Some(answer) = repeats.join(&fingerprint).await
        {
            return Ok(Sent::clone(&answer));
        }
        let attempt = repeats.begin(fingerprint);
        let turn = loop {
            let types = request.request.include_return_message_types.clone();
            let proposal = Proposal {
                recipient,
                request: &request,
                run_type: origin.run_type.unwrap_or_else(|| run_type(recipient)),
                request_id: origin.request_id.clone(),
                background: false,
                repeat: origin.repeat,
                tells_later: false,
                callback_url: None,
            };
            let sink = |_| Sink::new(Delivery::Collected, types);
            let run_id = match Turn::accept(&self.services, actor, proposal, sink).await? {
                Accepted::Turn(turn) => break turn,
                Accepted::Before(run) => run,
            };
            match repeat::told(&self.services, actor, run_id).await? {
                Told::Answer(response) => {
                    let sent = Sent { run_id, response };
                    attempt.answer(&sent);
                    return Ok(sent);
                }
                Told::Failed(error) => return Err(Error::EndedBefore(Box::new(error))),
                // Nothing came of it, so it is done as if for the first time.
                Told::Nothing(_) => {}
            }
        };
        let running = tokio::spawn(async move {
            let run_id = turn.run_id();
            let sent = Sent { run_id, response: turn.run(PATIENCE).await? };
            attempt.answer(&sent);
            Ok(sent)
        });
        running.await.map_err(|error| Error::Internal(format!("a turn ended in a panic: {error}")))?
    }

    /// Sends messages and gives the events of the turn as they come. With `background` the turn survives the process,
    /// its events are stored, and a request that came before gives the stream of the run that it made.
    ///
    /// # Errors
    /// As [`Self::send`], for what is known before the turn begins. Later failures are events.
    pub async fn stream(
        &self,
        actor: &Actor,
        recipient: Recipient,
        request: StreamingSendRequest,
        origin: Origin,
    ) -> Result<TurnStream> {
        let (tokens, background) = (request.stream.stream_tokens, request.stream.background);
        let types = request.request.include_return_message_types.clone();
        let (client, events) = mpsc::unbounded_channel();
        let to = client.clone();
        let sink = |run| {
            let delivery = match (background, tokens) {
                (true, tokens) => Delivery::Stored { stream: self.services.frames().open(run), tokens },
                (false, true) => Delivery::Tokens(to),
                (false, false) => Delivery::Steps(to),
            };
            Sink::new(delivery, types)
        };
        let proposal = Proposal {
            recipient,
            request: &request,
            run_type: origin.run_type.unwrap_or_else(|| run_type(recipient)),
            request_id: origin.request_id,
            background,
            repeat: origin.repeat,
            tells_later: false,
            callback_url: None,
        };
        let run_id = match Turn::accept(&self.services, actor, proposal, sink).await? {
            Accepted::Turn(turn) => {
                let run_id = turn.run_id();
                tokio::spawn(turn.run(if background { BACKGROUND_PATIENCE } else { STREAM_PATIENCE }));
                run_id
            }
            Accepted::Before(run) if background => run,
            Accepted::Before(run) => {
                tokio::spawn(tell(self.services.clone(), *actor, run, client));
                run
            }
        };
        let events = if background {
            TurnEvents::Stored(self.services.frames().read(run_id, 0))
        } else {
            TurnEvents::Live(events)
        };
        Ok(TurnStream { run_id, events })
    }

    /// Sends messages and gives the run, which goes on in the background and survives the process.
    ///
    /// # Errors
    /// As [`Self::send`], for what is known before the turn begins. Later failures are the run's.
    pub async fn start(
        &self,
        actor: &Actor,
        recipient: Recipient,
        request: AsyncSendRequest,
        origin: Origin,
    ) -> Result<Run> {
        let callback_url = request.callback_url;
        if let Some(url) = &callback_url {
            self.services.callbacks().check_url(url)?;
        }
        let stream = StreamOptions { streaming: true, stream_tokens: false, include_pings: false, background: true };
        let request = StreamingSendRequest { request: request.request, stream };
        let types = request.request.include_return_message_types.clone();
        let sink = |run| {
            let stream = self.services.frames().open(run);
            Sink::new(Delivery::Stored { stream, tokens: false }, types)
        };
        let proposal = Proposal {
            recipient,
            request: &request,
            run_type: "send_message_async",
            request_id: origin.request_id,
            background: true,
            repeat: origin.repeat,
            tells_later: true,
            callback_url,
        };
        match Turn::accept(&self.services, actor, proposal, sink).await? {
            Accepted::Turn(turn) => {
                let run_id = turn.run_id();
                tokio::spawn(turn.run(BACKGROUND_PATIENCE));
                let run = self.services.runs().get(actor, run_id).await?;
                // To its client it has only just been made, whether or not it has its history already.
                let status = if run.status == RunStatus::Running { RunStatus::Created } else { run.status };
                Ok(Run { status, ..run })
            }
            Accepted::Before(run) => self.services.runs().get(actor, run).await,
        }
    }
}

/// Tells a client that streams what became of a run that its request has made before.
async fn tell(services: Services, actor: Actor, run: RunId, client: mpsc::UnboundedSender<StreamEvent>) {
    let events = match repeat::told(&services, &actor, run).await {
        Ok(told) => told.into_events(),
        Err(error) => Told::Failed(Failure::new(error).message(run)).into_events(),
    };
    for event in events {
        let _ = client.send(event);
    }
}

/// What the metadata of a run says about its route.
const fn run_type(recipient: Recipient) -> &'static str {
    match recipient.history.conversation_id {
        Some(_) => "send_conversation_message",
        None => "send_message",
    }
}
