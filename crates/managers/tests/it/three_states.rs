//! Updates of agents: every field absent, null or with a value, in any combination.

use muisti_managers::{
    Settings,
    schema::{
        AgentState, BlockId, CreateBlock, IdentityCreate, IdentityId, MessageId, SourceCreate, SourceId, Timestamp,
        ToolId, ToolRule, ToolType,
    },
};
use muisti_testkit::Backend;
use proptest::{collection::vec, prelude::*, sample::Index, test_runner::TestRunner};
use serde_json::{Map, Value, json};

use crate::support::World;

const EMBEDDING: &str = "openai/text-embedding-3-small";

/// What an agent can be given.
struct Things {
    blocks: [BlockId; 2],
    tools: [ToolId; 2],
    identities: [IdentityId; 2],
    folders: [SourceId; 2],
}

impl Things {
    async fn make(world: &World, agent: &AgentState) -> Self {
        let (services, actor) = (&world.services, &world.actor);
        let block = async |label| services.blocks().create(actor, CreateBlock::new(label, "")).await.unwrap().id;
        let identity = async |key| {
            let request = json!({"identifier_key": key, "name": key, "identity_type": "user"});
            let request: IdentityCreate = serde_json::from_value(request).unwrap();
            services.identities().create(actor, request).await.unwrap().id
        };
        let folder = async |name| {
            let request: SourceCreate = serde_json::from_value(json!({"name": name, "embedding": EMBEDDING})).unwrap();
            services.sources().create(actor, request).await.unwrap().id
        };
        Self {
            blocks: [block("human").await, block("notes").await],
            tools: [agent.tools[0].id, agent.tools[1].id],
            identities: [identity("one").await, identity("two").await],
            folders: [folder("first").await, folder("second").await],
        }
    }

    /// The fields of an update, with values to send; those without are sent as null only, because a value of theirs
    /// changes other fields too.
    fn fields(&self) -> Vec<(&'static str, Vec<Value>)> {
        let lists = |ids: Value| vec![json!([]), json!([ids[0]]), json!([ids[1]]), ids];
        let exit = json!({"type": "exit_loop", "tool_name": "memory_replace"});
        let approval = json!({"type": "requires_approval", "tool_name": "memory_insert"});
        let rules = |rules: &[&Value]| {
            let rules: Vec<ToolRule> =
                rules.iter().map(|rule| serde_json::from_value((*rule).clone()).unwrap()).collect();
            serde_json::to_value(rules).unwrap()
        };
        let time = |text| serde_json::to_value(Timestamp::parse(text).unwrap()).unwrap();
        let texts = || vec![json!("one"), json!("two")];
        let secrets = || vec![json!({}), json!({"A": "1"}), json!({"A": "2", "B": "3"})];
        vec![
            ("name", texts()),
            ("tool_ids", lists(json!(self.tools))),
            ("source_ids", lists(json!(self.folders))),
            ("folder_ids", lists(json!(self.folders))),
            ("block_ids", lists(json!(self.blocks))),
            ("tags", vec![json!([]), json!(["a"]), json!(["b", "c"])]),
            ("system", texts()),
            ("tool_rules", vec![rules(&[]), rules(&[&exit]), rules(&[&approval, &exit])]),
            ("message_ids", vec![json!([]), json!([MessageId::random()])]),
            ("description", texts()),
            ("metadata", vec![json!({}), json!({"a": 1}), json!({"b": {"c": null}})]),
            ("tool_exec_environment_variables", secrets()),
            ("secrets", secrets()),
            ("project_id", texts()),
            ("template_id", texts()),
            ("base_template_id", texts()),
            ("identity_ids", lists(json!(self.identities))),
            ("message_buffer_autoclear", vec![json!(true), json!(false)]),
            ("model", vec![]),
            ("embedding", vec![json!(EMBEDDING)]),
            ("model_settings", vec![]),
            ("compaction_settings", vec![json!({"mode": "all"}), json!({"mode": "sliding_window"})]),
            ("context_window_limit", vec![json!(8_000), json!(20_000)]),
            ("reasoning", vec![]),
            ("llm_config", vec![]),
            ("embedding_config", vec![]),
            ("parallel_tool_calls", vec![json!(true), json!(false)]),
            ("response_format", vec![json!({"type": "text"}), json!({"type": "json_object"})]),
            ("max_tokens", vec![json!(100), json!(200)]),
            ("enable_sleeptime", vec![json!(false)]),
            ("last_run_completion", vec![time("2026-01-02T03:04:05Z"), time("2026-01-02T03:04:06Z")]),
            ("last_run_duration_ms", vec![json!(0), json!(7)]),
            ("last_stop_reason", vec![json!("end_turn"), json!("error")]),
            ("timezone", vec![json!("Europe/Helsinki"), json!("UTC")]),
            ("max_files_open", vec![json!(0), json!(5)]),
            ("per_file_view_window_char_limit", vec![json!(1_000), json!(2_000)]),
            ("hidden", vec![json!(true), json!(false)]),
        ]
    }
}

/// What a field of a request is.
#[derive(Debug, Clone)]
enum Sent {
    Absent,
    Null,
    Value(Index),
}

fn sent() -> impl Strategy<Value = Sent> {
    prop_oneof![Just(Sent::Absent), Just(Sent::Null), any::<Index>().prop_map(Sent::Value)]
}

