//! Passages: the texts that agents keep in archives and find again.

mod search;

pub(crate) use search::{ArchivalFound, search_of_agent};
pub use search::{ArchivalQuery, InvalidQuery};

use serde_json::Map;

use crate::{
    Actor, Services,
    agent::check,
    archive,
    block::without_nul,
    error::{Error, FieldError, Result},
    orm::{
        Conn, Db, Page, agents, archives,
        passages::{self, PassageQuery, Scope},
    },
    prompt,
    schema::{
        AgentId, ArchivalMemorySearchResponse, ArchiveId, CreateArchivalMemory, Passage, PassageBatchCreateRequest,
        PassageCreateRequest, PassageId, PassageSearchRequest, PassageSearchResult, Timestamp,
    },
};

/// What is done with passages.
#[derive(Debug, Clone)]
pub struct PassageManager {
    db: Db,
    token_limit: i64,
}

impl Services {
    /// What is done with passages.
    pub fn passages(&self) -> PassageManager {
        PassageManager::new(self.db().clone(), self.settings().archival_memory_token_limit)
    }
}

impl PassageManager {
    /// A manager of the passages in this database. What goes into an agent's archival memory at once may have so
    /// many tokens.
    #[must_use]
    pub const fn new(db: Db, token_limit: i64) -> Self {
        Self { db, token_limit }
    }

    /// Puts a text into an archive.
    ///
    /// # Errors
    /// 404 for the archive, 400 for a time that is none.
    pub async fn create(&self, actor: &Actor, archive: ArchiveId, request: PassageCreateRequest) -> Result<Passage> {
        let passages = self.create_many(actor, archive, PassageBatchCreateRequest { passages: vec![request] }).await?;
        passages.into_iter().next().ok_or_else(|| Error::Internal("a passage was stored and is gone".to_owned()))
    }

    /// Puts texts into an archive, all or none, and returns them in their order.
    ///
    /// # Errors
    /// Those of [`PassageManager::create`].
    pub async fn create_many(
        &self,
        actor: &Actor,
        archive: ArchiveId,
        request: PassageBatchCreateRequest,
    ) -> Result<Vec<Passage>> {
        let now = Timestamp::now().utc();
        let mut new = Vec::with_capacity(request.passages.len());
        for (n, passage) in (0..).zip(request.passages) {
            // Times a microsecond apart keep the order.
            let now = (now + chrono::Duration::microseconds(n)).into();
            let created_at = passage.created_at.as_deref().map_or(Ok(now), time)?;
            new.push(passage_of(actor, archive, passage.text, passage.tags, passage.metadata, created_at)?);
        }
        let actor = *actor;
        let write = move |conn: &mut Conn| {
            archive::find(conn, actor.organization_id, archive)?;
            passages::insert(conn, &actor, archive, &new)?;
            Ok(new)
        };
        self.db.write(write).await
    }

    /// Takes a passage out of an archive.
    ///
    /// # Errors
    /// 404 for the archive or the passage, 400 for a passage of another archive.
    pub async fn delete(&self, actor: &Actor, archive: ArchiveId, id: PassageId) -> Result<()> {
        let organization = actor.organization_id;
        let write = move |conn: &mut Conn| {
            archive::find(conn, organization, archive)?;
            let passage = passages::get(conn, organization, id)?.ok_or_else(|| missing(id))?;
            if passage.archive_id != Some(archive) {
                return Err(Error::BadRequest(format!("Passage {id} does not belong to archive {archive}")));
            }
            passages::delete(conn, organization, id)?;
            Ok(())
        };
        self.db.write(write).await
    }

    /// A page of the passages in the agent's archive, with `part` only those that contain it.
    ///
    /// # Errors
    /// 404 for the agent, and for a cursor that names no passage.
    pub async fn list_of_agent(
        &self,
        actor: &Actor,
        agent: AgentId,
        part: Option<String>,
        page: Page,
    ) -> Result<Vec<Passage>> {
        let organization = actor.organization_id;
        let read = move |conn: &mut Conn| {
            if !agents::is_there(conn, organization, agent)? {
                return Err(Error::missing("Agent", agent));
            }
            let Some(archive) = archives::of_agent(conn, agent)? else { return Ok(Vec::new()) };
            Ok(passages::list(conn, organization, archive.id, part.as_deref(), &page)?)
        };
        self.db.read(read).await
    }

    /// Puts a text into the agent's archive, which is made when there is none yet. Its prompt shows the new number
    /// of passages at once; those of other agents with the same archive when they are rendered the next time.
    ///
    /// # Errors
    /// 404 for the agent, 400 for a text that is too long.
    pub async fn create_for_agent(
        &self,
        actor: &Actor,
        agent: AgentId,
        request: CreateArchivalMemory,
    ) -> Result<Passage> {
        let (actor, limit) = (*actor, self.token_limit);
        let write = move |conn: &mut Conn| {
            let organization = actor.organization_id;
            let row = archive::lock_agent(conn, organization, agent)?;
            let tokens = estimate_tokens(&request.text);
            if tokens > limit {
                return Err(Error::InvalidArgument(format!(
                    "Archival memory content exceeds token limit of {limit} tokens (found {tokens} tokens). Store it \
                     in several shorter texts."
                )));
            }
            let archive = archive::of_agent_or_new(conn, &actor, &row)?.id;
            let created_at = request.created_at.unwrap_or_else(Timestamp::now);
            let passage = passage_of(&actor, archive, request.text, request.tags, None, created_at)?;
            passages::insert(conn, &actor, archive, std::slice::from_ref(&passage))?;
            prompt::rebuild(conn, organization, &[agent])?;
            Ok(passage)
        };
        self.db.write(write).await
    }

