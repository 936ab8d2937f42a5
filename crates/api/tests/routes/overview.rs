//! The commands that people find in guides to the API, as a shell would send them: without the headers of an SDK, and
//! without the final slash.

use muisti_testkit::Answer;
use serde_json::{Value, json};

use crate::harness::{App, MODEL, each, id, on_each_database};

impl App {
    /// What a shell gets.
    async fn curl(&mut self, path: &str) -> Value {
        self.client().with_header("user-agent", "curl/8.5.0").get(path).await.unwrap().expect_json()
    }

    async fn names(&mut self, query: &str) -> Vec<String> {
        each(&self.curl(&format!("/v1/agents?{query}")).await, "name")
    }
}

#[tokio::test]
async fn an_agent_with_memory_is_made_read_changed_and_deleted() {
    on_each_database(async |app| {
        let body = json!({
            "name": "Customer Support Agent",
            "system": "You are a helpful customer support agent. Resolve issues quickly.",
            "agent_type": "letta_v1_agent",
            "model": MODEL,
            "memory_blocks": [
                {"label": "core_self", "value": "I am a support agent.", "limit": 200},
                {"label": "core_memory", "value": "I help customers.", "limit": 200},
            ],
            "tools": ["conversation_search", "web_search"],
            "tags": ["support", "customer-service"],
            "initial_message_sequence": [{"role": "user", "content": "Hello, how can you help me?"}],
            "include_base_tools": true,
            "include_multi_agent_tools": false,
        });
        let mut shell = app.client().with_header("user-agent", "curl/8.5.0");
        let agent = shell.post("/v1/agents", &body).await.unwrap().expect_json();
        assert_eq!(agent["name"], "Customer Support Agent");
        assert_eq!([&agent["agent_type"], &agent["memory"]["agent_type"]], ["letta_v1_agent", "letta_v1_agent"]);
        assert_eq!(agent["model"], MODEL);
        assert_eq!(each(&agent["memory"]["blocks"], "label"), ["core_self", "core_memory"]);
        assert_eq!(agent["memory"]["blocks"][0]["limit"], 200);
        assert_eq!(agent["message_ids"].as_array().unwrap().len(), 2);
        assert!(each(&agent["tools"], "name").contains(&"web_search".to_owned()));
        let path = format!("/v1/agents/{}", id(&agent));

        let read = app.curl(&format!("{path}?include=tools&include=memory")).await;
        assert!(!read["tools"].as_array().unwrap().is_empty() && read["tags"].as_array().unwrap().len() == 2);
        let blocks = app.curl(&format!("{path}/core-memory/blocks")).await;
        assert_eq!(blocks.as_array().unwrap().len(), 2);
        let value = json!({"value": "I am an enhanced support agent."});
        let block = shell.patch(&format!("{path}/core-memory/blocks/core_self"), &value).await.unwrap().expect_json();
        assert_eq!(block["value"], value["value"]);
        let change = json!({"name": "Updated Agent Name", "system": "Updated.", "tags": ["updated", "modified"]});
        let changed = shell.patch(&path, &change).await.unwrap().expect_json();
        assert_eq!([&changed["name"], &changed["system"]], ["Updated Agent Name", "Updated."]);
        assert_eq!(changed["tags"], json!(["updated", "modified"]));

        app.model.push(Answer::text("Click on 'forgotten'."));
        let body = json!({"messages": [{"role": "user", "content": "How do I reset my password?"}],
            "streaming": false, "max_steps": 1});
        let answer = shell.post(&format!("{path}/messages"), &body).await.unwrap().expect_json();
        assert_eq!(answer["messages"][0]["content"], "Click on 'forgotten'.");
        app.model.push(Answer::text("Bits that are both."));
        let body = json!({"messages": [{"role": "user", "content": "Explain quantum computing in simple terms"}],
            "streaming": true, "stream_tokens": true, "include_pings": true});
        let events = shell.stream(&format!("{path}/messages/stream"), &body).await.unwrap().collect().await.unwrap();
        assert!(events.last().unwrap().is_done());
        let text: String =
            events.iter().filter_map(|event| event.json()["content"].as_str().map(str::to_owned)).collect();
        assert_eq!(text, "Bits that are both.");

        let gone = shell.delete(&path).await.unwrap().expect_json();
        assert_eq!(gone["message"], format!("Agent id={} successfully deleted", id(&agent)));
        let missing = shell.get(&path).await.unwrap();
        assert_eq!(missing.status, 404);
    })
    .await;
}

