"""Agents with a companion that tends their memory, and the group that joins them."""

import letta_client
import pytest


@pytest.fixture
def main(client):
    return client.agents.create(
        name="Ada",
        model="openai/gpt-4o-mini",
        enable_sleeptime=True,
        memory_blocks=[{"label": "human", "value": "Ada"}],
    )


def test_a_companion_shares_the_blocks(client, main):
    group = main.multi_agent_group
    assert (group.manager_type, group.manager_agent_id) == ("sleeptime", main.id)
    [companion] = group.agent_ids
    include = ["agent.blocks", "agent.tools"]
    companion = client.agents.retrieve(companion, include=include)
    assert companion.agent_type == "sleeptime_agent"
    assert {block.label for block in companion.memory.blocks} == {"human", "memory_persona"}
    tools = {tool.name for tool in companion.tools}
    assert tools == {"memory_rethink", "memory_finish_edits", "memory_replace", "memory_insert"}
    [human] = main.memory.blocks
    assert {agent.id for agent in client.blocks.agents.list(human.id)} == {main.id, companion.id}
    assert client.agents.retrieve(main.id, include=["agent.managed_group"]).managed_group.id == group.id


def test_the_frequency_is_changed_through_the_group(client, main):
    path = f"/v1/groups/{main.multi_agent_group.id}"
    change = {"manager_config": {"manager_type": "sleeptime", "sleeptime_agent_frequency": 2}}
    assert client.patch(path, cast_to=object, body=change)["sleeptime_agent_frequency"] == 2
    with pytest.raises(letta_client.BadRequestError, match="Cannot change group pattern after creation"):
        client.patch(path, cast_to=object, body={"manager_config": {"manager_type": "round_robin"}})


def test_the_companion_goes_with_the_agent(client, main):
    [companion] = main.multi_agent_group.agent_ids
    client.agents.delete(main.id)
    with pytest.raises(letta_client.NotFoundError):
        client.agents.retrieve(companion)
