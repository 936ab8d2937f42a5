"""Messages sent to conversations, streams that are read again, and runs that are cancelled."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import letta_client
import pytest

from harness import UNKNOWN, kinds, memory_insert, run_when, text_of, until, user, without_pings


@pytest.fixture
def conversation(client, agent):
    return client.conversations.create(agent_id=agent.id)


@pytest.mark.parametrize("tokens", [False, True])
def test_a_conversation_is_talked_to_and_listed(client, agent, conversation, model, tokens):
    model.say({"reasoning": "A fact.", "tool_calls": [memory_insert("Sings.")]}, {"text": "You sing well."})
    stream = client.conversations.messages.create(conversation.id, messages=user("I sing."), stream_tokens=tokens)
    events = list(stream)
    assert events[0].message_type == "ping"
    assert text_of(events) == "You sing well."
    assert kinds(events[-2:]) == ["stop_reason", "usage_statistics"]
    assert events[-1].step_count == 2
    run = client.runs.retrieve(events[0].run_id)
    assert (run.status, run.conversation_id, run.agent_id) == ("completed", conversation.id, agent.id)
    assert run.metadata["run_type"] == "send_conversation_message"

    turn = ["user_message", "reasoning_message", "tool_call_message", "tool_return_message", "assistant_message"]
    listed = list(client.conversations.messages.list(conversation.id, order="asc"))
    assert kinds(listed) == ["system_message", *turn]
    assert client.conversations.messages.list(conversation.id, limit=1).items[0].content == "You sing well."
    streamed = {(event.id, event.otid) for event in without_pings(events)[:-2]}
    assert streamed == {(message.id, message.otid) for message in listed[2:]}
    assert kinds(client.runs.messages.list(run.id)) == turn
    assert len(list(client.runs.steps.list(run.id))) == 2
    assert {step.id for step in client.steps.list(agent_id=agent.id)} == {message.step_id for message in listed[1:]}
    assert [found.id for found in client.runs.list(conversation_id=conversation.id)] == [run.id]

    retrieved = client.conversations.retrieve(conversation.id)
    assert retrieved.last_message_at is not None
    assert retrieved.in_context_message_ids == list(dict.fromkeys(message.id for message in listed))
    assert client.agents.retrieve(agent.id).message_ids == agent.message_ids, "the default history is another"


def test_default_histories_are_conversations_too(client, agent, model):
    for name, beside in (("default", {"agent_id": agent.id}), (agent.id, {})):
        model.say({"text": "Well met."})
        events = list(client.conversations.messages.create(name, input="Hello.", **beside))
        assert text_of(events) == "Well met."
        assert client.runs.retrieve(events[0].run_id).conversation_id is None
    assert kinds(client.agents.messages.list(agent.id)).count("user_message") == 2
    for name in ("default", f"conv-{UNKNOWN}", f"agent-{UNKNOWN}"):
        with pytest.raises(letta_client.NotFoundError):
            client.conversations.messages.create(name, messages=user("Hello?"))


def test_conversations_do_not_wait_for_each_other_but_two_sends_to_one_do_not_both_go(client, agent, conversation, model):
    other = client.conversations.create(agent_id=agent.id)
    model.script(answers=[], fallback={"text": "Answer {{n}}.", "held": True})
    # The SDK repeats what is refused with 409, so it would wait by itself.
    patient, at_once = client.with_options(max_retries=8), client.with_options(max_retries=0)

    def send(client, name):
        try:
            return text_of(client.conversations.messages.create(name, messages=user("Well?")))
        except letta_client.ConflictError as refused:
            return refused

    with ThreadPoolExecutor(3) as pool:
        answers = pool.map(lambda name: send(at_once, name), [conversation.id, other.id, agent.id])
        # They are worked on side by side: all are asked before the first has its answer.
        until(lambda: len(model.requests()) == 3)
        model.release()
    assert all(answer.startswith("Answer") for answer in answers)

    with ThreadPoolExecutor(2) as pool:
        sends = [pool.submit(send, at_once, conversation.id) for _ in range(2)]
        until(lambda: len(model.requests()) == 4 and any(one.done() for one in sends))
        model.release()
    refused, answered = sorted((one.result() for one in sends), key=lambda one: isinstance(one, str))
    assert answered.startswith("Answer")
    assert "is currently being processed" in str(refused)
    run = client.runs.retrieve(refused.body["run_id"])
    assert run.conversation_id == conversation.id

    model.script(answers=[], fallback={"text": "Answer {{n}}.", "delay_ms": 400})
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: send(patient, conversation.id), range(2)))
    assert all(isinstance(answer, str) for answer in answers), "a client that asks again gets through"


def test_a_background_stream_is_read_again_from_anywhere(client, agent, conversation, model):
    # What comes behind the first words waits until there is another reader.
    model.say({"text": "one two three four five six", "held_at": 3})
    create = client.conversations.messages.create
    stream = create(conversation.id, messages=user("Count."), stream_tokens=True, background=True)
    seen = []
    for event in stream:
        seen.append(event)
        if event.message_type == "assistant_message":
            break
    stream.response.close()
    run, last = seen[0].run_id, seen[-1].seq_id
    rest = client.conversations.messages.stream(conversation.id, starting_after=last, include_pings=False)
    model.release()
    rest = list(rest)
    assert text_of(seen + rest) == "one two three four five six"
    assert kinds(rest[-2:]) == ["stop_reason", "usage_statistics"]
    numbers = [event.seq_id for event in rest if event.message_type == "assistant_message"]
    assert numbers == list(range(last + 1, last + 1 + len(numbers)))

    assert client.runs.retrieve(run).background is True
    whole = list(client.runs.messages.stream(run, include_pings=False))
    assert text_of(whole) == "one two three four five six"
    assert list(client.conversations.messages.stream(conversation.id, run_id=run, include_pings=False)) == whole
    with pytest.raises(letta_client.BadRequestError, match="No active runs found"):
        client.conversations.messages.stream(conversation.id)
    with pytest.raises(letta_client.NotFoundError):
        client.runs.messages.stream(f"run-{UNKNOWN}")


def test_the_same_request_twice_is_one_run(client, conversation, model):
    model.say({"text": "Only once."})
    messages = [{"role": "user", "content": "Once.", "otid": f"otid-{conversation.id}"}]
    first, again = (
        list(client.conversations.messages.create(conversation.id, messages=messages, background=True)) for _ in range(2)
    )
    assert first == again and text_of(first) == "Only once."
    assert len(list(client.runs.list(conversation_id=conversation.id))) == 1


def test_a_foreground_run_cannot_be_read_again(client, conversation, model):
    model.say({"text": "Here."})
    events = list(client.conversations.messages.create(conversation.id, messages=user("Hello?")))
    with pytest.raises(letta_client.BadRequestError, match="background"):
        client.runs.messages.stream(events[0].run_id)


@pytest.mark.parametrize("background", [False, True])
def test_a_run_of_a_conversation_is_cancelled_at_once(client, agent, conversation, model, background):
    model.say({"hang": True})
    create = client.conversations.messages.create
    stream = create(conversation.id, messages=user("Think for ever."), background=background)
    run = next(iter(stream)).run_id
    began = time.monotonic()
    assert client.conversations.cancel(conversation.id) == {run: "cancelled"}
    rest = without_pings(stream)
    assert time.monotonic() - began < 10, "nobody waits for a model that does not answer"
    assert rest[0].message_type == "stop_reason" and rest[0].stop_reason == "cancelled"
    assert client.runs.retrieve(run).status == "cancelled"
    with pytest.raises(letta_client.ConflictError, match="No active runs to cancel"):
        client.with_options(max_retries=0).conversations.cancel(conversation.id)
    model.say({"text": "Better."})
    assert text_of(client.conversations.messages.create(conversation.id, messages=user("And now?"))) == "Better."


def test_runs_of_an_agent_are_cancelled_by_name_or_all(client, agent, model):
    for named in (True, False):
        before = len(model.requests())
        model.say({"hang": True})
        run = client.agents.messages.create_async(agent.id, messages=user("Think for ever."))
        # Once the model is asked: what it has to say would else be left for the next who asks.
        run_when(client, run.id, lambda run: run.status == "running" and len(model.requests()) > before)
        told = client.agents.messages.cancel(agent.id, run_ids=[run.id] if named else letta_client.omit)
        assert told == {run.id: "cancelled"}
        ended = run_when(client, run.id, lambda run: run.completed_at)
        assert (ended.status, ended.stop_reason) == ("cancelled", "cancelled")
    assert client.agents.retrieve(agent.id).last_stop_reason == "cancelled"
    answer = client.agents.messages.create(agent.id, messages=user("And now?"))
    assert answer.messages[-1].content == "Understood."


def test_a_run_in_the_background_is_polled_to_its_end(client, agent, model):
    model.say({"text": "In my own time.", "delay_ms": 200})
    run = client.agents.messages.create_async(agent.id, messages=user("No hurry."))
    assert run.background is True and run.status in ("created", "running")
    assert run_when(client, run.id, lambda run: run.status == "completed")
    listed = list(client.runs.messages.list(run.id))
    assert kinds(listed) == ["user_message", "assistant_message"]
    assert listed[-1].content == "In my own time."
    assert client.runs.usage.retrieve(run.id).total_tokens > 0
    assert run.id in [found.id for found in client.runs.list(agent_id=agent.id, background=True)]


def test_a_conversation_has_a_model_of_its_own(client, agent, model):
    settings = {"provider_type": "openai", "temperature": 0.25}
    made = client.conversations.create(agent_id=agent.id, model="openai/gpt-4o", model_settings=settings)
    list(client.conversations.messages.create(made.id, messages=user("Hello.")))
    asked = model.requests()[-1]
    assert (asked["model"], asked["temperature"]) == ("gpt-4o", 0.25)
    list(client.conversations.messages.create(made.id, messages=user("Hello."), override_model="openai/gpt-4o-mini"))
    assert model.requests()[-1]["model"] == "gpt-4o-mini"
    list(client.conversations.messages.create(made.id, messages=user("Hello."), override_system="Be brief."))
    assert model.requests()[-1]["messages"][0]["content"] == "Be brief."
    step = next(iter(client.steps.list(agent_id=agent.id)))
    assert step.model == "gpt-4o"


def test_skills_of_the_client_are_told_in_one_request_only(client, conversation, model):
    skill = {"name": "git", "description": "Commits.", "location": "/home/me/.skills/git/SKILL.md"}
    create = client.conversations.messages.create
    list(create(conversation.id, messages=user("Commit it."), client_skills=[skill]))
    told = model.requests()[-1]["messages"][0]["content"]
    assert told.endswith("/home/me/.skills\n└── git/SKILL.md (Commits.)\n</available_skills>")
    list(create(conversation.id, messages=user("And?")))
    assert "available_skills" not in model.requests()[-1]["messages"][0]["content"]


def test_several_calls_at_once_are_one_message_and_one_return(client, model):
    blocks = [{"label": "human", "value": ""}]
    agent = client.agents.create(model="openai/gpt-4o-mini", memory_blocks=blocks, parallel_tool_calls=True)
    assert agent.api_model_settings.parallel_tool_calls is True
    model.say({"tool_calls": [memory_insert("One."), memory_insert("Two.")]}, {"text": "Both."})
    answer = client.agents.messages.create(agent.id, messages=user("Two facts."))
    calls, returns, said = answer.messages
    assert len(calls.tool_calls) == 2
    assert [one.tool_call_id for one in calls.tool_calls] == [one.tool_call_id for one in returns.tool_returns]
    assert said.content == "Both."


def test_answers_come_in_the_form_that_is_asked_for(client, model):
    properties = {"sky": {"type": "string"}, "wind": {"type": "integer"}}
    schema = {"type": "object", "properties": properties, "required": ["sky", "wind"]}
    form = {"type": "json_schema", "json_schema": {"name": "weather", "schema": schema}}
    settings = {"provider_type": "openai", "response_format": form}
    for fields in ({"model_settings": settings}, {"response_format": form}):
        agent = client.agents.create(model="openai/gpt-4o-mini", **fields)
        model.say({"text": '{"sky": "blue", "wind": 3}'})
        answer = client.agents.messages.create(agent.id, messages=user("How is the weather?"))
        assert json.loads(answer.messages[-1].content) == {"sky": "blue", "wind": 3}
        assert model.requests()[-1]["response_format"] == form
