//! Agents: creation, update, lists, deletion, secrets, prompts.

use std::collections::BTreeSet;

use muisti_managers::{
    Error, Settings,
    agent::Include,
    orm::{
        Order, Page,
        agents::{AgentFilter, AgentSort},
    },
    schema::{
        AgentId, AgentInclude, AgentState, BlockId, CreateBlock, MessageId, MessageRole, StoredMessage, Tool, ToolId,
        ToolRule, open_user_message,
    },
};
use muisti_testkit::TestDatabase;
use serde_json::{Value, json};

use crate::support::World;

fn names(tools: &[Tool]) -> Vec<&str> {
    tools.iter().map(|tool| tool.name.as_str()).collect()
}

fn labels(agent: &AgentState) -> Vec<&str> {
    agent.blocks.iter().map(|block| block.label.as_str()).collect()
}

async fn messages(world: &World, agent: &AgentState) -> Vec<StoredMessage> {
    let organization = world.actor.organization_id;
    let ids: Vec<MessageId> = agent.message_ids.clone().unwrap();
    world
        .services
        .db()
        .read(move |conn| muisti_managers::orm::messages::by_ids(conn, organization, &ids))
        .await
        .unwrap()
}

async fn system_text(world: &World, agent: &AgentState) -> String {
    messages(world, agent).await[0].text()
}

async fn block(world: &World, label: &str, value: &str) -> BlockId {
    world.services.blocks().create(&world.actor, CreateBlock::new(label, value)).await.unwrap().id
}

#[tokio::test]
async fn a_plain_agent_has_the_settings_that_clients_expect_and_keeps_them() {
    let expected = json!({"max_output_tokens": 16384, "parallel_tool_calls": true, "strict": false,
        "provider_type": "openai", "temperature": 1.0, "reasoning": {"reasoning_effort": "minimal"},
        "response_format": null});
    for world in World::each().await {
        let agent = world.create(json!({"name": "plain", "embedding": "openai/text-embedding-3-small"})).await;
        assert_eq!(serde_json::to_value(&agent.model_settings).unwrap(), expected);
        assert_eq!(agent.model.as_deref(), Some("openai/gpt-4o-mini"));
        assert_eq!(agent.embedding.as_deref(), Some("openai/text-embedding-3-small"));
        assert_eq!(agent.embedding_config.as_ref().unwrap().embedding_dim, 1536);

        let renamed = world.update(&agent, json!({"name": "renamed"})).await;
        assert_eq!(renamed.name, "renamed");
        assert_eq!(serde_json::to_value(&renamed.model_settings).unwrap(), expected);
        assert_eq!(renamed.llm_config, agent.llm_config);
        assert!(renamed.updated_at > agent.updated_at);
    }
}

#[tokio::test]
async fn an_agent_needs_no_embedding_model_and_no_name() {
    for world in World::each().await {
        let agent = world.create(json!({})).await;
        assert_eq!((agent.embedding, agent.embedding_config), (None, None));
        assert!(!agent.name.is_empty());
        assert_eq!(agent.timezone.as_deref(), Some("UTC"));
        assert!(agent.compaction_settings.unwrap().prompt.is_some());
    }
}

#[tokio::test]
async fn an_agent_is_answered_as_it_is_read_again() {
    for world in World::each().await {
        let agent = world
            .create(json!({
                "name": "Ada", "description": "d", "metadata": {"a": [1]}, "tags": ["b", "a", "b"],
                "memory_blocks": [{"label": "human", "value": "Sara"}, {"label": "persona", "value": "Kind"}],
                "secrets": {"KEY": "value"}, "timezone": "Europe/Helsinki", "max_files_open": 20,
                "per_file_view_window_char_limit": 500_000, "message_buffer_autoclear": true, "hidden": true
            }))
            .await;
        assert_eq!(agent, world.get(&agent).await);
        assert_eq!(agent.tags, ["b", "a"]);
        assert_eq!(labels(&agent), ["human", "persona"]);
        assert!(agent.blocks.iter().all(|block| block.description.is_some()));
        assert_eq!((agent.max_files_open, agent.per_file_view_window_char_limit), (Some(20), Some(500_000)));
        assert_eq!(agent.memory.blocks, agent.blocks);
    }
}

