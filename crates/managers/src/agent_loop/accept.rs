//! The acceptance of a turn: from here on it is carried to an end, whatever becomes of its client.

use std::time::Duration;

use muisti_orm::{
    Conn, conversations, frames,
    histories::{self, HistoryId},
    leases, runs,
    schema::{
        AgentId, InputMessage, MessageId, MessageRole, OrganizationId, Ping, RunId, RunStatus, StreamingSendRequest,
        Timestamp,
    },
    steps,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{
    history_lock::InLine,
    loaded::{ChatModel, Loaded},
    request::{self, TurnRequest},
    sink::Sink,
    step::OpenStep,
    turn::{Turn, without_agent},
};
use crate::{Actor, Error, Result, Services, frames::kept_since, image, tool::clip};

/// How often, and how many times, a request that does not wait looks whether a run that works on its history is stored.
const LOOK: Duration = Duration::from_millis(50);
const LOOKS: usize = 20;

/// Whom to send to, and what to do when that is not possible at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recipient {
    /// The history that the messages belong to.
    pub history: HistoryId,
    /// What to do while another turn works on it.
    pub when_busy: WhenBusy,
    /// What to do while tool calls wait for the client; none: what the server's settings say.
    pub when_pending: Option<WhenPending>,
}

/// What to do while another turn works on the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenBusy {
    /// Wait for it: the turns of a history come in the order of their requests.
    Wait,
    /// Give up at once.
    Refuse,
}

/// What to do with a message that comes while tool calls wait for the client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum WhenPending {
    /// Refuse it, and say what waits.
    #[default]
    Refuse,
    /// Deny what waits, and go on with the message.
    Deny,
}

impl Recipient {
    /// An agent's default history. Requests for it wait for each other.
    pub const fn agent(agent: AgentId) -> Self {
        Self { history: HistoryId::default_of(agent), when_busy: WhenBusy::Wait, when_pending: None }
    }

    /// A history as the routes of conversations know it. A request for one that is busy is refused.
    pub const fn conversation(history: HistoryId) -> Self {
        Self { history, when_busy: WhenBusy::Refuse, when_pending: None }
    }
}

/// A request as it is to be accepted.
pub(super) struct Proposal<'a> {
    pub(super) recipient: Recipient,
    pub(super) request: &'a StreamingSendRequest,
    /// What the run's metadata says about the route.
    pub(super) run_type: &'static str,
    /// The client's own id of the request.
    pub(super) request_id: Option<String>,
    /// Whether the run goes on after a crash, and its stream can be read again.
    pub(super) background: bool,
    /// Whether the client says that it has sent this request before.
    pub(super) repeat: bool,
    /// Whether the client looks at the run for what has come of it, also when it cannot begin.
    pub(super) tells_later: bool,
    pub(super) callback_url: Option<String>,
}

/// What became of a request.
pub(super) enum Accepted {
    Turn(Box<Turn>),
    /// It came before: this run is what it made.
    Before(RunId),
}

impl Turn {
    /// Checks the request and stores the run with its input. What fails here has left nothing behind.
    pub(super) async fn accept(
        services: &Services,
        actor: &Actor,
        proposal: Proposal<'_>,
        sink: impl FnOnce(RunId) -> Sink,
    ) -> Result<Accepted> {
        let Proposal { recipient, request, .. } = proposal;
        let history = recipient.history;
        let mut messages = request::check(&request.request, &request.stream)?;
        if services.node().is_closing() {
            return Err(Error::Unavailable("The server is shutting down. Send the request again in a moment.".into()));
        }
        let run_id = RunId::random();
        let otids = Otids::of(&messages, &proposal);
        if let Some(otids) = &otids
            && let Some(run) = otids.earlier(services, actor, history).await?
        {
            return Ok(Accepted::Before(run));
        }
        image::bring_in(services, &mut messages).await?;
        let key = history.key();
        let mut recipient = recipient;
        let line = services.node().locks().stand(&key, Some(run_id));
        if !line.is_first() && recipient.when_busy == WhenBusy::Refuse {
            match Busy::with(services, actor, history, otids.as_ref(), line.worker()).await? {
                Busy::Before(run) => return Ok(Accepted::Before(run)),
                Busy::Working(run) => return Err(Error::Busy(run)),
                Busy::WindingUp => recipient.when_busy = WhenBusy::Wait,
            }
        }

        let owner = *actor;
        let loaded = services.db().read(move |conn| Loaded::read(conn, &owner, history)).await?;
        let mut input = request::to_stored(history, run_id, messages)?;
        let when_pending = recipient.when_pending.unwrap_or(services.settings().when_pending);
        let request_id = proposal.request_id.clone();
        let request = TurnRequest { when_pending, request_id, ..TurnRequest::of(request) };
        let model = ChatModel::for_turn(services, actor, &loaded, request.override_model.as_deref()).await?;
        clip::client_returns(&mut input, model.config.context_window);
        let active = services.node().enter(run_id);
        let turn = Self {
            input,
            loaded: Some(loaded),
            calls_back: proposal.callback_url.is_some(),
            line: Some(line),
            ..Self::new(services.clone(), *actor, history, request, sink(run_id), active)
        };
        turn.store(Proposal { recipient, ..proposal }, otids, &model).await
    }

