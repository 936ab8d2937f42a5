//! Tool calls of agents, carried out.

use muisti_managers::{
    orm::{messages, tools},
    schema::{AgentId, ContentPart, MessageRole, StoredMessage, Tool},
    tool::{ToolContext, ToolOutcome},
};
use serde_json::{Value, json};

use crate::{
    helpers::{on_both, update},
    support::World,
};

impl World {
    pub(crate) async fn tool(&self, name: &'static str) -> Tool {
        let organization = self.actor.organization_id;
        let read = move |conn: &mut _| tools::by_names(conn, organization, &[name]);
        self.services.db().read(read).await.unwrap().remove(0)
    }

    pub(crate) async fn call(&self, agent: AgentId, name: &'static str, args: Value) -> ToolOutcome {
        let tool = self.tool(name).await;
        let context = ToolContext { agent_id: agent, conversation_id: None, timezone: "UTC" };
        let args = args.as_object().unwrap().clone();
        self.services.tool_executor().execute(&self.actor, &context, &tool, args).await
    }

    async fn say(&self, agent: AgentId, role: MessageRole, text: &str) {
        let message = StoredMessage::new(agent, role, vec![ContentPart::text(text)]);
        let actor = self.actor;
        self.services.db().write(move |conn| messages::insert(conn, &actor, &[message])).await.unwrap();
    }
}

