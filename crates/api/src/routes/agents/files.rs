//! The files of an agent: `/v1/agents/{agent_id}/files`

use actix_web::web::{Data, Json};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    error::Answer,
    extract::{Paging, PathId, Query, RequestActor},
    managers::{
        Services,
        schema::{AgentId, FileId, PaginatedAgentFiles},
    },
};

/// Which files to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(crate) struct AgentFileQuery {
    /// The older form of `after`.
    #[deprecated]
    cursor: Option<String>,
    /// Only files that are open, or only those that are closed.
    is_open: Option<bool>,
}

/// List an agent's files.
///
/// A page has the cursor of the next one: give it as `after`.
#[utoipa::path(
    get, path = "/v1/agents/{agent_id}/files", tag = "agents",
    params(("agent_id" = AgentId, Path, description = "The agent."), Paging::<100, true>, AgentFileQuery),
    responses((status = 200, description = "A page of files.", body = PaginatedAgentFiles))
)]
pub(crate) async fn list_files_for_agent(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(agent): PathId<AgentId>,
    paging: Paging<100, true>,
    Query(query): Query<AgentFileQuery>,
) -> Answer<PaginatedAgentFiles> {
    let mut page = paging.page;
    page.after = page.after.or(query.cursor);
    Ok(Json(services.files().list_of_agent(&actor, agent, query.is_open, page).await?))
}

/// Open a file for an agent.
///
/// The agent sees the file from its start. When it has too many open, those that it has not looked at for longest
/// are closed.
#[utoipa::path(
    patch, path = "/v1/agents/{agent_id}/files/{file_id}/open", tag = "agents",
    params(
        ("agent_id" = AgentId, Path, description = "The agent."),
        ("file_id" = FileId, Path, description = "The file."),
    ),
    responses((status = 200, description = "The names of the files closed to make room.", body = Vec<String>))
)]
pub(crate) async fn open_file_for_agent(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(agent): PathId<AgentId>,
    PathId(file): PathId<FileId>,
) -> Answer<Vec<String>> {
    Ok(Json(services.files().open(&actor, agent, file).await?))
}

/// What was done with a file.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FileClosed {
    /// A sentence that says so.
    message: String,
}

/// Close a file for an agent.
#[utoipa::path(
    patch, path = "/v1/agents/{agent_id}/files/{file_id}/close", tag = "agents",
    params(
        ("agent_id" = AgentId, Path, description = "The agent."),
        ("file_id" = FileId, Path, description = "The file."),
    ),
    responses((status = 200, description = "The file is closed.", body = FileClosed))
)]
pub(crate) async fn close_file_for_agent(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(agent): PathId<AgentId>,
    PathId(file): PathId<FileId>,
) -> Answer<FileClosed> {
    services.files().close(&actor, agent, file).await?;
    Ok(Json(FileClosed { message: format!("File id={file} successfully closed") }))
}

/// Close all files of an agent.
#[utoipa::path(
    patch, path = "/v1/agents/{agent_id}/files/close-all", tag = "agents",
    params(("agent_id" = AgentId, Path, description = "The agent.")),
    responses((status = 200, description = "The names of the files that were open.", body = Vec<String>))
)]
pub(crate) async fn close_all_files_for_agent(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(agent): PathId<AgentId>,
) -> Answer<Vec<String>> {
    Ok(Json(services.files().close_all(&actor, agent).await?))
}
