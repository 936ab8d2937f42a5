//! Folders of files, which the older routes call sources: made, changed, and given to agents.

use crate::{
    Actor, Services,
    agent::check,
    error::{Error, Result},
    file,
    orm::{self, Conn, Order, Page, agents::AgentRow, sources},
    prompt,
    schema::{
        AgentId, EmbeddingConfig, OrganizationId, OrganizationSourcesStats, Patch, Source, SourceCreate, SourceId,
        SourceUpdate, ToolType, VectorDbProvider,
    },
};

/// The tools by which agents work with files. An agent has them as long as it has a folder.
const FILE_TOOLS: &[&str] = &["open_files", "grep_files", "semantic_search_files"];
/// How many files of a folder an agent gets.
const FILES_PER_FOLDER: i64 = 1000;

/// What is done with folders.
///
/// Whatever changes what an agent is shown also renders its system message anew, in the same transaction.
#[derive(Debug, Clone, Copy)]
pub struct SourceManager<'a>(&'a Services);

impl Services {
    /// What is done with folders.
    pub fn sources(&self) -> SourceManager<'_> {
        SourceManager(self)
    }
}

impl SourceManager<'_> {
    /// Makes a folder, attached to nothing yet.
    ///
    /// # Errors
    /// 400 when no embedding model is named or there is no such model, 409 for a name in use, 422 for a name that is
    /// too long.
    pub async fn create(&self, actor: &Actor, request: SourceCreate) -> Result<Source> {
        check::key("name", &request.name)?;
        let handle = request.embedding.as_deref().or(self.0.settings().default_embedding.as_deref());
        let embedding_config = match (request.embedding_config, handle) {
            (Some(config), _) => config,
            (None, Some(handle)) => {
                let chunk_size = request.embedding_chunk_size.or(Some(DEFAULT_CHUNK_SIZE));
                self.0.models().resolve_embedding(actor, handle, chunk_size).await?
            }
            (None, None) => {
                return Err(Error::InvalidArgument(
                    "Must specify either embedding or embedding_config in request".to_owned(),
                ));
            }
        };
        let source = Source {
            description: request.description,
            instructions: request.instructions,
            metadata: request.metadata,
            ..named(request.name, embedding_config)
        };
        let actor = *actor;
        self.0.db().write(move |conn| insert(conn, &actor, &source)).await
    }

    /// One folder.
    ///
    /// # Errors
    /// 404.
    pub async fn get(&self, actor: &Actor, id: SourceId) -> Result<Source> {
        let organization = actor.organization_id;
        self.0.db().read(move |conn| find(conn, organization, id)).await
    }

    /// The folder of this name.
    ///
    /// # Errors
    /// 404.
    pub async fn get_by_name(&self, actor: &Actor, name: &str) -> Result<Source> {
        let (organization, name) = (actor.organization_id, name.to_owned());
        let get = move |conn: &mut Conn| {
            let found = sources::by_name(conn, organization, &name)?;
            found.ok_or_else(|| Error::NotFound(format!("Source with name={name} not found.")))
        };
        self.0.db().read(get).await
    }

    /// A page of the folders, oldest first unless the page says otherwise; those whose name has this part, in any
    /// case.
    ///
    /// # Errors
    /// 404 for a cursor that names no folder.
    pub async fn list(&self, actor: &Actor, name_part: Option<String>, page: Page) -> Result<Vec<Source>> {
        let organization = actor.organization_id;
        let name_part = name_part.filter(|part| !part.is_empty());
        self.0.db().read(move |conn| Ok(sources::list(conn, organization, name_part.as_deref(), &page)?)).await
    }

    /// How many folders there are.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn count(&self, actor: &Actor) -> Result<i64> {
        let organization = actor.organization_id;
        self.0.db().read(move |conn| Ok(sources::count(conn, organization)?)).await
    }

    /// The sizes of all folders; with `detailed` also of each one and of its files.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn stats(&self, actor: &Actor, detailed: bool) -> Result<OrganizationSourcesStats> {
        let organization = actor.organization_id;
        let folders = self.0.db().read(move |conn| orm::files::stats(conn, organization)).await?;
        Ok(OrganizationSourcesStats {
            total_sources: i64::try_from(folders.len()).unwrap_or(i64::MAX),
            total_files: folders.iter().map(|folder| folder.file_count).sum(),
            total_size: folders.iter().fold(0, |sum, folder| sum.saturating_add(folder.total_size)),
            sources: if detailed { folders } else { Vec::new() },
        })
    }

    /// Changes a folder. Null and absent fields change nothing. Its files keep the names that they have.
    ///
    /// # Errors
    /// 404, 409 for a name in use, 422 for a name that is too long.
    pub async fn update(&self, actor: &Actor, id: SourceId, request: SourceUpdate) -> Result<Source> {
        if let Patch::Value(name) = &request.name {
            check::key("name", name)?;
        }
        let actor = *actor;
        let update = move |conn: &mut Conn| {
            let organization = actor.organization_id;
            let before = sources::lock(conn, organization, id)?.ok_or_else(|| missing(id))?;
            let after = updated(&before, request);
            if after == before {
                return Ok(before);
            }
            sources::update(conn, &actor, &after)?;
            let agents = sources::agents_of(conn, id)?;
            prompt::rebuild(conn, organization, &agents)?;
            find(conn, organization, id)
        };
        self.0.db().write(update).await
    }

    /// Deletes a folder with its files, also from the agents that have it.
    ///
    /// # Errors
    /// 404.
    pub async fn delete(&self, actor: &Actor, id: SourceId) -> Result<()> {
        let organization = actor.organization_id;
        let delete = move |conn: &mut Conn| {
            let agents = sources::agents_of(conn, id)?;
            if !sources::delete(conn, organization, id)? {
                return Err(missing(id));
            }
            for agent in &agents {
                detach_tools_without_folder(conn, *agent)?;
            }
            Ok(prompt::rebuild(conn, organization, &agents)?)
        };
        self.0.db().write(delete).await
    }

    /// A page of the agents that have the folder, sorted by their age.
    ///
    /// # Errors
    /// 404 for the folder, or a cursor that names no agent.
    pub async fn list_agents(&self, actor: &Actor, id: SourceId, page: Page) -> Result<Vec<AgentId>> {
        let organization = actor.organization_id;
        let list = move |conn: &mut Conn| {
            find(conn, organization, id)?;
            Ok(sources::list_agents(conn, organization, id, &page)?)
        };
        self.0.db().read(list).await
    }

    /// A page of the folders of an agent, sorted by when it got them.
    ///
    /// # Errors
    /// 404 for the agent, or a cursor that names no folder of it.
    pub async fn list_of_agent(&self, actor: &Actor, agent: AgentId, page: Page) -> Result<Vec<Source>> {
        let organization = actor.organization_id;
        let list = move |conn: &mut Conn| {
            if !orm::agents::is_there(conn, organization, agent)? {
                return Err(Error::missing("Agent", agent));
            }
            Ok(sources::list_attached(conn, organization, agent, &page)?)
        };
        self.0.db().read(list).await
    }

    /// Gives an agent a folder with its files, and the tools to use them. The files of a folder that it has already
    /// are opened anew.
    ///
    /// # Errors
    /// 404 for the agent or the folder.
    pub async fn attach(&self, actor: &Actor, agent: AgentId, id: SourceId) -> Result<()> {
        let organization = actor.organization_id;
        let attach = move |conn: &mut Conn| {
            let agent = lock(conn, organization, agent)?;
            let folder = find(conn, organization, id)?;
            attach_all(conn, &agent, &[folder])?;
            Ok(prompt::rebuild(conn, organization, &[agent.id])?)
        };
        self.0.db().write(attach).await
    }

    /// Takes a folder off an agent, if it has it, and with the last one the tools for files.
    ///
    /// # Errors
    /// 404 for the agent or the folder.
    pub async fn detach(&self, actor: &Actor, agent: AgentId, id: SourceId) -> Result<()> {
        let organization = actor.organization_id;
        let detach = move |conn: &mut Conn| {
            let agent = lock(conn, organization, agent)?;
            find(conn, organization, id)?;
            detach_one(conn, agent.id, id)?;
            detach_tools_without_folder(conn, agent.id)?;
            Ok(prompt::rebuild(conn, organization, &[agent.id])?)
        };
        self.0.db().write(detach).await
    }
}

