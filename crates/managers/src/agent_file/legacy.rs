//! The older form of agent files, a single agent with everything inside it, in today's form.

use serde_json::{Map, Value, json};

/// The members of an agent that mean the same in both forms.
const SAME: &[&str] = &[
    "name",
    "agent_type",
    "system",
    "description",
    "llm_config",
    "embedding_config",
    "tool_rules",
    "message_buffer_autoclear",
    "timezone",
    "response_format",
];

/// The file in today's form; `None` when it is no agent of the older form either.
///
/// A group is not taken over: its other agents are not in such a file.
pub(super) fn convert(value: Value) -> Option<Value> {
    let Value::Object(mut old) = value else { return None };
    if !old.get("core_memory").is_some_and(Value::is_array) || !old.get("llm_config").is_some_and(Value::is_object) {
        return None;
    }
    let blocks = numbered("block", list(&mut old, "core_memory").into_iter().map(block));
    let tools = numbered("tool", list(&mut old, "tools").into_iter());
    let messages = numbered("message", list(&mut old, "messages").into_iter().map(message));
    let in_context = list(&mut old, "in_context_message_indices");
    let in_context: Vec<String> =
        in_context.iter().filter_map(Value::as_u64).map(|index| format!("message-{index}")).collect();
    let tags: Vec<Value> = list(&mut old, "tags").into_iter().map(|tag| member(tag, "tag")).collect();
    let secrets: Map<String, Value> = list(&mut old, "tool_exec_environment_variables")
        .into_iter()
        .filter_map(|secret| Some((secret.get("key")?.as_str()?.to_owned(), secret.get("value")?.clone())))
        .collect();

    let mut agent = Map::new();
    for key in SAME {
        if let Some(value) = old.remove(*key).filter(|value| !value.is_null()) {
            agent.insert((*key).to_owned(), value);
        }
    }
    agent.extend([
        ("id".to_owned(), json!("agent-0")),
        ("metadata".to_owned(), old.remove("metadata_").unwrap_or_default()),
        ("tags".to_owned(), Value::Array(tags)),
        ("secrets".to_owned(), Value::Object(secrets)),
        ("block_ids".to_owned(), ids(&blocks)),
        ("tool_ids".to_owned(), ids(&tools)),
        ("messages".to_owned(), Value::Array(messages)),
        ("in_context_message_ids".to_owned(), json!(in_context)),
        ("include_base_tools".to_owned(), json!(false)),
        ("include_base_tool_rules".to_owned(), json!(false)),
    ]);
    Some(json!({
        "agents": [agent], "groups": [], "blocks": blocks, "files": [], "sources": [], "tools": tools,
        "mcp_servers": [],
    }))
}

fn list(object: &mut Map<String, Value>, key: &str) -> Vec<Value> {
    match object.remove(key) {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    }
}

/// These objects with the ids that they have in the file.
fn numbered(kind: &str, items: impl Iterator<Item = Value>) -> Vec<Value> {
    let with_id = |(index, mut item): (usize, Value)| {
        if let Value::Object(members) = &mut item {
            members.insert("id".to_owned(), format!("{kind}-{index}").into());
        }
        item
    };
    items.enumerate().map(with_id).collect()
}

fn ids(items: &[Value]) -> Value {
    items.iter().map(|item| item.get("id").cloned().unwrap_or_default()).collect()
}

fn member(mut value: Value, key: &str) -> Value {
    match value.get_mut(key) {
        Some(member) => member.take(),
        None => value,
    }
}

fn block(mut block: Value) -> Value {
    if let Value::Object(members) = &mut block
        && let Some(metadata) = members.remove("metadata_")
    {
        members.insert("metadata".to_owned(), metadata);
    }
    block
}

fn message(mut message: Value) -> Value {
    if let Value::Object(members) = &mut message {
        let content = members.entry("content").or_insert(Value::Null);
        if content.is_null() {
            *content = json!([]);
        }
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::AgentFile;

    #[test]
    fn an_agent_of_the_older_form_keeps_all_that_it_has() {
        let old = json!({
            "agent_type": "memgpt_agent", "name": "Old", "system": "You are old.", "description": null,
            "core_memory": [{"label": "human", "value": "Ada.", "limit": 5000, "metadata_": {"a": 1}, "created_at": "x"}],
            "llm_config": {"model": "m", "model_endpoint_type": "openai", "context_window": 8000},
            "embedding_config": null,
            "tools": [{"name": "roll", "source_code": "def roll(): ...", "source_type": "python",
                "json_schema": {"name": "roll"}, "tags": [], "tool_type": "custom", "created_at": "x"}],
            "tool_rules": [{"type": "exit_loop", "tool_name": "roll"}], "tags": [{"tag": "t"}],
            "tool_exec_environment_variables": [{"key": "K", "value": "", "description": null}],
            "messages": [{"role": "system", "content": [{"type": "text", "text": "You are old."}]},
                {"role": "assistant", "content": null, "tool_calls": []},
                {"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
            "in_context_message_indices": [0, 2], "message_buffer_autoclear": false, "metadata_": {"m": 1},
            "multi_agent_group": null, "version": "0.7.0",
        });
        let file: AgentFile = serde_json::from_value(convert(old).unwrap()).unwrap();
        let agent = &file.agents[0];
        assert_eq!((agent.name.as_deref(), agent.agent.system.as_deref()), (Some("Old"), Some("You are old.")));
        assert_eq!(agent.block_ids.as_deref(), Some(["block-0".to_owned()].as_slice()));
        assert_eq!(agent.tool_ids.as_deref(), Some(["tool-0".to_owned()].as_slice()));
        assert_eq!(agent.in_context_message_ids, ["message-0", "message-2"]);
        assert_eq!((agent.messages.len(), agent.messages[2].id.as_str()), (3, "message-2"));
        assert_eq!(agent.agent.tags.as_deref(), Some(["t".to_owned()].as_slice()));
        assert_eq!(agent.agent.secrets.as_ref().unwrap()["K"], "");
        assert_eq!(agent.agent.metadata.as_ref().unwrap()["m"], 1);
        assert_eq!(agent.agent.tool_rules.as_ref().unwrap().len(), 1);
        assert_eq!((&file.blocks[0].block.limit, &file.blocks[0].block.metadata["a"]), (&5000, &json!(1)));
        assert_eq!(file.tools[0].source_code.as_deref(), Some("def roll(): ..."));
    }
}
