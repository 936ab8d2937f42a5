//! One turn, from its acceptance to the end of its run.
//!
//! A turn repeats one thing: it asks the model, or carries out calls that are left to be carried out, and stores what
//! came of it together with what is to be done next. [`Turn::run`] is that repetition, `step` is what is repeated, and
//! [`Turn::commit`] is the only way into the history.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use muisti_orm::{
    Conn, agents, conversations, frames,
    histories::{self, HistoryId},
    leases, messages, runs,
    schema::{
        AgentId, ChoiceLogprobs, MessageId, MessageRole, RunId, RunStatus, SendResponse, StepId, StopReason,
        StopReasonEvent, StoredMessage, StreamEvent, Timestamp, UsageStatistics, WireOptions, to_wire_list,
    },
    steps,
};
use serde::{Deserialize, Serialize};
use serde_json::Map;

use super::{
    calls::UnderWay,
    compaction::Gauge,
    halt::{Halt, Turned},
    history_lock::InLine,
    loaded::{ChatModel, Loaded},
    node::ActiveTurn,
    request::TurnRequest,
    room::NewContext,
    rules::{Calls, Rules},
    sink::{Sink, Staged},
    step::OpenStep,
};
use crate::{Actor, Error, Result, Services, message::speaks_in_text};

/// How often a turn looks whether another node has given its history back.
const POLL: Duration = Duration::from_millis(250);

/// A turn that is accepted: its run and its input are stored, and it will be carried to an end.
pub(super) struct Turn {
    pub(super) services: Services,
    pub(super) actor: Actor,
    pub(super) run_id: RunId,
    pub(super) history: HistoryId,
    pub(super) request: TurnRequest,
    pub(super) sink: Sink,
    /// Input that goes into the history with the next commit.
    pub(super) input: Vec<StoredMessage>,
    /// Input that waits until the answer to an approval request, which came before it, is dealt with.
    pub(super) deferred: Vec<StoredMessage>,
    pub(super) rules: Rules,
    pub(super) usage: UsageStatistics,
    /// How often the model was asked or calls were carried out.
    pub(super) rounds: i64,
    /// The step that has begun and not ended.
    pub(super) open: Option<StepId>,
    /// How long its parts have taken, as far as they are done.
    pub(super) times: steps::StepTimes,
    /// The tool calls that are being carried out.
    pub(super) under_way: Option<UnderWay>,
    /// Whether the input is not as it was accepted any more.
    pub(super) rewritten: bool,
    /// What the next commit leaves of what is in context, if that is not all.
    pub(super) anew: Option<NewContext>,
    /// What was read when the turn was accepted, if it is what the turn begins with.
    pub(super) loaded: Option<Loaded>,
    /// How full the window is.
    pub(super) gauge: Option<Gauge>,
    /// The log-probabilities of the last answer, if they were asked for.
    pub(super) logprobs: Option<ChoiceLogprobs>,
    /// Whether the model provider has held the last answer back.
    pub(super) held_back: bool,
    /// Whether somebody waits to be called when the run has ended.
    pub(super) calls_back: bool,
    /// Whether the agent says what it means in plain text.
    pub(super) in_text: bool,
    /// Whether the model has refused the images of this history.
    pub(super) without_images: bool,
    /// Why it stops, when all that is left to do is to say so.
    pub(super) stop: Option<StopReason>,
    /// Whether the history is this turn's, for all nodes to see.
    pub(super) holds_history: bool,
    /// Its place before the other turns of this process.
    pub(super) line: Option<InLine>,
    pub(super) active: Arc<ActiveTurn>,
}

/// How far a turn has come, for a process that must carry it on.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Progress {
    pub(super) usage: UsageStatistics,
    pub(super) rounds: i64,
    pub(super) done: Calls,
    /// Why it stops, when all that is left to do is to say so.
    pub(super) stop: Option<StopReason>,
}

