//! One turn, from its acceptance to the end of its run.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use muisti_orm::{
    Conn, agents, leases, messages, runs,
    schema::{
        AgentId, ConversationId, MessageId, MessageRole, RunId, RunRequestConfig, RunStatus, SendResponse, StepId,
        StepStatus, StopReason, StopReasonEvent, StoredMessage, StreamingSendRequest, UsageStatistics, WireOptions, to_wire_list,
    },
    steps,
};
use serde_json::Map;

use super::{
    failure::Failure,
    history_lock::HistoryGuard,
    loaded::{ChatModel, Loaded},
    node::ActiveTurn,
    request,
    rules::Rules,
    sink::Sink,
    step::OpenStep,
};
use crate::{Actor, Error, Result, Services};

/// How often a turn looks whether another node has given its history back.
const POLL: Duration = Duration::from_millis(250);

/// A turn that is accepted: its run and its input are stored, and it will be carried to an end.
pub(super) struct Turn {
    pub(super) services: Services,
    pub(super) actor: Actor,
    pub(super) run_id: RunId,
    pub(super) agent_id: AgentId,
    pub(super) conversation_id: Option<ConversationId>,
    /// Input that is not in the history yet.
    pub(super) input: Vec<StoredMessage>,
    pub(super) request: TurnRequest,
    pub(super) sink: Sink,
    pub(super) rules: Rules,
    pub(super) usage: UsageStatistics,
    /// Messages that no longer fit into the context; the next commit takes them out of it.
    pub(super) evicted: HashSet<MessageId>,
    /// The step that has begun and not ended.
    pub(super) open: Option<StepId>,
    guard: Option<HistoryGuard>,
    _active: ActiveTurn,
}

/// What of a request the turn goes by.
pub(super) struct TurnRequest {
    pub(super) max_steps: i64,
    pub(super) override_model: Option<String>,
    pub(super) override_system: Option<String>,
    pub(super) config: RunRequestConfig,
}

/// Whether a step is followed by another.
pub(super) enum Next {
    Step,
    Stop(StopReason),
}

impl Turn {
    /// Checks the request and stores the run with its input. What fails here has left nothing behind.
    pub(super) async fn accept(
        services: &Services,
        actor: &Actor,
        agent_id: AgentId,
        request: &StreamingSendRequest,
        run_type: &'static str,
        sink: Sink,
    ) -> Result<Self> {
        let send = &request.request;
        let input = request::check(request)?;
        if services.node().is_closing() {
            return Err(Error::Unavailable("The server is shutting down. Send the request again in a moment.".into()));
        }
        let run_id = RunId::random();
        let key = agent_id.to_string();
        let guard = services.node().locks().try_acquire(&key, run_id);

        let owner = *actor;
        let loaded = services.db().read(move |conn| Loaded::read(conn, &owner, agent_id)).await?;
        if let Some(request) = loaded.context.last().filter(|message| message.is_approval_request()) {
            return Err(Error::PendingApproval(Some(request.id)));
        }
        ChatModel::of(services, actor, &loaded.agent.llm_config, send.override_model.as_deref()).await?;
        let input = request::to_stored(agent_id, None, run_id, input)?;

        let mut turn = Self {
            services: services.clone(),
            actor: *actor,
            run_id,
            agent_id,
            conversation_id: None,
            input,
            request: TurnRequest {
                max_steps: send.max_steps,
                override_model: send.override_model.clone(),
                override_system: send.override_system.clone(),
                config: send.config(),
            },
            sink,
            rules: Rules::new(Vec::new()),
            usage: UsageStatistics::default(),
            evicted: HashSet::new(),
            open: None,
            guard: None,
            _active: services.node().enter(run_id),
        };
        let accepted = turn.sink.is_stream();
        turn.store(&loaded, request.stream.background, accepted, run_type, guard).await?;
        Ok(turn)
    }

    /// Stores the run, and takes the history along if it is free.
    async fn store(
        &mut self,
        loaded: &Loaded,
        background: bool,
        accepted: bool,
        run_type: &'static str,
        guard: Option<HistoryGuard>,
    ) -> Result<()> {
        let (actor, run_id, agent_id, key) = (self.actor, self.run_id, self.agent_id, self.history_key());
        let node = self.services.node().clone();
        let (input, config) = (self.input.clone(), self.request.config.clone());
        let (project_id, base_template_id) = (loaded.agent.project_id.clone(), loaded.agent.base_template_id.clone());
        let conversation_id = self.conversation_id;
        let free = guard.is_some();
        let mut metadata = Map::new();
        metadata.insert("run_type".to_owned(), run_type.into());
        let leased = self.services.db().write(move |conn| {
            let until = node.lease_until();
            let lease = leases::Lease { key: &key, run_id, node_id: node.id(), until };
            let leased = free && leases::acquire(conn, &lease)?;
            let run = runs::NewRun {
                id: run_id,
                agent_id,
                conversation_id,
                project_id,
                base_template_id,
                status: if leased { RunStatus::Running } else { RunStatus::Created },
                background,
                metadata,
                request_config: &config,
                history_key: &key,
                pending_input: &input,
                accepted,
                node_id: node.id(),
                lease_until: until,
            };
            runs::insert(conn, &actor, &run)?;
            Ok::<_, muisti_orm::Error>(leased)
        });
        // An agent that was deleted since it was read is one that does not exist.
        let leased = leased.await.map_err(|error| self.without_agent(error))?;
        self.guard = guard.filter(|_| leased);
        Ok(())
    }

