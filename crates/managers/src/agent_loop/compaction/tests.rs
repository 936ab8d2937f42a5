//! Compactions with a model that does what it is told, on both databases.

use muisti_llm::LlmSettings;
use muisti_orm::{
    Db, DbConfig, agents, leases, messages,
    schema::{AgentId, ContentPart, CreateAgent, FunctionToolCall, MessageRole, open_system_alert},
};
use muisti_testkit::{Answer, ScriptedModel, SeenRequest, TestDatabase};
use serde_json::{Value, json};

use super::*;
use crate::{DEFAULT_ACTOR, Settings};

const WINDOW: i64 = 8_192;

/// An agent with a model behind it. Its own model is `local`, the one that summarises `small`.
struct World {
    services: Services,
    model: ScriptedModel,
    agent: AgentRow,
    chat: ChatModel,
    _database: TestDatabase,
}

impl World {
    async fn on(database: TestDatabase, settings: Value) -> Self {
        let model = ScriptedModel::builder().models(&["local", "small"]).start();
        let url = match database.url() {
            Some(url) => url.parse().unwrap(),
            None => muisti_orm::DatabaseUrl::Sqlite(database.sqlite_path()),
        };
        let db = Db::open(&DbConfig::new(url)).await.unwrap();
        db.migrate().await.unwrap();
        let base = model.base_url();
        let llm = LlmSettings::from_env(|name| match name {
            "OPENAI_API_BASE" => Some(base.clone()),
            "MUISTI_DISCOVER_LOCAL" => Some("false".to_owned()),
            _ => None,
        });
        let data_dir = Some(database.data_dir().to_owned());
        let services = Services::start(db, Settings { data_dir, ..Settings::default() }, llm.unwrap()).await.unwrap();
        let request = json!({
            "model": "openai/local", "context_window_limit": WINDOW, "compaction_settings": settings,
            "memory_blocks": [{ "label": "human", "value": "Their cat is called Muru." }],
        });
        let request: CreateAgent = serde_json::from_value(request).unwrap();
        let id = services.agents().create(&DEFAULT_ACTOR, request).await.unwrap().id;
        let agent = services.agents().row(&DEFAULT_ACTOR, id).await.unwrap();
        let chat = ChatModel::of(&services, &DEFAULT_ACTOR, &agent.llm_config, None).await.unwrap();
        Self { services, model, agent, chat, _database: database }
    }

    async fn each(settings: Value) -> Vec<Self> {
        let mut worlds = Vec::new();
        for database in TestDatabase::each() {
            worlds.push(Self::on(database, settings.clone()).await);
        }
        worlds
    }

    async fn sqlite(settings: Value) -> Self {
        Self::on(muisti_testkit::Backend::Sqlite.fresh(), settings).await
    }

    fn history(&self) -> HistoryId {
        HistoryId::default_of(self.agent.id)
    }

    /// The system message and these turns.
    async fn context(&self, turns: usize) -> Vec<StoredMessage> {
        let mut context = self.stored().await;
        context.truncate(1);
        context.extend((1..=turns).flat_map(|number| turn(self.agent.id, number)));
        context
    }

    async fn stored(&self) -> Vec<StoredMessage> {
        let id = self.agent.id;
        let read = move |conn: &mut Conn| {
            let agent = agents::get(conn, DEFAULT_ACTOR.organization_id, id)?.unwrap();
            messages::by_ids(conn, DEFAULT_ACTOR.organization_id, &agent.message_ids)
        };
        self.services.db().read(read).await.unwrap()
    }

    async fn try_compact(&self, context: &[StoredMessage], trigger: Trigger) -> Result<Option<Compacted>> {
        let tools = [ToolSpec {
            name: "look".to_owned(),
            description: "Looks.".to_owned(),
            parameters: json!({ "type": "object", "properties": {} }),
            strict: false,
        }];
        let request = CompactRequest {
            history: self.history(),
            agent: &self.agent,
            run: None,
            step: None,
            context,
            protected: 0,
            system: None,
            model: &self.chat,
            tools: &tools,
            trigger,
            tokens_before: None,
            overrides: None,
            hard: false,
        };
        compact(&self.services, &DEFAULT_ACTOR, &request).await
    }

    async fn compact(&self, context: &[StoredMessage]) -> Compacted {
        self.try_compact(context, Trigger::Overflow).await.unwrap().unwrap()
    }

    /// The models that were asked, in order.
    fn asked(&self) -> Vec<String> {
        let name = |request: SeenRequest| request.body["model"].as_str().unwrap().to_owned();
        self.model.requests().into_iter().map(name).collect()
    }
}

