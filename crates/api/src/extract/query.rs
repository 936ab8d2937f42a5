//! Query strings: repeated keys are lists, the last of a repeated scalar wins, empty values count as absent.

use std::{
    borrow::Cow,
    future::{Ready, ready},
};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeOwned},
};

use super::values;
use crate::{
    error::{ApiError, Record, Validation},
    managers::schema::{Timestamp, WireEnum},
};

/// The query string as a typed struct whose fields are `Option`s, `Vec`s or have a default.
#[derive(Debug, Clone)]
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned + 'static> FromRequest for Query<T> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(parse(request.query_string()).map(Self))
    }
}

/// Reads a query string into `T`.
pub(super) fn parse<T: DeserializeOwned>(query: &str) -> Result<T, ApiError> {
    let mut fields = Fields::default();
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        fields.add("query", &key, value.into_owned())?;
    }
    fields.read("query")
}

/// The most values of one parameter: a database has bounds for the conditions that are made of them.
const MOST_VALUES: usize = 500;

/// Names with their texts, as they come in a query string or a form.
#[derive(Debug, Default)]
pub(super) struct Fields(Vec<(String, Vec<String>)>);

impl Fields {
    /// Takes one more text. An empty one counts as absent.
    pub(super) fn add(&mut self, place: &str, key: &str, value: String) -> Result<(), ApiError> {
        if value.is_empty() {
            return Ok(());
        }
        if value.contains('\0') {
            let text = "The text contains a NUL character, which cannot be stored or searched for.";
            return Err(Record::value([place, key], text).into());
        }
        // Some clients mark arrays with brackets: `tags[]=a&tags[]=b`.
        let key = key.strip_suffix("[]").unwrap_or(key);
        match self.0.iter_mut().find(|(known, _)| known == key) {
            Some((_, values)) if values.len() >= MOST_VALUES => {
                let msg =
                    format!("List should have at most {MOST_VALUES} items. Ask for the rest with another request.");
                return Err(Record { msg, ..Record::new("too_long", [place, key]) }.into());
            }
            Some((_, values)) => values.push(value),
            None => self.0.push((key.to_owned(), vec![value])),
        }
        Ok(())
    }

    /// Reads them into `T`.
    pub(super) fn read<T: DeserializeOwned>(&self, place: &str) -> Result<T, ApiError> {
        values::from_fields(&self.0).map_err(|error| {
            let mut record = Record::new(error.kind, [place]);
            record.loc.extend(error.field.clone().map(Into::into));
            let given = error.field.and_then(|field| self.0.iter().find(|(key, _)| *key == field));
            record.input = given.and_then(|(_, values)| values.last().cloned()).into();
            record.msg = error.message;
            Validation { errors: vec![record], examples: Vec::new() }.into()
        })
    }
}

/// A value of a string enum, and nothing else: what a request asks for must be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Known<E>(pub(crate) E);

impl<'de, E: WireEnum> Deserialize<'de> for Known<E> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map(Self).map_err(|_| de::Error::unknown_variant(&text, E::TEXTS))
    }
}

/// A number from `MIN` to `MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Within<const MIN: i64, const MAX: i64>(pub(crate) i64);

impl<'de, const MIN: i64, const MAX: i64> Deserialize<'de> for Within<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = i64::deserialize(deserializer)?;
        let expected = format!("between {MIN} and {MAX}");
        let refused = || de::Error::invalid_value(de::Unexpected::Signed(number), &expected.as_str());
        (MIN..=MAX).contains(&number).then_some(Self(number)).ok_or_else(refused)
    }
}

/// The end of a range of time, itself within the range: a date without a time means the end of that day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DayEnd(pub(crate) Timestamp);

impl<'de> Deserialize<'de> for DayEnd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        // `2024-01-31` becomes the last microsecond of the day.
        let is_date = text.trim().len() == 10 && !text.contains([':', 'T']);
        let end = if is_date { format!("{}T23:59:59.999999", text.trim()) } else { text.clone().into_owned() };
        let end = Timestamp::parse(&end);
        end.map(Self).ok_or_else(|| {
            de::Error::invalid_value(
                de::Unexpected::Str(&text),
                &"a point in time, such as 2024-01-31 or 2024-01-31T12:00:00Z",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Order {
        Asc,
        Desc,
    }

    #[derive(Debug, PartialEq, Default, Deserialize)]
    #[serde(default)]
    struct Filter {
        name: Option<String>,
        tags: Vec<String>,
        keys: Option<Vec<String>>,
        match_all: bool,
        limit: Option<i64>,
        order: Option<Order>,
    }

    fn message(query: &str) -> String {
        let ApiError::Invalid(invalid) = parse::<Filter>(query).unwrap_err() else { panic!("{query}") };
        let record = &invalid.errors[0];
        format!("{} {} {}: {}", record.kind, serde_json::json!(record.loc), record.input, record.msg)
    }

    #[test]
    fn repeated_keys_are_lists_and_the_last_scalar_wins() {
        let filter: Filter = parse("tags=a&tags=b%20c&name=x&name=y&keys%5B%5D=k&unknown=1").unwrap();
        assert_eq!(filter.tags, ["a", "b c"]);
        assert_eq!(filter.keys.unwrap(), ["k"]);
        assert_eq!(filter.name.unwrap(), "y");
    }

    #[test]
    fn empty_values_are_absent() {
        let filter: Filter = parse("tags=&name=&limit=&order=&match_all=").unwrap();
        assert_eq!(filter, Filter::default());
    }

    #[test]
    fn booleans_have_many_spellings() {
        for yes in ["true", "True", "1", "yes", "on", "t", "Y"] {
            assert!(parse::<Filter>(&format!("match_all={yes}")).unwrap().match_all, "{yes}");
        }
        for no in ["false", "FALSE", "0", "no", "off", "f", "n"] {
            assert!(!parse::<Filter>(&format!("match_all={no}")).unwrap().match_all, "{no}");
        }
    }

    #[test]
    fn a_date_as_the_end_of_a_range_means_all_of_that_day() {
        #[derive(Deserialize)]
        struct Range {
            end: DayEnd,
        }
        let end = |query: &str| parse::<Range>(query).map(|range| range.end.0.to_string());
        assert_eq!(end("end=2024-01-31").unwrap(), "2024-01-31T23:59:59.999999Z");
        assert_eq!(end("end=2024-01-31T12:00:00Z").unwrap(), "2024-01-31T12:00:00Z");
        assert!(end("end=soon").is_err());
        assert!(end("end=2024-31-31").is_err());
    }

    #[test]
    fn a_list_has_a_bound() {
        let filter: Filter = parse(&"tags=a&".repeat(500)).unwrap();
        assert_eq!(filter.tags.len(), 500);
        assert_eq!(
            message(&"tags[]=a&".repeat(501)),
            "too_long [\"query\",\"tags\"] null: List should have at most 500 items. Ask for the rest with another \
             request."
        );
    }

    #[test]
    fn errors_name_the_parameter_and_say_what_is_right() {
        insta::assert_snapshot!(
            ["match_all=maybe", "limit=ten", "order=up", "name=%00"].map(message).join("\n"),
            @r#"
        bool_parsing ["query","match_all"] "maybe": Input should be a valid boolean, such as 'true' or 'false'
        int_parsing ["query","limit"] "ten": Input should be a valid integer
        enum ["query","order"] "up": Input should be 'asc' or 'desc'
        value_error ["query","name"] null: Value error, The text contains a NUL character, which cannot be stored or searched for.
        "#
        );
    }
}
