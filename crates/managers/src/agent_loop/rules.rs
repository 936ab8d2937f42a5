//! Which tools the model may call next, and what the rules say about a call.
//!
//! The rules look at what was called in this turn, and for conditional rules at what the last call returned. They
//! limit the agent's own tools; nothing is remembered from one turn to the next, but for the calls that a turn begins
//! with because a client has decided on them.

mod prefill;

use std::collections::BTreeMap;

use muisti_llm::{ToolChoice, ToolSpec};
use muisti_orm::schema::{ConditionalToolRule, ToolRule};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::style::Onward;
use crate::prompt;

pub(super) use prefill::{Prefilled, check as check_prefilled};

/// The rules of an agent, and what has been called in this turn.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    rules: Vec<ToolRule>,
    done: Calls,
}

/// What has been called in a turn.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Calls {
    /// The names of the tools, in order.
    called: Vec<String>,
    /// What the last one returned.
    last_output: Option<String>,
    /// Tools of which a call was denied, or broke off: no rule makes the model call them again.
    #[serde(default)]
    excused: Vec<String>,
}

/// What the model may do next.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Allowed {
    /// The tools it may call, in the agent's order.
    pub(super) tools: Vec<String>,
    /// Whether it must call one of them.
    pub(super) must_call: bool,
}

impl Allowed {
    /// How the provider is told, when these tools are on offer: those of the agent that are allowed, and those of the
    /// client, which rules say nothing about.
    pub(super) fn choice(&self, offered: &[ToolSpec]) -> ToolChoice {
        match offered {
            [] => ToolChoice::None,
            [tool] if self.must_call => ToolChoice::Named(tool.name.clone()),
            _ if self.must_call => ToolChoice::Required,
            _ => ToolChoice::Auto,
        }
    }
}

impl Rules {
    pub(super) const fn new(rules: Vec<ToolRule>, done: Calls) -> Self {
        Self { rules, done }
    }

    /// What has been called so far.
    pub(super) const fn done(&self) -> &Calls {
        &self.done
    }

    /// Notes a call that was carried out, with the text of what it returned.
    pub(super) fn register(&mut self, tool: &str, output: String) {
        self.done.called.push(tool.to_owned());
        self.done.last_output = Some(output);
    }

    /// Notes a call that was not carried out, or nobody knows how far, and that the model is not to be made to repeat.
    pub(super) fn excuse(&mut self, tool: &str) {
        self.done.excused.push(tool.to_owned());
    }

    /// Whether something has come of a call, so that it is too late for a first tool.
    fn has_begun(&self) -> bool {
        !self.done.called.is_empty() || !self.done.excused.is_empty()
    }

    /// What may be called next, of these tools.
    pub(super) fn allowed(&self, available: &[&str]) -> Allowed {
        let first = self.first_tools(available);
        if !first.is_empty() {
            return Allowed { tools: first, must_call: true };
        }
        let permitted = |tool: &&&str| self.rules.iter().all(|rule| self.permits(rule, tool));
        let tools = available.iter().filter(permitted).map(|tool| (*tool).to_owned()).collect();
        Allowed { tools, must_call: self.rules.iter().any(|rule| self.is_decided_by(rule)) }
    }

    /// The tools that must be called first, while nothing was called. A rule for a tool that the agent does not have
    /// would leave it without any.
    fn first_tools(&self, available: &[&str]) -> Vec<String> {
        if self.has_begun() {
            return Vec::new();
        }
        let first = self.rules.iter().filter_map(|rule| match rule {
            ToolRule::RunFirst(rule) if available.contains(&rule.tool_name.as_str()) => Some(rule.tool_name.clone()),
            _ => None,
        });
        first.collect()
    }

    fn last(&self) -> Option<&str> {
        self.done.called.last().map(String::as_str)
    }

    /// Whether one rule lets this tool be called next.
    fn permits(&self, rule: &ToolRule, tool: &str) -> bool {
        match rule {
            ToolRule::ConstrainChildTools(rule) => {
                self.last() != Some(&rule.tool_name) || rule.children.iter().any(|child| child == tool)
            }
            ToolRule::ParentLastTool(rule) => {
                (self.last() == Some(&rule.tool_name)) == rule.children.iter().any(|child| child == tool)
            }
            ToolRule::Conditional(rule) => {
                self.last() != Some(&rule.tool_name)
                    || match self.next_by_output(rule) {
                        Decision::Tool(next) => next == tool,
                        Decision::Nothing => false,
                        Decision::Any => true,
                    }
            }
            ToolRule::MaxCountPerStep(rule) => {
                tool != rule.tool_name || self.times(tool) < usize::try_from(rule.max_count_limit).unwrap_or(0)
            }
            ToolRule::RunFirst(_)
            | ToolRule::ExitLoop(_)
            | ToolRule::ContinueLoop(_)
            | ToolRule::RequiredBeforeExit(_)
            | ToolRule::RequiresApproval(_) => true,
        }
    }

