//! `POST /v1/runs/{run_id}/stream` and `POST /v1/conversations/{conversation_id}/stream`
//!
//! The runs are written by hand, as another node would have: what is read here comes from the database.

use muisti_api::managers::{
    Actor, DEFAULT_ACTOR,
    frames::{done, incomplete, record},
    orm::{
        self, Conn,
        frames::{self, Frame, NewFrame},
        runs,
    },
    schema::{
        AgentId, ConversationId, Ping, RunId, RunRequestConfig, RunStatus, StopReason, StopReasonEvent, StreamEvent,
        Timestamp,
    },
};
use muisti_testkit::{Response, SseEvent};
use serde_json::{Map, Value, json};

use crate::harness::{App, assert_error, id, on_each_database, on_sqlite};

const ACTOR: Actor = DEFAULT_ACTOR;

/// A run, as a node stores it.
#[derive(Clone, Copy)]
struct Given {
    id: RunId,
    agent: AgentId,
    conversation: Option<ConversationId>,
    background: bool,
}

impl Given {
    fn of(agent: &Value) -> Self {
        Self { id: RunId::random(), agent: id(agent).parse().unwrap(), conversation: None, background: true }
    }

    fn insert(self, conn: &mut Conn) -> orm::Result<()> {
        let key = self.conversation.map_or_else(|| self.agent.to_string(), |id| id.to_string());
        let run = runs::NewRun {
            id: self.id,
            agent_id: self.agent,
            conversation_id: self.conversation,
            project_id: None,
            base_template_id: None,
            status: RunStatus::Running,
            background: self.background,
            metadata: Map::new(),
            request_config: &RunRequestConfig::default(),
            history_key: &key,
            pending_input: &[],
            accepted: true,
            node_id: "another",
            lease_until: (Timestamp::now().utc() + std::time::Duration::from_secs(600)).into(),
            callback_url: None,
        };
        runs::insert(conn, &ACTOR, &run, &json!({}))
    }

    async fn begin(self, app: &App) -> Self {
        app.write(move |conn| self.insert(conn)).await;
        self
    }

    /// Stores pings up to this place; with `end` the run ends there.
    async fn frames(self, app: &App, places: std::ops::RangeInclusive<i64>, end: bool) {
        let last = *places.end();
        let frame = move |seq| {
            let mut ping = StreamEvent::from(Ping::new(Some(self.id)));
            ping.set_seq_id(seq);
            let terminal = end && seq == last;
            let record = if terminal { done() } else { record(&ping) };
            NewFrame { run_id: self.id, frame: Frame { seq, record, terminal } }
        };
        let rows: Vec<NewFrame> = places.map(frame).collect();
        app.write(move |conn| {
            frames::append(conn, &rows)?;
            if end { self.finish(conn) } else { Ok(()) }
        })
        .await;
    }

    fn finish(self, conn: &mut Conn) -> orm::Result<()> {
        let end = runs::RunEnd {
            status: RunStatus::Completed,
            stop_reason: StopReason::EndTurn,
            metadata: Map::new(),
            ttft_ns: None,
            total_duration_ns: None,
        };
        runs::finish(conn, self.id, &end).map(|_| ())
    }

    fn path(self) -> String {
        format!("/v1/runs/{}/stream", self.id)
    }
}

/// The places of the frames that come, and whether `[DONE]` is last.
async fn places(app: &mut App, path: &str, body: Value) -> (Vec<i64>, bool) {
    let stream = app.client.stream(path, &body).await.unwrap();
    assert_eq!(stream.status, 200);
    let events: Vec<SseEvent> = stream.collect().await.unwrap();
    let ended = events.last().is_some_and(SseEvent::is_done);
    (events.iter().filter_map(|event| event.json()["seq_id"].as_i64()).collect(), ended)
}

async fn refused(app: &mut App, path: &str, body: Value, status: u16, fragment: &str) {
    let response: Response = app.post(path, body).await;
    assert_error(&response, status, fragment);
}

