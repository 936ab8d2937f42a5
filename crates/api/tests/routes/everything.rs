//! What holds for every route of the document: other organizations see nothing, and no request is answered with a 500.

use muisti_testkit::Client;
use serde_json::{Value, json};

use crate::harness::{App, id, on_each_database};

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/// A word that stands in everything that the first organization has.
const SECRET: &str = "zanzibar";

/// An operation of the document.
struct Operation {
    method: &'static str,
    path: String,
    /// The names of the query parameters.
    query: Vec<String>,
    /// The names of the members of the body; none when it takes no body.
    body: Option<Vec<String>>,
}

impl Operation {
    fn all() -> Vec<Self> {
        let document = serde_json::to_value(muisti_api::document()).unwrap();
        let mut all = Vec::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for method in METHODS {
                let operation = &item[method.to_lowercase()];
                if operation.is_null() {
                    continue;
                }
                let parameters = operation["parameters"].as_array().into_iter().flatten();
                let query = parameters.filter(|p| p["in"] == "query").map(|p| p["name"].as_str().unwrap().to_owned());
                let contents = operation["requestBody"]["content"].as_object();
                let body = contents.and_then(|contents| contents.values().next());
                all.push(Self {
                    method,
                    path: path.clone(),
                    query: query.collect(),
                    body: body.map(|body| members(&document, &body["schema"])),
                });
            }
        }
        all
    }

    /// The path with these values in the place of its parameters, those named in `ids` first.
    fn path(&self, ids: &[(&str, String)], other: &str) -> String {
        let mut path = self.path.clone();
        for (name, value) in ids {
            path = path.replace(&format!("{{{name}}}"), value);
        }
        while let (Some(start), Some(end)) = (path.find('{'), path.find('}')) {
            path.replace_range(start..=end, other);
        }
        path
    }
}

/// The names of the members of an object, also where it is one of several.
fn members(document: &Value, schema: &Value) -> Vec<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        return members(document, document.pointer(reference.strip_prefix('#').unwrap()).unwrap());
    }
    let own = schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.clone());
    let parts = ["allOf", "anyOf", "oneOf"].into_iter().flat_map(|key| schema[key].as_array().into_iter().flatten());
    own.chain(parts.flat_map(|part| members(document, part))).collect()
}

/// Things of an organization, by the names of the path parameters that lead to them.
async fn belongings(app: &mut App) -> Vec<(&'static str, String)> {
    let block = app.block("human", SECRET).await;
    let agent = app
        .agent(json!({
            "name": SECRET, "block_ids": [id(&block)], "tags": [SECRET], "secrets": { "KEY": SECRET },
            "description": SECRET, "metadata": { "word": SECRET }, "project_id": SECRET,
        }))
        .await;
    let agent = id(&agent).to_owned();
    let sent = app.post(&format!("/v1/agents/{agent}/messages"), json!({ "input": SECRET })).await.expect_json();
    let run = sent["messages"][0]["run_id"].as_str().unwrap().to_owned();
    let steps = app.list(&format!("/v1/runs/{run}/steps")).await;
    let messages = app.list(&format!("/v1/agents/{agent}/messages")).await;
    let tools = app.list("/v1/tools/?limit=1").await;
    let mut things = vec![
        ("block_id", id(&block).to_owned()),
        ("step_id", id(&steps[0]).to_owned()),
        ("message_id", id(&messages[0]).to_owned()),
        ("tool_id", id(&tools[0]).to_owned()),
        ("block_label", "human".to_owned()),
        ("run_id", run),
        ("job_id", app.job(json!({ "metadata": { "word": SECRET } })).await),
        ("agent_id", agent.clone()),
    ];
    let more = [
        ("archive_id", "/v1/archives/", json!({ "name": SECRET })),
        ("folder_id", "/v1/folders/", json!({ "name": SECRET })),
        (
            "identity_id",
            "/v1/identities/",
            json!({ "identifier_key": SECRET, "name": SECRET, "identity_type": "user" }),
        ),
    ];
    for (name, path, body) in more {
        let made = app.post(path, body).await;
        if made.is_success() {
            things.push((name, id(&made.json()).to_owned()));
        }
    }
    let talk = json!({ "summary": SECRET, "messages": [{ "role": "user", "content": SECRET }] });
    let talk = app.post(&format!("/v1/conversations/?agent_id={agent}"), talk).await.expect_json();
    things.push(("conversation_id", id(&talk).to_owned()));
    if let Some((_, folder)) = things.iter().find(|(name, _)| *name == "folder_id").cloned() {
        things.push(("source_id", folder));
    }
    things
}

/// A user of an organization of its own, as a client.
async fn stranger(app: &mut App) -> Client {
    let organization = app.post("/v1/admin/orgs/", json!({ "name": "other" })).await.expect_json();
    let user = json!({ "name": "stranger", "organization_id": organization["id"] });
    let user = app.post("/v1/admin/users/", user).await.expect_json();
    app.client().with_header("user_id", id(&user))
}

