//! Loading what an agent file holds.

use std::collections::{HashMap, HashSet};

use super::{
    AgentFileManager, ExportOptions,
    read::incomplete,
    write::{self, Loaded},
};
use crate::{
    Actor,
    error::{Error, Result},
    orm::{
        self, Conn, Order, Page,
        agents::AgentRow,
        messages::{History, MessageFilter},
    },
    schema::{AgentFile, AgentId, BlockId, FileId, FileMetadata, Group, OrganizationId, SourceId, StoredMessage},
};

/// Of an agent without a context so many of its messages are exported.
const WITHOUT_CONTEXT: i64 = 50;

impl AgentFileManager<'_> {
    /// An agent with all that it is made of; with it the groups that it manages and their agents. Messages are those
    /// in the context. Secrets have their names only.
    ///
    /// # Errors
    /// 404 for the agent or the conversation, 422 for a skill without its text.
    pub async fn export(&self, actor: &Actor, id: AgentId, options: ExportOptions) -> Result<AgentFile> {
        if let Some(skill) = options.skills.iter().find(|skill| !skill.is_complete()) {
            return Err(incomplete(&skill.name));
        }
        let organization = actor.organization_id;
        let read = move |conn: &mut Conn| {
            let agent = orm::agents::get(conn, organization, id)?.ok_or_else(|| Error::missing("Agent", id))?;
            if let Some(conversation) = options.conversation_id {
                return Err(Error::missing("Conversation", conversation));
            }
            Ok(write::file(load(conn, agent)?, options))
        };
        self.0.db().read(read).await
    }
}

fn load(conn: &mut Conn, agent: AgentRow) -> Result<Loaded> {
    let organization = agent.organization_id;
    let groups = orm::groups::managed_by(conn, &[agent.id])?;
    let agents = with_members(conn, agent, &groups)?;
    let ids: Vec<AgentId> = agents.iter().map(|agent| agent.id).collect();

    let blocks: HashMap<AgentId, Vec<BlockId>> = orm::blocks::of_agents(conn, &ids)?
        .into_iter()
        .map(|(agent, blocks)| (agent, blocks.into_iter().map(|block| block.id).collect()))
        .collect();
    let shared = groups.iter().flat_map(|group| &group.shared_block_ids);
    let all_blocks: HashSet<BlockId> = blocks.values().flatten().chain(shared).copied().collect();
    let all_blocks: Vec<BlockId> = all_blocks.into_iter().collect();

    let files = orm::file_agents::of_agents(conn, &ids)?;
    let mut sources = orm::sources::of_agents(conn, &ids)?;
    let mut all_files = Vec::new();
    for (agent, rows) in &files {
        // A file without its folder could not be imported.
        let there = sources.entry(*agent).or_default();
        let known: HashSet<SourceId> = there.iter().map(|source| source.id).collect();
        let more: HashSet<SourceId> =
            rows.iter().map(|row| row.source_id).filter(|source| !known.contains(source)).collect();
        there.extend(orm::sources::get_many(conn, organization, &more.into_iter().collect::<Vec<_>>())?);
        all_files.extend(rows.iter().map(|row| row.file_id));
    }

    Ok(Loaded {
        all_blocks: orm::blocks::get_many(conn, organization, &all_blocks)?,
        blocks,
        tools: orm::tools::of_agents(conn, &ids)?,
        tags: orm::tags::of_agents(conn, &ids)?,
        secret_names: orm::secrets::of_agents(conn, &ids)?
            .into_iter()
            .map(|(agent, secrets)| (agent, secrets.into_iter().map(|secret| secret.key).collect()))
            .collect(),
        sources,
        files,
        all_files: with_texts(conn, organization, all_files)?,
        messages: messages(conn, &agents)?,
        groups,
        agents,
    })
}

/// The agent, and after it the members of its groups.
fn with_members(conn: &mut Conn, agent: AgentRow, groups: &[Group]) -> Result<Vec<AgentRow>> {
    let mut seen = HashSet::from([agent.id]);
    let members: Vec<AgentId> =
        groups.iter().flat_map(|group| &group.agent_ids).copied().filter(|id| seen.insert(*id)).collect();
    let mut rows = orm::agents::get_many(conn, agent.organization_id, &members)?;
    rows.sort_by_key(|row| members.iter().position(|id| *id == row.id));
    let mut agents = vec![agent];
    agents.append(&mut rows);
    Ok(agents)
}

/// These files, each once, by their names.
fn with_texts(conn: &mut Conn, organization: OrganizationId, mut ids: Vec<FileId>) -> Result<Vec<FileMetadata>> {
    ids.sort_unstable();
    ids.dedup();
    let mut texts = orm::files::contents(conn, &ids)?;
    let mut files = Vec::with_capacity(ids.len());
    for id in ids {
        if let Some(mut file) = orm::files::get(conn, organization, id)? {
            file.content = texts.remove(&id);
            files.push(file);
        }
    }
    files.sort_by(|a, b| (&a.file_name, a.id).cmp(&(&b.file_name, b.id)));
    Ok(files)
}

fn messages(conn: &mut Conn, agents: &[AgentRow]) -> Result<HashMap<AgentId, Vec<StoredMessage>>> {
    let mut map = HashMap::new();
    for agent in agents {
        let organization = agent.organization_id;
        let messages = if agent.message_ids.is_empty() {
            let filter =
                MessageFilter { agent_id: Some(agent.id), history: History::Default, ..MessageFilter::default() };
            let page = Page::first(WITHOUT_CONTEXT, Order::Desc);
            let mut messages = orm::messages::list(conn, organization, &filter, &page)?;
            messages.reverse();
            messages
        } else {
            orm::messages::by_ids(conn, organization, &agent.message_ids)?
        };
        map.insert(agent.id, messages);
    }
    Ok(map)
}
