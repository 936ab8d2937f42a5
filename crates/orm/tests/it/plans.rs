//! How the databases answer lists: from an index that has the order of the list, whatever the number of rows.
//!
//! The statements are those that the query functions send. The tables are empty, so the planners are asked what they
//! can do rather than what is cheap for the rows at hand.

use std::{cell::RefCell, sync::Once};

use diesel::{
    Connection, PgConnection, QueryableByName, RunQueryDsl, SqliteConnection,
    connection::{InstrumentationEvent, SimpleConnection, set_default_instrumentation},
    sql_query,
    sql_types::Text,
};
use muisti_orm::{
    Actor, Conn, DatabaseUrl, Db, Error, Order, Page,
    agents::{self, AgentFilter, AgentSort},
    archives::{self, ArchiveFilter},
    blocks::{self, BlockFilter},
    conversations::{self, ConversationFilter, ConversationSort},
    files,
    groups::{self, GroupFilter},
    identities::{self, IdentityFilter},
    messages::{self, History, MessageFilter},
    organizations, passages,
    runs::{self, RunFilter, RunSort},
    schema::{
        AgentId, ArchiveId, BlockId, ConversationId, FileId, GroupId, IdentityId, MessageId, PassageId, RunId,
        SourceId, StepId, ToolId,
    },
    sources,
    steps::{self, StepFilter},
    tools::{self, ToolFilter},
    users,
};

use crate::support::{self, Fixture, on_both};

thread_local! {
    /// The statements of this thread's connections, while somebody wants them.
    static STATEMENTS: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

fn note(event: InstrumentationEvent<'_>) {
    if let InstrumentationEvent::StartQuery { query, .. } = event {
        STATEMENTS.with_borrow_mut(|noted| {
            if let Some(noted) = noted {
                noted.push(query.to_string());
            }
        });
    }
}

/// Opens the database anew, with connections that note their statements.
async fn noting(f: &Fixture) -> Db {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| set_default_instrumentation(|| Some(Box::new(note))).unwrap());
    Db::open(&f.config).await.unwrap()
}

/// The statements of `work`, without the values that are bound in them.
async fn statements(db: &Db, work: impl FnOnce(&mut Conn) -> Result<(), Error> + Send + 'static) -> Vec<String> {
    let noted = db
        .read(move |conn| {
            STATEMENTS.set(Some(Vec::new()));
            let result = work(conn);
            let noted = STATEMENTS.take().unwrap();
            result.map(|()| noted)
        })
        .await
        .unwrap();
    noted.iter().map(|statement| statement.split(" -- binds: ").next().unwrap().to_owned()).collect()
}

/// The statement that reads a page in `work`. Statements for the cursor come ahead of it, those for what belongs to its
/// rows after it.
async fn statement(db: &Db, work: impl FnOnce(&mut Conn) -> Result<(), Error> + Send + 'static) -> String {
    statements(db, work).await.into_iter().rfind(|statement| statement.contains(" LIMIT ")).unwrap()
}

#[derive(QueryableByName)]
struct SqliteStep {
    #[diesel(sql_type = Text)]
    detail: String,
}

#[derive(QueryableByName)]
struct PostgresLine {
    #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
    line: String,
}

/// What the database would do for the statement, whatever the values.
fn plan(url: &DatabaseUrl, statement: &str) -> String {
    match url {
        DatabaseUrl::Sqlite(path) => {
            let mut conn = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
            let steps: Vec<SqliteStep> = sql_query(format!("EXPLAIN QUERY PLAN {statement}")).load(&mut conn).unwrap();
            steps.into_iter().map(|step| step.detail).collect::<Vec<_>>().join("\n")
        }
        DatabaseUrl::Postgres(url) => {
            let mut conn = PgConnection::establish(url).unwrap();
            // What is off is done only where there is no other way.
            conn.batch_execute(&format!(
                "SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off;
                 SET plan_cache_mode = force_generic_plan; PREPARE listing AS {statement}"
            ))
            .unwrap();
            let bound = (1..).take_while(|n| statement.contains(&format!("${n}"))).count();
            let values = vec!["NULL"; bound].join(", ");
            let lines: Vec<PostgresLine> =
                sql_query(format!("EXPLAIN EXECUTE listing({values})")).load(&mut conn).unwrap();
            lines.into_iter().map(|line| line.line).collect::<Vec<_>>().join("\n")
        }
    }
}

