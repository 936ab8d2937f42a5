//! The memory of conversations, as their tools edit it and their prompts show it.

use muisti_managers::{
    Error, HistoryName,
    orm::{self, HistoryId, histories, messages},
    prompt,
    schema::{AgentState, Conversation, CreateConversation, StoredMessage},
    tool::{ToolContext, ToolOutcome},
};
use serde_json::{Value, json};

use crate::{helpers::on_both, support::World};

impl World {
    async fn conversation(&self, agent: &AgentState, request: Value) -> Conversation {
        let request: CreateConversation = serde_json::from_value(request).unwrap();
        self.services.conversations().create(&self.actor, agent.id, request).await.unwrap()
    }

    async fn call_in(&self, conversation: &Conversation, name: &'static str, args: Value) -> ToolOutcome {
        let context =
            ToolContext { agent_id: conversation.agent_id, conversation_id: Some(conversation.id), timezone: "UTC" };
        let tool = self.tool(name).await;
        let args = args.as_object().unwrap().clone();
        self.services.tool_executor().execute(&self.actor, &context, &tool, args).await
    }

    /// The values of the conversation's own blocks.
    async fn isolated(&self, conversation: &Conversation) -> Vec<String> {
        let id = conversation.id;
        let read = move |conn: &mut _| orm::blocks::of_conversation(conn, id);
        self.services.db().read(read).await.unwrap().into_iter().map(|block| block.value).collect()
    }

    /// What the agent is told in the conversation.
    async fn prompt_of(&self, conversation: &Conversation) -> StoredMessage {
        let (organization, history) =
            (self.actor.organization_id, HistoryId::of_conversation(conversation.agent_id, conversation.id));
        let read = move |conn: &mut _| {
            let ids = histories::context(conn, organization, &history)?.unwrap();
            messages::get(conn, organization, ids[0])
        };
        self.services.db().read::<_, orm::Error, _>(read).await.unwrap().unwrap()
    }
}

on_both! {
    async fn a_memory_edit_in_a_conversation_changes_its_own_block(f) {
        let agent = f.agent(json!({})).await;
        let isolated = f.conversation(&agent, json!({"isolated_block_labels": ["human"]})).await;
        let sharing = f.conversation(&agent, json!({})).await;
        let args = json!({"label": "human", "new_string": "Likes green."});
        let outcome = f.call_in(&isolated, "memory_insert", args).await;
        assert!(outcome.ok, "{outcome:?}");
        assert_eq!(f.isolated(&isolated).await, ["Name: Ada\nLikes green."]);
        let shared = f.services.blocks().get_by_label(&f.actor, agent.id, "human").await.unwrap();
        assert_eq!(shared.value, "Name: Ada");

        let args = json!({"label": "human", "new_string": "Likes blue."});
        assert!(f.call_in(&sharing, "memory_insert", args).await.ok);
        assert_eq!(f.isolated(&isolated).await, ["Name: Ada\nLikes green."]);
        assert!(f.prompt(agent.id).await.contains("Likes blue."));
        // A conversation sees it when its system message is rendered anew.
        assert!(!f.prompt_of(&sharing).await.text().contains("Likes blue."));
    }

    async fn a_block_that_is_dropped_in_a_conversation_stays_with_the_agent(f) {
        let agent = f.agent(json!({})).await;
        let made = f.conversation(&agent, json!({"isolated_block_labels": ["human"]})).await;
        let drop = json!({"command": "delete", "path": "/memories/human"});
        assert!(f.call_in(&made, "memory", drop).await.ok);
        assert_eq!(f.isolated(&made).await, Vec::<String>::new());
        assert_eq!(f.services.blocks().get_by_label(&f.actor, agent.id, "human").await.unwrap().value, "Name: Ada");
        // What is made in a conversation is the agent's.
        let create = json!({"command": "create", "path": "plans", "description": "d", "file_text": "Garden"});
        assert!(f.call_in(&made, "memory", create).await.ok);
        assert!(f.prompt(agent.id).await.contains("Garden"));
    }

    async fn the_prompt_of_a_conversation_is_rebuilt_where_it_has_changed(f) {
        let agent = f.agent(json!({})).await;
        let made = f.conversation(&agent, json!({"isolated_block_labels": ["human"]})).await;
        let rebuild = || async {
            let organization = f.actor.organization_id;
            let history = HistoryId::of_conversation(agent.id, made.id);
            let rebuild = move |conn: &mut _| {
                let agent = orm::agents::get(conn, organization, history.agent_id)?.unwrap();
                prompt::rebuild_history(conn, organization, &agent, &history)
            };
            f.services.db().write::<_, orm::Error, _>(rebuild).await.unwrap();
            f.prompt_of(&made).await
        };
        let before = f.prompt_of(&made).await;
        assert_eq!(rebuild().await, before);
        assert!(f.call_in(&made, "memory_insert", json!({"label": "human", "new_string": "Likes green."})).await.ok);
        let after = rebuild().await;
        assert_eq!(after.id, before.id);
        assert!(after.text().contains("Likes green.") && after.text().contains(&made.id.to_string()));
    }

    async fn a_conversation_asks_its_own_model_with_its_own_settings(f) {
        let agent = f.create(json!({"context_window_limit": 9000})).await;
        let conversations = f.services.conversations();
        let row = f.services.agents().row(&f.actor, agent.id).await.unwrap();
        let plain = f.conversation(&agent, json!({"model_settings": {"provider_type": "openai", "temperature": 0.1}})).await;
        assert_eq!(conversations.model_config(&f.actor, &row, &plain).await.unwrap(), None);
        let own = json!({
            "model": "openai/gpt-4.1", "model_settings": {"provider_type": "openai", "temperature": 0.1},
        });
        let own = f.conversation(&agent, own).await;
        let config = conversations.model_config(&f.actor, &row, &own).await.unwrap().unwrap();
        assert_eq!((config.model.as_str(), config.temperature, config.context_window), ("gpt-4.1", 0.1, 9000));
    }

    async fn a_history_is_found_by_each_of_its_names(f) {
        let agent = f.agent(json!({})).await;
        let made = f.conversation(&agent, json!({})).await;
        let conversations = f.services.conversations();
        let default = HistoryId::default_of(agent.id);
        for (name, beside, expected) in [
            (made.id.to_string(), None, HistoryId::of_conversation(agent.id, made.id)),
            (agent.id.to_string(), None, default),
            ("default".to_owned(), Some(agent.id), default),
        ] {
            let name: HistoryName = name.parse().unwrap();
            assert_eq!(conversations.history(&f.actor, name, beside).await.unwrap(), expected);
        }
        let nameless = conversations.history(&f.actor, HistoryName::Default, None).await;
        assert!(matches!(nameless, Err(Error::NotFound(_))), "{nameless:?}");
        assert!("conversation-1".parse::<HistoryName>().is_err());
    }
}
