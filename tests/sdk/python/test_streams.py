"""Event streams as the SDK reads them."""

import letta_client
import pytest

from harness import KEEPALIVE_SECONDS, kinds, memory_insert, text_of, until, user, without_pings

TOOL_TURN = [
    {"reasoning": "A new fact.", "tool_calls": [memory_insert("Sings.")]},
    {"text": "You sing."},
]


def test_step_mode_sends_whole_messages_and_ends_with_stop_reason_and_usage(client, agent, model):
    model.say(*TOOL_TURN)
    events = list(client.agents.messages.create(agent.id, messages=user("I sing."), streaming=True))
    assert events[0].message_type == "ping"
    assert kinds(without_pings(events)) == [
        "reasoning_message",
        "tool_call_message",
        "tool_return_message",
        "assistant_message",
        "stop_reason",
        "usage_statistics",
    ]
    assert events[-2].stop_reason == "end_turn"
    assert events[-1].step_count == 2
    assert {event.run_id for event in events[:-2]} == {events[0].run_id}


def test_token_mode_sends_deltas_that_join_to_the_stored_messages(client, agent, model):
    model.say(*TOOL_TURN)
    events = without_pings(
        client.agents.messages.create(agent.id, messages=user("I sing."), streaming=True, stream_tokens=True)
    )
    assert kinds(events)[-2:] == ["stop_reason", "usage_statistics"]
    arguments = "".join(
        event.tool_call.arguments or "" for event in events if event.message_type == "tool_call_message"
    )
    assert "Sings." in arguments
    assert len({event.tool_call.tool_call_id for event in events if event.message_type == "tool_call_message"}) == 1
    assert text_of(events) == "You sing."

    listed = {(message.id, message.message_type): message for message in client.agents.messages.list(agent.id)}
    for event in events[:-2]:
        stored = listed[(event.id, event.message_type)]
        assert stored.otid == event.otid, "streamed text can be replaced by listed messages"


def test_the_deprecated_stream_route_streams_too(client, agent, model):
    model.say({"text": "Here."})
    events = without_pings(client.agents.messages.stream(agent.id, messages=user("Hello?"), stream_tokens=True))
    assert kinds(events)[-2:] == ["stop_reason", "usage_statistics"]


def test_pings_keep_a_slow_model_alive(client, agent, model):
    model.say({"text": "At last.", "held": True})
    events = iter(client.agents.messages.create(agent.id, messages=user("Think."), streaming=True))
    # One at the start, and one for every silent interval.
    pings = [next(events) for _ in range(4)]
    assert kinds(pings) == ["ping"] * 4
    assert all(ping.run_id for ping in pings)
    until(model.requests)
    model.release()
    assert "assistant_message" in kinds(events)


def test_without_pings_there_are_none(client, agent, model):
    model.say({"text": "At last.", "delay_ms": int(KEEPALIVE_SECONDS * 2500)})
    events = client.agents.messages.create(agent.id, messages=user("Think."), streaming=True, include_pings=False)
    assert "ping" not in kinds(events)


@pytest.mark.parametrize(
    ("fault", "error_type"),
    [
        ({"status": 401, "body": {"error": {"message": "Incorrect API key provided."}}}, "llm_authentication"),
        ({"status": 400, "body": {"error": {"message": "That will not do."}}}, "llm_"),
        ({"text": "a b c d e", "ending": "cut", "ending_after": 3}, "llm_"),
    ],
)
def test_a_failing_model_is_an_error_frame_that_the_sdk_raises(client, agent, model, fault, error_type):
    model.script(answers=[], fallback=fault)
    with pytest.raises(letta_client.APIStatusError) as raised:
        list(client.agents.messages.create(agent.id, messages=user("Hello?"), streaming=True, stream_tokens=True))
    assert raised.value.body["message_type"] == "error_message"
    assert raised.value.body["error_type"].startswith(error_type)
    assert raised.value.body["detail"]
    run = client.runs.retrieve(raised.value.body["run_id"])
    assert run.status == "failed"

    model.reset()
    response = client.agents.messages.create(agent.id, messages=user("And now?"))
    assert response.messages[-1].content == "Understood.", "the conversation goes on"


def test_a_client_that_hangs_up_loses_nothing(client, agent, model):
    model.say({"text": "one two three four five", "chunk_delay_ms": 60})
    stream = client.agents.messages.create(agent.id, messages=user("Count."), streaming=True, stream_tokens=True)
    for event in stream:
        if event.message_type == "assistant_message":
            break
    stream.response.close()
    until(lambda: "assistant_message" in kinds(client.agents.messages.list(agent.id)))
    response = client.agents.messages.create(agent.id, messages=user("Go on."))
    assert response.stop_reason.stop_reason == "end_turn"
