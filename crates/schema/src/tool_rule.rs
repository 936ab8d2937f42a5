//! The rules that say which tools an agent may, must or must not call next.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashSet},
};

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::{Map, Value};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

use crate::tagged::{Components, constant, merged, tagged_struct};

tagged_union! {
    /// A rule for one tool of an agent.
    enum ToolRule ("ToolRule", by "type") {
        /// After the tool, one of its children must follow.
        ConstrainChildTools(ChildToolRule) = "constrain_child_tools",
        /// The tool is called first.
        RunFirst(InitToolRule) = "run_first",
        /// The tool ends the response.
        ExitLoop(TerminalToolRule) = "exit_loop",
        /// The tool's output decides which tool follows.
        Conditional(ConditionalToolRule) = "conditional",
        /// After the tool, the agent goes on.
        ContinueLoop(ContinueToolRule) = "continue_loop",
        /// The tool must have been called before the response may end.
        RequiredBeforeExit(RequiredBeforeExitToolRule) = "required_before_exit",
        /// The tool may be called so many times in a response.
        MaxCountPerStep(MaxCountPerStepToolRule) = "max_count_per_step",
        /// The children may be called only after the tool.
        ParentLastTool(ParentToolRule) = "parent_last_tool",
        /// A person must approve each call of the tool.
        RequiresApproval(RequiresApprovalToolRule) = "requires_approval",
    }
}

tagged_struct! {
    "type" = "run_first", as "InitToolRule";
    /// The tool is called first.
    pub struct InitToolRule {
        /// The tool.
        pub tool_name: String,
        /// Accepted for compatibility, without effect.
        pub prompt_template: Option<String>,
        /// Arguments that the call will have, whatever the model says.
        pub args: Option<Map<String, Value>>,
    }
}

tagged_struct! {
    "type" = "continue_loop", as "ContinueToolRule";
    /// After the tool, the agent goes on.
    pub struct ContinueToolRule {
        /// The tool.
        pub tool_name: String,
        /// Accepted for compatibility, without effect.
        pub prompt_template: Option<String>,
    }
}

/// After the tool, one of its children must follow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "constrain_child_tools", try_from = "UncheckedChildToolRule")]
pub struct ChildToolRule {
    /// The tool.
    pub tool_name: String,
    /// Accepted for compatibility, without effect.
    pub prompt_template: Option<String>,
    /// The tools that may follow.
    pub children: Vec<String>,
    /// Arguments that a child's call will have; each name is among `children`.
    pub child_arg_nodes: Option<Vec<ToolCallNode>>,
}

/// After the tool, one of its children must follow.
#[derive(Deserialize, ToSchema)]
struct UncheckedChildToolRule {
    /// The tool.
    tool_name: String,
    /// Accepted for compatibility, without effect.
    prompt_template: Option<String>,
    /// The tools that may follow.
    children: Vec<String>,
    /// Arguments that a child's call will have; each name is among `children`.
    child_arg_nodes: Option<Vec<ToolCallNode>>,
}

impl TryFrom<UncheckedChildToolRule> for ChildToolRule {
    type Error = String;

    fn try_from(rule: UncheckedChildToolRule) -> Result<Self, String> {
        let UncheckedChildToolRule { tool_name, prompt_template, children, child_arg_nodes } = rule;
        for node in child_arg_nodes.iter().flatten() {
            if !children.contains(&node.name) {
                return Err(format!(
                    "child_arg_nodes of the rule for '{tool_name}' names '{}', which is not in children [{}]",
                    node.name,
                    children.join(", ")
                ));
            }
        }
        Ok(Self { tool_name, prompt_template, children, child_arg_nodes })
    }
}

impl PartialSchema for ChildToolRule {
    fn schema() -> RefOr<Schema> {
        merged(constant("type", "constrain_child_tools", &[]), UncheckedChildToolRule::schema())
    }
}

impl ToSchema for ChildToolRule {
    fn name() -> Cow<'static, str> {
        "ChildToolRule".into()
    }

    fn schemas(components: &mut Components) {
        UncheckedChildToolRule::schemas(components);
    }
}

tagged_struct! {
    "type" = "conditional", as "ConditionalToolRule";
    /// The tool's output decides which tool follows.
    pub struct ConditionalToolRule {
        /// The tool.
        pub tool_name: String,
        /// Accepted for compatibility, without effect.
        pub prompt_template: Option<String>,
        /// The tool that follows an output that is not in the mapping; null for any tool.
        pub default_child: Option<String>,
        /// From outputs to the tools that follow them; not empty.
        #[serde(deserialize_with = "mapping")]
        pub child_output_mapping: BTreeMap<String, String>,
        /// Whether an output that is not in the mapping is an error.
        #[serde(default)]
        pub require_output_mapping: bool [default = false],
    }
}

