//! `POST /v1/tools/add-base-tools`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::RequestActor,
    managers::{Services, schema::Tool},
};

/// Add the built-in tools.
///
/// Those that are missing are added, those that are there are brought up to date; the limits of their returns, their
/// tags and whether their calls need an approval stay.
#[utoipa::path(
    post, path = "/v1/tools/add-base-tools", tag = "tools",
    responses((status = 200, description = "All built-in tools.", body = Vec<Tool>))
)]
pub(crate) async fn add_base_tools(RequestActor(actor): RequestActor, services: Data<Services>) -> Answer<Vec<Tool>> {
    Ok(Json(services.tools().add_base_tools(&actor).await?))
}
