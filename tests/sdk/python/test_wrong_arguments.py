"""Each method that takes an id: an unknown one is not found, and what is no id at all is refused."""

import letta_client
import pytest

from harness import UNKNOWN

# The method, the prefix of its id, and what else it must be given.
OF_AN_ID = [
    ("agents.retrieve", "agent", {}),
    ("agents.update", "agent", {"name": "x"}),
    ("agents.delete", "agent", {}),
    ("agents.export_file", "agent", {}),
    ("agents.recompile", "agent", {}),
    ("agents.blocks.list", "agent", {}),
    ("agents.files.list", "agent", {}),
    ("agents.files.close_all", "agent", {}),
    ("agents.folders.list", "agent", {}),
    ("agents.messages.create", "agent", {"input": "Hello?"}),
    ("agents.messages.list", "agent", {}),
    ("agents.messages.reset", "agent", {}),
    ("agents.passages.create", "agent", {"text": "x"}),
    ("agents.passages.list", "agent", {}),
    ("agents.passages.search", "agent", {"query": "x"}),
    ("agents.tools.list", "agent", {}),
    ("archives.retrieve", "archive", {}),
    ("archives.update", "archive", {"name": "x"}),
    ("archives.delete", "archive", {}),
    ("archives.passages.create", "archive", {"text": "x"}),
    ("archives.passages.create_many", "archive", {"passages": [{"text": "x"}]}),
    ("blocks.retrieve", "block", {}),
    ("blocks.update", "block", {"value": "x"}),
    ("blocks.delete", "block", {}),
    ("blocks.agents.list", "block", {}),
    ("conversations.retrieve", "conv", {}),
    ("conversations.update", "conv", {"summary": "x"}),
    ("conversations.delete", "conv", {}),
    ("conversations.fork", "conv", {}),
    ("conversations.recompile", "conv", {}),
    ("conversations.messages.list", "conv", {}),
    ("folders.retrieve", "source", {}),
    ("folders.update", "source", {"name": "x"}),
    ("folders.delete", "source", {}),
    ("folders.agents.list", "source", {}),
    ("messages.retrieve", "message", {}),
    ("steps.retrieve", "step", {}),
    ("steps.feedback.create", "step", {"feedback": "positive"}),
    ("steps.messages.list", "step", {}),
    ("steps.metrics.retrieve", "step", {}),
    ("tools.retrieve", "tool", {}),
    ("tools.update", "tool", {"tags": []}),
    ("tools.delete", "tool", {}),
]

# Runs have an exception of their own for what is no id.
OF_A_RUN = ["runs.retrieve", "runs.messages.list", "runs.steps.list", "runs.usage.retrieve"]

# The same for what is named within an agent.
OF_AN_AGENT = [
    ("agents.archives.attach", "archive"),
    ("agents.archives.detach", "archive"),
    ("agents.blocks.attach", "block"),
    ("agents.blocks.detach", "block"),
    ("agents.files.open", "file"),
    ("agents.files.close", "file"),
    ("agents.folders.attach", "source"),
    ("agents.folders.detach", "source"),
    ("agents.identities.attach", "identity"),
    ("agents.identities.detach", "identity"),
    ("agents.passages.delete", "passage"),
    ("agents.tools.attach", "tool"),
]


def method(client, name):
    for part in name.split("."):
        client = getattr(client, part)
    return client


@pytest.mark.parametrize(("name", "prefix", "others"), OF_AN_ID, ids=[name for name, *_ in OF_AN_ID])
def test_an_id_must_be_one_and_known(client, name, prefix, others):
    call = method(client, name)
    with pytest.raises(letta_client.NotFoundError) as raised:
        call(f"{prefix}-{UNKNOWN}", **others)
    assert isinstance(raised.value.body["detail"], str)
    for malformed in ("nonsense", f"{prefix}-1", f"other-{UNKNOWN}"):
        with pytest.raises(letta_client.UnprocessableEntityError):
            call(malformed, **others)


@pytest.mark.parametrize("name", OF_A_RUN)
def test_the_id_of_a_run_must_be_one_and_known(client, name):
    call = method(client, name)
    with pytest.raises(letta_client.NotFoundError):
        call(f"run-{UNKNOWN}")
    for malformed in ("nonsense", "run-1", f"other-{UNKNOWN}"):
        with pytest.raises(letta_client.BadRequestError, match="Expected format: 'run-<uuid4>'"):
            call(malformed)


@pytest.mark.parametrize(("name", "prefix"), OF_AN_AGENT, ids=[name for name, _ in OF_AN_AGENT])
def test_what_is_named_within_an_agent_must_be_known(client, agent, name, prefix):
    call = method(client, name)
    for owner in (f"agent-{UNKNOWN}", agent.id):
        with pytest.raises(letta_client.NotFoundError):
            call(f"{prefix}-{UNKNOWN}", agent_id=owner)
    with pytest.raises(letta_client.UnprocessableEntityError):
        call(f"{prefix}-{UNKNOWN}", agent_id="nonsense")
    with pytest.raises(letta_client.APIStatusError) as raised:
        call("nonsense", agent_id=agent.id)
    assert raised.value.status_code in (400, 404, 422)


def test_what_is_not_there_is_detached_and_listed_without_a_fault(client, agent):
    client.agents.tools.detach(f"tool-{UNKNOWN}", agent_id=agent.id)
    with pytest.raises(letta_client.NotFoundError):
        client.agents.tools.detach(f"tool-{UNKNOWN}", agent_id=f"agent-{UNKNOWN}")
    assert list(client.folders.files.list(f"source-{UNKNOWN}")) == []
    with pytest.raises(letta_client.UnprocessableEntityError):
        client.folders.files.list("nonsense")


def test_bodies_of_the_wrong_kind_are_refused(client, agent):
    for call in (
        lambda: client.agents.create(name=1),
        lambda: client.agents.create(model="openai/gpt-4o-mini", tags="one"),
        lambda: client.agents.create(model="openai/gpt-4o-mini", agent_type="spy"),
        lambda: client.agents.update(agent.id, tool_rules=[{"type": "no_such_rule", "tool_name": "x"}]),
        lambda: client.agents.update(agent.id, tags=1),
        lambda: client.agents.list(include=["agent.everything"]),
        lambda: client.agents.list(match_all_tags="perhaps"),
        lambda: client.agents.list(last_stop_reason="boredom"),
        lambda: client.agents.passages.create(agent.id, text=1),
        lambda: client.archives.create(name=1),
        lambda: client.blocks.create(label="x", value=1),
        lambda: client.blocks.list(label="no spaces allowed"),
        lambda: client.folders.create(name=1),
        lambda: client.models.list(provider_category=["nobody"]),
        lambda: client.passages.search(limit=0),
        lambda: client.steps.list(start_date="yesterday"),
        lambda: client.tags.list(limit="many"),
        lambda: client.tools.create(source_code=1),
        lambda: client.tools.search(limit=0),
        lambda: client.tools.upsert(source_code=1),
    ):
        with pytest.raises(letta_client.UnprocessableEntityError):
            call()
    with pytest.raises(letta_client.BadRequestError, match="Invalid tool_type 'hammer'"):
        client.tools.list(tool_types=["hammer"])
    with pytest.raises(letta_client.BadRequestError, match="Invalid status 'bored'"):
        client.runs.list(statuses=["bored"])