tagged_struct! {
    "type" = "max_count_per_step", as "MaxCountPerStepToolRule";
    /// The tool may be called so many times in a response.
    pub struct MaxCountPerStepToolRule {
        /// The tool.
        pub tool_name: String,
        /// Accepted for compatibility, without effect.
        pub prompt_template: Option<String>,
        /// How many times.
        pub max_count_limit: i64,
    }
}

tagged_struct! {
    "type" = "parent_last_tool", as "ParentToolRule";
    /// The children may be called only after the tool.
    pub struct ParentToolRule {
        /// The tool.
        pub tool_name: String,
        /// Accepted for compatibility, without effect.
        pub prompt_template: Option<String>,
        /// The tools that wait for it.
        pub children: Vec<String>,
    }
}

tagged_struct! {
    "type" = "exit_loop", as "TerminalToolRule";
    /// The tool ends the response.
    pub struct TerminalToolRule {
        /// The tool.
        pub tool_name: String,
        /// Accepted for compatibility, without effect.
        pub prompt_template: Option<String>,
    }
}

tagged_struct! {
    "type" = "required_before_exit", as "RequiredBeforeExitToolRule";
    /// The tool must have been called before the response may end.
    pub struct RequiredBeforeExitToolRule {
        /// The tool.
        pub tool_name: String,
        /// Accepted for compatibility, without effect.
        pub prompt_template: Option<String>,
    }
}

tagged_struct! {
    "type" = "requires_approval", as "RequiresApprovalToolRule";
    /// A person must approve each call of the tool.
    pub struct RequiresApprovalToolRule {
        /// The tool.
        pub tool_name: String,
        /// Accepted for compatibility, without effect.
        pub prompt_template: Option<String>,
    }
}

/// A tool with arguments that its call will have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ToolCallNode {
    /// The tool.
    pub name: String,
    /// The arguments.
    pub args: Option<Map<String, Value>>,
}

/// What makes two rules the same rule, see [`ToolRule::identity`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ToolRuleIdentity {
    kind: &'static str,
    tool_name: String,
    rest: RuleRest,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum RuleRest {
    Nothing,
    Children(Vec<String>),
    Condition { default_child: Option<String>, mapping: BTreeMap<String, String>, required: bool },
    Count(i64),
}

impl ToolRule {
    /// A rule that the tool is called first.
    pub fn run_first(tool_name: impl Into<String>) -> Self {
        InitToolRule { tool_name: tool_name.into(), prompt_template: None, args: None }.into()
    }

    /// A rule that the agent goes on after the tool.
    pub fn continue_loop(tool_name: impl Into<String>) -> Self {
        ContinueToolRule { tool_name: tool_name.into(), prompt_template: None }.into()
    }

    /// A rule that the tool ends the response.
    pub fn exit_loop(tool_name: impl Into<String>) -> Self {
        TerminalToolRule { tool_name: tool_name.into(), prompt_template: None }.into()
    }

    /// A rule that a person must approve each call of the tool.
    pub fn requires_approval(tool_name: impl Into<String>) -> Self {
        RequiresApprovalToolRule { tool_name: tool_name.into(), prompt_template: None }.into()
    }

    /// Reads rules as they were stored; those that cannot be read are left out.
    #[must_use]
    pub fn read_stored(stored: Value) -> Vec<Self> {
        let rules = crate::de::lenient_list(stored);
        rules.ok().flatten().unwrap_or_default()
    }

    /// The tool that the rule is for.
    #[must_use]
    pub fn tool_name(&self) -> &str {
        match self {
            Self::RunFirst(rule) => &rule.tool_name,
            Self::ContinueLoop(rule) => &rule.tool_name,
            Self::ConstrainChildTools(rule) => &rule.tool_name,
            Self::Conditional(rule) => &rule.tool_name,
            Self::MaxCountPerStep(rule) => &rule.tool_name,
            Self::ParentLastTool(rule) => &rule.tool_name,
            Self::ExitLoop(rule) => &rule.tool_name,
            Self::RequiredBeforeExit(rule) => &rule.tool_name,
            Self::RequiresApproval(rule) => &rule.tool_name,
        }
    }