/// What a user says, and what the agent answers: some 200 tokens.
fn turn(agent: AgentId, number: usize) -> [StoredMessage; 2] {
    let row = |role, who| {
        let text = format!("{who} {number}. {}", "More words. ".repeat(30));
        StoredMessage::new(agent, role, vec![ContentPart::text(text)])
    };
    [row(MessageRole::User, "Question"), row(MessageRole::Assistant, "Answer")]
}

fn in_mode(mode: &str) -> Value {
    json!({ "mode": mode, "model": "openai/small" })
}

fn is(model: &'static str) -> impl Fn(&SeenRequest) -> bool {
    move |request| request.body["model"] == model
}

#[track_caller]
fn assert_whole(compacted: &Compacted, before: &[StoredMessage]) {
    let context = &compacted.context;
    assert_eq!(context[0].id, before[0].id);
    assert_eq!(context[1].id, compacted.summary.id);
    assert_eq!(context[1].role, MessageRole::Summary);
    assert_eq!(compacted.evicted.len() + context.len(), before.len() + 1);
    let kept: Vec<MessageId> = context[2..].iter().map(|message| message.id).collect();
    let last: Vec<MessageId> = before[before.len() - kept.len()..].iter().map(|message| message.id).collect();
    assert_eq!(kept, last);
    let (message, stats) = open_system_alert(&context[1].text()).unwrap();
    assert!(message.ends_with(&compacted.text), "{message}");
    assert_eq!(stats.as_ref(), Some(&compacted.stats));
    assert_eq!(compacted.stats.messages_count_before, number(before.len()));
    assert_eq!(compacted.stats.messages_count_after, number(context.len()));
}

#[tokio::test]
async fn all_leaves_the_system_message_and_the_summary() {
    for world in World::each(in_mode("all")).await {
        world.model.push(Answer::text("  They asked much.\n"));
        let context = world.context(6).await;
        let compacted = world.compact(&context).await;
        assert_whole(&compacted, &context);
        assert_eq!((compacted.context.len(), compacted.text.as_str()), (2, "They asked much."));
        assert_eq!(compacted.way, Way::Summarised(CompactionMode::All));
        assert!(compacted.usage.total_tokens > 0);
        let request = world.model.last_request();
        assert_eq!(request.body["model"], "small");
        assert!(request.tool_names().is_empty());
        assert!(request.system().unwrap().contains("Current state"));
        let transcript = request.last_user().unwrap();
        assert!(transcript.starts_with("<start_transcript>\n[user] Question 1."));
        assert!(transcript.ends_with("<end_transcript>") && transcript.contains("[assistant] Answer 6."));

        let (actor, history) = (DEFAULT_ACTOR, world.history());
        world
            .services
            .db()
            .write(move |conn| {
                messages::insert(conn, &actor, &context[1..])?;
                compacted.store(conn, &actor, &history)
            })
            .await
            .unwrap();
        let stored = world.stored().await;
        assert_eq!(stored.iter().map(|row| row.role).collect::<Vec<_>>(), [MessageRole::System, MessageRole::Summary]);
    }
}

#[tokio::test]
async fn a_sliding_window_keeps_the_newest_and_summarises_the_rest() {
    let world = World::sqlite(in_mode("sliding_window")).await;
    world.model.push(Answer::text("The start."));
    let context = world.context(10).await;
    let compacted = world.try_compact(&context, Trigger::PostStep).await.unwrap().unwrap();
    assert_whole(&compacted, &context);
    assert_eq!(compacted.way, Way::Summarised(CompactionMode::SlidingWindow));
    // 21 rows, of which four tenths are 8.
    assert_eq!(compacted.evicted.len(), 7);
    assert!(compacted.context[1].text().contains("The 7 messages before this one"));
    let transcript = world.model.last_request().last_user().unwrap();
    assert!(transcript.contains("Question 4.") && !transcript.contains("Answer 4."));
}

#[tokio::test]
async fn the_agent_itself_is_asked_as_in_a_step() {
    for (mode, evicted) in [("self_compact_all", 20), ("self_compact_sliding_window", 7)] {
        let world = World::sqlite(in_mode(mode)).await;
        world.model.push(Answer::text("I answered."));
        let context = world.context(10).await;
        let compacted = world.try_compact(&context, Trigger::PostStep).await.unwrap().unwrap();
        assert_whole(&compacted, &context);
        assert_eq!((compacted.evicted.len(), compacted.text.as_str()), (evicted, "I answered."));
        let request = world.model.last_request();
        assert_eq!(request.body["model"], "local");
        assert_eq!(request.tool_names(), ["look"]);
        assert_eq!(request.system().unwrap(), context[0].text());
        assert!(request.last_user().unwrap().contains("Do not use any tool"));
        let roles: Vec<&str> = request.messages().iter().map(|row| row["role"].as_str().unwrap()).collect();
        assert_eq!(roles[roles.len() - 2..], ["assistant", "user"]);
        assert_eq!(roles.len(), 1 + evicted + 1 + usize::from(evicted % 2 == 1));
    }
}

