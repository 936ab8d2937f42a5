//! `/v1/agents/{agent_id}/export` and `/v1/agents/import`

use muisti_testkit::{Answer, Response};
use serde_json::{Value, json};

use crate::harness::{App, MODEL, assert_error, each, id, on_each_database};

const FULL: &str = include_str!("../../../../tests/agent_files/full.af");
const MINIMAL: &str = include_str!("../../../../tests/agent_files/minimal.af");
const LEGACY: &str = include_str!("../../../../tests/agent_files/legacy.af");
const MCP: &str = include_str!("../../../../tests/agent_files/mcp.af");
const EVERYTHING: &str = "include=agent.blocks&include=agent.tools&include=agent.sources&include=agent.tags&\
    include=agent.managed_group&include=agent.secrets";

/// A form with this file and these fields.
fn form(file: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    let mut body = String::new();
    for (name, value) in fields {
        body += &format!("--form\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    }
    body += "--form\r\ncontent-disposition: form-data; name=\"file\"; filename=\"agent.af\"\r\n\
             content-type: application/octet-stream\r\n\r\n";
    body += file;
    body += "\r\n--form--\r\n";
    body.into_bytes()
}

async fn send(app: &mut App, body: &[u8]) -> Response {
    let content_type = "multipart/form-data; boundary=form";
    app.client.send_bytes("POST", "/v1/agents/import", content_type, Some(body)).await.unwrap()
}

async fn import(app: &mut App, file: &str, fields: &[(&str, &str)]) -> Response {
    send(app, &form(file, fields)).await
}

/// Imports a file that is fine and gives the first of its agents with everything.
async fn imported(app: &mut App, file: &str, fields: &[(&str, &str)]) -> Value {
    let ids = import(app, file, fields).await.expect_json();
    agent(app, ids["agent_ids"][0].as_str().unwrap()).await
}

async fn agent(app: &mut App, id: &str) -> Value {
    app.list(&format!("/v1/agents/{id}?{EVERYTHING}")).await
}

async fn export(app: &mut App, id: &str) -> Value {
    app.get(&format!("/v1/agents/{id}/export")).await.expect_json()
}

/// A file with something changed.
fn with(file: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut file = serde_json::from_str(file).unwrap();
    change(&mut file);
    file.to_string()
}

/// What is different in two exports of agents that are equal.
fn normalised(mut file: Value) -> Value {
    file["created_at"] = Value::Null;
    for source in file["sources"].as_array_mut().unwrap() {
        source["name"] = Value::Null;
    }
    for agent in file["agents"].as_array_mut().unwrap() {
        for row in agent["files_agents"].as_array_mut().unwrap() {
            row["id"] = Value::Null;
        }
    }
    file
}

#[tokio::test]
async fn a_file_with_everything_becomes_agents_with_everything() {
    on_each_database(async |app| {
        let secrets = json!({ "CASINO_KEY": "s3cret", "NOT_IN_THE_FILE": "x" }).to_string();
        let ids = import(app, FULL, &[("secrets", &secrets)]).await.expect_json();
        let ids: Vec<String> =
            ids["agent_ids"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect();
        assert_eq!(ids.len(), 2);
        let croupier = agent(app, &ids[0]).await;
        let file: Value = serde_json::from_str(FULL).unwrap();
        let expected = &file["agents"][0];
        assert_eq!(croupier["name"], "Croupier_copy");
        for key in ["system", "description", "metadata", "tags", "timezone", "max_files_open", "response_format"] {
            assert_eq!(croupier[key], expected[key], "{key}");
        }
        assert_eq!((&croupier["model"], &croupier["enable_sleeptime"]), (&json!(MODEL), &json!(true)));
        assert_eq!(croupier["llm_config"]["temperature"], 0.7);
        assert_eq!(each(&croupier["blocks"], "label"), ["persona", "human"]);
        assert_eq!(croupier["blocks"][0]["read_only"], true);
        assert_eq!(croupier["blocks"][1]["metadata"], json!({ "seat": 1 }));
        assert_eq!(each(&croupier["tools"], "name"), ["roll_dice", "conversation_search"]);
        assert_eq!(croupier["tools"][0]["pip_requirements"], json!([{ "name": "numpy", "version": "2.0.0" }]));
        let rules = croupier["tool_rules"].as_array().unwrap();
        assert_eq!((rules.len(), &rules[3]["type"]), (4, &json!("requires_approval")));
        let secrets: Vec<(&str, &str)> = croupier["secrets"]
            .as_array()
            .unwrap()
            .iter()
            .map(|secret| (secret["key"].as_str().unwrap(), secret["value"].as_str().unwrap()))
            .collect();
        assert_eq!(secrets, [("CASINO_KEY", "s3cret"), ("HOUSE", "")]);

        // The folder with its files, one of which is open.
        assert_eq!(each(&croupier["sources"], "name"), ["house"]);
        let files = app.list(&format!("/v1/agents/{}/files", ids[0])).await;
        let files: Vec<(&str, bool)> = files["files"]
            .as_array()
            .unwrap()
            .iter()
            .map(|file| (file["file_name"].as_str().unwrap(), file["is_open"].as_bool().unwrap()))
            .collect();
        assert_eq!(files.iter().filter(|(_, is_open)| *is_open).count(), 1, "{files:?}");
        assert!(files.contains(&("house/rules.md", true)) && files.len() == 2);

        // The messages with their times, and the calls that belong together.
        assert_eq!(croupier["message_ids"].as_array().unwrap().len(), 5);
        let messages = app.list(&format!("/v1/agents/{}/messages?order=asc", ids[0])).await;
        let kinds = each(&messages, "message_type");
        assert_eq!(
            kinds,
            [
                "system_message",
                "user_message",
                "reasoning_message",
                "assistant_message",
                "tool_call_message",
                "tool_return_message",
                "assistant_message"
            ]
        );
        assert_eq!(messages[1]["content"], "Roll, please. 🎲");
        assert_eq!(messages[1]["date"], "2025-03-01T12:00:01+00:00");
        assert_eq!(messages[6]["content"], "Seventeen!");

        // The companion and its group.
        assert_eq!(croupier["managed_group"]["agent_ids"], json!([ids[1]]));
        assert_eq!(croupier["managed_group"]["sleeptime_agent_frequency"], 5);
        let companion = agent(app, &ids[1]).await;
        assert_eq!(each(&companion["blocks"], "id"), each(&croupier["blocks"], "id"));

        // Built-in tools are those of this server.
        let search = app.list("/v1/tools/?name=conversation_search").await;
        assert_ne!(search[0]["description"], "Another text than ours.");
    })
    .await;
}

#[tokio::test]
async fn an_agent_that_goes_out_and_in_again_is_the_same() {
    on_each_database(async |app| {
        let first = imported(app, FULL, &[("append_copy_suffix", "false")]).await;
        let exported = export(app, id(&first)).await;
        let second = imported(app, &exported.to_string(), &[("append_copy_suffix", "false")]).await;
        assert_ne!(id(&first), id(&second));
        let again = export(app, id(&second)).await;
        assert_eq!(normalised(exported.clone()), normalised(again));

        // All that the hand-written file says is in the export, but for the ids of the built-in tool's making.
        let written: Value = serde_json::from_str(FULL).unwrap();
        for (agent, original) in
            exported["agents"].as_array().unwrap().iter().zip(written["agents"].as_array().unwrap())
        {
            for key in ["name", "system", "tags", "metadata", "block_ids", "in_context_message_ids", "secrets"] {
                assert_eq!(agent[key], original[key], "{key}");
            }
            for (message, original) in
                agent["messages"].as_array().unwrap().iter().zip(original["messages"].as_array().unwrap())
            {
                for key in ["id", "agent_id", "role", "name", "tool_calls", "tool_call_id", "tool_returns", "otid"] {
                    assert_eq!(message[key], original[key], "{key}");
                }
            }
        }
        for key in ["label", "value", "limit", "description", "metadata", "read_only", "preserve_on_migration"] {
            assert_eq!(exported["blocks"][0][key], written["blocks"][0][key], "{key}");
            assert_eq!(exported["blocks"][1][key], written["blocks"][1][key], "{key}");
        }
        assert_eq!(exported["groups"][0]["manager_config"], written["groups"][0]["manager_config"]);
        let texts = |file: &Value| {
            let mut texts = each(&file["files"], "content");
            texts.sort();
            texts
        };
        assert_eq!(texts(&exported), texts(&written));
        let handle = |file: &Value| file["sources"][0]["embedding_config"]["handle"].clone();
        assert_eq!(handle(&exported), handle(&written));
    })
    .await;
}

#[tokio::test]
async fn an_export_has_ids_of_its_own_and_no_secrets() {
    on_each_database(async |app| {
        let agent = app
            .agent(json!({
                "name": "Ada", "include_base_tools": true, "tags": ["t"],
                "memory_blocks": [{ "label": "z", "value": "1" }, { "label": "a", "value": "2" }],
                "secrets": { "KEY": "s3cret" },
            }))
            .await;
        let path = format!("/v1/agents/{}/export", id(&agent));
        let response = app.get(&path).await;
        assert_eq!(response.header("content-type"), Some("application/json"));
        let text = response.text();
        assert!(text.starts_with("{\n  \"agents\": [\n    {"), "{text}");
        assert!(!text.contains("s3cret"), "{text}");
        let file = response.json();
        let exported = &file["agents"][0];
        assert_eq!((&exported["id"], &exported["secrets"]), (&json!("agent-0"), &json!({ "KEY": "" })));
        assert_eq!(exported["block_ids"], json!(["block-1", "block-0"]));
        assert_eq!(each(&file["blocks"], "label"), ["a", "z"]);
        let mut names = each(&file["tools"], "name");
        assert!(names.is_sorted() && !names.is_empty());
        names.dedup();
        assert_eq!(names.len(), exported["tool_ids"].as_array().unwrap().len());
        assert_eq!(exported["messages"][0]["agent_id"], "agent-0");
        assert_eq!(exported["in_context_message_ids"], json!(["message-0"]));
        let revision = file["metadata"]["revision_id"].as_str().unwrap();
        assert!(revision.len() == 12 && revision.bytes().all(|byte| byte.is_ascii_hexdigit()));

        let scrubbed = app.list(&format!("{path}?scrub_messages=true&max_steps=5")).await;
        assert_eq!(scrubbed["agents"][0]["messages"], json!([]));
        let again = imported(app, &scrubbed.to_string(), &[]).await;
        assert_eq!(again["message_ids"].as_array().unwrap().len(), 1, "it has a system message of its own");

        let skill = json!({ "name": "s", "files": { "SKILL.md": "# s" } });
        let with_skill = app.post(&path, json!({ "skills": [skill], "scrub_messages": true })).await.expect_json();
        assert_eq!(with_skill["skills"][0]["files"], json!({ "SKILL.md": "# s" }));
        assert_eq!(with_skill["agents"][0]["messages"], json!([]));
        assert_error(&app.post(&path, json!({ "skills": [{ "name": "s" }] })).await, 422, "SKILL.md");
        assert_eq!(app.client.send("POST", &path, None).await.unwrap().status, 200);
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_exported_is_refused() {
    on_each_database(async |app| {
        let agent = app.agent(json!({})).await;
        let path = format!("/v1/agents/{}/export", id(&agent));
        let unknown = "123e4567-e89b-42d3-8456-426614174000";
        assert_error(&app.get(&format!("/v1/agents/agent-{unknown}/export")).await, 404, "not found");
        assert_error(&app.get("/v1/agents/agent-1/export").await, 422, "agent");
        assert_error(&app.get(&format!("{path}?use_legacy_format=true")).await, 400, "Legacy format is not supported");
        assert_error(&app.get(&format!("{path}?conversation_id=conv-{unknown}")).await, 404, "Conversation");
        assert_error(&app.get(&format!("{path}?conversation_id=x")).await, 422, "conversation");
        assert_error(&app.get(&format!("{path}?scrub_messages=perhaps")).await, 422, "boolean");
    })
    .await;
}

#[tokio::test]
async fn the_form_s_fields_change_what_is_imported() {
    on_each_database(async |app| {
        let plain = imported(app, MINIMAL, &[]).await;
        assert_eq!((&plain["name"], &plain["project_id"]), (&json!("Minimal_copy"), &Value::Null));
        assert_eq!(plain["message_ids"].as_array().unwrap().len(), 1);
        assert_eq!((&plain["tools"], &plain["blocks"]), (&json!([]), &json!([])));

        for name in ["name", "override_name"] {
            let agent = imported(app, MINIMAL, &[(name, "Given"), ("project_id", "p")]).await;
            assert_eq!((&agent["name"], &agent["project_id"]), (&json!("Given"), &json!("p")), "{name}");
        }
        let agent = imported(app, MINIMAL, &[("append_copy_suffix", "false")]).await;
        assert_eq!(agent["name"], "Minimal");

        let other = with(FULL, |file| {
            file["agents"][0]["llm_config"] = Value::Null;
            file["agents"][1]["llm_config"]["handle"] = json!("elsewhere/model");
        });
        assert_error(&import(app, &other, &[]).await, 400, "Import failed: llm_config is required");
        for field in ["model", "override_model_handle"] {
            let ids = import(app, &other, &[(field, MODEL)]).await.expect_json();
            for id in each_id(&ids) {
                assert_eq!(self::agent(app, &id).await["model"], MODEL);
            }
        }
        assert_error(&import(app, FULL, &[("model", "openai/no-such-model")]).await, 404, "no-such-model");
        assert_error(&import(app, FULL, &[("model", "nonsense")]).await, 400, "provider/model-name");
        assert_error(&import(app, FULL, &[("embedding", "openai/no-such-model")]).await, 400, "no-such-model");

        let stripped = imported(app, FULL, &[("strip_messages", "true")]).await;
        assert_eq!(stripped["message_ids"].as_array().unwrap().len(), 1);
        let messages = app.list(&format!("/v1/agents/{}/messages", id(&stripped))).await;
        assert!(messages[0]["content"].as_str().unwrap().contains("Ada likes twenty-sided dice."));

        let mut client = app.client().with_header("x-project-id", "from the header");
        let body = form(MINIMAL, &[("project_id", "from the form")]);
        let answer = client.send_bytes("POST", "/v1/agents/import", "multipart/form-data; boundary=form", Some(&body));
        let ids = answer.await.unwrap().expect_json();
        let agent = self::agent(app, ids["agent_ids"][0].as_str().unwrap()).await;
        assert_eq!(agent["project_id"], "from the header");
    })
    .await;
}

fn each_id(answer: &Value) -> Vec<String> {
    answer["agent_ids"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn tools_of_the_same_name_are_overwritten_or_kept_but_built_in_ones_never_are() {
    on_each_database(async |app| {
        let first = imported(app, FULL, &[]).await;
        let changed = with(FULL, |file| {
            file["tools"][1]["description"] = json!("Rolls another die.");
            file["tools"][0]["tool_type"] = json!("custom");
            file["tools"][0]["source_code"] = json!("def conversation_search():\n    return 'mine'\n");
        });
        let tool = |agent: &Value, name: &str| {
            agent["tools"].as_array().unwrap().iter().find(|tool| tool["name"] == name).unwrap().clone()
        };
        let kept = imported(app, &changed, &[("override_existing_tools", "false")]).await;
        assert_eq!(tool(&kept, "roll_dice"), tool(&first, "roll_dice"));
        let overwritten = imported(app, &changed, &[]).await;
        assert_eq!(tool(&overwritten, "roll_dice")["id"], tool(&first, "roll_dice")["id"]);
        assert_eq!(tool(&overwritten, "roll_dice")["description"], "Rolls another die.");
        let search = tool(&overwritten, "conversation_search");
        assert_eq!((&search["tool_type"], &search["source_code"]), (&json!("letta_core"), &Value::Null));

        let without_schema = with(FULL, |file| {
            file["tools"][1]["name"] = json!("derived");
            file["tools"][1]["json_schema"] = Value::Null;
            file["tools"][1]["source_code"] = json!(
                "def derived(sides: int):\n    \"\"\"Rolls.\n\n    Args:\n        sides: How many.\n    \"\"\"\n"
            );
        });
        let derived = tool(&imported(app, &without_schema, &[]).await, "derived");
        assert_eq!(derived["json_schema"]["parameters"]["required"], json!(["sides"]));
    })
    .await;
}

#[tokio::test]
async fn a_file_of_the_older_form_is_converted() {
    on_each_database(async |app| {
        let agent = imported(app, LEGACY, &[("env_vars_json", r#"{"OLD_KEY": "v"}"#)]).await;
        assert_eq!((&agent["name"], &agent["agent_type"]), (&json!("Old friend_copy"), &json!("memgpt_agent")));
        assert_eq!(each(&agent["blocks"], "label"), ["human", "persona"]);
        assert_eq!(agent["blocks"][1]["metadata"], json!({ "mood": "calm" }));
        assert_eq!(each(&agent["tools"], "name"), ["send_message"]);
        assert_eq!((&agent["tags"], &agent["metadata"]), (&json!(["old"]), &json!({ "origin": "before" })));
        assert_eq!((&agent["secrets"][0]["key"], &agent["secrets"][0]["value"]), (&json!("OLD_KEY"), &json!("v")));
        assert_eq!(agent["message_ids"].as_array().unwrap().len(), 2, "one is not in the context");
        assert_eq!(app.list(&format!("/v1/agents/{}/messages", id(&agent))).await.as_array().unwrap().len(), 3);
    })
    .await;
}

/// A file, the form's other fields, and the status and words of the refusal.
type Case = (String, Vec<(&'static str, &'static str)>, u16, &'static str);

#[tokio::test]
async fn a_file_that_cannot_be_imported_is_refused_and_leaves_nothing() {
    on_each_database(async |app| {
        let deep = format!("{{\"agents\": {}", "[".repeat(100_000));
        let cases: Vec<Case> = vec![
            ("{".into(), vec![], 400, "Corrupted agent file format."),
            (deep, vec![], 400, "Corrupted agent file format."),
            (String::new(), vec![], 400, "Corrupted agent file format."),
            ("{}".into(), vec![], 400, "Legacy AgentSchema format is deprecated. Please use the new AgentFileSchema"),
            (FULL.into(), vec![("secrets", "[1]")], 400, "secrets must be a valid JSON string"),
            (FULL.into(), vec![("secrets", "{\"K\": 1}")], 400, "secrets must be a valid JSON string"),
            (FULL.into(), vec![("strip_messages", "perhaps")], 422, "boolean"),
            (FULL.into(), vec![("name", "a/b")], 422, "invalid characters"),
            (with(FULL, |f| f["agents"][0]["name"] = json!("a/b")), vec![], 422, "invalid characters"),
            (with(FULL, |f| f["agents"][0]["timezone"] = json!("Mars")), vec![], 422, "Mars"),
            (with(FULL, |f| f["agents"][0]["messages"][0]["role"] = json!("king")), vec![], 422, "king"),
            (with(FULL, |f| f["blocks"] = json!({})), vec![], 422, "blocks"),
            (with(FULL, |f| f["agents"][0]["id"] = json!("x")), vec![], 400, "x should start with 'agent-'"),
            (with(FULL, |f| f["agents"][1]["id"] = json!("agent-0")), vec![], 400, "Duplicate agents IDs found"),
            (
                with(FULL, |f| f["files"][0]["source_id"] = json!("source-9")),
                vec![],
                400,
                "Import failed: Schema validation failed: File file-0 references non-existent source source-9",
            ),
            (with(FULL, |f| f["agents"][1]["tool_ids"] = json!(["tool-9"])), vec![], 400, "Import failed: "),
            (
                with(FULL, |f| f["agents"][1]["tools"] = json!(["no_such"])),
                vec![],
                400,
                "Import failed: Tools not found",
            ),
            (with(FULL, |f| f["tools"][1]["return_char_limit"] = json!(0)), vec![], 422, "return_char_limit"),
            (with(FULL, |f| f["blocks"][0]["label"] = json!("persona")), vec![], 400, "'persona'"),
            (with(FULL, |f| f["sources"][0]["embedding_config"] = Value::Null), vec![], 400, "embedding_config"),
            (with(FULL, |f| f["agents"][1]["max_files_open"] = json!(2000)), vec![], 400, "max_files_open"),
        ];
        let tools = app.list("/v1/tools/count").await;
        for (file, fields, status, fragment) in cases {
            let response = import(app, &file, &fields).await;
            assert_error(&response, status, fragment);
        }
        assert_error(&app.post("/v1/agents/import", json!({})).await, 422, "file");
        assert_error(&send(app, b"--form--\r\n").await, 422, "file");
        let mut cut = form(FULL, &[]);
        cut.truncate(2000);
        assert_error(&send(app, &cut).await, 400, "form");
        for (path, expected) in [
            ("/v1/agents/count", json!(0)),
            ("/v1/blocks/count", json!(0)),
            ("/v1/groups/count", json!(0)),
            ("/v1/folders/count", json!(0)),
            ("/v1/tools/count", tools),
        ] {
            assert_eq!(app.list(path).await, expected, "{path}");
        }
        assert_eq!(app.get("/v1/agents/import").await.status, 405);
    })
    .await;
}

#[tokio::test]
async fn an_imported_agent_answers() {
    on_each_database(async |app| {
        let agent = imported(app, FULL, &[("name", "Ready")]).await;
        app.model.push(Answer::text("At your service."));
        let messages = json!({ "messages": [{ "role": "user", "content": "Hello." }] });
        let answer = app.post(&format!("/v1/agents/{}/messages", id(&agent)), messages).await.expect_json();
        assert_eq!(answer["messages"][0]["content"], "At your service.");
    })
    .await;
}

#[tokio::test]
async fn another_organization_exports_nothing() {
    on_each_database(async |app| {
        let agent = app.agent(json!({})).await;
        let organization = app.post("/v1/admin/orgs/", json!({ "name": "theirs" })).await.expect_json();
        let user = json!({ "name": "eve", "organization_id": id(&organization) });
        let user = app.post("/v1/admin/users/", user).await.expect_json();
        let mut eve = app.client().with_header("user_id", id(&user));
        let path = format!("/v1/agents/{}/export", id(&agent));
        assert_error(&eve.get(&path).await.unwrap(), 404, "not found");
        assert_error(&eve.post(&path, &json!({})).await.unwrap(), 404, "not found");

        // What she imports is hers, tools of the same name included.
        app.client = app.client().with_header("user_id", id(&user));
        let theirs = imported(app, FULL, &[]).await;
        app.client = app.client();
        assert_error(&app.get(&format!("/v1/agents/{}", id(&theirs))).await, 404, "not found");
        assert_eq!(app.list("/v1/tools/?name=roll_dice").await, json!([]));
    })
    .await;
}

#[tokio::test]
async fn tools_of_mcp_servers_come_along_without_their_server() {
    on_each_database(async |app| {
        let agent = imported(app, MCP, &[]).await;
        assert_eq!(agent["tools"][0]["tool_type"], "external_mcp");
        assert!(agent["tools"][0]["metadata_"]["mcp"]["server_name"].is_string());
    })
    .await;
}
