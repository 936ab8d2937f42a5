//! Whether the server is up, and whether it takes requests.

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Json},
};

use crate::{
    app,
    managers::{Services, schema::Health},
};

/// Whether the server is up.
///
/// Always `ok` while the server answers at all. `version` is the release of the API that this server speaks.
/// Needs no password.
#[utoipa::path(get, path = "/v1/health/", tag = "health", responses((status = 200, description = "The server is up.", body = Health)))]
pub(crate) async fn check_health(request: HttpRequest) -> Json<Health> {
    Json(health(&request, "ok"))
}

/// Whether the server takes requests.
///
/// 503 while it shuts down, so that a load balancer can send requests elsewhere. Needs no password.
#[utoipa::path(get, path = "/v1/ready/", tag = "health", responses(
    (status = 200, description = "The server takes requests.", body = Health),
    (status = 503, description = "The server is shutting down.", body = Health),
))]
pub(crate) async fn check_readiness(request: HttpRequest, services: Data<Services>) -> HttpResponse {
    if services.is_draining() {
        HttpResponse::ServiceUnavailable().json(health(&request, "draining"))
    } else {
        HttpResponse::Ok().json(health(&request, "ok"))
    }
}

fn health(request: &HttpRequest, status: &str) -> Health {
    Health { version: app::settings(request).version.clone(), status: status.to_owned() }
}
