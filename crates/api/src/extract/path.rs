//! Path parameters: ids of a known kind, and free texts such as labels and names.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload};

use crate::{
    error::{ApiError, Record, Validation},
    managers::schema::{Id, InvalidId},
};

/// The id in the path parameter that is named after its kind, e.g. `agent_id` for an [`AgentId`].
///
/// A malformed id is a 422 that shows an example, except for run ids, whose clients expect the 400 of an invalid
/// argument.
///
/// [`AgentId`]: crate::managers::schema::AgentId
#[derive(Debug, Clone, Copy)]
pub(crate) struct PathId<T>(pub(crate) T);

impl<T: Id + 'static> FromRequest for PathId<T> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let (name, text) = parameter::<T>(request);
        ready(text.parse().map(Self).map_err(|error| malformed::<T>(&name, error)))
    }
}

/// The name and the decoded text of the parameter for ids of this kind.
fn parameter<T: Id>(request: &HttpRequest) -> (String, String) {
    let by_prefix = format!("{}_id", T::PREFIX);
    let by_kind = format!("{}_id", T::KIND.replace(' ', "_").to_lowercase());
    for name in [by_prefix.clone(), by_kind] {
        if let Some(text) = request.match_info().get(&name) {
            let text = decode(text);
            return (name, text);
        }
    }
    (by_prefix, String::new())
}

fn malformed<T: Id>(name: &str, error: InvalidId) -> ApiError {
    if T::PREFIX == "run" {
        return crate::managers::Error::from(error).into();
    }
    let mut record = Record::new("string_pattern_mismatch", ["path", name]);
    record.msg = format!("String should match pattern '{}-{{uuid4}}'", T::PREFIX);
    record.input = error.value.into();
    record.ctx = Some(serde_json::json!({ "pattern": T::pattern() }));
    Validation { errors: vec![record], examples: vec![T::example()] }.into()
}

/// A path parameter that is a free text: the last one of the route, percent-decoded.
#[derive(Debug, Clone)]
pub(crate) struct PathText(pub(crate) String);

impl FromRequest for PathText {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let (name, text) = request.match_info().iter().last().unwrap_or_default();
        let text = decode(text);
        ready(if text.contains('\0') {
            Err(Record::value(["path", name], "The text contains a NUL character, which cannot be stored.").into())
        } else {
            Ok(Self(text))
        })
    }
}

pub(super) fn decode(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}
