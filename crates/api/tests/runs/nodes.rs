//! Two servers on one database: each takes up what the other one leaves.

use std::time::{Duration, Instant};

use muisti_testkit::{Answer, SseEvent};
use serde_json::{Value, json};

use crate::{
    another_node, assert_gapless, block, ended,
    harness::{App, LIMIT, each, id, on_each_database, when},
    history, in_background, is, kinds, messages_of, new_agent, note, on_two_nodes, read_all, read_until, replay,
    run_of, said, wait_for_model,
};

/// A lease here is two seconds, and it is looked every half a second for runs that nobody carries on; the rest is for a
/// machine that has other things to do. The usual lease would be half a minute, and one that is not looked at has no end.
const TAKEOVER: Duration = Duration::from_secs(15);

fn ping(frame: &Value) -> bool {
    frame["message_type"] == "ping"
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_server_takes_over_within_a_lease() {
    on_two_nodes(async |app, other| {
        let agent = new_agent(app, json!({})).await;
        app.model.push_all([note("Once."), Answer::hang()]);
        let mut stream = app.client().stream(&messages_of(&agent), &in_background("Hi.", true)).await.unwrap();
        let begun = read_until(&mut stream, |frame| frame["message_type"] == "tool_return_message").await;
        let run = run_of(&begun);
        // A reader on the other server sees the same, from the beginning.
        let elsewhere = other.client().stream(&format!("/v1/runs/{run}/stream"), &json!({})).await.unwrap();
        wait_for_model(app, 2);
        // A request of a foreground client on the dying server, in a conversation of its own.
        let bystander = new_agent(app, json!({})).await;
        app.model.push(Answer::hang());
        let body = json!({ "input": "Hi.", "streaming": true });
        let mut followed = app.client().stream(&messages_of(&bystander), &body).await.unwrap();
        let followed = run_of(&read_until(&mut followed, ping).await);
        wait_for_model(app, 3);

        app.server.kill();
        app.model.push(Answer::text("Taken over."));
        let asked = Instant::now();
        let events = read_all(elsewhere).await;
        assert!(asked.elapsed() < TAKEOVER, "it took {:?}", asked.elapsed());
        assert_gapless(&events, 0);
        assert_eq!(events[..begun.len()], begun);
        assert!(events.last().unwrap().is_done());
        assert_eq!(replay(&mut other.client(), &run, begun.len() as u64).await, events[begun.len()..]);
        app.client = other.client();
        assert_eq!(ended(&mut app.client, &run).await["status"], "completed");
        assert_eq!(block(app, &agent).await.matches("Once.").count(), 1);
        let settled = ended(&mut app.client, &followed).await;
        assert_eq!(settled["metadata"]["error"]["error_type"], "server_interrupted");
        let asked = Instant::now();
        app.post(&messages_of(&bystander), json!({ "input": "Again." })).await.expect_json();
        assert!(asked.elapsed() < TAKEOVER);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_waits_for_what_a_dead_server_has_left_and_comes_after_it() {
    on_two_nodes(async |app, other| {
        let agent = new_agent(app, json!({})).await;
        app.model.push(Answer::hang());
        let mut stream = app.client().stream(&messages_of(&agent), &in_background("First.", false)).await.unwrap();
        let run = run_of(&read_until(&mut stream, ping).await);
        wait_for_model(app, 1);
        app.server.kill();
        app.model.push(Answer::text("Taken over.").held());
        app.model.push(Answer::text("In turn."));
        let busy =
            other.client().post(&format!("/v1/conversations/{agent}/messages"), &json!({ "input": "Now!" })).await;
        let busy = busy.unwrap();
        assert_eq!(busy.status, 409);
        assert!(busy.text().contains(&format!("run_id={run}")), "{}", busy.text());
        let (mut client, path) = (other.client(), messages_of(&agent));
        let second = tokio::spawn(async move { client.post(&path, &json!({ "input": "Second." })).await.unwrap() });
        app.client = other.client();
        app.active(2).await;
        wait_for_model(app, 2);
        app.model.release();
        assert_eq!(second.await.unwrap().expect_json()["messages"][0]["content"], "In turn.");
        let texts = each(&json!(history(&mut other.client(), &agent).await[1..]), "content");
        assert_eq!(texts, ["First.", "Taken over.", "Second.", "In turn."]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_frozen_for_longer_than_a_lease_drops_what_others_carry_on() {
    on_two_nodes(async |app, other| {
        let agent = new_agent(app, json!({})).await;
        app.model.push(note("By the frozen one.").held());
        let mut stream = app.client().stream(&messages_of(&agent), &in_background("Hi.", false)).await.unwrap();
        let begun = read_until(&mut stream, ping).await;
        wait_for_model(app, 1);
        app.server.freeze();
        app.model.release();
        app.model.push(Answer::text("By the other one."));
        let run = run_of(&begun);
        let asked = Instant::now();
        let events = replay(&mut other.client(), &run, 0).await;
        assert!(asked.elapsed() < TAKEOVER, "it took {:?}", asked.elapsed());
        app.server.go_on();
        // Its answer has come long ago, and it would act on it now.
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(said(&mut app.client(), &agent).await, ["user_message", "assistant_message"]);
        assert_eq!(block(app, &agent).await, "");
        let mut rest = begun;
        rest.extend(read_all(stream).await);
        assert_eq!(rest, events, "its reader sees what the other one has said");
        assert_eq!(ended(&mut app.client(), &run).await["status"], "completed");
        let answer = app.client().post(&messages_of(&agent), &json!({ "input": "Well?" })).await.unwrap();
        answer.expect_json();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_of_a_server_that_was_frozen_hears_how_its_run_was_settled() {
    on_two_nodes(async |app, other| {
        let streamed = new_agent(app, json!({})).await;
        app.model.push(Answer::text("Too late.").held());
        let body = json!({ "input": "Hi.", "streaming": true });
        let mut stream = app.client().stream(&messages_of(&streamed), &body).await.unwrap();
        let mut events = read_until(&mut stream, ping).await;
        wait_for_model(app, 1);
        let asked = new_agent(app, json!({})).await;
        app.model.push(Answer::text("Too late.").held());
        let (mut client, path) = (app.client(), messages_of(&asked));
        let bare = tokio::spawn(async move { client.post(&path, &json!({ "input": "Hi." })).await.unwrap() });
        wait_for_model(app, 2);
        app.server.freeze();
        app.model.release();
        let run = ended(&mut other.client(), &run_of(&events)).await;
        for agent in [&streamed, &asked] {
            let runs = format!("/v1/runs/?agent_id={agent}");
            when(&mut other.client(), &runs, |runs| runs[0]["completed_at"].is_string()).await;
        }
        app.server.go_on();
        events.extend(read_all(stream).await);
        assert_eq!(kinds(&events), ["ping", "stop_reason", "error_message", "[DONE]"]);
        let error = events[2].json();
        assert_eq!(error["error_type"], "server_interrupted");
        assert_eq!(error, run["metadata"]["error"], "as the run has it");
        assert!(error["detail"].as_str().unwrap().contains("in the history"), "{error}");
        let answer = bare.await.unwrap();
        assert_eq!((answer.status, answer.header("x-should-retry")), (503, None), "{}", answer.text());
        assert!(answer.text().contains("Send it again"), "{}", answer.text());
        assert_eq!(said(&mut other.client(), &streamed).await, ["user_message"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_frozen_adds_no_pieces_to_the_answer_of_the_other_one() {
    on_two_nodes(async |app, other| {
        let agent = new_agent(app, json!({})).await;
        app.model.push(Answer::tokens(300).chunk_delay(Duration::from_millis(10)));
        let mut stream = app.client().stream(&messages_of(&agent), &in_background("Hi.", true)).await.unwrap();
        let begun = read_until(&mut stream, |frame| frame["message_type"] == "assistant_message").await;
        let run = run_of(&begun);
        app.server.freeze();
        app.model.push(Answer::tokens(60).chunk_delay(Duration::from_millis(30)));
        wait_for_model(app, 2);
        // While the other one writes, what had come for the frozen one is waiting for it.
        app.server.go_on();
        let events = replay(&mut other.client(), &run, 0).await;
        assert_gapless(&events, 0);
        let said: Vec<Value> =
            events.iter().filter(|event| is(event, "assistant_message")).map(SseEvent::json).collect();
        let answer = history(&mut other.client(), &agent).await.pop().unwrap();
        let from = said.iter().position(|piece| piece["id"] == answer["id"]).unwrap();
        let text: String = each(&json!(said[from..]), "content").concat();
        assert_eq!(answer["content"], text, "{said:#?}");
        assert!(said[from..].iter().all(|piece| piece["id"] == answer["id"]), "{said:#?}");
        assert_eq!(replay(&mut app.client(), &run, 0).await, events);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_hands_background_runs_to_the_other_server_at_once() {
    let slow_lease = |server: muisti_testkit::ServerBuilder| server.env("MUISTI_SHUTDOWN_GRACE", "1");
    if !muisti_testkit::Backend::all().contains(&muisti_testkit::Backend::Postgres) {
        return;
    }
    let mut app = App::start(muisti_testkit::Backend::Postgres.fresh(), |server| {
        // Far longer than the test takes: nobody waits for it to run out.
        crate::shared(slow_lease(server)).env("MUISTI_LEASE", "600")
    });
    let other = another_node(&app);
    let agent = new_agent(&mut app, json!({})).await;
    app.model.push_all([note("Once."), Answer::hang()]);
    let mut stream = app.client().stream(&messages_of(&agent), &in_background("Hi.", true)).await.unwrap();
    let begun = read_until(&mut stream, |frame| frame["message_type"] == "tool_return_message").await;
    let run = run_of(&begun);
    wait_for_model(&app, 2);
    app.model.push(Answer::text("Handed over."));
    app.server.ask_to_terminate();
    let asked = Instant::now();
    let events = replay(&mut other.client(), &run, 0).await;
    assert!(asked.elapsed() < TAKEOVER, "it took {:?}", asked.elapsed());
    assert_gapless(&events, 0);
    assert_eq!(events[..begun.len()], begun);
    assert_eq!(ended(&mut other.client(), &run).await["status"], "completed");
    assert!(tokio::task::block_in_place(|| app.server.wait_for_exit(LIMIT)).success());
    app.client = other.client();
    assert_eq!(block(&mut app, &agent).await.matches("Once.").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_tells_those_who_wait_for_an_answer_how_to_go_on() {
    for database in muisti_testkit::TestDatabase::each() {
        println!("on {:?}", database.backend());
        let mut app = App::start(database, |server| server.env("MUISTI_SHUTDOWN_GRACE", "1"));
        let streamed = new_agent(&mut app, json!({})).await;
        let asked = new_agent(&mut app, json!({})).await;
        let kept = new_agent(&mut app, json!({})).await;
        let queued = new_agent(&mut app, json!({})).await;
        app.model.push_all([Answer::hang(), Answer::hang()]);
        let body = json!({ "input": "Hi.", "streaming": true, "stream_tokens": true });
        let mut stream = app.client().stream(&messages_of(&streamed), &body).await.unwrap();
        let mut events = read_until(&mut stream, ping).await;
        wait_for_model(&app, 1);
        let send = |agent: &str, text: &str| {
            let (mut client, path, body) = (app.client(), messages_of(agent), json!({ "input": text }));
            tokio::spawn(async move { client.post(&path, &body).await.unwrap() })
        };
        let bare = send(&asked, "Hi.");
        wait_for_model(&app, 2);
        app.model.push_all([note("Once."), Answer::hang(), Answer::hang()]);
        let after_a_step = send(&kept, "Note it.");
        wait_for_model(&app, 4);
        let first = send(&queued, "First.");
        wait_for_model(&app, 5);
        let second = send(&queued, "Second.");
        app.active(5).await;

        app.server.ask_to_terminate();
        events.extend(read_all(stream).await);
        assert_eq!(kinds(&events), ["ping", "stop_reason", "error_message", "[DONE]"]);
        let error = events[2].json();
        assert_eq!(error["error_type"], "server_interrupted");
        assert!(error["detail"].as_str().unwrap().contains("in the history"), "{error}");
        for (sent, kept) in [(bare, false), (after_a_step, true), (first, false), (second, false)] {
            let answer = sent.await.unwrap();
            assert_eq!(answer.status, 503, "{}", answer.text());
            assert_eq!(answer.header("x-should-retry"), kept.then_some("false"), "{}", answer.text());
            assert_eq!(answer.header("retry-after").is_some(), !kept);
        }
        assert!(tokio::task::block_in_place(|| app.server.wait_for_exit(LIMIT)).success());

        tokio::task::block_in_place(|| app.server.start_again());
        app.client = app.client();
        let run = app.list(&format!("/v1/runs/{}", run_of(&events))).await;
        assert_eq!((&run["status"], &run["metadata"]["error"]["error_type"]), (&json!("failed"), &error["error_type"]));
        assert_eq!(said(&mut app.client, &streamed).await, ["user_message"]);
        assert_eq!(said(&mut app.client, &asked).await, [] as [&str; 0]);
        let expected = ["user_message", "tool_call_message", "tool_return_message"];
        assert_eq!(said(&mut app.client, &kept).await, expected);
        assert_eq!(said(&mut app.client, &queued).await, [] as [&str; 0]);
        assert_eq!(app.list("/v1/runs/active").await, json!([]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_background_run_outlives_a_stop_and_a_start() {
    on_each_database(async |app| {
        // The usual grace is half a minute; a second signal ends it.
        let bystander = new_agent(app, json!({})).await;
        let agent = new_agent(app, json!({})).await;
        app.model.push(Answer::hang());
        let mut stream = app.client().stream(&messages_of(&agent), &in_background("Hi.", false)).await.unwrap();
        let begun: Vec<SseEvent> = read_until(&mut stream, ping).await;
        wait_for_model(app, 1);
        app.server.ask_to_terminate();
        let end = Instant::now() + LIMIT;
        for of in [&bystander, &agent] {
            let body = json!({ "input": "Me too." });
            // Until the signal has come, those who disturb nobody are answered.
            while app.client().post(&messages_of(of), &body).await.is_ok_and(|answer| answer.status != 503) {
                assert!(of == &bystander && Instant::now() < end, "nothing new is taken on");
            }
        }
        // A second signal that comes at once counts as the first.
        tokio::time::sleep(Duration::from_millis(700)).await;
        app.server.ask_to_terminate();
        tokio::task::block_in_place(|| app.server.wait_for_exit(Duration::from_secs(20)));
        app.model.push(Answer::text("Still here."));
        tokio::task::block_in_place(|| app.server.start_again());
        let run = run_of(&begun);
        let events = replay(&mut app.client(), &run, 0).await;
        assert_eq!(kinds(&events), ["ping", "assistant_message", "stop_reason", "usage_statistics", "[DONE]"]);
        assert!(events.iter().any(|event| is(event, "assistant_message")));
        app.client = app.client();
        assert_eq!(id(&ended(&mut app.client, &run).await), run);
    })
    .await;
}