#[tokio::test]
async fn a_stream_is_read_from_any_place_on() {
    on_each_database(async |app| {
        let agent = app.agent(json!({})).await;
        let run = Given::of(&agent).begin(app).await;
        run.frames(app, 1..=5, true).await;
        assert_eq!(places(app, &run.path(), json!({})).await, (vec![1, 2, 3, 4], true));
        assert_eq!(places(app, &run.path(), json!({ "starting_after": 2, "batch_size": 1 })).await, (vec![3, 4], true));
        assert_eq!(places(app, &run.path(), json!({ "starting_after": 4 })).await, (vec![], true));
        assert_eq!(places(app, &run.path(), json!({ "starting_after": 5 })).await, (vec![], true));
        assert_eq!(places(app, &run.path(), json!({ "starting_after": 999 })).await, (vec![], true));
        let other = json!({ "run_id": RunId::random(), "otid": "x", "agent_id": AgentId::random() });
        assert_eq!(places(app, &run.path(), other).await, (vec![1, 2, 3, 4], true), "only the path counts");
        let bare = app.client.send("POST", &run.path(), None).await.unwrap();
        assert_eq!(bare.status, 200);
        assert!(bare.header("content-type").unwrap().starts_with("text/event-stream"));
        assert!(bare.text().ends_with("data: [DONE]\n\n"));
    })
    .await;
}

#[tokio::test]
async fn a_stream_goes_on_while_it_is_read() {
    on_each_database(async |app| {
        let agent = app.agent(json!({})).await;
        let run = Given::of(&agent).begin(app).await;
        run.frames(app, 1..=2, false).await;
        let mut client = app.client();
        let mut stream = client.stream(&run.path(), &json!({})).await.unwrap();
        for seq in 1..=2 {
            assert_eq!(stream.next().await.unwrap().unwrap().json()["seq_id"], seq);
        }
        run.frames(app, 3..=4, true).await;
        assert_eq!(stream.next().await.unwrap().unwrap().json()["seq_id"], 3);
        assert!(stream.next().await.unwrap().unwrap().is_done());
        assert!(stream.next().await.unwrap().is_none(), "nothing comes after the end");
    })
    .await;
}

#[tokio::test]
async fn pings_fill_the_silence_of_a_stored_stream_and_say_how_far_it_has_come() {
    let impatient = |server: muisti_testkit::ServerBuilder| server.env("LETTA_KEEPALIVE_INTERVAL", "0.2");
    on_sqlite(impatient, async |app| {
        let agent = app.agent(json!({})).await;
        let run = Given::of(&agent).begin(app).await;
        run.frames(app, 1..=3, false).await;
        let mut stream = app.client().stream(&run.path(), &json!({ "starting_after": 2 })).await.unwrap();
        let first = stream.next().await.unwrap().unwrap().json();
        let ping = stream.next().await.unwrap().unwrap().json();
        assert_eq!(ping["message_type"], "ping");
        assert_eq!((&ping["seq_id"], &ping["run_id"]), (&json!(3), &json!(run.id)));
        assert_ne!(ping["id"], first["id"]);
        let mut quiet = app.client().stream(&run.path(), &json!({ "include_pings": false })).await.unwrap();
        for _ in 1..=3 {
            quiet.next().await.unwrap().unwrap();
        }
        let silence = tokio::time::timeout(std::time::Duration::from_millis(700), quiet.next()).await;
        assert!(silence.is_err(), "{silence:?}");
        run.frames(app, 4..=4, true).await;
        assert!(quiet.next().await.unwrap().unwrap().is_done());
    })
    .await;
}

#[tokio::test]
async fn a_run_that_ended_without_an_end_of_its_stream_leaves_no_reader_waiting() {
    on_each_database(async |app| {
        let agent = app.agent(json!({})).await;
        let run = Given::of(&agent).begin(app).await;
        run.frames(app, 1..=1, false).await;
        app.write(move |conn| run.finish(conn)).await;
        let stream = app.client.stream(&run.path(), &json!({})).await.unwrap();
        let events = stream.collect().await.unwrap();
        let expected: Vec<Value> =
            incomplete(run.id).iter().map(|event| serde_json::to_value(event).unwrap()).collect();
        assert_eq!(events[1..3].iter().map(SseEvent::json).collect::<Vec<_>>(), expected);
        assert_eq!(events[2].event.as_deref(), Some("error"));
        assert!(events[3].is_done());
        assert_eq!(StreamEvent::from(StopReasonEvent::from(StopReason::Error)), incomplete(run.id)[0]);
    })
    .await;
}

