//! `POST /v1/groups/`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{JsonBody, RequestActor},
    managers::{
        Services,
        schema::{Group, GroupCreate},
    },
};

/// Create a group.
///
/// Its shared blocks are attached to all its agents.
#[utoipa::path(
    post, path = "/v1/groups/", tag = "groups", request_body = GroupCreate,
    params(("X-Project" = Option<String>, Header, description = "The name of a project. Without effect here: send `project_id`.")),
    responses((status = 200, description = "The new group.", body = Group))
)]
#[deprecated]
pub(crate) async fn create_group(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    JsonBody(group): JsonBody<GroupCreate>,
) -> Answer<Group> {
    Ok(Json(services.groups().create(&actor, group).await?))
}
