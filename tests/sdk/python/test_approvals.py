"""Tool calls that wait for the client: approved, denied, answered by tools of the client, and given up."""

import letta_client
import pytest
from letta_client.types.agents import LettaResponse

from harness import kinds, memory_insert, text_of, user

TOOL = {
    "name": "read_file",
    "description": "Reads a file of the client.",
    "parameters": {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
}
CANCELLED = "The user cancelled the request, so the tool call was denied."


@pytest.fixture
def agent(client):
    """An agent that may make several calls at once and has to ask before it writes into its memory."""
    return client.agents.create(
        model="openai/gpt-4o-mini",
        memory_blocks=[{"label": "human", "value": ""}],
        parallel_tool_calls=True,
        include_base_tool_rules=False,
        tool_rules=[{"type": "requires_approval", "tool_name": "memory_insert"}],
    )


@pytest.fixture(params=["agent", "conversation"])
def talk(request, client, agent):
    """A history with the methods to send to it, by the routes of agents and by those of conversations."""
    if request.param == "agent":
        return Talk(client, agent.id, client.agents.messages, client.agents.messages.cancel, "agents", "/messages")
    made = client.conversations.create(agent_id=agent.id)
    messages = client.conversations.messages
    return Talk(client, made.id, messages, client.conversations.cancel, "conversations", "")


class Talk:
    def __init__(self, client, id, messages, cancel, resource, infix):
        self.client, self.id, self.messages = client, id, messages
        self.cancel = lambda: cancel(id)
        self.reset_path = f"/v1/{resource}/{id}{infix}/reset-pending"

    def send(self, messages, extra_headers=None, **more):
        if self.id.startswith("agent-"):
            return self.messages.create(self.id, messages=messages, extra_headers=extra_headers, **more)
        # The SDK's method for conversations knows streams alone.
        body = {"messages": messages, "streaming": False, **more}
        options = {"headers": extra_headers or {}}
        return self.client.post(f"/v1/conversations/{self.id}/messages", cast_to=LettaResponse, body=body, options=options)

    def stream(self, messages, **more):
        return list(self.messages.create(self.id, messages=messages, streaming=True, include_pings=False, **more))

    def reset(self):
        return self.client.post(self.reset_path, cast_to=object)

    def listed(self):
        own = {"conversation_id": "default"} if self.id.startswith("agent-") else {}
        messages = list(self.messages.list(self.id, order="asc", **own))
        return [message for message in messages if message.message_type != "system_message"]


def insert(id, text="Likes green."):
    return memory_insert(text, id=id)


def look(id):
    return {"id": id, "name": "conversation_search", "arguments": {"query": "anything"}}


def approve(*ids):
    return [{"type": "approval", "tool_call_id": id, "approve": True} for id in ids]


def deny(id, reason):
    return [{"type": "approval", "tool_call_id": id, "approve": False, "reason": reason}]


def gave(id, text, status="success"):
    return [{"type": "tool", "tool_call_id": id, "tool_return": text, "status": status}]


def answer(entries):
    return [{"type": "approval", "approvals": entries}]


def memory(client, agent):
    return client.agents.blocks.retrieve("human", agent_id=agent.id).value


def call_ids(message):
    calls = getattr(message, "tool_calls", None) or message.tool_returns
    return [call.tool_call_id for call in calls]


def test_calls_are_approved_denied_and_answered_in_one_message(client, agent, talk, model):
    model.say({"text": "May I?", "tool_calls": [insert("a"), look("b"), insert("c"), insert("d")]}, {"text": "Done."})
    paused = talk.send(user("I like green."))
    assert paused.stop_reason.stop_reason == "requires_approval"
    assert kinds(paused.messages) == ["assistant_message", "tool_call_message", "approval_request_message"]
    request = paused.messages[-1]
    assert request.tool_call.name == "memory_insert"
    assert (call_ids(request), memory(client, agent)) == (["a", "c", "d"], "")

    resumed = talk.send(answer([*approve("a"), *deny("c", "Not twice."), *gave("d", "I did it.")]))
    assert resumed.stop_reason.stop_reason == "end_turn"
    assert kinds(resumed.messages) == ["tool_return_message", "assistant_message"]
    returned = resumed.messages[0]
    assert call_ids(returned) == ["d", "c", "a", "b"]
    assert [tool.status for tool in returned.tool_returns] == ["success", "error", "success", "success"]
    assert "Not twice." in returned.tool_returns[1].tool_return
    assert memory(client, agent) == "Likes green."
    asked = ["user_message", "assistant_message", "tool_call_message", "approval_request_message"]
    answered = ["approval_response_message", "tool_return_message", "assistant_message"]
    assert kinds(talk.listed()) == [*asked, *answered]

    again = talk.send(answer(approve("a")))
    assert again.stop_reason.stop_reason == "end_turn"
    assert "keep-alive" in talk.listed()[-2].content
    assert memory(client, agent) == "Likes green."


@pytest.mark.parametrize("tokens", [False, True])
def test_streams_pause_and_go_on(client, agent, talk, model, tokens):
    model.say({"text": "May I?", "tool_calls": [insert("a"), insert("b", "Sings.")]}, {"text": "Noted."})
    events = talk.stream(user("I like green."), stream_tokens=tokens)
    asked = [event for event in events if event.message_type == "approval_request_message"]
    assert {event.tool_call.tool_call_id for event in asked} == ({"a", "b"} if tokens else {"a"})
    request = talk.listed()[-1]
    assert {event.id for event in asked} == {request.id} and call_ids(request) == ["a", "b"]
    assert kinds(events[-2:]) == ["stop_reason", "usage_statistics"]
    assert events[-2].stop_reason == "requires_approval"

    events = talk.stream(answer(approve("b")), stream_tokens=tokens)
    assert kinds(events) == ["approval_request_message", "stop_reason", "usage_statistics"]
    assert (events[0].id, call_ids(events[0])) == (request.id, ["a"]), "the other one still waits"
    events = talk.stream(answer(approve("a")), stream_tokens=tokens)
    assert call_ids(events[0]) == ["a", "b"]
    assert text_of(events) == "Noted."
    assert memory(client, agent) == "Likes green.\nSings."


def test_whoever_cannot_go_on_is_told_what_waits(client, agent, talk, model):
    model.say({"tool_calls": [insert("a"), insert("b")]})
    request = talk.send(user("I like green.")).messages[-1]
    for send in (talk.send, talk.stream):
        with pytest.raises(letta_client.ConflictError, match="waiting for approval") as refused:
            send(user("Well?"))
        waits = refused.value.response.json()["detail"]
        assert (waits["code"], waits["pending_request_id"]) == ("PENDING_APPROVAL", request.id)
        assert (waits["pending_tool_call_ids"], waits["run_id"]) == (["a", "b"], request.run_id)
        with pytest.raises(letta_client.BadRequestError, match="Invalid tool call IDs") as refused:
            send(answer(approve("x")))
        assert refused.value.response.json()["pending_tool_call_ids"] == ["a", "b"]
    model.say({"text": "Then not."})
    denied = talk.send([*answer([*deny("a", "No."), *deny("b", "No.")]), *user("Never mind.")])
    assert denied.stop_reason.stop_reason == "end_turn"
    assert kinds(talk.listed()[-4:])[2:] == ["user_message", "assistant_message"]
    with pytest.raises(letta_client.BadRequestError, match="No tool call is currently awaiting approval"):
        talk.send(answer(approve("x")))


def test_what_waits_is_cancelled_reset_or_passed_over(client, agent, talk, model):
    for end in (talk.cancel, talk.reset):
        name = end.__name__
        model.say({"tool_calls": [insert(f"{name}_a"), look(f"{name}_b")]}, {"text": "As you wish."})
        run = talk.send(user("I like green.")).messages[-1].run_id
        given_up = end()
        if end == talk.reset:
            assert (given_up["pending_tool_call_ids"], given_up["run_id"]) == ([f"{name}_a"], run)
        else:
            assert given_up == {run: "cancelled"}
            assert all(CANCELLED in tool.tool_return for tool in talk.listed()[-1].tool_returns)
        assert call_ids(talk.listed()[-1]) == [f"{name}_a", f"{name}_b"]
        assert client.runs.retrieve(run).status == "cancelled"
        assert talk.send(user("And now?")).messages[-1].content == "As you wish."
    assert talk.reset()["pending_request_id"] is None
    model.say({"tool_calls": [insert("c")]}, {"text": "Very well."})
    talk.send(user("I like green."))
    passed = talk.send(user("Never mind."), extra_headers={"x-muisti-on-pending": "deny"})
    assert passed.messages[-1].content == "Very well."
    assert memory(client, agent) == ""


def test_the_client_runs_tools_of_its_own(client, agent, talk, model):
    read = {"id": "a", "name": "read_file", "arguments": {"path": "a.txt"}}
    model.say({"tool_calls": [read]}, {"text": "It says hello."})
    paused = talk.send(user("Read it."), client_tools=[TOOL])
    assert paused.stop_reason.stop_reason == "requires_approval"
    assert paused.messages[-1].tool_call.arguments == '{"path":"a.txt"}'
    returned = [{"type": "tool_return", "tool_returns": gave("a", "hello")}]
    resumed = talk.send(returned, client_tools=[TOOL])
    assert (resumed.messages[0].tool_return, resumed.messages[0].status) == ("hello", "success")
    assert resumed.messages[-1].content == "It says hello."
    assert all("read_file" in [tool["function"]["name"] for tool in asked["tools"]] for asked in model.requests()[-2:])

    model.say({"tool_calls": [{**read, "id": "b"}]}, {"text": "There is none."})
    talk.send(user("Read it."), client_tools=[TOOL])
    failed = talk.send(answer(gave("b", "no such file", "error")), client_tools=[TOOL])
    assert (failed.messages[0].status, failed.stop_reason.stop_reason) == ("error", "end_turn")

    own = {**TOOL, "name": "conversation_search"}
    model.say({"tool_calls": [look("c")]}, {"text": "Nothing."}, {"tool_calls": [look("d")]}, {"text": "Nothing."})
    assert talk.send(user("Look."), client_tools=[own]).stop_reason.stop_reason == "requires_approval"
    talk.send([{"type": "tool_return", "tool_returns": gave("c", "nothing")}], client_tools=[own])
    assert talk.send(user("Look.")).stop_reason.stop_reason == "end_turn", "without it the server's tool runs"


def test_rules_are_turned_on_and_off(client, agent, model):
    turn = {"agent_id": agent.id}
    client.agents.tools.update_approval("conversation_search", body_requires_approval=True, **turn)
    client.agents.tools.update_approval("memory_insert", body_requires_approval=False, **turn)
    model.say({"tool_calls": [insert("a")]}, {"tool_calls": [look("b")]}, {"text": "Done."})
    paused = client.agents.messages.create(agent.id, messages=user("I like green."))
    assert call_ids(paused.messages[-1]) == ["b"]
    state = client.agents.retrieve(agent.id, include=["agent.pending_approval"])
    assert (state.pending_approval.id, memory(client, agent)) == (paused.messages[-1].id, "Likes green.")
    client.agents.messages.create(agent.id, messages=answer(approve("b")))
    assert client.agents.retrieve(agent.id, include=["agent.pending_approval"]).pending_approval is None


def test_an_answer_in_the_background_is_a_run(client, agent, model):
    model.say({"tool_calls": [insert("a")]}, {"text": "Noted."})
    client.agents.messages.create(agent.id, messages=user("I like green."))
    in_background = {"streaming": True, "background": True}
    events = client.agents.messages.create(agent.id, messages=answer(approve("a")), **in_background)
    assert "tool_return_message" in kinds(list(events))
    assert memory(client, agent) == "Likes green."