    /// Takes a passage out of the agent's archive.
    ///
    /// # Errors
    /// 404 for the agent, or for what is no passage of its archive.
    pub async fn delete_of_agent(&self, actor: &Actor, agent: AgentId, id: &str) -> Result<()> {
        let organization = actor.organization_id;
        let id = id.to_owned();
        let write = move |conn: &mut Conn| {
            archive::lock_agent(conn, organization, agent)?;
            let archive = archives::of_agent(conn, agent)?.map(|archive| archive.id);
            let passage = match id.parse() {
                Ok(id) => passages::get(conn, organization, id)?,
                Err(_) => None,
            };
            let passage = passage.filter(|passage| archive.is_some() && passage.archive_id == archive);
            let passage = passage.ok_or_else(|| missing(&id))?;
            passages::delete(conn, organization, passage.id)?;
            Ok(prompt::rebuild(conn, organization, &[agent])?)
        };
        self.db.write(write).await
    }

    /// Searches the agent's archive.
    ///
    /// # Errors
    /// 404 for the agent, 422 for a time that is none.
    pub async fn search_of_agent(
        &self,
        actor: &Actor,
        agent: AgentId,
        query: ArchivalQuery,
    ) -> Result<ArchivalMemorySearchResponse> {
        let organization = actor.organization_id;
        let found = self.db.read(move |conn| search_of_agent(conn, organization, agent, &query)).await?;
        let results: Vec<_> = found?.into_iter().map(|found| found.result).collect();
        Ok(ArchivalMemorySearchResponse { count: i64::try_from(results.len()).unwrap_or(i64::MAX), results })
    }

    /// Searches an agent's archive, an archive or all archives.
    ///
    /// # Errors
    /// 404 for the agent or the archive, 422 for more tags than a search can name.
    pub async fn search(&self, actor: &Actor, request: PassageSearchRequest) -> Result<Vec<PassageSearchResult>> {
        if let Some(message) = search::too_many(request.tags.as_deref().unwrap_or_default()) {
            return Err(Error::Unprocessable(vec![FieldError::body("tags", message)]));
        }
        let organization = actor.organization_id;
        let read = move |conn: &mut Conn| {
            let scope = match (request.agent_id, request.archive_id) {
                (Some(agent), _) => {
                    if !agents::is_there(conn, organization, agent)? {
                        return Err(Error::missing("Agent", agent));
                    }
                    let Some(archive) = archives::of_agent(conn, agent)? else { return Ok(Vec::new()) };
                    Scope::Archive(archive.id)
                }
                (None, Some(archive)) => Scope::Archive(archive::find(conn, organization, archive)?.id),
                (None, None) => Scope::Organization,
            };
            let text = request.query.map(without_nul);
            let query = PassageQuery {
                scope,
                text: text.as_deref(),
                tags: request.tags.as_deref().unwrap_or_default(),
                tag_match_mode: request.tag_match_mode,
                start: request.start_date,
                end: request.end_date.map(search::whole_day),
                limit: request.limit,
            };
            let asked = text.as_deref().is_some_and(|text| !text.trim().is_empty());
            let found = passages::search(conn, organization, &query)?;
            Ok(found.into_iter().map(|found| search::scored(found, asked)).collect())
        };
        self.db.read(read).await
    }
}

/// A rough count of the tokens of a text: one for four bytes.
fn estimate_tokens(text: &str) -> i64 {
    i64::try_from(text.len() / 4).unwrap_or(i64::MAX)
}

fn time(text: &str) -> Result<Timestamp> {
    Timestamp::parse(text).ok_or_else(|| {
        Error::BadRequest(format!(
            "created_at is '{text}', but it must be a time as ISO 8601, such as 2025-03-01T09:30:00Z."
        ))
    })
}

fn passage_of(
    actor: &Actor,
    archive: ArchiveId,
    text: String,
    tags: Option<Vec<String>>,
    metadata: Option<Map<String, serde_json::Value>>,
    created_at: Timestamp,
) -> Result<Passage> {
    check::tags(tags.as_deref())?;
    let tags = tags.map(|tags| {
        let mut distinct = Vec::with_capacity(tags.len());
        for tag in tags.into_iter().map(without_nul) {
            if !distinct.contains(&tag) {
                distinct.push(tag);
            }
        }
        distinct
    });
    Ok(Passage {
        id: PassageId::random(),
        archive_id: Some(archive),
        source_id: None,
        file_id: None,
        file_name: None,
        text: without_nul(text),
        metadata: metadata.unwrap_or_default(),
        tags,
        embedding: None,
        embedding_config: None,
        is_deleted: false,
        created_at: Some(created_at),
        updated_at: Some(Timestamp::now()),
        created_by_id: Some(actor.user_id),
        last_updated_by_id: Some(actor.user_id),
    })
}

fn missing(id: impl std::fmt::Display) -> Error {
    Error::NotFound(format!("Passage with id {id} not found in database."))
}
