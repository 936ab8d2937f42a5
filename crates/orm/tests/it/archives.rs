use muisti_orm::{
    Error, Order, Page,
    agents::{self, AgentFilter, AgentSort},
    archives::{self, ArchiveFilter},
    passages::{self, PassageQuery, Scope},
    schema::{Archive, ArchiveId, Passage, PassageId, TagMatchMode, Timestamp},
};
use serde_json::json;

use crate::support::{Fixture, new_actor, on_both};

fn archive(name: &str) -> Archive {
    serde_json::from_value(json!({ "id": ArchiveId::random(), "name": name, "created_at": Timestamp::now() })).unwrap()
}

fn passage(text: &str, day: u32, tags: &[&str]) -> Passage {
    serde_json::from_value(json!({
        "id": PassageId::random(), "text": text, "tags": tags, "created_at": format!("2025-03-{day:02}T12:00:00Z"),
        "embedding": null, "embedding_config": null,
    }))
    .unwrap()
}

impl Fixture {
    async fn add_archive(&self, name: &str) -> ArchiveId {
        let archive = archive(name);
        let id = archive.id;
        self.with(move |conn, actor| archives::insert(conn, actor, &archive)).await;
        id
    }

    async fn add_passages(&self, archive: ArchiveId, passages: Vec<Passage>) {
        self.with(move |conn, actor| passages::insert(conn, actor, archive, &passages)).await;
    }

    /// The texts that a search finds, with their ranks.
    async fn find(&self, archive: ArchiveId, text: Option<&'static str>, more: Narrow) -> Vec<(String, Option<i64>)> {
        let search = move |conn: &mut _, actor: &muisti_orm::Actor| {
            let tags: Vec<String> = more.tags.iter().map(ToString::to_string).collect();
            let query = PassageQuery {
                scope: Scope::Archive(archive),
                text,
                tags: &tags,
                tag_match_mode: if more.all { TagMatchMode::All } else { TagMatchMode::Any },
                start: more.start.map(|time| Timestamp::parse(time).unwrap()),
                end: more.end.map(|time| Timestamp::parse(time).unwrap()),
                limit: more.limit.unwrap_or(50),
            };
            passages::search(conn, actor.organization_id, &query)
        };
        self.with(search).await.into_iter().map(|found| (found.passage.text, found.rank)).collect()
    }
}

#[derive(Default, Clone, Copy)]
struct Narrow {
    tags: &'static [&'static str],
    all: bool,
    start: Option<&'static str>,
    end: Option<&'static str>,
    limit: Option<i64>,
}

fn texts(found: &[(String, Option<i64>)]) -> Vec<&str> {
    found.iter().map(|(text, _)| text.as_str()).collect()
}