    pub(super) const fn run_id(&self) -> RunId {
        self.run_id
    }

    /// The id of what the turn works on: one turn at a time for each.
    pub(super) fn history_key(&self) -> String {
        self.conversation_id.map_or_else(|| self.agent_id.to_string(), |id| id.to_string())
    }

    /// Carries the turn to its end. Other turns of the same history go first, for at most `patience`.
    pub(super) async fn run(mut self, patience: Duration) -> Result<SendResponse> {
        let outcome = match self.wait_for_history(patience).await {
            Ok(()) => self.steps().await,
            Err(error) => Err(error),
        };
        match outcome {
            Ok(stop_reason) => {
                let end = vec![StopReasonEvent::from(stop_reason).into(), self.usage.clone().into()];
                let end = self.sink.stage(end);
                self.sink.publish(end);
                let messages = self.sink.into_collected();
                let usage = self.usage;
                Ok(SendResponse { messages, stop_reason: stop_reason.into(), usage, logprobs: None, turns: None })
            }
            Err(error) => Err(self.fail(error).await),
        }
    }

    async fn wait_for_history(&mut self, patience: Duration) -> Result<()> {
        if self.guard.is_some() {
            return Ok(());
        }
        let deadline = Instant::now() + patience;
        let key = self.history_key();
        let node = self.services.node().clone();
        let guard = node.locks().acquire(&key, self.run_id, patience).await.map_err(Error::Busy)?;
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
                Err(holder) if Instant::now() >= deadline => return Err(Error::Busy(holder)),
                Err(_) => tokio::time::sleep(POLL).await,
            }
        }
        self.guard = Some(guard);
        Ok(())
    }

    /// Takes steps until the turn stops. What is read before the history was this turn's may be old by now, so it is
    /// read again.
    async fn steps(&mut self) -> Result<StopReason> {
        let (actor, agent_id) = (self.actor, self.agent_id);
        let mut loaded = self.services.db().read(move |conn| Loaded::read(conn, &actor, agent_id)).await?;
        if let Some(request) = loaded.context.last().filter(|message| message.is_approval_request()) {
            return Err(Error::PendingApproval(Some(request.id)));
        }
        let instead = self.request.override_model.as_deref();
        let model = ChatModel::of(&self.services, &actor, &loaded.agent.llm_config, instead).await?;
        self.rules = Rules::new(loaded.agent.tool_rules.clone());
        loaded.context.extend(self.input.iter().cloned());
        let mut step = OpenStep::new(&model);
        self.begin(&step, &loaded).await?;
        for number in 1.. {
            let last = number >= self.request.max_steps;
            match self.step(step, &mut loaded, &model, last).await? {
                (Next::Stop(stop_reason), _) => return Ok(stop_reason),
                (Next::Step, Some(next)) => step = next,
                (Next::Step, None) => break,
            }
        }
        Ok(StopReason::MaxSteps)
    }

    /// Stores a step that begins.
    async fn begin(&mut self, step: &OpenStep, loaded: &Loaded) -> Result<()> {
        let row = step.row(self, loaded);
        let organization = self.actor.organization_id;
        let stored = self.services.db().write(move |conn| steps::insert(conn, organization, &row)).await;
        stored.map_err(|error| self.without_agent(error))?;
        self.open = Some(step.id);
        Ok(())
    }

    /// Stores what a step has made, in one transaction: the messages, their place in the context, the step's end, and
    /// what comes next, the following step or the end of the run. Then the client sees it.
    pub(super) async fn commit(&mut self, commit: Commit) -> Result<()> {
        let Commit { step, end, new, tools, next, stop } = commit;
        let mut stored: Vec<StoredMessage> = self.input.clone();
        for message in &mut stored {
            message.step_id = Some(step);
        }
        let shown_from = stored.len();
        stored.extend(new);
        let (actor, agent_id, run_id) = (self.actor, self.agent_id, self.run_id);
        let key = self.history_key();
        let evicted = std::mem::take(&mut self.evicted);
        let next_id = next.as_ref().map(|next| next.id);
        let run_end = stop.map(|stop_reason| self.run_end(stop_reason));
        let committed = self.services.db().write(move |conn| {
            messages::insert(conn, &actor, &stored)?;
            extend_context(conn, &actor, agent_id, &evicted, &stored)?;
            steps::finish(conn, step, &end)?;
            runs::step_done(conn, run_id, &tools)?;
            if let Some(next) = next {
                steps::insert(conn, actor.organization_id, &next)?;
            }
            if let Some(end) = run_end {
                close(conn, &actor, agent_id, run_id, &key, &end)?;
            }
            Ok::<_, muisti_orm::Error>(stored)
        });
        let stored = committed.await.map_err(|error| self.without_agent(error))?;
        self.input.clear();
        self.open = next_id;
        // What the server said in the user's place is not for the client.
        let new = stored.into_iter().skip(shown_from).filter(|message| message.role != MessageRole::User);
        let new = to_wire_list(&new.collect::<Vec<_>>(), &self.wire_options());
        let staged = self.sink.stage(new.into_iter().map(Into::into).collect());
        self.sink.publish(staged);
        Ok(())
    }

    fn wire_options(&self) -> WireOptions {
        // What clients want to see of it, the sink knows.
        WireOptions { include_types: None, ..self.request.config.wire_options(true) }
    }

    fn run_end(&self, stop_reason: StopReason) -> runs::RunEnd {
        runs::RunEnd {
            status: run_status(stop_reason),
            stop_reason,
            metadata: Map::new(),
            ttft_ns: self.sink.time_to_first().and_then(nanoseconds),
            total_duration_ns: nanoseconds(self.sink.elapsed()),
        }
    }

    /// Ends a turn that failed: its run, its step, its claim on the history. Finished steps stay.
    async fn fail(mut self, error: Error) -> Error {
        let failure = Failure::new(error);
        let message = failure.message(self.run_id);
        tracing::info!(run_id = %self.run_id, error_type = message.error_type, error = %failure.error, "a turn failed");
        let mut end = self.run_end(failure.stop_reason);
        if let Ok(error) = serde_json::to_value(&message) {
            end.metadata.insert("error".to_owned(), error);
        }
        let (actor, agent_id, run_id, key, open) =
            (self.actor, self.agent_id, self.run_id, self.history_key(), self.open);
        let settled = self.services.db().write(move |conn| {
            if let Some(step) = open {
                let data =
                    serde_json::json!({"message": message.message, "details": message.detail, "traceback": null});
                let end = steps::StepEnd {
                    status: StepStatus::Failed,
                    stop_reason: Some(end.stop_reason),
                    usage: None,
                    error_type: Some(&message.error_type),
                    error_data: Some(data),
                    times: steps::StepTimes::default(),
                };
                steps::finish(conn, step, &end)?;
            }
            close(conn, &actor, agent_id, run_id, &key, &end)
        });
        if let Err(error) = settled.await {
            // Recovery will find the run once its lease has run out.
            tracing::error!(run_id = %self.run_id, %error, "the end of a failed turn could not be stored");
        }
        let end = vec![StopReasonEvent::from(failure.stop_reason).into(), failure.message(self.run_id).into()];
        let end = self.sink.stage(end);
        self.sink.publish(end);
        failure.error
    }

    /// An error of the database, as it looks when the agent is deleted while the turn goes on.
    fn without_agent(&self, error: muisti_orm::Error) -> Error {
        match error {
            muisti_orm::Error::ForeignKey { .. } => Error::missing("Agent", self.agent_id),
            error => error.into(),
        }
    }
}

