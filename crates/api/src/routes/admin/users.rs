//! `/v1/admin/users/`

use actix_web::web::{Data, Json};
use serde::Deserialize;

use crate::{
    error::Answer,
    extract::{JsonBody, Operator, Paging, Query},
    managers::{
        Services,
        schema::{User, UserCreate, UserId, UserUpdate},
    },
};

/// Which user.
#[derive(Debug, Deserialize)]
pub(crate) struct UserQuery {
    user_id: UserId,
}

/// List the users of all organizations, oldest first.
pub(crate) async fn list_users(_: Operator, services: Data<Services>, paging: Paging<50, false>) -> Answer<Vec<User>> {
    Ok(Json(services.admin().users(paging.page).await?))
}

/// Create a user.
pub(crate) async fn create_user(
    _: Operator,
    services: Data<Services>,
    JsonBody(request): JsonBody<UserCreate>,
) -> Answer<User> {
    Ok(Json(services.admin().create_user(request).await?))
}

/// Change a user.
pub(crate) async fn update_user(
    _: Operator,
    services: Data<Services>,
    JsonBody(change): JsonBody<UserUpdate>,
) -> Answer<User> {
    Ok(Json(services.admin().update_user(change).await?))
}

/// Delete a user.
pub(crate) async fn delete_user(_: Operator, services: Data<Services>, Query(query): Query<UserQuery>) -> Answer<User> {
    Ok(Json(services.admin().delete_user(query.user_id).await?))
}
