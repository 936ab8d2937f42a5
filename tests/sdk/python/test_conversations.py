"""Conversations: made, found, changed, forked and deleted, read, and given a past."""

import json

import letta_client
import pytest

from harness import UNKNOWN, kinds

PAST = [
    {"role": "user", "content": "Do you have marmalade?", "created_at": "2024-05-01T10:00:00Z", "name": "Paddington"},
    {"role": "assistant", "content": "Of course.", "created_at": "2024-05-01T10:00:01Z"},
]


@pytest.fixture
def conversation(client, agent):
    """A conversation with a past, which no method of the SDK has a parameter for."""
    return client.conversations.create(agent_id=agent.id, summary="The shop", extra_body={"messages": PAST})


def test_a_conversation_lives_its_whole_life(client, agent):
    isolated = {"isolated_block_labels": ["human"]}
    made = client.conversations.create(agent_id=agent.id, summary="Colours", extra_body=isolated)
    assert made.id.startswith("conv-") and made.agent_id == agent.id
    assert (made.summary, made.model, made.last_message_at) == ("Colours", None, None)
    assert len(made.in_context_message_ids) == 1 and len(made.isolated_block_ids) == 1
    assert client.conversations.retrieve(made.id) == made
    assert client.blocks.retrieve(made.isolated_block_ids[0]).value == "Nothing known yet."

    changed = client.conversations.update(made.id, summary="Shades", model="openai/gpt-4o-mini")
    assert (changed.summary, changed.model) == ("Shades", "openai/gpt-4o-mini")
    assert client.conversations.update(made.id, last_message_at="2026-01-02T03:04:05Z").summary == "Shades"
    with pytest.raises(letta_client.NotFoundError):
        client.conversations.update(made.id, model="openai/no-such-model")

    client.conversations.delete(made.id)
    for method in (client.conversations.retrieve, client.conversations.delete, client.conversations.update):
        with pytest.raises(letta_client.NotFoundError):
            method(made.id)
    with pytest.raises(letta_client.NotFoundError):
        client.blocks.retrieve(made.isolated_block_ids[0])


def test_what_cannot_be_a_conversation_is_refused(client, agent):
    with pytest.raises(letta_client.BadRequestError, match="Block with label 'diary' not found on agent"):
        client.conversations.create(agent_id=agent.id, extra_body={"isolated_block_labels": ["diary"]})
    with pytest.raises(letta_client.BadRequestError, match="provider/model-name"):
        client.conversations.create(agent_id=agent.id, model="gpt-4o-mini")
    with pytest.raises(letta_client.NotFoundError, match="Agent with ID"):
        client.conversations.create(agent_id=f"agent-{UNKNOWN}")
    with pytest.raises(letta_client.UnprocessableEntityError):
        client.conversations.retrieve("default")


def test_conversations_are_listed_in_three_orders(client, agent):
    ids = [client.conversations.create(agent_id=agent.id, summary=f"Talk {n}").id for n in range(3)]
    client.conversations.update(ids[1], last_message_at="2026-01-02T03:04:05Z")
    assert [found.id for found in client.conversations.list(agent_id=agent.id)] == ids[::-1]
    assert [found.id for found in client.conversations.list(agent_id=agent.id, order="asc", limit=2)] == ids[:2]
    after = client.conversations.list(agent_id=agent.id, order="asc", after=ids[0])
    assert [found.id for found in after] == ids[1:]
    for order in ("asc", "desc"):
        assert client.conversations.list(agent_id=agent.id, order=order, order_by="last_message_at")[0].id == ids[1]
    assert len(client.conversations.list(agent_id=agent.id, order_by="last_run_completion")) == 3
    assert [found.id for found in client.conversations.list(agent_id=agent.id, summary_search="TALK 2")] == ids[2:]


