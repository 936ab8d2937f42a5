//! Files: those of a folder, and those that an agent has before it.

pub(crate) mod attached;
pub(crate) mod view;

use crate::{
    Actor, Services,
    error::{Error, Result},
    orm::{self, Conn, Db, Page, agents::AgentRow, file_agents, files},
    prompt,
    schema::{AgentId, FileId, FileMetadata, OrganizationId, PaginatedAgentFiles, SourceId},
};
use attached::OpenFiles;

/// How many files of an agent a page shows when none at all are asked for.
const SMALL_PAGE: i64 = 20;

/// What is done with files.
///
/// Files are made by what reads uploads; here they are found, shown to agents and deleted. Whatever changes what an
/// agent is shown also renders its system message anew, in the same transaction.
#[derive(Debug, Clone)]
pub struct FileManager {
    db: Db,
}

impl Services {
    /// What is done with files.
    pub fn files(&self) -> FileManager {
        FileManager { db: self.db().clone() }
    }
}

impl FileManager {
    /// A page of the files of a folder, with their texts if wanted; none for an unknown folder.
    ///
    /// # Errors
    /// 404 for a cursor that names no file.
    pub async fn list(
        &self,
        actor: &Actor,
        folder: SourceId,
        with_content: bool,
        page: Page,
    ) -> Result<Vec<FileMetadata>> {
        let organization = actor.organization_id;
        let list = move |conn: &mut Conn| {
            let mut found = files::list(conn, organization, folder, &page)?;
            if with_content {
                fill_content(conn, &mut found)?;
            }
            found.iter_mut().for_each(show_short_name);
            Ok(found)
        };
        self.db.read(list).await
    }

    /// One file, with its text if wanted. With a folder, only if it is there.
    ///
    /// # Errors
    /// 404.
    pub async fn get(
        &self,
        actor: &Actor,
        folder: Option<SourceId>,
        id: FileId,
        with_content: bool,
    ) -> Result<FileMetadata> {
        let organization = actor.organization_id;
        let get = move |conn: &mut Conn| {
            let mut found = [find(conn, organization, folder, id)?];
            if with_content {
                fill_content(conn, &mut found)?;
            }
            let [mut file] = found;
            show_short_name(&mut file);
            Ok(file)
        };
        self.db.read(get).await
    }

    /// Deletes a file of a folder, also from the agents that have it.
    ///
    /// # Errors
    /// 404.
    pub async fn delete(&self, actor: &Actor, folder: SourceId, id: FileId) -> Result<()> {
        let organization = actor.organization_id;
        let delete = move |conn: &mut Conn| {
            find(conn, organization, Some(folder), id)?;
            let agents = file_agents::agents_of(conn, id)?;
            files::delete(conn, organization, id)?;
            Ok(prompt::rebuild(conn, organization, &agents)?)
        };
        self.db.write(delete).await
    }

    /// A page of the files of an agent, in the order in which it got them: all, or those that are open or closed.
    ///
    /// # Errors
    /// 404 for the agent, or a cursor that names no file of it.
    pub async fn list_of_agent(
        &self,
        actor: &Actor,
        agent: AgentId,
        is_open: Option<bool>,
        mut page: Page,
    ) -> Result<PaginatedAgentFiles> {
        let organization = actor.organization_id;
        if page.limit < 1 {
            page.limit = SMALL_PAGE;
        }
        let size = usize::try_from(page.limit).unwrap_or(usize::MAX);
        let list = move |conn: &mut Conn| {
            let agent = orm::agents::get(conn, organization, agent)?.ok_or_else(|| Error::missing("Agent", agent))?;
            // One more than asked for tells whether there are more.
            page.limit = page.limit.saturating_add(1);
            let mut files = file_agents::list(conn, agent.id, is_open, &page)?;
            let has_more = files.len() > size;
            if has_more {
                // A page next to `before` is read towards its start, so that there the surplus one is the first.
                let surplus = if page.before.is_some() && page.after.is_none() { 0 } else { size };
                files.remove(surplus);
            }
            let limit = view::char_limit(&agent);
            for file in &mut files {
                file.visible_content = file.visible_content.take().map(|text| view::cut(text, limit));
            }
            let next_cursor = files.last().map(|file| file.id.to_string());
            Ok(PaginatedAgentFiles { files, next_cursor, has_more })
        };
        self.db.read(list).await
    }

