//! Contexts that grow too long.

use muisti_testkit::Answer;
use serde_json::json;

use super::kinds;
use crate::harness::{assert_error, on_each_database};

#[tokio::test]
async fn a_context_that_is_too_long_is_cut_at_its_oldest_turns_and_goes_on() {
    on_each_database(async |app| {
        let agent = app.new_agent(json!({})).await;
        for number in 0..6 {
            app.model.push(Answer::text(&format!("Answer {number}. {}", "word ".repeat(200))).usage(100, 10));
            app.say(&agent, &format!("Question {number}.")).await.expect_json();
        }
        let overflow = json!({"error": {"message": "This model's maximum context length is 8192 tokens.",
            "type": "invalid_request_error", "code": "context_length_exceeded"}});
        app.patch(&format!("/v1/agents/{agent}"), json!({"context_window_limit": 4000})).await.expect_json();
        app.model.push(Answer::error_body(400, overflow));
        app.model.push(Answer::text("I go on."));

        app.say(&agent, "And now?").await.expect_json();

        let asked = app.model.last_request();
        let users: Vec<_> = asked.messages().iter().filter(|message| message["role"] == "user").collect();
        assert!(users.len() < 7, "the oldest turns are left out");
        assert_eq!(asked.last_user().as_deref(), Some("And now?"));
        assert_eq!(app.history(&agent).await.len(), 15, "and stay listed");
        let state = app.list(&format!("/v1/agents/{agent}")).await;
        assert_eq!(state["message_ids"].as_array().unwrap().len(), asked.messages().len() + 1);
        app.model.push(Answer::tool_call("conversation_search", json!({"query": "Question 0"})));
        app.model.push(Answer::text("Found."));
        let answer = app.say(&agent, "What was my first question?").await.expect_json();
        let found = answer["messages"][1]["tool_returns"][0]["tool_return"].as_str().unwrap();
        assert!(found.contains("Question 0."), "and can be found: {found}");
    })
    .await;
}

#[tokio::test]
async fn a_nearly_full_window_is_cut_before_it_overflows() {
    on_each_database(async |app| {
        let agent = app.new_agent(json!({"context_window_limit": 2000})).await;
        for number in 0..5 {
            app.model.push(Answer::text("Fine.").usage(100 + number * 10, 10));
            app.say(&agent, &format!("Question {number}. {}", "word ".repeat(20))).await.expect_json();
        }
        app.model.push(Answer::text("Tight.").usage(1900, 50));
        app.say(&agent, "One more.").await.expect_json();
        app.model.push(Answer::text("Better."));
        app.say(&agent, "And one.").await.expect_json();
        let users = app.model.last_request().messages().iter().filter(|message| message["role"] == "user").count();
        assert!(users < 7, "{users}");
    })
    .await;
}

#[tokio::test]
async fn a_message_that_never_fits_is_an_error_that_leaves_the_agent_usable() {
    on_each_database(async |app| {
        let agent = app.new_agent(json!({})).await;
        let overflow = json!({"error": {"message": "too long", "code": "context_length_exceeded"}});
        app.model.always(Answer::error_body(400, overflow));
        let refused = app.say(&agent, "Far too long.").await;
        assert_error(&refused, 400, "CONTEXT_WINDOW_EXCEEDED");
        app.model.always(Answer::text("Hello."));
        app.say(&agent, "Hi.").await.expect_json();
        assert_eq!(kinds(&app.history(&agent).await), ["system_message", "user_message", "assistant_message"]);
    })
    .await;
}
