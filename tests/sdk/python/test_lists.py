"""Lists page by themselves in the SDK, to the end and no further."""

import uuid

import pytest


@pytest.fixture(scope="module")
def crowd(server):
    """Seven agents with a tag of their own."""
    client = server.client()
    tag = f"crowd-{uuid.uuid4().hex[:8]}"
    agents = [
        client.agents.create(name=f"{tag}-{index}", model="openai/gpt-4o-mini", tags=[tag, f"{tag}-{index % 2}"])
        for index in range(7)
    ]
    return tag, [agent.id for agent in agents]


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("limit", [1, 3, 7, 50])
def test_agents_come_page_by_page_to_the_end(client, crowd, order, limit):
    tag, ids = crowd
    seen = [agent.id for agent in client.agents.list(tags=[tag], order=order, limit=limit)]
    assert seen == (ids if order == "asc" else ids[::-1])


def test_agents_page_backwards_from_a_cursor(client, crowd):
    tag, ids = crowd
    page = client.agents.list(tags=[tag], order="asc", before=ids[5], limit=2)
    assert [agent.id for agent in page.items] == ids[3:5]
    seen = {agent.id for agent in client.agents.list(tags=[tag], order="asc", before=ids[5], limit=2)}
    assert seen == set(ids[:5])


def test_agents_are_found_by_name_and_by_all_or_any_of_their_tags(client, crowd):
    tag, ids = crowd
    assert [agent.id for agent in client.agents.list(name=f"{tag}-3")] == [ids[3]]
    odd = {agent.id for agent in client.agents.list(tags=[f"{tag}-1"])}
    assert odd == set(ids[1::2])
    assert {agent.id for agent in client.agents.list(tags=[tag, f"{tag}-1"], match_all_tags=True)} == odd
    assert {agent.id for agent in client.agents.list(tags=[f"{tag}-0", f"{tag}-1"])} == set(ids)


def test_tags_are_sorted_and_page_by_their_text(client, crowd):
    tag, _ = crowd
    assert client.tags.list(query_text=tag) == [tag, f"{tag}-0", f"{tag}-1"]
    assert client.tags.list(query_text=tag, limit=2) == [tag, f"{tag}-0"]
    assert client.tags.list(query_text=tag, after=f"{tag}-0") == [f"{tag}-1"]


def test_tools_list_has_the_base_tools(client):
    tools = list(client.tools.list(limit=3))
    names = [tool.name for tool in tools]
    assert len(names) == len(set(names))
    assert {"memory_insert", "memory_replace", "conversation_search", "send_message"} <= set(names)
    insert = next(tool for tool in tools if tool.name == "memory_insert")
    assert client.tools.retrieve(insert.id).json_schema["name"] == "memory_insert"
    assert [tool.id for tool in client.tools.list(name="memory_insert")] == [insert.id]


def test_models_have_handles(client):
    # A server of one's own behind OPENAI_API_BASE is listed as the reference lists it; `openai/…` resolves as well.
    mini = next(model for model in client.models.list() if model.handle == "openai-proxy/gpt-4o-mini")
    assert mini.max_context_window > 0
    assert "text-embedding-3-small" in [model.handle.split("/")[1] for model in client.models.embeddings.list()]


def test_a_limit_of_zero_is_an_empty_page_and_a_huge_one_is_no_error(client, crowd):
    tag, ids = crowd
    assert client.agents.list(tags=[tag], limit=0).items == []
    assert len(client.agents.list(tags=[tag], limit=10**9).items) == len(ids)
