//! `GET /v1/tools/`, `/v1/tools/count`, `/v1/tools/{tool_id}`

use serde_json::json;

use crate::harness::{assert_error, each, id, on_each_database};

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
