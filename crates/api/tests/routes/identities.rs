//! `/v1/identities`, and the identities of agents and blocks

use serde_json::{Value, json};

use crate::harness::{App, MODEL, assert_error, each, id, on_each_database};

const UNKNOWN: &str = "identity-123e4567-e89b-42d3-8456-426614174000";

async fn identity(app: &mut App, key: &str, more: Value) -> Value {
    let mut body = json!({ "identifier_key": key, "name": format!("The {key}"), "identity_type": "user" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    app.post("/v1/identities/", body).await.expect_json()
}

async fn put(app: &mut App, path: &str, body: Value) -> muisti_testkit::Response {
    app.client.send("PUT", path, Some(&body)).await.unwrap()
}

#[tokio::test]
async fn an_identity_is_made_read_changed_and_deleted() {
    on_each_database(async |app| {
        let properties = json!([{ "key": "age", "value": 36, "type": "number" }]);
        let made = identity(app, "ada", json!({ "properties": properties })).await;
        let path = format!("/v1/identities/{}", id(&made));
        assert_eq!((&made["agent_ids"], &made["block_ids"]), (&json!([]), &json!([])));
        assert_eq!(app.list(&path).await, made);
        let change = json!({ "name": "Ada L.", "identifier_key": null, "properties": [
            { "key": "likes", "value": { "colour": "green" }, "type": "json" },
            { "key": "age", "value": 37, "type": "number" },
        ] });
        let changed = app.patch(&path, change).await.expect_json();
        assert_eq!((&changed["name"], &changed["identifier_key"]), (&json!("Ada L."), &json!("ada")));
        assert_eq!(each(&changed["properties"], "key"), ["age", "likes"], "merged by key");
        assert_eq!(changed["properties"][0]["value"], 37);
        let only = json!([{ "key": "x", "value": true, "type": "boolean" }]);
        let replaced = put(app, &format!("{path}/properties"), only.clone()).await.expect_json();
        assert_eq!(replaced["properties"], only);
        let deleted = app.delete(&path).await;
        assert_eq!((deleted.status, deleted.text().as_str()), (200, "null"));
        for response in [app.get(&path).await, app.delete(&path).await, app.patch(&path, json!({})).await] {
            assert_error(&response, 404, "not found");
        }
        assert_error(&put(app, &format!("{path}/properties"), json!([])).await, 404, "not found");
        assert_error(&app.get("/v1/identities/identity-1").await, 422, "string_pattern_mismatch");
    })
    .await;
}

#[tokio::test]
async fn a_key_is_unique_within_a_project_and_without_one() {
    on_each_database(async |app| {
        identity(app, "ada", json!({})).await;
        let project = identity(app, "ada", json!({ "project_id": "p" })).await;
        for project_id in [json!(null), json!("p")] {
            let twin =
                json!({ "identifier_key": "ada", "name": "x", "identity_type": "user", "project_id": project_id });
            let response = app.post("/v1/identities/", twin).await;
            assert_error(&response, 409, "A unique constraint was violated for Identity");
        }
        let other = identity(app, "grace", json!({})).await;
        let taken = app.patch(&format!("/v1/identities/{}", id(&other)), json!({ "identifier_key": "ada" })).await;
        assert_error(&taken, 409, "Identity");
        assert_eq!(app.list(&format!("/v1/identities/{}", id(&project))).await["project_id"], "p");
    })
    .await;
}

#[tokio::test]
async fn an_upsert_makes_an_identity_or_replaces_it() {
    on_each_database(async |app| {
        let agent = app.agent(json!({})).await;
        let block = app.block("human", "x").await;
        let body = json!({ "identifier_key": "ada", "name": "Ada", "identity_type": "user", "agent_ids": [id(&agent)],
            "properties": [{ "key": "a", "value": "1", "type": "string" }] });
        let made = put(app, "/v1/identities/", body).await.expect_json();
        assert_eq!(made["agent_ids"], json!([id(&agent)]));
        let body = json!({ "identifier_key": "ada", "name": "Ada L.", "identity_type": "other", "agent_ids": [],
            "block_ids": [id(&block)], "properties": [{ "key": "b", "value": "2", "type": "string" }] });
        let replaced = put(app, "/v1/identities/", body).await.expect_json();
        assert_eq!(replaced["id"], made["id"]);
        assert_eq!((&replaced["name"], &replaced["identity_type"]), (&json!("Ada L."), &json!("other")));
        assert_eq!(each(&replaced["properties"], "key"), ["b"]);
        assert_eq!((&replaced["agent_ids"], &replaced["block_ids"]), (&json!([]), &json!([id(&block)])));
        let body = json!({ "identifier_key": "ada", "name": "Ada", "identity_type": "user" });
        let kept = put(app, "/v1/identities/", body).await.expect_json();
        assert_eq!((each(&kept["properties"], "key"), &kept["block_ids"]), (vec!["b".into()], &replaced["block_ids"]));
        assert_eq!(app.list("/v1/identities/count").await, json!(1));
    })
    .await;
}

#[tokio::test]
async fn identities_are_listed_by_what_is_asked_for_and_page_by_page() {
    on_each_database(async |app| {
        let mut ids = Vec::new();
        for (key, more) in
            [("ada", json!({ "project_id": "p" })), ("grace", json!({ "identity_type": "org" })), ("100%", json!({}))]
        {
            ids.push(id(&identity(app, key, more).await).to_owned());
        }
        let keys = async |app: &mut App, query: &str| {
            each(&app.list(&format!("/v1/identities/?{query}")).await, "identifier_key")
        };
        assert_eq!(keys(app, "").await, ["100%", "grace", "ada"]);
        assert_eq!(keys(app, "name=THE%20A").await, ["ada"]);
        assert_eq!(keys(app, "name=%25").await, ["100%"]);
        assert_eq!(keys(app, "project_id=p").await, ["ada"]);
        assert_eq!(keys(app, "identifier_key=grace").await, ["grace"]);
        assert_eq!(keys(app, "identity_type=org").await, ["grace"]);
        assert_eq!(keys(app, &format!("limit=1&after={}", ids[2])).await, ["grace"]);
        assert_eq!(keys(app, &format!("limit=1&before={}", ids[0])).await, ["grace"]);
        assert_eq!(keys(app, &format!("order=asc&after={}", ids[0])).await, ["grace", "100%"]);
        assert_eq!(app.list("/v1/identities/count").await, json!(3));
        assert_error(&app.get(&format!("/v1/identities/?after={UNKNOWN}")).await, 404, UNKNOWN);
        assert_error(
            &app.get("/v1/identities/?identity_type=cat").await,
            422,
            "Input should be 'org', 'user' or 'other'",
        );
    })
    .await;
}

#[tokio::test]
async fn an_identity_that_makes_no_sense_is_refused() {
    on_each_database(async |app| {
        let good = json!({ "identifier_key": "k", "name": "n", "identity_type": "user" });
        for (field, value, status, fragment) in [
            ("identity_type", json!("cat"), 422, "identity_type"),
            ("identifier_key", json!("k".repeat(600)), 422, "identifier_key"),
            ("agent_ids", json!(["agent-1"]), 422, "agent"),
            ("agent_ids", json!(["agent-123e4567-e89b-42d3-8456-426614174000"]), 404, "agent-123e4567"),
            ("block_ids", json!(["block-123e4567-e89b-42d3-8456-426614174000"]), 404, "block-123e4567"),
            ("colour", json!("green"), 422, "extra_forbidden"),
            ("properties", json!([{ "key": "a", "value": "b", "type": "cat" }]), 422, "properties"),
            ("properties", json!([{ "key": "a", "value": "b", "type": "string", "x": 1 }]), 422, "extra_forbidden"),
        ] {
            let mut body = good.clone();
            body[field] = value;
            for response in
                [app.post("/v1/identities/", body.clone()).await, put(app, "/v1/identities/", body.clone()).await]
            {
                assert_error(&response, status, fragment);
            }
        }
        assert_eq!(app.list("/v1/identities/count").await, json!(0));
        let nul = json!({ "identifier_key": "a\0", "name": "\0", "identity_type": "user",
            "properties": [{ "key": "\0", "value": "\0", "type": "string" }] });
        assert!(app.post("/v1/identities/", nul).await.status < 500);
        let made = identity(app, "ada", json!({})).await;
        let properties = format!("/v1/identities/{}/properties", id(&made));
        assert_error(&put(app, &properties, json!({})).await, 422, "list_type");
        assert_error(&put(app, &properties, json!([{ "key": "a" }])).await, 422, "missing");
    })
    .await;
}

#[tokio::test]
async fn an_agent_has_its_identities_and_is_found_by_them() {
    on_each_database(async |app| {
        let ada = identity(app, "ada", json!({})).await;
        let grace = identity(app, "grace", json!({})).await;
        let agent = app.agent(json!({ "identity_ids": [id(&ada), id(&grace)] })).await;
        app.agent(json!({})).await;
        assert_eq!(agent["identity_ids"], json!([id(&ada), id(&grace)]));
        assert_eq!(each(&agent["identities"], "identifier_key"), ["ada", "grace"]);
        let path = format!("/v1/agents/{}", id(&agent));
        assert_eq!(app.list(&path).await["identities"], json!([]));
        let included = app.list(&format!("{path}?include=agent.identities")).await;
        assert_eq!(included["identity_ids"], agent["identity_ids"]);

        for query in [
            format!("identity_id={}", id(&ada)),
            "identifier_keys=ada&identifier_keys=grace".to_owned(),
            format!("identity_id={}&identifier_keys=grace", id(&ada)),
        ] {
            assert_eq!(each(&app.list(&format!("/v1/agents/?{query}")).await, "id"), [id(&agent)], "{query}");
            assert_eq!(app.list(&format!("/v1/agents/count?{query}")).await, json!(1), "{query}");
        }
        assert_eq!(app.list("/v1/agents/?identifier_keys=nobody").await, json!([]));
        let of_ada = format!("/v1/identities/{}/agents", id(&ada));
        assert_eq!(each(&app.list(&of_ada).await, "id"), [id(&agent)]);
        assert_eq!(app.list(&format!("/v1/identities/{}", id(&ada))).await["agent_ids"], json!([id(&agent)]));

        let changed = app.patch(&path, json!({ "identity_ids": [id(&grace)] })).await.expect_json();
        assert_eq!(changed["identity_ids"], json!([id(&grace)]));
        assert_eq!(app.list(&of_ada).await, json!([]));
        let gone = app.patch(&path, json!({ "identity_ids": [UNKNOWN] })).await;
        assert_error(&gone, 404, UNKNOWN);
        let gone = app.post("/v1/agents/", json!({ "model": MODEL, "identity_ids": [UNKNOWN] })).await;
        assert_error(&gone, 404, UNKNOWN);
        assert_eq!(app.list("/v1/agents/count").await, json!(2));

        app.delete(&format!("/v1/identities/{}", id(&grace))).await.expect_json();
        assert_eq!(app.list(&format!("{path}?include=agent.identities")).await["identity_ids"], json!([]));
        assert_error(&app.get(&format!("/v1/identities/{UNKNOWN}/agents")).await, 404, "not found");
    })
    .await;
}

#[tokio::test]
async fn identities_are_attached_to_agents_and_detached() {
    on_each_database(async |app| {
        let ada = identity(app, "ada", json!({})).await;
        let agent = app.agent(json!({})).await;
        let path = format!("/v1/agents/{}", id(&agent));
        let attach = format!("{path}/identities/attach/{}", id(&ada));
        let detach = format!("{path}/identities/detach/{}", id(&ada));
        let of_agent = format!("{path}?include=agent.identities");
        for (change, ids) in [(&attach, vec![id(&ada)]), (&detach, vec![])] {
            for _ in 0..2 {
                assert_eq!(app.patch(change, json!({})).await.text(), "null");
            }
            assert_eq!(app.list(&of_agent).await["identity_ids"], json!(ids));
        }
        for verb in ["attach", "detach"] {
            let unknown = format!("{path}/identities/{verb}/{UNKNOWN}");
            assert_error(&app.patch(&unknown, json!({})).await, 404, UNKNOWN);
            let malformed = format!("{path}/identities/{verb}/identity-1");
            assert_error(&app.patch(&malformed, json!({})).await, 422, "string_pattern_mismatch");
            let no_agent = "/v1/agents/agent-123e4567-e89b-42d3-8456-426614174000";
            let no_agent = format!("{no_agent}/identities/{verb}/{}", id(&ada));
            assert_error(&app.patch(&no_agent, json!({})).await, 404, "agent-123e4567");
        }
    })
    .await;
}

#[tokio::test]
async fn a_block_has_its_identities_and_is_found_by_them() {
    on_each_database(async |app| {
        let ada = identity(app, "ada", json!({})).await;
        let block =
            app.post("/v1/blocks/", json!({ "label": "human", "value": "x", "tags": ["t"] })).await.expect_json();
        app.block("other", "y").await;
        let attach = format!("/v1/blocks/{}/identities/attach/{}", id(&block), id(&ada));
        for _ in 0..2 {
            assert_eq!(app.patch(&attach, json!({})).await.expect_json(), block);
        }
        for query in [format!("identity_id={}", id(&ada)), "identifier_keys=ada&identifier_keys=x".to_owned()] {
            assert_eq!(each(&app.list(&format!("/v1/blocks/?{query}")).await, "id"), [id(&block)]);
            assert_eq!(app.list(&format!("/v1/blocks/count?{query}")).await, json!(1));
        }
        let of_ada = format!("/v1/identities/{}/blocks", id(&ada));
        assert_eq!(app.list(&of_ada).await, json!([block]));
        let detach = attach.replace("attach", "detach");
        for _ in 0..2 {
            assert_eq!(app.patch(&detach, json!({})).await.expect_json(), block);
        }
        assert_eq!(app.list(&of_ada).await, json!([]));
        assert_error(&app.patch(&attach.replace(id(&ada), UNKNOWN), json!({})).await, 404, UNKNOWN);
        let unknown = "block-123e4567-e89b-42d3-8456-426614174000";
        assert_error(&app.patch(&attach.replace(id(&block), unknown), json!({})).await, 404, unknown);
        assert_error(&app.get("/v1/blocks/?identity_id=identity-1").await, 422, "identity");
        assert_error(&app.get(&of_ada.replace(id(&ada), UNKNOWN)).await, 404, "not found");
    })
    .await;
}

#[tokio::test]
async fn another_organization_sees_nothing_of_identities_and_groups() {
    on_each_database(async |app| {
        let ada = identity(app, "ada", json!({})).await;
        let agent = app.agent(json!({})).await;
        let block = app.block("human", "x").await;
        let body = json!({ "agent_ids": [id(&agent)], "description": "" });
        let group = app.post("/v1/groups/", body).await.expect_json();
        let organization = app.post("/v1/admin/orgs/", json!({ "name": "theirs" })).await.expect_json();
        let user = json!({ "name": "eve", "organization_id": id(&organization) });
        let user = app.post("/v1/admin/users/", user).await.expect_json();
        let mut eve = app.client().with_header("user_id", id(&user));
        for list in ["identities", "groups"] {
            assert_eq!(eve.get(&format!("/v1/{list}/")).await.unwrap().expect_json(), json!([]));
            assert_eq!(eve.get(&format!("/v1/{list}/count")).await.unwrap().expect_json(), json!(0));
        }
        let (identity, group, agent, block) = (id(&ada), id(&group), id(&agent), id(&block));
        for (method, path) in [
            ("GET", format!("/v1/identities/{identity}")),
            ("PATCH", format!("/v1/identities/{identity}")),
            ("DELETE", format!("/v1/identities/{identity}")),
            ("GET", format!("/v1/identities/{identity}/agents")),
            ("GET", format!("/v1/identities/{identity}/blocks")),
            ("GET", format!("/v1/identities/?after={identity}")),
            ("PATCH", format!("/v1/agents/{agent}/identities/attach/{identity}")),
            ("PATCH", format!("/v1/blocks/{block}/identities/detach/{identity}")),
            ("GET", format!("/v1/groups/{group}")),
            ("PATCH", format!("/v1/groups/{group}")),
            ("DELETE", format!("/v1/groups/{group}")),
            ("GET", format!("/v1/groups/?after={group}")),
            ("GET", format!("/v1/groups/{group}/messages")),
            ("PATCH", format!("/v1/groups/{group}/reset-messages")),
            ("PATCH", format!("/v1/groups/{group}/blocks/attach/{block}")),
            ("GET", format!("/v1/agents/{agent}/groups")),
        ] {
            let body = json!({});
            let response = eve.send(method, &path, (method == "PATCH").then_some(&body)).await.unwrap();
            assert_eq!(response.status, 404, "{method} {path}: {}", response.text());
        }
        let properties = format!("/v1/identities/{identity}/properties");
        assert_eq!(eve.send("PUT", &properties, Some(&json!([]))).await.unwrap().status, 404);
        let twin = json!({ "identifier_key": "ada", "name": "Ada", "identity_type": "user", "agent_ids": [agent] });
        assert_error(&eve.post("/v1/identities/", &twin).await.unwrap(), 404, agent);
        let mut twin = twin;
        twin["agent_ids"] = json!([]);
        let twin = eve.send("PUT", "/v1/identities/", Some(&twin)).await.unwrap().expect_json();
        assert_ne!(twin["id"], ada["id"], "keys are unique within an organization");
        let body = json!({ "agent_ids": [agent], "description": "" });
        assert_error(&eve.post("/v1/groups/", &body).await.unwrap(), 404, agent);
    })
    .await;
}
