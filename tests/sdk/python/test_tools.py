"""Tools as a resource: made of source, found, changed, run and deleted."""

import letta_client
import pytest
from pydantic import BaseModel, Field

SOURCE = '''
def {name}(subject: str, times: int = 1) -> str:
    """Greet somebody.

    Args:
        subject: Whom to greet
        times: How often
    """
    return "Hello, " + subject
'''


def test_a_tool_lives_its_whole_life(client):
    tool = client.tools.create(source_code=SOURCE.format(name="greet"), tags=["polite"])
    assert (tool.name, tool.description, tool.tool_type, tool.tags) == ("greet", "Greet somebody.", "custom", ["polite"])
    parameters = tool.json_schema["parameters"]
    assert parameters["required"] == ["subject"]
    assert parameters["properties"]["times"] == {"type": "integer", "description": "How often"}
    assert client.tools.retrieve(tool.id).source_code == SOURCE.format(name="greet")

    again = client.tools.upsert(source_code=SOURCE.format(name="greet").replace("Greet", "Salute"))
    assert (again.id, again.description, again.tags) == (tool.id, "Salute somebody.", ["polite"])
    changed = client.tools.update(tool.id, return_char_limit=100, default_requires_approval=True)
    assert (changed.return_char_limit, changed.default_requires_approval) == (100, True)

    assert [found.id for found in client.tools.list(name="greet")] == [tool.id]
    assert tool.id in [found.tool.id for found in client.tools.search(query="salute somebody")]
    client.tools.delete(tool.id)
    with pytest.raises(letta_client.NotFoundError):
        client.tools.retrieve(tool.id)


def test_arguments_come_from_pydantic(client):
    class Arguments(BaseModel):
        subject: str = Field(description="Whom to greet")
        limits: list[float] = Field(default_factory=list, description="How loud")

    tool = client.tools.create(
        source_code=SOURCE.format(name="greet_well"), args_json_schema=Arguments.model_json_schema()
    )
    assert tool.json_schema["parameters"]["required"] == ["subject"]
    limits = tool.json_schema["parameters"]["properties"]["limits"]
    assert (limits["type"], limits["items"], limits["description"]) == ("array", {"type": "number"}, "How loud")
    client.tools.delete(tool.id)


def test_lists_of_tools_page_to_the_end(client):
    ids = [tool.id for tool in client.tools.list(limit=5)]
    assert len(ids) == len(set(ids)) >= 26
    core = list(client.tools.list(tool_types=["letta_core"]))
    assert {tool.tool_type for tool in core} == {"letta_core"}
    assert {tool.name for tool in client.tools.list(names=["memory_insert", "memory_replace"])} == {
        "memory_insert",
        "memory_replace",
    }
    assert not list(client.tools.list(search="nothing like this"))


def test_source_that_is_no_tool_is_refused(client):
    with pytest.raises(letta_client.BadRequestError, match="lacks a type annotation \\(line 1\\)"):
        client.tools.create(source_code="def f(a):\n    'Do.'\n")
    with pytest.raises(letta_client.UnprocessableEntityError, match="TypeScript tools require an explicit json_schema"):
        client.tools.create(source_code="export function f() {}", source_type="typescript")
    with pytest.raises(letta_client.ConflictError, match="built in"):
        client.tools.create(source_code=SOURCE.format(name="send_message"))
    with pytest.raises(letta_client.UnprocessableEntityError):
        client.tools.update("tool-1", tags=[])


def test_an_agent_runs_a_tool_when_asked_to(client, agent):
    done = client.agents.tools.run("memory_insert", agent_id=agent.id, args={"label": "human", "new_string": "Likes green."})
    assert (done.status, done.agent_state) == ("success", None)
    assert "Likes green." in client.agents.blocks.retrieve("human", agent_id=agent.id).value
    failed = client.agents.tools.run("memory_insert", agent_id=agent.id, args={"label": "none", "new_string": "x"})
    assert (failed.status, failed.func_return) == ("error", None)
    assert failed.stderr
    with pytest.raises(letta_client.NotFoundError, match="not found or not attached"):
        client.agents.tools.run("no_such_tool", agent_id=agent.id)


def test_a_new_tool_can_be_attached_with_its_approval_rule(client, agent):
    tool = client.tools.create(source_code=SOURCE.format(name="ask_first"), default_requires_approval=True)
    client.agents.tools.attach(tool.id, agent_id=agent.id)
    rules = client.agents.retrieve(agent.id).tool_rules
    assert ("requires_approval", "ask_first") in [(rule.type, rule.tool_name) for rule in rules]
    client.tools.delete(tool.id)
    assert tool.id not in [tool.id for tool in client.agents.tools.list(agent.id)]