    /// Opens a file that the agent has, from its start. Those that the agent has not looked at for longest are
    /// closed to make room; their names are returned.
    ///
    /// # Errors
    /// 404 for the agent, or a file that it does not have.
    pub async fn open(&self, actor: &Actor, agent: AgentId, file: FileId) -> Result<Vec<String>> {
        let organization = actor.organization_id;
        let open = move |conn: &mut Conn| {
            let agent = lock(conn, organization, agent)?;
            let mut open = OpenFiles::of(conn, &agent)?;
            let stored = files::get(conn, organization, file)?.filter(|_| open.has(file));
            let stored = stored.ok_or_else(|| missing(file))?;
            let text = files::contents(conn, &[file])?.remove(&file).unwrap_or_default();
            let text = view::whole(&text, stored.file_type.as_deref());
            let closed = open.open(file, text);
            open.store(conn)?;
            prompt::rebuild(conn, organization, &[agent.id])?;
            Ok(closed)
        };
        self.db.write(open).await
    }

    /// Closes a file that the agent has.
    ///
    /// # Errors
    /// 404 for the agent, or a file that it does not have.
    pub async fn close(&self, actor: &Actor, agent: AgentId, file: FileId) -> Result<()> {
        let organization = actor.organization_id;
        let close = move |conn: &mut Conn| {
            let agent = lock(conn, organization, agent)?;
            let mut open = OpenFiles::of(conn, &agent)?;
            if !open.close(file) {
                return Err(missing(file));
            }
            open.store(conn)?;
            Ok(prompt::rebuild(conn, organization, &[agent.id])?)
        };
        self.db.write(close).await
    }

    /// Closes all files of the agent, and returns the names of those that were open.
    ///
    /// # Errors
    /// 404.
    pub async fn close_all(&self, actor: &Actor, agent: AgentId) -> Result<Vec<String>> {
        let organization = actor.organization_id;
        let close_all = move |conn: &mut Conn| {
            let agent = lock(conn, organization, agent)?;
            let mut open = OpenFiles::of(conn, &agent)?;
            let closed = open.close_all();
            open.store(conn)?;
            prompt::rebuild(conn, organization, &[agent.id])?;
            Ok(closed)
        };
        self.db.write(close_all).await
    }
}

fn missing(id: FileId) -> Error {
    Error::NotFound(format!("File with id={id} not found"))
}

fn lock(conn: &mut Conn, organization: OrganizationId, id: AgentId) -> Result<AgentRow> {
    orm::agents::lock(conn, organization, id)?.ok_or_else(|| Error::missing("Agent", id))
}

fn find(conn: &mut Conn, organization: OrganizationId, folder: Option<SourceId>, id: FileId) -> Result<FileMetadata> {
    let file = files::get(conn, organization, id)?.ok_or_else(|| missing(id))?;
    match folder {
        Some(folder) if folder != file.source_id => {
            Err(Error::NotFound(format!("File with id={id} not found in folder {folder}")))
        }
        _ => Ok(file),
    }
}

fn fill_content(conn: &mut Conn, found: &mut [FileMetadata]) -> Result<()> {
    let ids: Vec<FileId> = found.iter().map(|file| file.id).collect();
    let mut contents = files::contents(conn, &ids)?;
    for file in found {
        file.content = contents.remove(&file.id);
    }
    Ok(())
}

/// Takes the folder's name off the file's: within the folder it says nothing. A name that a client chose is left as
/// it is, slashes and all.
fn show_short_name(file: &mut FileMetadata) {
    let (Some(name), original) = (&file.file_name, file.original_file_name.as_deref().unwrap_or_default()) else {
        return;
    };
    if name == original {
        return;
    }
    let behind_folder = name.strip_suffix(original).is_some_and(|folder| folder.ends_with('/'));
    let short = if behind_folder { original } else { name.split_once('/').map_or(name.as_str(), |(_, rest)| rest) };
    file.file_name = Some(short.to_owned());
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_folder_s_name_is_not_part_of_a_file_s_short_name() {
        for (name, original, short) in [
            ("docs/a.txt", "a.txt", "a.txt"),
            ("docs/a_(1).txt", "a.txt", "a_(1).txt"),
            ("my/docs/a.txt", "a.txt", "a.txt"),
            ("reports/2025/a.txt", "reports/2025/a.txt", "reports/2025/a.txt"),
            ("docs/sub/a.txt", "sub/a.txt", "sub/a.txt"),
            ("a.txt", "b.txt", "a.txt"),
        ] {
            let mut file: FileMetadata = serde_json::from_value(json!({
                "id": FileId::random(), "source_id": SourceId::random(), "file_name": name,
                "original_file_name": original,
            }))
            .unwrap();
            show_short_name(&mut file);
            assert_eq!(file.file_name.as_deref(), Some(short), "{name}");
        }
    }
}
