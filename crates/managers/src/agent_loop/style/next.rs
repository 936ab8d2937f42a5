//! Whether a turn goes on after a call, and what the model is told then.

use muisti_orm::schema::{Envelope, StopReason, Timestamp, ToolRule};

use super::Style;
use crate::prompt::time::local_time;

/// What the texts begin with that the server writes in the user's place.
const HIDDEN: &str = "[This is an automated system message hidden from the user] ";

/// What is known of a call that has been answered.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::agent_loop) struct Facts<'a> {
    /// The tool.
    pub(in crate::agent_loop) tool: &'a str,
    /// Whether the model asked to be woken again.
    pub(in crate::agent_loop) heartbeat: bool,
    /// What has become of the call.
    pub(in crate::agent_loop) fate: Fate,
    /// Whether a tool was carried out with which a rule ends the turn.
    pub(in crate::agent_loop) ends_turn: bool,
    /// What the rules say about going on after this tool.
    pub(in crate::agent_loop) onward: Option<Onward>,
    /// Whether no further step may follow.
    pub(in crate::agent_loop) last_step: bool,
    /// The tools that must be called before the turn may end, and were not.
    pub(in crate::agent_loop) required: &'a [&'a str],
}

/// What has become of a call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::agent_loop) enum Fate {
    /// The tool did what it was asked.
    #[default]
    Done,
    /// It was carried out, and failed.
    Failed,
    /// The rules did not allow it, so it was not made.
    Forbidden,
    /// It could not be made: nobody could read its arguments, or the tool is gone.
    NotMade,
    /// It had started, and nobody knows how far it came.
    BrokenOff,
}

/// Why rules make a turn go on after a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::agent_loop) enum Onward {
    /// A rule of the tool decides which one is next, or how often it may come.
    Rule,
    /// A rule says that the tool never ends a turn.
    Continue,
}

/// What comes after a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::agent_loop) enum Next {
    /// Another step. The model is told why, unless the return of the tool says it all.
    Continue(Option<String>),
    /// Nothing.
    Stop(StopReason),
}

impl Onward {
    /// What these rules say about going on after a tool.
    pub(in crate::agent_loop) fn after(rules: &[ToolRule], tool: &str) -> Option<Self> {
        let of_tool = rules.iter().filter(|rule| rule.tool_name() == tool);
        let onward = of_tool.filter_map(|rule| match rule {
            ToolRule::ConstrainChildTools(_) | ToolRule::Conditional(_) | ToolRule::MaxCountPerStep(_) => {
                Some(Self::Rule)
            }
            ToolRule::ContinueLoop(_) => Some(Self::Continue),
            _ => None,
        });
        onward.min_by_key(|onward| *onward == Self::Continue)
    }
}

impl Style {
    /// What comes after a call that has been answered.
    ///
    /// A turn stops for its number of steps only if it would go on.
    pub(in crate::agent_loop) fn next(self, facts: &Facts<'_>) -> Next {
        let wish = match self {
            Self::Current { .. } => facts.wish_of_current(),
            Self::Older(_) => facts.wish_of_older(),
        };
        let wish = match wish {
            Next::Stop(_) if !facts.required.is_empty() => Next::Continue(Some(must_still_call(facts.required))),
            wish => wish,
        };
        match wish {
            Next::Continue(_) if facts.last_step => Next::Stop(StopReason::MaxSteps),
            wish => wish,
        }
    }
}

impl Facts<'_> {
    /// Every call is followed by a step, but for those that end the turn.
    const fn wish_of_current(&self) -> Next {
        if self.ends_turn { Next::Stop(StopReason::ToolRule) } else { Next::Continue(None) }
    }

    /// The model decides, and the rules know better.
    fn wish_of_older(&self) -> Next {
        let go_on = |reason: String| Next::Continue(Some(format!("{HIDDEN}{reason}")));
        let tool = self.tool;
        let carried_out = match self.fate {
            Fate::Done => "has been carried out",
            Fate::Failed => "has failed",
            // The model is to hear of what did not come to its end, whatever it and the rules had in mind for after it.
            Fate::Forbidden => {
                let reason = format!("The call of {tool} was not allowed and was not made. Go on with a tool that is.");
                return go_on(reason);
            }
            Fate::NotMade => return go_on(format!("The call of {tool} has failed. It is your turn again.")),
            Fate::BrokenOff => return go_on(format!("The call of {tool} was interrupted. It is your turn again.")),
        };
        match (self.ends_turn, self.onward, self.heartbeat) {
            (true, _, true) => Next::Stop(StopReason::ToolRule),
            (true, _, false) | (false, None, false) => Next::Stop(StopReason::EndTurn),
            (false, Some(Onward::Rule), _) => {
                go_on(format!("Going on, because a rule of {tool} says what comes next."))
            }
            (false, Some(Onward::Continue), _) => go_on(format!("Going on, because {tool} never ends a turn.")),
            (false, None, true) => go_on(format!("{tool} {carried_out}. It is your turn again.")),
        }
    }
}

/// What the model is told that wants to end its turn before it has called all that it must.
pub(in crate::agent_loop) fn must_still_call(required: &[&str]) -> String {
    let tools = required.join(", ");
    format!("{HIDDEN}ToolRuleViolated: before you end your response you must still call: {tools}.")
}

