//! `DELETE /v1/identities/{identity_id}`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{PathId, RequestActor},
    managers::{Services, schema::IdentityId},
};

/// Delete an identity.
///
/// Its agents and blocks stay.
#[utoipa::path(
    delete, path = "/v1/identities/{identity_id}", tag = "identities",
    params(("identity_id" = IdentityId, Path, description = "The identity.")),
    responses((status = 200, description = "The identity is gone. The body is null."))
)]
#[deprecated]
pub(crate) async fn delete_identity(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(identity): PathId<IdentityId>,
) -> Answer<()> {
    Ok(Json(services.identities().delete(&actor, identity).await?))
}
