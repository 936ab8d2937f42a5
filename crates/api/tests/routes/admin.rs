//! `/v1/admin`

use serde_json::json;

use crate::harness::{assert_error, each, id, on_each_database, on_sqlite};

const UNKNOWN_ORG: &str = "org-123e4567-e89b-42d3-8456-426614174000";
const UNKNOWN_USER: &str = "user-123e4567-e89b-42d3-8456-426614174000";

#[tokio::test]
async fn organizations_are_made_listed_changed_and_deleted() {
    on_each_database(async |app| {
        let made = app.post("/v1/admin/orgs/", json!({ "name": "Acme" })).await.expect_json();
        let unnamed = app.post("/v1/admin/orgs/", json!({})).await.expect_json();
        assert!(!unnamed["name"].as_str().unwrap().is_empty());
        let listed = app.list("/v1/admin/orgs/").await;
        assert_eq!(each(&listed, "name")[1..], ["Acme".to_owned(), unnamed["name"].as_str().unwrap().to_owned()]);
        let rest = app.list(&format!("/v1/admin/orgs/?limit=1&after={}", id(&made))).await;
        assert_eq!(each(&rest, "id"), [id(&unnamed)]);

        let path = format!("/v1/admin/orgs/?org_id={}", id(&made));
        let changed = app.patch(&path, json!({ "privileged_tools": true })).await.expect_json();
        assert_eq!((&changed["name"], &changed["privileged_tools"]), (&json!("Acme"), &json!(true)));
        let changed = app.patch(&path, json!({ "name": "Acme & Co", "privileged_tools": false })).await.expect_json();
        assert_eq!((&changed["name"], &changed["privileged_tools"]), (&json!("Acme & Co"), &json!(false)));

        assert_eq!(app.delete(&path).await.expect_json()["id"], made["id"]);
        assert_error(&app.delete(&path).await, 404, "not found");
        assert_error(&app.patch(&path, json!({})).await, 404, "not found");
        assert_error(&app.delete("/v1/admin/orgs/?org_id=x").await, 422, "");
        assert_error(&app.delete("/v1/admin/orgs/").await, 422, "");
        let default = id(&listed[0]);
        assert_error(&app.delete(&format!("/v1/admin/orgs/?org_id={default}")).await, 409, "default organization");
    })
    .await;
}

#[tokio::test]
async fn users_are_made_renamed_moved_and_deleted() {
    on_each_database(async |app| {
        let first = app.post("/v1/admin/orgs/", json!({ "name": "first" })).await.expect_json();
        let second = app.post("/v1/admin/orgs/", json!({ "name": "second" })).await.expect_json();
        let user = json!({ "name": "Ada", "organization_id": id(&first) });
        let user = app.post("/v1/admin/users/", user).await.expect_json();
        assert_eq!(user["is_deleted"], false);
        assert_eq!(app.list("/v1/admin/users/").await[1], user);

        let change = json!({ "id": id(&user), "name": "Ada L.", "organization_id": id(&second) });
        let moved = app.client.send("PUT", "/v1/admin/users/", Some(&change)).await.unwrap().expect_json();
        assert_eq!((&moved["name"], &moved["organization_id"]), (&json!("Ada L."), &second["id"]));

        let mut ada = app.client().with_header("user_id", id(&user));
        assert!(!ada.get("/v1/tools/").await.unwrap().expect_json().as_array().unwrap().is_empty());
        ada.post("/v1/blocks/", &json!({ "label": "hers", "value": "" })).await.unwrap().expect_json();
        assert_eq!(app.list("/v1/blocks/").await, json!([]));

        let path = format!("/v1/admin/users/?user_id={}", id(&user));
        assert_eq!(app.delete(&path).await.expect_json()["id"], user["id"]);
        assert_error(&app.delete(&path).await, 404, "not found");
        assert_error(&ada.get("/v1/blocks/").await.unwrap(), 404, "User not found");
        let nobody = json!({ "id": UNKNOWN_USER, "name": "x" });
        assert_error(&app.client.send("PUT", "/v1/admin/users/", Some(&nobody)).await.unwrap(), 404, "not found");
        let homeless = json!({ "name": "x", "organization_id": UNKNOWN_ORG });
        assert_error(&app.post("/v1/admin/users/", homeless).await, 404, "not found");
        assert_error(&app.post("/v1/admin/users/", json!({ "name": "x" })).await, 422, "organization_id");
    })
    .await;
}

#[tokio::test]
async fn a_password_guards_organizations_and_users() {
    on_sqlite(
        |server| server.env("MUISTI_PASSWORD", "open sesame"),
        async |app| {
            assert_error(&app.get("/v1/admin/orgs/").await, 401, "");
            let mut known = app.client().with_header("authorization", "Bearer open sesame");
            known.get("/v1/admin/orgs/").await.unwrap().expect_json();
        },
    )
    .await;
}