/// Where a page begins.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Place {
    Start,
    After,
    Before,
}

/// Asks for pages at the start and at a cursor, in both directions: the index must be used, and nothing sorted. With
/// `seeks` the cursor must be looked up in the index too, instead of walking to it.
async fn expect<F>(f: &Fixture, db: &Db, index: &str, seeks: bool, cursor: &str, list: F)
where
    F: Fn(&mut Conn, &Page) -> Result<(), Error> + Clone + Send + 'static,
{
    for order in [Order::Asc, Order::Desc] {
        for place in [Place::Start, Place::After, Place::Before] {
            let mut page = Page::first(50, order);
            match place {
                Place::Start => {}
                Place::After => page.after = Some(cursor.to_owned()),
                Place::Before => page.before = Some(cursor.to_owned()),
            }
            let statement = statement(db, {
                let list = list.clone();
                move |conn: &mut Conn| list(conn, &page)
            })
            .await;
            let plan = plan(&f.config.url, &statement);
            let told = format!("{index}, {order:?}, {place:?}\n{statement}\n{plan}");
            let sorts = plan.contains("TEMP B-TREE") || plan.contains("Sort");
            assert!(plan.contains(index) && !sorts, "{told}");
            assert!(!seeks || place == Place::Start || seeks_in(&plan, index), "{told}");
        }
    }
}

/// Whether the cursor is looked up in the index.
fn seeks_in(plan: &str, index: &str) -> bool {
    let condition = plan.lines().find(|line| line.contains("Index Cond")).or_else(|| {
        // SQLite says all of it in one line.
        plan.lines().find(|line| line.contains(index))
    });
    let sought = ["ROW(", ",id)<(", ",id)>(", "sequence_id ", "sequence_id<", "sequence_id>", "rowid<", "rowid>"];
    condition.is_some_and(|line| sought.iter().any(|part| line.contains(part)))
}

const TIMES: &str = "'2026-01-01 00:00:00', '2026-01-01 00:00:00'";

/// Nine ids of one kind.
fn nine<T>(random: impl Fn() -> T) -> Vec<T> {
    (0..9).map(|_| random()).collect()
}

