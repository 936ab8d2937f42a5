//! The rules against what they say, and against a model of them that tries out every tool.

use proptest::prelude::*;
use serde_json::json;

use super::*;

const TOOLS: [&str; 4] = ["a", "b", "c", "d"];

fn rules(rules: Value) -> Rules {
    Rules::new(serde_json::from_value(rules).unwrap(), Calls::default())
}

fn offered(allowed: &Allowed) -> Vec<ToolSpec> {
    let spec = |name: &String| {
        let (name, description) = (name.clone(), String::new());
        ToolSpec { name, description, parameters: json!({}), strict: false }
    };
    allowed.tools.iter().map(spec).collect()
}

fn after(mut rules: Rules, calls: &[(&str, &str)]) -> Rules {
    calls.iter().for_each(|(tool, output)| rules.register(tool, (*output).to_owned()));
    rules
}

#[test]
fn the_first_tool_comes_first_and_only_first() {
    let rules = rules(json!([{"type": "run_first", "tool_name": "b"}]));
    let allowed = rules.allowed(&TOOLS);
    assert_eq!(allowed, Allowed { tools: vec!["b".into()], must_call: true });
    assert_eq!(allowed.choice(&offered(&allowed)), ToolChoice::Named("b".into()));
    assert_eq!(after(rules, &[("b", "")]).allowed(&TOOLS).tools, TOOLS);
}

#[test]
fn a_first_tool_that_the_agent_does_not_have_is_as_if_not_said() {
    let rules = rules(json!([{"type": "run_first", "tool_name": "z"}]));
    assert_eq!(rules.allowed(&TOOLS), Allowed { tools: TOOLS.map(Into::into).to_vec(), must_call: false });
}

#[test]
fn children_follow_their_parent() {
    let rules = rules(json!([{"type": "constrain_child_tools", "tool_name": "a", "children": ["b", "c"]}]));
    assert!(!rules.allowed(&TOOLS).must_call);
    let next = after(rules, &[("a", "")]).allowed(&TOOLS);
    assert_eq!(next.tools, ["b", "c"]);
    assert_eq!(next.choice(&offered(&next)), ToolChoice::Required);
}

#[test]
fn some_tools_come_only_after_another() {
    let rules = rules(json!([{"type": "parent_last_tool", "tool_name": "a", "children": ["b"]}]));
    assert_eq!(rules.allowed(&TOOLS).tools, ["a", "c", "d"]);
    assert_eq!(after(rules, &[("a", "")]).allowed(&TOOLS).tools, ["b"]);
}

#[test]
fn an_output_decides_what_comes_next() {
    let rule = json!({"type": "conditional", "tool_name": "a", "child_output_mapping": {"True": "b", "42": "c"}});
    let next = |rule: &Value, output: &str| after(rules(json!([rule])), &[("a", output)]).allowed(&TOOLS).tools;
    assert_eq!(next(&rule, "true"), ["b"]);
    assert_eq!(next(&rule, " 42\n"), ["c"]);
    assert_eq!(next(&rule, "else"), TOOLS);
    let with = |key: &str, value: Value| {
        let mut rule = rule.clone();
        rule[key] = value;
        rule
    };
    assert_eq!(next(&with("default_child", json!("d")), "else"), ["d"]);
    let nothing = after(rules(json!([with("require_output_mapping", json!(true))])), &[("a", "else")]).allowed(&TOOLS);
    assert!(nothing.tools.is_empty());
    assert_eq!(nothing.choice(&offered(&nothing)), ToolChoice::None);
}

#[test]
fn a_limit_counts_the_calls_of_the_turn() {
    let rules = rules(json!([{"type": "max_count_per_step", "tool_name": "a", "max_count_limit": 2}]));
    let rules = after(rules, &[("a", ""), ("b", "")]);
    assert!(rules.allowed(&TOOLS).tools.contains(&"a".to_owned()));
    assert_eq!(after(rules, &[("a", "")]).allowed(&TOOLS).tools, ["b", "c", "d"]);
}

#[test]
fn required_tools_are_asked_for_until_they_are_called() {
    let rules = rules(json!([
        {"type": "required_before_exit", "tool_name": "a"},
        {"type": "required_before_exit", "tool_name": "z"},
    ]));
    assert_eq!(rules.still_required(&TOOLS), ["a"]);
    assert!(after(rules, &[("a", "")]).still_required(&TOOLS).is_empty());
}

#[test]
fn what_was_denied_is_not_demanded_again_and_has_not_been_called() {
    let mut rules = rules(json!([
        {"type": "run_first", "tool_name": "a", "args": {"x": 1}},
        {"type": "required_before_exit", "tool_name": "a"},
        {"type": "constrain_child_tools", "tool_name": "a", "children": ["b"]},
        {"type": "max_count_per_step", "tool_name": "a", "max_count_limit": 1},
    ]));
    rules.excuse("a");
    let allowed = rules.allowed(&TOOLS);
    assert_eq!(allowed, Allowed { tools: TOOLS.map(Into::into).to_vec(), must_call: false });
    assert!(rules.prefilled(&allowed).is_empty());
    assert!(rules.still_required(&TOOLS).is_empty());
}