/// What is to be done next.
pub(super) enum Work {
    /// Ask the model.
    Ask(OpenStep),
    /// Carry out what is under way.
    CarryOut,
    /// Nothing but to end.
    Stop(StopReason),
}

/// What a step leaves behind.
pub(super) struct Commit {
    /// The step that ends with it, if it had one of its own.
    pub(super) step: Option<(StepId, steps::StepEnd<'static>)>,
    /// The messages that it made, in order.
    pub(super) new: Vec<StoredMessage>,
    /// The ids of the tools that it called.
    pub(super) tools: Vec<String>,
    /// The step that follows.
    pub(super) next: Option<steps::NewStep>,
    /// Why the turn stops, if it does.
    pub(super) stop: Option<StopReason>,
    /// Whether something is to be done between the last step and the end.
    pub(super) hold_end: bool,
    /// What clients see of it beside its own messages.
    pub(super) also_shown: Vec<StreamEvent>,
}

impl Turn {
    /// A turn of which nothing is done yet, and which has nothing to begin with.
    pub(super) fn new(
        services: Services,
        actor: Actor,
        history: HistoryId,
        request: TurnRequest,
        sink: Sink,
        active: ActiveTurn,
    ) -> Self {
        Self {
            services,
            actor,
            run_id: active.run(),
            history,
            request,
            sink,
            input: Vec::new(),
            deferred: Vec::new(),
            rules: Rules::new(Vec::new(), Calls::default()),
            usage: UsageStatistics::default(),
            rounds: 0,
            open: None,
            times: steps::StepTimes::default(),
            under_way: None,
            rewritten: false,
            anew: None,
            loaded: None,
            gauge: None,
            logprobs: None,
            held_back: false,
            calls_back: false,
            in_text: true,
            without_images: false,
            stop: None,
            holds_history: false,
            line: None,
            active: Arc::new(active),
        }
    }

    pub(super) const fn run_id(&self) -> RunId {
        self.run_id
    }

    /// Carries the turn to its end. Other turns of the same history go first, for at most `patience`.
    pub(super) async fn run(mut self, patience: Duration) -> Result<SendResponse> {
        let outcome = match self.wait_for_history(patience).await {
            Ok(()) => self.work().await,
            Err(halt) => Err(halt),
        };
        match outcome {
            Ok(stop_reason) => Ok(self.answer(stop_reason)),
            Err(halt) => self.halt(halt).await,
        }
    }

    pub(super) fn answer(self, stop_reason: StopReason) -> SendResponse {
        if self.calls_back {
            self.services.callbacks().wake();
        }
        let stop_reason = self.stopped(stop_reason);
        let messages = self.sink.into_collected();
        let Self { usage, logprobs, .. } = self;
        SendResponse { messages, stop_reason, usage, logprobs, turns: None }
    }

    async fn wait_for_history(&mut self, patience: Duration) -> Turned<()> {
        if self.holds_history {
            return Ok(());
        }
        let deadline = Instant::now() + patience;
        let key = self.history.key();
        let node = self.services.node().clone();
        let line = self.line.take().unwrap_or_else(|| node.locks().stand(&key, Some(self.run_id)));
        tokio::select! {
            biased;
            halt = self.active.halted() => return Err(halt),
            first = line.reach(patience) => first.map_err(Error::Busy)?,
        }
        loop {
            let (key, run_id, node) = (key.clone(), self.run_id, node.clone());
            let taken = self.services.db().write(move |conn| {
                let lease = leases::Lease { key: &key, run_id, node_id: node.id(), until: node.lease_until() };
                if leases::acquire(conn, &lease)? {
                    runs::set_running(conn, run_id)?;
                    return Ok::<_, Error>(Ok(()));
                }
                Ok(Err(leases::holder(conn, &key)?))
            });
            match taken.await? {
                Ok(()) => break,
                Err(holder) if Instant::now() >= deadline => return Err(Error::Busy(holder).into()),
                Err(_) => tokio::select! {
                    biased;
                    halt = self.active.halted() => return Err(halt),
                    () = tokio::time::sleep(POLL) => {}
                },
            }
        }
        self.line = Some(line);
        self.holds_history = true;
        Ok(())
    }

