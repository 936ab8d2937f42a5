//! Whether the parts of an agent file fit together.

use std::collections::{BTreeSet, HashSet};

use crate::{
    error::{Error, Result},
    schema::{AgentFile, ExportedAgent},
};

/// Checks the ids in a file, and that what they refer to is there.
///
/// # Errors
/// 400 with all that is wrong.
pub(super) fn references(file: &AgentFile) -> Result<()> {
    let mut found = Findings::default();
    let agents = found.ids("agents", "agent", file.agents.iter().map(|agent| agent.id.as_str()));
    let groups = found.ids("groups", "group", file.groups.iter().map(|group| group.id.as_str()));
    let blocks = found.ids("blocks", "block", file.blocks.iter().map(|block| block.id.as_str()));
    let files = found.ids("files", "file", file.files.iter().map(|file| file.id.as_str()));
    let sources = found.ids("sources", "source", file.sources.iter().map(|source| source.id.as_str()));
    let tools = found.ids("tools", "tool", file.tools.iter().map(|tool| tool.id.as_str()));
    found.ids("MCP servers", "mcp_server", file.mcp_servers.iter().map(|server| server.id.as_str()));

    for file in &file.files {
        found.reference(&format!("File {}", file.id), "source", [file.source_id.as_str()], &sources);
    }
    for agent in &file.agents {
        let who = format!("Agent {}", agent.id);
        let own = found.ids("messages", "message", agent.messages.iter().map(|message| message.id.as_str()));
        found.reference(&who, "tool", texts(agent.tool_ids.as_ref()), &tools);
        found.reference(&who, "block", texts(agent.block_ids.as_ref()), &blocks);
        found.reference(&who, "source", folders(agent), &sources);
        found.reference(&who, "group", agent.group_ids.iter().map(String::as_str), &groups);
        let in_context = agent.in_context_message_ids.iter().map(String::as_str);
        found.reference(&who, "in-context message", in_context, &own);
        for row in &agent.files_agents {
            let who = format!("File-agent relationship {}", row.id);
            found.reference(&who, "agent", [row.agent_id.as_str()], &agents);
            found.reference(&who, "file", [row.file_id.as_str()], &files);
            found.reference(&who, "source", [row.source_id.as_str()], &sources);
        }
    }
    for group in &file.groups {
        let who = format!("Group {}", group.id);
        found.reference(&who, "agent", group.agent_ids.iter().map(String::as_str), &agents);
        found.reference(&who, "agent", group.manager_config.manager_agent_id(), &agents);
        found.reference(&who, "block", group.shared_block_ids.iter().map(String::as_str), &blocks);
    }
    if found.0.is_empty() {
        return Ok(());
    }
    Err(Error::BadRequest(format!("Import failed: Schema validation failed: {}", found.0.join("; "))))
}

/// The folders of an agent: `folder_ids`, or where there are none `source_ids`.
pub(super) fn folders(agent: &ExportedAgent) -> impl Iterator<Item = &str> {
    texts(agent.folder_ids.as_ref().filter(|ids| !ids.is_empty()).or(agent.source_ids.as_ref()))
}

fn texts(ids: Option<&Vec<String>>) -> impl Iterator<Item = &str> {
    ids.into_iter().flatten().map(String::as_str)
}

/// What is wrong with a file, as far as it is known.
#[derive(Default)]
struct Findings(Vec<String>);

impl Findings {
    /// The ids of one kind, of which each must be used once and begin with the prefix.
    fn ids<'a>(&mut self, kind: &str, prefix: &str, ids: impl Iterator<Item = &'a str>) -> HashSet<&'a str> {
        let mut seen = HashSet::new();
        let mut twice = BTreeSet::new();
        for id in ids {
            let number = id.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('-'));
            if number.is_none_or(str::is_empty) {
                self.0.push(format!("Invalid ID format: {id} should start with '{prefix}-'"));
            }
            if !seen.insert(id) {
                twice.insert(id);
            }
        }
        if !twice.is_empty() {
            let twice: Vec<String> = twice.into_iter().map(|id| format!("'{id}'")).collect();
            self.0.push(format!("Duplicate {kind} IDs found: {{{}}}", twice.join(", ")));
        }
        seen
    }

    fn reference<'a>(&mut self, who: &str, kind: &str, ids: impl IntoIterator<Item = &'a str>, there: &HashSet<&str>) {
        let missing = ids.into_iter().filter(|id| !there.contains(id));
        self.0.extend(missing.map(|id| format!("{who} references non-existent {kind} {id}")));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn check(change: Value) -> String {
        let mut file = json!({"agents": [], "groups": [], "blocks": [], "files": [], "sources": [], "tools": [],
            "mcp_servers": []});
        file.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        match references(&serde_json::from_value(file).unwrap()) {
            Ok(()) => "fine".to_owned(),
            Err(error) => error.to_string().replace("Import failed: Schema validation failed: ", ""),
        }
    }

    #[test]
    fn ids_have_their_form_and_are_used_once() {
        assert_eq!(check(json!({"agents": [{"id": "agent-0"}, {"id": "agent-1"}]})), "fine");
        assert_eq!(check(json!({"agents": [{"id": "x"}]})), "Invalid ID format: x should start with 'agent-'");
        assert_eq!(
            check(json!({"agents": [{"id": "agent-0"}, {"id": "agent-0"}]})),
            "Duplicate agents IDs found: {'agent-0'}"
        );
        let messages = json!([{"id": "message-0", "role": "user", "content": "a"}, {"id": "message-0", "role": "user",
            "content": "b"}]);
        assert_eq!(
            check(json!({"agents": [{"id": "agent-0", "messages": messages}]})),
            "Duplicate messages IDs found: {'message-0'}"
        );
    }

    #[test]
    fn what_is_referred_to_must_be_there() {
        assert_eq!(
            check(json!({"files": [{"id": "file-0", "source_id": "source-9"}]})),
            "File file-0 references non-existent source source-9"
        );
        let agent = json!({"id": "agent-0", "tool_ids": ["tool-9"], "block_ids": ["block-9"], "folder_ids": [],
            "source_ids": ["source-9"], "in_context_message_ids": ["message-9"], "group_ids": ["group-9"],
            "files_agents": [{"id": "f", "agent_id": "agent-0", "file_id": "file-9", "source_id": "source-9",
                "file_name": "n"}]});
        let findings = check(json!({"agents": [agent]}));
        assert_eq!(findings.split("; ").count(), 7, "{findings}");
        let group = json!({"id": "group-0", "agent_ids": ["agent-9"], "description": "",
            "manager_config": {"manager_type": "supervisor", "manager_agent_id": "agent-8"}});
        assert_eq!(check(json!({"groups": [group]})).split("; ").count(), 2);
    }
}
