//! `PATCH /v1/identities/{identity_id}`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{JsonBody, PathId, RequestActor},
    managers::{
        Services,
        schema::{Identity, IdentityId, IdentityUpdate},
    },
};

/// Update an identity.
///
/// Fields that are absent or null stay as they are. Properties replace those with the same key; agents and blocks are
/// added to those that are there.
#[utoipa::path(
    patch, path = "/v1/identities/{identity_id}", tag = "identities", request_body = IdentityUpdate,
    params(("identity_id" = IdentityId, Path, description = "The identity.")),
    responses((status = 200, description = "The identity after the change.", body = Identity))
)]
#[deprecated]
pub(crate) async fn update_identity(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(identity): PathId<IdentityId>,
    JsonBody(change): JsonBody<IdentityUpdate>,
) -> Answer<Identity> {
    Ok(Json(services.identities().update(&actor, identity, change).await?))
}
