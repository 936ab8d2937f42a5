//! Every route of the API, one module for a resource, one file for a verb.

mod health;
mod methods;

use actix_web::{ResponseError, web::ServiceConfig};
use utoipa::OpenApi;

use crate::error::ApiError;
pub(crate) use methods::path;

/// The routing table. Where two paths fit, the first one is taken.
pub(crate) fn routes(config: &mut ServiceConfig) {
    let routes = [
        path("/v1/health").get(health::check_health),
        path("/v1/ready").get(health::check_readiness),
    ];
    routes.into_iter().for_each(|route| route.register(config));
}

/// A path that is no route.
pub(crate) async fn not_found() -> actix_web::HttpResponse {
    ApiError::not_found().error_response()
}

/// The operations of the OpenAPI document.
#[derive(OpenApi)]
#[openapi(
    info(title = "Muisti", description = "Stateful agents: memory, tools and conversations behind one API."),
    paths(health::check_health, health::check_readiness)
)]
pub(crate) struct Documented;
