//! The OpenAPI document: made from the types and the doc comments of the handlers, and shown at `/docs`.

use actix_web::{
    HttpResponse, Responder,
    http::header,
    web::{Bytes, Data, ServiceConfig},
};
use serde::Serialize;
use utoipa::{
    OpenApi, PartialSchema, ToSchema,
    openapi::{
        ContentBuilder, OpenApi as Document, Ref, RefOr, ResponseBuilder, SecurityRequirement,
        path::Operation,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::routes::{self, path};

/// The whole document.
#[must_use]
pub fn document() -> Document {
    let mut document = routes::Documented::openapi();
    document.info.version = env!("CARGO_PKG_VERSION").to_owned();
    let components = document.components.get_or_insert_default();
    components.schemas.insert("HTTPValidationError".to_owned(), HttpValidationError::schema());
    components.schemas.insert("ValidationError".to_owned(), ValidationError::schema());
    components.add_security_scheme(
        "bearerAuth",
        SecurityScheme::Http(
            HttpBuilder::new()
                .scheme(HttpAuthScheme::Bearer)
                .description(Some(
                    "The server's password, when it has one. Without one any token is accepted, or none.",
                ))
                .build(),
        ),
    );
    document.security = Some(vec![SecurityRequirement::new("bearerAuth", Vec::<String>::new())]);
    for item in document.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            add_validation_error(operation);
            answer_in_json(operation);
        }
    }
    document
}

/// The document as text, always the same for the same code.
pub(crate) fn json() -> String {
    let mut text = serde_json::to_string_pretty(&document()).unwrap_or_default();
    text.push('\n');
    text
}

/// Every operation that takes something can be given something wrong.
fn add_validation_error(operation: &mut Operation) {
    if operation.parameters.is_none() && operation.request_body.is_none() {
        return;
    }
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("HTTPValidationError"))).build();
    let response = ResponseBuilder::new().description("Validation error").content("application/json", content).build();
    operation.responses.responses.entry("422".to_owned()).or_insert(RefOr::T(response));
}

/// A number or a text that is all of an answer is JSON too.
fn answer_in_json(operation: &mut Operation) {
    for response in operation.responses.responses.values_mut() {
        let RefOr::T(response) = response else { continue };
        if let Some(content) = response.content.swap_remove("text/plain") {
            response.content.insert("application/json".to_owned(), content);
        }
    }
}

/// A request that does not fit its schema.
#[derive(Serialize, ToSchema)]
#[allow(dead_code)]
struct HttpValidationError {
    /// Always empty; kept for clients that read it.
    trace_id: String,
    /// The errors as JSON text, for clients that show it.
    detail: String,
    /// What is wrong, one record for each fault.
    #[schema(value_type = Vec<Object>)]
    errors: Vec<ValidationError>,
    /// What the malformed ids of the path should look like.
    #[schema(required = false)]
    examples: Option<Vec<String>>,
}

/// One fault of a request.
#[derive(Serialize, ToSchema)]
#[allow(dead_code)]
struct ValidationError {
    /// The kind of fault: `missing`, `string_type`, `value_error` and so on.
    r#type: String,
    /// Where it is: `path`, `query`, `header` or `body`, then names and indexes.
    #[schema(value_type = Vec<Object>)]
    loc: Vec<serde_json::Value>,
    /// What is wrong, and what would be right.
    msg: String,
    /// What was given, when it is short.
    #[schema(value_type = Object)]
    input: serde_json::Value,
    /// More about the rule that was broken.
    #[schema(value_type = Object, required = false)]
    ctx: Option<serde_json::Value>,
}

/// The document, written once.
#[derive(Debug, Clone)]
pub(crate) struct Text(Bytes);

impl Text {
    pub(crate) fn new() -> Self {
        Self(json().into())
    }
}

/// `/openapi.json`, and Swagger UI at `/docs`, where `/` leads.
pub(crate) fn routes(config: &mut ServiceConfig) {
    path("/openapi.json").get(openapi_json).register(config);
    path("/").get(|| to("/docs")).register(config);
    path("/docs").get(|| to("/docs/")).register(config);
    config.service(SwaggerUi::new("/docs/{_:.*}").config(Config::from("/openapi.json")));
}

async fn openapi_json(text: Data<Text>) -> impl Responder {
    HttpResponse::Ok().content_type("application/json").body(text.0.clone())
}

async fn to(path: &'static str) -> impl Responder {
    HttpResponse::TemporaryRedirect().insert_header((header::LOCATION, path)).finish()
}
