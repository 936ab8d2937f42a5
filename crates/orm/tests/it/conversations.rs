use muisti_orm::{
    Conn, Error, HistoryId, Order, Page, agents, blocks,
    conversations::{self, ConversationFilter, ConversationSort},
    histories, messages,
    schema::{AgentId, ContentPart, Conversation, ConversationId, MessageId, MessageRole, StoredMessage, Timestamp},
};
use serde_json::json;

use crate::support::{Fixture, block, new_actor, on_both};

fn conversation(agent: AgentId) -> Conversation {
    serde_json::from_value(json!({ "id": ConversationId::random(), "agent_id": agent })).unwrap()
}

impl Fixture {
    async fn add_conversation(&self, agent: AgentId) -> HistoryId {
        let conversation = conversation(agent);
        let history = HistoryId::of_conversation(agent, conversation.id);
        self.with(move |conn, actor| conversations::insert(conn, actor, &conversation, false)).await;
        history
    }

    /// Stores messages that were born in this history, in none yet.
    async fn add_messages(&self, history: HistoryId, texts: &[&str]) -> Vec<MessageId> {
        let rows: Vec<StoredMessage> = texts
            .iter()
            .map(|text| {
                let mut row = StoredMessage::new(history.agent_id, MessageRole::User, vec![ContentPart::text(*text)]);
                row.conversation_id = history.conversation_id;
                row.otid = Some((*text).to_owned());
                row
            })
            .collect();
        let ids = rows.iter().map(|row| row.id).collect();
        self.with(move |conn, actor| messages::insert(conn, actor, &rows)).await;
        ids
    }

    async fn append(&self, history: HistoryId, ids: &[MessageId]) {
        let ids = ids.to_vec();
        self.with(move |conn, actor| histories::append(conn, actor, &history, &ids)).await;
    }

    async fn context(&self, history: HistoryId) -> Option<Vec<MessageId>> {
        self.with(move |conn, actor| histories::context(conn, actor.organization_id, &history)).await
    }

    /// The texts of a page of a conversation.
    async fn listed(&self, history: HistoryId, page: Page) -> Result<Vec<String>, Error> {
        let id = history.conversation_id.unwrap();
        let list = move |conn: &mut Conn, actor: &_| {
            let actor: &muisti_orm::Actor = actor;
            messages::of_conversation(conn, actor.organization_id, id, None, &page)
        };
        Ok(self.attempt(list).await?.iter().map(StoredMessage::text).collect())
    }
}

