//! `/v1/tools`, and running a tool of an agent

use muisti_testkit::{Client, Response};
use serde_json::{Value, json};

use crate::harness::{App, assert_error, each, id, on_each_database, on_sqlite};

#[tokio::test]
async fn built_in_tools_are_there_from_the_start() {
    on_each_database(async |app| {
        let count = app.list("/v1/tools/count").await.as_u64().unwrap();
        let tools = app.list("/v1/tools/?limit=1000").await;
        assert_eq!(tools.as_array().unwrap().len() as u64, count);
        let found = app.list("/v1/tools/?name=memory_insert").await;
        assert_eq!(each(&found, "name"), ["memory_insert"]);
        let tool = found[0].clone();
        assert_eq!(app.list(&format!("/v1/tools/{}", id(&tool))).await, tool);
        let names = each(&app.list("/v1/tools/?names=memory_insert&names=memory_replace&order=asc").await, "name");
        assert_eq!(names.len(), 2);
        let of_types = app.list("/v1/tools/?tool_types=letta_sleeptime_core,letta_core&limit=100").await;
        let types = each(&of_types, "tool_type");
        assert!(types.iter().all(|kind| ["letta_sleeptime_core", "letta_core"].contains(&kind.as_str())), "{types:?}");
        assert_eq!(app.list("/v1/tools/?search=nothing-like-this").await, json!([]));
        assert_eq!(app.list("/v1/tools/count?exclude_letta_tools=true").await, json!(0));
    })
    .await;
}

#[tokio::test]
async fn what_does_not_exist_is_refused_with_a_reason() {
    on_each_database(async |app| {
        assert_error(
            &app.get("/v1/tools/?tool_types=wooden").await,
            400,
            "Invalid tool_type 'wooden'. Must be one of:",
        );
        let unknown = "tool-123e4567-e89b-42d3-8456-426614174000";
        assert_error(&app.get(&format!("/v1/tools/{unknown}")).await, 404, unknown);
        assert_error(&app.get(&format!("/v1/tools/?after={unknown}")).await, 404, "No Tool found with id");
    })
    .await;
}

#[tokio::test]
async fn pages_of_tools_hold_each_tool_once() {
    on_each_database(async |app| {
        let all = each(&app.list("/v1/tools/?limit=1000").await, "id");
        let mut seen: Vec<String> = Vec::new();
        loop {
            let after = seen.last().map_or(String::new(), |last| format!("&after={last}"));
            let page = each(&app.list(&format!("/v1/tools/?limit=4{after}")).await, "id");
            if page.is_empty() {
                break;
            }
            seen.extend(page);
        }
        assert_eq!(seen, all);
    })
    .await;
}

/// A tool in Python that adds, under another name if one is given.
fn adder(name: &str) -> String {
    format!(
        "def helper(x):\n    return x\n\n\ndef {name}(a: int, b: int = 1) -> int:\n    \"\"\"Add.\n\n    Args:\n        \
         a: left\n        b: right\n    \"\"\"\n    return a + b\n"
    )
}

fn adder_schema(name: &str) -> Value {
    json!({
        "name": name,
        "description": "Add.",
        "parameters": {
            "type": "object",
            "properties": {
                "a": { "type": "integer", "description": "left" },
                "b": { "type": "integer", "description": "right" },
            },
            "required": ["a"],
        },
    })
}

async fn put(app: &mut App, body: Value) -> Response {
    app.client.send("PUT", "/v1/tools/", Some(&body)).await.unwrap()
}

