//! Streams on both databases: live, behind, from another node, over crashes.

use std::time::Duration;

use muisti_orm::{
    Db, DbConfig, frames, runs,
    schema::{
        AgentId, AssistantMessage, CreateAgent, MessageBase, Ping, RunId, RunRequestConfig, RunStatus, StopReason,
        StopReasonEvent, StreamEvent, Timestamp, ToolCallDelta, ToolCallMessage, UsageStatistics, WireMessage,
    },
};
use muisti_testkit::TestDatabase;
use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::{Map, Value, json};

use super::*;
use crate::{DEFAULT_ACTOR, Services, Settings, llm::LlmSettings};

/// A database with an agent, for whom runs can be made.
pub(crate) struct World {
    pub(crate) services: Services,
    agent: AgentId,
    _database: TestDatabase,
}

impl World {
    pub(crate) async fn each() -> Vec<Self> {
        let mut worlds = Vec::new();
        for database in TestDatabase::each() {
            worlds.push(Self::on(database).await);
        }
        worlds
    }

    async fn on(database: TestDatabase) -> Self {
        let url = match database.url() {
            Some(url) => url.parse().unwrap(),
            None => muisti_orm::DatabaseUrl::Sqlite(database.sqlite_path()),
        };
        let db = Db::open(&DbConfig::new(url)).await.unwrap();
        db.migrate().await.unwrap();
        let settings = Settings { data_dir: Some(database.data_dir().to_owned()), ..Settings::default() };
        let llm = LlmSettings::from_env(|name| (name == "MUISTI_DISCOVER_LOCAL").then(|| "false".to_owned())).unwrap();
        let llm = LlmSettings { test_model: true, ..llm };
        let services = Services::start(db, settings, llm).await.unwrap();
        let request: CreateAgent = serde_json::from_value(json!({ "model": "muisti/test" })).unwrap();
        let agent = services.agents().create(&DEFAULT_ACTOR, request).await.unwrap().id;
        Self { services, agent, _database: database }
    }

    pub(crate) fn db(&self) -> &Db {
        self.services.db()
    }

    /// A background run that is going.
    pub(crate) async fn run(&self) -> RunId {
        let (id, agent_id, node) = (RunId::random(), self.agent, self.services.node().clone());
        let insert = move |conn: &mut Conn| {
            let key = agent_id.to_string();
            let run = runs::NewRun {
                id,
                agent_id,
                conversation_id: None,
                project_id: None,
                base_template_id: None,
                status: RunStatus::Running,
                background: true,
                metadata: Map::new(),
                request_config: &RunRequestConfig::default(),
                history_key: &key,
                pending_input: &[],
                accepted: true,
                node_id: node.id(),
                lease_until: Timestamp::now(),
                callback_url: None,
            };
            runs::insert(conn, &DEFAULT_ACTOR, &run, &json!({}))
        };
        self.db().write(insert).await.unwrap();
        id
    }

    async fn end(&self, run: RunId) {
        let end = runs::RunEnd {
            status: RunStatus::Completed,
            stop_reason: StopReason::EndTurn,
            metadata: Map::new(),
            ttft_ns: None,
            total_duration_ns: None,
        };
        self.db().write(move |conn| runs::finish(conn, run, &end)).await.unwrap();
    }

    /// Stores what was staged and shows it, as a turn does.
    async fn commit(&self, writer: &FrameWriter, events: Vec<StreamEvent>, end: bool) {
        let mut staged = writer.stage(events, end);
        let rows = std::mem::take(&mut staged.rows);
        self.db().write(move |conn| frames::append(conn, &rows)).await.unwrap();
        writer.publish(staged);
    }
}

fn piece(message: &str, text: &str) -> WireMessage {
    let base = MessageBase::new(message, Timestamp::now());
    AssistantMessage { base, content: text.into() }.into()
}

fn stop() -> Vec<StreamEvent> {
    vec![StopReasonEvent::from(StopReason::EndTurn).into(), UsageStatistics::default().into()]
}

/// The rest of a stream; it must come within some seconds.
pub(crate) async fn rest(mut stream: StoredStream) -> Vec<Frame> {
    let all = async {
        let mut frames = Vec::new();
        while let Some(frame) = stream.next().await {
            frames.push(frame);
        }
        frames
    };
    tokio::time::timeout(Duration::from_secs(20), all).await.expect("the stream ends")
}

pub(crate) fn value(frame: &Frame) -> Value {
    let record = str::from_utf8(&frame.record).unwrap();
    let data = record.split_once("data: ").unwrap().1;
    serde_json::from_str(data).unwrap_or(Value::Null)
}