    /// Works until the turn stops.
    async fn work(&mut self) -> Turned<StopReason> {
        // What was read before the history was this turn's may be old by now.
        let mut loaded = match self.loaded.take() {
            Some(loaded) => loaded,
            None => self.load().await?,
        };
        let model =
            ChatModel::for_turn(&self.services, &self.actor, &loaded, self.request.override_model.as_deref()).await?;
        self.in_text = speaks_in_text(loaded.agent.agent_type);
        self.rules = Rules::new(loaded.agent.tool_rules.clone(), self.rules.done().clone());
        if self.rounds == 0 {
            self.anew = loaded.begin_anew().map(NewContext::of_system);
        }
        let mut work = self.begin(&mut loaded, &model).await?;
        loop {
            work = match work {
                Work::Stop(stop_reason) => return Ok(stop_reason),
                Work::Ask(step) => self.ask_and_act(step, &mut loaded, &model).await?,
                Work::CarryOut => self.act(&mut loaded, &model).await?,
            };
        }
    }

    pub(super) async fn load(&self) -> Result<Loaded> {
        let (actor, history) = (self.actor, self.history);
        self.services.db().read(move |conn| Loaded::read(conn, &actor, history)).await
    }

    /// Stores a step that begins.
    pub(super) async fn open_step(&mut self, step: &OpenStep, loaded: &Loaded) -> Result<()> {
        let row = step.row(self, loaded);
        let organization = self.actor.organization_id;
        let stored = self.services.db().write(move |conn| steps::insert(conn, organization, &row)).await;
        stored.map_err(|error| self.without_agent(error))?;
        self.open = Some(step.id);
        Ok(())
    }

    /// Stores what a step has made, in one transaction: the messages, their place in the context, the step's end, and
    /// what comes next, the following step or the end of the run. Then the client sees it.
    pub(super) async fn commit(&mut self, commit: Commit) -> Turned<()> {
        let Commit { step, mut new, tools, next, stop, hold_end, also_shown } = commit;
        let (step, end) = step.unzip();
        // What waited for the answer to an approval request goes along if nothing comes after.
        let (mut deferred, pending) = match stop {
            Some(_) => (self.deferred.clone(), Vec::new()),
            None => (Vec::new(), self.deferred.clone()),
        };
        let mut stored = self.input.clone();
        let step_id = step.or_else(|| new.first().and_then(|message| message.step_id));
        let said = stored.iter_mut().chain(&mut deferred);
        said.for_each(|message| message.step_id = message.step_id.or(step_id));
        let input = stored.len();
        stored.append(&mut new);
        let shown = stored.get(input..).map_or_else(Vec::new, |new| self.shown(new));
        stored.extend(deferred);

        let ends = stop.filter(|_| !hold_end);
        let anew = self.anew.clone();
        let mut events: Vec<StreamEvent> = anew.iter().filter_map(NewContext::told).chain(shown).collect();
        events.extend(also_shown);
        events.extend(ends.into_iter().flat_map(|stop_reason| self.last_words(stop_reason)));
        let staged = self.sink.stage(events);
        let rows = staged.rows.clone();
        let progress =
            Progress { usage: self.usage.clone(), rounds: self.rounds, done: self.rules.done().clone(), stop };
        let (actor, history, run_id) = (self.actor, self.history, self.run_id);
        let next_id = next.as_ref().map(|next| next.id);
        let run_end = ends.map(|stop_reason| self.run_end(stop_reason));
        let counts = step.is_some();
        let track = self.services.settings().track_last_run;
        let node = self.services.node().clone();
        let committed = self.services.db().write(move |conn| {
            let standing = runs::standing(conn, run_id, node.id())?;
            if matches!(standing, runs::Standing::Lost | runs::Standing::Gone) {
                return Ok(standing);
            }
            match &anew {
                Some(anew) => anew.store(conn, &actor, &history, &stored, input)?,
                None => {
                    messages::insert(conn, &actor, &stored)?;
                    let ids: Vec<MessageId> = stored.iter().map(|message| message.id).collect();
                    histories::append(conn, &actor, &history, &ids)?;
                }
            }
            if let (Some(step), Some(end)) = (step, end) {
                steps::finish(conn, step, &end)?;
            }
            let done = runs::StepDone { counts, tools: &tools, progress: &progress, pending_input: &pending };
            runs::step_done(conn, run_id, &done)?;
            let going = standing == runs::Standing::Going;
            if let Some(next) = next {
                steps::insert(conn, actor.organization_id, &next)?;
            }
            if let (Some(end), true) = (run_end, going) {
                close(conn, &actor, history, run_id, &end, track)?;
            }
            if going {
                frames::append(conn, &rows)?;
            }
            Ok::<_, muisti_orm::Error>(standing)
        });
        let committed = committed.await;
        if matches!(committed, Ok(runs::Standing::Going | runs::Standing::Cancelled)) {
            if let Some(step) = step {
                self.services.step_webhook().completed(step);
            }
            self.input.clear();
            if stop.is_some() {
                self.deferred.clear();
            }
            self.open = next_id;
            self.times = steps::StepTimes::default();
            self.under_way = None;
            self.rewritten = false;
            self.anew = None;
            if ends.is_some() {
                // Before anybody hears of the end: what comes next finds the history free.
                self.line = None;
            }
        }
        let standing = committed.map_err(|error| self.without_agent(error));
        self.say(staged, standing)
    }