/// The chunk size of a folder's files when none is given, in tokens.
const DEFAULT_CHUNK_SIZE: i64 = crate::schema::DEFAULT_EMBEDDING_CHUNK_SIZE;

/// A folder with nothing but what it must have.
pub(crate) fn named(name: String, embedding_config: EmbeddingConfig) -> Source {
    Source {
        name,
        description: None,
        instructions: None,
        metadata: None,
        id: SourceId::random(),
        embedding_config,
        vector_db_provider: VectorDbProvider::Native,
        created_by_id: None,
        last_updated_by_id: None,
        created_at: None,
        updated_at: None,
    }
}

/// Stores a new folder within a transaction, and gives it as it is stored.
pub(crate) fn insert(conn: &mut Conn, actor: &Actor, source: &Source) -> Result<Source> {
    sources::insert(conn, actor, source)?;
    find(conn, actor.organization_id, source.id)
}

/// The folders with these ids, in their order; each once.
pub(crate) fn existing(conn: &mut Conn, organization: OrganizationId, ids: &[SourceId]) -> Result<Vec<Source>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    check::list("source_ids", ids)?;
    let mut found = sources::get_many(conn, organization, ids)?;
    if let Some(id) = ids.iter().find(|id| !found.iter().any(|source| source.id == **id)) {
        return Err(missing(*id));
    }
    found.sort_by_key(|source| ids.iter().position(|id| *id == source.id));
    Ok(found)
}