fn text(frames: &[Frame]) -> String {
    frames.iter().filter_map(|frame| value(frame)["content"].as_str().map(str::to_owned)).collect()
}

fn is_gapless(frames: &[Frame], from: i64) -> bool {
    frames.iter().zip(from..).all(|(frame, seq)| frame.seq == seq)
}

#[tokio::test(flavor = "multi_thread")]
async fn all_readers_see_the_same_stream_here_and_elsewhere_while_it_comes_and_after() {
    for world in World::each().await {
        let run = world.run().await;
        let here = world.services.frames().clone();
        let elsewhere = FrameStore::start(world.db().clone(), world.services.node());
        let writer = here.open(run);
        let readers: Vec<_> = [&here, &here, &elsewhere].map(|store| tokio::spawn(rest(store.read(run, 0)))).into();
        world.commit(&writer, vec![Ping::new(None).into()], false).await;
        for word in ["One", " two", " three", " four"] {
            writer.push(piece("message-1", word));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        writer.flushed().await;
        world.commit(&writer, stop(), true).await;
        world.end(run).await;
        drop(writer);

        let whole = rest(here.read(run, 0)).await;
        assert!(is_gapless(&whole, 1), "{whole:?}");
        assert_eq!(text(&whole), "One two three four");
        let [.., reason, usage, done] = whole.as_slice() else { panic!("{whole:?}") };
        assert_eq!(value(reason), json!({ "message_type": "stop_reason", "stop_reason": "end_turn" }));
        assert_eq!(value(usage)["message_type"], "usage_statistics");
        assert!(done.terminal && done.record.as_ref() == b"data: [DONE]\n\n");
        assert_eq!(value(&whole[0])["run_id"], json!(run));
        for frame in &whole[..whole.len() - 3] {
            assert_eq!(value(frame)["seq_id"], frame.seq);
        }
        for reader in readers {
            assert_eq!(reader.await.unwrap(), whole);
        }
        for after in 0..whole.len() {
            let rest = rest(elsewhere.read(run, i64::try_from(after).unwrap())).await;
            assert_eq!(rest, whole[after..]);
        }
    }
}

#[tokio::test]
async fn behind_the_end_of_a_stream_there_is_its_end() {
    for world in World::each().await {
        let run = world.run().await;
        let store = world.services.frames();
        let writer = store.open(run);
        let early = tokio::spawn(rest(store.read(run, 1000)));
        tokio::time::sleep(Duration::from_millis(50)).await;
        world.commit(&writer, stop(), true).await;
        for stream in [early.await.unwrap(), rest(store.read(run, 3)).await, rest(store.read(run, 99)).await] {
            assert!(stream.len() == 1 && stream[0].terminal && stream[0].record == done(), "{stream:?}");
        }
        drop(writer);
        world.end(run).await;
        let late = rest(store.read(run, 99)).await;
        assert!(late.len() == 1 && late[0].terminal, "{late:?}");
    }
}

#[tokio::test]
async fn what_was_staged_and_not_published_has_never_been() {
    for world in World::each().await {
        let run = world.run().await;
        let store = world.services.frames();
        let writer = store.open(run);
        writer.push(piece("message-1", "Half an answer"));
        drop(writer.stage(vec![piece("message-2", "lost").into()], false));
        world.commit(&writer, stop(), true).await;
        let whole = rest(store.read(run, 0)).await;
        assert!(is_gapless(&whole, 1) && whole.len() == 4, "{whole:?}");
        assert_eq!(text(&whole), "Half an answer");
    }
}

#[tokio::test]
async fn a_transaction_stores_the_pieces_that_came_before_it() {
    for world in World::each().await {
        let run = world.run().await;
        let store = FrameStore::start(world.db().clone(), world.services.node());
        let writer = store.open(run);
        writer.push(piece("message-1", "Hello"));
        let mut staged = writer.stage(Vec::new(), false);
        let rows = std::mem::take(&mut staged.rows);
        assert_eq!(rows.len(), 1);
        world.db().write(move |conn| frames::append(conn, &rows)).await.unwrap();
        let stored = world.db().read(move |conn| frames::after(conn, run, 0, 10)).await.unwrap();
        assert_eq!(text(&stored), "Hello");
        writer.publish(staged);
        writer.flushed().await;
        let stored = world.db().read(move |conn| frames::after(conn, run, 0, 10)).await.unwrap();
        assert_eq!(stored.len(), 1, "stored once, whoever was first");
    }
}

#[tokio::test]
async fn a_run_that_is_deleted_takes_only_its_own_stream_with_it() {
    for world in World::each().await {
        let (gone, stays) = (world.run().await, world.run().await);
        let store = world.services.frames();
        let (lost, kept) = (store.open(gone), store.open(stays));
        world.end(gone).await;
        let delete = move |conn: &mut Conn| runs::delete(conn, DEFAULT_ACTOR.organization_id, gone);
        assert!(world.db().write(delete).await.unwrap());
        lost.push(piece("message-1", "nobody"));
        kept.push(piece("message-2", "somebody"));
        lost.flushed().await;
        kept.flushed().await;
        let broken = rest(store.read(gone, 0)).await;
        assert_eq!(value(&broken[0])["stop_reason"], "error");
        assert_eq!(value(&broken[1])["error_type"], "stream_incomplete");
        assert!(broken[2].terminal && broken.len() == 3);
        world.commit(&kept, stop(), true).await;
        assert_eq!(text(&rest(store.read(stays, 0)).await), "somebody");
    }
}

#[tokio::test]
async fn a_node_that_has_lost_a_run_writes_nothing_into_its_stream() {
    for world in World::each().await {
        let run = world.run().await;
        let other = Node::new(Some("frozen".to_owned()), Duration::from_secs(30));
        let frozen = FrameStore::start(world.db().clone(), &other);
        let (stale, writer) = (frozen.open(run), world.services.frames().open(run));
        stale.push(piece("message-1", "stale"));
        stale.flushed().await;
        writer.push(piece("message-2", "fresh"));
        writer.flushed().await;
        world.commit(&writer, stop(), true).await;
        for store in [&frozen, world.services.frames()] {
            let whole = rest(store.read(run, 0)).await;
            assert!(is_gapless(&whole, 1), "{whole:?}");
            assert_eq!(text(&whole), "fresh");
        }
    }
}

#[tokio::test]
async fn the_end_of_a_run_that_nobody_carries_on_reaches_its_readers() {
    for world in World::each().await {
        let run = world.run().await;
        let store = world.services.frames();
        let writer = store.open(run);
        world.commit(&writer, vec![piece("message-1", "Hel").into()], false).await;
        let reader = tokio::spawn(rest(store.read(run, 0)));
        tokio::time::sleep(Duration::from_millis(20)).await;
        let end = move |conn: &mut Conn| append_end(conn, run, incomplete(run).into());
        world.db().write(end).await.unwrap();
        world.db().write(end).await.unwrap();
        store.hand_over(run);
        let whole = reader.await.unwrap();
        assert!(is_gapless(&whole, 1) && whole.len() == 4, "{whole:?}");
        assert_eq!(value(&whole[2])["seq_id"], 3);
        assert!(whole[3].terminal);
    }
}

#[tokio::test]
async fn a_resumed_run_goes_on_behind_its_last_frame() {
    for world in World::each().await {
        let run = world.run().await;
        let first = FrameStore::start(world.db().clone(), world.services.node());
        let writer = first.open(run);
        writer.push(piece("message-1", "a"));
        writer.flushed().await;
        drop((writer, first));
        let store = world.services.frames();
        let reader = tokio::spawn(rest(store.read(run, 0)));
        let writer = store.resume(run).await.unwrap();
        writer.push(piece("message-2", "b"));
        world.commit(&writer, stop(), true).await;
        let whole = reader.await.unwrap();
        assert!(is_gapless(&whole, 1) && whole.len() == 5, "{whole:?}");
        assert_eq!(text(&whole), "ab");
    }
}

#[tokio::test]
async fn a_reader_far_behind_catches_up_from_the_database() {
    for world in World::each().await {
        let run = world.run().await;
        let store = world.services.frames();
        let writer = store.open(run);
        let events = (0..1500).map(|n| piece(&format!("message-{n}"), "x").into()).collect();
        world.commit(&writer, events, false).await;
        let mut slow = store.read(run, 0);
        assert_eq!(slow.next().await.unwrap().seq, 1);
        world.commit(&writer, stop(), true).await;
        let others = rest(slow).await;
        assert!(is_gapless(&others, 2) && others.len() == 1502);
    }
}

#[tokio::test]
async fn streams_are_swept_and_requests_forgotten_by_their_age() {
    for world in World::each().await {
        let (old, going) = (world.run().await, world.run().await);
        let store = world.services.frames();
        let (writer, other) = (store.open(old), store.open(going));
        world.commit(&writer, stop(), true).await;
        world.commit(&other, vec![piece("message-1", "x").into()], false).await;
        assert_eq!(store.sweep().await.unwrap(), 0, "nothing is old enough");
        let later = (Timestamp::now().utc() + Duration::from_secs(60)).into();
        let organization = DEFAULT_ACTOR.organization_id;
        let swept = world.db().write(move |conn| {
            frames::note_otids(conn, organization, "key", &["mine"], old)?;
            frames::sweep(conn, later, 10)
        });
        assert_eq!(swept.await.unwrap(), (1, 1));
        let left = move |conn: &mut Conn| {
            let count = |conn: &mut Conn, run| frames::after(conn, run, 0, 10).map(|frames| frames.len());
            Ok::<_, muisti_orm::Error>((count(conn, old)?, count(conn, going)?))
        };
        assert_eq!(world.db().read(left).await.unwrap(), (0, 1));
    }
}

#[tokio::test]
async fn a_request_that_comes_again_finds_its_run_within_its_history() {
    for world in World::each().await {
        let (first, second) = (world.run().await, world.run().await);
        let organization = DEFAULT_ACTOR.organization_id;
        let since = kept_since();
        let later: Timestamp = (Timestamp::now().utc() + Duration::from_secs(60)).into();
        let work = move |conn: &mut Conn| {
            let mut claim = |key: &str, run, since| frames::claim_token(conn, organization, key, "token", run, since);
            assert_eq!(claim("a", first, since)?, None);
            assert_eq!(claim("a", second, since)?, Some(first));
            assert_eq!(claim("a", first, since)?, None, "it is its own");
            assert_eq!(claim("b", second, since)?, None, "another history");
            assert_eq!(claim("a", second, later)?, None, "the claim is too old");
            let long = "x".repeat(5000);
            frames::note_otids(conn, organization, "a", &["one", "token", &long], first)?;
            let mut by = |key: &str, otid: &str| frames::by_otid(conn, organization, key, otid, since);
            assert_eq!(by("a", "one")?, Some(first));
            assert_eq!(by("a", "token")?, Some(first), "messages and requests are different things");
            assert_eq!(by("b", "one")?, None);
            assert_eq!(by("a", &long)?, None);
            frames::note_otids(conn, organization, "a", &["one"], second)?;
            assert_eq!(frames::by_otid(conn, organization, "a", "one", since)?, Some(second));
            assert_eq!(runs::newest_going(conn, organization, "nobody")?, None);
            Ok::<_, muisti_orm::Error>(())
        };
        world.db().write(work).await.unwrap();
    }
}

#[test]
fn pieces_of_one_call_become_one_and_those_of_others_do_not() {
    let call = |id: &str, arguments: &str, name: Option<&str>| -> WireMessage {
        let delta = ToolCallDelta {
            name: name.map(Into::into),
            arguments: Some(arguments.to_owned()),
            tool_call_id: Some(id.to_owned()),
        };
        ToolCallMessage::of_delta(MessageBase::new("message-1", Timestamp::now()), delta).into()
    };
    let mut last = call("1", "{\"a\"", Some("f"));
    assert!(merge::merge(&mut last, call("1", ": 1}", None)).is_none());
    assert!(merge::merge(&mut last, call("2", "{}", None)).is_some());
    assert!(merge::merge(&mut last, call("1", "{}", Some("f"))).is_some());
    assert!(merge::merge(&mut last, piece("message-1", "x")).is_some());
    let merged = serde_json::to_value(&last).unwrap();
    let whole = json!({ "name": "f", "arguments": "{\"a\": 1}", "tool_call_id": "1" });
    assert_eq!((&merged["tool_call"], &merged["tool_calls"]), (&whole, &whole));
    let mut text = piece("message-1", "a");
    assert!(merge::merge(&mut text, piece("message-2", "b")).is_some());
    assert!(merge::merge(&mut text, piece("message-1", "b")).is_none());
    assert_eq!(serde_json::to_value(&text).unwrap()["content"], "ab");
}

/// What happens to a stream.
#[derive(Debug, Clone)]
enum Act {
    /// The model says something in this message.
    Piece(u8),
    /// A transaction with so many messages is committed.
    Commit(u8),
    /// A transaction fails.
    Fail,
    /// The turn waits for its pieces.
    Flush,
    /// Some time goes by.
    Wait,
    /// The process dies, and another one takes the run up.
    Crash,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        8 => (0_u8..3).prop_map(Act::Piece),
        2 => (0_u8..3).prop_map(Act::Commit),
        1 => Just(Act::Fail),
        1 => Just(Act::Flush),
        2 => Just(Act::Wait),
        1 => Just(Act::Crash),
    ];
    prop::collection::vec(act, 1..40)
}