    /// Shows what was stored, unless the run was cancelled meanwhile, or lost.
    pub(super) fn say(&mut self, staged: Staged, standing: Result<runs::Standing>) -> Turned<()> {
        Halt::check(standing?, self.history.agent_id)?;
        self.sink.publish(staged);
        Ok(())
    }

    /// What clients see of new messages, beside the pieces that they had before. What the server said in the user's place,
    /// which comes last, is not for them.
    fn shown(&self, new: &[StoredMessage]) -> Vec<StreamEvent> {
        let upto = new.iter().position(|row| row.role == MessageRole::User).unwrap_or(new.len());
        let had = |event: &StreamEvent| match event {
            StreamEvent::Message(message) => self.sink.has_had(message.message_type()),
            _ => false,
        };
        self.as_events(new.get(..upto).unwrap_or_default()).into_iter().filter(|event| !had(event)).collect()
    }

    /// Messages as clients see them.
    pub(super) fn as_events(&self, messages: &[StoredMessage]) -> Vec<StreamEvent> {
        to_wire_list(messages, &self.wire_options()).into_iter().map(StreamEvent::Message).collect()
    }

    fn wire_options(&self) -> WireOptions {
        // What clients want to see of it, the sink knows. An agent that speaks in text needs no tool for that; for the
        // others it is always the same one while they are being sent to.
        let use_assistant_message = self.request.config.use_assistant_message && !self.in_text;
        WireOptions { text_is_assistant: self.in_text, use_assistant_message, ..WireOptions::default() }
    }

    /// The events with which a turn ends that did not fail.
    pub(super) fn last_words(&self, stop_reason: StopReason) -> [StreamEvent; 2] {
        [StreamEvent::StopReason(self.stopped(stop_reason)), StreamEvent::Usage(self.usage.clone())]
    }

    fn stopped(&self, stop_reason: StopReason) -> StopReasonEvent {
        StopReasonEvent { stop_reason, held_back: self.held_back }
    }

