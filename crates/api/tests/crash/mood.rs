//! What a conversation is about: each mood is an agent of its own kind, and clients that use it so.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use muisti_testkit::{Answer, ScriptedCall, SeenRequest, agent_json};
use serde_json::{Value, json};

use crate::dice::Dice;

/// The kind of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mood {
    /// Tools, one or several at once.
    Tools,
    /// Tools that somebody must approve of, in part, late, or twice.
    Approvals,
    /// A window that is too small for the conversation.
    Compaction,
    /// Streams of background runs, which are read on after every interruption.
    Background,
}

/// The model of agents with a small window; the others have [`MODEL`].
const SMALL: &str = "gpt-4o";
const MODEL: &str = "gpt-4o-mini";
/// The small window in tokens.
const WINDOW: i64 = 8_000;
impl Mood {
    const ALL: [Self; 4] = [Self::Tools, Self::Approvals, Self::Compaction, Self::Background];

    /// Those to try: of `MUISTI_CRASH_MOODS`, with commas, or all.
    pub(crate) fn chosen() -> Vec<Self> {
        let Ok(names) = std::env::var("MUISTI_CRASH_MOODS") else { return Self::ALL.to_vec() };
        let named = |name: &str| {
            let is_it = |mood: &&Self| format!("{mood:?}").eq_ignore_ascii_case(name.trim());
            *Self::ALL.iter().find(is_it).unwrap_or_else(|| panic!("'{name}' is none of {:?}", Self::ALL))
        };
        names.split(',').map(named).collect()
    }

    /// The body that makes its agent.
    pub(crate) fn agent(self) -> Value {
        let mut body = agent_json(&format!("openai/{MODEL}"));
        match self {
            Self::Tools | Self::Background => {}
            Self::Approvals => {
                body["tool_rules"] = json!([{ "type": "requires_approval", "tool_name": "memory_insert" }]);
            }
            Self::Compaction => {
                body["model"] = format!("openai/{SMALL}").into();
                body["context_window_limit"] = WINDOW.into();
            }
        }
        body["parallel_tool_calls"] = true.into();
        body
    }

    /// The clients that talk to one agent at a time. What waits for an approval is answered by one client alone.
    pub(crate) const fn clients(self) -> &'static [&'static str] {
        match self {
            Self::Approvals => &["a"],
            // One of them always waits its turn.
            Self::Tools | Self::Compaction | Self::Background => &["a", "b"],
        }
    }

    /// A text with this beginning, as long as is usual.
    pub(crate) fn text(self, beginning: &str) -> String {
        match self {
            Self::Compaction => format!("{beginning} {}", "and so on and on ".repeat(80)),
            _ => beginning.to_owned(),
        }
    }
}

/// The marks that tools are asked to write, each of them once.
static MARKS: AtomicU64 = AtomicU64::new(1);

/// Sometimes text, sometimes one tool call or several, never at the same pace.
pub(crate) fn answer(dice: &Dice, request: &SeenRequest) -> Answer {
    let insert = || {
        let mark = format!("<{}>", MARKS.fetch_add(1, Ordering::Relaxed));
        ScriptedCall::new("memory_insert", json!({"label": "human", "new_string": mark}))
    };
    let search = || ScriptedCall::new("conversation_search", json!({"query": "message"}));
    let fails = || {
        let arguments = json!({"label": "human", "old_string": "what is not there", "new_string": ""});
        ScriptedCall::new("memory_replace", arguments)
    };
    let is_small = request.body["model"] == SMALL;
    let has_tools = !request.tool_names().is_empty();
    let chance = if is_small || request.last_role() == "tool" { dice.once_in(3) } else { !dice.once_in(4) };
    let answer = if has_tools && chance {
        let calls = (0..=dice.below(3)).map(|_| match dice.below(4) {
            0 => search(),
            1 => fails(),
            _ => insert(),
        });
        Answer::tool_calls(calls).reasoning("Let me see.")
    } else {
        Answer::text("That is all there is to say.")
    };
    // The small window is filled by what is really there.
    let answer = if is_small { answer } else { answer.usage(100, 10) };
    answer.jitter(Duration::from_millis(25)).chunk_delay(dice.millis_below(3))
}

/// The marks in a text; an error for one that is there twice, because its tool was run twice.
pub(crate) fn marks(text: &str) -> Result<BTreeSet<&str>, String> {
    let mut marks = BTreeSet::new();
    for mark in text.split('<').filter_map(|rest| rest.split_once('>')).map(|(mark, _)| mark) {
        if !marks.insert(mark) {
            return Err(format!("the tool call with the mark {mark} was carried out twice"));
        }
    }
    Ok(marks)
}
