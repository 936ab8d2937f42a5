//! Questions that do not fit into the model's window, and models that fail to summarise.

use muisti_testkit::{Answer, SeenRequest, TestDatabase};
use serde_json::{Value, json};

use super::{
    compaction::{assert_paired, sent, summarises},
    kinds,
};
use crate::harness::{App, assert_error, on_each_database};

/// The refusal by which an overflow is known.
fn overflow() -> Answer {
    let message = "This model's maximum context length is 8192 tokens.";
    let error = json!({"message": message, "type": "invalid_request_error", "code": "context_length_exceeded"});
    Answer::error_body(400, json!({"error": error}))
}

/// The bytes of what a model is sent to read.
fn bytes(request: &SeenRequest) -> usize {
    request.messages().iter().map(|message| message["content"].as_str().unwrap_or_default().len()).sum()
}

/// The questions of turns, without those for summaries.
fn questions(app: &App) -> Vec<SeenRequest> {
    app.model.requests().into_iter().filter(|request| !summarises(request)).collect()
}

#[tokio::test]
async fn a_context_that_is_too_long_is_summarised_and_the_question_asked_again() {
    on_each_database(async |app| {
        let agent = app.new_agent(json!({})).await;
        for number in 0..6 {
            app.model.push(Answer::text(&format!("Answer {number}. {}", "word ".repeat(200))).usage(100, 10));
            app.say(&agent, &format!("Question {number}.")).await.expect_json();
        }
        app.patch(&format!("/v1/agents/{agent}"), json!({"context_window_limit": 4000})).await.expect_json();
        app.model.push(overflow());
        app.model.push(Answer::text("They asked much."));
        app.model.push(Answer::text("I go on."));

        let answer = app.say(&agent, "And now?").await.expect_json();

        assert_eq!(answer["messages"][0]["content"], "I go on.");
        let asked = app.model.last_request();
        let users = sent(&asked, "user");
        assert!(users.len() < 7 && users[0].contains("They asked much."), "the oldest turns are left out");
        assert_eq!(asked.last_user().as_deref(), Some("And now?"));
        assert_eq!(app.history(&agent).await.len(), 16, "and stay listed");
        assert_eq!(app.context_ids(&agent).await.len(), asked.messages().len() + 1);
        let summary = app.summaries(&agent).await.remove(0);
        let stats = &summary["compaction_stats"];
        assert_eq!(stats["trigger"], "context_window_exceeded");
        assert!(stats["context_tokens_before"].is_i64() && stats["context_tokens_after"].is_i64(), "{stats}");
        let said = &answer["messages"][0];
        assert_eq!((&summary["run_id"], &summary["step_id"]), (&said["run_id"], &said["step_id"]));
        app.model.push(Answer::tool_call("conversation_search", json!({"query": "Question 0"})));
        app.model.push(Answer::text("Found."));
        let answer = app.say(&agent, "What was my first question?").await.expect_json();
        let found = answer["messages"][1]["tool_returns"][0]["tool_return"].as_str().unwrap();
        assert!(found.contains("Question 0."), "and can be found: {found}");
    })
    .await;
}