    /// Stores the run, and takes the history along if it is free. If it is, what cannot begin is refused here, while
    /// the client can still be told with a status; else that shows later.
    async fn store(mut self, proposal: Proposal<'_>, otids: Option<Otids>, model: &ChatModel) -> Result<Accepted> {
        let Proposal { recipient, run_type, background, tells_later, callback_url, .. } = proposal;
        let Some(loaded) = &self.loaded else { return Err(Error::Internal("a turn without its agent".to_owned())) };
        let free = self.line.as_ref().is_some_and(InLine::is_first);
        if free && !tells_later {
            self.check_beginning(loaded).await?;
        }
        let step = OpenStep::new(model);
        let asks = self.input.first().is_some_and(|first| first.role != MessageRole::Approval);
        let first_step = (free && asks).then(|| step.row(&self, loaded));
        let (actor, history, run_id) = (self.actor, self.history, self.run_id);
        let node = self.services.node().clone();
        let (input, request) = (self.input.clone(), self.request.clone());
        let (project_id, base_template_id) = (loaded.agent.project_id.clone(), loaded.agent.base_template_id.clone());
        let accepted = self.sink.is_stream() || background;
        let seen: Vec<MessageId> = loaded.context.iter().map(|message| message.id).collect();
        // The first thing that a client sees, whenever it comes to read.
        let ping = self.request.stream.include_pings.then(|| Ping::new(Some(run_id)).into());
        let opening = self.sink.stage(if background { ping.into_iter().collect() } else { Vec::new() });
        let pings = opening.rows.clone();
        let mut metadata = Map::new();
        metadata.insert("run_type".to_owned(), run_type.into());
        if tells_later {
            // Whether a service of the hosted product carries it out, which its clients expect to be told.
            metadata.insert("lettuce".to_owned(), Value::Null);
        }
        let stored = self.services.db().write(move |conn| {
            let key = history.key();
            if let Some(otids) = &otids
                && let Some(run) = otids.claim(conn, &actor, &key, run_id)?
            {
                return Ok(Stored::Before(run));
            }
            let until = node.lease_until();
            let lease = leases::Lease { key: &key, run_id, node_id: node.id(), until };
            let leased = free && leases::acquire(conn, &lease)?;
            if !leased && recipient.when_busy == WhenBusy::Refuse {
                let holder = leases::holder(conn, &key)?;
                if !is_winding_up(conn, &actor, holder)? {
                    return Err(Error::Busy(holder));
                }
            }
            let run = runs::NewRun {
                id: run_id,
                agent_id: history.agent_id,
                conversation_id: history.conversation_id,
                project_id,
                base_template_id,
                status: if leased { RunStatus::Running } else { RunStatus::Created },
                background,
                metadata,
                request_config: &request.config,
                history_key: &key,
                pending_input: &input,
                accepted,
                node_id: node.id(),
                lease_until: until,
                callback_url: callback_url.as_deref(),
            };
            // An agent that was deleted since it was read is one that does not exist.
            runs::insert(conn, &actor, &run, &request).map_err(|error| without_agent(error, history.agent_id))?;
            frames::append(conn, &pings)?;
            if let (Some(step), true) = (&first_step, leased) {
                steps::insert(conn, actor.organization_id, step)?;
            }
            if let Some(conversation) = history.conversation_id {
                conversations::touch(conn, conversation, Timestamp::now())?;
            }
            // What has changed since it was read, perhaps on another node, must be read again.
            let is_new = leased && histories::context(conn, actor.organization_id, &history)? == Some(seen);
            Ok(Stored::Run { leased, is_new })
        });
        match stored.await? {
            Stored::Before(run) => Ok(Accepted::Before(run)),
            Stored::Run { leased, is_new } => {
                self.sink.publish(opening);
                self.open = (leased && asks).then_some(step.id);
                self.holds_history = leased;
                if !is_new {
                    self.loaded = None;
                }
                Ok(Accepted::Turn(Box::new(self)))
            }
        }
    }
}