#[tokio::test]
async fn a_tool_is_made_of_source_read_changed_and_deleted() {
    on_each_database(async |app| {
        let tool = app.post("/v1/tools/", json!({ "source_code": adder("add") })).await.expect_json();
        let path = format!("/v1/tools/{}", id(&tool));
        assert_eq!(tool["json_schema"], adder_schema("add"));
        let expected = json!(["add", "Add.", "custom", "python", [], 50_000, false, null, null, null]);
        let fields = ["name", "description", "tool_type", "source_type", "tags", "return_char_limit"];
        let more = ["enable_parallel_execution", "pip_requirements", "default_requires_approval", "project_id"];
        assert_eq!(fields.iter().chain(&more).map(|key| tool[key].clone()).collect::<Value>(), expected);
        assert_eq!(tool["metadata_"]["tool_hash"].as_str().unwrap().len(), 12);
        assert_eq!(app.list(&path).await, tool);

        let change = json!({ "tags": ["math"], "pip_requirements": [{ "name": "numpy", "version": "4.1.0-beta" }] });
        let changed = app.patch(&path, change).await.expect_json();
        assert_eq!(changed["tags"], json!(["math"]));
        assert_eq!(changed["pip_requirements"], json!([{ "name": "numpy", "version": "4.1.0-beta" }]));
        assert_eq!(app.patch(&path, json!({ "tags": null, "name": "x", "other": 1 })).await.expect_json(), changed);
        let cleared = app.patch(&path, json!({ "tags": [], "pip_requirements": [] })).await.expect_json();
        assert_eq!((&cleared["tags"], &cleared["pip_requirements"]), (&json!([]), &json!([])));

        let deleted = app.delete(&path).await;
        assert_eq!((deleted.status, deleted.text().as_str()), (200, "null"));
        for response in [app.get(&path).await, app.delete(&path).await, app.patch(&path, json!({})).await] {
            assert_error(&response, 404, "not found");
        }
    })
    .await;
}

#[tokio::test]
async fn a_tool_of_the_same_name_keeps_its_id_and_what_is_not_said() {
    on_each_database(async |app| {
        let body =
            json!({ "source_code": adder("add"), "tags": ["math"], "return_char_limit": 10, "description": "Mine" });
        let first = app.post("/v1/tools/", body).await.expect_json();
        assert_eq!((&first["description"], &first["json_schema"]["description"]), (&json!("Mine"), &json!("Add.")));
        let source = adder("add").replace("Add.", "Adds.");
        let second =
            put(app, json!({ "source_code": source, "pip_requirements": [{ "name": "x" }] })).await.expect_json();
        assert_eq!(second["id"], first["id"]);
        assert_eq!((&second["description"], &second["tags"]), (&json!("Adds."), &json!(["math"])));
        assert_eq!((&second["return_char_limit"], &second["source_code"]), (&json!(10), &json!(source)));
        let third = app.post("/v1/tools/", json!({ "source_code": source, "tags": [] })).await.expect_json();
        assert_eq!((&third["id"], &third["tags"]), (&first["id"], &json!([])));
        assert_eq!(third["pip_requirements"], json!([{ "name": "x", "version": null }]));
        assert_eq!(each(&app.list("/v1/tools/?tool_types=custom").await, "name"), ["add"]);
    })
    .await;
}

#[tokio::test]
async fn a_schema_can_be_given_whole_or_for_the_arguments() {
    on_each_database(async |app| {
        let arguments = json!({
            "type": "object",
            "properties": { "a": { "$ref": "#/$defs/A" }, "b": { "type": "string", "enum": ["x"] } },
            "required": ["a"],
            "$defs": { "A": { "type": "object", "properties": { "c": { "type": "integer", "title": "C" } } } },
        });
        let body = json!({ "source_code": adder("add"), "args_json_schema": arguments });
        let tool = app.post("/v1/tools/", body).await.expect_json();
        assert_eq!(tool["args_json_schema"], arguments);
        assert_eq!(tool["json_schema"]["description"], "Add.\n\nArgs:\n    a: left\n    b: right");
        let c = json!({ "type": "integer", "description": "" });
        assert_eq!(
            tool["json_schema"]["parameters"],
            json!({
                "type": "object",
                "properties": {
                    "a": { "type": "object", "properties": { "c": c }, "description": "" },
                    "b": { "type": "string", "enum": ["x"], "description": "" },
                },
                "required": ["a"],
            })
        );
        let schema =
            json!({ "name": "run", "description": "Run.", "parameters": { "type": "object", "properties": {} } });
        let source = "export const run = async () => 1;";
        let body = json!({ "source_code": source, "source_type": "typescript", "json_schema": schema });
        let tool = put(app, body).await.expect_json();
        assert_eq!(
            (&tool["json_schema"], &tool["description"], &tool["name"]),
            (&schema, &json!("Run."), &json!("run"))
        );
    })
    .await;
}

