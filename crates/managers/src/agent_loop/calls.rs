//! The tool calls of one answer: what the rules make of them, and carrying them out.

use std::collections::BTreeMap;

use futures::future::join_all;
use muisti_llm::json::tool_arguments;
use muisti_orm::{
    runs,
    schema::{FunctionToolCall, MessageRole, StepId, StoredMessage, Tool, UsageStatistics, decremented},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    draft::{By, CallState, Draft, DraftCall},
    halt::{Halt, Turned},
    loaded::Loaded,
    rules::{Allowed, Prefilled, Rules, check_prefilled},
    style::Facts,
    turn::Turn,
};
use crate::{
    Error,
    tool::{ToolContext, ToolOutcome},
};

/// Tool calls that are being carried out, and the step to which they belong. Stored with the run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct UnderWay {
    /// The step whose model asked for them; none when a client has let calls of an earlier run through.
    pub(super) step: Option<StepId>,
    /// What that step's model call cost.
    pub(super) usage: Option<UsageStatistics>,
    /// Whether the model asked to be woken again, in the older style.
    #[serde(default)]
    pub(super) wakes: bool,
    /// What goes into the history before the calls, where that is not the input as it was accepted.
    #[serde(default)]
    pub(super) input: Option<Vec<StoredMessage>>,
    pub(super) draft: Draft,
}

/// What is to become of a tool call.
enum Plan<'a> {
    Run(&'a Tool, Map<String, Value>),
    Refuse(By, ToolOutcome),
}

/// The arguments that rules set for tools that may be called, by the tool's name; or why it cannot take them.
pub(super) type SetArguments = BTreeMap<String, Result<Prefilled, String>>;

/// Calls, carried out.
pub(super) struct Called {
    pub(super) draft: Draft,
    /// Whether a tool that ends the turn was among them.
    pub(super) ends: bool,
    /// Whether the model asked to be woken again, in the older style.
    pub(super) wakes: bool,
    /// Whether a rule sets arguments that its tool cannot take.
    pub(super) misruled: bool,
}

impl Called {
    /// What is known of the calls, for what comes after them. `last_step` says that no further step may follow.
    pub(super) fn facts<'a>(&'a self, rules: &Rules, last_step: bool, required: &'a [&'a str]) -> Facts<'a> {
        let first = self.draft.calls().first();
        let tool = first.map_or("", |call| call.call.function.name.as_str());
        Facts {
            tool,
            heartbeat: self.wakes,
            fate: first.map(DraftCall::fate).unwrap_or_default(),
            ends_turn: self.ends,
            onward: rules.onward(tool),
            last_step,
            required,
        }
    }
}

impl Turn {
    /// Carries out the calls under way that have not returned. `allowed` is what the model was allowed to call; none
    /// for calls that a client has let through.
    ///
    /// Before tools start it is stored that they do, with the returns of those that ended.
    pub(super) async fn carry_out(&mut self, loaded: &Loaded, allowed: Option<&Allowed>) -> Turned<Called> {
        let Some(UnderWay { step, usage, wakes, input, mut draft }) = self.under_way.clone() else {
            return Err(Error::Internal("there are no tool calls to be carried out".to_owned()).into());
        };
        let mut to_run = Vec::new();
        let waiting: Vec<_> = draft.waiting().map(|(place, call)| (place, call.clone())).collect();
        for (place, call) in waiting {
            match self.plan(&call, loaded, allowed) {
                Plan::Refuse(by, outcome) => draft.refuse(place, by, outcome),
                Plan::Run(tool, arguments) => to_run.push((place, tool, arguments)),
            }
        }
        let timezone = loaded.timezone().to_owned();
        let executor = self.services.tool_executor();
        let (actor, history) = (self.actor, self.history);
        let run = |tool, arguments| {
            let (executor, timezone) = (&executor, timezone.as_str());
            async move {
                let (agent_id, conversation_id) = (history.agent_id, history.conversation_id);
                let context = ToolContext { agent_id, conversation_id, timezone };
                executor.execute(&actor, &context, tool, arguments).await
            }
        };
        // Those that do not mind run side by side, then the others one after the other.
        let (side_by_side, in_turn): (Vec<_>, Vec<_>) =
            to_run.into_iter().partition(|(_, tool, _)| tool.enable_parallel_execution.unwrap_or(false));
        let groups = std::iter::once(side_by_side).chain(in_turn.into_iter().map(|call| vec![call]));
        for group in groups.filter(|group| !group.is_empty()) {
            let places: Vec<usize> = group.iter().map(|(place, ..)| *place).collect();
            draft.start(&places);
            let (usage, input) = (usage.clone(), input.clone());
            self.keep(UnderWay { step, usage, wakes, input, draft: draft.clone() }).await?;
            let running = join_all(group.into_iter().map(|(_, tool, arguments)| run(tool, arguments)));
            let outcomes = tokio::select! {
                biased;
                halt = self.active.halted() => return Err(halt),
                outcomes = running => outcomes,
            };
            for (place, outcome) in places.into_iter().zip(outcomes) {
                draft.ran(place, outcome);
            }
        }
        let ends = register(&mut self.rules, &draft);
        Ok(Called { draft, ends, wakes, misruled: false })
    }

