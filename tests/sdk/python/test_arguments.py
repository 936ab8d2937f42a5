"""What is said of an agent, a block, a folder or a tool is kept as it was said, and things are found by it."""

import uuid
from datetime import UTC, datetime, timedelta

import letta_client
import pytest

from harness import kinds, user

MODEL = "openai/gpt-4o-mini"


def said(state, fields):
    """The named fields of a state, as plain values."""
    whole = state.to_dict()
    return {name: whole.get(name) for name in fields}


def test_an_agent_keeps_what_it_is_made_with(client):
    project = f"project-{uuid.uuid4().hex[:8]}"
    tool = client.tools.create(source_code=f"def t{uuid.uuid4().hex[:8]}():\n    'Do.'\n")
    fields = {
        "name": "Ada",
        "description": "Of use.",
        "system": "Be brief.",
        "metadata": {"page": 1},
        "timezone": "Europe/Helsinki",
        "project_id": project,
        "hidden": False,
        "message_buffer_autoclear": True,
        "max_files_open": 3,
        "per_file_view_window_char_limit": 1000,
    }
    agent = client.agents.create(
        model=MODEL,
        context_window_limit=20_000,
        include_base_tools=False,
        include_base_tool_rules=False,
        tool_ids=[tool.id],
        tools=["conversation_search"],
        tool_rules=[{"type": "exit_loop", "tool_name": tool.name}],
        secrets={"KEY": "s3cret"},
        response_format={"type": "json_object"},
        initial_message_sequence=[{"role": "user", "content": "Hello from the start."}],
        **fields,
    )
    kept = client.agents.retrieve(agent.id, include=["agent.tools", "agent.secrets"])
    assert said(kept, fields) == said(agent, fields) == fields
    assert kept.llm_config.context_window == 20_000
    assert {one.name for one in kept.tools} == {tool.name, "conversation_search"}
    assert [(rule.type, rule.tool_name) for rule in kept.tool_rules] == [("exit_loop", tool.name)]
    assert {secret.key: secret.value for secret in kept.secrets} == {"KEY": "s3cret"}
    assert kept.response_format.type == "json_object"
    assert "Hello from the start." in [
        getattr(message, "content", None) for message in client.agents.messages.list(agent.id)
    ]
    assert [one.id for one in client.agents.list(project_id=project)] == [agent.id]

    block = client.blocks.create(label="human", value="x")
    changes = {"description": None, "system": "Be kind.", "metadata": {}, "hidden": True, "max_files_open": 4}
    changed = client.agents.update(
        agent.id, model="openai/gpt-4o", tool_ids=[], block_ids=[block.id], secrets={}, tool_rules=[], **changes
    )
    kept = client.agents.retrieve(agent.id, include=["agent.tools", "agent.secrets", "agent.blocks"])
    assert (changed.id, kept.model) == (agent.id, "openai/gpt-4o")
    assert (kept.description, kept.system, kept.hidden, kept.max_files_open) == ("Of use.", "Be kind.", True, 4)
    assert (kept.tools, kept.secrets, [one.id for one in kept.blocks]) == ([], [], [block.id])
    assert kept.timezone == "Europe/Helsinki", "what is not named stays"
    assert list(client.agents.list(project_id=project)) == [], "what is hidden is not listed"


def test_agents_are_found_and_sorted(client):
    words = f"owl-{uuid.uuid4().hex[:8]}"
    ids = [client.agents.create(name=f"{words}-{index}", model=MODEL).id for index in range(3)]
    client.agents.update(ids[0], description="Touched.")
    found = lambda **query: [one.id for one in client.agents.list(query_text=words.upper(), limit=2, **query)]  # noqa: E731
    assert found(order="asc") == ids
    assert found(order="asc", order_by="updated_at") == [*ids[1:], ids[0]]
    assert sorted(found(order_by="last_run_completion")) == sorted(ids)
    assert found(sort_by="created_at", ascending=True) == ids[::-1], "the older parameters say nothing"
    assert found(template_id="none") == found(base_template_id="none") == found(created_by_id="none") == []
    assert client.agents.retrieve(ids[0], include_relationships=["tools"]).tools


def test_a_block_keeps_what_it_is_made_with_and_is_found_by_it(client, agent):
    mark = uuid.uuid4().hex[:8]
    fields = {
        "label": f"label/{mark}",
        "description": f"About {mark}.",
        "limit": 7,
        "metadata": {"page": 1},
        "read_only": True,
        "hidden": False,
        "preserve_on_migration": True,
        "project_id": f"project-{mark}",
        "tags": [mark, "b"],
    }
    block = client.blocks.create(value=f"Value {mark}, which is longer than its limit.", **fields)
    assert said(client.blocks.retrieve(block.id), fields) == fields
    other = client.blocks.create(label="other", value="x", tags=[mark])
    for query in (
        {"label_search": mark},
        {"value_search": f"value {mark}"},
        {"description_search": mark},
        {"project_id": fields["project_id"]},
        {"tags": [mark, "b"], "match_all_tags": True},
        {"label": fields["label"], "connected_to_agents_count_eq": [0]},
        {"label": fields["label"], "connected_to_agents_count_lt": 1},
    ):
        assert [one.id for one in client.blocks.list(**query)] == [block.id], query
    assert [one.id for one in client.blocks.list(tags=[mark], order="desc", limit=1)] == [other.id, block.id]
    client.agents.blocks.attach(block.id, agent_id=agent.id)
    assert [one.id for one in client.blocks.list(label=fields["label"], connected_to_agents_count_gt=0)] == [block.id]
    changed = client.agents.blocks.update(fields["label"], agent_id=agent.id, label="renamed", read_only=False, limit=100)
    assert (changed.id, changed.label, changed.read_only, changed.limit) == (block.id, "renamed", False, 100)
    assert client.agents.blocks.retrieve("renamed", agent_id=agent.id).description == fields["description"]