on_both! {
    async fn a_history_that_is_not_there_has_no_context(f) {
        let agent = f.add_agent("agent").await;
        assert_eq!(f.context(HistoryId::default_of(agent)).await, Some(vec![]));
        assert_eq!(f.context(HistoryId::default_of(AgentId::random())).await, None);
        let history = f.add_conversation(agent).await;
        assert_eq!(f.context(history).await, Some(vec![]));
        assert_eq!(f.context(HistoryId { agent_id: AgentId::random(), ..history }).await, None);
        assert_eq!(f.context(HistoryId::of_conversation(agent, ConversationId::random())).await, None);
        let stranger = new_actor(&f.db).await.organization_id;
        let seen = f.with(move |conn, _| histories::context(conn, stranger, &history)).await;
        assert_eq!(seen, None);
    }

    async fn the_default_history_and_those_of_conversations_do_not_touch_each_other(f) {
        let agent = f.add_agent("agent").await;
        let default = HistoryId::default_of(agent);
        let (one, two) = (f.add_conversation(agent).await, f.add_conversation(agent).await);
        let mut expected = Vec::new();
        for (history, text) in [(default, "a"), (one, "b"), (two, "c")] {
            let ids = f.add_messages(history, &[text]).await;
            f.append(history, &ids).await;
            expected.push((history, Some(ids)));
        }
        for (history, ids) in expected {
            assert_eq!(f.context(history).await, ids);
        }
        assert_ne!(one.key(), two.key());
        assert_eq!(default.key(), agent.to_string());
    }

    async fn a_new_context_leaves_the_listing_as_it_was(f) {
        let agent = f.add_agent("agent").await;
        let history = f.add_conversation(agent).await;
        let ids = f.add_messages(history, &["0", "1", "2", "3"]).await;
        f.append(history, &ids).await;
        let summary = f.add_messages(history, &["summary"]).await[0];
        let context = vec![ids[0], summary, ids[3]];
        let wanted = context.clone();
        f.with(move |conn, actor| histories::replace(conn, actor, &history, &wanted)).await;
        assert_eq!(f.context(history).await.unwrap(), context);
        let more = f.add_messages(history, &["4"]).await;
        f.append(history, &more).await;
        assert_eq!(f.context(history).await.unwrap(), [context, more].concat());
        let all = f.listed(history, Page::first(50, Order::Asc)).await.unwrap();
        assert_eq!(all, ["0", "1", "2", "3", "summary", "4"]);
        // What has left the context can come back, and stays where it is listed.
        let (back, last) = (ids[1], ids[3]);
        f.with(move |conn, actor| histories::replace(conn, actor, &history, &[last, back])).await;
        assert_eq!(f.context(history).await.unwrap(), [last, back]);
        assert_eq!(f.listed(history, Page::first(50, Order::Asc)).await.unwrap(), all);
    }

    async fn unseen_messages_are_listed_alone(f) {
        let agent = f.add_agent("agent").await;
        let history = f.add_conversation(agent).await;
        let ids = f.add_messages(history, &["0", "1"]).await;
        let unseen = ids[..1].to_vec();
        f.with(move |conn, _| histories::append_unseen(conn, &history, &unseen)).await;
        f.append(history, &ids[1..]).await;
        assert_eq!(f.context(history).await.unwrap(), ids[1..]);
        assert_eq!(f.listed(history, Page::first(50, Order::Asc)).await.unwrap(), ["0", "1"]);
    }

    async fn after_means_later_and_before_earlier_in_both_directions(f) {
        let agent = f.add_agent("agent").await;
        let history = f.add_conversation(agent).await;
        let ids = f.add_messages(history, &["0", "1", "2", "3", "4"]).await;
        f.append(history, &ids).await;
        let page = |order, after: Option<usize>, before: Option<usize>| Page {
            after: after.map(|n| ids[n].to_string()),
            before: before.map(|n| ids[n].to_string()),
            ..Page::first(2, order)
        };
        for (page, expected) in [
            (page(Order::Desc, None, None), ["4", "3"]),
            (page(Order::Asc, None, None), ["0", "1"]),
            (page(Order::Asc, Some(1), None), ["2", "3"]),
            (page(Order::Desc, Some(1), None), ["4", "3"]),
            (page(Order::Desc, None, Some(3)), ["2", "1"]),
            (page(Order::Asc, None, Some(3)), ["0", "1"]),
        ] {
            assert_eq!(f.listed(history, page.clone()).await.unwrap(), expected, "{page:?}");
        }
        let elsewhere = f.add_conversation(agent).await;
        let error = f.listed(elsewhere, page(Order::Asc, Some(1), None)).await.unwrap_err();
        assert!(matches!(error, Error::CursorNotFound { .. }), "{error}");
    }

    async fn what_two_conversations_share_goes_with_the_last_of_them(f) {
        let agent = f.add_agent("agent").await;
        let (one, two) = (f.add_conversation(agent).await, f.add_conversation(agent).await);
        let of_default = f.add_messages(HistoryId::default_of(agent), &["default"]).await;
        let shared = f.add_messages(one, &["shared"]).await;
        let own = f.add_messages(one, &["own"]).await;
        for (history, ids) in [(one, &of_default), (one, &shared), (one, &own), (two, &of_default), (two, &shared)] {
            f.append(history, ids).await;
        }
        let kept = f.add_block(&block("kept", "")).await;
        let isolated = f.add_block(&block("isolated", "")).await;
        let all = [of_default[0], shared[0], own[0]];
        f.with(move |conn, actor| {
            let organization = actor.organization_id;
            let (one, two) = (one.conversation_id.unwrap(), two.conversation_id.unwrap());
            conversations::blocks::attach(conn, one, &[isolated])?;
            assert_eq!(blocks::of_conversation(conn, one)?.len(), 1);
            let stranger = muisti_orm::schema::OrganizationId::random();
            assert!(!conversations::delete(conn, stranger, one)?);
            assert!(conversations::get(conn, organization, one)?.is_some());
            let texts = |conn: &mut Conn| {
                let rows = messages::by_ids(conn, organization, &all)?;
                Ok::<Vec<String>, Error>(rows.iter().map(StoredMessage::text).collect())
            };
            assert!(conversations::delete(conn, organization, one)?);
            assert!(!conversations::delete(conn, organization, one)?);
            assert_eq!(texts(conn)?, ["default", "shared"]);
            assert_eq!(blocks::get_many(conn, organization, &[kept, isolated])?.len(), 1);
            assert!(conversations::delete(conn, organization, two)?);
            assert_eq!(texts(conn)?, ["default"]);
            Ok(())
        }).await;
    }

    async fn an_agent_takes_its_conversations_and_their_blocks_with_it(f) {
        let agent = f.add_agent("agent").await;
        let history = f.add_conversation(agent).await;
        let (shared, isolated) = (block("shared", ""), block("isolated", ""));
        f.add_block(&shared).await;
        f.add_block(&isolated).await;
        f.with(move |conn, actor| {
            let organization = actor.organization_id;
            blocks::attach(conn, agent, &[&shared])?;
            conversations::blocks::attach(conn, history.conversation_id.unwrap(), &[isolated.id])?;
            assert_eq!(conversations::count_of_agent(conn, agent)?, 1);
            assert!(agents::delete(conn, organization, agent)?);
            assert_eq!(conversations::get(conn, organization, history.conversation_id.unwrap())?, None);
            let left = blocks::get_many(conn, organization, &[shared.id, isolated.id])?;
            assert_eq!(left.iter().map(|block| block.id).collect::<Vec<_>>(), [shared.id]);
            Ok(())
        }).await;
    }

    async fn conversations_are_listed_by_three_times_with_those_without_last(f) {
        let agent = f.add_agent("agent").await;
        let mut ids = Vec::new();
        for _ in 0..6 {
            ids.push(f.add_conversation(agent).await.conversation_id.unwrap());
        }
        let (first, second, third) = (ids[0], ids[1], ids[4]);
        let time = |text: &str| Timestamp::parse(text).unwrap();
        f.with(move |conn, _| {
            conversations::touch(conn, second, time("2026-01-01T00:00:00Z"))?;
            conversations::touch(conn, third, time("2026-01-02T00:00:00Z"))?;
            conversations::run_ended(conn, first, time("2026-01-03T00:00:00Z"))?;
            conversations::run_ended(conn, third, time("2026-01-03T00:00:00Z"))
        }).await;
        for sort in [ConversationSort::CreatedAt, ConversationSort::LastMessageAt, ConversationSort::LastRunCompletion] {
            for order in [Order::Asc, Order::Desc] {
                let list = move |page: Page| move |conn: &mut Conn, actor: &muisti_orm::Actor| {
                    let filter = ConversationFilter { agent_id: Some(agent), ..ConversationFilter::default() };
                    let found = conversations::list(conn, actor.organization_id, &filter, sort, &page)?;
                    Ok::<_, Error>(found.into_iter().map(|conversation| conversation.id).collect::<Vec<_>>())
                };
                let all = f.with(list(Page::first(50, order))).await;
                assert_eq!(all.len(), 6);
                let timed = match sort {
                    ConversationSort::CreatedAt => 0,
                    _ => 2,
                };
                let expected = match (sort, order) {
                    (ConversationSort::LastMessageAt, Order::Asc) => vec![second, third],
                    (ConversationSort::LastMessageAt, Order::Desc) => vec![third, second],
                    // Of the same time the smaller id is the earlier.
                    (ConversationSort::LastRunCompletion, Order::Asc) => vec![first.min(third), first.max(third)],
                    (ConversationSort::LastRunCompletion, Order::Desc) => vec![first.max(third), first.min(third)],
                    (ConversationSort::CreatedAt, _) => Vec::new(),
                };
                assert_eq!(all[..timed], expected, "{sort:?} {order:?}");
                // Page by page nothing is left out, and nothing shown twice.
                let (mut walked, mut page) = (Vec::new(), Page::first(1, order));
                loop {
                    let found = f.with(list(page.clone())).await;
                    let Some(last) = found.last() else { break };
                    page.after = Some(last.to_string());
                    walked.extend(found);
                }
                assert_eq!(walked, all, "{sort:?} {order:?}");
            }
        }
    }

    async fn a_clients_id_is_known_where_its_message_was_born(f) {
        let agent = f.add_agent("agent").await;
        let (default, history) = (HistoryId::default_of(agent), f.add_conversation(agent).await);
        f.add_messages(default, &["a"]).await;
        f.add_messages(history, &["b"]).await;
        f.with(move |conn, actor| {
            let mut known = |history| messages::known_otids(conn, actor.organization_id, &history, &["a", "b", "c"]);
            assert_eq!(known(default)?.into_iter().collect::<Vec<_>>(), ["a"]);
            assert_eq!(known(history)?.into_iter().collect::<Vec<_>>(), ["b"]);
            Ok(())
        }).await;
    }
}
