"""Archives, their passages, and the archival memory of agents."""

import letta_client
import pytest

from harness import UNKNOWN


def test_an_archive_lives_its_whole_life(client):
    archive = client.archives.create(name="Notes", description="What to keep.")
    assert archive.id.startswith("archive-")
    assert (archive.name, archive.description, archive.embedding_config) == ("Notes", "What to keep.", None)
    assert client.archives.retrieve(archive.id).name == "Notes"
    assert client.archives.update(archive.id, name="Papers").name == "Papers"
    assert client.archives.retrieve(archive.id).description == "What to keep.", "what is not named stays"
    assert [other.id for other in client.archives.list(name="Papers")] == [archive.id]
    client.archives.delete(archive.id)
    with pytest.raises(letta_client.NotFoundError):
        client.archives.retrieve(archive.id)
    with pytest.raises(letta_client.NotFoundError):
        client.archives.delete(archive.id)
    with pytest.raises(letta_client.UnprocessableEntityError):
        client.archives.retrieve("archive-1")
    with pytest.raises(letta_client.BadRequestError):
        client.archives.create(name="x", embedding="openai/no-such-model")


def test_an_archive_remembers_its_embedding_model(client):
    archive = client.archives.create(name="Vectors", embedding="openai/text-embedding-3-small")
    assert archive.embedding_config.handle == "openai/text-embedding-3-small"
    assert client.archives.retrieve(archive.id).embedding_config == archive.embedding_config


def test_archives_page_to_the_end(client):
    ids = [client.archives.create(name="paged").id for _ in range(5)]
    assert [archive.id for archive in client.archives.list(name="paged", limit=2, order="asc")] == ids
    assert [archive.id for archive in client.archives.list(name="paged", limit=2)] == ids[::-1]
    for archive in ids:
        client.archives.delete(archive)


def test_passages_go_into_an_archive_and_out_of_it(client):
    archive = client.archives.create(name="Facts")
    passage = client.archives.passages.create(archive.id, text="Water is wet.", tags=["b", "a"], metadata={"page": 1})
    assert (passage.text, passage.tags, passage.metadata) == ("Water is wet.", ["b", "a"], {"page": 1})
    assert passage.archive_id == archive.id
    more = client.archives.passages.create_many(archive.id, passages=[{"text": "Ice is cold."}, {"text": "Fire is hot."}])
    assert [passage.text for passage in more] == ["Ice is cold.", "Fire is hot."]

    found = client.passages.search(query="cold ice", archive_id=archive.id)
    assert found[0].passage.text == "Ice is cold." and found[0].score > 0
    assert len(client.passages.search(archive_id=archive.id, limit=2)) == 2

    client.archives.passages.delete(passage.id, archive_id=archive.id)
    with pytest.raises(letta_client.NotFoundError):
        client.archives.passages.delete(passage.id, archive_id=archive.id)
    with pytest.raises(letta_client.NotFoundError):
        client.archives.passages.create(f"archive-{UNKNOWN}", text="x")


def test_an_agents_archival_memory(client, agent):
    assert client.agents.passages.list(agent.id) == []
    [passage] = client.agents.passages.create(agent.id, text="The cat is called Musti.", tags=["cat"])
    client.agents.passages.create(agent.id, text="The dog is called Rex.", tags=["dog"])
    texts = [passage.text for passage in client.agents.passages.list(agent.id)]
    assert texts == ["The cat is called Musti.", "The dog is called Rex."]
    assert [passage.text for passage in client.agents.passages.list(agent.id, ascending=False)] == texts[::-1]
    assert [passage.text for passage in client.agents.passages.list(agent.id, search="MUSTI")] == texts[:1]
    [archive] = client.archives.list(agent_id=agent.id)
    assert archive.name == f"{agent.name}'s Archive"

    found = client.agents.passages.search(agent.id, query="what is the cat called", tags=["cat", "dog"])
    assert found.count == 2 and found.results[0].content == "The cat is called Musti."
    found = client.agents.passages.search(agent.id, query="called", tags=["dog"], tag_match_mode="all", top_k=1)
    assert [result.content for result in found.results] == ["The dog is called Rex."]
    assert client.agents.passages.search(agent.id, query=" ").count == 0

    client.agents.passages.delete(passage.id, agent_id=agent.id)
    assert [passage.text for passage in client.agents.passages.list(agent.id)] == texts[1:]
    with pytest.raises(letta_client.NotFoundError):
        client.agents.passages.delete(passage.id, agent_id=agent.id)
    with pytest.raises(letta_client.NotFoundError):
        client.agents.passages.list(f"agent-{UNKNOWN}")


def test_agents_share_an_archive_and_have_only_one(client, agent):
    archive = client.archives.create(name="Shared")
    client.archives.passages.create(archive.id, text="The key is under the mat.")
    client.agents.archives.attach(archive.id, agent_id=agent.id)
    client.agents.archives.attach(archive.id, agent_id=agent.id)
    assert client.agents.passages.search(agent.id, query="key").count == 1
    other = client.archives.create(name="Other")
    with pytest.raises(letta_client.ConflictError):
        client.agents.archives.attach(other.id, agent_id=agent.id)
    with pytest.raises(letta_client.NotFoundError):
        client.agents.archives.attach(f"archive-{UNKNOWN}", agent_id=agent.id)
    with pytest.raises(letta_client.BadRequestError):
        client.agents.archives.attach("nonsense", agent_id=agent.id)
    client.agents.archives.detach(archive.id, agent_id=agent.id)
    client.agents.archives.detach(archive.id, agent_id=agent.id)
    assert client.agents.passages.list(agent.id) == []
    assert client.archives.retrieve(archive.id).name == "Shared", "detaching does not delete"
