//! Archives: made, changed, and given to agents to search in.

pub use crate::orm::archives::ArchiveFilter;

use crate::{
    Actor, Services,
    block::without_nul,
    error::{Error, Result},
    orm::{self, Conn, Page, agents, agents::AgentRow, archives},
    prompt,
    schema::{
        AgentId, Archive, ArchiveCreateRequest, ArchiveId, ArchiveUpdateRequest, EmbeddingConfig, OrganizationId,
        Timestamp, VectorDbProvider,
    },
};

/// What is done with archives.
#[derive(Debug, Clone, Copy)]
pub struct ArchiveManager<'a>(&'a Services);

impl Services {
    /// What is done with archives.
    pub fn archives(&self) -> ArchiveManager<'_> {
        ArchiveManager(self)
    }
}

impl ArchiveManager<'_> {
    /// Makes an archive, which no agent has yet. It keeps the embedding model that it is made with; without one its
    /// passages are searched by words.
    ///
    /// # Errors
    /// 400 and 422 for the handle of an embedding model that does not exist.
    pub async fn create(&self, actor: &Actor, request: ArchiveCreateRequest) -> Result<Archive> {
        let handle = request.embedding.as_deref().or(self.0.settings().default_embedding.as_deref());
        let embedding_config = match (request.embedding_config, handle) {
            (Some(config), _) => Some(config),
            (None, Some(handle)) => Some(self.0.models().resolve_embedding(actor, handle, None).await?),
            (None, None) => None,
        };
        let archive = new(actor, request.name, request.description, embedding_config);
        let actor = *actor;
        let write = move |conn: &mut Conn| {
            archives::insert(conn, &actor, &archive)?;
            Ok(archive)
        };
        self.0.db().write(write).await
    }

    /// One archive.
    ///
    /// # Errors
    /// 404.
    pub async fn get(&self, actor: &Actor, id: ArchiveId) -> Result<Archive> {
        let organization = actor.organization_id;
        self.0.db().read(move |conn| find(conn, organization, id)).await
    }

    /// A page of the archives that match.
    ///
    /// # Errors
    /// 404 for an agent that does not exist, and for a cursor that names no archive.
    pub async fn list(&self, actor: &Actor, filter: ArchiveFilter, page: Page) -> Result<Vec<Archive>> {
        let organization = actor.organization_id;
        let read = move |conn: &mut Conn| {
            if let Some(agent) = filter.agent_id {
                agent_exists(conn, organization, agent)?;
            }
            Ok(archives::list(conn, organization, &filter, &page)?)
        };
        self.0.db().read(read).await
    }

    /// Changes the name or the description. What is absent or null stays as it is.
    ///
    /// # Errors
    /// 404.
    pub async fn update(&self, actor: &Actor, id: ArchiveId, change: ArchiveUpdateRequest) -> Result<Archive> {
        let actor = *actor;
        let write = move |conn: &mut Conn| {
            let stored = archives::lock(conn, actor.organization_id, id)?.ok_or_else(|| missing(id))?;
            let mut archive = stored.clone();
            if let Some(name) = change.name.value() {
                archive.name = without_nul(name);
            }
            if let Some(description) = change.description.value() {
                archive.description = Some(without_nul(description));
            }
            if archive != stored {
                archive.updated_at = Some(Timestamp::now());
                archive.last_updated_by_id = Some(actor.user_id);
                archives::update(conn, &actor, &archive)?;
            }
            Ok(archive)
        };
        self.0.db().write(write).await
    }

    /// Deletes an archive with its passages. The agents that have it live on without.
    ///
    /// # Errors
    /// 404.
    pub async fn delete(&self, actor: &Actor, id: ArchiveId) -> Result<()> {
        let organization = actor.organization_id;
        let write = move |conn: &mut Conn| {
            find(conn, organization, id)?;
            let mut agents = archives::agents_of(conn, id)?;
            agents.sort_unstable();
            // First the agents and then the archive, as when one is given to an agent: so neither waits for the other.
            for agent in &agents {
                agents::lock(conn, organization, *agent)?;
            }
            if !archives::delete(conn, organization, id)? {
                return Err(missing(id));
            }
            Ok(prompt::rebuild(conn, organization, &agents)?)
        };
        self.0.db().write(write).await
    }

    /// Gives an agent an archive to search in; one that it has already is no error.
    ///
    /// # Errors
    /// 404 for the agent or the archive, 409 when the agent has another one.
    pub async fn attach(&self, actor: &Actor, agent: AgentId, id: ArchiveId) -> Result<()> {
        let organization = actor.organization_id;
        let write = move |conn: &mut Conn| {
            lock_agent(conn, organization, agent)?;
            find(conn, organization, id)?;
            if let Some(other) = archives::of_agent(conn, agent)?.filter(|archive| archive.id != id) {
                return Err(Error::Conflict(format!(
                    "The agent {agent} has the archive {} already, and an agent can have only one. Detach that one \
                     first.",
                    other.id
                )));
            }
            archives::attach(conn, agent, id, false)?;
            Ok(prompt::rebuild(conn, organization, &[agent])?)
        };
        self.0.db().write(write).await
    }

    /// Takes an archive from an agent, if it has it. The archive lives on.
    ///
    /// # Errors
    /// 404 for the agent or the archive.
    pub async fn detach(&self, actor: &Actor, agent: AgentId, id: ArchiveId) -> Result<()> {
        let organization = actor.organization_id;
        let write = move |conn: &mut Conn| {
            lock_agent(conn, organization, agent)?;
            find(conn, organization, id)?;
            archives::detach(conn, agent, id)?;
            Ok(prompt::rebuild(conn, organization, &[agent])?)
        };
        self.0.db().write(write).await
    }
}

