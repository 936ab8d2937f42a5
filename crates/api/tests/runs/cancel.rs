//! Cancelling runs that are going.

use std::time::{Duration, Instant};

use muisti_api::managers::{
    DEFAULT_ORGANIZATION,
    orm::{runs, schema::RunId},
};
use muisti_testkit::{Answer, Client, SseEvent};
use serde_json::{Value, json};

use crate::{
    assert_gapless, assert_goes_on, assert_quick, block, ended,
    harness::{App, assert_error, each, eventually, id, on_each_database, when},
    history, in_background, is, kinds, messages_of, new_agent, note, on_two_nodes, read_all, read_until,
    recovery::LockedBlock,
    replay, run_of, said, wait_for_model,
};

const UNKNOWN: &str = "run-123e4567-e89b-42d3-8456-426614174000";

/// Asks for runs of the agent to be cancelled.
async fn cancel(client: &mut Client, agent: &str, body: Value) -> Value {
    client.post(&format!("/v1/agents/{agent}/messages/cancel"), &body).await.unwrap().expect_json()
}

/// Notes in the database that a run is cancelled, as another server would.
async fn cancel_elsewhere(app: &App, run: &str) {
    let run: RunId = run.parse().unwrap();
    let cancelled = app.write(move |conn| runs::cancel(conn, DEFAULT_ORGANIZATION, run)).await;
    assert_eq!(cancelled, Some(runs::Cancelled::Going));
}

/// The newest run of all.
async fn newest(client: &mut Client) -> String {
    let runs = when(client, "/v1/runs/?limit=1", |runs| runs[0]["id"].is_string()).await;
    id(&runs[0]).to_owned()
}

#[track_caller]
fn assert_ends_cancelled(events: &[SseEvent]) {
    let kinds = kinds(events);
    assert_eq!(kinds[kinds.len() - 3..], ["stop_reason", "usage_statistics", "[DONE]"], "{kinds:?}");
    assert_eq!(kinds.iter().filter(|kind| *kind == "stop_reason").count(), 1, "{kinds:?}");
    assert_eq!(events[events.len() - 3].json()["stop_reason"], "cancelled");
}

