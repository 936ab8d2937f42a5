//! The archive of an agent: `/v1/agents/{agent_id}/archives`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{PathId, PathText, RequestActor},
    managers::{Error, Services, schema::AgentId},
};

/// Attach an archive to an agent.
///
/// An agent has one archive at most; the one that it has already is no error.
#[utoipa::path(
    patch, path = "/v1/agents/{agent_id}/archives/attach/{archive_id}", tag = "agents",
    params(
        ("agent_id" = AgentId, Path, description = "The agent."),
        ("archive_id" = String, Path, description = "The archive."),
    ),
    responses((status = 200, description = "The agent has the archive. The body is null."))
)]
pub(crate) async fn attach_archive_to_agent(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(agent): PathId<AgentId>,
    PathText(archive): PathText,
) -> Answer<()> {
    let archive = archive.parse().map_err(Error::from)?;
    Ok(Json(services.archives().attach(&actor, agent, archive).await?))
}

/// Detach an archive from an agent.
///
/// The archive itself stays. One that the agent does not have is no error.
#[utoipa::path(
    patch, path = "/v1/agents/{agent_id}/archives/detach/{archive_id}", tag = "agents",
    params(
        ("agent_id" = AgentId, Path, description = "The agent."),
        ("archive_id" = String, Path, description = "The archive."),
    ),
    responses((status = 200, description = "The agent does not have the archive. The body is null."))
)]
pub(crate) async fn detach_archive_from_agent(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(agent): PathId<AgentId>,
    PathText(archive): PathText,
) -> Answer<()> {
    let archive = archive.parse().map_err(Error::from)?;
    Ok(Json(services.archives().detach(&actor, agent, archive).await?))
}