#[tokio::test]
async fn the_agents_own_model_stands_in_for_one_that_fails_or_is_not_there() {
    let world = World::sqlite(in_mode("all")).await;
    world.model.answer_with(|request| match is("small")(request) {
        true => Answer::error(400, "No."),
        false => Answer::text("Own words."),
    });
    assert_eq!(world.compact(&world.context(3).await).await.text, "Own words.");
    assert_eq!(world.asked(), ["small", "local"]);

    let world = World::sqlite(json!({ "model": "nobody/nothing", "mode": "all" })).await;
    world.model.push(Answer::text("Own words."));
    assert_eq!(world.compact(&world.context(3).await).await.text, "Own words.");
    assert_eq!(world.asked(), ["local"]);
}

#[tokio::test]
async fn an_agent_that_cannot_summarise_itself_is_read_by_another_model() {
    let world = World::sqlite(in_mode("self_compact_all")).await;
    world.model.answer_with(|request| match is("local")(request) {
        true => Answer::tool_call("look", json!({})),
        false => Answer::text("From outside."),
    });
    let compacted = world.try_compact(&world.context(10).await, Trigger::PostStep).await.unwrap().unwrap();
    assert_eq!(compacted.text, "From outside.");
    assert_eq!(compacted.way, Way::Summarised(CompactionMode::All));
    assert_eq!(world.asked(), ["local", "local", "small"]);
}

#[tokio::test]
async fn where_no_model_answers_the_oldest_leave_and_the_last_summary_is_carried_on() {
    for mode in ["all", "sliding_window", "self_compact_all", "self_compact_sliding_window"] {
        let world = World::sqlite(in_mode(mode)).await;
        world.model.push(Answer::text("The user likes tea."));
        let first = world.compact(&world.context(10).await).await;
        world.model.always(Answer::error(400, "Broken for good."));
        let mut context = first.context;
        context.extend((11..=50).flat_map(|number| turn(world.agent.id, number)));
        let compacted = world.compact(&context).await;
        assert_whole(&compacted, &context);
        assert_eq!(compacted.way, Way::LeftOut, "{mode}");
        let gone = compacted.evicted.len() - 1;
        assert!(compacted.text.starts_with(&format!("{gone} older messages were left out")), "{}", compacted.text);
        assert!(compacted.text.contains("conversation_search") && compacted.text.ends_with("The user likes tea."));
        assert!(compacted.context.len() > 10, "{mode} keeps what fits");
        assert!(compacted.stats.context_tokens_after.unwrap() < threshold(WINDOW));
    }
}

#[tokio::test]
async fn an_empty_summary_is_none() {
    let world = World::sqlite(in_mode("all")).await;
    world.model.always(Answer::text(" \n "));
    assert_eq!(world.compact(&world.context(3).await).await.way, Way::LeftOut);
}

#[tokio::test]
async fn who_asks_for_a_summary_is_told_that_none_could_be_written() {
    let world = World::sqlite(in_mode("all")).await;
    world.model.always(Answer::error(400, "Broken for good."));
    let error = world.try_compact(&world.context(3).await, Trigger::Manual).await.unwrap_err();
    assert!(matches!(&error, Error::Llm(error) if error.message.contains("Broken for good.")), "{error}");
}

#[tokio::test]
async fn a_transcript_that_is_too_long_for_the_model_is_pressed_until_it_fits() {
    let world = World::sqlite(in_mode("all")).await;
    world.model.answer_with(|request| match request.last_user().unwrap().len() {
        0..=3_000 => Answer::text("Short enough."),
        // The words by which an overflow is known.
        _ => Answer::error(400, "This model's maximum context length is 1000 tokens."),
    });
    // The server has less room than it says, so even the shortest transcript is refused, by both models.
    let context = world.context(20).await;
    let compacted = world.compact(&context).await;
    assert_eq!(compacted.way, Way::LeftOut);
    assert_eq!(world.asked().iter().filter(|model| *model == "small").count(), 3);

    world.model.clear_requests();
    world.model.answer_with(|request| match request.last_user().unwrap().len() {
        0..=21_000 => Answer::text("Short enough."),
        _ => Answer::error(400, "This model's maximum context length is 6000 tokens."),
    });
    let mut context = world.context(2).await;
    let mut called = StoredMessage::new(world.agent.id, MessageRole::Assistant, Vec::new());
    called.tool_calls.push(FunctionToolCall::new("c1", "look", "{}"));
    let mut returned =
        StoredMessage::new(world.agent.id, MessageRole::Tool, vec![ContentPart::text("x".repeat(20_000))]);
    returned.tool_call_id = Some("c1".to_owned());
    context.extend([called, returned]);
    let compacted = world.compact(&context).await;
    assert_eq!(compacted.text, "Short enough.");
    assert_eq!(world.asked().len(), 2);
}