/// The archive of an agent whose row is locked; one of its own when it has none yet.
pub(crate) fn of_agent_or_new(conn: &mut Conn, actor: &Actor, agent: &AgentRow) -> Result<Archive> {
    if let Some(archive) = archives::of_agent(conn, agent.id)? {
        return Ok(archive);
    }
    let archive = new(
        actor,
        format!("{}'s Archive", agent.name),
        Some("Default archive created automatically".to_owned()),
        agent.embedding_config.clone(),
    );
    archives::insert(conn, actor, &archive)?;
    archives::attach(conn, agent.id, archive.id, true)?;
    Ok(archive)
}

/// The archive with this id.
pub(crate) fn find(conn: &mut Conn, organization: OrganizationId, id: ArchiveId) -> Result<Archive> {
    archives::get(conn, organization, id)?.ok_or_else(|| missing(id))
}

/// The agent's row, kept from others until the transaction ends.
pub(crate) fn lock_agent(conn: &mut Conn, organization: OrganizationId, agent: AgentId) -> Result<AgentRow> {
    agents::lock(conn, organization, agent)?.ok_or_else(|| Error::missing("Agent", agent))
}

fn agent_exists(conn: &mut Conn, organization: OrganizationId, agent: AgentId) -> Result<()> {
    if orm::agents::is_there(conn, organization, agent)? { Ok(()) } else { Err(Error::missing("Agent", agent)) }
}

fn missing(id: ArchiveId) -> Error {
    Error::missing("Archive", id)
}

fn new(actor: &Actor, name: String, description: Option<String>, embedding_config: Option<EmbeddingConfig>) -> Archive {
    let now = Timestamp::now();
    Archive {
        id: ArchiveId::random(),
        name: without_nul(name),
        description: description.map(without_nul),
        vector_db_provider: VectorDbProvider::Native,
        embedding_config,
        metadata: None,
        created_at: now,
        updated_at: Some(now),
        created_by_id: Some(actor.user_id),
        last_updated_by_id: Some(actor.user_id),
    }
}
