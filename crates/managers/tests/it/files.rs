//! Folders and files: what agents get of them, and which prompts show it.

use muisti_managers::{
    Error,
    agent::Include,
    orm::{Error as OrmError, Order, Page, files},
    schema::{AgentId, AgentState, FileId, FileMetadata, Source, SourceCreate, SourceId},
};
use serde_json::{Value, json};

use crate::{helpers::on_both, support::World};

fn embedding() -> Value {
    json!({"embedding_endpoint_type": "openai", "embedding_model": "m", "embedding_dim": 8})
}

impl World {
    async fn folder(&self, name: &str) -> Source {
        let request = json!({"name": name, "embedding_config": embedding()});
        let request: SourceCreate = serde_json::from_value(request).unwrap();
        self.services.sources().create(&self.actor, request).await.unwrap()
    }

    async fn file(&self, folder: &Source, name: &str, text: &str) -> FileId {
        let file: FileMetadata = serde_json::from_value(json!({
            "id": FileId::random(), "source_id": folder.id, "file_name": format!("{}/{name}", folder.name),
            "original_file_name": name, "file_type": "text/plain", "processing_status": "completed", "content": text,
        }))
        .unwrap();
        let (id, actor) = (file.id, self.actor);
        self.services
            .db()
            .write(move |conn| files::insert(conn, &actor, &file))
            .await
            .map_err(|e: OrmError| e)
            .unwrap();
        id
    }

    async fn attach(&self, agent: &AgentState, folder: SourceId) {
        self.services.sources().attach(&self.actor, agent.id, folder).await.unwrap();
    }

    async fn open_names(&self, agent: AgentId) -> Vec<String> {
        let page = Page::first(100, Order::Asc);
        let files = self.services.files().list_of_agent(&self.actor, agent, Some(true), page).await.unwrap();
        files.files.into_iter().map(|file| file.file_name).collect()
    }
}

fn tool_names(agent: &AgentState) -> Vec<&str> {
    agent.tools.iter().map(|tool| tool.name.as_str()).filter(|name| name.ends_with("files")).collect()
}

const FILE_TOOLS: [&str; 3] = ["open_files", "grep_files", "semantic_search_files"];

