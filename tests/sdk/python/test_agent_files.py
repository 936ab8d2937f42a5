"""Agent files: out of the server and into it."""

import json
from pathlib import Path

import letta_client
import pytest

from harness import UNKNOWN, user

FILES = Path(__file__).resolve().parents[2] / "agent_files"
INCLUDE = ["agent.blocks", "agent.tools", "agent.tags", "agent.secrets"]


def facts(client, agent_id):
    agent = client.agents.retrieve(agent_id, include=INCLUDE)
    messages = list(client.agents.messages.list(agent_id, order="asc"))
    return {
        "system": agent.system,
        "tags": agent.tags,
        "model": agent.model,
        "embedding": agent.embedding,
        "blocks": [(block.label, block.value) for block in agent.blocks],
        "tools": [tool.name for tool in agent.tools],
        "rules": [rule.to_dict() for rule in agent.tool_rules],
        "compaction": agent.compaction_settings.to_dict(),
        "messages": [(message.message_type, getattr(message, "content", None)) for message in messages],
        "in_context": len(agent.message_ids),
    }


def test_an_agent_is_exported_and_imported_as_its_equal(client, model, agent):
    model.say({"text": "I am Ada."})
    client.agents.messages.create(agent.id, messages=user("Who are you?"))
    text = client.agents.export_file(agent.id)
    assert isinstance(text, str)
    file = json.loads(text)
    assert [exported["id"] for exported in file["agents"]] == ["agent-0"]

    imported = client.agents.import_file(file=text.encode())
    (copy,) = imported.agent_ids
    assert copy != agent.id
    assert client.agents.retrieve(copy).name == f"{agent.name}_copy"
    assert facts(client, copy) == facts(client, agent.id)


def test_what_is_imported_can_be_told(client, tmp_path):
    path = tmp_path / "agent.af"
    path.write_bytes((FILES / "full.af").read_bytes())
    with path.open("rb") as file:
        imported = client.agents.import_file(
            file=file,
            name="Given",
            model="openai/gpt-4o-mini",
            embedding="openai/text-embedding-3-small",
            secrets=json.dumps({"CASINO_KEY": "s3cret"}),
            strip_messages=True,
            override_existing_tools=False,
            project_id="games",
        )
    first = client.agents.retrieve(imported.agent_ids[0], include=INCLUDE)
    assert (first.name, first.model, first.project_id) == ("Given", "openai/gpt-4o-mini", "games")
    assert {secret.key: secret.value for secret in first.secrets} == {"CASINO_KEY": "s3cret", "HOUSE": ""}
    assert len(first.message_ids) == 1
    assert "s3cret" not in client.agents.export_file(first.id, scrub_messages=True)


@pytest.mark.parametrize("name", ["full.af", "minimal.af", "legacy.af"])
def test_files_made_elsewhere_are_imported(client, name):
    content = (FILES / name).read_bytes()
    imported = client.agents.import_file(file=(name, content), model="openai/gpt-4o-mini", append_copy_suffix=False)
    agent = client.agents.retrieve(imported.agent_ids[0])
    file = json.loads(content)
    assert agent.name == (file["agents"][0] if "agents" in file else file)["name"]


def test_wrong_files_and_arguments_are_refused(client, agent):
    for content, part in [(b"{", "Corrupted"), (b"{}", "Legacy")]:
        with pytest.raises(letta_client.BadRequestError, match=part):
            client.agents.import_file(file=content)
    minimal = (FILES / "minimal.af").read_bytes()
    with pytest.raises(letta_client.NotFoundError):
        client.agents.import_file(file=minimal, model="openai/no-such-model")
    with pytest.raises(letta_client.BadRequestError):
        client.agents.import_file(file=minimal, secrets="no JSON")
    with pytest.raises(letta_client.UnprocessableEntityError):
        client.agents.import_file(file=minimal, name="a/b")
    with pytest.raises(letta_client.NotFoundError):
        client.agents.export_file(f"agent-{UNKNOWN}")
    with pytest.raises(letta_client.UnprocessableEntityError):
        client.agents.export_file("agent-1")
    with pytest.raises(letta_client.BadRequestError):
        client.agents.export_file(agent.id, use_legacy_format=True)
