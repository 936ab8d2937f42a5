//! The identities of an agent: `/v1/agents/{agent_id}/identities`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{PathId, RequestActor},
    managers::{
        Services,
        schema::{AgentId, IdentityId},
    },
};

/// Attach an identity to an agent.
///
/// An identity that the agent has already is no error.
#[utoipa::path(
    patch, path = "/v1/agents/{agent_id}/identities/attach/{identity_id}", tag = "agents",
    params(
        ("agent_id" = AgentId, Path, description = "The agent."),
        ("identity_id" = IdentityId, Path, description = "The identity."),
    ),
    responses((status = 200, description = "The body is null."))
)]
pub(crate) async fn attach_identity_to_agent(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(agent): PathId<AgentId>,
    PathId(identity): PathId<IdentityId>,
) -> Answer<()> {
    Ok(Json(services.identities().attach_to_agent(&actor, agent, identity).await?))
}

/// Detach an identity from an agent.
///
/// The identity itself stays. One that the agent does not have is no error.
#[utoipa::path(
    patch, path = "/v1/agents/{agent_id}/identities/detach/{identity_id}", tag = "agents",
    params(
        ("agent_id" = AgentId, Path, description = "The agent."),
        ("identity_id" = IdentityId, Path, description = "The identity."),
    ),
    responses((status = 200, description = "The body is null."))
)]
pub(crate) async fn detach_identity_from_agent(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(agent): PathId<AgentId>,
    PathId(identity): PathId<IdentityId>,
) -> Answer<()> {
    Ok(Json(services.identities().detach_from_agent(&actor, agent, identity).await?))
}