#[tokio::test]
async fn what_would_not_fit_is_never_sent() {
    on_each_database(async |app| {
        let agent = app.brief_agent("sliding_window", json!({"context_window_limit": 2_000})).await;
        app.model.answer_with(|request| match request {
            request if summarises(request) => Answer::text("What was said."),
            _ => Answer::text(&"word ".repeat(60)).without_usage(),
        });
        for number in 0..8 {
            let question = format!("Question {number}. {}", "word ".repeat(300));
            app.say(&agent, &question).await.expect_json();
            let asked = questions(app).pop().unwrap();
            assert_eq!(asked.last_user().unwrap(), question, "the input is never summarised");
        }
        for request in questions(app) {
            assert!(bytes(&request) < 8_000, "{} bytes in 2000 tokens", bytes(&request));
            assert!(request.system().unwrap().contains("Their cat is called Muru."));
        }
        assert!(!app.summaries(&agent).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn what_the_provider_says_counts_for_more_than_an_estimate() {
    on_each_database(async |app| {
        let agent = app.brief_agent("all", json!({"context_window_limit": 2_000})).await;
        app.model.push(Answer::text("Long.").usage(900, 10));
        app.say(&agent, &"word ".repeat(1_300)).await.expect_json();
        // By the rule of thumb that were 2,400 tokens by now, by what the provider says 1,400.
        app.model.push(Answer::text("Longer.").usage(1_300, 10));
        app.say(&agent, &"word ".repeat(450)).await.expect_json();
        assert_eq!(app.context_ids(&agent).await.len(), 5);
        assert_eq!(app.model.requests().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_shorter_context_that_is_refused_too_gives_way_to_a_summary_whole() {
    on_each_database(async |app| {
        let agent = app.brief_agent("sliding_window", json!({})).await;
        app.chat(&agent, 8).await;
        app.model.clear_requests();
        app.model.answer_with(|request| match request {
            request if summarises(request) => Answer::text("Short."),
            // The server has room for next to nothing.
            request if request.messages().len() > 3 => overflow(),
            _ => Answer::text("I go on."),
        });
        let body = json!({"input": "And now?", "include_compaction_messages": true});
        let answer = app.post(&format!("/v1/agents/{agent}/messages"), body).await.expect_json();
        // The first summary was of no use, so nobody gets to see it.
        let told = ["event_message", "summary_message", "assistant_message"];
        assert_eq!(kinds(answer["messages"].as_array().unwrap()), told);
        assert_eq!(questions(app).len(), 3);
        assert_eq!(app.context_ids(&agent).await.len(), 4);
        assert_eq!(app.summaries(&agent).await.len(), 1);
        assert_eq!(app.model.last_request().last_user().as_deref(), Some("And now?"));
    })
    .await;
}

#[tokio::test]
async fn summarisers_that_fail_overflow_say_nothing_or_hang_never_fail_a_run() {
    let failures = [("fails", Answer::error(400, "No.")), ("overflows", overflow()), ("is empty", Answer::text("  "))];
    let failures = failures.into_iter().chain([("hangs", Answer::hang())]);
    for (name, failure) in failures {
        for mode in ["sliding_window", "self_compact_all"] {
            for database in TestDatabase::each() {
                println!("{name}, {mode}, on {:?}", database.backend());
                let app = &mut App::start(database, |server| server.env("LETTA_LLM_REQUEST_TIMEOUT_SECONDS", "0.5"));
                let agent = app.brief_agent(mode, json!({})).await;
                app.chat(&agent, 5).await;
                let failure = failure.clone();
                app.model.answer_with(move |request| match request {
                    request if summarises(request) || !request.last_text().starts_with("And") => failure.clone(),
                    request if request.messages().len() > 10 => overflow(),
                    _ => Answer::text("I go on.").usage(7_500, 50),
                });
                for turn in 0..2 {
                    let answer = app.say(&agent, &format!("And {turn}?")).await.expect_json();
                    assert_eq!(answer["stop_reason"]["stop_reason"], "end_turn");
                    assert_eq!(answer["messages"][0]["content"], "I go on.");
                }
                // The overflow, and the window that was full after each turn.
                let summaries = app.summaries(&agent).await;
                assert!(summaries.len() >= 2, "{summaries:?}");
                let last = summaries.last().unwrap()["summary"].as_str().unwrap();
                assert!(last.contains("were left out without a summary"), "{last}");
                let asked = app.model.requests().into_iter().rfind(|request| request.last_text().starts_with("And"));
                assert!(asked.unwrap().system().unwrap().contains("Muru"));
                let listed = app.history(&agent).await;
                assert_eq!(listed.len(), 1 + 7 * 2 + summaries.len(), "everything is still listed");
            }
        }
    }
}

#[tokio::test]
async fn a_summariser_of_its_own_is_asked_first_and_the_agent_s_model_if_it_fails() {
    on_each_database(async |app| {
        let settings = json!({"mode": "all", "model": "openai/text-summariser"});
        let agent = app.brief_agent("all", json!({"compaction_settings": settings})).await;
        app.chat(&agent, 2).await;
        app.model.push(Answer::text("Tight.").usage(7_500, 50));
        app.model.push(Answer::text("By the agent's own model."));
        app.say(&agent, "One more.").await.expect_json();
        let summary = app.summaries(&agent).await.remove(0);
        assert!(summary["summary"].as_str().unwrap().ends_with("By the agent's own model."), "{summary}");
    })
    .await;
}

#[tokio::test]
async fn a_retry_that_fails_leaves_the_conversation_as_it_is() {
    on_each_database(async |app| {
        let agent = app.brief_agent("all", json!({})).await;
        app.chat(&agent, 3).await;
        let before = app.context_ids(&agent).await;
        app.model.push(overflow());
        app.model.push(Answer::text("They asked much."));
        app.model.push(Answer::error(400, "Broken."));
        let failed = app.say(&agent, "And now?").await;
        assert_eq!(failed.status, 400);
        assert!(failed.text().contains("Broken."));

        assert_eq!(app.context_ids(&agent).await, before);
        assert_eq!(app.history(&agent).await.len(), 1 + 6);
        app.say(&agent, "And now?").await.expect_json();
        assert_eq!(sent(&app.model.last_request(), "user").len(), 4, "nothing is left out");
    })
    .await;
}

#[tokio::test]
async fn an_overflow_in_the_middle_of_a_turn_tears_no_call_from_its_return() {
    on_each_database(async |app| {
        let agent = app.brief_agent("sliding_window", json!({"tools": ["memory_insert"]})).await;
        app.chat(&agent, 4).await;
        let insert = |dog: &str| Answer::tool_call("memory_insert", json!({"label": "human", "new_string": dog}));
        app.model.push(insert("Has a dog.").usage(200, 10));
        app.model.push(overflow());
        app.model.push(Answer::text("In short."));
        app.model.push(insert("And a horse.").usage(200, 10));
        app.model.push(Answer::text("Noted.").usage(200, 10));
        let answer = app.say(&agent, "I have a dog and a horse.").await.expect_json();
        assert_eq!(answer["stop_reason"]["stop_reason"], "end_turn");
        questions(app).iter().for_each(assert_paired);
        let system = app.model.last_request().system().unwrap();
        assert!(system.contains("Has a dog."), "the system message is brought up to date: {system}");
        assert_eq!(app.history(&agent).await.len(), 1 + 8 + 6 + 1);
        assert_eq!(answer["usage"]["context_tokens"], 210);
    })
    .await;
}

#[tokio::test]
async fn a_system_prompt_that_fills_the_window_is_named_and_the_agent_can_be_mended() {
    on_each_database(async |app| {
        let agent = app.brief_agent("all", json!({})).await;
        app.chat(&agent, 2).await;
        app.patch(&format!("/v1/agents/{agent}"), json!({"system": "Obey. ".repeat(10_000)})).await.expect_json();
        app.model.always(overflow());
        let refused = app.say(&agent, "Hi.").await;
        assert_error(&refused, 400, "CONTEXT_WINDOW_EXCEEDED: The system prompt tokens");
        let runs = app.list(&format!("/v1/runs/?agent_id={agent}&limit=1")).await;
        assert_eq!(runs[0]["stop_reason"], "context_window_overflow_in_system_prompt");
        assert_eq!(runs[0]["status"], "failed");
        let events = app.stream(&agent, "Hi.", false).await;
        let seen: Vec<Value> = events[..events.len() - 1].iter().map(muisti_testkit::SseEvent::json).collect();
        assert!(seen.iter().any(|event| event["stop_reason"] == "context_window_overflow_in_system_prompt"));
        let error = seen.iter().find(|event| event["message_type"] == "error_message").unwrap();
        assert_eq!(error["error_type"], "context_window_overflow_in_system_prompt");

        app.patch(&format!("/v1/agents/{agent}"), json!({"system": "Be brief."})).await.expect_json();
        app.model.always(Answer::text("Hello."));
        app.say(&agent, "Hi.").await.expect_json();
        assert_eq!(app.context_ids(&agent).await.len(), 1 + 3 * 2);
    })
    .await;
}

#[tokio::test]
async fn a_message_that_can_never_fit_costs_nothing_of_the_conversation() {
    on_each_database(async |app| {
        let agent = app.brief_agent("all", json!({})).await;
        app.chat(&agent, 3).await;
        let context = app.context_ids(&agent).await;
        app.model.clear_requests();
        app.model.answer_with(|request| match bytes(request) {
            0..=30_000 => Answer::text("Hello."),
            _ => overflow(),
        });
        let refused = app.say(&agent, &"A whole book. ".repeat(10_000)).await;
        assert_error(&refused, 400, "CONTEXT_WINDOW_EXCEEDED: The new messages have");
        assert_eq!(app.context_ids(&agent).await, context);
        assert_eq!(
            app.model.requests().len(),
            1,
            "what only seems too much is asked, but no summary is written in vain"
        );
        app.say(&agent, "Hi.").await.expect_json();
        assert_eq!(app.context_ids(&agent).await.len(), context.len() + 2);
    })
    .await;
}

#[tokio::test]
async fn a_message_that_is_always_refused_is_an_error_that_leaves_the_agent_usable() {
    on_each_database(async |app| {
        let agent = app.new_agent(json!({})).await;
        app.model.always(overflow());
        let refused = app.say(&agent, "Far too long.").await;
        assert_error(&refused, 400, "CONTEXT_WINDOW_EXCEEDED");
        assert_eq!(app.model.requests().len(), 1, "there is nothing to leave out");
        app.model.always(Answer::text("Hello."));
        app.say(&agent, "Hi.").await.expect_json();
        assert_eq!(kinds(&app.history(&agent).await), ["system_message", "user_message", "assistant_message"]);
    })
    .await;
}

#[tokio::test]
async fn what_one_request_alone_brings_along_costs_nothing_of_the_conversation() {
    on_each_database(async |app| {
        let agent = app.brief_agent("all", json!({})).await;
        app.chat(&agent, 5).await;
        let context = app.context_ids(&agent).await;
        app.model.clear_requests();
        app.model.answer_with(|request| match bytes(request) {
            0..=30_000 => Answer::text("Hello."),
            _ => overflow(),
        });
        let path = format!("/v1/agents/{agent}/messages");
        let system = json!({"input": "Hi.", "override_system": "Obey. ".repeat(16_000)});
        assert_error(&app.post(&path, system).await, 400, "CONTEXT_WINDOW_EXCEEDED: The system prompt tokens");
        let skill = |number| json!({"name": format!("s{number}"), "description": "d".repeat(900), "location": format!("/x/s{number}/SKILL.md")});
        let skills: Vec<Value> = (0..100).map(skill).collect();
        let skills = json!({"input": "Hi.", "client_skills": skills});
        assert_error(&app.post(&path, skills).await, 400, "CONTEXT_WINDOW_EXCEEDED: The system prompt tokens");
        assert_eq!(app.model.requests().len(), 2, "no summary is written in vain");
        assert_eq!(app.context_ids(&agent).await, context);
        app.say(&agent, "Hi.").await.expect_json();
        assert_eq!(app.context_ids(&agent).await.len(), context.len() + 2);
    })
    .await;
}

#[tokio::test]
async fn a_system_prompt_that_is_not_sent_fills_no_window() {
    on_each_database(async |app| {
        let agent = app.brief_agent("all", json!({"system": "Obey. ".repeat(16_000)})).await;
        app.model.answer_with(|request| match bytes(request) {
            0..=30_000 => Answer::text("Hello."),
            _ => overflow(),
        });
        let body = json!({"input": "Hi.", "override_system": "Be brief."});
        for _ in 0..2 {
            app.post(&format!("/v1/agents/{agent}/messages"), body.clone()).await.expect_json();
        }
        assert_eq!(app.context_ids(&agent).await.len(), 5);
        // With its own it is named from the first message on.
        let fresh = app.brief_agent("all", json!({"system": "Obey. ".repeat(16_000)})).await;
        let refused = app.say(&fresh, "Hi.").await;
        assert_error(&refused, 400, "CONTEXT_WINDOW_EXCEEDED: The system prompt tokens");
        let runs = app.list(&format!("/v1/runs/?agent_id={fresh}&limit=1")).await;
        assert_eq!(runs[0]["stop_reason"], "context_window_overflow_in_system_prompt");
    })
    .await;
}

#[tokio::test]
async fn a_block_that_is_shortened_mends_a_conversation_that_it_has_filled() {
    on_each_database(async |app| {
        let agent = app.brief_agent("all", json!({})).await;
        let new = json!({"isolated_block_labels": ["human"]});
        let made = app.post(&format!("/v1/conversations/?agent_id={agent}"), new).await.expect_json();
        let block = format!("/v1/blocks/{}", made["isolated_block_ids"][0].as_str().unwrap());
        let conversation = format!("/v1/conversations/{}", crate::harness::id(&made));
        let path = format!("{conversation}/messages");
        app.model.answer_with(|request| match request {
            request if summarises(request) => Answer::text("In short."),
            request if bytes(request) > 30_000 => overflow(),
            _ => Answer::text("Yes."),
        });
        let say = json!({"input": "Well?", "streaming": false});
        for _ in 0..3 {
            app.post(&path, say.clone()).await.expect_json();
        }
        app.patch(&block, json!({"limit": 200_000, "value": "much ".repeat(20_000)})).await.expect_json();
        app.post(&format!("{conversation}/recompile"), json!({})).await.expect_json();
        assert_error(&app.post(&path, say.clone()).await, 400, "CONTEXT_WINDOW_EXCEEDED: The system prompt tokens");
        app.patch(&block, json!({"value": "Their cat is called Muru."})).await.expect_json();
        app.post(&path, say.clone()).await.expect_json();
        assert!(app.model.last_request().system().unwrap().contains("Muru"));
        assert_eq!(app.list(&conversation).await["in_context_message_ids"].as_array().unwrap().len(), 1 + 4 * 2);
        let stored = app.list(&format!("{path}?order=asc")).await;
        assert!(!stored[0]["content"].as_str().unwrap().contains("much"), "{}", stored[0]);

        app.patch(&block, json!({"value": "much ".repeat(20_000)})).await.expect_json();
        app.post(&format!("{conversation}/recompile"), json!({})).await.expect_json();
        app.patch(&block, json!({"value": "Their cat is called Muru."})).await.expect_json();
        let compacted = app.post(&format!("{conversation}/compact"), json!({})).await.expect_json();
        assert_eq!(compacted["num_messages_after"], 2);
        app.post(&path, say).await.expect_json();
    })
    .await;
}

#[tokio::test]
async fn what_a_model_thinks_does_not_stay_in_context() {
    on_each_database(async |app| {
        let agent = app.brief_agent("all", json!({})).await;
        let told = json!({"prompt_tokens": 900, "completion_tokens": 7_500, "total_tokens": 8_400,
            "completion_tokens_details": {"reasoning_tokens": 7_490}});
        for _ in 0..3 {
            let answer = Answer { usage: Some(told.clone()), ..Answer::text("Hi.").reasoning("Hm.") };
            app.model.push(answer);
            let answer = app.say(&agent, "Hello.").await.expect_json();
            assert_eq!(answer["usage"]["context_tokens"], 910);
        }
        // Some servers do not say how much of it was thought.
        app.model.push(Answer::text("Hi.").reasoning(&"Hm. ".repeat(7_000)).usage(900, 7_100));
        app.say(&agent, "Hello.").await.expect_json();
        assert_eq!(app.context_ids(&agent).await.len(), 1 + 4 * 2);
        assert_eq!(app.model.requests().len(), 4);
    })
    .await;
}

#[tokio::test]
async fn a_large_question_that_is_refused_without_a_reason_is_asked_in_short() {
    on_each_database(async |app| {
        let agent = app.brief_agent("all", json!({})).await;
        for number in 0..6 {
            app.model.push(Answer::text(&format!("Answer {number}. {}", "word ".repeat(700))).without_usage());
            app.say(&agent, "Tell me.").await.expect_json();
        }
        let context = app.context_ids(&agent).await;
        app.model.clear_requests();
        app.model.answer_with(|request| match request {
            request if summarises(request) => Answer::text("In short."),
            request if request.last_text().contains("Never") => Answer::error(400, "I do not like this."),
            request if request.messages().len() > 4 => Answer::error(400, "Too much, in words of my own."),
            _ => Answer::text("I go on."),
        });
        let refused = app.say(&agent, "Never?").await;
        assert_eq!(refused.status, 400);
        assert!(refused.text().contains("I do not like this."), "{}", refused.text());
        assert_eq!(questions(app).len(), 2, "a shorter one is tried once");
        assert_eq!(app.context_ids(&agent).await, context, "and nothing has changed");
        let answer = app.say(&agent, "And now?").await.expect_json();
        assert_eq!(answer["messages"][0]["content"], "I go on.");
        assert_eq!(app.context_ids(&agent).await.len(), 4);
    })
    .await;
}

#[tokio::test]
async fn what_seems_too_much_by_an_estimate_is_asked_all_the_same() {
    on_each_database(async |app| {
        let agent = app.brief_agent("all", json!({})).await;
        app.model.answer_with(|_| Answer::text("I see.").usage(2_500, 5));
        app.say(&agent, "Hi.").await.expect_json();
        let code = format!("x{}\n", " ".repeat(40)).repeat(900);
        app.say(&agent, &code).await.expect_json();
        let image = json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "detail": "high",
            "data": "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="}});
        let agent = app.brief_agent("all", json!({})).await;
        app.say(&agent, "Hi.").await.expect_json();
        let body = json!({"messages": [{"role": "user", "content": vec![image; 10]}]});
        app.post(&format!("/v1/agents/{agent}/messages"), body).await.expect_json();
        assert_eq!(app.context_ids(&agent).await.len(), 5);
        assert!(!app.model.requests().iter().any(summarises));
    })
    .await;
}

#[tokio::test]
async fn what_was_said_is_listed_before_the_summary_that_made_room_for_it() {
    on_each_database(async |app| {
        let agent = app.brief_agent("all", json!({})).await;
        app.chat(&agent, 3).await;
        let made = app.post(&format!("/v1/conversations/?agent_id={agent}"), json!({})).await.expect_json();
        let conversation = format!("/v1/conversations/{}/messages", crate::harness::id(&made));
        app.post(&conversation, json!({"input": "Hi.", "streaming": false})).await.expect_json();
        for path in [format!("/v1/agents/{agent}/messages"), conversation] {
            let before = app.list(&format!("{path}?order=asc&limit=100")).await;
            let last = before.as_array().unwrap().last().unwrap()["id"].as_str().unwrap().to_owned();
            app.model.push(overflow());
            app.model.push(Answer::text("In short."));
            app.model.push(Answer::text("I go on."));
            let body = json!({"input": "And now?", "streaming": false});
            let answer = app.post(&path, body).await.expect_json();
            let new = app.list(&format!("{path}?order=asc&limit=100&after={last}")).await;
            assert_eq!(new[0]["content"], "And now?", "{new}");
            assert!(new[1]["content"].as_str().unwrap().contains("In short."), "{new}");
            assert_eq!(new[2]["id"], answer["messages"][0]["id"]);
            let run = answer["messages"][0]["run_id"].as_str().unwrap();
            let of_run = app.list(&format!("/v1/runs/{run}/messages?order=asc")).await;
            assert_eq!(of_run[0]["content"], "And now?", "{of_run}");
            // The model reads the summary first.
            app.post(&path, json!({"input": "Well?", "streaming": false})).await.expect_json();
            let users = sent(&app.model.last_request(), "user");
            assert!(users[0].contains("In short.") && users[1] == "And now?", "{users:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_silent_summariser_holds_nothing_back_for_long() {
    for database in TestDatabase::each() {
        let app = &mut App::start(database, |server| server.env("MUISTI_COMPACTION_SECONDS", "1"));
        for mode in ["all", "self_compact_all"] {
            let settings = json!({"mode": mode, "model": "openai/text-summariser"});
            let agent = app.brief_agent(mode, json!({"compaction_settings": settings})).await;
            app.chat(&agent, 3).await;
            app.model.answer_with(|request| match request.last_text().as_str() {
                "One more." => Answer::text("Tight.").usage(7_500, 50),
                "And now?" => Answer::text("Still here."),
                _ => Answer::hang(),
            });
            let began = std::time::Instant::now();
            let answer = app.say(&agent, "One more.").await.expect_json();
            assert_eq!(answer["messages"][0]["content"], "Tight.");
            assert!(began.elapsed() < std::time::Duration::from_secs(20), "{:?}", began.elapsed());
            let summary = app.summaries(&agent).await.remove(0);
            assert!(summary["summary"].as_str().unwrap().contains("were left out without a summary"), "{summary}");
            app.say(&agent, "And now?").await.expect_json();
            // By hand that is an error, and the history is free when it comes.
            let failed = app.post(&format!("/v1/agents/{agent}/summarize"), json!({})).await;
            assert!(failed.status >= 400, "{}", failed.text());
            let body = json!({"input": "And now?", "streaming": false, "agent_id": agent});
            app.post("/v1/conversations/default/messages", body).await.expect_json();
            app.model.answer_with(|_| Answer::text("Yes."));
        }
    }
}

#[tokio::test]
async fn a_compaction_by_hand_gives_way_to_whoever_cancels_it() {
    on_each_database(async |app| {
        for (route, way) in [("messages/cancel", "cancel"), ("messages/reset-pending", "reset-pending")] {
            for in_conversation in [false, true] {
                app.model.answer_with(|request| match summarises(request) {
                    true => Answer::hang(),
                    false => Answer::text("Yes."),
                });
                let agent = app.brief_agent("all", json!({})).await;
                let made = app.post(&format!("/v1/conversations/?agent_id={agent}"), json!({})).await.expect_json();
                let conversation = format!("/v1/conversations/{}", crate::harness::id(&made));
                let (messages, compact, end) = match in_conversation {
                    true => (
                        format!("{conversation}/messages"),
                        format!("{conversation}/compact"),
                        format!("{conversation}/{way}"),
                    ),
                    false => (
                        format!("/v1/agents/{agent}/messages"),
                        format!("/v1/agents/{agent}/summarize"),
                        format!("/v1/agents/{agent}/{route}"),
                    ),
                };
                let say = json!({"input": "Well?", "streaming": false});
                for _ in 0..3 {
                    app.post(&messages, say.clone()).await.expect_json();
                }
                app.model.clear_requests();
                let mut other = app.client();
                let compacting = tokio::spawn(async move { other.post(&compact, &json!({})).await.unwrap() });
                app.asked(1).await;
                if in_conversation {
                    let refused = app.post(&messages, say.clone()).await;
                    assert_eq!(refused.status, 409);
                    assert!(!refused.text().contains("run-"), "no run holds it: {}", refused.text());
                }
                let ended = app.post(&end, json!({})).await;
                assert_eq!(ended.status, 200, "{end}: {}", ended.text());
                let compacted = tokio::time::timeout(crate::harness::LIMIT, compacting).await.unwrap().unwrap();
                assert_error(&compacted, 409, "broken off");
                app.post(&messages, say).await.expect_json();
                let listed = app.list(&format!("{messages}?order=asc&limit=100")).await;
                let said = listed.as_array().unwrap().iter().filter(|row| row["message_type"] != "system_message");
                assert_eq!(said.count(), 4 * 2, "nothing has changed");
            }
        }
    })
    .await;
}