def test_conversations_are_put_aside_and_hidden(client, agent):
    made = client.conversations.create(agent_id=agent.id, description="About colours.", context_window_limit=9000)
    assert (made.description, made.context_window_limit, made.archived) == ("About colours.", 9000, False)
    client.conversations.create(agent_id=agent.id, hidden=True)
    client.conversations.fork(made.id, hidden=True)
    assert [found.id for found in client.conversations.list(agent_id=agent.id)] == [made.id]
    put_aside = client.conversations.update(made.id, archived=True, description="About shades.")
    assert put_aside.archived and put_aside.archived_at and put_aside.description == "About shades."
    assert list(client.conversations.list(agent_id=agent.id)) == []
    for status in ("archived", "all"):
        assert [found.id for found in client.conversations.list(agent_id=agent.id, archive_status=status)] == [made.id]
    back = client.conversations.update(made.id, archived=False, context_window_limit=5000)
    assert (back.archived, back.archived_at, back.context_window_limit) == (False, None, 5000)
    assert [found.id for found in client.conversations.list(agent_id=agent.id)] == [made.id]


def test_a_past_is_moved_in_and_read(client, agent, conversation):
    listed = client.conversations.messages.list(conversation.id).items
    assert kinds(listed) == ["assistant_message", "user_message", "system_message"], "the newest first"
    assert listed[0].content == "Of course."
    assert (listed[1].name, listed[1].date.year) == ("Paddington", 2024)
    assert [message.id for message in listed][::-1] == conversation.in_context_message_ids

    path = f"/v1/conversations/{conversation.id}/messages/import"
    more = [{"role": "user", "content": "Wonderful.", "otid": "m3"}]
    for count in (1, 0):
        taken = client.post(path, cast_to=object, body={"messages": more})
        assert len(taken) == count, "what is there already is not taken in again"
    walked = client.conversations.messages.list(conversation.id, order="asc", limit=1)
    assert kinds(walked) == ["system_message", "user_message", "assistant_message", "user_message"]
    older = client.conversations.messages.list(conversation.id, before=listed[0].id, limit=1).items
    assert [message.content for message in older] == ["Do you have marmalade?"]
    only = client.conversations.messages.list(conversation.id, include_return_message_types=["assistant_message"])
    assert kinds(only.items) == ["assistant_message"]
    assert list(client.runs.list(conversation_id=conversation.id)) == [], "nothing was run"
    with pytest.raises(letta_client.NotFoundError):
        client.conversations.messages.list(f"conv-{UNKNOWN}")


def test_a_fork_goes_its_own_way(client, agent, conversation):
    fork = client.conversations.fork(conversation.id)
    assert fork.in_context_message_ids[1:] == conversation.in_context_message_ids[1:]
    assert fork.in_context_message_ids[0] != conversation.in_context_message_ids[0]
    first = conversation.in_context_message_ids[1]
    part = client.conversations.fork(conversation.id, message_id=first)
    assert part.in_context_message_ids[1:] == [first], "as far as the message"
    with pytest.raises(letta_client.NotFoundError, match="not in the context"):
        client.conversations.fork(conversation.id, message_id=f"message-{UNKNOWN}")
    client.conversations.delete(conversation.id)
    contents = [message.content for message in client.conversations.messages.list(fork.id).items[:2]]
    assert contents == ["Of course.", "Do you have marmalade?"]
    for name, more in (("default", {"agent_id": agent.id}), (agent.id, {})):
        assert len(client.conversations.fork(name, **more).in_context_message_ids) == 1
    with pytest.raises(letta_client.NotFoundError, match="agent_id"):
        client.conversations.fork("default")


def test_a_conversation_shows_changed_memory_when_it_is_recompiled(client, agent, conversation):
    client.agents.blocks.update("human", agent_id=agent.id, value="Likes marmalade.")
    shown = json.loads(client.conversations.recompile(conversation.id, dry_run=True))
    assert "Likes marmalade." in shown and conversation.id in shown
    system = client.conversations.messages.list(conversation.id, order="asc", limit=1).items[0]
    assert "Likes marmalade." not in system.content
    assert json.loads(client.conversations.recompile(conversation.id)) == shown
    assert client.conversations.messages.list(conversation.id, order="asc", limit=1).items[0].content == shown
    assert "CONVERSATION_ID: default" in client.conversations.recompile("default", agent_id=agent.id)


def test_the_default_history_is_read_as_the_agent_s(client, agent, model):
    client.agents.messages.create(agent.id, input="Hello.")
    expected = [message.id for message in client.agents.messages.list(agent.id, conversation_id="default").items]
    assert len(expected) == 3
    listed = client.conversations.messages.list("default", agent_id=agent.id)
    assert [message.id for message in listed.items] == expected
    assert [message.id for message in client.conversations.messages.list(agent.id).items] == expected
