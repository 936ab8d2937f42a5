"""Lists of what belongs to an agent, a block or a folder: page by page to the end, in both directions."""

import uuid

import letta_client
import pytest

from harness import UNKNOWN

CROWD = 5


@pytest.fixture
def crowd(client, agent):
    """An agent with several of everything, and things with several agents."""
    blocks = [client.blocks.create(label=f"block-{index}", value=str(index)).id for index in range(CROWD)]
    folders = [client.folders.create(name=uuid.uuid4().hex, embedding="openai/text-embedding-3-small").id for _ in "abc"]
    made = {"model": "openai/gpt-4o-mini", "block_ids": blocks[:1], "folder_ids": folders[:1], "include_base_tools": False}
    agents = [client.agents.create(**made).id for _ in range(CROWD)]
    for block in blocks:
        client.agents.blocks.attach(block, agent_id=agent.id)
    for folder in folders:
        client.agents.folders.attach(folder, agent_id=agent.id)
    yield agent.id, blocks[0], folders[0], sorted([*agents, agent.id])
    for folder in folders:
        client.folders.delete(folder)


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_each_list_goes_to_its_end(client, crowd, order):
    agent, block, folder, agents = crowd
    for listed, least in (
        (lambda **page: client.agents.blocks.list(agent, **page), CROWD + 2),
        (lambda **page: client.agents.tools.list(agent, **page), CROWD),
        (lambda **page: client.agents.folders.list(agent, **page), 3),
        (lambda **page: client.blocks.agents.list(block, **page), CROWD + 1),
    ):
        whole = [item.id for item in listed(order=order, limit=100).items]
        assert len(set(whole)) == len(whole) >= least
        for limit in (1, 2, len(whole)):
            assert [item.id for item in listed(order=order, limit=limit)] == whole, limit
        back = listed(order=order, before=whole[-1], limit=2)
        assert [item.id for item in back.items] == whole[-3:-1]
        assert {item.id for item in back} == set(whole[:-1])

    # Ids alone have nothing for the SDK to go on with: the cursor is the caller's.
    whole = list(client.folders.agents.list(folder, order=order))
    assert sorted(whole) == agents
    assert client.folders.agents.list(folder, order=order, limit=2, after=whole[1]) == whole[2:4]


def test_an_unknown_cursor_is_not_found(client, crowd):
    agent, block, folder, _ = crowd
    client.agents.passages.create(agent, text="The cat is called Musti.")
    for call in (
        lambda: client.agents.list(before=f"agent-{UNKNOWN}"),
        lambda: client.agents.messages.list(agent, after=f"message-{UNKNOWN}"),
        lambda: client.agents.tools.list(agent, after=f"tool-{UNKNOWN}"),
        lambda: client.agents.folders.list(agent, after=f"source-{UNKNOWN}"),
        lambda: client.agents.files.list(agent, after=f"file_agent-{UNKNOWN}"),
        lambda: client.agents.passages.list(agent, after=f"passage-{UNKNOWN}"),
        lambda: client.archives.list(after=f"archive-{UNKNOWN}"),
        lambda: client.blocks.list(after=f"block-{UNKNOWN}"),
        lambda: client.blocks.agents.list(block, after=f"agent-{UNKNOWN}"),
        lambda: client.folders.list(after=f"source-{UNKNOWN}"),
        lambda: client.folders.agents.list(folder, after=f"agent-{UNKNOWN}"),
        lambda: client.folders.files.list(folder, after=f"file-{UNKNOWN}"),
        lambda: client.messages.list(after=f"message-{UNKNOWN}"),
        lambda: client.runs.list(after=f"run-{UNKNOWN}"),
        lambda: client.steps.list(after=f"step-{UNKNOWN}"),
        lambda: client.tools.list(after=f"tool-{UNKNOWN}"),
    ):
        with pytest.raises(letta_client.NotFoundError):
            call()


def test_wrong_page_arguments_are_refused(client, crowd):
    agent, block, folder, _ = crowd
    for listed in (
        client.agents.list,
        client.archives.list,
        client.blocks.list,
        client.folders.list,
        client.messages.list,
        client.runs.list,
        client.steps.list,
        client.tags.list,
        client.tools.list,
        lambda **page: client.agents.blocks.list(agent, **page),
        lambda **page: client.agents.files.list(agent, **page),
        lambda **page: client.agents.folders.list(agent, **page),
        lambda **page: client.agents.messages.list(agent, **page),
        lambda **page: client.agents.tools.list(agent, **page),
        lambda **page: client.blocks.agents.list(block, **page),
        lambda **page: client.folders.agents.list(folder, **page),
        lambda **page: client.folders.files.list(folder, **page),
    ):
        for page in ({"limit": "many"}, {"limit": -1}, {"order": "sideways"}):
            with pytest.raises(letta_client.UnprocessableEntityError):
                listed(**page)