#[tokio::test]
async fn each_type_gets_its_tools_and_the_rules_that_belong_to_them() {
    for world in World::each().await {
        let v1 = world.create(json!({"tools": ["send_message", "memory_rethink"]})).await;
        assert_eq!(names(&v1.tools), ["conversation_search", "memory_replace", "memory_insert", "memory_rethink"]);
        assert_eq!(v1.tool_rules, Some(vec![]));

        let v2 = world.create(json!({"agent_type": "memgpt_v2_agent"})).await;
        assert_eq!(names(&v2.tools), ["send_message", "conversation_search", "memory_replace", "memory_insert"]);
        let rules = v2.tool_rules.unwrap();
        assert_eq!(rules[0], ToolRule::exit_loop("send_message"));
        assert_eq!(rules[1], ToolRule::continue_loop("conversation_search"));
        assert_eq!(rules.len(), 4);

        let bare = world.create(json!({"include_base_tools": false, "include_base_tool_rules": true})).await;
        assert!(bare.tools.is_empty());
        let react = world.create(json!({"agent_type": "react_agent"})).await;
        assert!(react.tools.is_empty());
    }
}

#[tokio::test]
async fn rules_are_kept_once_each() {
    for world in World::each().await {
        let exit = json!({"type": "exit_loop", "tool_name": "a"});
        let count = |limit| json!({"type": "max_count_per_step", "tool_name": "a", "max_count_limit": limit});
        let agent = world.create(json!({"tool_rules": [exit, exit, exit, count(2), count(3)]})).await;
        // Base rules come too, since the request has rules of its own.
        let own: Vec<_> = agent.tool_rules.iter().flatten().filter(|rule| rule.tool_name() == "a").collect();
        assert_eq!(own.len(), 3);
        let cleared = world.update(&agent, json!({"tool_rules": []})).await;
        assert_eq!(cleared.tool_rules, Some(vec![]));
    }
}

#[tokio::test]
async fn the_first_messages_are_those_of_the_type_or_those_that_were_sent() {
    for world in World::each().await {
        let v1 = world.create(json!({})).await;
        assert_eq!(v1.message_ids.as_ref().unwrap().len(), 1);
        let v2 = world.create(json!({"agent_type": "memgpt_v2_agent"})).await;
        let roles: Vec<_> = messages(&world, &v2).await.iter().map(|message| message.role).collect();
        assert_eq!(roles, [MessageRole::System, MessageRole::Assistant, MessageRole::Tool, MessageRole::User]);

        let sent = json!([{"role": "user", "content": "Hello, agent."}]);
        let agent = world.create(json!({"agent_type": "memgpt_v2_agent", "initial_message_sequence": sent})).await;
        let stored = messages(&world, &agent).await;
        assert_eq!(stored.len(), 2);
        assert_eq!(open_user_message(&stored[1].text()).as_deref(), Some("Hello, agent."));
    }
}

#[tokio::test]
async fn the_system_message_shows_the_prompt_and_the_blocks() {
    for world in World::each().await {
        let agent = world
            .create(json!({"system": "You are {CORE_MEMORY} indeed. {\"json\": 1}",
                "memory_blocks": [{"label": "human", "value": "username: sara"}]}))
            .await;
        assert_eq!(agent.system, "You are {CORE_MEMORY} indeed. {\"json\": 1}");
        let text = system_text(&world, &agent).await;
        assert!(text.starts_with("You are <memory_blocks>") && text.ends_with("indeed. {\"json\": 1}"), "{text}");
        assert!(text.contains("username: sara") && text.contains("System prompt last recompiled"));
        assert!(text.contains(&agent.id.to_string()));
    }
}

