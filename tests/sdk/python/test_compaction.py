"""Compaction by hand: a summary in the place of older messages."""

import json

import letta_client
import pytest

from harness import UNKNOWN, kinds, user

ALL = {"mode": "all", "model": "openai/gpt-4o-mini"}


def test_an_agent_forgets_the_words_and_keeps_the_summary(client, agent, model):
    for text in ["I like tea.", "My cat is called Muru."]:
        client.agents.messages.create(agent.id, messages=user(text))
    model.say({"text": "Tea, and a cat called Muru."})
    compacted = client.agents.messages.compact(agent.id, compaction_settings=ALL)
    assert compacted.summary == "Tea, and a cat called Muru."
    assert (compacted.num_messages_before, compacted.num_messages_after) == (5, 2)
    assert len(client.agents.retrieve(agent.id).message_ids) == 2
    assert client.agents.retrieve(agent.id).compaction_settings.mode == "sliding_window", "only this time"

    listed = client.agents.messages.list(agent.id, order="asc").items
    assert len(listed) == 6, "the messages are still there"
    assert json.loads(listed[-1].content)["type"] == "system_alert"
    summaries = client.agents.messages.list(agent.id, include_return_message_types=["summary_message"]).items
    assert kinds(summaries) == ["summary_message"]
    assert summaries[0].summary.endswith("Tea, and a cat called Muru.")
    assert summaries[0].compaction_stats.messages_count_after == 2

    again = client.agents.messages.compact(agent.id)
    assert (again.summary, again.num_messages_after) == (compacted.summary, 2)
    client.agents.messages.create(agent.id, messages=user("What is my cat called?"))
    assert "called Muru" in model.requests()[-1]["messages"][1]["content"]


def test_compacting_nothing_and_nobody(client, agent):
    assert client.agents.messages.compact(agent.id).summary == ""
    with pytest.raises(letta_client.NotFoundError):
        client.agents.messages.compact(f"agent-{UNKNOWN}")
    with pytest.raises(letta_client.UnprocessableEntityError):
        client.agents.messages.compact(agent.id, compaction_settings={"mode": "shortest"})


def test_a_conversation_is_compacted_alone(client, agent, model):
    past = [{"role": role, "content": "Words."} for role in ["user", "assistant"] * 2]
    made = client.conversations.create(agent_id=agent.id, extra_body={"messages": past})
    other = client.conversations.create(agent_id=agent.id, extra_body={"messages": past})
    model.say({"text": "Words were said."})
    compacted = client.conversations.messages.compact(made.id, compaction_settings=ALL)
    assert (compacted.summary, compacted.num_messages_before, compacted.num_messages_after) == ("Words were said.", 5, 2)
    assert len(client.conversations.retrieve(made.id).in_context_message_ids) == 2
    assert len(client.conversations.retrieve(other.id).in_context_message_ids) == 5
    empty = client.conversations.create(agent_id=agent.id)
    with pytest.raises(letta_client.BadRequestError):
        client.conversations.messages.compact(empty.id)
    assert client.conversations.messages.compact("default", agent_id=agent.id).summary == ""
