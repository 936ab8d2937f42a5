use std::collections::HashSet;

use muisti_orm::schema::{
    AgentId, ApprovalReturn, ContentPart, FunctionToolCall, StepId, StoredToolReturn, ToolStatus,
};
use proptest::prelude::*;

use super::*;

/// One thing that happens in a history.
#[derive(Debug, Clone)]
enum Event {
    User(usize),
    Said(usize),
    /// Calls, and how long what they return is.
    Called(Vec<u8>, usize),
    /// Calls that need no approval, calls that do, and whether the client has answered and the tools have run.
    Asked(Vec<u8>, Vec<u8>, bool, bool),
    Summary(usize),
}

fn message(role: MessageRole, length: usize) -> StoredMessage {
    StoredMessage::new(AgentId::random(), role, vec![ContentPart::text("x".repeat(length))])
}

fn with_calls(mut row: StoredMessage, ids: &[u8]) -> StoredMessage {
    row.tool_calls = ids.iter().map(|id| FunctionToolCall::new(format!("call-{id}"), "f", "{}")).collect();
    row
}

fn returns(ids: &[u8], length: usize) -> StoredMessage {
    let mut row = message(MessageRole::Tool, 0);
    row.tool_returns = ids
        .iter()
        .map(|id| StoredToolReturn {
            tool_call_id: Some(format!("call-{id}")),
            status: ToolStatus::Success,
            stdout: None,
            stderr: None,
            func_response: Some("r".repeat(length).into()),
        })
        .collect();
    row
}

fn answers(ids: &[u8]) -> StoredMessage {
    let mut row = message(MessageRole::Approval, 0);
    let approval = |id| ApprovalReturn { tool_call_id: format!("call-{id}"), approve: true, reason: None };
    row.set_approvals(ids.iter().map(|id| approval(id).into()).collect());
    row
}

fn rows(events: &[Event]) -> Vec<StoredMessage> {
    let mut rows = vec![message(MessageRole::System, 400)];
    for event in events {
        match event {
            Event::User(length) => rows.push(message(MessageRole::User, *length)),
            Event::Said(length) => rows.push(message(MessageRole::Assistant, *length)),
            Event::Summary(length) => rows.push(message(MessageRole::Summary, *length)),
            Event::Called(ids, length) => {
                rows.push(with_calls(message(MessageRole::Assistant, 10), ids));
                rows.push(returns(ids, *length));
            }
            Event::Asked(free, held, answered, ran) => {
                let step = Some(StepId::random());
                if !free.is_empty() {
                    let mut row = with_calls(message(MessageRole::Assistant, 10), free);
                    row.step_id = step;
                    rows.push(row);
                }
                let mut request = with_calls(message(MessageRole::Approval, 10), held);
                request.step_id = step;
                rows.push(request);
                if *answered {
                    rows.push(answers(held));
                    if *ran {
                        rows.push(returns(&[free.as_slice(), held.as_slice()].concat(), 10));
                    }
                }
            }
        }
    }
    rows
}

fn event() -> impl Strategy<Value = Event> {
    // Few ids, so that they come again as with models that count their calls from 0.
    let ids = || prop::collection::hash_set(0..6_u8, 1..3).prop_map(|ids| ids.into_iter().collect::<Vec<_>>());
    prop_oneof![
        (0..2_000_usize).prop_map(Event::User),
        (0..2_000_usize).prop_map(Event::Said),
        (ids(), 0..6_000_usize).prop_map(|(ids, length)| Event::Called(ids, length)),
        (prop::option::of(10..12_u8), ids(), any::<bool>(), any::<bool>())
            .prop_map(|(free, held, answered, ran)| Event::Asked(free.into_iter().collect(), held, answered, ran)),
        (0..500_usize).prop_map(Event::Summary),
    ]
}

/// Each return with the row of its call, as the history has it.
fn pairs(rows: &[StoredMessage]) -> Vec<(usize, usize)> {
    let mut pairs = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let ids = row.returned_call_ids().chain(row.approvals.iter().filter_map(decided_call));
        for id in ids {
            let called = |row: &StoredMessage| row.tool_calls.iter().any(|call| call.id == id);
            pairs.extend(rows[..index].iter().rposition(called).map(|call| (call, index)));
        }
    }
    pairs
}

fn sizes(rows: &[StoredMessage], window: i64) -> Sizes {
    Sizes::of_test(rows, window)
}