#[tokio::test]
async fn source_of_which_no_tool_can_be_made_is_refused_with_its_line() {
    on_each_database(async |app| {
        for (body, status, fragment) in [
            (json!({}), 422, "source_code"),
            (json!({ "source_code": adder("add"), "name": "add" }), 422, "name"),
            (json!({ "source_code": adder("add"), "return_char_limit": 0 }), 422, "return_char_limit"),
            (json!({ "source_code": adder("add"), "pip_requirements": [{ "name": "" }] }), 422, "at least 1 character"),
            (
                json!({ "source_code": "export function f() {}", "source_type": "typescript" }),
                422,
                "TypeScript tools require an explicit json_schema",
            ),
            (
                json!({ "source_code": "def f(a, b: int):\n    'Do.'\n" }),
                400,
                "Failed to derive json schema: Schema generation failed: Type error in schema generation: Parameter 'a' in \
                 function 'f' lacks a type annotation (line 1)",
            ),
            (json!({ "source_code": "x = 1" }), 400, "Schema generation failed: No functions found in source code"),
            (json!({ "source_code": "def f():\n    pass" }), 400, "Function f missing docstring (line 1)"),
            (json!({ "source_code": "\ndef f(:\n" }), 400, "Failed to parse source code: "),
            (json!({ "source_code": adder("add"), "source_type": "ruby" }), 400, "Unknown tool source type: ruby"),
            (json!({ "source_code": adder("add"), "json_schema": {} }), 400, "has no 'name'"),
            (json!({ "source_code": adder("add"), "json_schema": { "name": "a b" } }), 400, "no name of a function"),
            (json!({ "source_code": adder("add"), "json_schema": { "name": "sub" } }), 400, "defines no function 'sub'"),
            (
                json!({ "source_code": adder("add"), "args_json_schema": { "properties": { "a": {} } } }),
                400,
                "at 'a': it has no 'type'",
            ),
            (json!({ "source_code": adder("send_message") }), 409, "built in"),
            (json!({ "source_code": adder(&"x".repeat(65)) }), 400, "at most 64"),
        ] {
            assert_error(&app.post("/v1/tools/", body.clone()).await, status, fragment);
            assert_error(&put(app, body).await, status, fragment);
        }
        assert_eq!(app.list("/v1/tools/count?exclude_letta_tools=true").await, json!(0));
    })
    .await;
}

#[tokio::test]
async fn new_source_brings_a_new_schema_unless_somebody_wrote_the_old_one() {
    on_each_database(async |app| {
        let tool = app.post("/v1/tools/", json!({ "source_code": adder("add") })).await.expect_json();
        let path = format!("/v1/tools/{}", id(&tool));
        let source = adder("add").replace("left", "the left one");
        let changed = app.patch(&path, json!({ "source_code": source })).await.expect_json();
        assert_eq!(changed["json_schema"]["parameters"]["properties"]["a"]["description"], "the left one");
        assert_ne!(changed["metadata_"]["tool_hash"], tool["metadata_"]["tool_hash"]);
        assert_error(
            &app.patch(&path, json!({ "source_code": adder("sub") })).await,
            400,
            "Tool name 'add' does not match",
        );
        let both = json!({ "source_code": adder("sub"), "json_schema": { "name": "other" } });
        assert_error(&app.patch(&path, both).await, 400, "in the JSON schema 'other' or in the source code");

        let mut schema = adder_schema("sub");
        schema["description"] = "By hand.".into();
        let renamed =
            app.patch(&path, json!({ "source_code": adder("sub"), "json_schema": schema })).await.expect_json();
        assert_eq!((&renamed["name"], &renamed["json_schema"]), (&json!("sub"), &schema));
        let kept = app.patch(&path, json!({ "source_code": adder("sub").replace("Add.", "No.") })).await.expect_json();
        assert_eq!(kept["json_schema"], schema);

        app.post("/v1/tools/", json!({ "source_code": adder("add") })).await.expect_json();
        for name in ["add", "memory_insert"] {
            let taken = app.patch(&path, json!({ "json_schema": { "name": name } })).await;
            let text = format!("INVALID_ARGUMENT: Tool with name '{name}' already exists in your organization");
            assert_error(&taken, 400, &text);
        }
        assert_error(&app.patch("/v1/tools/foo", json!({})).await, 422, "tool-");
        assert_error(&app.delete("/v1/tools/foo").await, 422, "tool-");
    })
    .await;
}