on_both! {
    async fn a_memory_edit_is_stored_and_shown_to_every_agent_that_shares_the_block(f) {
        let first = f.agent(json!({})).await;
        let second = f.agent(json!({"memory_blocks": [], "block_ids": [first.blocks[0].id]})).await;
        let outcome = f.call(first.id, "memory_insert", json!({"label": "human", "new_string": "Likes green."})).await;
        assert!(outcome.ok, "{outcome:?}");
        assert_eq!(outcome.value, json!("Name: Ada\nLikes green."));
        for agent in [first.id, second.id] {
            assert!(f.prompt(agent).await.contains("<value>\nName: Ada\nLikes green.\n</value>"));
        }
        let block = f.services.blocks().get_by_label(&f.actor, second.id, "human").await.unwrap();
        assert_eq!(block.value, "Name: Ada\nLikes green.");
    }

    async fn an_agent_makes_renames_and_drops_blocks(f) {
        let agent = f.agent(json!({})).await;
        for args in [
            json!({"command": "create", "path": "/memories/plans", "description": "d", "file_text": "Garden"}),
            json!({"command": "rename", "old_path": "plans", "new_path": "work/plans"}),
            json!({"command": "rename", "path": "work/plans", "description": "what we do"}),
            json!({"command": "delete", "path": "human"}),
        ] {
            let outcome = f.call(agent.id, "memory", args).await;
            assert!(outcome.ok, "{outcome:?}");
        }
        let prompt = f.prompt(agent.id).await;
        assert!(prompt.contains("<work/plans>\n<description>\nwhat we do\n</description>"), "{prompt}");
        assert!(!prompt.contains("<human>"), "{prompt}");
        f.services.blocks().get(&f.actor, agent.blocks[0].id).await.unwrap();
    }

    async fn a_patch_is_applied_as_a_whole_or_not_at_all(f) {
        let agent = f.agent(json!({})).await;
        let before = f.system_message(agent.id).await;
        let patch = "*** Update Block: human\n-Name: Ada\n+Name: Eve\n*** Add Block: notes\n+x\n*** Delete Block: none";
        let outcome = f.call(agent.id, "memory_apply_patch", json!({"label": "human", "patch": patch})).await;
        assert!(!outcome.ok);
        assert_eq!(outcome.value, json!("Error: Memory block 'none' does not exist"));
        assert_eq!(f.system_message(agent.id).await, before);

        let patch = patch.replace("none", "human");
        let outcome = f.call(agent.id, "memory_apply_patch", json!({"label": "human", "patch": patch})).await;
        assert!(outcome.ok, "{outcome:?}");
        let prompt = f.prompt(agent.id).await;
        assert!(prompt.contains("<notes>") && !prompt.contains("<human>"), "{prompt}");
    }

    async fn a_refused_call_says_why_and_changes_nothing(f) {
        let agent = f.agent(json!({})).await;
        let change = update(json!({"read_only": true}));
        f.services.blocks().update_by_label(&f.actor, agent.id, "human", change).await.unwrap();
        for (args, text) in [
            (json!({"label": "human", "new_string": "x"}), "Error This block is read-only and cannot be edited."),
            (json!({"label": "x", "new_string": "x"}), "Block field x does not exist (available sections = human)"),
            (
                json!({"label": "human", "text": "x"}),
                "Unknown argument 'text' for tool 'memory_insert'. Its arguments are: label, new_string, insert_line.",
            ),
            (json!({"label": "human"}), "Argument 'new_string' is required for tool 'memory_insert', and was not given."),
        ] {
            let outcome = f.call(agent.id, "memory_insert", args).await;
            assert!(!outcome.ok);
            assert_eq!(outcome.value, json!(text));
            assert!(outcome.stderr[0].starts_with("Error executing function memory_insert: "), "{outcome:?}");
        }
        assert_eq!(f.services.blocks().get(&f.actor, agent.blocks[0].id).await.unwrap().value, "Name: Ada");
    }

    async fn edits_of_two_agents_to_one_block_at_once_are_both_kept(f) {
        let first = f.agent(json!({})).await;
        let second = f.agent(json!({"memory_blocks": [], "block_ids": [first.blocks[0].id]})).await;
        let edits = (0..12).map(|n| {
            let agent = if n % 2 == 0 { first.id } else { second.id };
            f.call(agent, "core_memory_append", json!({"label": "human", "content": format!("fact {n}.")}))
        });
        for outcome in futures::future::join_all(edits).await {
            assert!(outcome.ok, "{outcome:?}");
        }
        let value = f.services.blocks().get(&f.actor, first.blocks[0].id).await.unwrap().value;
        for agent in [first.id, second.id] {
            let prompt = f.prompt(agent).await;
            assert!(prompt.contains(&value), "{prompt}");
        }
        assert!((0..12).all(|n| value.contains(&format!("fact {n}."))), "{value}");
    }

    async fn past_messages_are_found_by_their_words(f) {
        let agent = f.agent(json!({})).await;
        f.say(agent.id, MessageRole::User, "My favourite colour is turquoise").await;
        f.say(agent.id, MessageRole::Assistant, "Noted, turquoise it is").await;
        f.say(agent.id, MessageRole::User, "What about lunch?").await;
        let outcome = f.call(agent.id, "conversation_search", json!({"query": "turquoise"})).await;
        assert!(outcome.ok, "{outcome:?}");
        assert_eq!(outcome.value["message"], "Showing 2 results:");
        let args = json!({"query": "turquoise", "roles": ["user"]});
        let outcome = f.call(agent.id, "conversation_search", args).await;
        assert_eq!(outcome.value["results"][0]["content"], "My favourite colour is turquoise");
        let args = json!({"query": "turquoise", "end_date": "2020-01-01"});
        let outcome = f.call(agent.id, "conversation_search", args).await;
        assert_eq!(outcome.value, json!({"message": "No results found.", "results": []}));
        let outcome = f.call(agent.id, "conversation_search", json!({"start_date": "soon"})).await;
        assert!(!outcome.ok && outcome.value.as_str().unwrap().starts_with("Invalid start_date format: soon."));
    }

    async fn a_tool_that_cannot_be_run_says_so(f) {
        let agent = f.agent(json!({})).await;
        let outcome = f.call(agent.id, "web_search", json!({"query": "x"})).await;
        assert!(!outcome.ok);
        let text = "'web_search' was not run: this server does not run the tools for code and the web yet.";
        assert_eq!(outcome.value, json!(text));
        let outcome = f.call(agent.id, "send_message", json!({"message": "Hi"})).await;
        assert_eq!(outcome, ToolOutcome::success(json!("Sent message successfully.")));
    }
}