#[tokio::test]
async fn streams_that_cannot_be_read_say_why() {
    on_each_database(async |app| {
        let agent = app.agent(json!({})).await;
        refused(app, "/v1/runs/run-1/stream", json!({}), 400, "Invalid run ID format").await;
        let unknown = Given::of(&agent);
        refused(app, &unknown.path(), json!({}), 404, "not found").await;
        let foreground = Given { background: false, ..Given::of(&agent) }.begin(app).await;
        let text = "INVALID_ARGUMENT: Run was not created in background mode, so it cannot be retrieved.";
        refused(app, &foreground.path(), json!({}), 400, text).await;
        let run = Given::of(&agent).begin(app).await;
        refused(app, &run.path(), json!({ "batch_size": 0 }), 422, "batch_size").await;
        refused(app, &run.path(), json!({ "poll_interval": -1 }), 422, "poll_interval").await;
        refused(app, &run.path(), json!({ "starting_after": "x" }), 422, "starting_after").await;
    })
    .await;
}

#[tokio::test]
async fn the_stream_of_a_history_is_that_of_its_newest_run_that_goes_on() {
    on_each_database(async |app| {
        let agent = app.agent(json!({})).await;
        let conversation =
            app.post(&format!("/v1/conversations/?agent_id={}", id(&agent)), json!({})).await.expect_json();
        let of_conversation = format!("/v1/conversations/{}/stream", id(&conversation));
        let of_agent = format!("/v1/conversations/{}/stream", id(&agent));
        let of_default = "/v1/conversations/default/stream";
        let nothing = "INVALID_ARGUMENT: No active runs found for this conversation.";
        refused(app, &of_conversation, json!({}), 400, nothing).await;
        refused(app, &of_agent, json!({}), 400, nothing).await;
        refused(app, of_default, json!({ "agent_id": id(&agent) }), 400, nothing).await;
        refused(app, of_default, json!({}), 400, "agent_id").await;
        refused(app, "/v1/conversations/nonsense/stream", json!({}), 422, "conv-").await;

        let ended = Given::of(&agent).begin(app).await;
        ended.frames(app, 1..=9, true).await;
        let own = Given { conversation: Some(id(&conversation).parse().unwrap()), ..Given::of(&agent) };
        let own = own.begin(app).await;
        own.frames(app, 1..=2, false).await;
        refused(app, &of_agent, json!({}), 400, nothing).await;
        let mut other = app.client();
        let mut stream = other.stream(&of_conversation, &json!({ "starting_after": 1 })).await.unwrap();
        assert_eq!(stream.next().await.unwrap().unwrap().json()["run_id"], json!(own.id));

        let newer = Given::of(&agent).begin(app).await;
        newer.frames(app, 1..=1, false).await;
        for (path, body) in [(of_agent.as_str(), json!({})), (of_default, json!({ "agent_id": id(&agent) }))] {
            let mut stream = app.client().stream(path, &body).await.unwrap();
            assert_eq!(stream.next().await.unwrap().unwrap().json()["run_id"], json!(newer.id));
        }
        let foreground = Given { background: false, ..Given::of(&agent) }.begin(app).await;
        refused(app, &of_agent, json!({}), 400, "not created in background mode").await;
        refused(app, &of_agent, json!({ "run_id": foreground.id }), 400, "not created in background mode").await;
        assert_eq!(places(app, &of_agent, json!({ "run_id": ended.id, "starting_after": 7 })).await, (vec![8], true));
        refused(app, &of_agent, json!({ "run_id": RunId::random() }), 404, "not found").await;
    })
    .await;
}

#[tokio::test]
async fn a_run_is_found_by_the_clients_own_id_of_a_message() {
    on_each_database(async |app| {
        let agent = app.agent(json!({})).await;
        let of_agent = format!("/v1/conversations/{}/stream", id(&agent));
        let run = Given::of(&agent).begin(app).await;
        run.frames(app, 1..=3, true).await;
        let key = id(&agent).to_owned();
        app.write(move |conn| frames::note_otids(conn, ACTOR.organization_id, &key, &["mine"], run.id)).await;
        assert_eq!(places(app, &of_agent, json!({ "otid": "mine" })).await, (vec![1, 2], true));
        let text = "No run found for otid=other. The run may have expired or never existed.";
        refused(app, &of_agent, json!({ "otid": "other" }), 404, text).await;
        let stranger = app.agent(json!({})).await;
        let path = format!("/v1/conversations/{}/stream", id(&stranger));
        refused(app, &path, json!({ "otid": "mine" }), 404, "No run found for otid=mine").await;
    })
    .await;
}