/// What a step leaves behind.
pub(super) struct Commit {
    pub(super) step: StepId,
    pub(super) end: steps::StepEnd<'static>,
    /// The messages that the step made, in order.
    pub(super) new: Vec<StoredMessage>,
    /// The ids of the tools that it called.
    pub(super) tools: Vec<String>,
    /// The step that follows.
    pub(super) next: Option<steps::NewStep>,
    /// Why the turn stops, if it does.
    pub(super) stop: Option<StopReason>,
}

/// Puts stored messages at the end of the agent's context and takes the evicted ones out of it.
pub(super) fn extend_context(
    conn: &mut Conn,
    actor: &Actor,
    agent_id: AgentId,
    evicted: &HashSet<MessageId>,
    stored: &[StoredMessage],
) -> muisti_orm::Result<()> {
    let new: Vec<MessageId> = stored.iter().map(|message| message.id).collect();
    if evicted.is_empty() {
        agents::append_message_ids(conn, actor, agent_id, &new)?;
        return Ok(());
    }
    let Some(agent) = agents::lock(conn, actor.organization_id, agent_id)? else { return Ok(()) };
    let kept = agent.message_ids.into_iter().chain(new).filter(|id| !evicted.contains(id));
    agents::set_message_ids(conn, actor, agent_id, &kept.collect::<Vec<_>>())?;
    Ok(())
}

/// Ends a run and gives its history back.
pub(super) fn close(
    conn: &mut Conn,
    actor: &Actor,
    agent_id: AgentId,
    run_id: RunId,
    key: &str,
    end: &runs::RunEnd,
) -> muisti_orm::Result<()> {
    leases::release(conn, key, run_id)?;
    if runs::finish(conn, run_id, end)? {
        let changes = agents::AgentChanges { last_stop_reason: Some(Some(end.stop_reason)), ..Default::default() };
        agents::update(conn, actor, agent_id, changes)?;
    }
    Ok(())
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

fn nanoseconds(time: Duration) -> Option<i64> {
    i64::try_from(time.as_nanos()).ok()
}
