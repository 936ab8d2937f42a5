//! `/v1/runs` and `/v1/steps`

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
