//! A serde deserializer over the texts of a query string.

use serde::{
    Deserializer,
    de::{self, DeserializeOwned, IntoDeserializer, Visitor, value::StrDeserializer},
    forward_to_deserialize_any,
};

/// Why a query string does not fit the struct it is read into.
#[derive(Debug)]
pub(super) struct ValueError {
    /// The kind of fault, in the API's words.
    pub(super) kind: &'static str,
    /// The parameter, when it is known.
    pub(super) field: Option<String>,
    /// What would be right.
    pub(super) message: String,
}

/// Builds a `T` from parameter names and their values.
pub(super) fn from_fields<T: DeserializeOwned>(fields: &[(String, Vec<String>)]) -> Result<T, ValueError> {
    T::deserialize(Fields(fields))
}

impl ValueError {
    fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self { kind, field: None, message: message.into() }
    }
}

impl std::fmt::Display for ValueError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ValueError {}

impl de::Error for ValueError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::new("value_error", format!("Value error, {message}"))
    }

    fn invalid_value(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::new("greater_than_equal", format!("Input should be {expected}"))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::new("enum", crate::error::one_of(expected))
    }

    fn missing_field(field: &'static str) -> Self {
        Self { kind: "missing", field: Some(field.to_owned()), message: "Field required".to_owned() }
    }
}

struct Fields<'a>(&'a [(String, Vec<String>)]);

impl<'de> Deserializer<'de> for Fields<'_> {
    type Error = ValueError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_map(FieldsAccess { rest: self.0.iter(), current: None })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct FieldsAccess<'a> {
    rest: std::slice::Iter<'a, (String, Vec<String>)>,
    current: Option<&'a (String, Vec<String>)>,
}

impl<'de> de::MapAccess<'de> for FieldsAccess<'_> {
    type Error = ValueError;

    fn next_key_seed<K: de::DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ValueError> {
        self.current = self.rest.next();
        self.current.map(|(key, _)| seed.deserialize(key.as_str().into_deserializer())).transpose()
    }

    fn next_value_seed<V: de::DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ValueError> {
        let (key, values) = self.current.ok_or_else(|| de::Error::custom("a value without a key"))?;
        seed.deserialize(Values(values)).map_err(|mut error| {
            error.field.get_or_insert_with(|| key.clone());
            error
        })
    }
}

/// All values of one parameter: a list where one is asked for, else the last.
struct Values<'a>(&'a [String]);

impl<'a> Values<'a> {
    fn last(&self) -> &'a str {
        self.0.last().map_or("", String::as_str)
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $type:ty, $kind:literal, $message:literal;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
            let number: $type = self.last().trim().parse().map_err(|_| ValueError::new($kind, $message))?;
            visitor.$visit(number)
        }
    )*};
}

impl<'de> Deserializer<'de> for Values<'_> {
    type Error = ValueError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_str(self.last())
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.last().to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" | "t" | "y" => visitor.visit_bool(true),
            "false" | "0" | "no" | "off" | "f" | "n" => visitor.visit_bool(false),
            _ => Err(ValueError::new("bool_parsing", "Input should be a valid boolean, such as 'true' or 'false'")),
        }
    }

    numbers! {
        deserialize_i32 visit_i32 i32, "int_parsing", "Input should be a valid integer";
        deserialize_i64 visit_i64 i64, "int_parsing", "Input should be a valid integer";
        deserialize_u32 visit_u32 u32, "int_parsing", "Input should be a valid integer that is not negative";
        deserialize_u64 visit_u64 u64, "int_parsing", "Input should be a valid integer that is not negative";
        deserialize_f64 visit_f64 f64, "float_parsing", "Input should be a valid number";
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_some(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_seq(de::value::SeqDeserializer::new(self.0.iter().map(One)))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        let text: StrDeserializer<'_, ValueError> = self.last().into_deserializer();
        text.deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        i8 i16 u8 u16 f32 char str string bytes byte_buf unit unit_struct tuple tuple_struct map struct identifier
        ignored_any
    }
}

/// One element of a list.
struct One<'a>(&'a String);

impl<'de, 'a> IntoDeserializer<'de, ValueError> for One<'a> {
    type Deserializer = Values<'a>;

    fn into_deserializer(self) -> Values<'a> {
        Values(std::slice::from_ref(self.0))
    }
}