#[tokio::test]
async fn built_in_tools_keep_what_they_do_and_come_back() {
    on_each_database(async |app| {
        let tool = app.list("/v1/tools/?name=memory_insert").await[0].clone();
        let path = format!("/v1/tools/{}", id(&tool));
        let changed = app.patch(&path, json!({ "return_char_limit": 9, "tags": ["mine"] })).await.expect_json();
        assert_eq!((&changed["return_char_limit"], &changed["tags"]), (&json!(9), &json!(["mine"])));
        for body in [json!({ "source_code": "def memory_insert(): pass" }), json!({ "json_schema": { "name": "x" } })] {
            assert_error(&app.patch(&path, body).await, 400, "letta_sleeptime_core");
        }
        let added = app.post("/v1/tools/add-base-tools", json!({})).await.expect_json();
        assert_eq!(added.as_array().unwrap().len(), 26);
        assert_eq!(app.list(&path).await, changed);

        app.delete(&path).await.expect_json();
        assert_eq!(app.list("/v1/tools/?name=memory_insert").await, json!([]));
        assert_eq!(app.list("/v1/tools/").await.as_array().unwrap().len(), 26);
        assert_eq!(each(&app.list("/v1/tools/?name=memory_insert").await, "name"), ["memory_insert"]);
        let unset = app.patch(&path, json!({ "tags": [] })).await;
        assert_error(&unset, 404, "not found");
    })
    .await;
}

#[tokio::test]
async fn a_project_sees_its_own_tools_and_those_of_all() {
    on_each_database(async |app| {
        let url = app.server.url();
        let in_project = |name: &str| Client::new(&url).with_header("x-project-id", name);
        let body = json!({ "source_code": adder("theirs") });
        let tool = in_project("p").post("/v1/tools/", &body).await.unwrap().expect_json();
        assert_eq!(tool["project_id"], "p");
        app.post("/v1/tools/", json!({ "source_code": adder("everyones") })).await.expect_json();
        let path = "/v1/tools/?tool_types=custom&order=asc";
        let names = async |project: &str| each(&in_project(project).get(path).await.unwrap().expect_json(), "name");
        assert_eq!(names("p").await, ["theirs", "everyones"]);
        assert_eq!(names("q").await, ["everyones"]);
        let count = in_project("q").get("/v1/tools/count?tool_types=custom").await.unwrap().expect_json();
        assert_eq!(count, json!(1));
        assert_eq!(each(&app.list(path).await, "name"), ["theirs", "everyones"]);
    })
    .await;
}

