//! The last net: a panic becomes a 500 with a body, never a broken connection.

use std::panic::AssertUnwindSafe;

use actix_web::{
    Error, ResponseError,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
};
use futures::FutureExt;

use crate::error::ApiError;

/// Wraps each resource, inside of the routing, where the request may be kept for the answer.
pub(crate) async fn catch_panic<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let kept = request.request().clone();
    match AssertUnwindSafe(next.call(request)).catch_unwind().await {
        Ok(response) => Ok(response?.map_into_boxed_body()),
        Err(_) => {
            tracing::error!(method = %kept.method(), path = kept.path(), "a handler panicked");
            Ok(ServiceResponse::new(kept, ApiError::unknown().error_response()))
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::{App, HttpResponse, test};

    use crate::routes::path;

    async fn boom() -> HttpResponse {
        panic!("boom")
    }

    #[actix_web::test]
    async fn a_panic_is_a_500_with_a_body() {
        let app = App::new().configure(|config| path("/boom").get(boom).register(config));
        let app = test::init_service(app).await;
        let response = test::call_service(&app, test::TestRequest::with_uri("/boom").to_request()).await;
        assert_eq!(response.status(), 500);
        assert_eq!(test::read_body(response).await, r#"{"detail":"An unknown error occurred"}"#);
    }
}