/// Asserts what is recorded of a cancelled run whose last step was cut off.
async fn assert_is_cancelled(app: &mut App, run: &str, steps: &[&str]) {
    let recorded = ended(&mut app.client, run).await;
    assert_eq!((&recorded["status"], &recorded["stop_reason"]), (&json!("cancelled"), &json!("cancelled")));
    let path = format!("/v1/runs/{run}/steps?order=asc");
    let listed = when(&mut app.client, &path, |steps| each(steps, "status").iter().all(|one| one != "pending")).await;
    assert_eq!(each(&listed, "status"), steps);
    let cancelled = app.list("/v1/runs/?stop_reason=cancelled&statuses=cancelled").await;
    assert!(each(&cancelled, "id").contains(&run.to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_call_is_cut_off_within_a_second_however_the_answer_travels() {
    on_each_database(async |app| {
        let agent = new_agent(app, json!({})).await;
        let path = messages_of(&agent);
        for (round, answer) in
            [Answer::hang(), Answer::tokens(500).chunk_delay(Duration::from_millis(50))].into_iter().enumerate()
        {
            // As JSON.
            assert_quick(Duration::from_secs(1), async || {
                app.model.clear_requests();
                app.model.push(answer.clone());
                let (mut client, to) = (app.client(), path.clone());
                let sent = tokio::spawn(async move { client.post(&to, &json!({ "input": "Hi." })).await.unwrap() });
                wait_for_model(app, 1);
                let run = newest(&mut app.client).await;
                let asked = Instant::now();
                assert_eq!(cancel(&mut app.client, &agent, json!({})).await, json!({ run.clone(): "cancelled" }));
                let answered = sent.await.unwrap().expect_json();
                let took = asked.elapsed();
                assert_eq!(answered["stop_reason"]["stop_reason"], "cancelled");
                assert_eq!(answered["messages"], json!([]));
                assert_is_cancelled(app, &run, &["cancelled"]).await;
                took
            })
            .await;

            // As streams.
            for body in [
                json!({ "input": "Hi.", "streaming": true }),
                json!({ "input": "Hi.", "streaming": true, "stream_tokens": true }),
                in_background("Hi.", false),
                in_background("Hi.", true),
            ] {
                assert_quick(Duration::from_secs(1), async || {
                    app.model.clear_requests();
                    app.model.push(answer.clone());
                    let mut stream = app.client().stream(&path, &body).await.unwrap();
                    let mut events = read_until(&mut stream, |frame| frame["message_type"] == "ping").await;
                    wait_for_model(app, 1);
                    if round == 1 && body["stream_tokens"] == true {
                        let begun = read_until(&mut stream, |frame| frame["message_type"] == "assistant_message");
                        events.extend(begun.await);
                    }
                    let run = run_of(&events);
                    let asked = Instant::now();
                    cancel(&mut app.client, &agent, json!({ "run_ids": [run] })).await;
                    events.extend(read_all(stream).await);
                    let took = asked.elapsed();
                    assert_ends_cancelled(&events);
                    assert_is_cancelled(app, &run, &["cancelled"]).await;
                    if body["background"] == true {
                        assert_gapless(&events, 0);
                        assert_eq!(replay(&mut app.client(), &run, 0).await, events);
                    }
                    took
                })
                .await;
            }
            assert_eq!(said(&mut app.client, &agent).await.len(), 2 * round, "nothing of a cut off step is stored");
            assert_eq!(app.list(&format!("/v1/agents/{agent}")).await["last_stop_reason"], "cancelled");
            assert_goes_on(app, &agent).await;
        }
        eventually("the model is told to stop too", || app.model.hangups() >= 10).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn finished_steps_stay_in_the_history_and_in_context() {
    on_each_database(async |app| {
        let agent = new_agent(app, json!({})).await;
        for body in [json!({ "input": "Green!", "streaming": true }), in_background("Green!", true)] {
            app.model.clear_requests();
            app.model.push_all([note("Green."), Answer::hang()]);
            let mut stream = app.client().stream(&messages_of(&agent), &body).await.unwrap();
            let mut events = read_until(&mut stream, |frame| frame["message_type"] == "tool_return_message").await;
            wait_for_model(app, 2);
            let run = run_of(&events);
            cancel(&mut app.client, &agent, json!({})).await;
            events.extend(read_all(stream).await);
            assert_ends_cancelled(&events);
            let usage = events[events.len() - 2].json();
            assert_eq!(usage["step_count"], 1);
            assert_is_cancelled(app, &run, &["success", "cancelled"]).await;
            let counted = app.list(&format!("/v1/runs/{run}/usage")).await;
            assert_eq!(counted["total_tokens"], usage["total_tokens"]);
        }
        let expected = ["user_message", "tool_call_message", "tool_return_message"];
        assert_eq!(said(&mut app.client, &agent).await, [expected, expected].concat());
        let state = app.list(&format!("/v1/agents/{agent}")).await;
        assert_eq!(state["message_ids"].as_array().unwrap().len(), 7);
        assert_goes_on(app, &agent).await;
        let roles: Vec<_> = app.model.last_request().messages().iter().map(|row| row["role"].clone()).collect();
        assert_eq!(roles, ["system", "user", "assistant", "tool", "user", "assistant", "tool", "user"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_waits_for_its_turn_is_cancelled_without_a_trace_in_the_history() {
    on_each_database(async |app| {
        let agent = new_agent(app, json!({})).await;
        let path = messages_of(&agent);
        app.model.push(Answer::text("First.").held());
        let mut first = app.client().stream(&path, &in_background("One.", false)).await.unwrap();
        read_until(&mut first, |frame| frame["message_type"] == "ping").await;
        wait_for_model(app, 1);
        for body in [in_background("Two.", true), json!({ "input": "Three.", "streaming": true })] {
            assert_quick(Duration::from_secs(1), async || {
                let mut queued = app.client().stream(&path, &body).await.unwrap();
                let mut events = read_until(&mut queued, |frame| frame["message_type"] == "ping").await;
                let run = run_of(&events);
                assert_eq!(app.list(&format!("/v1/runs/{run}")).await["status"], "created");
                let asked = Instant::now();
                let outcome = cancel(&mut app.client, &agent, json!({ "run_ids": [run] })).await;
                assert_eq!(outcome, json!({ run.clone(): "cancelled" }));
                events.extend(read_all(queued).await);
                let took = asked.elapsed();
                assert_ends_cancelled(&events);
                assert_is_cancelled(app, &run, &[]).await;
                assert_eq!(app.list(&format!("/v1/runs/{run}/messages")).await, json!([]));
                took
            })
            .await;
        }
        app.model.release();
        read_all(first).await;
        assert_eq!(said(&mut app.client, &agent).await, ["user_message", "assistant_message"]);
        assert_eq!(app.model.requests().len(), 1);
        assert_goes_on(app, &agent).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_an_agent_does_is_cancelled_unless_runs_are_named() {
    on_each_database(async |app| {
        let agent = new_agent(app, json!({})).await;
        let made = app.post(&format!("/v1/conversations/?agent_id={agent}"), json!({})).await.expect_json();
        let conversation = format!("/v1/conversations/{}/messages", id(&made));
        app.model.always(Answer::hang());
        let mut streams = Vec::new();
        for path in [messages_of(&agent), conversation.clone(), messages_of(&agent)] {
            let mut stream = app.client().stream(&path, &in_background("Hi.", false)).await.unwrap();
            let ping = read_until(&mut stream, |frame| frame["message_type"] == "ping").await;
            streams.push((run_of(&ping), stream));
        }
        wait_for_model(app, 2);
        let outcome = cancel(&mut app.client, &agent, json!({})).await;
        assert_eq!(outcome.as_object().unwrap().len(), 3, "{outcome}");
        for (run, stream) in streams {
            assert_eq!(outcome[&run], "cancelled");
            read_all(stream).await;
        }
        let none = app.post(&format!("/v1/agents/{agent}/messages/cancel"), json!({})).await;
        assert_error(&none, 409, &format!("No active runs to cancel for agent {agent}"));

        // Those of one history alone.
        let mut direct = app.client().stream(&messages_of(&agent), &in_background("Hi.", false)).await.unwrap();
        let direct_run = run_of(&read_until(&mut direct, |frame| frame["message_type"] == "ping").await);
        let stream = app.client().stream(&conversation, &in_background("Hi.", false)).await.unwrap();
        let of_conversation = format!("/v1/conversations/{}/cancel", id(&made));
        wait_for_model(app, 4);
        let outcome = app.post(&of_conversation, json!({})).await.expect_json();
        assert!(outcome.as_object().unwrap().len() == 1 && outcome[&direct_run].is_null(), "{outcome}");
        assert_ends_cancelled(&read_all(stream).await);
        assert_error(&app.post(&of_conversation, json!({})).await, 409, "No active runs to cancel for conversation");
        let of_default = format!("/v1/conversations/default/cancel?agent_id={agent}");
        let outcome = app.post(&of_default, json!({})).await.expect_json();
        assert_eq!(outcome, json!({ direct_run: "cancelled" }));
        assert_ends_cancelled(&read_all(direct).await);
        app.model.always(Answer::text("Fine."));
        assert_goes_on(app, &agent).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_cancelled_is_reported_and_left_alone() {
    on_each_database(async |app| {
        let agent = new_agent(app, json!({})).await;
        let other = new_agent(app, json!({})).await;
        app.post(&messages_of(&agent), json!({ "input": "Hi." })).await.expect_json();
        let completed = newest(&mut app.client).await;
        app.model.push(Answer::hang());
        let mut stream = app.client().stream(&messages_of(&other), &in_background("Hi.", false)).await.unwrap();
        let going = run_of(&read_until(&mut stream, |frame| frame["message_type"] == "ping").await);
        wait_for_model(app, 2);

        let named = json!({ "run_ids": [completed, going, UNKNOWN] });
        let outcome = cancel(&mut app.client, &agent, named).await;
        assert_eq!(outcome, json!({ completed.clone(): "failed", going.clone(): "failed", UNKNOWN: "failed" }));
        assert_eq!(app.list(&format!("/v1/runs/{completed}")).await["status"], "completed");
        assert_eq!(app.list(&format!("/v1/runs/{going}")).await["status"], "running");
        let malformed = app.post(&format!("/v1/agents/{agent}/messages/cancel"), json!({ "run_ids": ["run-1"] })).await;
        assert!(malformed.status == 422 || malformed.json() == json!({ "run-1": "failed" }), "{}", malformed.text());

        // Another organization does not even see the agent.
        let stranger = app.post("/v1/admin/orgs/", json!({ "name": "Others" })).await.expect_json();
        let user = json!({ "name": "Other", "organization_id": id(&stranger) });
        let user = app.post("/v1/admin/users/", user).await.expect_json();
        let mut strange = app.client().with_header("user_id", id(&user));
        let asked = strange.post(&format!("/v1/agents/{other}/messages/cancel"), &json!({ "run_ids": [going] })).await;
        let asked = asked.unwrap();
        assert!(asked.status == 404 || asked.json() == json!({ going.clone(): "failed" }), "{}", asked.text());
        assert_eq!(app.list(&format!("/v1/runs/{going}")).await["status"], "running");

        // Twice is once.
        for _ in 0..2 {
            let outcome = cancel(&mut app.client, &other, json!({ "run_ids": [going] })).await;
            assert_eq!(outcome, json!({ going.clone(): "cancelled" }));
        }
        assert_ends_cancelled(&read_all(stream).await);
        let outcome = cancel(&mut app.client, &other, json!({ "run_ids": [going] })).await;
        assert_eq!(outcome, json!({ going: "cancelled" }));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelled_is_final_whatever_the_turn_comes_to_afterwards() {
    on_each_database(async |app| {
        let agent = new_agent(app, json!({})).await;
        // What another server notes in the database this one may learn only when it stores something.
        for answer in [Answer::text("Too late."), Answer::error(400, "No."), note("Too late.")] {
            app.model.clear_requests();
            app.model.push(answer.held());
            let mut stream = app.client().stream(&messages_of(&agent), &in_background("Hi.", false)).await.unwrap();
            let mut events = read_until(&mut stream, |frame| frame["message_type"] == "ping").await;
            wait_for_model(app, 1);
            let run = run_of(&events);
            cancel_elsewhere(app, &run).await;
            app.model.release();
            events.extend(read_all(stream).await);
            assert_ends_cancelled(&events);
            let recorded = ended(&mut app.client, &run).await;
            assert_eq!((&recorded["status"], &recorded["stop_reason"]), (&json!("cancelled"), &json!("cancelled")));
            assert_eq!(recorded["metadata"]["error"], Value::Null);
            assert_goes_on(app, &agent).await;
        }
        let rows = history(&mut app.client, &agent).await;
        let calls = rows.iter().filter(|row| row["message_type"] == "tool_call_message").count();
        let returns = rows.iter().filter(|row| row["message_type"] == "tool_return_message").count();
        assert_eq!(calls, returns, "no call stays without its return");
    })
    .await;
}

/// Tools that need somebody's leave.
fn careful() -> Value {
    json!({ "tool_rules": [{ "type": "requires_approval", "tool_name": "memory_insert" }] })
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_come_to_wait_while_their_run_is_cancelled_wait_for_nobody() {
    on_each_database(async |app| {
        let agent = new_agent(app, careful()).await;
        app.model.push(note("May I?").held());
        let mut stream = app.client().stream(&messages_of(&agent), &in_background("Hi.", false)).await.unwrap();
        let mut events = read_until(&mut stream, |frame| frame["message_type"] == "ping").await;
        wait_for_model(app, 1);
        cancel_elsewhere(app, &run_of(&events)).await;
        app.model.release();
        events.extend(read_all(stream).await);
        assert_ends_cancelled(&events);
        assert_goes_on(app, &agent).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_in_conversations_is_cancelled_with_their_agent() {
    on_each_database(async |app| {
        let agent = new_agent(app, careful()).await;
        let made = app.post(&format!("/v1/conversations/?agent_id={agent}"), json!({})).await.expect_json();
        let messages = format!("/v1/conversations/{}/messages", id(&made));
        let body = json!({ "input": "Note it.", "streaming": false });
        app.model.push(note("May I?"));
        let asked = app.post(&messages, body.clone()).await.expect_json();
        assert_eq!(asked["stop_reason"]["stop_reason"], "requires_approval");
        let run = newest(&mut app.client).await;
        assert_eq!(cancel(&mut app.client, &agent, json!({})).await, json!({ run.clone(): "cancelled" }));
        assert_eq!(app.list(&format!("/v1/runs/{run}")).await["status"], "cancelled");
        app.model.push(Answer::text("Well then."));
        app.post(&messages, body).await.expect_json();
        let path = format!("/v1/agents/{agent}/messages/cancel");
        assert_error(&app.post(&path, json!({})).await, 409, "No active runs to cancel");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_takes_a_message_as_soon_as_its_run_is_cancelled() {
    on_each_database(async |app| {
        let agent = new_agent(app, json!({})).await;
        let made = app.post(&format!("/v1/conversations/?agent_id={agent}"), json!({})).await.expect_json();
        let conversation = format!("/v1/conversations/{}", id(&made));
        let messages = format!("{conversation}/messages");
        for _ in 0..10 {
            app.model.clear_requests();
            app.model.push(Answer::hang());
            let mut stream = app.client().stream(&messages, &in_background("Hi.", true)).await.unwrap();
            read_until(&mut stream, |frame| frame["message_type"] == "ping").await;
            wait_for_model(app, 1);
            app.post(&format!("{conversation}/cancel"), json!({})).await.expect_json();
            app.model.push(Answer::text("At once."));
            let answer = app.post(&messages, json!({ "input": "Now this.", "streaming": false })).await.expect_json();
            assert_eq!(answer["messages"][0]["content"], "At once.");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_cancelled_through_another_server() {
    on_two_nodes(async |app, other| {
        let agent = new_agent(app, json!({})).await;
        for (body, waits) in [(in_background("Hi.", true), false), (json!({ "input": "Hi.", "streaming": true }), true)]
        {
            // The history is free afterwards, on the other server too.
            assert_quick(Duration::from_millis(1500), async || {
                app.model.clear_requests();
                app.model.push(Answer::hang());
                let mut stream = app.client().stream(&messages_of(&agent), &body).await.unwrap();
                let mut events = read_until(&mut stream, |frame| frame["message_type"] == "ping").await;
                wait_for_model(app, 1);
                let run = run_of(&events);
                let (mut elsewhere, of) = (other.client(), run.clone());
                let elsewhere =
                    tokio::spawn(async move { if waits { Vec::new() } else { replay(&mut elsewhere, &of, 0).await } });
                let asked = Instant::now();
                let outcome = cancel(&mut other.client(), &agent, json!({})).await;
                assert_eq!(outcome, json!({ run.clone(): "cancelled" }));
                events.extend(read_all(stream).await);
                let took = asked.elapsed();
                assert_ends_cancelled(&events);
                assert_is_cancelled(app, &run, &["cancelled"]).await;
                if !waits {
                    assert_eq!(replay(&mut other.client(), &run, 0).await, events);
                    assert_eq!(elsewhere.await.unwrap(), events, "while it is wound up and after");
                }
                let asked = Instant::now();
                other.client().post(&messages_of(&agent), &json!({ "input": "Hi." })).await.unwrap().expect_json();
                took.max(asked.elapsed())
            })
            .await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_just_cancelled_through_another_server_can_be_deleted() {
    on_two_nodes(async |app, other| {
        let agent = new_agent(app, json!({})).await;
        app.model.push(Answer::hang());
        let mut stream = app.client().stream(&messages_of(&agent), &in_background("Hi.", true)).await.unwrap();
        let begun = read_until(&mut stream, |frame| frame["message_type"] == "ping").await;
        wait_for_model(app, 1);
        let path = format!("/v1/runs/{}", run_of(&begun));
        assert_eq!(other.client().delete(&path).await.unwrap().status, 409, "it is going");
        cancel(&mut other.client(), &agent, json!({})).await;
        assert_eq!(other.client().delete(&path).await.unwrap().status, 200);
        assert_eq!(other.client().get(&path).await.unwrap().status, 404);
        assert_goes_on(app, &agent).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_that_takes_long_is_not_waited_for() {
    // On PostgreSQL, where a row that is locked makes a tool wait and nothing else.
    on_two_nodes(async |app, _| {
        assert_quick(Duration::from_secs(1), async || {
            let agent = new_agent(app, json!({})).await;
            let locked = LockedBlock::of(app, &agent).await;
            app.model.push(note("Slowly."));
            let mut stream = app.client().stream(&messages_of(&agent), &in_background("Note it.", true)).await.unwrap();
            let mut events = read_until(&mut stream, |frame| frame["message_type"] == "tool_call_message").await;
            locked.is_waited_for(app).await;
            let run = run_of(&events);
            let asked = Instant::now();
            cancel(&mut app.client, &agent, json!({})).await;
            events.extend(read_all(stream).await);
            let took = asked.elapsed();
            assert_ends_cancelled(&events);
            assert_is_cancelled(app, &run, &["cancelled"]).await;
            let rows = history(&mut app.client, &agent).await;
            let (returned, rows) = rows.split_last().map(|(last, rows)| (last.clone(), rows.to_vec())).unwrap();
            assert_eq!(rows.last().unwrap()["message_type"], "tool_call_message");
            assert_eq!(returned["status"], "error");
            assert!(returned["tool_return"].as_str().unwrap().contains("cancelled while this tool ran"), "{returned}");
            locked.release().await;
            assert!(block(app, &agent).await.len() <= "Slowly.".len());
            assert_goes_on(app, &agent).await;
            assert!(!events.iter().any(|event| is(event, "tool_return_message")));
            took
        })
        .await;
    })
    .await;
}
