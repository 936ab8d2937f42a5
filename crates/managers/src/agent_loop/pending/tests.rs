use muisti_orm::schema::{AgentId, ContentPart, StepId, StoredToolReturn, ToolReturnValue, ToolStatus};

use super::*;

/// A history that ends with a request for `waiting`, beside calls that need nobody.
fn history(waiting: &[&str], free: &[&str]) -> Vec<StoredMessage> {
    let agent = AgentId::random();
    let call = |id: &&str| FunctionToolCall::new(*id, "f", "{}");
    let mut said = StoredMessage::new(agent, MessageRole::Assistant, vec![ContentPart::text("Let me see.")]);
    said.tool_calls = free.iter().map(call).collect();
    said.step_id = Some(StepId::random());
    let mut request = StoredMessage::new(agent, MessageRole::Approval, Vec::new());
    request.tool_calls = waiting.iter().map(call).collect();
    request.step_id = said.step_id;
    vec![StoredMessage::new(agent, MessageRole::System, vec![ContentPart::text("You help.")]), said, request]
}

fn answer(approvals: Vec<StoredApproval>) -> StoredMessage {
    StoredMessage { approvals, ..StoredMessage::new(AgentId::random(), MessageRole::Approval, Vec::new()) }
}

fn decision(id: &str, approve: bool) -> StoredApproval {
    StoredApproval::Approval(ApprovalReturn { tool_call_id: id.into(), approve, reason: None })
}

fn returned(id: &str, text: &str) -> StoredApproval {
    StoredApproval::Tool(StoredToolReturn {
        tool_call_id: Some(id.into()),
        status: ToolStatus::Success,
        stdout: None,
        stderr: None,
        func_response: Some(ToolReturnValue::Text(text.into())),
    })
}

/// A run in the default history.
fn here() -> Place<'static> {
    Place { conversation: None, run: Some(RunId::random()), timezone: "UTC" }
}

fn take(history: &[StoredMessage], mut given: StoredMessage) -> Result<Answered> {
    Pending::at_end_of(history).unwrap().answer(&mut given, here())
}

#[test]
fn only_a_request_at_the_end_that_is_not_wholly_answered_is_pending() {
    let mut history = history(&["a", "b"], &[]);
    assert_eq!(Pending::at_end_of(&history).unwrap().calls().tool_call_ids, ["a", "b"]);
    history.push(answer(vec![decision("a", true)]));
    assert_eq!(Pending::at_end_of(&history).unwrap().calls().tool_call_ids, ["b"]);
    history.push(answer(vec![decision("b", true)]));
    assert!(Pending::at_end_of(&history).is_none());
    assert!(Pending::at_end_of(&history[..2]).is_none());
    assert!(Pending::at_end_of(&[]).is_none());
}

#[test]
fn returns_come_first_then_denials_then_what_is_still_to_be_done() {
    let given = answer(vec![decision("a", true), decision("b", false), returned("c", "42")]);
    let Ok(Answered::All(draft)) = take(&history(&["a", "b", "c"], &["d"]), given) else { panic!() };
    let order: Vec<_> = draft.calls().iter().map(|call| call.call.id.as_str()).collect();
    assert_eq!(order, ["c", "b", "a", "d"]);
    let left: Vec<_> = draft.waiting().map(|(_, call)| call.id.as_str()).collect();
    assert_eq!(left, ["a", "d"]);
    assert!(draft.is_answered_by_client());
}

#[test]
fn a_part_of_the_calls_can_be_answered_and_the_rest_later() {
    let mut history = history(&["a", "b"], &[]);
    let Ok(Answered::Some(rest)) = take(&history, answer(vec![decision("b", false)])) else { panic!() };
    assert_eq!(rest.remaining_request().tool_calls.len(), 1);
    history.push(answer(vec![decision("b", false)]));
    let Ok(Answered::All(draft)) = take(&history, answer(vec![decision("a", true), decision("b", true)])) else {
        panic!()
    };
    let left: Vec<_> = draft.waiting().map(|(_, call)| call.id.as_str()).collect();
    assert_eq!(left, ["a"], "what the client said first counts");
}

#[test]
fn an_answer_keeps_what_it_says_for_the_first_time() {
    let mut history = history(&["a", "b", "c"], &[]);
    history.push(answer(vec![decision("a", true)]));
    let pending = Pending::at_end_of(&history).unwrap();
    let mut given = answer(vec![decision("a", false), decision("b", true), decision("b", false)]);
    let Ok(Answered::Some(pending)) = pending.answer(&mut given, here()) else { panic!() };
    assert_eq!(given.approvals, [decision("b", true)]);
    assert_eq!(pending.calls().tool_call_ids, ["c"]);
}