fn request(fields: &[(&'static str, Vec<Value>)], sent: &[Sent]) -> Map<String, Value> {
    let mut request = Map::new();
    for ((field, values), sent) in fields.iter().zip(sent) {
        let value = match sent {
            Sent::Absent => continue,
            Sent::Value(index) if !values.is_empty() => index.get(values).clone(),
            Sent::Value(_) | Sent::Null => Value::Null,
        };
        request.insert((*field).to_owned(), value);
    }
    request
}

fn sorted(ids: impl IntoIterator<Item = String>) -> Value {
    let mut ids: Vec<String> = ids.into_iter().collect();
    ids.sort();
    json!(ids)
}

/// The agent with the ids of what it is made of, under the names of the fields that set them, and without what is
/// derived from other fields.
fn view(agent: &AgentState) -> Map<String, Value> {
    let mut view = serde_json::to_value(agent).unwrap().as_object().unwrap().clone();
    for derived in
        ["updated_at", "memory", "blocks", "tools", "sources", "identities", "embedding_config", "model_settings"]
    {
        view.remove(derived).unwrap();
    }
    let secrets: Map<_, _> = agent.secrets.iter().map(|secret| (secret.key.clone(), json!(secret.value))).collect();
    view.remove("tool_exec_environment_variables").unwrap();
    view.insert("secrets".to_owned(), Value::Object(secrets));
    view.insert("block_ids".to_owned(), sorted(agent.blocks.iter().map(|block| block.id.to_string())));
    // The tools for files come and go with the folders.
    let tools = agent.tools.iter().filter(|tool| tool.tool_type != ToolType::LettaFilesCore);
    view.insert("tool_ids".to_owned(), sorted(tools.map(|tool| tool.id.to_string())));
    view.insert("folder_ids".to_owned(), sorted(agent.sources.iter().map(|folder| folder.id.to_string())));
    view.insert("identity_ids".to_owned(), sorted(agent.identity_ids.iter().map(ToString::to_string)));
    view.insert("tags".to_owned(), sorted(agent.tags.iter().cloned()));
    let mode = agent.compaction_settings.as_ref().map(|settings| settings.mode.as_str());
    view.insert("compaction_settings".to_owned(), json!(mode));
    view
}

/// What an update makes of an agent: a value takes the place of the old one; null changes nothing, but for
/// `max_tokens`, which it clears.
fn updated(mut view: Map<String, Value>, request: &Map<String, Value>) -> Map<String, Value> {
    for (field, value) in request {
        if value.is_null() && field != "max_tokens" {
            continue;
        }
        let preferred = |other: &str| request.get(other).is_some_and(|other| !other.is_null());
        let (field, value) = match field.as_str() {
            "source_ids" if preferred("folder_ids") => continue,
            "source_ids" => ("folder_ids", value),
            "tool_exec_environment_variables" if preferred("secrets") => continue,
            "tool_exec_environment_variables" => ("secrets", value),
            "compaction_settings" => ("compaction_settings", &value["mode"]),
            "max_tokens" | "parallel_tool_calls" => {
                view["llm_config"][field] = value.clone();
                continue;
            }
            "context_window_limit" => {
                view["llm_config"]["context_window"] = value.clone();
                continue;
            }
            field => (field, value),
        };
        let is_set = matches!(field, "tool_ids" | "folder_ids" | "block_ids" | "identity_ids" | "tags");
        let value = match value.as_array() {
            Some(ids) if is_set => sorted(ids.iter().map(|id| id.as_str().unwrap().to_owned())),
            _ => value.clone(),
        };
        view.insert(field.to_owned(), value);
    }
    view
}

#[test]
fn absent_and_null_change_nothing_and_values_replace_what_was() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (world, agent, things) = runtime.block_on(async {
        let world = World::on(Backend::Sqlite.fresh(), Settings::default()).await;
        // The limits for files follow the context window only until they are set.
        let limits = json!({"max_files_open": 2, "per_file_view_window_char_limit": 900, "embedding": EMBEDDING});
        let agent = world.create(limits).await;
        let things = Things::make(&world, &agent).await;
        (world, agent, things)
    });
    let fields = things.fields();
    let mut runner = TestRunner::new(ProptestConfig::with_cases(48));
    let outcome = runner.run(&vec(sent(), fields.len()), |sent| {
        let request = request(&fields, &sent);
        let (before, after, stored) = runtime.block_on(async {
            let before = world.get(&agent).await;
            let after = world.update(&agent, Value::Object(request.clone())).await;
            (before, after, world.get(&agent).await)
        });
        prop_assert_eq!(view(&after), updated(view(&before), &request), "{:?}", request);
        prop_assert_eq!(stored, after);
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn the_fields_tried_are_those_of_an_update() {
    let things = Things {
        blocks: [BlockId::random(); 2],
        tools: [ToolId::random(); 2],
        identities: [IdentityId::random(); 2],
        folders: [SourceId::random(); 2],
    };
    let tried: Map<_, _> = things.fields().into_iter().map(|(field, _)| (field.to_owned(), Value::Null)).collect();
    let all: muisti_managers::schema::UpdateAgent = serde_json::from_value(Value::Object(tried.clone())).unwrap();
    assert_eq!(serde_json::to_value(all).unwrap(), Value::Object(tried));
}