    /// Stores how far the calls are.
    async fn keep(&mut self, under_way: UnderWay) -> Turned<()> {
        self.under_way = Some(under_way.clone());
        let (run_id, node) = (self.run_id, self.services.node().clone());
        let kept = self.services.db().write(move |conn| {
            let standing = runs::standing(conn, run_id, node.id())?;
            if standing == runs::Standing::Going {
                runs::set_draft(conn, run_id, &under_way)?;
            }
            Ok::<_, Error>(standing)
        });
        Halt::check(kept.await?, self.history.agent_id)
    }

    /// What is to become of a call.
    fn plan<'a>(&self, call: &FunctionToolCall, loaded: &'a Loaded, allowed: Option<&Allowed>) -> Plan<'a> {
        let name = call.function.name.as_str();
        let refuse = |by, kind: &str, text: String| Plan::Refuse(by, ToolOutcome::failure(name, kind, text));
        if let Some(allowed) = allowed
            && !allowed.tools.iter().any(|tool| tool == name)
        {
            return refuse(By::Rules, "ToolConstraintError", self.rules.violation(name, allowed));
        }
        let Some(tool) = loaded.tools.iter().find(|tool| tool.name == name) else {
            let text = format!("Tool not found: the agent has no tool '{name}' any more.");
            return refuse(By::Server, "KeyError", text);
        };
        match tool_arguments(&call.function.arguments) {
            Ok(arguments) => Plan::Run(tool, arguments),
            Err(reason) => refuse(By::Server, "ValueError", reason),
        }
    }

    /// The arguments that rules set for the tools that may be called now.
    pub(super) fn set_arguments(&self, loaded: &Loaded, allowed: &Allowed) -> SetArguments {
        let check = |(name, set): (String, Prefilled)| {
            let tool = loaded.tools.iter().find(|tool| tool.name == name);
            let schema = tool.and_then(|tool| tool.json_schema.as_ref());
            let parameters = schema.and_then(|schema| schema.get("parameters")).unwrap_or(&Value::Null);
            let checked = check_prefilled(&name, &set, parameters);
            (name, checked.map(|()| set))
        };
        self.rules.prefilled(allowed).into_iter().map(check).collect()
    }

    /// Puts the arguments that rules set into the calls of an answer: what is stored, and what a client decides on, is
    /// what will be done.
    ///
    /// Where a tool cannot take them nothing of the answer is done, nor is a client asked about it: then the calls are
    /// given as they have failed.
    pub(super) fn set_in(
        &self,
        assistant: &mut StoredMessage,
        wakes: bool,
        loaded: &Loaded,
        allowed: &Allowed,
    ) -> Option<Called> {
        let set = self.set_arguments(loaded, allowed);
        let fault_of = |call: &FunctionToolCall| set.get(&call.function.name)?.as_ref().err();
        if let Some(fault) = assistant.tool_calls.iter().find_map(fault_of) {
            let mut draft = Draft::of_answer(assistant.clone(), loaded.timezone());
            draft.settle(|call, _| ToolOutcome::failure(&call.function.name, "ValueError", fault));
            return Some(Called { draft, ends: false, wakes, misruled: true });
        }
        for call in &mut assistant.tool_calls {
            if let Some(Ok(set)) = set.get(&call.function.name)
                && let Some(arguments) = set.over(&call.function.arguments)
            {
                call.function.arguments = arguments;
            }
        }
        None
    }

    /// Whether a call of this tool has to wait for the client: it runs the tool itself, or wants to be asked.
    pub(super) fn waits_for_client(&self, name: &str, allowed: &Allowed) -> bool {
        self.request.is_client_tool(name)
            || (self.rules.needs_approval(name) && allowed.tools.iter().any(|tool| tool == name))
    }

    /// The model's answer as the history keeps it when the client must first decide on some of its calls: what was
    /// said with the calls that need no decision, and the request for the others.
    pub(super) fn ask_client(&self, mut assistant: StoredMessage, allowed: &Allowed) -> Vec<StoredMessage> {
        let calls = std::mem::take(&mut assistant.tool_calls);
        let (wait, free): (Vec<_>, Vec<_>) =
            calls.into_iter().partition(|call| self.waits_for_client(&call.function.name, allowed));
        let mut request = assistant.clone();
        request.id = decremented(assistant.id);
        request.role = MessageRole::Approval;
        request.content.clear();
        request.otid = Some(request.id.to_string());
        request.tool_call_id = wait.first().map(|call| call.id.clone());
        request.tool_calls = wait;
        assistant.tool_calls = free;
        let said = !assistant.content.is_empty() || !assistant.tool_calls.is_empty();
        said.then_some(assistant).into_iter().chain([request]).collect()
    }
}

/// Tells the rules what was called. Returns whether a tool that ends the turn was among it.
///
/// What a client has decided on counts, too: a rule that demanded the call must not demand it again.
pub(super) fn register(rules: &mut Rules, draft: &Draft) -> bool {
    let mut ends = false;
    for call in draft.calls() {
        let name = &call.call.function.name;
        let CallState::Returned { by, .. } = &call.state else { continue };
        match by {
            By::Tool { output } => {
                rules.register(name, output.clone());
                ends |= rules.ends_turn(name);
            }
            By::ClientTool { output } => rules.register(name, output.clone()),
            By::Denial | By::Nobody => rules.excuse(name),
            By::Rules | By::Server => {}
        }
    }
    ends
}

/// The ids of the agent's tools that were called.
pub(super) fn used_tools(draft: &Draft, loaded: &Loaded) -> Vec<String> {
    let called = |tool: &&Tool| draft.calls().iter().any(|call| call.call.function.name == tool.name);
    loaded.tools.iter().filter(called).map(|tool| tool.id.to_string()).collect()
}