#[test]
fn what_waits_concerns_the_run_that_asked_and_those_that_answered_a_part() {
    let mut history = history(&["a", "b"], &[]);
    let [asked, answered, other] = [RunId::random(), RunId::random(), RunId::random()];
    history[2].run_id = Some(asked);
    history.push(StoredMessage { run_id: Some(answered), ..answer(vec![decision("a", true)]) });
    let pending = Pending::at_end_of(&history).unwrap();
    assert_eq!([asked, answered, other].map(|run| pending.concerns(run)), [true, true, false]);
}

#[test]
fn an_answer_about_other_calls_says_which_ones_wait() {
    let Err(error) = take(&history(&["call_1", "call_2"], &[]), answer(vec![decision("x", true)])) else { panic!() };
    let text = error.to_string();
    assert_eq!(text, "Invalid tool call IDs. Expected '['call_1', 'call_2']', but received '['x']'.");
    let Error::InvalidApproval { pending: Some(pending), .. } = error else { panic!() };
    assert_eq!(pending.tool_call_ids, ["call_1", "call_2"]);
    assert!(take(&history(&["a"], &[]), answer(Vec::new())).is_err());
}

#[test]
fn an_old_client_names_the_request_when_one_call_waits() {
    let history = history(&["a"], &[]);
    let request = history[2].id.to_string();
    let Ok(Answered::All(draft)) = take(&history, answer(vec![decision(&request, true)])) else { panic!() };
    assert_eq!(draft.waiting().count(), 1);
    let Ok(Answered::All(draft)) = take(&history, answer(vec![returned(&request, "42")])) else { panic!() };
    assert_eq!(draft.calls()[0].call.id, "a");
    assert!(draft.is_answered_by_client());
}

#[test]
fn calls_of_an_answer_without_a_step_wait_along_too() {
    let mut history = history(&["a"], &["b"]);
    history[1].step_id = None;
    assert!(Pending::at_end_of(&history).unwrap().free.is_empty(), "another answer");
    history[2].step_id = None;
    let Ok(Answered::All(draft)) = take(&history, answer(vec![decision("a", true)])) else { panic!() };
    let left: Vec<_> = draft.waiting().map(|(_, call)| call.id.as_str()).collect();
    assert_eq!(left, ["a", "b"]);
}

#[test]
fn what_is_answered_in_a_fork_belongs_to_the_fork() {
    let history = history(&["a", "b"], &[]);
    let fork = Some(ConversationId::random());
    let place = Place { conversation: fork, ..here() };
    let pending = Pending::at_end_of(&history).unwrap();
    let settled = pending.clone().give_up("No.", place);
    assert!(settled.iter().all(|message| message.conversation_id == fork), "{settled:?}");
    let mut given = answer(vec![decision("a", false), decision("b", false)]);
    let Ok(Answered::All(draft)) = pending.answer(&mut given, place) else { panic!() };
    assert_eq!(draft.into_messages()[0].conversation_id, fork);
}

#[test]
fn what_is_given_up_has_a_return_for_every_call() {
    let mut history = history(&["a", "b", "c"], &["d"]);
    history.push(answer(vec![returned("a", "42"), decision("b", true)]));
    let settled = Pending::at_end_of(&history).unwrap().give_up("No time.", here());
    let [denials, returns] = settled.as_slice() else { panic!("{settled:?}") };
    assert_eq!(denials.approvals.len(), 1, "only what was not decided on is denied");
    let answered: HashSet<_> = returns.returned_call_ids().collect();
    assert_eq!(answered, HashSet::from(["a", "b", "c", "d"]));
    assert!(returns.tool_returns[0].func_response.as_ref().unwrap().shown_as_text().contains("42"));
    assert!(returns.tool_returns[1..].iter().all(|tool| tool.status == ToolStatus::Error));
    history.extend(settled);
    assert!(Pending::at_end_of(&history).is_none());
}

#[test]
fn an_answer_comes_again_when_all_it_decides_on_has_returned() {
    let history = history(&["a", "b"], &[]);
    let settled = Pending::at_end_of(&history).unwrap().give_up("No.", here());
    let returns = [&settled[1]];
    assert!(is_repeat(&answer(vec![decision("a", true)]), &returns));
    assert!(is_repeat(&answer(vec![decision("a", true), decision("b", true)]), &returns));
    assert!(!is_repeat(&answer(vec![decision("a", true), decision("x", true)]), &returns));
    assert!(!is_repeat(&answer(Vec::new()), &returns));
}