#[tokio::test]
async fn agents_are_filtered_paged_and_sorted() {
    on_each_database(async |app| {
        for (name, fields) in [
            ("SupportBot", json!({"tags": ["support", "customer", "active"], "template_id": "template-123"})),
            ("Helper", json!({"tags": ["help"], "project_id": "project-456"})),
            ("Other", json!({})),
        ] {
            let mut fields = fields;
            fields["name"] = name.into();
            app.agent(fields).await;
        }
        let identity = json!({"identifier_key": "customer-12345", "name": "Ada", "identity_type": "user"});
        let identity = app.post("/v1/identities/", identity).await.expect_json();
        app.agent(json!({"name": "Known", "identity_ids": [id(&identity)]})).await;

        for (query, names) in [
            ("limit=10&order=desc&order_by=created_at", vec!["Known", "Other", "Helper", "SupportBot"]),
            ("name=SupportBot", vec!["SupportBot"]),
            ("query_text=support", vec!["SupportBot"]),
            ("tags=support", vec!["SupportBot"]),
            ("tags=support&tags=active&match_all_tags=true&limit=5", vec!["SupportBot"]),
            ("tags=support&tags=help&match_all_tags=true", vec![]),
            ("tags=support&tags=help", vec!["Helper", "SupportBot"]),
            ("template_id=template-123", vec!["SupportBot"]),
            ("project_id=project-456", vec!["Helper"]),
            ("identifier_keys=customer-12345&identifier_keys=account-456", vec!["Known"]),
            ("identity_id=identity-789", vec![]),
            ("order=asc", vec!["SupportBot", "Helper", "Other", "Known"]),
            ("start_date=2024-01-01&end_date=2024-01-31", vec![]),
            ("start_date=2024-01-01&end_date=2999-01-31&limit=2", vec!["Known", "Other"]),
            ("last_stop_reason=completed", vec![]),
            ("last_stop_reason=error", vec![]),
        ] {
            assert_eq!(app.names(query).await, names, "{query}");
        }

        assert_eq!(app.names("order_by=last_run_completion&limit=20").await.len(), 4);
        let all = app.curl("/v1/agents?order=asc").await;
        let ids = each(&all, "id");
        assert_eq!(app.names(&format!("order=asc&limit=20&after={}", ids[1])).await, ["Other", "Known"]);
        assert_eq!(app.names(&format!("order=asc&limit=20&before={}", ids[1])).await, ["SupportBot"]);
        let between = format!("order=asc&limit=10&after={}&before={}", ids[0], ids[3]);
        assert_eq!(app.names(&between).await, ["Helper", "Other"]);
        assert!(all[3]["identities"][0]["name"] == "Ada", "everything is loaded when nothing is named");
        let some = app.curl("/v1/agents?include=tools&include=memory&order=asc").await;
        assert!(!some[0]["tools"].as_array().unwrap().is_empty() && some[3]["identities"] == json!([]));
        let everything = app.curl("/v1/agents?include=&order=asc").await;
        assert_eq!(everything[3]["identities"][0]["name"], "Ada");

        app.model.push(Answer::text("Yes."));
        app.post(&format!("/v1/agents/{}/messages", ids[0]), json!({"input": "Are you there?"})).await.expect_json();
        assert_eq!(app.names("last_stop_reason=completed").await, ["SupportBot"]);
        assert_eq!(app.names("last_stop_reason=end_turn").await, ["SupportBot"]);
    })
    .await;
}

#[tokio::test]
async fn a_listed_agent_has_every_field_of_the_contract() {
    on_each_database(async |app| {
        app.agent(json!({"name": "Whole", "tags": ["a"], "memory_blocks": [{"label": "human", "value": "x"}]})).await;
        let contract: Value = serde_json::from_str(include_str!("../../../../tests/contract.json")).unwrap();
        let fields = contract["components"]["schemas"]["AgentState"]["properties"].as_object().unwrap();
        let agents = app.curl("/v1/agents").await;
        let agent = agents[0].as_object().unwrap();
        let missing: Vec<_> = fields.keys().filter(|field| !agent.contains_key(*field)).collect();
        assert!(missing.is_empty(), "{missing:?}");
        for (field, is_right) in [
            ("message_ids", agent["message_ids"].is_array()),
            ("tool_rules", agent["tool_rules"].is_array()),
            ("llm_config", agent["llm_config"]["model"].is_string()),
            ("model_settings", agent["model_settings"]["provider_type"].is_string()),
            ("compaction_settings", agent["compaction_settings"]["mode"].is_string()),
            ("memory", agent["memory"]["blocks"].is_array() && agent["memory"]["file_blocks"].is_array()),
            ("blocks", agent["blocks"][0]["label"] == "human"),
            ("tools", agent["tools"][0]["json_schema"].is_object()),
            ("sources", agent["sources"] == json!([])),
            ("tags", agent["tags"] == json!(["a"])),
            ("identity_ids", agent["identity_ids"] == json!([])),
            ("secrets", agent["secrets"] == json!([])),
            ("pending_approval", agent["pending_approval"].is_null()),
            ("multi_agent_group", agent["multi_agent_group"].is_null()),
            ("timezone", agent["timezone"] == "UTC"),
            ("max_files_open", agent["max_files_open"].is_i64()),
            ("per_file_view_window_char_limit", agent["per_file_view_window_char_limit"].is_i64()),
            ("created_at", agent["created_at"].as_str().unwrap().ends_with('Z')),
        ] {
            assert!(is_right, "{field}: {}", agent[field]);
        }
    })
    .await;
}