#[tokio::test]
async fn an_edited_prompt_or_other_blocks_show_in_the_same_system_message() {
    for world in World::each().await {
        let agent = world.create(json!({"memory_blocks": [{"label": "human", "value": "old value"}]})).await;
        let system = world.update(&agent, json!({"system": "Another prompt."})).await;
        assert_eq!(system.message_ids, agent.message_ids);
        assert!(system_text(&world, &agent).await.starts_with("Another prompt."));

        let new = block(&world, "notes", "fresh notes").await;
        let swapped = world.update(&agent, json!({"block_ids": [new]})).await;
        assert_eq!(labels(&swapped), ["notes"]);
        let text = system_text(&world, &agent).await;
        assert!(text.contains("fresh notes") && !text.contains("old value"));

        let before = system_text(&world, &agent).await;
        world.update(&agent, json!({"description": "no change of the prompt"})).await;
        assert_eq!(system_text(&world, &agent).await, before);
    }
}

#[tokio::test]
async fn a_failure_leaves_nothing_behind() {
    for world in World::each().await {
        let blocks = world.services.blocks();
        for (request, status) in [
            (json!({"tools": ["no_such_tool"]}), "Tools not found by name: {'no_such_tool'}"),
            (json!({"tool_ids": [ToolId::random()]}), "Tools not found by id:   {'tool-"),
            (json!({"block_ids": [BlockId::random()]}), "Block with id 'block-"),
            (
                json!({"memory_blocks": [{"label": "a", "value": ""}, {"label": "a", "value": ""}]}),
                "CONFLICT: Two memory blocks",
            ),
            (json!({"folder_ids": ["source-123e4567-e89b-42d3-8456-426614174000"]}), "Folder with ID source-123e"),
            (
                json!({"identity_ids": ["identity-123e4567-e89b-42d3-8456-426614174000"]}),
                "Identity with ID identity-123e",
            ),
            (json!({"model": "gpt-4o"}), "INVALID_ARGUMENT: The model handle should be in the format"),
            (json!({"model": "openai/gpt-99"}), "NOT_FOUND: Handle openai/gpt-99 not found, must be one of ["),
            (json!({"model": "nobody/gpt-4o"}), "NOT_FOUND: Handle nobody/gpt-4o not found"),
            (json!({"embedding": "openai/none"}), "INVALID_ARGUMENT: Embedding model openai/none not found"),
            (json!({"model": null}), "INVALID_ARGUMENT: Must specify either model or llm_config in request"),
            (json!({"max_files_open": 1001}), "INVALID_ARGUMENT: max_files_open cannot exceed 1000. Got: 1001"),
            (json!({"agent_type": "split_thread_agent"}), "A split_thread_agent has no built-in system prompt"),
        ] {
            let mut with_block = request.clone();
            let extra = json!([{"label": "orphan", "value": "x"}]);
            with_block.as_object_mut().unwrap().entry("memory_blocks").or_insert(extra);
            let error = world.try_create(with_block).await.unwrap_err();
            assert!(error.to_string().starts_with(status), "{request}: {error}");
        }
        for request in [
            json!({"name": "a/b"}),
            json!({"timezone": "Mars/Olympus"}),
            json!({"embedding": "text-embedding-3-small"}),
            json!({"agent_type": "voice_convo_agent"}),
            json!({"max_files_open": -1}),
            json!({"tags": ["x".repeat(600)]}),
            json!({"secrets": {"A=B": "x"}}),
        ] {
            let error = world.try_create(request.clone()).await.unwrap_err();
            assert!(matches!(error, Error::Unprocessable(_)), "{request}: {error}");
        }
        assert_eq!(world.services.agents().count(&world.actor, AgentFilter::default()).await.unwrap(), 0);
        assert_eq!(blocks.count(&world.actor, Default::default()).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn the_server_s_default_models_fill_in() {
    for database in TestDatabase::each() {
        let settings = Settings {
            default_model: Some("openai/gpt-4.1".into()),
            default_embedding: Some("openai/text-embedding-3-large".into()),
            max_context_window: 50_000,
            ..Settings::default()
        };
        let world = World::on(database, settings).await;
        let agent = world.create(json!({"model": null})).await;
        assert_eq!(agent.model.as_deref(), Some("openai/gpt-4.1"));
        assert_eq!(agent.embedding_config.unwrap().embedding_dim, 3072);
        assert_eq!(agent.llm_config.context_window, 50_000);
    }
}

#[tokio::test]
async fn a_tag_makes_an_agent_hidden_at_creation_only() {
    for world in World::each().await {
        let hidden = world.create(json!({"tags": ["role:subagent"], "hidden": false})).await;
        assert_eq!(hidden.hidden, Some(true));
        let agent = world.create(json!({})).await;
        let tagged = world.update(&agent, json!({"tags": ["role:subagent"]})).await;
        assert_eq!(tagged.hidden, None);
        assert_eq!(world.update(&hidden, json!({"hidden": false})).await.hidden, Some(false));
    }
}

#[tokio::test]
async fn secrets_are_sealed_at_rest_and_clear_in_answers() {
    for world in World::each().await {
        let agent = world.create(json!({"secrets": {}, "tool_exec_environment_variables": {"A": "1", "B": ""}})).await;
        let clear = |agent: &AgentState| -> Vec<(String, String)> {
            agent.secrets.iter().map(|secret| (secret.key.clone(), secret.value.clone())).collect()
        };
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(clear(&agent), [pair("A", "1"), pair("B", "")]);
        assert_eq!(agent.secrets, agent.tool_exec_environment_variables);
        assert!(agent.secrets.iter().all(|secret| secret.value_enc.is_none()));

        let id = agent.id;
        let rows = world.services.db().read(move |conn| muisti_managers::orm::secrets::of_agents(conn, &[id])).await;
        let rows = rows.unwrap().remove(&id).unwrap();
        assert!(rows.iter().all(|row| row.value_enc.len() > 40), "{rows:?}");

        let replaced = world.update(&agent, json!({"secrets": {"C": "sk-3"}})).await;
        assert_eq!(clear(&replaced), [pair("C", "sk-3")]);
        assert_eq!(clear(&world.update(&agent, json!({"secrets": null})).await), [pair("C", "sk-3")]);
        assert!(world.update(&agent, json!({"secrets": {}})).await.secrets.is_empty());
    }
}

#[tokio::test]
async fn an_update_replaces_lists_and_takes_null_for_no_change() {
    for world in World::each().await {
        let agent = world
            .create(json!({"tags": ["a"], "description": "d", "metadata": {"a": 1},
                "memory_blocks": [{"label": "human", "value": ""}]}))
            .await;
        let same = world
            .update(
                &agent,
                json!({"tags": null, "description": null, "metadata": null, "block_ids": null, "tool_ids": null,
                    "tool_rules": null, "system": null, "model": null, "message_ids": null}),
            )
            .await;
        assert_eq!(AgentState { updated_at: agent.updated_at, ..same }, agent);

        let tool = agent.tools[1].id;
        let changed = world
            .update(
                &agent,
                json!({"tags": ["b", "c"], "metadata": {}, "block_ids": [], "tool_ids": [tool],
                    "compaction_settings": {"mode": "all"}, "last_stop_reason": "end_turn",
                    "last_run_completion": "2025-01-02T03:04:05Z", "last_run_duration_ms": 7}),
            )
            .await;
        assert_eq!(changed.tags, ["b", "c"]);
        assert_eq!(changed.metadata, Some(serde_json::Map::new()));
        assert!(changed.blocks.is_empty());
        assert_eq!(names(&changed.tools), ["memory_replace"]);
        assert_eq!(changed.compaction_settings.as_ref().unwrap().mode.as_str(), "all");
        assert_eq!(changed.last_run_duration_ms, Some(7));
        assert!(world.update(&agent, json!({"tags": []})).await.tags.is_empty());

        for (request, text) in [
            (json!({"tool_ids": [ToolId::random()]}), "Tool with ID tool-"),
            (json!({"block_ids": [BlockId::random()]}), "Block with id 'block-"),
            (json!({"model": "openai/none"}), "NOT_FOUND: Handle openai/none not found"),
        ] {
            let error = world.try_update(&agent, request).await.unwrap_err().to_string();
            assert!(error.starts_with(text), "{error}");
        }
        let twice = [block(&world, "same", "1").await, block(&world, "same", "2").await];
        let error = world.try_update(&agent, json!({"block_ids": twice})).await.unwrap_err();
        assert!(matches!(error, Error::Conflict(_)), "{error}");
    }
}

#[tokio::test]
async fn another_model_brings_its_own_limits_for_files() {
    for world in World::each().await {
        let agent = world.create(json!({"context_window_limit": 8000})).await;
        assert_eq!((agent.max_files_open, agent.per_file_view_window_char_limit), (Some(3), Some(5_000)));
        let wider = world.update(&agent, json!({"context_window_limit": 32_000})).await;
        assert_eq!((wider.max_files_open, wider.per_file_view_window_char_limit), (Some(5), Some(15_000)));
        let other = world.update(&agent, json!({"model": "openai/gpt-4.1"})).await;
        assert_eq!(other.llm_config.context_window, 128_000);
        assert_eq!(other.model.as_deref(), Some("openai/gpt-4.1"));
        assert_eq!(other.max_files_open, Some(10));
    }
}

#[tokio::test]
async fn a_relationship_that_was_not_asked_for_is_empty() {
    for world in World::each().await {
        let agent = world
            .create(json!({"tags": ["t"], "secrets": {"A": "1"}, "memory_blocks": [{"label": "human", "value": ""}]}))
            .await;
        let agents = world.services.agents();
        let bare = agents.get(&world.actor, agent.id, Include::NONE).await.unwrap();
        assert!(bare.tags.is_empty() && bare.blocks.is_empty() && bare.tools.is_empty() && bare.secrets.is_empty());
        let blocks = Include::decide(&[AgentInclude::Blocks], None, true);
        let with_blocks = agents.get(&world.actor, agent.id, blocks).await.unwrap();
        assert_eq!((with_blocks.tags.len(), with_blocks.blocks.len(), with_blocks.tools.len()), (1, 1, 0));
    }
}

#[tokio::test]
async fn lists_filter_sort_and_page() {
    for world in World::each().await {
        let mut made = Vec::new();
        for (name, tags) in [("one", json!(["a"])), ("two", json!(["a", "b"])), ("three", json!(["b"]))] {
            made.push(world.create(json!({"name": name, "tags": tags})).await);
        }
        world.create(json!({"name": "hidden", "hidden": true, "tags": ["a"]})).await;
        let agents = world.services.agents();
        let list = async |filter: AgentFilter, page: Page| -> Vec<String> {
            let listed = agents.list(&world.actor, filter, AgentSort::CreatedAt, page, Include::NONE).await.unwrap();
            listed.into_iter().map(|agent| agent.name).collect()
        };
        let page = |order, after: Option<usize>, before: Option<usize>| Page {
            after: after.map(|n| made[n].id.to_string()),
            before: before.map(|n| made[n].id.to_string()),
            ..Page::first(50, order)
        };
        let all = AgentFilter::default();
        assert_eq!(list(all.clone(), page(Order::Asc, None, None)).await, ["one", "two", "three"]);
        assert_eq!(list(all.clone(), page(Order::Asc, Some(0), None)).await, ["two", "three"]);
        assert_eq!(list(all.clone(), page(Order::Asc, None, Some(2))).await, ["one", "two"]);
        assert_eq!(list(all.clone(), page(Order::Desc, Some(2), None)).await, ["two", "one"]);
        assert_eq!(list(all.clone(), page(Order::Desc, None, Some(0))).await, ["three", "two"]);

        let tagged = |tags: &[&str], match_all_tags| AgentFilter {
            tags: tags.iter().map(ToString::to_string).collect(),
            match_all_tags,
            ..AgentFilter::default()
        };
        let desc = || page(Order::Desc, None, None);
        assert_eq!(list(tagged(&["a"], false), desc()).await, ["two", "one"]);
        assert_eq!(list(tagged(&["a", "b"], true), desc()).await, ["two"]);
        assert_eq!(list(tagged(&["a", "b"], false), desc()).await.len(), 3);
        let named = AgentFilter { name: Some("two".into()), ..AgentFilter::default() };
        assert_eq!(list(named.clone(), desc()).await, ["two"]);
        let part = AgentFilter { query_text: Some("T".into()), ..AgentFilter::default() };
        assert_eq!(list(part, desc()).await, ["three", "two"]);
        assert_eq!(agents.count(&world.actor, named).await.unwrap(), 1);
        let with_hidden = AgentFilter { show_hidden: true, ..AgentFilter::default() };
        assert_eq!(agents.count(&world.actor, with_hidden).await.unwrap(), 4);
        assert_eq!(agents.count(&world.actor, all.clone()).await.unwrap(), 3);

        let lost = Page { after: Some(AgentId::random().to_string()), ..Page::first(50, Order::Desc) };
        let error = agents.list(&world.actor, all, AgentSort::CreatedAt, lost, Include::NONE).await.unwrap_err();
        assert!(error.to_string().starts_with("No Agent found with id agent-"), "{error}");
        assert_eq!(
            world.services.tags().list(&world.actor, None, Page::first(50, Order::Asc)).await.unwrap(),
            ["a", "b"]
        );
    }
}

#[tokio::test]
async fn a_deleted_agent_is_gone_and_its_blocks_stay() {
    for world in World::each().await {
        let agent = world.create(json!({"memory_blocks": [{"label": "human", "value": "kept"}]})).await;
        let agents = world.services.agents();
        agents.delete(&world.actor, agent.id).await.unwrap();
        let again = agents.delete(&world.actor, agent.id).await.unwrap_err();
        assert_eq!(again.to_string(), format!("Agent with ID {} not found", agent.id));
        assert!(agents.get(&world.actor, agent.id, Include::NONE).await.is_err());
        assert!(world.try_update(&agent, json!({"name": "x"})).await.is_err());
        assert!(messages(&world, &agent).await.is_empty());
        assert_eq!(world.services.blocks().get(&world.actor, agent.blocks[0].id).await.unwrap().value, "kept");
    }
}

#[tokio::test]
async fn blocks_come_and_go_with_the_prompt() {
    for world in World::each().await {
        let agent = world.create(json!({"memory_blocks": [{"label": "human", "value": "first"}]})).await;
        let agents = world.services.agents();
        let notes = block(&world, "notes", "some notes").await;
        let with = agents.attach_block(&world.actor, agent.id, notes).await.unwrap();
        assert_eq!(labels(&with), ["human", "notes"]);
        assert!(system_text(&world, &agent).await.contains("some notes"));
        let again = agents.attach_block(&world.actor, agent.id, notes).await.unwrap();
        assert_eq!(labels(&again), ["human", "notes"]);

        let rival = block(&world, "human", "second").await;
        let error = agents.attach_block(&world.actor, agent.id, rival).await.unwrap_err();
        assert!(error.to_string().starts_with("A unique constraint was violated for Agent"), "{error}");

        let without = agents.detach_block(&world.actor, agent.id, notes).await.unwrap();
        assert_eq!(labels(&without), ["human"]);
        assert!(!system_text(&world, &agent).await.contains("some notes"));
        assert!(matches!(agents.detach_block(&world.actor, agent.id, notes).await, Err(Error::NotFound(_))));
        assert!(world.services.blocks().get(&world.actor, notes).await.is_ok());
    }
}

#[tokio::test]
async fn the_history_can_be_reset_and_the_prompt_recompiled() {
    for world in World::each().await {
        let agent = world.create(json!({"agent_type": "memgpt_v2_agent"})).await;
        let agents = world.services.agents();
        let reset = agents.reset_messages(&world.actor, agent.id, false).await.unwrap();
        assert_eq!(reset.message_ids.as_ref().unwrap().as_slice(), &agent.message_ids.as_ref().unwrap()[..1]);
        let full = agents.reset_messages(&world.actor, agent.id, true).await.unwrap();
        assert_eq!(full.message_ids.as_ref().unwrap().len(), 4);

        let stored = system_text(&world, &agent).await;
        let dry = agents.recompile(&world.actor, agent.id, false, true).await.unwrap();
        assert!(dry.contains("System prompt last recompiled"));
        assert_eq!(system_text(&world, &agent).await, stored);
        let text = agents.recompile(&world.actor, agent.id, true, false).await.unwrap();
        assert_eq!(system_text(&world, &agent).await, text);

        let empty = world.update(&agent, json!({"message_ids": []})).await;
        assert_eq!(empty.message_ids, Some(vec![]));
        assert!(matches!(agents.recompile(&world.actor, agent.id, false, true).await, Err(Error::NotFound(_))));
        let fresh = agents.reset_messages(&world.actor, agent.id, false).await.unwrap();
        assert_eq!(fresh.message_ids.as_ref().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn another_organization_sees_nothing() {
    for world in World::each().await {
        let agent = world.create(json!({})).await;
        let stranger = muisti_managers::Actor {
            organization_id: muisti_managers::schema::OrganizationId::random(),
            ..world.actor
        };
        let agents = world.services.agents();
        assert!(agents.get(&stranger, agent.id, Include::NONE).await.is_err());
        assert!(agents.delete(&stranger, agent.id).await.is_err());
        assert_eq!(agents.count(&stranger, AgentFilter::default()).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn a_second_start_changes_nothing() {
    for world in World::each().await {
        let agent = world.create(json!({"secrets": {"A": "kept"}})).await;
        let restarted = World::on(world.database, Settings::default()).await;
        assert_eq!(restarted.get(&agent).await, agent);
    }
}

#[tokio::test]
async fn the_actor_is_the_default_one_or_a_known_user() {
    for world in World::each().await {
        assert_eq!(world.services.actor(None).await.unwrap(), world.actor);
        let stranger = muisti_managers::schema::UserId::random();
        assert!(matches!(world.services.actor(Some(stranger)).await, Err(Error::NotFound(_))));
        let strict = World::on(world.database, Settings { no_default_actor: true, ..Settings::default() }).await;
        assert!(matches!(strict.services.actor(None).await, Err(Error::NotFound(_))));
        assert!(strict.services.actor(Some(strict.actor.user_id)).await.is_err());
    }
}

#[tokio::test]
async fn the_models_of_the_server_are_listed() {
    for world in World::each().await {
        let models = world.services.models();
        let listed = models.list(&world.actor, &Default::default()).await;
        let handles: BTreeSet<_> = listed.iter().filter_map(|model| model.handle.as_deref()).collect();
        assert!(handles.contains("openai/gpt-4o-mini") || handles.contains("openai-proxy/gpt-4o-mini"), "{handles:?}");
        let model = serde_json::to_value(&listed[0]).unwrap();
        assert_eq!(model["provider_type"], Value::from("openai"));
        assert!(world.model.requests().is_empty(), "no model was called");
    }
}