    /// The `type` on the wire.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::RunFirst(_) => "run_first",
            Self::ContinueLoop(_) => "continue_loop",
            Self::ConstrainChildTools(_) => "constrain_child_tools",
            Self::Conditional(_) => "conditional",
            Self::MaxCountPerStep(_) => "max_count_per_step",
            Self::ParentLastTool(_) => "parent_last_tool",
            Self::ExitLoop(_) => "exit_loop",
            Self::RequiredBeforeExit(_) => "required_before_exit",
            Self::RequiresApproval(_) => "requires_approval",
        }
    }

    /// What makes it the same rule as another: its kind and tool, and its children in any order, its whole
    /// condition, or its count. Arguments do not count.
    #[must_use]
    pub fn identity(&self) -> ToolRuleIdentity {
        let rest = match self {
            Self::ConstrainChildTools(ChildToolRule { children, .. })
            | Self::ParentLastTool(ParentToolRule { children, .. }) => {
                let mut children = children.clone();
                children.sort_unstable();
                RuleRest::Children(children)
            }
            Self::Conditional(rule) => RuleRest::Condition {
                default_child: rule.default_child.clone(),
                mapping: rule.child_output_mapping.clone(),
                required: rule.require_output_mapping,
            },
            Self::MaxCountPerStep(rule) => RuleRest::Count(rule.max_count_limit),
            Self::RunFirst(_)
            | Self::ContinueLoop(_)
            | Self::ExitLoop(_)
            | Self::RequiredBeforeExit(_)
            | Self::RequiresApproval(_) => RuleRest::Nothing,
        };
        ToolRuleIdentity { kind: self.kind(), tool_name: self.tool_name().to_owned(), rest }
    }

    /// The rules without repetitions; the first of each stays where it was.
    #[must_use]
    pub fn dedup(rules: Vec<Self>) -> Vec<Self> {
        let mut seen = HashSet::new();
        rules.into_iter().filter(|rule| seen.insert(rule.identity())).collect()
    }
}

/// A mapping that says something.
fn mapping<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let mapping = BTreeMap::deserialize(deserializer)?;
    if mapping.is_empty() {
        return Err(de::Error::custom("child_output_mapping is empty: name at least one output and its tool"));
    }
    Ok(mapping)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rules(json: Value) -> Vec<ToolRule> {
        serde_json::from_value(json).unwrap()
    }

    fn refusal(json: Value) -> String {
        serde_json::from_value::<ToolRule>(json).unwrap_err().to_string()
    }

    #[test]
    fn repeated_rules_are_dropped_and_different_ones_kept() {
        let rules = rules(json!([
            {"type": "exit_loop", "tool_name": "a"},
            {"type": "max_count_per_step", "tool_name": "a", "max_count_limit": 2},
            {"type": "exit_loop", "tool_name": "a", "prompt_template": "x"},
            {"type": "max_count_per_step", "tool_name": "a", "max_count_limit": 3},
            {"type": "constrain_child_tools", "tool_name": "a", "children": ["b", "c"]},
            {"type": "parent_last_tool", "tool_name": "a", "children": ["b", "c"]},
            {"type": "constrain_child_tools", "tool_name": "a", "children": ["c", "b"]},
            {"type": "exit_loop", "tool_name": "a"},
        ]));
        let kinds: Vec<_> = ToolRule::dedup(rules).iter().map(ToolRule::kind).collect();
        assert_eq!(
            kinds,
            ["exit_loop", "max_count_per_step", "max_count_per_step", "constrain_child_tools", "parent_last_tool"]
        );
    }

    #[test]
    fn rules_that_make_no_sense_are_refused() {
        let error = refusal(json!({"type": "constrain_child_tools", "tool_name": "a", "children": ["b"],
            "child_arg_nodes": [{"name": "c"}]}));
        assert!(error.contains("which is not in children"), "{error}");
        let error = refusal(json!({"type": "conditional", "tool_name": "a", "child_output_mapping": {}}));
        assert!(error.contains("child_output_mapping is empty"), "{error}");
        refusal(json!({"tool_name": "a"}));
        refusal(json!({"type": "sometimes", "tool_name": "a"}));
    }

    #[test]
    fn stored_rules_that_cannot_be_read_are_left_out() {
        let stored = json!([{"type": "sometimes", "tool_name": "a"}, {"type": "exit_loop", "tool_name": "b"}, 7]);
        assert_eq!(ToolRule::read_stored(stored), [ToolRule::exit_loop("b")]);
        assert_eq!(ToolRule::read_stored(Value::Null), []);
    }
}