on_both! {
    async fn a_folder_brings_its_files_and_the_tools_for_them(f) {
        let (docs, more) = (f.folder("docs").await, f.folder("more").await);
        f.file(&docs, "a.txt", "one\n\ntwo").await;
        let agent = f.agent(json!({})).await;
        f.attach(&agent, docs.id).await;
        f.attach(&agent, docs.id).await;
        f.attach(&agent, more.id).await;
        let state = f.get(&agent).await;
        assert_eq!(tool_names(&state), FILE_TOOLS);
        assert_eq!(state.sources.iter().map(|folder| folder.id).collect::<Vec<_>>(), [docs.id, more.id]);
        let [file] = state.memory.file_blocks.as_slice() else { panic!("{:?}", state.memory.file_blocks) };
        assert_eq!((file.block.label.as_str(), file.is_open), ("docs/a.txt", true));
        assert_eq!(file.block.value, "[Viewing file start (out of 2 lines)]\n1: one\n2: two");
        assert_eq!(f.get(&agent).await.memory.file_blocks[0].block.id, file.block.id, "the id stays");
        let prompt = f.prompt(agent.id).await;
        assert!(prompt.contains("<file status=\"open\" name=\"docs/a.txt\">"), "{prompt}");
        assert!(prompt.contains("- current_files_open=1\n- max_files_open=3\n"), "{prompt}");
        assert!(prompt.contains("<directory name=\"more\">\n</directory>\n"), "{prompt}");

        let sources = f.services.sources();
        sources.detach(&f.actor, agent.id, docs.id).await.unwrap();
        let state = f.get(&agent).await;
        assert_eq!(tool_names(&state), FILE_TOOLS, "there is another folder");
        assert!(state.memory.file_blocks.is_empty());
        sources.detach(&f.actor, agent.id, more.id).await.unwrap();
        sources.detach(&f.actor, agent.id, more.id).await.unwrap();
        let state = f.get(&agent).await;
        assert_eq!(tool_names(&state), [""; 0]);
        assert!(!f.prompt(agent.id).await.contains("<directories>"));
        f.attach(&agent, docs.id).await;
        assert_eq!(f.open_names(agent.id).await, ["docs/a.txt"], "what was detached can be attached again");
    }

    async fn an_agent_can_be_made_with_folders_and_given_others(f) {
        let (docs, more) = (f.folder("docs").await, f.folder("more").await);
        f.file(&docs, "a.txt", "one").await;
        f.file(&more, "b.txt", "two").await;
        let agent = f.agent(json!({"folder_ids": [docs.id], "source_ids": [more.id]})).await;
        assert_eq!(agent.sources, std::slice::from_ref(&docs));
        assert_eq!(tool_names(&agent), FILE_TOOLS);
        assert_eq!(agent.memory.file_blocks.len(), 1);
        assert!(f.prompt(agent.id).await.contains("1: one\n</value>\n</file>\n</directory>\n</directories>"));

        let agent = f.update(&agent, json!({"folder_ids": [more.id, more.id]})).await;
        assert_eq!(agent.sources, std::slice::from_ref(&more));
        assert_eq!(agent.memory.file_blocks[0].block.label, "more/b.txt");
        assert!(f.prompt(agent.id).await.contains("<directory name=\"more\">"));
        let agent = f.update(&agent, json!({"source_ids": []})).await;
        assert!(agent.sources.is_empty() && tool_names(&agent).is_empty());

        let unknown = SourceId::random();
        let error = f.try_update(&agent, json!({"folder_ids": [unknown]})).await.unwrap_err();
        assert_eq!(error.to_string(), format!("Folder with ID {unknown} not found"));
        let error = f.try_create(json!({"folder_ids": [unknown]})).await.unwrap_err();
        assert!(matches!(error, Error::NotFound(_)), "{error}");
    }

    async fn an_agent_can_have_a_folder_of_its_own(f) {
        let request = json!({"name": "Ada", "include_default_source": true, "embedding_config": embedding()});
        let agent = f.agent(request).await;
        assert_eq!(agent.sources[0].name, "Ada External Data Source");
        assert_eq!(agent.sources[0].embedding_config, agent.embedding_config.clone().unwrap());
        let error = f.try_create(json!({"include_default_source": true})).await.unwrap_err();
        assert!(matches!(error, Error::Unprocessable(_)), "{error}");
    }

    async fn too_many_open_files_are_closed_in_the_order_of_their_last_use(f) {
        let docs = f.folder("docs").await;
        let mut ids = Vec::new();
        for name in ["a", "b", "c"] {
            ids.push(f.file(&docs, name, name).await);
        }
        let agent = f.agent(json!({"folder_ids": [docs.id], "max_files_open": 2})).await;
        assert_eq!(f.open_names(agent.id).await, ["docs/a", "docs/b"]);
        let files = f.services.files();
        let open = async |id| files.open(&f.actor, agent.id, id).await.unwrap();
        assert_eq!(open(ids[0]).await, [""; 0]);
        assert_eq!(open(ids[2]).await, ["docs/b"]);
        assert!(f.prompt(agent.id).await.contains("- current_files_open=2\n- max_files_open=2\n"));
        files.close(&f.actor, agent.id, ids[0]).await.unwrap();
        assert!(!f.prompt(agent.id).await.contains("1: a\n"));
        assert_eq!(files.close_all(&f.actor, agent.id).await.unwrap(), ["docs/c"]);
        assert!(f.prompt(agent.id).await.contains("- current_files_open=0\n"));

        let stray = f.file(&f.folder("other").await, "x", "x").await;
        for error in [
            files.open(&f.actor, agent.id, stray).await.unwrap_err(),
            files.close(&f.actor, agent.id, stray).await.unwrap_err(),
            files.open(&f.actor, agent.id, FileId::random()).await.unwrap_err(),
            files.close_all(&f.actor, AgentId::random()).await.unwrap_err(),
        ] {
            assert!(matches!(error, Error::NotFound(_)), "{error}");
        }
    }

    async fn what_is_deleted_leaves_the_agents_that_had_it(f) {
        let docs = f.folder("docs").await;
        let (a, _) = (f.file(&docs, "a", "one").await, f.file(&docs, "b", "two").await);
        let agent = f.agent(json!({"folder_ids": [docs.id]})).await;
        f.services.files().delete(&f.actor, docs.id, a).await.unwrap();
        assert_eq!(f.open_names(agent.id).await, ["docs/b"]);
        assert!(!f.prompt(agent.id).await.contains("1: one"));
        f.services.sources().delete(&f.actor, docs.id).await.unwrap();
        let state = f.get(&agent).await;
        assert!(state.sources.is_empty() && state.memory.file_blocks.is_empty() && tool_names(&state).is_empty());
        assert!(!f.prompt(agent.id).await.contains("<directories>"));
    }

    async fn a_long_file_is_cut_to_the_limit_of_the_agent(f) {
        let docs = f.folder("docs").await;
        f.file(&docs, "a", &"word ".repeat(1000)).await;
        let request = json!({"folder_ids": [docs.id], "per_file_view_window_char_limit": 300});
        let agent = f.agent(request).await;
        let value = |agent: &AgentState| agent.memory.file_blocks[0].block.value.clone();
        assert_eq!(value(&agent).chars().count(), 300);
        assert!(value(&agent).contains("...[TRUNCATED]\n"));
        let agent = f.update(&agent, json!({"per_file_view_window_char_limit": 10000})).await;
        assert!(value(&agent).ends_with("word"));
        assert!(f.prompt(agent.id).await.contains("- chars_limit=10000\n"));
    }

    async fn a_change_of_a_folder_reaches_the_prompts(f) {
        let docs = f.folder("docs").await;
        let agent = f.agent(json!({"folder_ids": [docs.id]})).await;
        let change = serde_json::from_value(json!({"name": "papers", "instructions": "Read first."})).unwrap();
        let changed = f.services.sources().update(&f.actor, docs.id, change).await.unwrap();
        assert_eq!(changed.name, "papers");
        let expected = "<directory name=\"papers\">\n<instructions>Read first.</instructions>\n</directory>";
        assert!(f.prompt(agent.id).await.contains(expected));
        let change = serde_json::from_value(json!({"name": null, "instructions": null})).unwrap();
        let same = f.services.sources().update(&f.actor, docs.id, change).await.unwrap();
        assert_eq!(same, changed);
    }

    async fn folders_and_files_come_only_when_asked_for(f) {
        let docs = f.folder("docs").await;
        f.file(&docs, "a", "one").await;
        let agent = f.agent(json!({"folder_ids": [docs.id]})).await;
        let get = async |include| f.services.agents().get(&f.actor, agent.id, include).await.unwrap();
        let bare = get(Include::NONE).await;
        assert!(bare.sources.is_empty() && bare.memory.file_blocks.is_empty());
        let folders = get(Include { sources: true, ..Include::NONE }).await;
        assert!(!folders.sources.is_empty() && folders.memory.file_blocks.is_empty());
        let blocks = get(Include { blocks: true, ..Include::NONE }).await;
        assert!(blocks.sources.is_empty() && !blocks.memory.file_blocks.is_empty());
    }
}
