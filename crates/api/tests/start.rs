//! Starting and stopping the built server: with no model, with the test model, with local servers, and while it works.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test"
)]

use std::process::Command;
use std::time::Duration;

use muisti_testkit::{Answer, Backend, ScriptedModel, Server, TestDatabase, agent_json, user_message};
use serde_json::{Value, json};

const MUISTI: &str = env!("CARGO_BIN_EXE_muisti");

#[tokio::test]
async fn without_a_model_everything_else_works_and_errors_say_what_to_set() {
    let database = Backend::Sqlite.fresh();
    let server = Server::builder(MUISTI, &database).env("MUISTI_DISCOVER_LOCAL", "false").start();
    let mut client = server.client();
    client.post("/v1/blocks/", &json!({"label": "notes", "value": "Kept."})).await.unwrap().expect_json();
    assert_eq!(client.get("/v1/models/").await.unwrap().expect_json(), json!([]));
    let refused = client.post("/v1/agents/", &agent_json("openai/gpt-4o-mini")).await.unwrap();
    assert_eq!(refused.status, 404, "{}", refused.text());
    assert!(refused.text().contains("OPENAI_API_KEY"), "{}", refused.text());
    assert!(server.log().contains("OPENAI_API_KEY"), "{}", server.log());
}

#[tokio::test]
async fn the_test_model_remembers_and_tells() {
    for database in TestDatabase::each() {
        let server = Server::builder(MUISTI, &database).arg("--dev").env("MUISTI_DISCOVER_LOCAL", "false").start();
        let mut client = server.client();
        let models = client.get("/v1/models/").await.unwrap().expect_json();
        assert!(models.as_array().unwrap().iter().any(|model| model["handle"] == "muisti/test"), "{models:#}");
        let agent = client.post("/v1/agents/", &agent_json("muisti/test")).await.unwrap().expect_json();
        let agent = agent["id"].as_str().unwrap().to_owned();
        let path = format!("/v1/agents/{agent}/messages");
        let told = client.post(&path, &user_message("Remember that my favourite colour is green.")).await.unwrap();
        let kinds: Vec<Value> =
            told.expect_json()["messages"].as_array().unwrap().iter().map(|one| one["message_type"].clone()).collect();
        assert!(kinds.contains(&"tool_call_message".into()), "{}", told.text());
        let block = client.get(&format!("/v1/agents/{agent}/core-memory/blocks/human")).await.unwrap().expect_json();
        assert!(block["value"].as_str().unwrap().contains("green"), "{block:#}");
        let asked = client.post(&path, &user_message("What do you know about me?")).await.unwrap();
        assert!(asked.text().contains("green"), "{}", asked.text());
    }
}

#[tokio::test]
async fn local_servers_are_found_whatever_the_form_of_their_url() {
    for suffix in ["", "/", "/v1", "/v1/"] {
        let model = ScriptedModel::builder().models(&["llama3"]).context_window(4096).ollama().llama_cpp().start();
        let database = Backend::Sqlite.fresh();
        let url = format!("{}{suffix}", model.root_url());
        let server = Server::builder(MUISTI, &database)
            .env("MUISTI_DISCOVER_LOCAL", "false")
            .env("OLLAMA_BASE_URL", &url)
            .env("LLAMACPP_BASE_URL", &url)
            .start();
        let mut client = server.client();
        let models = client.get("/v1/models/").await.unwrap().expect_json();
        for handle in ["ollama/llama3", "llamacpp/llama3"] {
            let found = models.as_array().unwrap().iter().find(|model| model["handle"] == handle);
            let found = found.unwrap_or_else(|| panic!("{handle} is not found at {url}: {models:#}"));
            assert_eq!(found["max_context_window"], 4096, "{handle} at {url}");
        }
        let agent = client.post("/v1/agents/", &agent_json("ollama/llama3")).await.unwrap().expect_json();
        let path = format!("/v1/agents/{}/messages", agent["id"].as_str().unwrap());
        let answer = client.post(&path, &user_message("Hello?")).await.unwrap().expect_json();
        assert_eq!(answer["messages"][0]["content"], "Understood.", "at {url}");
    }
}

#[tokio::test]
async fn a_stop_lets_the_turn_in_progress_end() {
    for database in TestDatabase::each() {
        let model = ScriptedModel::start();
        let mut server = Server::builder(MUISTI, &database)
            .env("OPENAI_API_KEY", "scripted")
            .env("OPENAI_API_BASE", model.base_url())
            .start();
        let mut client = server.client();
        let agent = client.post("/v1/agents/", &agent_json("openai/gpt-4o-mini")).await.unwrap().expect_json();
        let path = format!("/v1/agents/{}/messages", agent["id"].as_str().unwrap());
        model.push(Answer::text("one two three four five").held_at(3));
        let mut body = user_message("Count.");
        body["streaming"] = true.into();
        body["stream_tokens"] = true.into();
        let mut stream = client.stream(&path, &body).await.unwrap();
        while stream.next().await.unwrap().unwrap().json()["message_type"] != "assistant_message" {}
        server.ask_to_terminate();
        while !server.log().contains("Stopping") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        model.release();
        let events = stream.collect().await.unwrap();
        assert!(events.last().unwrap().is_done(), "{events:?}");
        assert!(events.iter().all(|event| event.event.is_none()), "{events:?}");
        assert!(server.wait_for_exit(Duration::from_secs(60)).success());

        let server = server.restart();
        let history = server.client().get(&path).await.unwrap().expect_json();
        assert_eq!(history.as_array().unwrap().last().unwrap()["content"], "one two three four five");
    }
}

#[test]
fn an_idle_server_stops_at_once() {
    let database = Backend::Sqlite.fresh();
    let mut server = Server::builder(MUISTI, &database).start();
    // Without looking whether there is something to wait for it would be half a minute.
    assert!(server.terminate(Duration::from_secs(15)).success());
}

#[test]
fn a_second_server_on_the_same_data_says_so() {
    let database = Backend::Sqlite.fresh();
    let _server = Server::builder(MUISTI, &database).start();
    let output = Command::new(MUISTI)
        .args(["--port", "0", "--data-dir"])
        .arg(database.data_dir())
        .current_dir(database.data_dir())
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("--data-dir"), "{output:?}");
}

#[test]
fn the_commands_answer() {
    let run = |arguments: &[&str]| {
        let database = Backend::Sqlite.fresh();
        let output = Command::new(MUISTI)
            .args(arguments)
            .env("MUISTI_DATA_DIR", database.data_dir())
            .env("MUISTI_DISCOVER_LOCAL", "false")
            .current_dir(database.data_dir())
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(run(&["--help"]).contains("MUISTI_DATA_DIR"));
    let document: Value = serde_json::from_str(&run(&["openapi"])).unwrap();
    assert!(document["paths"]["/v1/agents/{agent_id}/messages"]["post"].is_object());
    run(&["migrate"]);
    assert!(run(&["doctor"]).contains("OPENAI_API_KEY"));
}
