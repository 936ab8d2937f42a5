//! The tool calls of one answer: what the rules make of them, and carrying them out.

use std::collections::BTreeMap;

use muisti_llm::json::tool_arguments;
use muisti_orm::{
    schema::{FunctionToolCall, StepId, StoredMessage, Timestamp, Tool, python_text},
    steps,
};
use serde_json::{Map, Value};

use super::{
    draft::Draft,
    loaded::Loaded,
    rules::{Allowed, Prefilled, check_prefilled},
    turn::Turn,
};
use crate::{
    Error, Result,
    prompt::time::local_time,
    tool::{ToolContext, ToolOutcome},
};

/// What is to become of a tool call.
enum Plan<'a> {
    Run(&'a Tool, Map<String, Value>),
    Refuse(Box<ToolOutcome>),
}

/// The calls of one answer, carried out.
pub(super) struct Called {
    pub(super) draft: Draft,
    /// Whether a tool that ends the turn was among them.
    pub(super) ends: bool,
    /// Whether a rule sets arguments that its tool cannot take.
    pub(super) misruled: bool,
}

impl Turn {
    /// Runs the calls one after the other. Before each, what has been done so far is stored.
    pub(super) async fn call_tools(
        &mut self,
        step: StepId,
        mut assistant: StoredMessage,
        loaded: &Loaded,
        allowed: &Allowed,
    ) -> Result<Called> {
        let timezone = loaded.agent.timezone.as_deref().unwrap_or("UTC").to_owned();
        let executor = self.services.tool_executor();
        let prefilled = self.rules.prefilled(allowed);
        let (mut plans, mut misruled) = (Vec::new(), false);
        for call in &mut assistant.tool_calls {
            plans.push(self.plan(call, loaded, allowed, &prefilled, &mut misruled));
        }
        let mut called = Called { draft: Draft::new(assistant), ends: false, misruled };
        for (call, plan) in called.draft.assistant.tool_calls.clone().into_iter().zip(plans) {
            called.draft.started = Some(call.id.clone());
            let state = called.draft.clone();
            self.services.db().write(move |conn| steps::set_draft(conn, step, &state)).await.map_err(Error::from)?;
            let outcome = match plan {
                Plan::Refuse(outcome) => *outcome,
                Plan::Run(tool, arguments) => {
                    let context = ToolContext {
                        agent_id: self.agent_id,
                        conversation_id: self.conversation_id,
                        timezone: &timezone,
                    };
                    let outcome = executor.execute(&self.actor, &context, tool, arguments).await;
                    self.rules.register(&tool.name, python_text(&outcome.value));
                    called.ends |= self.rules.ends_turn(&tool.name);
                    outcome
                }
            };
            called.draft.record(&call, outcome, &local_time(Timestamp::now(), &timezone));
        }
        Ok(called)
    }

    /// What is to become of a call. The arguments that rules set are written into it.
    fn plan<'a>(
        &self,
        call: &mut FunctionToolCall,
        loaded: &'a Loaded,
        allowed: &Allowed,
        prefilled: &BTreeMap<String, Prefilled>,
        misruled: &mut bool,
    ) -> Plan<'a> {
        let name = call.function.name.as_str();
        let refuse = |kind: &str, text: String| Plan::Refuse(Box::new(ToolOutcome::failure(name, kind, text)));
        let tool = loaded.tools.iter().find(|tool| tool.name == name && allowed.tools.contains(&tool.name));
        let Some(tool) = tool else {
            return refuse("ToolConstraintError", self.rules.violation(name, allowed));
        };
        if self.rules.needs_approval(name) {
            let text = format!(
                "'{name}' may be called only with an approval, and this server cannot ask for one yet. The tool was \
                 not run."
            );
            return refuse("PermissionError", text);
        }
        let mut arguments = match tool_arguments(&call.function.arguments) {
            Ok(arguments) => arguments,
            Err(reason) => return refuse("ValueError", reason),
        };
        if let Some(set) = prefilled.get(name) {
            let parameters = tool.json_schema.as_ref().and_then(|schema| schema.get("parameters"));
            if let Err(fault) = check_prefilled(name, set, parameters.unwrap_or(&Value::Null)) {
                *misruled = true;
                return refuse("ValueError", fault);
            }
            arguments.extend(set.args.clone());
            call.function.arguments = Value::Object(arguments.clone()).to_string();
        }
        Plan::Run(tool, arguments)
    }
}

/// The ids of the agent's tools that were called.
pub(super) fn used_tools(draft: &Draft, loaded: &Loaded) -> Vec<String> {
    let called = |tool: &&Tool| draft.assistant.tool_calls.iter().any(|call| call.function.name == tool.name);
    loaded.tools.iter().filter(called).map(|tool| tool.id.to_string()).collect()
}