#[test]
fn a_refusal_names_what_would_be_right_and_why() {
    let rules =
        after(rules(json!([{"type": "constrain_child_tools", "tool_name": "a", "children": ["b"]}])), &[("a", "")]);
    let text = rules.violation("d", &rules.allowed(&TOOLS));
    assert!(text.starts_with("[ToolConstraintError] Cannot call d, valid tools include: [b]"), "{text}");
    assert!(text.contains("** Hint:") && text.contains("a must be followed"), "{text}");
}

#[test]
fn later_rules_win_over_earlier_ones_in_what_they_set() {
    let rules = rules(json!([
        {"type": "run_first", "tool_name": "a", "args": {"x": 1, "y": 1}},
        {"type": "run_first", "tool_name": "a", "args": {"y": 2}},
    ]));
    let prefilled = rules.prefilled(&rules.allowed(&TOOLS));
    assert_eq!(Value::Object(prefilled["a"].args.clone()), json!({"x": 1, "y": 2}));
    assert!(after(rules, &[("a", "")]).prefilled(&Allowed { tools: vec!["a".into()], must_call: false }).is_empty());
}

/// Whether the tool may be called next, said as plainly as the documentation of the rules says it.
fn may_call(rules: &[ToolRule], called: &[(String, String)], tool: &str) -> bool {
    let has_first =
        |rule: &ToolRule| matches!(rule, ToolRule::RunFirst(rule) if TOOLS.contains(&rule.tool_name.as_str()));
    if called.is_empty() && rules.iter().any(has_first) {
        return rules.iter().any(|rule| matches!(rule, ToolRule::RunFirst(rule) if rule.tool_name == tool));
    }
    let last = called.last();
    let after = |name: &str| last.is_some_and(|(tool, _)| tool == name);
    for rule in rules {
        let fine = match rule {
            ToolRule::ConstrainChildTools(rule) if after(&rule.tool_name) => {
                rule.children.iter().any(|child| child == tool)
            }
            ToolRule::ParentLastTool(rule) if after(&rule.tool_name) => rule.children.iter().any(|child| child == tool),
            ToolRule::ParentLastTool(rule) => !rule.children.iter().any(|child| child == tool),
            ToolRule::Conditional(rule) if after(&rule.tool_name) => {
                let output = &last.unwrap().1;
                match (rule.child_output_mapping.get(output), rule.require_output_mapping, &rule.default_child) {
                    (Some(next), _, _) | (None, false, Some(next)) => next == tool,
                    (None, true, _) => false,
                    (None, false, None) => true,
                }
            }
            ToolRule::MaxCountPerStep(rule) if rule.tool_name == tool => {
                (called.iter().filter(|(name, _)| name == tool).count() as i64) < rule.max_count_limit
            }
            _ => true,
        };
        if !fine {
            return false;
        }
    }
    true
}

fn tool() -> impl Strategy<Value = &'static str> + Clone {
    prop::sample::select(vec!["a", "b", "c", "d", "z"])
}

fn rule() -> impl Strategy<Value = Value> {
    let children = prop::collection::vec(tool(), 0..3);
    prop_oneof![
        tool().prop_map(|tool| json!({"type": "run_first", "tool_name": tool})),
        tool().prop_map(|tool| json!({"type": "exit_loop", "tool_name": tool})),
        (tool(), children.clone()).prop_map(
            |(tool, children)| json!({"type": "constrain_child_tools", "tool_name": tool, "children": children})
        ),
        (tool(), children)
            .prop_map(|(tool, children)| json!({"type": "parent_last_tool", "tool_name": tool, "children": children})),
        (tool(), 0..3_i64).prop_map(
            |(tool, limit)| json!({"type": "max_count_per_step", "tool_name": tool, "max_count_limit": limit})
        ),
        (tool(), tool(), tool(), any::<bool>(), any::<bool>()).prop_map(
            |(tool, mapped, other, strict, has_default)| {
                json!({"type": "conditional", "tool_name": tool, "child_output_mapping": {"yes": mapped},
                "default_child": has_default.then_some(other), "require_output_mapping": strict})
            }
        ),
    ]
}

proptest! {
    #[test]
    fn what_is_allowed_is_what_the_rules_say(
        rule_set in prop::collection::vec(rule(), 0..5),
        calls in prop::collection::vec((tool(), prop::sample::select(vec!["yes", "no"])), 0..5),
    ) {
        let rule_set: Vec<ToolRule> = serde_json::from_value(Value::Array(rule_set)).unwrap();
        let rules = after(Rules::new(rule_set.clone(), Calls::default()), &calls);
        let called: Vec<(String, String)> =
            calls.iter().map(|(tool, output)| ((*tool).to_owned(), (*output).to_owned())).collect();
        let allowed = rules.allowed(&TOOLS);
        for tool in TOOLS {
            let is_allowed = allowed.tools.iter().any(|allowed| allowed == tool);
            prop_assert_eq!(is_allowed, may_call(&rule_set, &called, tool), "{}", tool);
        }
    }
}