/// One process: what runs in it dies with it.
struct Process {
    runtime: tokio::runtime::Runtime,
    store: FrameStore,
    writer: FrameWriter,
    /// Somebody who reads the whole stream here.
    reader: tokio::task::JoinHandle<Vec<Frame>>,
    /// What that one has seen so far.
    seen: Arc<Mutex<Vec<Frame>>>,
}

impl Process {
    fn start(world: &World, run: RunId) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (store, writer) = runtime.block_on(async {
            let store = FrameStore::start(world.db().clone(), world.services.node());
            let writer = store.resume(run).await.unwrap();
            (store, writer)
        });
        let seen: Arc<Mutex<Vec<Frame>>> = Arc::default();
        let (mut stream, view) = (store.read(run, 0), Arc::clone(&seen));
        let reader = runtime.spawn(async move {
            while let Some(frame) = stream.next().await {
                view.lock().unwrap().push(frame);
            }
            view.lock().unwrap().clone()
        });
        Self { runtime, store, writer, reader, seen }
    }

    /// Dies. What is on its way to the database may still arrive.
    fn crash(self) -> Vec<Frame> {
        self.runtime.shutdown_timeout(Duration::from_secs(10));
        self.seen.lock().unwrap().clone()
    }
}

fn try_acts(world: &World, run: RunId, acts: &[Act]) -> Result<(), TestCaseError> {
    let mut process = Process::start(world, run);
    let mut seen: Vec<Vec<Frame>> = Vec::new();
    // The words of each process in their order, and how many of them were certainly stored.
    let mut lives: Vec<(Vec<String>, usize)> = vec![Default::default()];
    for (number, act) in acts.iter().enumerate() {
        let (words, stored) = lives.last_mut().unwrap();
        match act {
            Act::Piece(message) => {
                words.push(format!("<{number}>"));
                process.writer.push(piece(&format!("message-{message}"), words.last().unwrap()));
            }
            Act::Commit(messages) => {
                let new: Vec<String> = (0..*messages).map(|message| format!("<{number}.{message}>")).collect();
                let events = new.iter().map(|word| piece("message-9", word).into()).collect();
                process.runtime.block_on(world.commit(&process.writer, events, false));
                words.extend(new);
                *stored = words.len();
            }
            Act::Fail => drop(process.writer.stage(vec![piece("message-9", "<never>").into()], false)),
            Act::Flush => {
                process.runtime.block_on(process.writer.flushed());
                *stored = words.len();
            }
            Act::Wait => std::thread::sleep(Duration::from_millis(3)),
            Act::Crash => {
                seen.push(process.crash());
                process = Process::start(world, run);
                lives.push(Default::default());
            }
        }
    }
    process.runtime.block_on(world.commit(&process.writer, stop(), true));
    let Process { runtime, store, writer, reader, .. } = process;
    let whole = runtime.block_on(reader).unwrap();
    let replayed = runtime.block_on(rest(store.read(run, 0)));
    drop(writer);
    prop_assert_eq!(&replayed, &whole);
    prop_assert!(is_gapless(&whole, 1));
    for seen in seen {
        prop_assert_eq!(&seen[..], &whole[..seen.len()], "what was seen stays");
    }
    let text = text(&whole);
    let mut left = text.as_str();
    let last = lives.len() - 1;
    for (life, (words, stored)) in lives.iter().enumerate() {
        let certain = if life == last { words.len() } else { *stored };
        let mut come = 0;
        while let Some(more) = words.get(come).and_then(|word| left.strip_prefix(word.as_str())) {
            left = more;
            come += 1;
        }
        prop_assert!(come >= certain, "{come} of {words:?} came, {certain} were stored");
    }
    prop_assert_eq!(left, "", "nothing else is in the stream");
    for after in 0..=whole.len() {
        let suffix = runtime.block_on(rest(store.read(run, i64::try_from(after).unwrap())));
        match whole.get(after..) {
            Some([]) | None => prop_assert!(suffix.len() == 1 && suffix[0].terminal),
            Some(expected) => prop_assert_eq!(&suffix[..], expected),
        }
    }
    Ok(())
}

#[test]
fn whatever_happens_a_stream_is_gapless_and_what_was_seen_stays() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for world in runtime.block_on(World::each()) {
        let mut runner = TestRunner::new(ProptestConfig { cases: 24, failure_persistence: None, ..Default::default() });
        let tried = runner.run(&acts(), |acts| {
            let run = runtime.block_on(world.run());
            try_acts(&world, run, &acts)
        });
        tried.unwrap_or_else(|error| panic!("{}: {error}", world.db().url()));
    }
}