#[tokio::test]
async fn tools_are_found_by_their_words() {
    on_each_database(async |app| {
        let body = json!({ "source_code": adder("add"), "tags": ["arithmetic"] });
        app.post("/v1/tools/", body).await.expect_json();
        let names = async |app: &mut App, body: Value| {
            let found = app.post("/v1/tools/search", body).await.expect_json();
            found
                .as_array()
                .unwrap()
                .iter()
                .map(|found| found["tool"]["name"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(app, json!({ "query": "arithmetic" })).await, ["add"]);
        assert_eq!(names(app, json!({ "query": "LEFT" })).await[0], "add");
        assert_eq!(names(app, json!({ "query": "memory insert" })).await[0], "memory_insert");
        assert_eq!(names(app, json!({ "query": "zebra" })).await, [""; 0]);
        assert_eq!(names(app, json!({ "tags": ["arithmetic", "x"] })).await, ["add"]);
        assert_eq!(names(app, json!({ "limit": 3 })).await.len(), 3);
        assert_eq!(names(app, json!({ "tool_types": ["custom"] })).await, ["add"]);
        let found = app.post("/v1/tools/search", json!({ "query": "add", "search_mode": "fts" })).await.expect_json();
        let ranks = ["fts_rank", "vector_rank", "combined_score", "embedded_text"].map(|key| found[0][key].clone());
        assert_eq!(ranks, [json!(1), json!(null), json!(1.0), json!(null)]);
        assert_error(&app.post("/v1/tools/search", json!({ "tool_types": ["x"] })).await, 400, "Invalid tool_type 'x'");
        for body in
            [json!({ "limit": 0 }), json!({ "limit": 101 }), json!({ "search_mode": "x" }), json!({ "other": 1 })]
        {
            assert_eq!(app.post("/v1/tools/search", body).await.status, 422);
        }
    })
    .await;
}

#[tokio::test]
async fn a_schema_is_derived_without_making_a_tool() {
    on_sqlite(
        |server| server,
        async |app| {
            let path = "/v1/tools/generate-schema";
            assert_eq!(app.post(path, json!({ "code": adder("add") })).await.expect_json(), adder_schema("add"));
            let source = "export function greet(name: string, loud?: boolean): string { return name; }";
            let schema = app.post(path, json!({ "code": source, "source_type": "typescript" })).await.expect_json();
            assert_eq!(schema["parameters"]["required"], json!(["name"]));
            let none = json!({ "code": "function f() {}", "source_type": "typescript" });
            assert_error(&app.post(path, none).await, 400, "No exported function found in TypeScript source code");
            assert_error(
                &app.post(path, json!({ "code": "x = 1" })).await,
                400,
                "Schema generation failed: No functions",
            );
            assert_eq!(app.post(path, json!({})).await.status, 422);
            assert_eq!(app.list("/v1/tools/count?exclude_letta_tools=true").await, json!(0));
        },
    )
    .await;
}

#[tokio::test]
async fn a_tool_of_an_agent_is_run_without_a_trace_but_for_what_it_does() {
    on_each_database(async |app| {
        let human = json!([{ "label": "human", "value": "Name: Ada" }]);
        let agent = app.agent(json!({ "memory_blocks": human })).await;
        let path = |tool: &str| format!("/v1/agents/{}/tools/{tool}/run", id(&agent));
        let args = json!({ "args": { "label": "human", "new_string": "Likes green." } });
        let done = app.post(&path("memory_insert"), args).await.expect_json();
        assert_eq!((&done["status"], &done["agent_state"]), (&json!("success"), &json!(null)));
        assert!(done["func_return"].is_string(), "{done}");
        let block = app.list(&format!("/v1/agents/{}/core-memory/blocks/human", id(&agent))).await;
        assert!(block["value"].as_str().unwrap().contains("Likes green."), "{block}");

        for args in
            [json!({ "args": { "label": "none", "new_string": "x" } }), json!({ "args": { "wrong": 1 } }), json!({})]
        {
            let failed = app.post(&path("memory_insert"), args).await.expect_json();
            assert_eq!((&failed["status"], &failed["func_return"]), (&json!("error"), &json!(null)));
            let reason = failed["stderr"][0].as_str().unwrap();
            assert!(reason.starts_with("Error executing function memory_insert: "), "{reason}");
        }
        assert_eq!(app.list(&format!("/v1/runs/?agent_id={}", id(&agent))).await, json!([]));
        let missing = format!("Tool 'add' not found or not attached to agent '{}'", id(&agent));
        assert_error(&app.post(&path("add"), json!({})).await, 404, &missing);
        let unknown = "agent-123e4567-e89b-42d3-8456-426614174000";
        assert_error(
            &app.post(&format!("/v1/agents/{unknown}/tools/memory_insert/run"), json!({})).await,
            404,
            unknown,
        );
        assert_error(&app.post("/v1/agents/foo/tools/memory_insert/run", json!({})).await, 422, "agent-");
        assert_eq!(app.post(&path("memory_insert"), json!({ "args": 5 })).await.status, 422);
    })
    .await;
}
