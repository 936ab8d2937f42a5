//! Archival memory of agents, as they use it and as it is shown to them.

use muisti_managers::{
    Error, Settings,
    archive::ArchiveFilter,
    orm::{Order, Page},
    schema::{AgentId, Archive, ArchiveCreateRequest, CreateArchivalMemory, Passage},
};
use muisti_testkit::Backend;
use serde_json::json;

use crate::{helpers::on_both, support::World};

impl World {
    async fn archives_of(&self, agent: AgentId) -> Vec<Archive> {
        let filter = ArchiveFilter { agent_id: Some(agent), ..ArchiveFilter::default() };
        self.services.archives().list(&self.actor, filter, Page::first(9, Order::Asc)).await.unwrap()
    }

    async fn passages_of(&self, agent: AgentId) -> Vec<Passage> {
        let page = Page::first(99, Order::Asc);
        self.services.passages().list_of_agent(&self.actor, agent, None, page).await.unwrap()
    }
}

fn memory(text: &str) -> CreateArchivalMemory {
    CreateArchivalMemory { text: text.to_owned(), ..CreateArchivalMemory::default() }
}

on_both! {
    async fn what_an_agent_stores_it_finds_again(f) {
        let agent = f.agent(json!({"name": "Ada", "timezone": "Europe/Helsinki"})).await;
        let args = json!({"content": "Ada moved to Oulu.", "tags": ["ada", "moves", "ada"]});
        let outcome = f.call(agent.id, "archival_memory_insert", args).await;
        assert!(outcome.ok, "{outcome:?}");
        let passages = f.passages_of(agent.id).await;
        assert_eq!(json!(passages[0].id), outcome.value);
        assert_eq!(passages[0].tags.as_deref().unwrap(), ["ada", "moves"]);
        f.call(agent.id, "archival_memory_insert", json!({"content": "The budget is 100 euros."})).await;

        let outcome = f.call(agent.id, "archival_memory_search", json!({"query": "where did Ada move?"})).await;
        assert!(outcome.ok, "{outcome:?}");
        let entry = &outcome.value[0];
        assert_eq!(entry["content"], "Ada moved to Oulu.");
        assert_eq!(entry["tags"], json!(["ada", "moves"]));
        assert_eq!(entry["relevance"]["fts_rank"], 1);
        assert_eq!(entry["relevance"]["search_mode"], "fts");
        let timestamp = entry["timestamp"].as_str().unwrap();
        assert!(timestamp.ends_with("+02:00") || timestamp.ends_with("+03:00"), "{timestamp}");

        for (args, count) in [
            (json!({"query": " "}), 0),
            (json!({"query": "budget", "tags": ["ada"]}), 0),
            (json!({"query": "the ada budget oulu", "top_k": 1}), 1),
            (json!({"query": "the ada budget oulu", "top_k": 0}), 2),
            (json!({"query": "oulu", "end_datetime": "2020-01-01"}), 0),
        ] {
            let outcome = f.call(agent.id, "archival_memory_search", args.clone()).await;
            assert_eq!(outcome.value.as_array().map(Vec::len), Some(count), "{args}: {outcome:?}");
        }
        let outcome = f.call(agent.id, "archival_memory_search", json!({"query": "x", "start_datetime": "soon"})).await;
        assert!(!outcome.ok && outcome.value.as_str().unwrap().starts_with("Invalid start_datetime format: soon."));
    }

    async fn the_first_memory_makes_an_archive_and_the_prompt_counts_them(f) {
        let agent = f.agent(json!({"name": "Ada"})).await;
        assert!(f.archives_of(agent.id).await.is_empty());
        assert!(!f.prompt(agent.id).await.contains("archival memory"));
        let first = f.services.passages().create_for_agent(&f.actor, agent.id, memory("one")).await.unwrap();
        assert!(f.prompt(agent.id).await.contains("- 1 memory is stored in archival memory"));
        f.services.passages().create_for_agent(&f.actor, agent.id, memory("two")).await.unwrap();
        assert!(f.prompt(agent.id).await.contains("- 2 memories are stored in archival memory"));
        let overview = f.services.agents().context_window(&f.actor, agent.id, None).await.unwrap();
        assert_eq!(overview.num_archival_memory, 2);
        let archives = f.archives_of(agent.id).await;
        assert_eq!(archives.len(), 1);
        assert_eq!(archives[0].name, "Ada's Archive");
        assert_eq!(archives[0].embedding_config, None);

        f.services.passages().delete_of_agent(&f.actor, agent.id, &first.id.to_string()).await.unwrap();
        assert!(f.prompt(agent.id).await.contains("- 1 memory is stored"));
        f.services.archives().delete(&f.actor, archives[0].id).await.unwrap();
        assert!(!f.prompt(agent.id).await.contains("archival memory"));
        assert!(f.passages_of(agent.id).await.is_empty());
    }

    async fn first_memories_at_once_share_one_archive(f) {
        let agent = f.agent(json!({})).await;
        let texts: Vec<String> = (0..8).map(|n| format!("memory {n}")).collect();
        let passages = f.services.passages();
        let inserts = texts.iter().map(|text| passages.create_for_agent(&f.actor, agent.id, memory(text)));
        for inserted in futures::future::join_all(inserts).await {
            inserted.unwrap();
        }
        assert_eq!(f.archives_of(agent.id).await.len(), 1);
        assert_eq!(f.passages_of(agent.id).await.len(), 8);
    }

    async fn a_shared_archive_is_searched_by_all_its_agents_and_a_second_one_is_refused(f) {
        let (ada, eve) = (f.agent(json!({})).await, f.agent(json!({})).await);
        f.services.passages().create_for_agent(&f.actor, ada.id, memory("The key is under the mat.")).await.unwrap();
        let archive = f.archives_of(ada.id).await.remove(0);
        let archives = f.services.archives();
        archives.attach(&f.actor, eve.id, archive.id).await.unwrap();
        archives.attach(&f.actor, eve.id, archive.id).await.unwrap();
        let outcome = f.call(eve.id, "archival_memory_search", json!({"query": "key"})).await;
        assert_eq!(outcome.value[0]["content"], "The key is under the mat.");

        let request = ArchiveCreateRequest { name: "other".into(), ..ArchiveCreateRequest::default() };
        let other = archives.create(&f.actor, request).await.unwrap();
        let refused = archives.attach(&f.actor, eve.id, other.id).await.unwrap_err();
        assert!(matches!(&refused, Error::Conflict(text) if text.contains("can have only one")), "{refused}");
        archives.detach(&f.actor, eve.id, archive.id).await.unwrap();
        archives.attach(&f.actor, eve.id, other.id).await.unwrap();
        f.services.agents().delete(&f.actor, ada.id).await.unwrap();
        assert_eq!(archives.get(&f.actor, archive.id).await.unwrap(), archive);
    }

    async fn an_archive_keeps_the_embedding_model_that_it_is_made_with(f) {
        let embedding = json!({"embedding_endpoint_type": "openai", "embedding_model": "e", "embedding_dim": 3});
        let agent = f.agent(json!({"embedding_config": embedding})).await;
        f.services.passages().create_for_agent(&f.actor, agent.id, memory("x")).await.unwrap();
        assert_eq!(f.archives_of(agent.id).await[0].embedding_config, agent.embedding_config);
        let create = async |embedding: &str| {
            let request = ArchiveCreateRequest {
                name: "a".into(), embedding: Some(embedding.into()), ..ArchiveCreateRequest::default()
            };
            f.services.archives().create(&f.actor, request).await
        };
        let archive = create("openai/text-embedding-3-small").await.unwrap();
        assert_eq!(archive.embedding_config.unwrap().handle.as_deref(), Some("openai/text-embedding-3-small"));
        let error = create("openai/no-such-model").await.unwrap_err().to_string();
        assert!(error.starts_with("INVALID_ARGUMENT: Embedding model openai/no-such-model not found"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_over_the_limit_is_refused_over_rest_and_by_the_tool() {
    let f =
        World::on(Backend::Sqlite.fresh(), Settings { archival_memory_token_limit: 10, ..Settings::default() }).await;
    let agent = f.agent(json!({})).await;
    let long = "word ".repeat(10);
    let error = f.services.passages().create_for_agent(&f.actor, agent.id, memory(&long)).await.unwrap_err();
    assert!(matches!(&error, Error::InvalidArgument(text) if text.contains("10 tokens (found 12 tokens)")), "{error}");
    let outcome = f.call(agent.id, "archival_memory_insert", json!({"content": long})).await;
    assert!(!outcome.ok && outcome.value.as_str().unwrap().contains("exceeds token limit"), "{outcome:?}");
    assert!(f.archives_of(agent.id).await.is_empty());
}