    /// Ends the run after its last step, whose commit has left the end to be said.
    pub(super) async fn end(&mut self, stop_reason: StopReason) -> Turned<()> {
        let staged = self.sink.stage(self.last_words(stop_reason).into());
        let (rows, end) = (staged.rows.clone(), self.run_end(stop_reason));
        let (actor, history, run_id) = (self.actor, self.history, self.run_id);
        let track = self.services.settings().track_last_run;
        let node = self.services.node().clone();
        let closed = self.services.db().write(move |conn| {
            let standing = runs::standing(conn, run_id, node.id())?;
            if standing == runs::Standing::Going {
                close(conn, &actor, history, run_id, &end, track)?;
                frames::append(conn, &rows)?;
            }
            Ok::<_, Error>(standing)
        });
        let standing = closed.await;
        self.line = None;
        self.say(staged, standing)
    }

    /// Shows the client something that is not part of a step.
    pub(super) async fn show(&mut self, events: Vec<StreamEvent>) -> Turned<()> {
        let staged = self.sink.stage(events);
        if staged.rows.is_empty() {
            self.sink.publish(staged);
            return Ok(());
        }
        let (rows, run_id, node) = (staged.rows.clone(), self.run_id, self.services.node().clone());
        let stored = self.services.db().write(move |conn| {
            let standing = runs::standing(conn, run_id, node.id())?;
            if standing == runs::Standing::Going {
                frames::append(conn, &rows)?;
            }
            Ok::<_, Error>(standing)
        });
        let standing = stored.await;
        self.say(staged, standing)
    }

    pub(super) fn run_end(&self, stop_reason: StopReason) -> runs::RunEnd {
        runs::RunEnd {
            status: run_status(stop_reason),
            stop_reason,
            metadata: Map::new(),
            ttft_ns: self.sink.time_to_first().and_then(nanoseconds),
            total_duration_ns: nanoseconds(self.sink.elapsed()),
        }
    }

    /// An error of the database, as it looks when the agent is deleted while the turn goes on.
    pub(super) fn without_agent(&self, error: muisti_orm::Error) -> Error {
        without_agent(error, self.history.agent_id)
    }
}

/// An error of the database, as it looks when the agent was deleted meanwhile: it is one that does not exist.
pub(super) fn without_agent(error: muisti_orm::Error, agent: AgentId) -> Error {
    match error {
        muisti_orm::Error::ForeignKey { .. } => Error::missing("Agent", agent),
        error => error.into(),
    }
}

/// Ends a run and gives its history back. Returns whether it was still going.
pub(super) fn close(
    conn: &mut Conn,
    actor: &Actor,
    history: HistoryId,
    run_id: RunId,
    end: &runs::RunEnd,
    track: bool,
) -> muisti_orm::Result<bool> {
    leases::release(conn, &history.key(), run_id)?;
    let going = runs::finish(conn, run_id, end)?;
    if going {
        let mut changes = agents::AgentChanges { last_stop_reason: Some(Some(end.stop_reason)), ..Default::default() };
        if track {
            changes.last_run_completion = Some(Some(Timestamp::now()));
            changes.last_run_duration_ms = Some(end.total_duration_ns.map(|nanoseconds| nanoseconds / 1_000_000));
        }
        agents::update(conn, actor, history.agent_id, changes)?;
        if let Some(conversation) = history.conversation_id {
            conversations::run_ended(conn, conversation, Timestamp::now())?;
        }
    }
    Ok(going)
}

/// The state of a run that stopped for this reason.
#[must_use]
pub const fn run_status(stop_reason: StopReason) -> RunStatus {
    match stop_reason {
        StopReason::EndTurn | StopReason::MaxSteps | StopReason::ToolRule | StopReason::RequiresApproval => {
            RunStatus::Completed
        }
        StopReason::Cancelled => RunStatus::Cancelled,
        _ => RunStatus::Failed,
    }
}

pub(super) fn nanoseconds(time: Duration) -> Option<i64> {
    i64::try_from(time.as_nanos()).ok()
}