/// The text of the message, in the user's place, with which a step is followed by another.
pub(in crate::agent_loop) fn heartbeat(reason: &str, timezone: Option<&str>) -> String {
    let time = local_time(Timestamp::now(), timezone.unwrap_or("UTC"));
    Envelope::Heartbeat { reason, time: &time }.to_text()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::Thoughts, *};

    const OLDER: Style = Style::Older(Thoughts::InArguments);
    const CURRENT: Style = Style::Current { must_call: false };

    fn facts() -> Facts<'static> {
        Facts { tool: "f", ..Facts::default() }
    }

    fn reason(next: Next) -> String {
        match next {
            Next::Continue(Some(reason)) => {
                reason.strip_prefix("[This is an automated system message hidden from the user] ").unwrap().to_owned()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_heartbeat_is_what_makes_a_turn_go_on() {
        assert_eq!(OLDER.next(&facts()), Next::Stop(StopReason::EndTurn));
        let woken = Facts { heartbeat: true, ..facts() };
        assert!(reason(OLDER.next(&woken)).starts_with("f has been carried out"));
        assert!(reason(OLDER.next(&Facts { fate: Fate::Failed, ..woken })).starts_with("f has failed"));
    }

    #[test]
    fn what_did_not_come_to_its_end_makes_it_go_on_and_is_called_what_it_is() {
        for (fate, words) in
            [(Fate::Forbidden, "was not allowed"), (Fate::NotMade, "has failed"), (Fate::BrokenOff, "was interrupted")]
        {
            for onward in [None, Some(Onward::Rule)] {
                let reason = reason(OLDER.next(&Facts { fate, onward, ..facts() }));
                assert!(reason.contains(words), "{reason}");
                assert_eq!(reason.contains("allowed"), fate == Fate::Forbidden, "{reason}");
            }
        }
    }

    #[test]
    fn a_tool_that_ends_the_turn_is_the_reason_only_against_a_heartbeat() {
        let ends = Facts { ends_turn: true, ..facts() };
        assert_eq!(OLDER.next(&ends), Next::Stop(StopReason::EndTurn));
        assert_eq!(OLDER.next(&Facts { heartbeat: true, ..ends }), Next::Stop(StopReason::ToolRule));
    }

    #[test]
    fn rules_of_the_tool_go_on_without_a_heartbeat_unless_it_ends_the_turn() {
        for (rule, words) in [
            (json!({"type": "constrain_child_tools", "tool_name": "f", "children": ["g"]}), "a rule of f"),
            (json!({"type": "conditional", "tool_name": "f", "child_output_mapping": {"a": "g"}}), "a rule of f"),
            (json!({"type": "max_count_per_step", "tool_name": "f", "max_count_limit": 2}), "a rule of f"),
            (json!({"type": "continue_loop", "tool_name": "f"}), "f never ends a turn"),
        ] {
            let rules: Vec<ToolRule> = serde_json::from_value(json!([rule])).unwrap();
            assert_eq!(Onward::after(&rules, "g"), None);
            let facts = Facts { onward: Onward::after(&rules, "f"), ..facts() };
            assert!(reason(OLDER.next(&facts)).contains(words), "{rule}");
            let ends = Facts { ends_turn: true, ..facts };
            assert_eq!(OLDER.next(&ends), Next::Stop(StopReason::EndTurn), "{rule}");
            assert_eq!(OLDER.next(&Facts { heartbeat: true, ..ends }), Next::Stop(StopReason::ToolRule), "{rule}");
        }
    }

    #[test]
    fn the_last_step_ends_a_turn_that_would_go_on_and_no_other() {
        let last = Facts { last_step: true, ..facts() };
        assert_eq!(OLDER.next(&Facts { heartbeat: true, ..last }), Next::Stop(StopReason::MaxSteps));
        assert_eq!(OLDER.next(&Facts { fate: Fate::Forbidden, ..last }), Next::Stop(StopReason::MaxSteps));
        assert_eq!(OLDER.next(&Facts { required: &["g"], ..last }), Next::Stop(StopReason::MaxSteps));
        assert_eq!(OLDER.next(&last), Next::Stop(StopReason::EndTurn));
        assert_eq!(CURRENT.next(&last), Next::Stop(StopReason::MaxSteps));
    }

    #[test]
    fn what_must_be_called_goes_before_every_end() {
        let required = Facts { required: &["g", "h"], ..facts() };
        for style in [OLDER, CURRENT] {
            for facts in [Facts { ends_turn: true, ..required }, Facts { ends_turn: true, heartbeat: true, ..required }]
            {
                assert!(
                    reason(style.next(&facts))
                        .contains("ToolRuleViolated: before you end your response you must still call: g, h")
                );
            }
        }
        assert!(reason(OLDER.next(&required)).contains("g, h"));
        assert!(reason(OLDER.next(&Facts { heartbeat: true, ..required })).starts_with("f has been"));
    }

    #[test]
    fn the_current_types_go_on_after_every_call_that_does_not_end_the_turn() {
        assert_eq!(CURRENT.next(&facts()), Next::Continue(None));
        let ends = Facts { ends_turn: true, ..facts() };
        assert_eq!(CURRENT.next(&ends), Next::Stop(StopReason::ToolRule));
        assert_eq!(CURRENT.next(&Facts { fate: Fate::Forbidden, ..facts() }), Next::Continue(None));
    }

    #[test]
    fn a_heartbeat_is_an_envelope_in_the_agents_time() {
        let text = heartbeat("Go on.", Some("Europe/Helsinki"));
        assert!(
            text.starts_with(r#"{"type":"heartbeat","reason":"Go on.","time":""#) && text.contains(" EE"),
            "{text}"
        );
    }
}
