//! `/v1/runs` and `/v1/steps`

use std::slice::from_ref;

use muisti_testkit::{Answer, user_message};
use serde_json::{Value, json};

use crate::harness::{App, assert_error, each, id, on_each_database};

/// Two runs of one agent; the first one calls a tool.
async fn two_runs(app: &mut App) -> Value {
    let agent = app.agent(json!({ "memory_blocks": [{ "label": "human", "value": "" }] })).await;
    let path = format!("/v1/agents/{}/messages", id(&agent));
    app.model.push(Answer::tool_call("memory_insert", json!({ "label": "human", "new_str": "Likes green." })));
    app.model.push(Answer::text("Noted."));
    app.post(&path, user_message("I like green.")).await.expect_json();
    app.model.push(Answer::text("Green."));
    app.post(&path, user_message("What do I like?")).await.expect_json();
    agent
}

#[tokio::test]
async fn runs_are_recorded_with_their_steps_messages_and_usage() {
    on_each_database(async |app| {
        let agent = two_runs(app).await;
        let runs = app.list(&format!("/v1/runs/?agent_id={}", id(&agent))).await;
        assert_eq!(each(&runs, "status"), ["completed", "completed"]);
        let run = format!("/v1/runs/{}", id(&runs[1]));
        assert_eq!(app.list(&run).await, runs[1]);
        let messages = each(&app.list(&format!("{run}/messages")).await, "message_type");
        assert_eq!(messages, ["user_message", "tool_call_message", "tool_return_message", "assistant_message"]);
        let steps = app.list(&format!("{run}/steps")).await;
        assert_eq!(each(&steps, "status"), ["success", "success"]);
        let usage = app.list(&format!("{run}/usage")).await;
        let tokens: i64 = steps.as_array().unwrap().iter().map(|step| step["total_tokens"].as_i64().unwrap()).sum();
        assert_eq!(usage["total_tokens"], tokens);

        let step = format!("/v1/steps/{}", id(&steps[0]));
        assert_eq!(app.list(&step).await, steps[0]);
        assert_eq!(each(&app.list(&format!("{step}/messages")).await, "message_type"), ["assistant_message"]);
        assert_eq!(app.list("/v1/steps/").await.as_array().unwrap().len(), 3);
        assert_eq!(each(&app.list("/v1/steps/?order=desc&limit=1").await, "run_id"), [id(&runs[0])]);
        assert_eq!(app.list("/v1/steps/?feedback=positive").await, json!([]));
        assert_eq!(app.list("/v1/steps/?start_date=2999-01-01T00:00:00Z").await, json!([]));
        assert_error(&app.get("/v1/steps/?start_date=tomorrow").await, 422, "start_date");
    })
    .await;
}

#[tokio::test]
async fn runs_are_listed_by_what_is_asked_for_and_paged() {
    on_each_database(async |app| {
        two_runs(app).await;
        let all = each(&app.list("/v1/runs/").await, "id");
        assert_eq!(all.len(), 2);
        assert_eq!(each(&app.list(&format!("/v1/runs/?after={}", all[0])).await, "id"), all[1..]);
        assert_eq!(each(&app.list(&format!("/v1/runs/?before={}", all[0])).await, "id"), all[1..]);
        assert_eq!(app.list(&format!("/v1/runs/?after={}", all[1])).await, json!([]));
        assert_eq!(each(&app.list("/v1/runs/?ascending=true&limit=1").await, "id"), all[1..]);
        assert_eq!(app.list("/v1/runs/?active=true").await, json!([]));
        assert_eq!(app.list("/v1/runs/active").await, json!([]));
        assert_eq!(app.list("/v1/runs/?statuses=completed&statuses=failed").await.as_array().unwrap().len(), 2);
        assert_eq!(app.list("/v1/runs/?stop_reason=end_turn").await.as_array().unwrap().len(), 2);
        assert_error(&app.get("/v1/runs/?stop_reason=boredom").await, 422, "Input should be");
        assert_error(&app.get("/v1/runs/?limit=-1").await, 422, "greater_than_equal");
        let unknown = "run-123e4567-e89b-42d3-8456-426614174000";
        assert_error(&app.get(&format!("/v1/runs/{unknown}")).await, 404, "not found");
        assert_error(&app.get(&format!("/v1/runs/{unknown}/messages")).await, 404, "not found");
        assert_error(&app.get(&format!("/v1/runs/?after={unknown}")).await, 404, "No Run found with id");
        let unknown = "step-123e4567-e89b-42d3-8456-426614174000";
        assert_error(&app.get(&format!("/v1/steps/{unknown}")).await, 404, "does not exist");
    })
    .await;
}

