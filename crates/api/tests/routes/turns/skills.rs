//! Skills that the model is told of.

use muisti_testkit::Answer;
use serde_json::json;

use crate::harness::{id, on_each_database};

#[tokio::test]
async fn skills_are_told_with_a_request_and_never_stored() {
    on_each_database(async |app| {
        let agent = app.new_agent(json!({ "memory_blocks": [{ "label": "human", "value": "Ada" }] })).await;
        let block = json!({ "label": "skills/pdf", "value": "Open it.", "description": "Fills in forms.\nAny form." });
        let block = app.post("/v1/blocks/", block).await.expect_json();
        app.patch(&format!("/v1/agents/{agent}/core-memory/blocks/attach/{}", id(&block)), json!({}))
            .await
            .expect_json();
        let stored = app.history(&agent).await[0]["content"].as_str().unwrap().to_owned();
        assert!(!stored.contains("available_skills"));

        let git = json!({ "name": "git", "description": "Commits.", "location": "/home/me/.skills/git/SKILL.md" });
        let pdf = json!({ "name": "pdf", "description": "The client's.", "location": "/home/me/.skills/pdf/SKILL.md" });
        let own = "${MEMORY_DIR}/skills\n└── pdf/SKILL.md (Fills in forms.)";
        let both = format!("{own}\n\n/home/me/.skills\n└── git/SKILL.md (Commits.)");
        let path = format!("/v1/agents/{agent}/messages");
        for (skills, section) in [(json!(null), own), (json!([git, pdf]), both.as_str()), (json!([]), own)] {
            let body = json!({ "input": "Hello.", "client_skills": skills });
            let preview = app.post(&format!("{path}/preview-raw-payload"), body.clone()).await.expect_json();
            app.post(&path, body).await.expect_json();
            let told = format!("{stored}\n\n<available_skills>\n{section}\n</available_skills>");
            assert_eq!(app.model.last_request().system().as_deref(), Some(told.as_str()));
            assert_eq!(preview["messages"][0]["content"], told);
            assert_eq!(app.history(&agent).await[0]["content"], stored);
        }
        let body = json!({ "input": "Hello.", "client_skills": [git], "override_system": "Be brief." });
        app.post(&path, body).await.expect_json();
        assert_eq!(app.model.last_request().system().as_deref(), Some("Be brief."));
    })
    .await;
}

#[tokio::test]
async fn the_skills_of_a_client_are_told_in_every_step_and_in_every_mode() {
    on_each_database(async |app| {
        let agent = app.new_agent(json!({})).await;
        let made = app.post(&format!("/v1/conversations/?agent_id={agent}"), json!({})).await.expect_json();
        let skills = json!([{ "name": "git", "description": "Commits.", "location": "/skills/git/SKILL.md" }]);
        let body = json!({ "input": "Hello.", "client_skills": skills });
        for path in [
            format!("/v1/agents/{agent}/messages"),
            format!("/v1/agents/{agent}/messages/stream"),
            format!("/v1/conversations/{}/messages", id(&made)),
        ] {
            app.model.clear_requests();
            app.model
                .push_all([Answer::tool_call("conversation_search", json!({ "query": "x" })), Answer::text("So.")]);
            assert_eq!(app.post(&path, body.clone()).await.status, 200);
            let requests = app.model.requests();
            assert_eq!(requests.len(), 2);
            for request in requests {
                let system = request.system().unwrap();
                assert!(system.ends_with("/skills\n└── git/SKILL.md (Commits.)\n</available_skills>"), "{system}");
            }
        }
    })
    .await;
}
