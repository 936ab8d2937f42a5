use muisti_orm::{
    Error, Order, Page, agents,
    file_agents::{self, FileAgentRow},
    files,
    schema::{AgentId, FileAgentId, FileId, FileMetadata, Source, SourceId, Timestamp},
    sources,
};
use serde_json::json;

use crate::support::{Fixture, new_actor, on_both};

fn folder(name: &str) -> Source {
    serde_json::from_value(json!({
        "id": SourceId::random(), "name": name, "metadata": {"a": "b\0"},
        "embedding_config": {"embedding_endpoint_type": "openai", "embedding_model": "m", "embedding_dim": 8},
    }))
    .unwrap()
}

fn file(folder: SourceId, name: &str, content: Option<&str>) -> FileMetadata {
    serde_json::from_value(json!({
        "id": FileId::random(), "source_id": folder, "file_name": name, "original_file_name": name,
        "file_size": 3, "processing_status": "completed", "content": content,
    }))
    .unwrap()
}

fn link(agent: AgentId, file: &FileMetadata) -> FileAgentRow {
    FileAgentRow {
        id: FileAgentId::random(),
        agent_id: agent,
        file_id: file.id,
        source_id: file.source_id,
        file_name: file.file_name.clone().unwrap(),
        is_open: true,
        visible_content: Some("text".to_owned()),
        last_accessed_at: Timestamp::now(),
        start_line: Some(1),
        end_line: None,
    }
}

async fn add_folder(f: &Fixture, name: &str) -> SourceId {
    let source = folder(name);
    let id = source.id;
    f.with(move |conn, actor| sources::insert(conn, actor, &source)).await;
    id
}

