//! How single fields are read where the type alone does not say it: strict in requests, lenient in what is stored.

use std::fmt;

use serde::{Deserialize, Deserializer, de, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{Patch, WireEnum};

/// A whole number in a request, which may be written with a fraction of zero or as text.
pub(crate) struct WholeNumber(pub(crate) i64);

impl<'de> Deserialize<'de> for WholeNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WholeNumberVisitor)
    }
}

struct WholeNumberVisitor;

impl de::Visitor<'_> for WholeNumberVisitor {
    type Value = WholeNumber;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("i64")
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<WholeNumber, E> {
        Ok(WholeNumber(number))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<WholeNumber, E> {
        let whole = i64::try_from(number).ok().map(WholeNumber);
        whole.ok_or_else(|| E::invalid_type(de::Unexpected::Unsigned(number), &self))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<WholeNumber, E> {
        // As text a whole number has no fraction.
        let whole = number.to_string().parse().ok().map(WholeNumber);
        whole.ok_or_else(|| E::invalid_type(de::Unexpected::Float(number), &self))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<WholeNumber, E> {
        let whole = text.trim().parse().ok().map(WholeNumber);
        whole.ok_or_else(|| E::invalid_type(de::Unexpected::Str(text), &self))
    }
}

/// A request field that may be missing but not null.
pub(crate) fn not_null<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// A field that may be missing in general, but not here.
pub(crate) fn required<T, E: de::Error>(name: &'static str, value: Option<&T>) -> Result<(), E> {
    if value.is_some() { Ok(()) } else { Err(E::missing_field(name)) }
}

/// A field for which null means the default.
pub(crate) fn null_as_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// An open enum in a request: values that we do not know are refused.
pub(crate) fn known<'de, D: Deserializer<'de>, T: WireEnum>(deserializer: D) -> Result<T, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
}

/// An open enum in a request that may be null.
pub(crate) fn known_option<'de, D: Deserializer<'de>, T: WireEnum>(deserializer: D) -> Result<Option<T>, D::Error> {
    Option::<String>::deserialize(deserializer)?.map(|text| text.parse().map_err(de::Error::custom)).transpose()
}

/// An open enum in an update request.
pub(crate) fn known_patch<'de, D: Deserializer<'de>, T: WireEnum>(deserializer: D) -> Result<Patch<T>, D::Error> {
    Ok(known_option(deserializer)?.map_or(Patch::Null, Patch::Value))
}

/// An optional field of something stored: what cannot be read is as if it were not there.
pub(crate) fn lenient_option<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    Ok(serde_json::from_value(Value::deserialize(deserializer)?).ok())
}

/// A field of something stored: what cannot be read is the default.
pub(crate) fn lenient_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    Ok(lenient_option(deserializer)?.unwrap_or_default())
}

/// An optional list of something stored: items that cannot be read are left out.
pub(crate) fn lenient_list<'de, D, T>(deserializer: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let items = Option::<Vec<Value>>::deserialize(deserializer)?;
    Ok(items.map(|items| items.into_iter().filter_map(|item| serde_json::from_value(item).ok()).collect()))
}

/// A configuration that is lenient when stored and strict when sent.
pub(crate) trait Configuration: DeserializeOwned {
    /// Its fields that are read leniently, each with the check that a request must pass.
    const CHECKS: &'static [(&'static str, Check)];

    /// Fills what may be missing in a request and follows from what is there.
    fn complete(_config: &mut Map<String, Value>) {}
}

/// A check of a value that is not null.
pub(crate) type Check = fn(&Value) -> Result<(), serde_json::Error>;

/// Checks that a value is one of the enum's.
pub(crate) fn is_known<T: WireEnum>(value: &Value) -> Result<(), serde_json::Error> {
    known::<_, T>(value).map(drop)
}

/// Checks that a value can be read as `T`.
pub(crate) fn is_readable<T: DeserializeOwned>(value: &Value) -> Result<(), serde_json::Error> {
    T::deserialize(value).map(drop)
}

/// Reads a configuration from a request: no field may hold a value that we do not know.
pub(crate) fn strict<T: Configuration>(mut config: Map<String, Value>) -> Result<T, serde_json::Error> {
    for (field, check) in T::CHECKS {
        if let Some(value) = config.get(*field).filter(|value| !value.is_null()) {
            check(value).map_err(|error| de::Error::custom(format_args!("{field}: {error}")))?;
        }
    }
    T::complete(&mut config);
    serde_json::from_value(Value::Object(config))
}

/// A configuration in a request that may be null.
pub(crate) fn strict_option<'de, D: Deserializer<'de>, T: Configuration>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Option::<Map<String, Value>>::deserialize(deserializer)?
        .map(|config| strict(config).map_err(de::Error::custom))
        .transpose()
}

/// A configuration in an update request.
pub(crate) fn strict_patch<'de, D: Deserializer<'de>, T: Configuration>(deserializer: D) -> Result<Patch<T>, D::Error> {
    Ok(strict_option(deserializer)?.map_or(Patch::Null, Patch::Value))
}

/// `number`, if it is from 1 to `maximum`; otherwise an error that says what it is.
pub(crate) fn within<E: de::Error>(number: i64, what: &str, maximum: i64) -> Result<i64, E> {
    if (1..=maximum).contains(&number) {
        return Ok(number);
    }
    Err(E::custom(format_args!("{what} must be from 1 to {maximum}, but is {number}")))
}

/// The number of results of a search.
pub(crate) fn up_to_100<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    within(i64::deserialize(deserializer)?, "limit", 100)
}
