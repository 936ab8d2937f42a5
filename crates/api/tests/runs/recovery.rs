//! What becomes of runs whose server is killed, on the same server started again.

use std::{sync::mpsc, time::Duration};

use muisti_api::managers::{
    DEFAULT_ORGANIZATION,
    orm::{Db, DbConfig, Error, blocks, runs, schema::RunId},
};
use muisti_testkit::{Answer, SseEvent};
use serde_json::{Value, json};
use tokio::{sync::oneshot, task::JoinHandle};

use crate::{
    assert_gapless, assert_goes_on, block, crash, ended,
    harness::{App, each, eventually, id, on_each_database, when},
    history, in_background, is, kinds, messages_of, new_agent, note, on_two_nodes, read_until, replay, run_of, said,
    wait_for_model,
};

/// The row of an agent's memory block, locked for as long as the test wants: a tool that writes there has to wait.
pub(crate) struct LockedBlock {
    hold: mpsc::Sender<()>,
    holder: JoinHandle<()>,
}

impl LockedBlock {
    pub(crate) async fn of(app: &mut App, agent: &str) -> Self {
        let block = app.list(&format!("/v1/agents/{agent}/core-memory/blocks/human")).await;
        let block = id(&block).parse().unwrap();
        let url = app.database.url().unwrap().parse().unwrap();
        let (hold, held) = mpsc::channel();
        let (tell, is_locked) = oneshot::channel();
        let holder = tokio::spawn(async move {
            let db = Db::open(&DbConfig::new(url)).await.unwrap();
            let lock = db.write(move |conn| {
                blocks::lock(conn, DEFAULT_ORGANIZATION, block)?;
                tell.send(()).unwrap();
                // Nothing comes; it ends when the other end is dropped.
                let _ = held.recv();
                Ok::<_, Error>(())
            });
            lock.await.unwrap();
        });
        is_locked.await.unwrap();
        Self { hold, holder }
    }

    /// Waits until somebody has come to it.
    pub(crate) async fn is_waited_for(&self, app: &App) {
        let waits = || tokio::task::block_in_place(|| app.database.is_waited_for());
        eventually("the tool waits for the block", waits).await;
    }

    pub(crate) async fn release(self) {
        drop(self.hold);
        self.holder.await.unwrap();
    }
}

/// The first frames of a background run, up to the one for which this holds.
async fn begin(app: &App, agent: &str, body: Value, holds: impl Fn(&Value) -> bool) -> Vec<SseEvent> {
    let mut stream = app.client().stream(&messages_of(agent), &body).await.unwrap();
    read_until(&mut stream, holds).await
}

fn ping(frame: &Value) -> bool {
    frame["message_type"] == "ping"
}

