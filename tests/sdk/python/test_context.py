"""What the model sees of an agent: the system message, the history, and which tools ask first."""

import letta_client
import pytest

from harness import UNKNOWN, user


def test_the_system_message_shows_the_memory_of_now(client, agent):
    client.agents.blocks.update("human", agent_id=agent.id, value="Likes green.")
    shown = client.agents.recompile(agent.id, dry_run=True)
    assert "Likes green." in shown
    assert client.agents.recompile(agent.id, update_timestamp=True).count("Likes green.") == 1
    assert "Likes green." in client.agents.messages.list(agent.id, order="asc").items[0].content
    with pytest.raises(letta_client.NotFoundError):
        client.agents.recompile(f"agent-{UNKNOWN}")
    with pytest.raises(letta_client.UnprocessableEntityError):
        client.agents.recompile("nonsense")


def test_a_reset_begins_afresh(client, agent, model):
    client.agents.messages.create(agent.id, messages=user("I live in Oulu."))
    assert len(client.agents.retrieve(agent.id).message_ids) == 3
    reset = client.agents.messages.reset(agent.id)
    assert reset.id == agent.id
    assert len(client.agents.retrieve(agent.id).message_ids) == 1
    client.agents.messages.create(agent.id, messages=user("Where do I live?"))
    sent = [str(message.get("content")) for message in model.requests()[-1]["messages"]]
    assert not any("I live in Oulu." in text for text in sent)
    assert client.agents.messages.reset(agent.id, add_default_initial_messages=True).id == agent.id
    assert len(client.agents.retrieve(agent.id).message_ids) >= 1
    with pytest.raises(letta_client.NotFoundError):
        client.agents.messages.reset(f"agent-{UNKNOWN}")


def test_a_tool_is_made_to_ask_first(client, agent):
    def rules():
        rules = client.agents.retrieve(agent.id).tool_rules
        return [rule.tool_name for rule in rules if rule.type == "requires_approval"]

    for _ in range(2):
        client.agents.tools.update_approval("memory_insert", agent_id=agent.id, body_requires_approval=True)
    assert rules() == ["memory_insert"]
    client.agents.tools.update_approval("memory_insert", agent_id=agent.id, body_requires_approval=False)
    assert rules() == []
    client.agents.tools.update_approval("not_yet_made", agent_id=agent.id, body_requires_approval=True)
    assert rules() == ["not_yet_made"], "a rule may come before its tool"
    with pytest.raises(letta_client.NotFoundError):
        client.agents.tools.update_approval("memory_insert", agent_id=f"agent-{UNKNOWN}", body_requires_approval=True)
    with pytest.raises(letta_client.UnprocessableEntityError):
        client.agents.tools.update_approval("memory_insert", agent_id=agent.id, body_requires_approval="perhaps")
