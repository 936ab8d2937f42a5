//! `PATCH /v1/groups/{group_id}`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{JsonBody, PathId, RequestActor},
    managers::{
        Services,
        schema::{Group, GroupId, GroupUpdate},
    },
};

/// Update a group.
///
/// Fields that are absent or null stay as they are. The manager type cannot be changed.
#[utoipa::path(
    patch, path = "/v1/groups/{group_id}", tag = "groups", request_body = GroupUpdate,
    params(("group_id" = GroupId, Path, description = "The group."), ("X-Project" = Option<String>, Header, description = "The name of a project. Without effect here: send `project_id`.")),
    responses((status = 200, description = "The group after the change.", body = Group))
)]
#[deprecated]
pub(crate) async fn modify_group(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(group): PathId<GroupId>,
    JsonBody(change): JsonBody<GroupUpdate>,
) -> Answer<Group> {
    Ok(Json(services.groups().update(&actor, group, change).await?))
}
