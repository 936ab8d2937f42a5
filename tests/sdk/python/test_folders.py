"""Folders, on their own and on an agent."""

import uuid

import letta_client
import pytest

from harness import UNKNOWN


@pytest.fixture
def folder(client):
    folder = client.folders.create(name=f"docs-{uuid.uuid4().hex[:8]}", embedding="openai/text-embedding-3-small")
    yield folder
    try:
        client.folders.delete(folder.id)
    except letta_client.NotFoundError:
        pass


def test_a_folder_lives_its_whole_life(client, folder):
    assert folder.id.startswith("source-")
    assert folder.embedding_config.handle == "openai/text-embedding-3-small"
    assert client.folders.retrieve(folder.id) == folder
    changed = client.folders.update(folder.id, description="What we know.", metadata={"a": 1})
    assert (changed.name, changed.description, changed.metadata) == (folder.name, "What we know.", {"a": 1})
    client.folders.delete(folder.id)
    with pytest.raises(letta_client.NotFoundError):
        client.folders.retrieve(folder.id)


def test_folders_page_to_the_end(client):
    prefix = uuid.uuid4().hex[:8]
    ids = [
        client.folders.create(name=f"{prefix}-{index}", embedding="openai/text-embedding-3-small").id
        for index in range(5)
    ]
    assert [folder.id for folder in client.folders.list(name=prefix.upper(), limit=2)] == ids
    assert [folder.id for folder in client.folders.list(name=prefix, limit=2, order="desc")] == ids[::-1]
    for folder in ids:
        client.folders.delete(folder)


def test_a_folder_is_attached_and_detached(client, agent, folder):
    assert client.agents.folders.attach(folder.id, agent_id=agent.id) is None
    assert [other.id for other in client.agents.folders.list(agent.id)] == [folder.id]
    assert agent.id in list(client.folders.agents.list(folder.id))
    tools = {tool.name for tool in client.agents.tools.list(agent.id, limit=50)}
    assert {"open_files", "grep_files", "semantic_search_files"} <= tools
    state = client.agents.retrieve(agent.id, include=["agent.sources"])
    assert [source.name for source in state.sources] == [folder.name]

    client.agents.folders.detach(folder.id, agent_id=agent.id)
    assert list(client.agents.folders.list(agent.id)) == []
    assert "open_files" not in {tool.name for tool in client.agents.tools.list(agent.id, limit=50)}


def test_a_folder_without_files_shows_none(client, agent, folder):
    client.agents.folders.attach(folder.id, agent_id=agent.id)
    assert list(client.folders.files.list(folder.id)) == []
    assert list(client.agents.files.list(agent.id)) == []
    assert client.agents.files.close_all(agent.id) == []
    for call in (
        lambda: client.folders.files.retrieve(f"file-{UNKNOWN}", folder_id=folder.id),
        lambda: client.folders.files.delete(f"file-{UNKNOWN}", folder_id=folder.id),
        lambda: client.agents.files.open(f"file-{UNKNOWN}", agent_id=agent.id),
        lambda: client.agents.files.close(f"file-{UNKNOWN}", agent_id=agent.id),
    ):
        with pytest.raises(letta_client.NotFoundError):
            call()


def test_an_agent_is_made_with_a_folder(client, folder):
    agent = client.agents.create(model="openai/gpt-4o-mini", folder_ids=[folder.id])
    assert [other.id for other in client.agents.folders.list(agent.id)] == [folder.id]
    with pytest.raises(letta_client.NotFoundError):
        client.agents.create(model="openai/gpt-4o-mini", folder_ids=[f"source-{UNKNOWN}"])


def test_wrong_arguments_are_refused(client, agent, folder):
    with pytest.raises(letta_client.ConflictError):
        client.folders.create(name=folder.name, embedding="openai/text-embedding-3-small")
    with pytest.raises(letta_client.BadRequestError):
        client.folders.create(name="x", embedding="nobody/nothing")
    with pytest.raises(letta_client.UnprocessableEntityError):
        client.folders.retrieve("docs")
    with pytest.raises(letta_client.NotFoundError):
        client.agents.folders.attach(f"source-{UNKNOWN}", agent_id=agent.id)