/// Reads the rest of the stream, which must follow without a gap and be what everybody else reads.
async fn read_on(app: &mut App, begun: Vec<SseEvent>) -> Vec<SseEvent> {
    let run = run_of(&begun);
    let rest = replay(&mut app.client(), &run, begun.len() as u64).await;
    assert_gapless(&rest, begun.len());
    let whole: Vec<SseEvent> = begun.into_iter().chain(rest).collect();
    assert_eq!(replay(&mut app.client(), &run, 0).await, whole);
    assert_eq!(whole.iter().filter(|event| is(event, "stop_reason")).count(), 1, "{whole:#?}");
    assert!(whole.last().unwrap().is_done());
    whole
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_model_was_being_asked_asks_again() {
    on_each_database(async |app| {
        let agent = new_agent(app, json!({})).await;
        for tokens in [false, true] {
            app.model.clear_requests();
            app.model.push(Answer::tokens(500).chunk_delay(Duration::from_millis(20)));
            let last = if tokens { "assistant_message" } else { "ping" };
            let body = in_background("Hi.", tokens);
            let begun = begin(app, &agent, body, |frame| frame["message_type"] == last).await;
            wait_for_model(app, 1);
            let down = Duration::from_millis(200);
            crash(app, |app| {
                app.model.push(Answer::text("Here I am."));
                std::thread::sleep(down);
            })
            .await;
            let events = read_on(app, begun).await;
            let run = ended(&mut app.client, &run_of(&events)).await;
            assert_eq!((&run["status"], &run["stop_reason"]), (&json!("completed"), &json!("end_turn")));
            let total = Duration::from_nanos(run["total_duration_ns"].as_u64().unwrap());
            assert!(total > down, "from the request on: {run}");
            let steps = app.list(&format!("/v1/runs/{}/steps", id(&run))).await;
            assert_eq!(each(&steps, "status"), ["success"], "the step that was open is gone on with");
        }
        let pair = ["user_message", "assistant_message"];
        assert_eq!(said(&mut app.client, &agent).await, [pair, pair].concat());
        let rows = history(&mut app.client, &agent).await;
        assert_eq!(rows.last().unwrap()["content"], "Here I am.");
        assert_goes_on(app, &agent).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_that_has_returned_is_not_run_again() {
    on_each_database(async |app| {
        let agent = new_agent(app, json!({})).await;
        app.model.push_all([note("Once."), Answer::hang()]);
        let begun =
            begin(app, &agent, in_background("Note it.", true), |frame| frame["message_type"] == "tool_return_message")
                .await;
        wait_for_model(app, 2);
        crash(app, |app| app.model.push(Answer::text("Noted.").usage(50, 5))).await;
        let events = read_on(app, begun).await;
        assert_eq!(block(app, &agent).await.matches("Once.").count(), 1);
        let usage = events[events.len() - 2].json();
        assert_eq!(usage["step_count"], 2, "the first step counts");
        let expected = ["user_message", "tool_call_message", "tool_return_message", "assistant_message"];
        assert_eq!(said(&mut app.client, &agent).await, expected);
        let run = ended(&mut app.client, &run_of(&events)).await;
        let steps = app.list(&format!("/v1/runs/{}/steps", id(&run))).await;
        assert_eq!(each(&steps, "status"), ["success", "success"]);
        let metrics = app.list(&format!("/v1/runs/{}/metrics", id(&run))).await;
        assert_eq!(metrics["num_steps"], 2);
        assert!(metrics["run_ns"].as_i64().unwrap() > 0);
        assert_eq!(metrics["tools_used"].as_array().unwrap().len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_that_may_be_half_done_is_answered_as_interrupted() {
    // On PostgreSQL, where a row that is locked makes a tool wait and nothing else.
    on_two_nodes(async |app, other| {
        other.kill();
        let agent = new_agent(app, json!({ "parallel_tool_calls": true })).await;
        let locked = LockedBlock::of(app, &agent).await;
        let call = |text: &str| {
            muisti_testkit::ScriptedCall::new("memory_insert", json!({ "label": "human", "new_string": text }))
        };
        app.model.push(Answer::tool_calls([call("Started."), call("Waiting.")]));
        let begun = begin(app, &agent, in_background("Note it.", false), ping).await;
        locked.is_waited_for(app).await;
        app.server.kill();
        locked.release().await;
        crash(app, |app| app.model.push(Answer::text("I see."))).await;
        let events = read_on(app, begun).await;
        let returned = events.iter().find(|event| is(event, "tool_return_message")).unwrap().json();
        let returns = returned["tool_returns"].as_array().unwrap();
        assert_eq!(each(&returned["tool_returns"], "status"), ["error", "success"], "{returned}");
        assert!(returns[0]["tool_return"].as_str().unwrap().contains("while this tool ran"), "{returned}");
        assert_eq!(block(app, &agent).await.matches("Waiting.").count(), 1);
        assert_eq!(app.model.last_request().last_role(), "tool");
        let expected = ["user_message", "tool_call_message", "tool_return_message", "assistant_message"];
        assert_eq!(said(&mut app.client, &agent).await, expected);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_that_wait_for_their_turn_keep_their_place() {
    on_each_database(async |app| {
        let agent = new_agent(app, json!({})).await;
        app.model.always(Answer::hang());
        let first = begin(app, &agent, in_background("One.", true), ping).await;
        wait_for_model(app, 1);
        let second = begin(app, &agent, in_background("Two.", false), ping).await;
        let third = begin(app, &agent, in_background("Three.", true), ping).await;
        crash(app, |app| app.model.always(Answer::text("Done."))).await;
        for begun in [first, second, third] {
            let run = run_of(&begun);
            read_on(app, begun).await;
            assert_eq!(ended(&mut app.client, &run).await["status"], "completed");
        }
        let texts = each(&json!(history(&mut app.client, &agent).await[1..]), "content");
        assert_eq!(texts, ["One.", "Done.", "Two.", "Done.", "Three.", "Done."]);
        assert_goes_on(app, &agent).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_had_only_to_end_ends() {
    on_each_database(async |app| {
        let agent = new_agent(app, json!({ "context_window_limit": 20_000 })).await;
        for _ in 0..3 {
            app.post(&messages_of(&agent), json!({ "input": "Remember this." })).await.expect_json();
        }
        app.model.clear_requests();
        // A full window: before the end of the turn the history is made shorter.
        app.model.push(Answer::text("That is much.").usage(19_500, 5));
        app.model.push(Answer::hang());
        let begun =
            begin(app, &agent, in_background("And this.", false), |frame| frame["message_type"] == "assistant_message")
                .await;
        wait_for_model(app, 2);
        crash(app, |_| {}).await;
        let events = read_on(app, begun).await;
        assert_eq!(kinds(&events), ["ping", "assistant_message", "stop_reason", "usage_statistics", "[DONE]"]);
        assert_eq!(events[3].json()["step_count"], 1);
        let run = ended(&mut app.client, &run_of(&events)).await;
        assert_eq!((&run["status"], &run["stop_reason"]), (&json!("completed"), &json!("end_turn")));

        // The same without a stream to be read again: it has worked, and is said to have.
        app.model.clear_requests();
        app.model.push(Answer::text("Much, again.").usage(19_500, 5));
        app.model.push(Answer::hang());
        let body = json!({ "input": "And that.", "streaming": true });
        let begun = begin(app, &agent, body, |frame| frame["message_type"] == "assistant_message").await;
        wait_for_model(app, 2);
        crash(app, |_| {}).await;
        let run = ended(&mut app.client, &run_of(&begun)).await;
        assert_eq!((&run["status"], &run["stop_reason"]), (&json!("completed"), &json!("end_turn")));
        assert_goes_on(app, &agent).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_a_client_followed_is_settled_and_says_what_was_kept() {
    on_each_database(async |app| {
        let agent = new_agent(app, json!({})).await;
        let stream = json!({ "input": "Hi.", "streaming": true });
        let in_history = "in the history";
        for (streaming, answers, detail, kept) in [
            // As JSON: the client has no answer, and will send it again.
            (false, vec![Answer::hang()], "Send the message again", vec![]),
            (
                false,
                vec![note("One."), Answer::hang()],
                in_history,
                vec!["user_message", "tool_call_message", "tool_return_message"],
            ),
            // As a stream, whose head says that the message is taken.
            (true, vec![Answer::hang()], in_history, vec!["user_message"]),
            (
                true,
                vec![note("Two."), Answer::hang()],
                in_history,
                vec!["user_message", "tool_call_message", "tool_return_message"],
            ),
        ] {
            let before = said(&mut app.client, &agent).await.len();
            app.model.clear_requests();
            let count = answers.len();
            app.model.push_all(answers);
            let (mut client, path) = (app.client(), messages_of(&agent));
            let body = if streaming { stream.clone() } else { json!({ "input": "Hi." }) };
            let sent = tokio::spawn(async move { client.post(&path, &body).await });
            wait_for_model(app, count);
            let runs = app.list("/v1/runs/?limit=1").await;
            crash(app, |_| {}).await;
            assert!(sent.await.unwrap().is_err(), "the connection is cut");
            let run = ended(&mut app.client, id(&runs[0])).await;
            assert_eq!((&run["status"], &run["stop_reason"]), (&json!("failed"), &json!("error")));
            let error = &run["metadata"]["error"];
            assert_eq!(error["error_type"], "server_interrupted");
            assert!(error["detail"].as_str().unwrap().contains(detail), "{error}");
            assert_eq!(said(&mut app.client, &agent).await[before..], kept);
            let steps = app.list(&format!("/v1/runs/{}/steps?limit=1", id(&run))).await;
            assert_eq!(each(&steps, "status"), ["failed"]);
            assert!(run["total_duration_ns"].is_i64());
        }
        assert_goes_on(app, &agent).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_cancelled_is_wound_up_and_not_carried_on() {
    on_each_database(async |app| {
        let agent = new_agent(app, json!({})).await;
        app.model.push_all([note("Once."), Answer::hang()]);
        let begun =
            begin(app, &agent, in_background("Note it.", true), |frame| frame["message_type"] == "tool_return_message")
                .await;
        wait_for_model(app, 2);
        let run: RunId = run_of(&begun).parse().unwrap();
        app.server.kill();
        app.write(move |conn| runs::cancel(conn, DEFAULT_ORGANIZATION, run)).await;
        crash(app, |_| {}).await;
        let events = read_on(app, begun).await;
        let kinds = kinds(&events);
        assert_eq!(kinds[kinds.len() - 3..], ["stop_reason", "usage_statistics", "[DONE]"]);
        assert_eq!(events[events.len() - 3].json()["stop_reason"], "cancelled");
        assert_eq!(events[events.len() - 2].json()["step_count"], 1);
        assert_eq!(ended(&mut app.client, &run.to_string()).await["status"], "cancelled");
        assert_eq!(app.model.requests().len(), 2, "no model is asked for it again");
        assert_goes_on(app, &agent).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_interrupted_again_and_again_goes_on_all_the_same() {
    on_each_database(async |app| {
        let agent = new_agent(app, json!({})).await;
        app.model.always(Answer::hang());
        let begun = begin(app, &agent, in_background("Hi.", false), ping).await;
        for times in 1..=3 {
            wait_for_model(app, times);
            crash(app, |_| {}).await;
        }
        wait_for_model(app, 4);
        crash(app, |app| app.model.always(Answer::text("At last."))).await;
        let events = read_on(app, begun).await;
        assert_eq!(kinds(&events), ["ping", "assistant_message", "stop_reason", "usage_statistics", "[DONE]"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_a_request_for_approval_survives_with_what_was_said_after_it() {
    on_each_database(async |app| {
        let rules = json!([{ "type": "requires_approval", "tool_name": "memory_insert" }]);
        for background in [true, false] {
            let agent = new_agent(app, json!({ "tool_rules": rules })).await;
            app.model.clear_requests();
            app.model.push_all([note("Approved."), Answer::hang()]);
            let asked = app.post(&messages_of(&agent), json!({ "input": "Note it." })).await.expect_json();
            assert_eq!(asked["stop_reason"]["stop_reason"], "requires_approval");
            let request = asked["messages"].as_array().unwrap().last().unwrap().clone();
            let call = request["tool_calls"][0]["tool_call_id"].clone();
            let answer = json!({ "type": "approval", "approvals": [{ "type": "approval", "tool_call_id": call, "approve": true }] });
            let mut body = in_background("", false);
            body.as_object_mut().unwrap().remove("input");
            body["background"] = background.into();
            body["messages"] = json!([answer, { "role": "user", "content": "And hurry." }]);
            let begun =
                begin(app, &agent, body, |frame| frame["message_type"] == "tool_return_message").await;
            wait_for_model(app, 2);
            crash(app, |app| {
                if background {
                    app.model.push(Answer::text("Done."));
                }
            })
            .await;
            if background {
                read_on(app, begun).await;
            } else {
                ended(&mut app.client, &run_of(&begun)).await;
            }
            assert_eq!(block(app, &agent).await.matches("Approved.").count(), 1);
            let mut expected = vec![
                "user_message",
                "approval_request_message",
                "approval_response_message",
                "tool_return_message",
                "user_message",
            ];
            if background {
                expected.push("assistant_message");
            }
            assert_eq!(said(&mut app.client, &agent).await, expected);
            assert_goes_on(app, &agent).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_cannot_be_settled_keeps_neither_the_server_nor_its_agent() {
    on_each_database(async |app| {
        let agent = new_agent(app, json!({})).await;
        app.post(&messages_of(&agent), json!({ "input": "Hi." })).await.expect_json();
        // Input that claims to be a message which is there already, as only a broken disk or an older fault leaves it.
        let row = history(&mut app.client, &agent).await[1].clone();
        app.model.push(Answer::hang());
        let body = json!({ "input": "Hi.", "streaming": true });
        let begun = begin(app, &agent, body, ping).await;
        let run: RunId = run_of(&begun).parse().unwrap();
        wait_for_model(app, 2);
        app.server.kill();
        let (owner, message) = (agent.clone(), id(&row).to_owned());
        app.write(move |conn| {
            use muisti_api::managers::orm::schema::{ContentPart, MessageRole, StoredMessage};
            let mut input = StoredMessage::new(
                owner.parse().unwrap(),
                MessageRole::User,
                vec![ContentPart::text("Hi.".to_owned())],
            );
            input.id = message.parse().unwrap();
            let done = runs::StepDone { counts: false, tools: &[], progress: &Value::Null, pending_input: &[input] };
            runs::step_done(conn, run, &done)
        })
        .await;
        crash(app, |_| {}).await;
        let recorded = ended(&mut app.client, &run.to_string()).await;
        assert_eq!((&recorded["status"], &recorded["stop_reason"]), (&json!("failed"), &json!("error")));
        when(&mut app.client, "/v1/runs/active", |runs| *runs == json!([])).await;
        assert_goes_on(app, &agent).await;
    })
    .await;
}