/// All that the first organization has, as it sees it itself.
async fn inventory(app: &mut App, things: &[(&'static str, String)]) -> Vec<Value> {
    let mut all = Vec::new();
    for (name, path) in [
        ("agent_id", "/v1/agents/{}?include=agent.blocks&include=agent.tools&include=agent.secrets"),
        ("agent_id", "/v1/agents/{}/messages"),
        ("block_id", "/v1/blocks/{}"),
        ("job_id", "/v1/jobs/{}"),
        ("run_id", "/v1/runs/{}"),
        ("step_id", "/v1/steps/{}"),
        ("tool_id", "/v1/tools/{}"),
        ("archive_id", "/v1/archives/{}"),
        ("folder_id", "/v1/folders/{}"),
        ("identity_id", "/v1/identities/{}"),
        ("conversation_id", "/v1/conversations/{}"),
        ("conversation_id", "/v1/conversations/{}/messages"),
    ] {
        if let Some((_, id)) = things.iter().find(|(known, _)| *known == name) {
            all.push(app.list(&path.replace("{}", id)).await);
        }
    }
    all
}

#[tokio::test]
async fn another_organization_sees_and_changes_nothing() {
    on_each_database(async |app| {
        let things = belongings(app).await;
        let before = inventory(app, &things).await;
        let mut stranger = stranger(app).await;
        let mut faults = Vec::new();
        for operation in Operation::all() {
            // A deployment is only a name: one that has nothing is empty, not missing.
            let has_id = operation.path.replace("{deployment_id}", "").contains("_id}");
            let path = operation.path(&things, "unknown");
            let body = operation.body.as_ref().map(|_| json!({}));
            let answer = stranger.send(operation.method, &path, body.as_ref()).await.unwrap();
            let text = answer.text();
            let place = format!("{} {}: {} {text}", operation.method, operation.path, answer.status);
            let shown = text.contains(SECRET)
                || answer.is_success() && things.iter().any(|(name, id)| name.ends_with("_id") && text.contains(id));
            let changed = has_id && operation.method != "GET" && answer.is_success();
            if shown || changed || answer.status >= 500 {
                faults.push(place);
            }
        }
        assert!(faults.is_empty(), "{}", faults.join("\n"));
        assert_eq!(inventory(app, &things).await, before);

        for body in [json!({ "block_ids": [] }), json!({ "tool_ids": [] })] {
            let (kind, _) = body.as_object().unwrap().iter().next().unwrap();
            let name = kind.strip_suffix('s').unwrap();
            let (_, id) = things.iter().find(|(known, _)| *known == name).unwrap();
            let request = json!({ "model": crate::harness::MODEL, kind: [id] });
            let refused = stranger.post("/v1/agents/", &request).await.unwrap();
            assert!((400..500).contains(&refused.status), "{kind}: {} {}", refused.status, refused.text());
        }
    })
    .await;
}

/// Texts that no parameter is meant to have.
const ODD_TEXTS: [&str; 8] =
    ["%00", "-1", "99999999999999999999", "abc", "%FF%FE", "%F0%9F%98%80", "'%22;--%5C", "%7B%7D"];

fn odd_values() -> Vec<Value> {
    vec![
        Value::Null,
        json!(-1),
        json!(1e300),
        json!(true),
        json!("\0"),
        json!("x"),
        json!([]),
        json!({}),
        json!([{ "a": [null] }]),
        json!({ "type": "\0", "\0": 1 }),
    ]
}

#[tokio::test]
async fn no_request_is_answered_with_a_500() {
    on_each_database(async |app| {
        let things = belongings(app).await;
        let mut faults = Vec::new();
        let mut asked = 0;
        for operation in Operation::all() {
            // What an operation makes of its agent is not to be in the way of the others.
            let agent = app.agent(json!({ "memory_blocks": [{ "label": "human", "value": "x" }] })).await;
            let mut ids = things.clone();
            ids.iter_mut().filter(|(name, _)| *name == "agent_id").for_each(|thing| thing.1 = id(&agent).to_owned());
            if operation.method == "DELETE" {
                ids.clear();
            }
            let path = operation.path(&ids, "x");
            let mut requests: Vec<(String, Option<Vec<u8>>)> = Vec::new();
            let empty = operation.body.as_ref().map(|_| b"{}".to_vec());
            if operation.path.contains('{') {
                let mut odd = ODD_TEXTS.to_vec();
                odd.extend(["agent-1", "agent-00000000-0000-4000-8000-00000000000g", "a%2F..%2Fb"]);
                requests.extend(odd.into_iter().map(|text| (operation.path(&[], text), empty.clone())));
            }
            for name in &operation.query {
                let odd = ODD_TEXTS.iter().map(|text| (format!("{path}?{name}={text}"), empty.clone()));
                requests.extend(odd);
            }
            if let Some(members) = &operation.body {
                for text in ["", "null", "[]", "\"\"", "{", "{}", "[[[[", "{\"a\":\u{1}}", "1e999", "{\"x\":1}"] {
                    requests.push((path.clone(), Some(text.as_bytes().to_vec())));
                }
                requests.push((path.clone(), Some(b"\xff\xfe".to_vec())));
                requests.push((path.clone(), Some("[".repeat(10_000).into_bytes())));
                for name in members {
                    let odd = odd_values().into_iter().map(|value| json!({ name: value }).to_string().into_bytes());
                    requests.extend(odd.map(|body| (path.clone(), Some(body))));
                }
            } else {
                requests.push((path.clone(), None));
            }
            asked += requests.len();
            for (path, body) in requests {
                let sent = app.client.send_bytes(operation.method, &path, "application/json", body.as_deref()).await;
                let shown =
                    || body.as_deref().map(|body| String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned());
                match sent {
                    Ok(answer) if answer.status == 500 => {
                        faults.push(format!("{} {path} {:?}: {}", operation.method, shown(), answer.text()));
                    }
                    Ok(_) => {}
                    Err(error) => faults.push(format!("{} {path} {:?}: {error}", operation.method, shown())),
                }
            }
        }
        assert!(asked > 3_000, "only {asked} requests");
        assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults[..faults.len().min(40)].join("\n"));
        // Nothing of it is stored in a form that cannot be read.
        app.list("/v1/agents/?limit=1000").await;
        app.list("/v1/blocks/?limit=1000").await;
    })
    .await;
}
