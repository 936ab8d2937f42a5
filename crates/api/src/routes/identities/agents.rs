//! `GET /v1/identities/{identity_id}/agents`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{ClientGeneration, Paging, PathId, Query, RequestActor},
    managers::{
        Services,
        schema::{AgentState, IdentityId},
    },
    routes::agents::IncludeQuery,
};

/// List the agents of an identity.
#[utoipa::path(
    get, path = "/v1/identities/{identity_id}/agents", tag = "identities",
    params(("identity_id" = IdentityId, Path, description = "The identity."), Paging::<50, true>, IncludeQuery),
    responses((status = 200, description = "A page of agents.", body = Vec<AgentState>))
)]
#[deprecated]
pub(crate) async fn list_agents_for_identity(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(identity): PathId<IdentityId>,
    paging: Paging<50, true>,
    Query(include): Query<IncludeQuery>,
    client: ClientGeneration,
) -> Answer<Vec<AgentState>> {
    Ok(Json(services.identities().list_agents(&actor, identity, paging.page, include.of(client)).await?))
}