#[tokio::test]
async fn a_run_knows_what_it_took_and_used() {
    on_each_database(async |app| {
        let agent = two_runs(app).await;
        let runs = app.list(&format!("/v1/runs/?agent_id={}", id(&agent))).await;
        for (run, steps) in [(&runs[0], 1), (&runs[1], 2)] {
            let metrics = app.list(&format!("/v1/runs/{}/metrics", id(run))).await;
            assert_eq!((&metrics["id"], &metrics["agent_id"]), (&run["id"], &agent["id"]));
            assert_eq!(metrics["num_steps"], steps);
            assert!(metrics["run_start_ns"].as_i64().unwrap() > 0);
            assert_eq!(metrics["run_ns"], run["total_duration_ns"]);
            assert!(
                run["ttft_ns"].as_i64().unwrap() > 0 && run["ttft_ns"].as_i64() <= run["total_duration_ns"].as_i64()
            );
            assert_eq!(app.list(&format!("/v1/runs/{}", id(run))).await, *run, "the same in a list and alone");
            let listed = app.list(&format!("/v1/runs/{}/steps", id(run))).await;
            for step in listed.as_array().unwrap() {
                let timings = app.list(&format!("/v1/steps/{}/metrics", id(step))).await;
                for part in ["step_start_ns", "llm_request_start_ns", "llm_request_ns", "step_ns"] {
                    assert!(timings[part].as_i64().unwrap() > 0, "{part}: {timings}");
                }
                assert!(timings["llm_request_ns"].as_i64() <= timings["step_ns"].as_i64());
                assert_eq!((&step["run_id"], &step["messages"]), (&run["id"], &json!([])));
                let total = step["prompt_tokens"].as_i64().unwrap() + step["completion_tokens"].as_i64().unwrap();
                assert_eq!(step["total_tokens"], total);
            }
            let reasons: Vec<_> = listed.as_array().unwrap().iter().map(|step| step["stop_reason"].clone()).collect();
            assert_eq!(reasons[0], "end_turn", "the newest one has stopped the turn");
            assert!(reasons[1..].iter().all(Value::is_null));
        }
        let used = app.list(&format!("/v1/runs/{}/metrics", id(&runs[1]))).await["tools_used"].clone();
        let tools = app.list(&format!("/v1/agents/{}/tools?limit=50", id(&agent))).await;
        let tool = tools.as_array().unwrap().iter().find(|tool| tool["name"] == "memory_insert").unwrap();
        assert_eq!(used, json!([tool["id"]]));
    })
    .await;
}