/// What the storing of a run has come to.
enum Stored {
    Before(RunId),
    /// `leased` says whether it has its history, `is_new` whether that is still as it was read.
    Run {
        leased: bool,
        is_new: bool,
    },
}

/// What a request finds that does not wait for its turn.
enum Busy {
    /// Another that is the same: this run is what it made.
    Before(RunId),
    /// This run at work, if it is a run.
    Working(Option<RunId>),
    /// A cancelled run that is being wound up, which is a matter of a moment.
    WindingUp,
}

impl Busy {
    /// What works on the history. A run that has come there just now may not be stored yet.
    async fn with(
        services: &Services,
        actor: &Actor,
        history: HistoryId,
        otids: Option<&Otids>,
        worker: Option<RunId>,
    ) -> Result<Self> {
        for _ in 0..LOOKS {
            let organization = actor.organization_id;
            let look = move |conn: &mut Conn| {
                let run = worker.map(|run| runs::get(conn, organization, run)).transpose()?.flatten();
                Ok::<_, Error>(run.map(|run| run.status))
            };
            let status = services.db().read(look).await?;
            if let Some(otids) = otids
                && let Some(run) = otids.earlier(services, actor, history).await?
            {
                return Ok(Self::Before(run));
            }
            match (worker, status) {
                (_, Some(RunStatus::Cancelled)) => return Ok(Self::WindingUp),
                (Some(_), None) => tokio::time::sleep(LOOK).await,
                _ => return Ok(Self::Working(worker)),
            }
        }
        Ok(Self::Working(None))
    }
}

/// Whether this run was cancelled, so that its history is free as soon as somebody has put it in order.
fn is_winding_up(conn: &mut Conn, actor: &Actor, run: Option<RunId>) -> Result<bool> {
    let Some(run) = run else { return Ok(false) };
    let run = runs::get(conn, actor.organization_id, run)?;
    Ok(run.is_some_and(|run| run.status == RunStatus::Cancelled))
}

/// The client's own ids of the messages of a request, by which it is known again.
#[derive(Clone)]
struct Otids {
    ids: Vec<String>,
    /// Whether whatever these ids have made is the answer, as the client says that it asks once more.
    repeat: bool,
    /// Whether a stored stream is, as this is what the client asks for.
    background: bool,
}

impl Otids {
    fn of(messages: &[InputMessage], proposal: &Proposal<'_>) -> Option<Self> {
        let ids: Vec<String> = messages.iter().filter_map(|message| message.otid().map(str::to_owned)).collect();
        let Proposal { repeat, background, .. } = *proposal;
        (!ids.is_empty()).then_some(Self { ids, repeat, background })
    }

    /// What tells this request from others.
    fn token(&self) -> String {
        let digest = Sha256::digest(self.ids.join("|"));
        digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether this run, made with the same ids, is what the client asks for. A client that sends again of its own
    /// accord, and not for a stored stream, means it.
    fn is_answered_by(&self, conn: &mut Conn, organization: OrganizationId, run: RunId) -> muisti_orm::Result<bool> {
        if self.repeat || !self.background {
            return Ok(self.repeat);
        }
        Ok(runs::get(conn, organization, run)?.is_some_and(|run| run.background == Some(true)))
    }

    /// The run that this request has made, if it came before.
    async fn earlier(&self, services: &Services, actor: &Actor, history: HistoryId) -> Result<Option<RunId>> {
        if !self.repeat && !self.background {
            return Ok(None);
        }
        let (organization, otids) = (actor.organization_id, self.clone());
        let read = move |conn: &mut Conn| {
            let made = frames::by_token(conn, organization, &history.key(), &otids.token(), kept_since())?;
            Ok::<_, Error>(match made {
                Some(run) if otids.is_answered_by(conn, organization, run)? => Some(run),
                _ => None,
            })
        };
        services.db().read(read).await
    }

    /// Makes this request known as what has made the run, unless it has made another before that is its answer.
    fn claim(&self, conn: &mut Conn, actor: &Actor, key: &str, run: RunId) -> Result<Option<RunId>> {
        let (organization, token) = (actor.organization_id, self.token());
        if let Some(earlier) = frames::claim_token(conn, organization, key, &token, run, kept_since())? {
            if self.is_answered_by(conn, organization, earlier)? {
                return Ok(Some(earlier));
            }
            frames::pass_token(conn, organization, key, &token, run)?;
        }
        let ids: Vec<&str> = self.ids.iter().map(String::as_str).collect();
        frames::note_otids(conn, organization, key, &ids, run)?;
        Ok(None)
    }
}
