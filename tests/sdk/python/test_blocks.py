"""Memory blocks, on their own and on an agent."""

import letta_client
import pytest


def test_a_block_lives_its_whole_life(client):
    block = client.blocks.create(label="notes", value="One.", description="What to keep.", metadata={"a": 1})
    assert block.id.startswith("block-")
    assert (block.label, block.value, block.description, block.metadata) == ("notes", "One.", "What to keep.", {"a": 1})
    assert client.blocks.retrieve(block.id).value == "One."
    assert client.blocks.update(block.id, value="Two.").value == "Two."
    assert client.blocks.retrieve(block.id).description == "What to keep.", "what is not named stays"
    assert block.id in [other.id for other in client.blocks.list(label="notes")]
    client.blocks.delete(block.id)
    with pytest.raises(letta_client.NotFoundError):
        client.blocks.retrieve(block.id)


def test_blocks_page_to_the_end(client):
    ids = [client.blocks.create(label="paged", value=str(index)).id for index in range(5)]
    assert [block.id for block in client.blocks.list(label="paged", limit=2, order="asc")] == ids
    assert [block.id for block in client.blocks.list(label="paged", limit=2, order="desc")] == ids[::-1]
    for block in ids:
        client.blocks.delete(block)


def test_a_block_is_attached_updated_by_label_and_detached(client, agent):
    block = client.blocks.create(label="project", value="Muisti.")
    attached = client.agents.blocks.attach(block.id, agent_id=agent.id)
    assert "project" in [block.label for block in attached.blocks]
    assert {block.label for block in client.agents.blocks.list(agent.id, limit=1)} == {"human", "persona", "project"}
    assert [other.id for other in client.blocks.agents.list(block.id)] == [agent.id]

    assert client.agents.blocks.update("project", agent_id=agent.id, value="A server.").value == "A server."
    assert client.blocks.retrieve(block.id).value == "A server."

    client.agents.blocks.detach(block.id, agent_id=agent.id)
    with pytest.raises(letta_client.NotFoundError):
        client.agents.blocks.retrieve("project", agent_id=agent.id)
    assert client.blocks.retrieve(block.id).value == "A server.", "detaching does not delete"


def test_two_agents_share_a_block(client, agent):
    block = client.blocks.create(label="shared", value="Before.")
    other = client.agents.create(model="openai/gpt-4o-mini", block_ids=[block.id])
    client.agents.blocks.attach(block.id, agent_id=agent.id)
    client.agents.blocks.update("shared", agent_id=agent.id, value="After.")
    assert client.agents.blocks.retrieve("shared", agent_id=other.id).value == "After."
    assert {agent.id for agent in client.blocks.agents.list(block.id)} == {agent.id, other.id}


def test_tools_are_detached_and_attached(client, agent):
    tool = next(tool for tool in client.agents.tools.list(agent.id) if tool.name == "conversation_search")
    client.agents.tools.detach(tool.id, agent_id=agent.id)
    assert tool.id not in [tool.id for tool in client.agents.tools.list(agent.id)]
    client.agents.tools.attach(tool.id, agent_id=agent.id)
    assert tool.id in [tool.id for tool in client.agents.tools.list(agent.id)]
