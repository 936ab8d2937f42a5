//! Tool rules in words.

use crate::schema::ToolRule;

/// The section with the rules, if there is one that has words.
pub(super) fn render(rules: &[ToolRule]) -> Option<String> {
    // Stable: rules of one rank keep their order.
    let mut ranked: Vec<_> = rules.iter().filter_map(|rule| Some((rank(rule), render_rule(rule)?))).collect();
    if ranked.is_empty() {
        return None;
    }
    ranked.sort_by_key(|(rank, _)| *rank);
    let mut text = String::from(
        "<tool_usage_rules>\nThese rules limit which tools you may call when, and must be followed. One response may \
         hold several tool calls.\n\n",
    );
    for (_, rule) in ranked {
        text += &format!("<tool_rule>\n{rule}\n</tool_rule>\n");
    }
    Some(text + "</tool_usage_rules>")
}

fn rank(rule: &ToolRule) -> u8 {
    match rule {
        ToolRule::RunFirst(_) | ToolRule::RequiresApproval(_) => 0,
        ToolRule::ContinueLoop(_) => 1,
        ToolRule::ConstrainChildTools(_) | ToolRule::Conditional(_) | ToolRule::MaxCountPerStep(_) => 2,
        ToolRule::ParentLastTool(_) => 3,
        ToolRule::ExitLoop(_) => 4,
        ToolRule::RequiredBeforeExit(_) => 5,
    }
}

/// The rule as a sentence to the model; some kinds bind the server only and have none.
#[must_use]
pub fn render_rule(rule: &ToolRule) -> Option<String> {
    let text = match rule {
        ToolRule::RunFirst(_) | ToolRule::RequiresApproval(_) => return None,
        ToolRule::ContinueLoop(rule) => {
            format!("{} does not end your response: after it you must go on.", rule.tool_name)
        }
        ToolRule::ConstrainChildTools(rule) => {
            format!(
                "{} must be followed by a call of one of these tools: {}.",
                rule.tool_name,
                rule.children.join(", ")
            )
        }
        ToolRule::Conditional(rule) => {
            format!("{} decides by what it returns which tool you must call next.", rule.tool_name)
        }
        ToolRule::MaxCountPerStep(rule) => {
            let times = if rule.max_count_limit == 1 { "time" } else { "times" };
            format!("{} may be called at most {} {times} in one response.", rule.tool_name, rule.max_count_limit)
        }
        ToolRule::ParentLastTool(rule) => {
            format!("{} must come right before any call of these tools: {}.", rule.tool_name, rule.children.join(", "))
        }
        ToolRule::ExitLoop(rule) => format!("{} ends your response when it is called.", rule.tool_name),
        ToolRule::RequiredBeforeExit(rule) => {
            format!("{} must be called before you end your response.", rule.tool_name)
        }
    };
    Some(text)
}