#[tokio::test]
async fn that_a_provider_has_reported_no_tokens_of_a_kind_is_not_that_it_reported_nothing() {
    on_each_database(async |app| {
        let agent = app.agent(json!({})).await;
        let path = format!("/v1/agents/{}/messages", id(&agent));
        let known = json!({
            "prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120,
            "prompt_tokens_details": { "cached_tokens": 0 }, "completion_tokens_details": { "reasoning_tokens": 0 },
        });
        let zeros = (json!({ "reasoning_tokens": 0 }), json!(0));
        for (usage, (reasoning, cached)) in [
            (known, zeros),
            (json!({ "prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2 }), (Value::Null, Value::Null)),
        ] {
            app.model.push(Answer { usage: Some(usage), ..Answer::text("Here.") });
            app.post(&path, user_message("Hi.")).await.expect_json();
            let run = format!("/v1/runs/{}", id(&app.list("/v1/runs/?limit=1").await[0]));
            let step = app.list(&format!("{run}/steps")).await[0].clone();
            for of in [&step, &app.list(&format!("{run}/usage")).await] {
                assert_eq!(of["completion_tokens_details"], reasoning, "{of}");
                assert_eq!(of["prompt_tokens_details"]["cached_tokens"], cached, "{of}");
            }
            for plain in ["cached_input_tokens", "cache_write_tokens", "reasoning_tokens"] {
                assert_eq!(step[plain], Value::Null, "{step}");
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_failed_or_was_cancelled_knows_what_it_took() {
    on_each_database(async |app| {
        let agent = app.agent(json!({})).await;
        let path = format!("/v1/agents/{}/messages", id(&agent));
        app.model.push(Answer::error(400, "No."));
        app.post(&path, user_message("Hi.")).await;
        app.model.push(Answer::hang());
        let run = app.post(&format!("{path}/async"), user_message("Hi.")).await.expect_json();
        app.asked(2).await;
        app.post(&format!("{path}/cancel"), json!({})).await.expect_json();
        app.when(&format!("/v1/runs/{}/trace", id(&run)), |spans| *spans != json!([])).await;
        for (run, status) in each(&app.list("/v1/runs/").await, "id").iter().zip(["cancelled", "failed"]) {
            let step = app.list(&format!("/v1/runs/{run}/steps")).await[0].clone();
            assert_eq!(step["status"], status);
            let timings = app.list(&format!("/v1/steps/{}/metrics", id(&step))).await;
            for part in ["step_start_ns", "llm_request_start_ns", "llm_request_ns", "step_ns"] {
                assert!(timings[part].as_i64().unwrap() > 0, "{part}: {timings}");
            }
            let spans = app.list(&format!("/v1/runs/{run}/trace")).await;
            let span = spans.as_array().unwrap().iter().find(|span| span["SpanName"] == "agent_step").unwrap().clone();
            assert_eq!(span["StatusCode"], if status == "failed" { "Error" } else { "Ok" });
        }
    })
    .await;
}

#[tokio::test]
async fn steps_are_found_by_the_trace_that_their_run_is_and_know_the_id_of_the_request() {
    on_each_database(async |app| {
        let agent = two_runs(app).await;
        let mut client = app.client().with_header("x-api-request-log-id", "req-7");
        app.model.push(Answer::text("Noted."));
        let path = format!("/v1/agents/{}/messages", id(&agent));
        client.post(&path, &user_message("Hi.")).await.unwrap().expect_json();
        let runs = each(&app.list("/v1/runs/").await, "id");
        for (run, request) in runs.iter().zip([json!("req-7"), Value::Null, Value::Null]) {
            let steps = app.list(&format!("/v1/runs/{run}/steps")).await;
            let trace = app.list(&format!("/v1/runs/{run}/trace")).await[0]["TraceId"].as_str().unwrap().to_owned();
            assert_eq!(app.list(&format!("/v1/steps/?trace_ids={trace}")).await, steps);
            for step in steps.as_array().unwrap() {
                assert_eq!((&step["trace_id"], &step["request_id"]), (&json!(trace), &request));
            }
        }
    })
    .await;
}

#[tokio::test]
async fn an_ended_run_is_deleted_and_what_was_said_stays() {
    on_each_database(async |app| {
        let agent = two_runs(app).await;
        let runs = app.list("/v1/runs/").await;
        let run = format!("/v1/runs/{}", id(&runs[1]));
        let steps = app.list(&format!("{run}/steps")).await;
        let history = format!("/v1/agents/{}/messages", id(&agent));
        let before = app.list(&history).await;
        assert_eq!(app.delete(&run).await.text(), "null");
        assert_error(&app.get(&run).await, 404, "not found");
        assert_error(&app.delete(&run).await, 404, "not found");
        assert_error(&app.get(&format!("{run}/steps")).await, 404, "not found");
        let after = app.list(&history).await;
        assert_eq!(each(&after, "id"), each(&before, "id"));
        assert_eq!(app.list(&format!("/v1/steps/{}", id(&steps[0]))).await["run_id"], Value::Null);
        assert_error(&app.delete("/v1/runs/run-1").await, 400, "Invalid run ID format");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_going_is_not_deleted() {
    on_each_database(async |app| {
        let agent = app.agent(json!({})).await;
        app.model.push(Answer::text("There.").held());
        let path = format!("/v1/agents/{}/messages/async", id(&agent));
        let run = app.post(&path, json!({ "input": "Hi." })).await.expect_json();
        let run = format!("/v1/runs/{}", id(&run));
        assert_error(&app.delete(&run).await, 409, "cannot be deleted before it has ended");
        app.asked(1).await;
        app.model.release();
        app.when(&run, |run| run["completed_at"].is_string()).await;
        assert_eq!(app.delete(&run).await.text(), "null");
        assert_error(&app.post(&format!("{run}/stream"), json!({})).await, 404, "not found");
    })
    .await;
}

#[tokio::test]
async fn runs_are_found_by_their_states_and_reasons_to_the_letter() {
    on_each_database(async |app| {
        let agent = two_runs(app).await;
        app.model.push(Answer::error(400, "No."));
        app.post(&format!("/v1/agents/{}/messages", id(&agent)), user_message("Again?")).await;
        let count =
            async |app: &mut App, query: &str| app.list(&format!("/v1/runs/?{query}")).await.as_array().unwrap().len();
        assert_eq!(count(app, "statuses=failed").await, 1);
        assert_eq!(count(app, "statuses=failed&statuses=failed").await, 1);
        assert_eq!(count(app, "statuses=failed&statuses=completed").await, 3);
        assert_eq!(count(app, "statuses=running").await, 0);
        assert_eq!(count(app, "stop_reason=llm_api_error").await, 1);
        assert_eq!(count(app, "background=false").await, 3);
        assert_eq!(count(app, "background=true").await, 0);
        for wrong in ["statuses=FAILED", "statuses=completed&statuses=expired"] {
            assert_error(&app.get(&format!("/v1/runs/?{wrong}")).await, 400, "Must be one of: created, running");
        }
        let failed = app.list("/v1/runs/?statuses=failed").await[0].clone();
        assert_eq!(failed["metadata"]["run_type"], "send_message", "the error is added to what was there");
        assert_eq!(failed["metadata"]["error"]["error_type"], "llm_bad_request");
        assert!(failed["completed_at"].is_string());
        let state = app.list(&format!("/v1/agents/{}", id(&agent))).await;
        assert_eq!(state["last_stop_reason"], "llm_api_error");
    })
    .await;
}

#[tokio::test]
async fn runs_are_found_by_what_they_took() {
    on_each_database(async |app| {
        let agent = two_runs(app).await;
        let runs = app.list("/v1/runs/").await;
        let (short, long) = (id(&runs[0]).to_owned(), id(&runs[1]).to_owned());
        let found =
            async |app: &mut App, query: &str| each(&app.list(&format!("/v1/_internal_runs/?{query}")).await, "id");
        assert_eq!(found(app, "step_count=2").await, from_ref(&long));
        assert_eq!(found(app, "step_count=2&step_count_operator=lte").await.len(), 2);
        assert_eq!(found(app, "step_count=2&step_count_operator=gte").await, from_ref(&long));
        let tools = app.list(&format!("/v1/agents/{}/tools?limit=50", id(&agent))).await;
        let tool = tools.as_array().unwrap().iter().find(|tool| tool["name"] == "memory_insert").unwrap();
        assert_eq!(found(app, &format!("tools_used={}", id(tool))).await, from_ref(&long));
        assert_eq!(found(app, &format!("run_id={short}")).await, from_ref(&short));
        let duration = |run: &Value| run["total_duration_ns"].as_i64().unwrap();
        let (of_short, of_long) = (duration(&runs[0]), duration(&runs[1]));
        assert_eq!(found(app, &format!("duration_value={of_long}&duration_operator=eq")).await, from_ref(&long));
        let (slower, faster) = if of_long > of_short { (&long, &short) } else { (&short, &long) };
        let between = of_long.min(of_short);
        assert_eq!(found(app, &format!("duration_value={between}&duration_operator=gt")).await, from_ref(slower));
        assert_eq!(found(app, "duration_percentile=100").await, from_ref(slower));
        assert_eq!(found(app, "duration_percentile=1").await.len(), 2);
        for wrong in [0, 101] {
            let answer = app.get(&format!("/v1/_internal_runs/?duration_percentile={wrong}")).await;
            assert_error(&answer, 422, "between 1 and 100");
        }
        assert_eq!(found(app, "order_by=duration").await, [slower.clone(), faster.clone()]);
        assert_eq!(found(app, "order_by=duration&order=asc").await, [faster.clone(), slower.clone()]);
        assert_eq!(found(app, "start_date=2999-01-01").await, [] as [&str; 0]);
        assert_eq!(found(app, "end_date=2999-01-01").await.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn steps_are_rated_and_found_by_their_rating() {
    on_each_database(async |app| {
        two_runs(app).await;
        let steps = each(&app.list("/v1/steps/").await, "id");
        let path = format!("/v1/steps/{}/feedback", steps[0]);
        let rated = app.patch(&path, json!({ "feedback": "positive", "tags": ["kind", "short"] })).await.expect_json();
        assert_eq!((&rated["feedback"], &rated["tags"]), (&json!("positive"), &json!(["kind", "short"])));
        for (query, expected) in [
            ("feedback=positive", &steps[..1]),
            ("feedback=negative", &[]),
            ("has_feedback=true", &steps[..1]),
            ("has_feedback=false", &steps[1..]),
            ("tags=kind", &steps[..1]),
            ("tags=long&tags=short", &steps[..1]),
            ("tags=kin", &[]),
        ] {
            assert_eq!(each(&app.list(&format!("/v1/steps/?{query}")).await, "id"), expected, "{query}");
        }
        let cleared = app.patch(&path, json!({})).await.expect_json();
        assert_eq!((&cleared["feedback"], &cleared["tags"]), (&Value::Null, &json!(["kind", "short"])));
        let unknown = "step-123e4567-e89b-42d3-8456-426614174000";
        assert_error(&app.patch(&format!("/v1/steps/{unknown}/feedback"), json!({})).await, 404, "not exist");
        assert_error(&app.patch(&path, json!({ "feedback": "mixed" })).await, 422, "feedback");
        // Both ends of a window, and walking.
        let between = app.list(&format!("/v1/steps/?after={}&before={}", steps[0], steps[2])).await;
        assert_eq!(each(&between, "id"), steps[1..2]);
        assert_eq!(each(&app.list(&format!("/v1/steps/?after={}", steps[0])).await, "id"), steps[1..]);
        assert_error(&app.get(&format!("/v1/steps/?after={unknown}")).await, 404, "No Step found");
    })
    .await;
}
