//! Requests that no turn comes of.

use serde_json::{Value, json};

use crate::harness::{assert_error, on_each_database};

#[tokio::test]
async fn a_message_that_says_nothing_to_a_model_is_empty() {
    on_each_database(async |app| {
        let agent = app.new_agent(json!({})).await;
        let path = format!("/v1/agents/{agent}/messages");
        let call = json!({ "type": "tool_call", "id": "call_1", "name": "f", "input": {} });
        let thought = json!({ "type": "reasoning", "is_native": true, "reasoning": "Hm." });
        let nothing = json!({ "type": "text", "text": "" });
        for content in [json!([]), json!([nothing]), json!([call]), json!([thought]), json!([nothing, call, thought])] {
            let body = json!({ "messages": [{ "role": "user", "content": content }] });
            assert_error(&app.post(&path, body).await, 400, "Message content is empty or invalid");
        }
        assert!(app.model.requests().is_empty());
        let content = json!([thought, { "type": "text", "text": "Hello." }]);
        app.post(&path, json!({ "messages": [{ "role": "user", "content": content }] })).await.expect_json();
        assert_eq!(app.model.last_request().last_user().unwrap(), "Hello.");
    })
    .await;
}

#[tokio::test]
async fn a_field_that_breaks_its_rule_is_told_like_one_of_the_wrong_type() {
    on_each_database(async |app| {
        let agent = app.new_agent(json!({})).await;
        let path = format!("/v1/agents/{agent}/messages");
        for (body, location) in [
            (json!({}), json!(["body"])),
            (json!({ "input": "x", "messages": [{ "role": "user", "content": "x" }] }), json!(["body"])),
            (json!({ "input": "x", "max_steps": 0 }), json!(["body", "max_steps"])),
            (json!({ "input": "x", "max_steps": 1.5 }), json!(["body", "max_steps"])),
            (json!({ "input": "x", "top_logprobs": 21 }), json!(["body", "top_logprobs"])),
            (json!({ "input": "x", "top_logprobs": "many" }), json!(["body", "top_logprobs"])),
        ] {
            for path in [path.clone(), format!("{path}/stream"), format!("{path}/async")] {
                let refused = app.post(&path, body.clone()).await;
                let told: Value = refused.json();
                assert_eq!((refused.status, &told["errors"][0]["loc"]), (422, &location), "{body}: {told}");
                assert!(told["detail"].is_string() && told["trace_id"].is_string(), "{told}");
            }
        }
        assert!(app.model.requests().is_empty());
        for steps in [json!(5.0), json!("5")] {
            app.post(&path, json!({ "input": "Hello.", "max_steps": steps })).await.expect_json();
        }
    })
    .await;
}
