//! Three-state fields of updates: absent, null, or a value.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::{PartialSchema, ToSchema, openapi};

/// A field of an update request.
///
/// JSON knows three states where `Option` knows two. What null means differs by resource (mostly: no change),
/// so the wire type keeps the difference and the managers decide. Declare such a field with
/// `#[serde(default, skip_serializing_if = "Patch::is_absent")]`, and with `#[schema(value_type = Option<T>)]`
/// when `T` is a component of the OpenAPI document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Patch<T> {
    /// The field was not sent.
    #[default]
    Absent,
    /// The field was sent as null.
    Null,
    /// The field was sent with a value.
    Value(T),
}

impl<T> Patch<T> {
    /// Whether the field was not sent.
    pub const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// The value, when one was sent: for fields where null and absent both mean "no change".
    pub fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Null => None,
        }
    }

    /// The value by reference, when one was sent.
    pub const fn as_value(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Null => None,
        }
    }

    /// `None` when absent, `Some(None)` for null: for fields that null clears.
    pub fn change(self) -> Option<Option<T>> {
        match self {
            Self::Absent => None,
            Self::Null => Some(None),
            Self::Value(value) => Some(Some(value)),
        }
    }
}

impl<T> From<T> for Patch<T> {
    fn from(value: T) -> Self {
        Self::Value(value)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Patch<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Null, Self::Value))
    }
}

impl<T: Serialize> Serialize for Patch<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_value().serialize(serializer)
    }
}

impl<T: PartialSchema> PartialSchema for Patch<T> {
    fn schema() -> openapi::RefOr<openapi::Schema> {
        openapi::schema::OneOfBuilder::new()
            .item(openapi::ObjectBuilder::new().schema_type(openapi::schema::Type::Null))
            .item(T::schema())
            .into()
    }
}

impl<T: ToSchema> ToSchema for Patch<T> {
    fn name() -> std::borrow::Cow<'static, str> {
        T::name()
    }

    fn schemas(schemas: &mut Vec<(String, openapi::RefOr<openapi::Schema>)>) {
        T::schemas(schemas);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Default, Serialize, Deserialize)]
    struct Update {
        #[serde(default, skip_serializing_if = "Patch::is_absent")]
        limit: Patch<i64>,
    }

    #[test]
    fn absent_null_and_value_are_told_apart_and_survive_json() {
        for (json, limit) in
            [("{}", Patch::Absent), (r#"{"limit":null}"#, Patch::Null), (r#"{"limit":3}"#, Patch::Value(3))]
        {
            let update: Update = serde_json::from_str(json).unwrap();
            assert_eq!(update.limit, limit);
            assert_eq!(serde_json::to_string(&update).unwrap(), json);
        }
    }
}
