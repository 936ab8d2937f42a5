//! Answers in a given form.

use muisti_testkit::{Answer, ScriptedModel, TestDatabase};
use serde_json::{Value, json};

use super::kinds;
use crate::harness::{App, id, on_each_database};

fn form() -> Value {
    let properties = json!({ "sky": { "type": "string" }, "wind": { "type": "integer" } });
    let schema = json!({ "type": "object", "properties": properties, "required": ["sky", "wind"] });
    json!({ "type": "json_schema", "json_schema": { "name": "weather", "schema": schema } })
}

const WEATHER: &str = r#"{"sky":"blue","wind":3}"#;

/// Runs a test with a second model, which cannot be held to a form while it has tools.
async fn with_a_local_model(test: impl AsyncFn(&mut App, &ScriptedModel)) {
    for database in TestDatabase::each() {
        println!("on {:?}", database.backend());
        let local = ScriptedModel::builder().models(&["local"]).llama_cpp().start();
        let url = local.root_url();
        test(&mut App::start(database, |server| server.env("LLAMACPP_BASE_URL", &url)), &local).await;
    }
}

#[tokio::test]
async fn an_agents_form_is_asked_of_the_provider_and_the_answer_is_of_it() {
    on_each_database(async |app| {
        let settings = json!({ "provider_type": "openai", "response_format": form() });
        for fields in [json!({ "response_format": form() }), json!({ "model_settings": settings })] {
            let agent = app.agent(fields.clone()).await;
            let shown = if fields.get("response_format").is_some() { &agent } else { &agent["model_settings"] };
            assert_eq!(shown["response_format"], form());
            app.model
                .push_all([Answer::tool_call("conversation_search", json!({ "query": "sky" })), Answer::text(WEATHER)]);
            let answer = app.say(id(&agent), "How is the weather?").await.expect_json();
            let messages = answer["messages"].as_array().unwrap();
            assert_eq!(kinds(messages), ["tool_call_message", "tool_return_message", "assistant_message"]);
            let said: Value = serde_json::from_str(messages[2]["content"].as_str().unwrap()).unwrap();
            assert_eq!((&said["sky"], &said["wind"]), (&json!("blue"), &json!(3)));
            let requests = app.model.requests();
            assert!(requests[requests.len() - 2..].iter().all(|request| request.body["response_format"] == form()));
        }
    })
    .await;
}

#[tokio::test]
async fn a_form_is_changed_and_taken_back() {
    on_each_database(async |app| {
        let agent = id(&app.agent(json!({ "response_format": form() })).await).to_owned();
        let path = format!("/v1/agents/{agent}");
        let preview = async |app: &mut App| {
            let path = format!("{path}/messages/preview-raw-payload");
            app.post(&path, json!({ "input": "Well?" })).await.expect_json()["response_format"].clone()
        };
        app.patch(&path, json!({ "response_format": { "type": "json_object" } })).await.expect_json();
        assert_eq!(preview(app).await, json!({ "type": "json_object" }));
        app.patch(&path, json!({ "response_format": { "type": "text" } })).await.expect_json();
        assert_eq!(preview(app).await, Value::Null);
        let settings = json!({ "provider_type": "openai", "response_format": form() });
        app.patch(&path, json!({ "model_settings": settings })).await.expect_json();
        assert_eq!(preview(app).await, form());
        let wrong = json!({ "response_format": { "type": "haiku" } });
        assert_eq!(app.patch(&path, wrong).await.status, 422);
    })
    .await;
}

#[tokio::test]
async fn the_settings_of_a_conversations_model_have_a_form_of_their_own() {
    on_each_database(async |app| {
        let agent = app.agent(json!({})).await;
        let settings = json!({ "provider_type": "openai", "response_format": form() });
        let body = json!({ "model": crate::harness::MODEL, "model_settings": settings });
        let made = app.post(&format!("/v1/conversations/?agent_id={}", id(&agent)), body).await.expect_json();
        app.model.push(Answer::text(WEATHER));
        let path = format!("/v1/conversations/{}/messages", id(&made));
        app.post(&path, json!({ "input": "How is the weather?", "streaming": false })).await.expect_json();
        assert_eq!(app.model.last_request().body["response_format"], form());
        app.say(id(&agent), "How is the weather?").await.expect_json();
        assert!(app.model.last_request().body.get("response_format").is_none());
    })
    .await;
}

#[tokio::test]
async fn a_model_that_cannot_be_held_to_a_form_answers_by_a_tool_that_nobody_sees() {
    with_a_local_model(async |app, local| {
        let fields = json!({ "model": "llamacpp/local", "response_format": form() });
        let agent = id(&app.agent(fields).await).to_owned();
        let answers = || {
            let search = Answer::tool_call("conversation_search", json!({ "query": "sky" }));
            [search, Answer::tool_call("structured_output", WEATHER)]
        };
        local.push_all(answers());
        let answer = app.say(&agent, "How is the weather?").await.expect_json();
        let messages = answer["messages"].as_array().unwrap();
        assert_eq!(kinds(messages), ["tool_call_message", "tool_return_message", "assistant_message"]);
        assert_eq!(messages[2]["content"], WEATHER);
        assert_eq!(answer["stop_reason"]["stop_reason"], "end_turn");
        let asked = local.last_request();
        assert!(asked.body.get("response_format").is_none());
        assert!(asked.tool_names().contains(&"structured_output".to_owned()));
        assert_eq!(asked.body["tool_choice"], "required");

        // A stream of tokens shows the same, and so does the list.
        local.push_all(answers());
        let before = app.history(&agent).await.len();
        let frames: Vec<Value> = app.stream(&agent, "And now?", true).await.iter().map(|event| event.json()).collect();
        let said = frames.iter().filter(|frame| frame["message_type"] == "assistant_message");
        let said: String = said.map(|frame| frame["content"].as_str().unwrap()).collect();
        assert_eq!(said, WEATHER);
        let listed = app.history(&agent).await;
        assert_eq!(listed[before..].last().unwrap()["content"], WEATHER);
        assert!(!json!(listed).to_string().contains("structured_output"));
        assert!(!json!(frames).to_string().contains("structured_output"));

        let path = format!("/v1/agents/{agent}/messages/preview-raw-payload");
        let preview = app.post(&path, json!({ "input": "And then?" })).await.expect_json();
        let tools = preview["tools"].as_array().unwrap();
        let tool = tools.iter().find(|tool| tool["function"]["name"] == "structured_output").unwrap();
        assert_eq!(tool["function"]["parameters"]["required"], json!(["sky", "wind"]));
    })
    .await;
}

#[tokio::test]
async fn a_model_without_tools_to_call_is_held_to_the_form_itself() {
    with_a_local_model(async |app, local| {
        let fields = json!({ "model": "llamacpp/local", "response_format": form(), "include_base_tools": false });
        let agent = id(&app.agent(fields).await).to_owned();
        local.push(Answer::text(WEATHER));
        let answer = app.say(&agent, "How is the weather?").await.expect_json();
        assert_eq!(answer["messages"][0]["content"], WEATHER);
        assert_eq!(local.last_request().body["response_format"], form());
    })
    .await;
}