on_both! {
    async fn rows_that_are_asked_for_by_their_ids_are_looked_up_by_them(f) {
        let db = noting(&f).await;
        let Actor { organization_id: org, .. } = f.actor;
        let sent = statements(&db, move |conn| {
            agents::get_many(conn, org, &nine(AgentId::random))?;
            blocks::get_many(conn, org, &nine(BlockId::random))?;
            tools::get_many(conn, org, &nine(ToolId::random))?;
            sources::get_many(conn, org, &nine(SourceId::random))?;
            identities::get_many(conn, org, &nine(IdentityId::random))?;
            messages::by_ids(conn, org, &nine(MessageId::random)).map(drop)
        }).await;
        let sent: Vec<String> = sent.into_iter().filter(|statement| statement.contains("organization_id")).collect();
        assert_eq!(sent.len(), 6, "{sent:?}");
        for statement in sent {
            let plan = plan(&f.config.url, &statement);
            assert!(plan.contains("(id=?)") || plan.contains("Index Cond: (id = ANY"), "{statement}\n{plan}");
        }
    }

    async fn a_page_of_agents_is_read_from_an_index_in_every_order(f) {
        let db = noting(&f).await;
        let Actor { organization_id: org, .. } = f.actor;
        let (never, ran) = (f.add_agent("never ran").await.to_string(), f.add_agent("ran").await.to_string());
        f.sql(&format!("UPDATE agents SET last_run_completion = created_at WHERE id = '{ran}'"));
        for (sort, index, seeks, cursor) in [
            (AgentSort::CreatedAt, "agents_by_age", true, &ran),
            (AgentSort::UpdatedAt, "agents_by_update", true, &ran),
            // Agents that never ran come last, wherever the index has them: the index is walked to the cursor.
            (AgentSort::LastRunCompletion, "agents_by_last_run", false, &ran),
            (AgentSort::LastRunCompletion, "agents_by_last_run", false, &never),
        ] {
            expect(&f, &db, index, seeks, cursor, move |conn, page| {
                agents::list(conn, org, &AgentFilter::default(), sort, page).map(drop)
            }).await;
        }
    }

    async fn pages_of_what_agents_are_made_of_are_read_from_an_index(f) {
        let db = noting(&f).await;
        let Actor { organization_id: org, .. } = f.actor;
        let block = f.add_block(&support::block("human", "")).await;
        expect(&f, &db, "blocks_by_age", true, &block.to_string(), move |conn, page| {
            blocks::list(conn, org, &BlockFilter::default(), page).map(drop)
        }).await;

        let tool = ToolId::random().to_string();
        f.sql(&format!(
            "INSERT INTO tools (id, organization_id, tool_type, name, return_char_limit, tags, created_at, updated_at)
             VALUES ('{tool}', '{org}', 'custom', 'tool', 1, '[]', {TIMES})"
        ));
        expect(&f, &db, "tools_by_age", true, &tool, move |conn, page| {
            tools::list(conn, org, &ToolFilter::default(), page).map(drop)
        }).await;

        let (archive, passage) = (ArchiveId::random(), PassageId::random().to_string());
        f.sql(&format!(
            "INSERT INTO archives (id, organization_id, name, created_at, updated_at)
             VALUES ('{archive}', '{org}', 'archive', {TIMES});
             INSERT INTO passages (id, organization_id, archive_id, text, created_at, updated_at)
             VALUES ('{passage}', '{org}', '{archive}', 'text', {TIMES})"
        ));
        expect(&f, &db, "archives_by_age", true, &archive.to_string(), move |conn, page| {
            archives::list(conn, org, &ArchiveFilter::default(), page).map(drop)
        }).await;
        expect(&f, &db, "passages_by_archive", true, &passage, move |conn, page| {
            passages::list(conn, org, archive, None, page).map(drop)
        }).await;

        let (identity, group) = (IdentityId::random().to_string(), GroupId::random().to_string());
        f.sql(&format!(
            "INSERT INTO identities (id, organization_id, identifier_key, name, identity_type, properties, created_at,
                updated_at)
             VALUES ('{identity}', '{org}', 'key', 'name', 'user', '[]', {TIMES});
             INSERT INTO groups (id, organization_id, manager_type, description, created_at, updated_at)
             VALUES ('{group}', '{org}', 'round_robin', 'group', {TIMES})"
        ));
        expect(&f, &db, "identities_by_age", true, &identity, move |conn, page| {
            identities::list(conn, org, &IdentityFilter::default(), page).map(drop)
        }).await;
        expect(&f, &db, "groups_by_age", true, &group, move |conn, page| {
            groups::list(conn, org, &GroupFilter::default(), page).map(drop)
        }).await;

        let (source, file) = (SourceId::random(), FileId::random().to_string());
        f.sql(&format!(
            "INSERT INTO sources (id, organization_id, name, embedding_config, vector_db_provider, created_at,
                updated_at)
             VALUES ('{source}', '{org}', 'folder', '{{}}', 'native', {TIMES});
             INSERT INTO files (id, organization_id, source_id, processing_status, created_at, updated_at)
             VALUES ('{file}', '{org}', '{source}', 'completed', {TIMES})"
        ));
        expect(&f, &db, "sources_by_age", true, &source.to_string(), move |conn, page| {
            sources::list(conn, org, None, page).map(drop)
        }).await;
        expect(&f, &db, "files_by_age", true, &file, move |conn, page| {
            files::list(conn, org, source, page).map(drop)
        }).await;
    }

    async fn pages_of_what_agents_do_are_read_from_an_index(f) {
        let db = noting(&f).await;
        let Actor { organization_id: org, .. } = f.actor;
        let agent = f.add_agent("agent").await;
        let (run, step, message) = (RunId::random(), StepId::random().to_string(), MessageId::random().to_string());
        f.sql(&format!(
            "INSERT INTO runs (id, organization_id, agent_id, status, history_key, created_at, updated_at)
             VALUES ('{run}', '{org}', '{agent}', 'completed', 'key', {TIMES});
             INSERT INTO steps (id, organization_id, agent_id, run_id, tags, status, created_at, updated_at)
             VALUES ('{step}', '{org}', '{agent}', '{run}', '[]', 'success', {TIMES});
             INSERT INTO messages (id, organization_id, agent_id, role, created_at, updated_at)
             VALUES ('{message}', '{org}', '{agent}', 'user', {TIMES})"
        ));
        for (filter, index) in [
            (MessageFilter::default(), "messages_by_organization"),
            (MessageFilter { agent_id: Some(agent), ..MessageFilter::default() }, "messages_by_agent"),
            (
                MessageFilter { agent_id: Some(agent), history: History::Default, ..MessageFilter::default() },
                "messages_by_agent",
            ),
            (MessageFilter { run_id: Some(run), ..MessageFilter::default() }, "messages_by_run"),
        ] {
            expect(&f, &db, index, true, &message, move |conn, page| {
                messages::list(conn, org, &filter, page).map(drop)
            }).await;
        }
        for (filter, index) in [
            (StepFilter::default(), "steps_by_age"),
            (StepFilter { agent_id: Some(agent), ..StepFilter::default() }, "steps_by_agent"),
            (StepFilter { run_id: Some(run), ..StepFilter::default() }, "steps_by_run"),
        ] {
            expect(&f, &db, index, true, &step, move |conn, page| {
                steps::list(conn, org, &filter, page).map(drop)
            }).await;
        }
        for (filter, index) in [
            (RunFilter::default(), "runs_by_age"),
            (RunFilter { agent_ids: vec![agent], ..RunFilter::default() }, "runs_by_agent"),
        ] {
            expect(&f, &db, index, true, &run.to_string(), move |conn, page| {
                runs::list_by(conn, org, &filter, RunSort::CreatedAt, page).map(drop)
            }).await;
        }
    }

    async fn pages_of_conversations_and_of_what_is_in_them_are_read_from_an_index(f) {
        let db = noting(&f).await;
        let Actor { organization_id: org, .. } = f.actor;
        let agent = f.add_agent("agent").await;
        let (conversation, message) = (ConversationId::random(), MessageId::random().to_string());
        f.sql(&format!(
            "INSERT INTO conversations (id, organization_id, agent_id, hidden, created_at, updated_at)
             VALUES ('{conversation}', '{org}', '{agent}', FALSE, {TIMES});
             INSERT INTO messages (id, organization_id, agent_id, conversation_id, role, created_at, updated_at)
             VALUES ('{message}', '{org}', '{agent}', '{conversation}', 'user', {TIMES});
             INSERT INTO conversation_messages (conversation_id, message_id, position)
             VALUES ('{conversation}', '{message}', 0)"
        ));
        for (agent_id, sort, index, seeks) in [
            (None, ConversationSort::CreatedAt, "conversations_by_age", true),
            // Those without a time come last, wherever the index has them: the index is walked to the cursor.
            (None, ConversationSort::LastMessageAt, "conversations_by_message", false),
            (None, ConversationSort::LastRunCompletion, "conversations_by_run", false),
            (Some(agent), ConversationSort::CreatedAt, "conversations_by_agent", true),
            (Some(agent), ConversationSort::LastMessageAt, "conversations_by_agent_message", false),
            (Some(agent), ConversationSort::LastRunCompletion, "conversations_by_agent_run", false),
        ] {
            expect(&f, &db, index, seeks, &conversation.to_string(), move |conn, page| {
                let filter = ConversationFilter { agent_id, ..ConversationFilter::default() };
                conversations::list(conn, org, &filter, sort, page).map(drop)
            }).await;
        }
        let index = match f.config.url {
            DatabaseUrl::Sqlite(_) => "sqlite_autoindex_conversation_messages_2",
            DatabaseUrl::Postgres(_) => "conversation_messages_conversation_id_position_key",
        };
        expect(&f, &db, index, false, &message, move |conn, page| {
            messages::of_conversation(conn, org, conversation, None, page).map(drop)
        }).await;
    }

    async fn pages_of_organizations_and_users_are_read_from_an_index(f) {
        let db = noting(&f).await;
        let Actor { organization_id: org, user_id: user } = f.actor;
        expect(&f, &db, "organizations_by_age", true, &org.to_string(), |conn, page| {
            organizations::list(conn, page).map(drop)
        }).await;
        expect(&f, &db, "users_by_age", true, &user.to_string(), |conn, page| users::list(conn, page).map(drop)).await;
    }
}
