//! A path and its methods: what is not among them is answered with those that are.

use actix_web::{
    FromRequest, Handler, HttpResponse, Resource, Responder,
    http::{Method, header},
    middleware::from_fn,
    web::{self, ServiceConfig},
};
use serde_json::json;

use crate::layers::catch_panic;

/// A path under construction.
pub(crate) struct Methods {
    resource: Resource,
    allowed: Vec<Method>,
}

/// Begins the routes of one path.
pub(crate) fn path(path: &str) -> Methods {
    Methods { resource: web::resource(path), allowed: Vec::new() }
}

impl Methods {
    /// Answers GET, and HEAD without the body.
    pub(crate) fn get<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on(Method::GET, handler.clone()).on(Method::HEAD, handler)
    }

    /// Answers POST.
    pub(crate) fn post<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on(Method::POST, handler)
    }

    /// Answers PUT.
    pub(crate) fn put<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on(Method::PUT, handler)
    }

    /// Answers PATCH.
    pub(crate) fn patch<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on(Method::PATCH, handler)
    }

    /// Answers DELETE.
    pub(crate) fn delete<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on(Method::DELETE, handler)
    }

    fn on<F, Args>(mut self, method: Method, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.resource = self.resource.route(web::method(method.clone()).to(handler));
        self.allowed.push(method);
        self
    }

    /// Makes the path part of the application.
    pub(crate) fn register(self, config: &mut ServiceConfig) {
        let allowed: Vec<&str> = self.allowed.iter().map(Method::as_str).collect();
        let allowed = allowed.join(", ");
        let method_not_allowed = move || {
            let response = HttpResponse::MethodNotAllowed()
                .insert_header((header::ALLOW, allowed.clone()))
                .json(json!({ "detail": "Method Not Allowed" }));
            std::future::ready(response)
        };
        config.service(self.resource.default_service(web::to(method_not_allowed)).wrap(from_fn(catch_panic)));
    }
}