on_both! {
    async fn an_archive_comes_back_as_it_was_stored_and_takes_its_passages_with_it(f) {
        let mut wanted = archive("notes");
        wanted.description = Some("what is worth keeping".into());
        wanted.embedding_config = serde_json::from_value(json!({
            "embedding_endpoint_type": "openai", "embedding_model": "e", "embedding_dim": 3,
        })).unwrap();
        wanted.updated_at = Some(wanted.created_at);
        let (id, stored) = (wanted.id, wanted.clone());
        let agent = f.add_agent("Ada").await;
        f.with(move |conn, actor| {
            archives::insert(conn, actor, &stored)?;
            archives::attach(conn, agent, id, true)
        }).await;
        f.add_passages(id, vec![passage("a", 1, &["x"]), passage("b", 2, &[])]).await;
        let read = f.with(move |conn, actor| archives::get(conn, actor.organization_id, id)).await;
        assert_eq!(read.as_ref(), Some(&wanted));
        assert_eq!(f.with(move |conn, _| archives::of_agent(conn, agent)).await, Some(wanted));
        assert_eq!(f.with(move |conn, _| passages::count_of_agent(conn, agent)).await, 2);

        let other = new_actor(&f.db).await;
        assert_eq!(f.with(move |conn, _| archives::get(conn, other.organization_id, id)).await, None);
        assert!(!f.with(move |conn, _| archives::delete(conn, other.organization_id, id)).await);

        assert!(f.with(move |conn, actor| archives::delete(conn, actor.organization_id, id)).await);
        assert_eq!(f.with(move |conn, _| archives::of_agent(conn, agent)).await, None);
        assert_eq!(f.with(move |conn, _| passages::count_of_agent(conn, agent)).await, 0);
        assert!(f.find(id, Some("a"), Narrow::default()).await.is_empty());
        assert!(f.with(move |conn, actor| agents::is_there(conn, actor.organization_id, agent)).await);
    }

    async fn an_agent_has_one_archive_and_an_archive_many_agents(f) {
        let (first, second) = (f.add_agent("Ada").await, f.add_agent("Eve").await);
        let (one, two) = (f.add_archive("one").await, f.add_archive("two").await);
        f.with(move |conn, _| {
            for agent in [first, second, first] {
                archives::attach(conn, agent, one, false)?;
            }
            Ok(())
        }).await;
        let refused = f.attempt(move |conn, _| archives::attach(conn, first, two, false)).await;
        assert!(matches!(refused, Err(Error::Unique { .. })), "{refused:?}");
        assert_eq!(f.with(move |conn, _| archives::agents_of(conn, one)).await, [first, second]);
        let filter = AgentFilter { archive_id: Some(one), ..AgentFilter::default() };
        let page = Page::first(9, Order::Asc);
        let agents = f.with(move |conn, actor| {
            agents::list(conn, actor.organization_id, &filter, AgentSort::CreatedAt, &page)
        }).await;
        assert_eq!(agents.iter().map(|agent| agent.id).collect::<Vec<_>>(), [first, second]);
        assert!(!f.with(move |conn, _| archives::detach(conn, first, two)).await);
        assert!(f.with(move |conn, _| archives::detach(conn, first, one)).await);
        f.with(move |conn, actor| agents::delete(conn, actor.organization_id, second)).await;
        assert!(f.with(move |conn, _| archives::agents_of(conn, one)).await.is_empty());
        assert!(f.with(move |conn, actor| archives::get(conn, actor.organization_id, one)).await.is_some());
    }

    async fn archives_are_listed_by_name_and_agent(f) {
        let agent = f.add_agent("Ada").await;
        let ids = [f.add_archive("one").await, f.add_archive("two").await, f.add_archive("two").await];
        f.with(move |conn, _| archives::attach(conn, agent, ids[1], false)).await;
        let list = async |filter: ArchiveFilter, page: Page| {
            let list = move |conn: &mut _, actor: &muisti_orm::Actor| {
                archives::list(conn, actor.organization_id, &filter, &page)
            };
            f.with(list).await.into_iter().map(|archive| archive.id).collect::<Vec<_>>()
        };
        assert_eq!(list(ArchiveFilter::default(), Page::first(9, Order::Asc)).await, ids);
        let named = ArchiveFilter { name: Some("two".into()), ..ArchiveFilter::default() };
        assert_eq!(list(named.clone(), Page::first(9, Order::Desc)).await, [ids[2], ids[1]]);
        let both = ArchiveFilter { agent_id: Some(agent), ..named };
        assert_eq!(list(both, Page::first(9, Order::Desc)).await, [ids[1]]);
        let after = Page { after: Some(ids[0].to_string()), ..Page::first(1, Order::Asc) };
        assert_eq!(list(ArchiveFilter::default(), after).await, [ids[1]]);
    }

    async fn passages_are_listed_both_ways_also_when_their_times_tie(f) {
        let archive = f.add_archive("a").await;
        f.add_passages(archive, ["a", "b", "c", "d"].map(|text| passage(text, 1, &[])).to_vec()).await;
        f.add_passages(archive, vec![passage("e", 2, &[]), passage("100% f", 3, &[])]).await;
        let list = async |part: Option<&'static str>, page: Page| {
            let list = move |conn: &mut _, actor: &muisti_orm::Actor| {
                passages::list(conn, actor.organization_id, archive, part, &page)
            };
            f.with(list).await
        };
        let ids = |passages: &[Passage]| passages.iter().map(|passage| passage.id).collect::<Vec<_>>();
        let all = ids(&list(None, Page::first(9, Order::Asc)).await);
        assert_eq!(all.len(), 6);
        for order in [Order::Asc, Order::Desc] {
            let mut wanted = all.clone();
            if order == Order::Desc {
                wanted.reverse();
            }
            let mut seen = Vec::new();
            while seen.len() < 6 {
                let after = seen.last().map(PassageId::to_string);
                seen.extend(ids(&list(None, Page { after, ..Page::first(2, order) }).await));
            }
            assert_eq!(seen, wanted);
            let before = Page { before: Some(wanted[4].to_string()), ..Page::first(2, order) };
            assert_eq!(ids(&list(None, before).await), wanted[2..4]);
        }
        assert_eq!(list(Some("0% F"), Page::first(9, Order::Asc)).await[0].text, "100% f");
    }

    async fn passages_are_found_by_their_words_the_best_first(f) {
        let archive = f.add_archive("a").await;
        f.add_passages(archive, vec![
            passage("The cat sleeps all day.", 1, &["pets", "cats"]),
            passage("The dog chases the cat, and the cat runs.", 2, &["pets"]),
            passage("Nothing of the kind.", 3, &[]),
            passage("A catalogue of stars", 4, &["stars"]),
        ]).await;
        let found = f.find(archive, Some("cat!"), Narrow::default()).await;
        assert_eq!(found.iter().map(|(_, rank)| rank.unwrap()).collect::<Vec<_>>(), [1, 2]);
        assert!(found.iter().all(|(text, _)| text.contains(" cat")), "{found:?}");
        let dog = f.find(archive, Some("where is the DOG"), Narrow::default()).await;
        assert!(dog[0].0.contains("dog"), "{dog:?}");
        // Part of a word is found past the index, and says so.
        assert_eq!(f.find(archive, Some("talogu"), Narrow::default()).await, [("A catalogue of stars".into(), None)]);
        assert_eq!(f.find(archive, Some("cats and elephants' \"*"), Narrow { limit: Some(1), ..Narrow::default() }).await.len(), 1);
        assert!(f.find(archive, Some("zebra"), Narrow::default()).await.is_empty());
        let all = f.find(archive, None, Narrow { limit: Some(2), ..Narrow::default() }).await;
        assert_eq!(texts(&all), ["The cat sleeps all day.", "The dog chases the cat, and the cat runs."]);
    }

    async fn tags_and_times_narrow_a_search_before_its_limit(f) {
        let archive = f.add_archive("a").await;
        f.add_passages(archive, vec![
            passage("note one", 1, &["a"]),
            passage("note two", 2, &["a", "b", "a"]),
            passage("note three", 3, &["b"]),
            passage("note four", 4, &[]),
        ]).await;
        for text in [Some("note"), Some("not"), None] {
            let find = async |more: Narrow| {
                let found = f.find(archive, text, more).await;
                let mut texts: Vec<_> = found.into_iter().map(|(text, _)| text).collect();
                texts.sort();
                texts
            };
            assert_eq!(find(Narrow { tags: &["b", "b"], ..Narrow::default() }).await, ["note three", "note two"]);
            assert_eq!(find(Narrow { tags: &["b", "a", "b"], all: true, ..Narrow::default() }).await, ["note two"]);
            assert_eq!(find(Narrow { tags: &["A"], ..Narrow::default() }).await, [""; 0]);
            let one = Narrow { tags: &["b"], limit: Some(1), end: Some("2025-03-02T12:00:00Z"), ..Narrow::default() };
            assert_eq!(find(one).await, ["note two"]);
            let span = Narrow { start: Some("2025-03-02T12:00:00Z"), end: Some("2025-03-03T12:00:00Z"), ..Narrow::default() };
            assert_eq!(find(span).await, ["note three", "note two"]);
        }
    }

    async fn another_organization_finds_nothing(f) {
        let archive = f.add_archive("a").await;
        let mine = passage("treasure", 1, &[]);
        let id = mine.id;
        f.add_passages(archive, vec![mine]).await;
        let other = new_actor(&f.db).await.organization_id;
        for text in [Some("treasure"), Some("treas"), None] {
            let found = f.with(move |conn, _| {
                let query = PassageQuery {
                    scope: Scope::Organization, text, tags: &[], tag_match_mode: TagMatchMode::Any,
                    start: None, end: None, limit: 9,
                };
                passages::search(conn, other, &query)
            }).await;
            assert!(found.is_empty(), "{found:?}");
        }
        assert!(f.with(move |conn, _| passages::get(conn, other, id)).await.is_none());
        assert!(!f.with(move |conn, _| passages::delete(conn, other, id)).await);
        assert!(f.with(move |conn, actor| passages::delete(conn, actor.organization_id, id)).await);
        assert!(f.find(archive, Some("treasure"), Narrow::default()).await.is_empty());
    }
}