/// Gives an agent these folders with their files, and the tools to use them. Its prompt is left to the caller.
pub(crate) fn attach_all(conn: &mut Conn, agent: &AgentRow, folders: &[Source]) -> Result<()> {
    if folders.is_empty() {
        return Ok(());
    }
    let organization = agent.organization_id;
    sources::attach(conn, agent.id, &folders.iter().map(|source| source.id).collect::<Vec<_>>())?;
    let mut tools = orm::tools::by_names(conn, organization, FILE_TOOLS)?;
    tools.retain(|tool| tool.tool_type == ToolType::LettaFilesCore);
    tools.sort_by_key(|tool| FILE_TOOLS.iter().position(|name| *name == tool.name));
    orm::tools::attach(conn, agent.id, &tools.iter().map(|tool| tool.id).collect::<Vec<_>>())?;
    for folder in folders {
        let files = orm::files::list(conn, organization, folder.id, &Page::first(FILES_PER_FOLDER, Order::Asc))?;
        file::attached::add(conn, agent, &files)?;
    }
    Ok(())
}

/// Makes these the folders of the agent. Those that stay keep their place, and their files as they are. Its prompt is
/// left to the caller.
///
/// # Errors
/// 404 for a folder that does not exist.
pub(crate) fn replace(conn: &mut Conn, agent: &AgentRow, ids: &[SourceId]) -> Result<()> {
    let mut wanted = existing(conn, agent.organization_id, ids)?;
    for folder in sources::attached_to(conn, agent.id)? {
        if ids.contains(&folder.id) {
            wanted.retain(|source| source.id != folder.id);
        } else {
            detach_one(conn, agent.id, folder.id)?;
        }
    }
    attach_all(conn, agent, &wanted)?;
    detach_tools_without_folder(conn, agent.id)
}

fn detach_one(conn: &mut Conn, agent: AgentId, id: SourceId) -> Result<()> {
    sources::detach(conn, agent, id)?;
    Ok(orm::file_agents::remove_of_source(conn, agent, id)?)
}

/// Takes the tools for files off an agent that has no folder.
fn detach_tools_without_folder(conn: &mut Conn, agent: AgentId) -> Result<()> {
    if !sources::attached_to(conn, agent)?.is_empty() {
        return Ok(());
    }
    for tool in orm::tools::attached_to(conn, agent)? {
        if tool.tool_type == ToolType::LettaFilesCore {
            orm::tools::detach(conn, agent, tool.id)?;
        }
    }
    Ok(())
}

fn missing(id: SourceId) -> Error {
    Error::missing("Folder", id)
}

fn find(conn: &mut Conn, organization: OrganizationId, id: SourceId) -> Result<Source> {
    sources::get(conn, organization, id)?.ok_or_else(|| missing(id))
}

fn lock(conn: &mut Conn, organization: OrganizationId, id: AgentId) -> Result<AgentRow> {
    orm::agents::lock(conn, organization, id)?.ok_or_else(|| Error::missing("Agent", id))
}

/// The folder after an update: absent and null leave a field as it is.
fn updated(before: &Source, request: SourceUpdate) -> Source {
    let before = before.clone();
    Source {
        name: request.name.value().unwrap_or(before.name),
        description: request.description.value().or(before.description),
        instructions: request.instructions.value().or(before.instructions),
        metadata: request.metadata.value().or(before.metadata),
        embedding_config: request.embedding_config.value().unwrap_or(before.embedding_config),
        ..before
    }
}
