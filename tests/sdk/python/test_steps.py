"""Steps, and messages by themselves: what is kept of a turn, found without its agent."""

import letta_client
import pytest

from harness import kinds, memory_insert, user


@pytest.fixture
def turn(client, agent, model):
    model.say({"text": "Let me note that.", "tool_calls": [memory_insert("Has a cat.")]}, {"text": "Noted."})
    return client.agents.messages.create(agent.id, messages=user("I have a cat."))


def test_a_step_tells_how_long_it_took_and_what_was_said(client, agent, turn):
    first, second = steps = list(client.steps.list(agent_id=agent.id, order="asc"))
    metrics = client.steps.metrics.retrieve(first.id)
    assert (metrics.id, metrics.agent_id, metrics.run_id) == (first.id, agent.id, first.run_id)
    assert metrics.step_ns >= metrics.llm_request_ns > 0
    assert metrics.tool_execution_ns > 0
    of_each = [list(client.steps.messages.list(step.id)) for step in steps]
    assert {message.step_id for message in of_each[1]} == {second.id}
    said = [message for messages in of_each for message in messages]
    assert {message.id for message in turn.messages} <= {message.id for message in said}
    paged = list(client.steps.messages.list(first.id, limit=1))
    assert [(message.id, message.message_type) for message in paged] == [
        (message.id, message.message_type) for message in of_each[0]
    ]


def test_feedback_is_given_found_and_taken_back(client, agent, turn):
    first, second = client.steps.list(agent_id=agent.id, order="asc")
    given = client.steps.feedback.create(first.id, feedback="positive", tags=["kind"])
    assert (given.feedback, given.tags) == ("positive", ["kind"])
    assert client.steps.retrieve(first.id).feedback == "positive"
    assert [step.id for step in client.steps.list(agent_id=agent.id, feedback="positive")] == [first.id]
    assert [step.id for step in client.steps.list(agent_id=agent.id, has_feedback=False)] == [second.id]
    taken = client.steps.feedback.create(first.id, feedback=None)
    assert (taken.feedback, taken.tags) == (None, ["kind"])
    with pytest.raises(letta_client.UnprocessableEntityError):
        client.steps.feedback.create(first.id, feedback="splendid")


def ids(items):
    """Each id once: one stored message can be several in a list."""
    return list(dict.fromkeys(item.id for item in items))


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_what_a_turn_leaves_is_listed_to_the_end(client, agent, turn, model, order):
    for _ in range(3):
        client.agents.messages.create(agent.id, messages=user("And?"))
    run = turn.messages[0].run_id
    lists = [
        lambda **page: client.runs.list(agent_id=agent.id, **page),
        lambda **page: client.steps.list(agent_id=agent.id, **page),
        lambda **page: client.runs.steps.list(run, **page),
    ]
    if order == "asc":  # Cursors of messages mean earlier and later in any order: newest first is one page.
        lists += [
            lambda **page: client.runs.messages.list(run, **page),
            lambda **page: client.agents.messages.list(agent.id, **page),
        ]
    for listed in lists:
        whole = ids(listed(order=order, limit=100).items)
        assert len(whole) > 1
        for limit in (1, 2, 3):
            assert ids(listed(order=order, limit=limit)) == whole, limit


def test_older_messages_are_listed_backwards_to_the_first(client, agent, turn):
    whole = ids(client.agents.messages.list(agent.id, order="asc"))
    for limit in (1, 2, 3):
        back = client.agents.messages.list(agent.id, before=whole[-1], limit=limit)
        assert sorted(ids(back), key=whole.index) == whole[:-1], limit


def test_messages_are_found_without_their_agent(client, agent, turn):
    everything = list(client.agents.messages.list(agent.id, order="asc"))
    newest = client.messages.list(limit=3)
    assert newest[-1].id == turn.messages[-1].id, "within a page the oldest comes first"
    earlier = client.messages.list(before=newest[0].id, limit=1)
    assert earlier[-1].id in {message.id for message in everything}
    assert client.messages.list(after=newest[-1].id, order="asc") == []
    only = client.messages.list(include_return_message_types=["user_message"])
    assert set(kinds(only)) == {"user_message"}
    asked = next(message for message in everything if message.message_type == "user_message")
    [found] = client.messages.retrieve(asked.id)
    assert (found.id, found.content) == (asked.id, "I have a cat.")
    called = client.messages.retrieve(turn.messages[0].id)
    assert kinds(called) == [message.message_type for message in turn.messages if message.id == turn.messages[0].id]
    with pytest.raises(letta_client.UnprocessableEntityError):
        client.messages.list(include_return_message_types=["telegram"])
