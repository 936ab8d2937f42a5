//! How single fields are read where the type alone does not say it: strict in requests, lenient in what is stored.

use std::fmt;

use serde::{Deserialize, Deserializer, de, de::DeserializeOwned};
use serde_json::Value;

use crate::{Patch, WireEnum};

/// A request field that may be missing but not null.
pub(crate) fn not_null<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
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
    /// Its fields that hold an enum, with the check of their text.
    const ENUMS: &'static [(&'static str, fn(&str) -> Result<(), crate::UnknownValue>)];
}

/// Whether `text` is a value of the enum.
pub(crate) fn is_known<T: WireEnum>(text: &str) -> Result<(), crate::UnknownValue> {
    text.parse::<T>().map(drop)
}

/// Reads a configuration from a request: no field may hold a value that we do not know.
fn strict<T: Configuration, E: de::Error>(value: Value) -> Result<T, E> {
    for (field, check) in T::ENUMS {
        match value.get(field) {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => check(text).map_err(E::custom)?,
            Some(other) => return Err(E::custom(format_args!("{field} must be a string, but is {}", Shown(other)))),
        }
    }
    serde_json::from_value(value).map_err(E::custom)
}

/// A configuration in a request that may be null.
pub(crate) fn strict_option<'de, D: Deserializer<'de>, T: Configuration>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Option::<Value>::deserialize(deserializer)?.map(strict).transpose()
}

/// A configuration in an update request.
pub(crate) fn strict_patch<'de, D: Deserializer<'de>, T: Configuration>(
    deserializer: D,
) -> Result<Patch<T>, D::Error> {
    Ok(strict_option(deserializer)?.map_or(Patch::Null, Patch::Value))
}

/// A JSON value in an error message, cut to a bearable length.
struct Shown<'a>(&'a Value);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        match text.char_indices().nth(80) {
            Some((end, _)) => write!(f, "{}…", text.get(..end).unwrap_or_default()),
            None => f.write_str(&text),
        }
    }
}
