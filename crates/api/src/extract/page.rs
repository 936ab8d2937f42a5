//! The page of a list: cursors, size and direction, the same parameters on every list.

use std::{
    future::{Ready, ready},
    ops::Deref,
};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use serde::{Deserialize, Deserializer, de};
use utoipa::{
    IntoParams, ToSchema,
    openapi::{RefOr, Schema, path::Parameter, path::ParameterIn},
};

use super::query;
use crate::{
    error::ApiError,
    managers::orm::page::{Order, Page},
};

/// The largest page. Larger limits are taken for this one.
const MAX_LIMIT: i64 = 10_000;

/// The page parameters of a list that returns `LIMIT` items, newest first when `DESC`, unless the request says
/// otherwise.
#[derive(Debug, Clone)]
pub(crate) struct Paging<const LIMIT: i64, const DESC: bool>(pub(crate) Page);

impl<const LIMIT: i64, const DESC: bool> Deref for Paging<LIMIT, DESC> {
    type Target = Page;

    fn deref(&self) -> &Page {
        &self.0
    }
}

impl<const LIMIT: i64, const DESC: bool> FromRequest for Paging<LIMIT, DESC> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(query::parse::<PageQuery>(request.query_string()).map(|query| {
            Self(Page {
                before: query.before,
                after: query.after,
                limit: query.limit.map_or(LIMIT, |limit| limit.0),
                order: match query.order {
                    Some(Direction::Asc) => Order::Asc,
                    Some(Direction::Desc) => Order::Desc,
                    None if DESC => Order::Desc,
                    None => Order::Asc,
                },
            })
        }))
    }
}

impl<const LIMIT: i64, const DESC: bool> IntoParams for Paging<LIMIT, DESC> {
    fn into_params(provider: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let mut parameters = PageQuery::into_params(provider);
        for parameter in &mut parameters {
            let default = match parameter.name.as_str() {
                "limit" => LIMIT.into(),
                "order" => if DESC { "desc" } else { "asc" }.into(),
                _ => continue,
            };
            if let Some(RefOr::T(Schema::Object(object))) = &mut parameter.schema {
                object.default = Some(default);
            }
        }
        parameters
    }
}

/// The page parameters as they are sent.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(crate) struct PageQuery {
    /// The id of an item: only items that precede it in the list are returned, those next to it.
    before: Option<String>,
    /// The id of an item: only items that follow it in the list are returned. The id of the last item of a page
    /// gives the next page.
    after: Option<String>,
    /// How many items to return at most. Values above 10000 count as 10000.
    #[param(value_type = i64, required = false, minimum = 0)]
    limit: Option<Limit>,
    /// Whether the oldest (`asc`) or the newest (`desc`) item comes first.
    #[param(inline, value_type = Direction, required = false)]
    order: Option<Direction>,
}

/// The direction of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Direction {
    Asc,
    Desc,
}

/// A number of items: not negative, and capped.
#[derive(Debug, Clone, Copy)]
struct Limit(i64);

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let limit = i64::deserialize(deserializer)?;
        if limit < 0 {
            return Err(de::Error::invalid_value(de::Unexpected::Signed(limit), &"greater than or equal to 0"));
        }
        Ok(Self(limit.min(MAX_LIMIT)))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn page(query: &str) -> Result<Page, ApiError> {
        let request = TestRequest::with_uri(&format!("/?{query}")).to_http_request();
        Paging::<50, true>::from_request(&request, &mut Payload::None).into_inner().map(|paging| paging.0)
    }

    #[test]
    fn a_limit_is_capped_and_never_negative() {
        assert_eq!(page("").unwrap().limit, 50);
        assert_eq!(page("limit=0").unwrap().limit, 0);
        assert_eq!(page("limit=1000000000").unwrap().limit, MAX_LIMIT);
        let ApiError::Invalid(invalid) = page("limit=-1").unwrap_err() else { panic!() };
        assert_eq!(invalid.errors[0].kind, "greater_than_equal");
        assert!(page("limit=999999999999999999999999").is_err());
    }

    #[test]
    fn the_direction_has_a_default() {
        assert_eq!(page("").unwrap().order, Order::Desc);
        assert_eq!(page("order=asc").unwrap().order, Order::Asc);
        assert!(page("order=sideways").is_err());
    }
}
