//! `GET /v1/identities/{identity_id}`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{PathId, RequestActor},
    managers::{
        Services,
        schema::{Identity, IdentityId},
    },
};

/// Retrieve an identity.
#[utoipa::path(
    get, path = "/v1/identities/{identity_id}", tag = "identities",
    params(("identity_id" = IdentityId, Path, description = "The identity.")),
    responses((status = 200, description = "The identity.", body = Identity))
)]
#[deprecated]
pub(crate) async fn retrieve_identity(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(identity): PathId<IdentityId>,
) -> Answer<Identity> {
    Ok(Json(services.identities().get(&actor, identity).await?))
}