    /// Whether the last call was one after which this rule demands another.
    fn is_decided_by(&self, rule: &ToolRule) -> bool {
        let owner = match rule {
            ToolRule::ConstrainChildTools(rule) => &rule.tool_name,
            ToolRule::ParentLastTool(rule) => &rule.tool_name,
            ToolRule::Conditional(rule) => &rule.tool_name,
            _ => return false,
        };
        self.last() == Some(owner)
    }

    fn times(&self, tool: &str) -> usize {
        self.done.called.iter().filter(|called| *called == tool).count()
    }

    /// What a conditional rule makes of the last output. Its keys are texts, so `true` is compared without case.
    fn next_by_output<'a>(&self, rule: &'a ConditionalToolRule) -> Decision<'a> {
        let output = self.done.last_output.as_deref().unwrap_or_default().trim();
        let is_match = |key: &str| {
            key == output
                || (matches!(key.to_ascii_lowercase().as_str(), "true" | "false") && key.eq_ignore_ascii_case(output))
        };
        let mapped = rule.child_output_mapping.iter().find(|(key, _)| is_match(key));
        match (mapped, &rule.default_child) {
            (Some((_, tool)), _) => Decision::Tool(tool),
            (None, _) if rule.require_output_mapping => Decision::Nothing,
            (None, Some(tool)) => Decision::Tool(tool),
            (None, None) => Decision::Any,
        }
    }

    /// Whether the turn ends with a call of this tool.
    pub(super) fn ends_turn(&self, tool: &str) -> bool {
        self.rules.iter().any(|rule| matches!(rule, ToolRule::ExitLoop(rule) if rule.tool_name == tool))
    }

    /// Why the turn goes on after a call of this tool, if a rule says that it does.
    pub(super) fn onward(&self, tool: &str) -> Option<Onward> {
        Onward::after(&self.rules, tool)
    }

    /// Whether this tool may be used only when somebody has approved of it.
    pub(super) fn needs_approval(&self, tool: &str) -> bool {
        self.rules.iter().any(|rule| matches!(rule, ToolRule::RequiresApproval(rule) if rule.tool_name == tool))
    }

    /// Whether some rule says anything about an order, so that calls must come one at a time.
    pub(super) fn order_matters(&self) -> bool {
        !self.rules.iter().all(|rule| matches!(rule, ToolRule::RequiresApproval(_)))
    }

    /// The tools, of these, that must still be called before the turn may end.
    pub(super) fn still_required(&self, available: &[&str]) -> Vec<&str> {
        let mut required: Vec<&str> = Vec::new();
        for rule in &self.rules {
            if let ToolRule::RequiredBeforeExit(rule) = rule
                && available.contains(&rule.tool_name.as_str())
                && self.times(&rule.tool_name) == 0
                && !self.done.excused.contains(&rule.tool_name)
                && !required.contains(&rule.tool_name.as_str())
            {
                required.push(&rule.tool_name);
            }
        }
        required
    }

    /// What the model is told when it calls a tool that it may not call now.
    pub(super) fn violation(&self, tool: &str, allowed: &Allowed) -> String {
        let mut text =
            format!("[ToolConstraintError] Cannot call {tool}, valid tools include: [{}]", allowed.tools.join(", "));
        let concerns = |rule: &&ToolRule| rule.tool_name() == tool || Some(rule.tool_name()) == self.last();
        let hints: Vec<String> = self.rules.iter().filter(concerns).filter_map(prompt::render_rule).collect();
        if !hints.is_empty() {
            text += "\n** Hint:\n";
            text += &hints.join("\n");
        }
        text
    }

    /// The arguments that the rules set for the tools that may be called next.
    pub(super) fn prefilled(&self, allowed: &Allowed) -> BTreeMap<String, Prefilled> {
        let mut prefilled: BTreeMap<String, Prefilled> = BTreeMap::new();
        let mut set = |tool: &str, args: &Option<Map<String, Value>>, source: String| {
            if let Some(args) = args.as_ref().filter(|args| !args.is_empty())
                && allowed.tools.iter().any(|allowed| allowed == tool)
            {
                let entry = prefilled.entry(tool.to_owned()).or_default();
                entry.args.extend(args.clone());
                entry.source = source;
            }
        };
        for rule in &self.rules {
            match rule {
                ToolRule::RunFirst(rule) if !self.has_begun() => {
                    set(&rule.tool_name, &rule.args, format!("InitToolRule({})", rule.tool_name));
                }
                ToolRule::ConstrainChildTools(rule) if self.last() == Some(&rule.tool_name) => {
                    for node in rule.child_arg_nodes.iter().flatten() {
                        set(&node.name, &node.args, format!("ChildToolRule({}->{})", rule.tool_name, node.name));
                    }
                }
                _ => {}
            }
        }
        prefilled
    }
}

/// What a conditional rule says about the next tool.
enum Decision<'a> {
    Tool(&'a str),
    Nothing,
    Any,
}

#[cfg(test)]
mod tests;