on_both! {
    async fn a_folder_is_stored_found_changed_and_deleted(f) {
        let id = add_folder(&f, "docs").await;
        let mut stored = f.with(move |conn, actor| sources::get(conn, actor.organization_id, id)).await.unwrap();
        assert_eq!(stored.metadata.clone().unwrap()["a"], "b", "NUL cannot be stored");
        assert_eq!(stored.created_by_id, Some(f.actor.user_id));
        stored.description = Some("What we know.".to_owned());
        let changed = stored.clone();
        assert!(f.with(move |conn, actor| sources::update(conn, actor, &changed)).await);
        let found = f.with(|conn, actor| sources::by_name(conn, actor.organization_id, "docs")).await.unwrap();
        assert_eq!(found.description, stored.description);

        let error = f.attempt(|conn, actor| sources::insert(conn, actor, &folder("docs"))).await.unwrap_err();
        assert!(matches!(error, Error::Unique { model: "Source" }), "{error:?}");
        let stranger = new_actor(&f.db).await;
        assert!(f.with(move |conn, _| sources::get(conn, stranger.organization_id, id)).await.is_none());
        assert!(!f.with(move |conn, _| sources::delete(conn, stranger.organization_id, id)).await);
        assert!(f.with(move |conn, actor| sources::delete(conn, actor.organization_id, id)).await);
    }

    async fn folders_are_listed_by_a_part_of_their_name(f) {
        for name in ["Docs", "my docs", "100%"] {
            add_folder(&f, name).await;
        }
        let names = |part: Option<&'static str>, page: Page| {
            let f = &f;
            async move {
                let list = f.with(move |conn, actor| sources::list(conn, actor.organization_id, part, &page)).await;
                list.into_iter().map(|folder| folder.name).collect::<Vec<_>>()
            }
        };
        let all = Page::first(10, Order::Asc);
        assert_eq!(names(Some("DOC"), all.clone()).await, ["Docs", "my docs"]);
        assert_eq!(names(Some("%"), all.clone()).await, ["100%"]);
        assert_eq!(names(None, Page::first(2, Order::Desc)).await, ["100%", "my docs"]);
        assert_eq!(f.with(|conn, actor| sources::count(conn, actor.organization_id)).await, 3);
        let lost = Page { after: Some("source-x".to_owned()), ..all };
        let error = f.attempt(move |conn, actor| sources::list(conn, actor.organization_id, None, &lost)).await;
        assert!(matches!(error, Err(Error::CursorNotFound { model: "Source", .. })));
    }

    async fn the_text_of_a_file_lies_beside_its_row_and_goes_with_it(f) {
        let id = add_folder(&f, "docs").await;
        let (read, empty) = (file(id, "docs/a.txt", Some("a\0b")), file(id, "docs/b.txt", None));
        let (first, second) = (read.id, empty.id);
        f.with(move |conn, actor| {
            files::insert(conn, actor, &read)?;
            files::insert(conn, actor, &empty)?;
            let listed = files::list(conn, actor.organization_id, id, &Page::first(10, Order::Asc))?;
            assert_eq!(listed.iter().map(|file| file.id).collect::<Vec<_>>(), [first, second]);
            assert!(listed.iter().all(|file| file.content.is_none()));
            let contents = files::contents(conn, &[first, second])?;
            assert_eq!((contents.len(), contents[&first].as_str()), (1, "ab"));
            assert!(files::delete(conn, actor.organization_id, first)?);
            assert!(files::contents(conn, &[first])?.is_empty());
            assert!(sources::delete(conn, actor.organization_id, id)?);
            assert_eq!(files::get(conn, actor.organization_id, second)?, None);
            Ok(())
        }).await;
    }

    async fn sizes_are_told_by_name(f) {
        let (b, a) = (add_folder(&f, "b").await, add_folder(&f, "a").await);
        f.with(move |conn, actor| {
            for name in ["b/2", "b/1"] {
                files::insert(conn, actor, &file(b, name, None))?;
            }
            let stats = files::stats(conn, actor.organization_id)?;
            assert_eq!(stats.iter().map(|folder| folder.source_id).collect::<Vec<_>>(), [a, b]);
            assert_eq!((stats[0].file_count, stats[1].file_count, stats[1].total_size), (0, 2, 6));
            let names: Vec<_> = stats[1].files.iter().map(|file| file.file_name.as_str()).collect();
            assert_eq!(names, ["b/1", "b/2"]);
            Ok(())
        }).await;
    }

    async fn an_agent_has_each_file_and_each_name_once(f) {
        let agent = f.add_agent("one").await;
        let id = add_folder(&f, "docs").await;
        let (one, two, three) = (file(id, "a", None), file(id, "b", None), file(id, "a", None));
        let rows = [link(agent, &one), link(agent, &two)];
        f.with({
            let (one, two, three, rows) = (one.clone(), two.clone(), three.clone(), rows.clone());
            move |conn, actor| {
                [one, two, three].iter().try_for_each(|file| files::insert(conn, actor, file))?;
                sources::attach(conn, agent, &[id])?;
                file_agents::put(conn, &rows)
            }
        }).await;
        for twice in [link(agent, &one), link(agent, &three)] {
            let error = f.attempt(move |conn, _| file_agents::put(conn, &[twice])).await.unwrap_err();
            assert!(matches!(error, Error::Unique { model: "FileAgent" }), "{error:?}");
        }
        let mut closed = rows[0].clone();
        (closed.is_open, closed.visible_content, closed.start_line) = (false, None, None);
        f.with(move |conn, actor| {
            file_agents::put(conn, std::slice::from_ref(&closed))?;
            assert_eq!(file_agents::attached_to(conn, agent)?, [closed, rows[1].clone()]);
            assert_eq!(file_agents::agents_of(conn, one.id)?, [agent]);
            let open = file_agents::list(conn, agent, Some(true), &Page::first(10, Order::Asc))?;
            assert_eq!((open.len(), open[0].file_id, open[0].folder_name.as_str()), (1, two.id, "docs"));
            let page = Page { after: Some(rows[0].id.to_string()), ..Page::first(10, Order::Asc) };
            assert_eq!(file_agents::list(conn, agent, None, &page)?.len(), 1);
            files::delete(conn, actor.organization_id, one.id)?;
            assert_eq!(file_agents::attached_to(conn, agent)?.len(), 1);
            file_agents::remove_of_source(conn, agent, id)?;
            assert!(file_agents::attached_to(conn, agent)?.is_empty());
            assert!(agents::delete(conn, actor.organization_id, agent)?);
            assert!(sources::agents_of(conn, id)?.is_empty());
            Ok(())
        }).await;
    }

    async fn the_agents_of_a_folder_are_listed_by_their_age(f) {
        let id = add_folder(&f, "docs").await;
        let (one, two) = (f.add_agent("one").await, f.add_agent("two").await);
        f.with(move |conn, actor| {
            sources::attach(conn, two, &[id])?;
            sources::attach(conn, one, &[id])?;
            let list = |conn: &mut _, page| sources::list_agents(conn, actor.organization_id, id, &page);
            assert_eq!(list(conn, Page::first(10, Order::Asc))?, [one, two]);
            let page = Page { after: Some(two.to_string()), ..Page::first(10, Order::Desc) };
            assert_eq!(list(conn, page)?, [one]);
            Ok(())
        }).await;
    }
}
