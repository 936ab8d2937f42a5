//! `POST /v1/identities/`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{JsonBody, RequestActor},
    managers::{
        Services,
        schema::{Identity, IdentityCreate},
    },
};

/// Create an identity.
///
/// Its key must be unique within its project, or among the identities of no project.
#[utoipa::path(
    post, path = "/v1/identities/", tag = "identities", request_body = IdentityCreate,
    params(("X-Project" = Option<String>, Header, description = "The name of a project. Without effect here: send `project_id`.")),
    responses((status = 200, description = "The new identity.", body = Identity))
)]
#[deprecated]
pub(crate) async fn create_identity(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    JsonBody(identity): JsonBody<IdentityCreate>,
) -> Answer<Identity> {
    Ok(Json(services.identities().create(&actor, identity).await?))
}
