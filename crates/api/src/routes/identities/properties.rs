//! `PUT /v1/identities/{identity_id}/properties`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{JsonList, PathId, RequestActor},
    managers::{
        Services,
        schema::{Identity, IdentityId, IdentityProperty},
    },
};

/// Replace the properties of an identity.
#[utoipa::path(
    put, path = "/v1/identities/{identity_id}/properties", tag = "identities", request_body = Vec<IdentityProperty>,
    params(("identity_id" = IdentityId, Path, description = "The identity.")),
    responses((status = 200, description = "The identity after the change.", body = Identity))
)]
#[deprecated]
pub(crate) async fn upsert_properties_for_identity(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(identity): PathId<IdentityId>,
    JsonList(properties): JsonList<IdentityProperty>,
) -> Answer<Identity> {
    Ok(Json(services.identities().set_properties(&actor, identity, properties).await?))
}
