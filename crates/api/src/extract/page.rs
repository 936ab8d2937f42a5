//! The page of a list: cursors, size and direction, the same parameters on every list.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use serde::{Deserialize, Deserializer, de};
use utoipa::{
    IntoParams, ToSchema,
    openapi::{
        RefOr, Schema, Type,
        path::{Parameter, ParameterIn},
    },
};

use super::query;
use crate::{
    error::{ApiError, Record, one_of},
    managers::orm::page::{Order, Page},
};

/// The largest page. Larger limits are taken for this one.
const MAX_LIMIT: i64 = 10_000;

/// What a list can be sorted by.
pub(crate) trait Sort: Copy + Send + Sync + 'static {
    /// The values of `order_by`; the first one is the default.
    const FIELDS: &'static [(&'static str, Self)];
}

/// The sort of a list that knows only one: by the time at which its items were made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CreatedAt;

impl Sort for CreatedAt {
    const FIELDS: &'static [(&'static str, Self)] = &[("created_at", Self)];
}

/// The page parameters of a list that returns `LIMIT` items, newest first when `DESC`, unless the request says
/// otherwise.
#[derive(Debug, Clone)]
pub(crate) struct Paging<const LIMIT: i64, const DESC: bool, S = CreatedAt> {
    pub(crate) page: Page,
    pub(crate) sort: S,
}

impl<const LIMIT: i64, const DESC: bool, S: Sort> Paging<LIMIT, DESC, S> {
    fn parse(query_string: &str) -> Result<Self, ApiError> {
        let query = query::parse::<PageQuery>(query_string)?;
        let order_by = query.order_by.as_deref();
        let sort = S::FIELDS.iter().find(|(name, _)| order_by.is_none_or(|given| given == *name));
        let Some((_, sort)) = sort else {
            let names: Vec<&str> = S::FIELDS.iter().map(|(name, _)| *name).collect();
            let mut record = Record::new("enum", ["query", "order_by"]);
            record.msg = one_of(&names);
            record.input = query.order_by.into();
            return Err(record.into());
        };
        let page = Page {
            before: query.before,
            after: query.after,
            limit: query.limit.map_or(LIMIT, |limit| limit.0),
            order: match query.order {
                Some(Direction::Asc) => Order::Asc,
                Some(Direction::Desc) => Order::Desc,
                None if DESC => Order::Desc,
                None => Order::Asc,
            },
        };
        Ok(Self { page, sort: *sort })
    }
}

impl<const LIMIT: i64, const DESC: bool, S: Sort> FromRequest for Paging<LIMIT, DESC, S> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::parse(request.query_string()))
    }
}

impl<const LIMIT: i64, const DESC: bool, S: Sort> IntoParams for Paging<LIMIT, DESC, S> {
    fn into_params(provider: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let mut parameters = PageQuery::into_params(provider);
        for parameter in &mut parameters {
            let Some(RefOr::T(Schema::Object(object))) = &mut parameter.schema else { continue };
            match parameter.name.as_str() {
                "limit" => object.default = Some(LIMIT.into()),
                "order" => object.default = Some(if DESC { "desc" } else { "asc" }.into()),
                "order_by" => {
                    object.schema_type = Type::String.into();
                    object.enum_values = Some(S::FIELDS.iter().map(|(name, _)| (*name).into()).collect());
                    object.default = S::FIELDS.first().map(|(name, _)| (*name).into());
                }
                _ => {}
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
    /// What the list is sorted by.
    #[param(value_type = String, required = false)]
    order_by: Option<String>,
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
pub(crate) struct Limit(pub(crate) i64);

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
    use super::*;

    fn page(query: &str) -> Result<Page, ApiError> {
        Paging::<50, true>::parse(query).map(|paging| paging.page)
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
        assert!(page("order_by=created_at").is_ok());
        assert!(page("order_by=size").is_err());
    }
}
