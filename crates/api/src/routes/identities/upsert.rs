//! `PUT /v1/identities/`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{JsonBody, RequestActor},
    managers::{
        Services,
        schema::{Identity, IdentityUpsert},
    },
};

/// Create an identity, or replace the one with the same key.
///
/// Of an identity that exists the name and the type are replaced, and of its properties, agents and blocks those that
/// are sent.
#[utoipa::path(
    put, path = "/v1/identities/", tag = "identities", request_body = IdentityUpsert,
    params(("X-Project" = Option<String>, Header, description = "The name of a project. Without effect here: send `project_id`.")),
    responses((status = 200, description = "The identity.", body = Identity))
)]
#[deprecated]
pub(crate) async fn upsert_identity(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    JsonBody(identity): JsonBody<IdentityUpsert>,
) -> Answer<Identity> {
    Ok(Json(services.identities().upsert(&actor, identity).await?))
}