#[tokio::test]
async fn a_summary_is_clipped_and_an_acknowledgement_comes_before_the_transcript() {
    let settings = json!({
        "mode": "all", "model": "openai/small", "clip_chars": 5, "prompt": "Sum up.", "prompt_acknowledgement": true
    });
    let world = World::sqlite(settings).await;
    world.model.push(Answer::text("0123456789"));
    let compacted = world.compact(&world.context(3).await).await;
    assert_eq!(compacted.text, "01234... [summary truncated to fit]");
    let request = world.model.last_request();
    let roles: Vec<&str> = request.messages().iter().map(|row| row["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["user", "assistant", "user"]);
    assert_eq!(request.messages()[0]["content"], "Sum up.");
}

#[tokio::test]
async fn a_system_message_that_fills_the_window_is_named_as_the_culprit() {
    let world = World::sqlite(in_mode("all")).await;
    let mut context = world.context(2).await;
    context[0].content = vec![ContentPart::text("Obey. ".repeat(20_000))];
    let error = world.try_compact(&context, Trigger::Overflow).await.unwrap_err();
    assert!(matches!(error, Error::SystemPromptTooLarge { window: WINDOW, .. }), "{error}");
    assert!(world.model.requests().is_empty());
}

#[tokio::test]
async fn nothing_is_asked_where_nothing_could_leave() {
    let world = World::sqlite(in_mode("all")).await;
    let context = world.context(0).await;
    assert!(world.try_compact(&context, Trigger::PostStep).await.unwrap().is_none());
    assert!(world.model.requests().is_empty());
}

#[tokio::test]
async fn a_history_that_was_held_by_a_process_that_is_gone_is_free_after_the_start() {
    for world in World::each(in_mode("all")).await {
        let node = world.services.node().id().to_owned();
        let (key, holder) = (world.history().key(), RunId::random());
        let hold = move |conn: &mut Conn| {
            let until = Timestamp::parse("2999-01-01").unwrap();
            leases::acquire(conn, &leases::Lease { key: &key, run_id: holder, node_id: &node, until })
        };
        assert!(world.services.db().write(hold).await.unwrap());
        let key = world.history().key();
        let named = world.services.db().read(move |conn| leases::holder(conn, &key)).await.unwrap();
        assert_eq!(named, None, "no run holds it");
        world.services.recover().await.unwrap();
        let (key, patience) = (world.history(), std::time::Duration::from_millis(10));
        assert!(world.services.hold(key, patience).await.is_ok());
    }
}

#[tokio::test]
async fn ten_thousand_messages_go_through_a_small_window() {
    let world = World::sqlite(in_mode("sliding_window")).await;
    world.model.answer_with(|request| {
        let transcript = request.last_user().unwrap();
        // Each summary is folded into the next.
        let before = transcript.lines().find_map(|line| line.strip_prefix("[summary] Summary ")?.parse::<u32>().ok());
        Answer::text(&format!("Summary {}", before.unwrap_or(0) + 1)).usage(10, 5)
    });
    let (actor, history) = (DEFAULT_ACTOR, world.history());
    let mut context = world.stored().await;
    let gauge = Gauge::of(&world.chat);
    let (mut compactions, mut unstored) = (0, Vec::new());
    for number in 1..=5_000 {
        let turn = turn(world.agent.id, number);
        unstored.extend(turn.iter().cloned());
        context.extend(turn);
        if gauge.tokens(Load { context: &context, system: None, tools: &[] }) <= threshold(WINDOW) {
            continue;
        }
        let compacted = world.try_compact(&context, Trigger::PostStep).await.unwrap().unwrap();
        assert_whole(&compacted, &context);
        compactions += 1;
        assert_eq!(compacted.text, format!("Summary {compactions}"));
        assert!(gauge.tokens(Load { context: &compacted.context, system: None, tools: &[] }) < threshold(WINDOW));
        context.clone_from(&compacted.context);
        let new = std::mem::take(&mut unstored);
        let store = move |conn: &mut Conn| {
            messages::insert(conn, &actor, &new)?;
            compacted.store(conn, &actor, &history)
        };
        world.services.db().write(store).await.unwrap();
    }
    assert!(compactions > 100, "{compactions}");
    let stored = world.stored().await;
    assert!(stored[0].text().contains("Their cat is called Muru."));
    assert_eq!(summary::text_of(&stored[1]), format!("Summary {compactions}"));
    assert!(context.last().unwrap().text().starts_with("Answer 5000."));
    let id = world.agent.id;
    let count = world.services.db().read(move |conn| messages::count_of_agent(conn, id));
    let all = usize::try_from(count.await.unwrap()).unwrap();
    assert_eq!(all, 1 + 10_000 - unstored.len() + compactions, "every message is still there");
}
