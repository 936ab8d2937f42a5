//! Blocks: what changes what, and which prompts show it.

use muisti_managers::{
    Error,
    block::{BlockFilter, default_description},
    orm::{Order, Page},
    schema::{AgentId, BlockId, CreateBlock},
};
use serde_json::json;

use crate::helpers::{on_both, update};

on_both! {
    async fn a_block_is_made_with_the_description_that_its_label_stands_for(f) {
        let blocks = f.services.blocks();
        let made = blocks.create(&f.actor, CreateBlock::new("persona", "I am\0 kind.")).await.unwrap();
        assert_eq!(made.value, "I am kind.");
        assert_eq!(made.description.as_deref(), default_description("persona"));
        assert_eq!(blocks.get(&f.actor, made.id).await.unwrap(), made);
        let plain = blocks.create(&f.actor, CreateBlock::new("notes", "")).await.unwrap();
        assert_eq!(plain.description, None);
    }

    async fn an_update_reaches_the_prompts_of_all_agents_that_share_the_block(f) {
        let blocks = f.services.blocks();
        let first = f.agent(json!({})).await;
        let id = first.blocks[0].id;
        let second = f.agent(json!({"memory_blocks": [], "block_ids": [id]})).await;
        let before = f.system_message(second.id).await;

        let changed = blocks.update(&f.actor, id, update(json!({"value": "Name: Eve"}))).await.unwrap();
        assert_eq!(changed.value, "Name: Eve");
        for agent in [first.id, second.id] {
            assert!(f.prompt(agent).await.contains("<value>\nName: Eve\n</value>"));
        }
        let after = f.system_message(second.id).await;
        assert_eq!((after.id, after.created_at, after.sequence_id), (before.id, before.created_at, before.sequence_id));

        let change = update(json!({"description": "who it is", "limit": 5, "read_only": true}));
        blocks.update_by_label(&f.actor, first.id, "human", change).await.unwrap();
        let prompt = f.prompt(second.id).await;
        assert!(prompt.contains("who it is") && prompt.contains("- read_only=true\n"), "{prompt}");
        assert!(prompt.contains("- chars_limit=5\n"), "{prompt}");
    }

    async fn what_the_prompt_does_not_show_leaves_the_system_message_alone(f) {
        let blocks = f.services.blocks();
        let agent = f.agent(json!({})).await;
        let id = agent.blocks[0].id;
        let before = f.system_message(agent.id).await;
        for change in [
            json!({}),
            json!({"value": "Name: Ada"}),
            json!({"value": null, "tags": ["a", "b"]}),
            json!({"tags": ["b", "a"]}),
            json!({"metadata": {"k": 1}, "hidden": true}),
        ] {
            blocks.update(&f.actor, id, update(change)).await.unwrap();
        }
        assert_eq!(f.system_message(agent.id).await, before);
        let block = blocks.get(&f.actor, id).await.unwrap();
        assert_eq!((block.tags.len(), block.hidden), (2, Some(true)));
        blocks.update(&f.actor, id, update(json!({"tags": []}))).await.unwrap();
        assert!(blocks.get(&f.actor, id).await.unwrap().tags.is_empty());
    }

    async fn a_new_label_is_written_through_to_the_agents_unless_one_has_it_already(f) {
        let blocks = f.services.blocks();
        let agent = f.agent(json!({})).await;
        let id = agent.blocks[0].id;
        blocks.update(&f.actor, id, update(json!({"label": "a/friend"}))).await.unwrap();
        assert_eq!(blocks.get_by_label(&f.actor, agent.id, "a/friend").await.unwrap().id, id);
        assert!(f.prompt(agent.id).await.contains("<a/friend>"));
        let error = blocks.get_by_label(&f.actor, agent.id, "human").await.unwrap_err();
        let text = format!("No block with label 'human' found for agent '{}'", agent.id);
        assert!(matches!(error, Error::NotFound(found) if found == text));

        let other = blocks.create(&f.actor, CreateBlock::new("notes", "")).await.unwrap();
        blocks.attach(&f.actor, agent.id, other.id).await.unwrap();
        let error = blocks.update(&f.actor, other.id, update(json!({"label": "a/friend", "value": "x"}))).await;
        assert!(matches!(error, Err(Error::Unique("Agent"))), "{error:?}");
        assert_eq!(blocks.get(&f.actor, other.id).await.unwrap(), other);
    }

    async fn attach_detach_and_delete_show_in_the_prompt(f) {
        let blocks = f.services.blocks();
        let agent = f.agent(json!({})).await;
        let notes = blocks.create(&f.actor, CreateBlock::new("notes", "n")).await.unwrap();
        for _ in 0..2 {
            blocks.attach(&f.actor, agent.id, notes.id).await.unwrap();
        }
        assert!(f.prompt(agent.id).await.contains("<notes>"));
        let twin = blocks.create(&f.actor, CreateBlock::new("notes", "m")).await.unwrap();
        let error = blocks.attach(&f.actor, agent.id, twin.id).await;
        assert!(matches!(error, Err(Error::Unique("Agent"))), "{error:?}");

        blocks.detach(&f.actor, agent.id, notes.id).await.unwrap();
        assert!(!f.prompt(agent.id).await.contains("<notes>"));
        let error = blocks.detach(&f.actor, agent.id, notes.id).await.unwrap_err();
        assert!(matches!(error, Error::NotFound(_)));
        blocks.get(&f.actor, notes.id).await.unwrap();

        blocks.attach(&f.actor, agent.id, notes.id).await.unwrap();
        blocks.delete(&f.actor, notes.id).await.unwrap();
        assert!(!f.prompt(agent.id).await.contains("<notes>"));
        assert!(matches!(blocks.get(&f.actor, notes.id).await, Err(Error::NotFound(_))));
        assert!(matches!(blocks.delete(&f.actor, notes.id).await, Err(Error::NotFound(_))));
    }

    async fn what_does_not_exist_is_not_found(f) {
        let blocks = f.services.blocks();
        let (agent, block) = (AgentId::random(), BlockId::random());
        let error = blocks.get(&f.actor, block).await.unwrap_err();
        assert_eq!(error.to_string(), format!("Block with id '{block}' not found"));
        assert!(matches!(blocks.update(&f.actor, block, update(json!({}))).await, Err(Error::NotFound(_))));
        assert!(matches!(blocks.attach(&f.actor, agent, block).await, Err(Error::NotFound(_))));
        assert!(matches!(blocks.get_by_label(&f.actor, agent, "x").await, Err(Error::NotFound(_))));
        let page = Page::first(10, Order::Asc);
        assert!(matches!(blocks.list_of_agent(&f.actor, agent, page).await, Err(Error::NotFound(_))));
    }

    async fn lists_leave_out_the_hidden_and_the_plain_count_counts_all(f) {
        let blocks = f.services.blocks();
        for label in ["a", "b"] {
            blocks.create(&f.actor, CreateBlock { hidden: Some(label == "b"), ..CreateBlock::new(label, "") }).await.unwrap();
        }
        let page = Page::first(10, Order::Asc);
        let listed = blocks.list(&f.actor, BlockFilter::default(), page).await.unwrap();
        assert_eq!(listed.iter().map(|block| block.label.as_str()).collect::<Vec<_>>(), ["a"]);
        assert_eq!(blocks.count(&f.actor, Some(BlockFilter::default())).await.unwrap(), 1);
        assert_eq!(blocks.count(&f.actor, None).await.unwrap(), 2);
    }
}
