"""What a turn leaves behind: messages, a run, steps."""

from concurrent.futures import ThreadPoolExecutor

from harness import kinds, memory_insert, user

TURN = [
    {"text": "Let me note that.", "reasoning": "A fact.", "tool_calls": [memory_insert("Has a cat.")]},
    {"text": "Noted."},
]


def test_a_turn_is_recorded_as_one_run_with_its_steps_and_messages(client, agent, model):
    model.say(*TURN)
    response = client.agents.messages.create(agent.id, messages=user("I have a cat."))
    runs = list(client.runs.list(agent_id=agent.id))
    assert len(runs) == 1
    run = client.runs.retrieve(runs[0].id)
    assert (run.status, run.stop_reason, run.agent_id) == ("completed", "end_turn", agent.id)
    assert run.completed_at is not None
    assert {message.run_id for message in response.messages} == {run.id}

    steps = list(client.runs.steps.list(run.id))
    assert len(steps) == 2
    assert {step.status for step in steps} == {"success"}
    assert {step.id for step in steps} == {message.step_id for message in response.messages}
    assert client.steps.retrieve(steps[0].id).run_id == run.id
    assert {step.id for step in client.steps.list(agent_id=agent.id)} == {step.id for step in steps}

    usage = client.runs.usage.retrieve(run.id)
    assert usage.total_tokens == response.usage.total_tokens

    listed = list(client.runs.messages.list(run.id))
    assert kinds(listed)[0] == "user_message"
    assert kinds(listed)[1:] == kinds(response.messages)


def test_messages_list_what_was_said_and_page_through_it(client, agent, model):
    model.say(*TURN)
    response = client.agents.messages.create(agent.id, messages=user("I have a cat."))
    everything = list(client.agents.messages.list(agent.id, order="asc"))
    assert kinds(everything) == ["system_message", "user_message", *kinds(response.messages)]
    assert [message.id for message in everything[2:]] == [message.id for message in response.messages]
    paged = list(client.agents.messages.list(agent.id, order="asc", limit=1))
    assert [(message.id, message.message_type) for message in paged] == [
        (message.id, message.message_type) for message in everything
    ]
    newest = client.agents.messages.list(agent.id, limit=1).items
    assert newest[-1].content == "Noted."
    assert client.agents.messages.list(agent.id, after=newest[-1].id).items == []


def test_two_sends_at_once_are_both_answered_one_after_the_other(client, agent, model):
    model.script(answers=[], fallback={"text": "Answer {{n}}.", "delay_ms": 150})
    with ThreadPoolExecutor(2) as pool:
        sends = [pool.submit(client.agents.messages.create, agent.id, messages=user(f"Question {n}.")) for n in range(2)]
        answers = [send.result().messages[-1].content for send in sends]
    assert len(set(answers)) == 2
    listed = kinds(client.agents.messages.list(agent.id, order="asc"))
    assert listed == ["system_message"] + ["user_message", "assistant_message"] * 2, "the turns are not interleaved"


def test_max_steps_bounds_a_model_that_never_stops(client, agent, model):
    model.script(answers=[], fallback=TURN[0])
    response = client.agents.messages.create(agent.id, messages=user("Go on for ever."), max_steps=3)
    assert response.stop_reason.stop_reason == "max_steps"
    assert response.usage.step_count == 3
    assert kinds(response.messages).count("tool_return_message") == 3


def test_several_calls_at_once_each_get_their_return(client, agent, model):
    model.say({"tool_calls": [memory_insert("One."), memory_insert("Two.")]}, {"text": "Both."})
    response = client.agents.messages.create(agent.id, messages=user("Two facts."))
    calls, returns, _ = response.messages
    asked = [call.tool_call_id for call in calls.tool_calls]
    answered = [returned.tool_call_id for returned in returns.tool_returns]
    # Without parallel calls only the first is taken; either way nothing dangles.
    assert asked and asked == answered


def test_bad_tool_calls_are_answered_as_errors_and_the_turn_goes_on(client, agent, model):
    for call in (
        {"name": "no_such_tool", "arguments": {}},
        {"name": "memory_insert", "arguments": "{\"label\": \"human\", \"new_st"},
        {"name": "memory_insert", "arguments": {"label": "no_such_label", "new_string": "x"}},
    ):
        model.say({"tool_calls": [call]}, {"text": "Never mind."})
        response = client.agents.messages.create(agent.id, messages=user("Try."))
        returned = next(message for message in response.messages if message.message_type == "tool_return_message")
        assert returned.status == "error", call
        assert response.messages[-1].content == "Never mind."


def test_a_call_without_an_id_is_given_one(client, agent, model):
    model.say({"tool_calls": [memory_insert("No id.", id=None)]}, {"text": "Done."})
    response = client.agents.messages.create(agent.id, messages=user("Try."))
    call, returned, _ = response.messages
    assert call.tool_call.tool_call_id
    assert returned.tool_call_id == call.tool_call.tool_call_id
    assert returned.status == "success"
