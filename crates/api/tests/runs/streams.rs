//! Streams of background runs: what every reader sees of them, whenever it comes.

use std::time::Duration;

use muisti_testkit::{Answer, SseEvent};
use serde_json::{Value, json};

use crate::{
    assert_gapless, assert_goes_on, ended,
    harness::{assert_error, each, id, on_each_database, when},
    history, in_background, is, kinds, messages_of, new_agent, note, read_all, read_until, replay, run_of, said,
    stream, wait_for_model,
};

/// What is left of a stream behind this place. Behind its end there is still to be told that this is the end.
fn behind(events: &[SseEvent], place: usize) -> &[SseEvent] {
    &events[place.min(events.len() - 1)..]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_reads_the_same_again_from_any_place_on() {
    on_each_database(async |app| {
        let agent = new_agent(app, json!({})).await;
        for tokens in [false, true] {
            app.model.push(note("Green.").and_text("Let me note that.").reasoning("A fact."));
            app.model.push(Answer::text("It is all noted now."));
            let first = stream(&mut app.client(), &messages_of(&agent), in_background("Green!", tokens)).await;

            let kinds = kinds(&first);
            assert_eq!(kinds[0], "ping");
            assert_eq!(kinds[kinds.len() - 3..], ["stop_reason", "usage_statistics", "[DONE]"]);
            assert_gapless(&first, 0);
            let run = run_of(&first);
            for after in 0..=first.len() + 1 {
                assert_eq!(
                    replay(&mut app.client(), &run, after as u64).await,
                    behind(&first, after),
                    "behind {after}"
                );
            }
            let listed = app.list("/v1/runs/?background=true").await;
            assert_eq!(id(&listed[0]), run);
            assert!(listed[0]["ttft_ns"].as_i64().unwrap() > 0);
            assert_eq!(app.list("/v1/runs/?background=false").await, json!([]));
        }
        assert_goes_on(app, &agent).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_have_the_ids_under_which_messages_are_listed() {
    on_each_database(async |app| {
        let agent = new_agent(app, json!({})).await;
        app.model.push(note("Green.").and_text("Let me note that.").reasoning("A fact."));
        app.model.push(Answer::text("Noted."));
        let events = stream(&mut app.client(), &messages_of(&agent), in_background("Green!", true)).await;
        let mut seen: Vec<(Value, Value)> = Vec::new();
        for frame in events.iter().map(SseEvent::json).filter(|frame| frame["otid"].is_string()) {
            let ids = (frame["id"].clone(), frame["otid"].clone());
            if !seen.contains(&ids) {
                seen.push(ids);
            }
        }
        let listed = history(&mut app.client, &agent).await;
        let listed: Vec<_> = listed[2..].iter().map(|row| (row["id"].clone(), row["otid"].clone())).collect();
        assert_eq!(seen, listed);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_number_of_clients_read_along_and_none_of_them_holds_up_the_others() {
    on_each_database(async |app| {
        let agent = new_agent(app, json!({})).await;
        app.model.push(Answer::tokens(60).chunk_delay(Duration::from_millis(15)));
        let mut first = app.client().stream(&messages_of(&agent), &in_background("Count.", true)).await.unwrap();
        let mut begun = read_until(&mut first, |frame| frame["message_type"] == "assistant_message").await;
        let run = run_of(&begun);
        // One hangs up after a frame, one never reads on, one reads slowly, and others come in between.
        let path = format!("/v1/runs/{run}/stream");
        let mut gone = app.client().stream(&path, &json!({})).await.unwrap();
        gone.next().await.unwrap();
        drop(gone);
        let idle = app.client().stream(&path, &json!({})).await.unwrap();
        let mut slow = app.client().stream(&path, &json!({})).await.unwrap();
        let slowly = tokio::spawn(async move {
            let mut events = Vec::new();
            while let Some(event) = slow.next().await.unwrap() {
                events.push(event);
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
            events
        });
        let mut others = Vec::new();
        for _ in 0..4 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let (mut client, run) = (app.client(), run.clone());
            others.push(tokio::spawn(async move { replay(&mut client, &run, 0).await }));
        }
        begun.extend(read_all(first).await);
        assert_gapless(&begun, 0);
        for other in others {
            assert_eq!(other.await.unwrap(), begun);
        }
        assert_eq!(slowly.await.unwrap(), begun);
        drop(idle);
        let text: String =
            begun.iter().filter_map(|event| Some(event.json()["content"].as_str()?.to_owned())).collect();
        assert_eq!(history(&mut app.client, &agent).await.last().unwrap()["content"], text);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_client_may_hang_up_and_come_back() {
    on_each_database(async |app| {
        let agent = new_agent(app, json!({})).await;
        app.model.push(Answer::tokens(30).chunk_delay(Duration::from_millis(15)));
        let mut stream = app.client().stream(&messages_of(&agent), &in_background("Count.", true)).await.unwrap();
        let begun = read_until(&mut stream, |frame| frame["message_type"] == "assistant_message").await;
        drop(stream);
        let run = run_of(&begun);
        let rest = replay(&mut app.client(), &run, begun.len() as u64).await;
        let whole: Vec<SseEvent> = begun.into_iter().chain(rest).collect();
        assert_eq!(replay(&mut app.client(), &run, 0).await, whole);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_comes_again_is_the_run_that_it_made() {
    on_each_database(async |app| {
        let agent = new_agent(app, json!({})).await;
        let path = messages_of(&agent);
        let message = |otid: &str, text: &str| {
            let mut body = in_background("", false);
            body.as_object_mut().unwrap().remove("input");
            body["messages"] = json!([{ "role": "user", "content": text, "otid": otid }]);
            body
        };
        // Three at once, and one after the end.
        app.model.push(Answer::text("Once.").delay(Duration::from_millis(300)));
        let mut sends = Vec::new();
        for _ in 0..3 {
            let (mut client, path, body) = (app.client(), path.clone(), message("first", "Hi."));
            sends.push(tokio::spawn(async move { stream(&mut client, &path, body).await }));
        }
        let mut streams = Vec::new();
        for send in sends {
            streams.push(send.await.unwrap());
        }
        streams.push(stream(&mut app.client(), &path, message("first", "Hi.")).await);
        assert!(streams.iter().all(|stream| *stream == streams[0]), "{streams:#?}");

        // While the one before is going: it waits in the queue, and is known there too.
        app.model.push(Answer::text("Slow.").held());
        let mut busy = app.client().stream(&path, &message("second", "Wait.")).await.unwrap();
        read_until(&mut busy, |frame| frame["message_type"] == "ping").await;
        let mut queued = app.client().stream(&path, &message("third", "And then?")).await.unwrap();
        let ping = read_until(&mut queued, |frame| frame["message_type"] == "ping").await;
        let run = run_of(&ping);
        assert_eq!(app.list(&format!("/v1/runs/{run}")).await["status"], "created");
        let again = app.client().stream(&path, &message("third", "And then?")).await.unwrap();
        wait_for_model(app, 2);
        app.model.release();
        let again = read_all(again).await;
        assert_eq!(run_of(&again), run);
        assert_eq!(read_all(queued).await[..], again[1..]);

        let texts = each(&json!(history(&mut app.client, &agent).await[1..]), "content");
        assert_eq!(texts, ["Hi.", "Once.", "Wait.", "Slow.", "And then?", "Understood."]);
        assert_eq!(app.list("/v1/runs/").await.as_array().unwrap().len(), 3);
        // The stream of the history is found by the same id, by the run, and not without either when nothing goes on.
        let of_agent = format!("/v1/conversations/{agent}/stream");
        for body in [json!({ "otid": "third" }), json!({ "run_id": run })] {
            assert_eq!(stream(&mut app.client(), &of_agent, body).await, again);
        }
        assert_error(&app.post(&of_agent, json!({})).await, 400, "No active runs found");
        // A foreground request is a new one each time.
        let mut body = message("first", "Hi.");
        body["background"] = false.into();
        let events = stream(&mut app.client(), &path, body).await;
        assert_ne!(run_of(&events), run_of(&streams[0]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_is_read_again_with_its_end() {
    on_each_database(async |app| {
        let agent = new_agent(app, json!({})).await;
        for (answer, error_type) in [
            (Answer::error(401, "No such key."), "llm_authentication"),
            (Answer::error(400, "What is this?"), "llm_bad_request"),
            (Answer::text("One two three four five six.").cut_after(3), "llm_error"),
        ] {
            app.model.always(answer);
            let events = stream(&mut app.client(), &messages_of(&agent), in_background("Hi.", true)).await;
            let kinds = kinds(&events);
            assert_eq!(kinds[kinds.len() - 3..], ["stop_reason", "error_message", "[DONE]"], "{error_type}");
            assert_eq!(kinds.iter().filter(|kind| *kind == "stop_reason").count(), 1);
            assert_gapless(&events, 0);
            let error = &events[events.len() - 2];
            assert_eq!(error.event.as_deref(), Some("error"));
            let (run, error) = (run_of(&events), error.json());
            assert_eq!(error["error_type"], error_type);
            assert_eq!(replay(&mut app.client(), &run, 0).await, events);
            let run = ended(&mut app.client, &run).await;
            assert_eq!(
                (&run["status"], &run["metadata"]["error"]["error_type"]),
                (&json!("failed"), &error["error_type"])
            );
            assert_eq!(run["metadata"]["error"]["detail"], error["detail"]);
            let steps = app.list(&format!("/v1/runs/{}/steps", id(&run))).await;
            assert_eq!(each(&steps, "status"), ["failed"]);
        }
        assert_eq!(said(&mut app.client, &agent).await, [] as [&str; 0], "a failed first step lists nothing");
        app.model.always(Answer::text("Fine."));
        assert_goes_on(app, &agent).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_pings_the_stream_begins_with_what_the_agent_does() {
    on_each_database(async |app| {
        let agent = new_agent(app, json!({})).await;
        let mut body = in_background("Hi.", false);
        body["include_pings"] = false.into();
        let events = stream(&mut app.client(), &messages_of(&agent), body).await;
        assert_eq!(kinds(&events), ["assistant_message", "stop_reason", "usage_statistics", "[DONE]"]);
        assert_eq!(events[0].json()["seq_id"], 1);
        let foreground = json!({ "input": "Hi.", "streaming": true, "include_pings": false });
        let events = stream(&mut app.client(), &messages_of(&agent), foreground).await;
        assert_eq!(kinds(&events), ["assistant_message", "stop_reason", "usage_statistics", "[DONE]"]);
        assert_eq!(events[0].json()["seq_id"], Value::Null);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_agent_is_deleted_ends_for_its_readers_too() {
    on_each_database(async |app| {
        let agent = new_agent(app, json!({})).await;
        app.model.push(Answer::text("Too late.").held());
        let mut reader = app.client().stream(&messages_of(&agent), &in_background("Hi.", true)).await.unwrap();
        let begun = read_until(&mut reader, |frame| frame["message_type"] == "ping").await;
        wait_for_model(app, 1);
        app.delete(&format!("/v1/agents/{agent}")).await.expect_json();
        app.model.release();
        let rest = read_all(reader).await;
        assert!(rest.last().unwrap().is_done());
        assert_eq!(rest.iter().filter(|event| is(event, "stop_reason")).count(), 1, "{rest:?}");
        assert_error(&app.get(&format!("/v1/runs/{}", run_of(&begun))).await, 404, "not found");
        // The server is well, and has nothing left to do.
        let other = new_agent(app, json!({})).await;
        when(&mut app.client(), "/v1/runs/active", |runs| *runs == json!([])).await;
        assert_goes_on(app, &other).await;
    })
    .await;
}