def test_a_tool_keeps_what_it_is_made_with_and_is_found_by_it(client):
    name = f"t{uuid.uuid4().hex[:8]}"
    source = f"def {name}(word: str) -> str:\n    'Say.'\n    return word\n"
    parameters = {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]}
    schema = {"name": name, "description": "Said.", "parameters": parameters}
    fields = {"return_char_limit": 10, "enable_parallel_execution": True, "default_requires_approval": True, "tags": [name]}
    packages = [{"name": "requests", "version": "2.0"}]
    tool = client.tools.create(source_code=source, json_schema=schema, pip_requirements=packages, **fields)
    assert (said(tool, fields), tool.json_schema) == (fields, schema)
    assert [(package.name, package.version) for package in tool.pip_requirements] == [("requests", "2.0")]
    again = client.tools.upsert(source_code=source, json_schema=schema | {"description": "Said twice."}, return_char_limit=20)
    assert (again.id, again.return_char_limit) == (tool.id, 20)
    for query in ({"tool_ids": [tool.id]}, {"search": name.upper()}, {"name": name, "exclude_tool_types": ["letta_core"]}):
        assert [one.id for one in client.tools.list(**query)] == [tool.id], query
    assert list(client.tools.list(name=name, return_only_letta_tools=True)) == []
    assert [one.tool.id for one in client.tools.search(query="said", tags=[name])] == [tool.id]
    client.tools.delete(tool.id)


def test_passages_are_found_by_their_time_and_tags(client, agent):
    archive = client.archives.create(name="Diary")
    day = datetime(2024, 5, 1, 12, tzinfo=UTC)
    for index, text in enumerate(["Rain.", "Sun.", "Snow."]):
        when = (day + timedelta(days=index)).isoformat()
        client.archives.passages.create(archive.id, text=text, created_at=when, tags=["all", f"day-{index}"])
    found = lambda **query: {one.passage.text for one in client.passages.search(archive_id=archive.id, **query)}  # noqa: E731
    assert found(start_date=day + timedelta(hours=1)) == {"Sun.", "Snow."}
    assert found(end_date=day + timedelta(days=1, hours=1)) == {"Rain.", "Sun."}
    assert found(tags=["day-0", "day-2"], tag_match_mode="any") == {"Rain.", "Snow."}
    assert found(tags=["all", "day-1"], tag_match_mode="all") == {"Sun."}
    client.agents.archives.attach(archive.id, agent_id=agent.id)
    listed = [one.text for one in client.agents.passages.list(agent.id)]
    assert listed == ["Rain.", "Sun.", "Snow."]
    assert [one.text for one in client.agents.passages.list(agent.id, limit=2)] == listed[:2]


def test_runs_and_messages_are_found_by_what_they_are(client, agent, model):
    model.say({"reasoning": "A greeting.", "text": "Well met."})
    client.agents.messages.create(agent.id, messages=user("Hello."))
    [run] = client.runs.list(agent_id=agent.id, statuses=["completed"])
    for query in ({"agent_ids": [agent.id]}, {"agent_id": agent.id, "stop_reason": "end_turn", "background": False}):
        assert [one.id for one in client.runs.list(ascending=True, **query)] == [run.id]
    assert list(client.runs.list(agent_id=agent.id, active=True)) == []
    [step] = client.steps.list(agent_id=agent.id, model="gpt-4o-mini")
    assert list(client.steps.list(agent_id=agent.id, start_date="2999-01-01T00:00:00Z")) == []
    assert [one.id for one in client.steps.list(agent_id=agent.id, end_date="2999-01-01T00:00:00Z")] == [step.id]
    only = client.agents.messages.list(agent.id, include_return_message_types=["assistant_message"])
    assert kinds(only) == ["assistant_message"]
    response = client.agents.messages.create(
        agent.id, input="And?", include_return_message_types=["assistant_message"], override_system="Be brief."
    )
    assert kinds(response.messages) == ["assistant_message"]
    assert model.requests()[-1]["messages"][0]["content"] == "Be brief."
    with pytest.raises(letta_client.NotFoundError):
        client.agents.messages.create(agent.id, input="And?", override_model="openai/no-such-model")