proptest! {
    #[test]
    fn no_cut_tears_a_call_from_its_return_or_takes_what_is_protected(
        events in prop::collection::vec(event(), 0..30),
        input in 0..3_usize,
        window in 100..8_000_i64,
        share in 0.0..1.0_f64,
    ) {
        let rows = rows(&events);
        let input = input.min(rows.len() - 1);
        let ground = Ground::new(&rows, input);
        let sizes = sizes(&rows, window);
        let cuts = [ground.cut_all(), ground.cut_window(&sizes, share), ground.cut_oldest(&sizes, window * 7 / 10)];
        for cut in cuts.into_iter().flatten() {
            prop_assert!(cut > ground.head() && cut <= rows.len() - input, "{cut} of {}", rows.len());
            for (call, returned) in pairs(&rows) {
                prop_assert!(call >= cut || returned < cut, "{cut} is between {call} and {returned}");
            }
            prop_assert!(rows[1..cut].iter().any(|row| row.role != MessageRole::Summary));
            let waiting = rows[..rows.len() - input].last().is_some_and(|row| row.role == MessageRole::Approval);
            prop_assert!(!waiting || cut < rows.len() - input);
        }
    }

    #[test]
    fn a_window_leaves_less_than_its_goal_and_begins_with_the_agent(
        events in prop::collection::vec(event(), 0..60),
        window in 500..20_000_i64,
        share in 0.0..1.0_f64,
    ) {
        let rows = rows(&events);
        let (ground, sizes) = (Ground::new(&rows, 0), sizes(&rows, window));
        if let Some(cut) = ground.cut_window(&sizes, share) {
            prop_assert!(sizes.of_head(1) + sizes.from(cut) < fraction(window, 1.0 - share));
            prop_assert!(cut > 2 && cut < rows.len() - 1);
            prop_assert!(rows[cut].role == MessageRole::Assistant || rows[cut].is_approval_request());
        }
    }

    #[test]
    fn whatever_was_said_can_leave_without_a_model(events in prop::collection::vec(event(), 1..30), window in 0..4_000_i64) {
        let rows = rows(&events);
        let ground = Ground::new(&rows, 0);
        let cut = ground.cut_oldest(&sizes(&rows, window), window * 7 / 10);
        prop_assert_eq!(cut.is_some(), ground.can_shrink());
    }
}

/// A history of turns of a user and the agent, each message of `length` characters.
fn talk(turns: usize, length: usize) -> Vec<StoredMessage> {
    let turn = [Event::User(length), Event::Said(length)];
    rows(&turn.iter().cycle().take(turns * 2).cloned().collect::<Vec<_>>())
}

#[test]
fn a_window_begins_one_step_above_its_share_and_goes_down_to_what_the_agent_said() {
    // 21 rows: the part is 0.3 + 0.1, so 8.4 rows, and row 8 is the agent's.
    let rows = talk(10, 400);
    let ground = Ground::new(&rows, 0);
    assert_eq!(ground.cut_window(&sizes(&rows, 10_000), 0.3), Some(8));
    // Rows of 104 tokens, of which seven tenths of 1,500 hold ten: the system message and the last nine.
    assert_eq!(ground.cut_window(&sizes(&rows, 1_500), 0.3), Some(12));
    assert_eq!(ground.cut_window(&sizes(&rows, 300), 0.3), None);
    assert_eq!(ground.cut_window(&sizes(&rows, 10_000), 1.0), None);
}

#[test]
fn all_leaves_what_waits_for_an_approval_with_the_rest_of_its_answer() {
    let mut events = vec![Event::User(10), Event::Said(10), Event::User(10)];
    let rows_before = rows(&events).len();
    events.push(Event::Asked(vec![1], vec![2], false, false));
    let rows = rows(&events);
    assert_eq!(Ground::new(&rows, 0).cut_all(), Some(rows_before));
    // An answer to a part of the calls waits along.
    let mut partly = rows.clone();
    partly.push(answers(&[2]));
    assert_eq!(Ground::new(&partly, 0).cut_all(), Some(rows_before));
    assert_eq!(Ground::new(&partly, 1).cut_all(), Some(rows_before));
    assert_eq!(Ground::new(&talk(3, 10), 0).cut_all(), Some(7));
}

#[test]
fn the_input_of_a_step_stays_even_alone() {
    let rows = rows(&[Event::User(10)]);
    assert_eq!(Ground::new(&rows, 1).cut_all(), None);
    assert!(!Ground::new(&rows, 9).can_shrink());
    assert_eq!(Ground::new(&[], 0).cut_all(), None);
}

#[test]
fn a_summary_alone_is_not_summarised_again() {
    assert!(!Ground::new(&rows(&[Event::Summary(100)]), 0).can_shrink());
    let rows = rows(&[Event::Summary(100), Event::User(10), Event::Said(10)]);
    assert_eq!(Ground::new(&rows, 0).cut_all(), Some(4));
}

#[test]
fn ids_that_come_again_belong_to_the_nearest_call() {
    let events = [Event::User(1), Event::Called(vec![0], 1), Event::User(1), Event::Called(vec![0], 1), Event::Said(1)];
    let rows = rows(&events);
    let torn: HashSet<usize> = (1..rows.len()).filter(|cut| Ground::new(&rows, 0).whole(*cut) != *cut).collect();
    assert_eq!(torn, HashSet::from([3, 6]));
}

#[test]
fn a_context_is_full_from_nine_tenths_of_the_window() {
    assert_eq!([8_192, 100, 10, 0].map(threshold), [7_372, 90, 9, 0]);
}
