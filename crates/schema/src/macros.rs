//! The macros behind the wire types: string enums and tagged unions.

/// Declares string enums.
///
/// `open` enums get a last variant `Unknown`, which any other text reads as: a value from a newer server or an
/// odd row must not make a whole list unreadable. Requests refuse it, see [`crate::de`]. `closed` enums refuse
/// other texts everywhere. The first literal is the component's name in the OpenAPI document, the second what
/// error messages call the value.
macro_rules! wire_enum {
    ($($(#[$doc:meta])* open enum $name:ident ($component:literal, $kind:literal) {
        $($variant:ident = $text:literal,)+
    })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $(#[doc = concat!("`", $text, "`.")] $variant,)+
            /// A value that this version does not know. Never accepted in a request.
            Unknown,
        }

        impl $name {
            /// Reads a stored value; what this version does not know becomes `Unknown`.
            #[must_use]
            pub fn lenient(text: &str) -> Self {
                text.parse().unwrap_or(Self::Unknown)
            }
        }

        wire_enum!(@common $name ($component, $kind) { $($variant = $text,)+ } { Self::Unknown => "unknown", });

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                Ok(Self::lenient(&text))
            }
        }
    )*};
    ($($(#[$doc:meta])* closed enum $name:ident ($component:literal, $kind:literal) {
        $($variant:ident = $text:literal,)+
    })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $(#[doc = concat!("`", $text, "`.")] $variant,)+
        }

        wire_enum!(@common $name ($component, $kind) { $($variant = $text,)+ } {});

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
    (@common $name:ident ($component:literal, $kind:literal) { $($variant:ident = $text:literal,)+ }
        { $($unknown:tt)* }) => {
        impl $crate::WireEnum for $name {
            const KIND: &'static str = $kind;
            const ALL: &'static [Self] = &[$(Self::$variant),+];
            const TEXTS: &'static [&'static str] = &[$($text),+];

            fn as_str(self) -> &'static str {
                self.as_str()
            }
        }

        impl $name {
            /// The text on the wire and in the database.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                    $($unknown)*
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::UnknownValue;

            fn from_str(text: &str) -> Result<Self, $crate::UnknownValue> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    _ => Err($crate::UnknownValue::new::<Self>(text)),
                }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .enum_values(Some([$($text),+]))
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {
            fn name() -> std::borrow::Cow<'static, str> {
                $component.into()
            }
        }
    };
}

/// Declares an enum of structs that carry their own constant tag, told apart by the tag named `by`.
macro_rules! tagged_union {
    ($(#[$doc:meta])* enum $name:ident ($component:literal, by $tag:literal) {
        $($(#[$variant_doc:meta])* $variant:ident ($member:ty) = $text:literal,)+
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, serde::Deserialize)]
        #[serde(tag = $tag)]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $text)] $variant($member),)+
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self {
                    $(Self::$variant(member) => member.serialize(serializer),)+
                }
            }
        }

        $(impl From<$member> for $name {
            fn from(member: $member) -> Self {
                Self::$variant(member)
            }
        })+

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                let mapping = [$(($text, format!("#/components/schemas/{}", <$member as utoipa::ToSchema>::name()))),+];
                utoipa::openapi::schema::OneOfBuilder::new()
                    $(.item(utoipa::openapi::Ref::from_schema_name(<$member as utoipa::ToSchema>::name())))+
                    .discriminator(Some(utoipa::openapi::schema::Discriminator::with_mapping($tag, mapping)))
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {
            fn name() -> std::borrow::Cow<'static, str> {
                $component.into()
            }

            fn schemas(schemas: &mut Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::Schema>)>) {
                $(
                    schemas.push((
                        <$member as utoipa::ToSchema>::name().into_owned(),
                        <$member as utoipa::PartialSchema>::schema(),
                    ));
                    <$member as utoipa::ToSchema>::schemas(schemas);
                )+
            }
        }
    };
}

/// Declares the struct of an update request: every field is a [`Patch`](crate::Patch) of the given type.
///
/// Unknown fields are ignored, or refused after `strict`.
macro_rules! update {
    ($(#[$doc:meta])* strict $name:ident { $($fields:tt)* }) => {
        update! { @struct $(#[$doc])* #[serde(deny_unknown_fields)] $name { $($fields)* } }
    };
    (@struct $(#[$meta:meta])* $name:ident {
        $($(#[$field_meta:meta])* $field:ident: $ty:ty $([$($serde:tt)*])?,)*
    }) => {
        #[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
        $(#[$meta])*
        #[serde(default)]
        pub struct $name {
            $(
                $(#[$field_meta])*
                #[serde(skip_serializing_if = "crate::Patch::is_absent" $(, $($serde)*)?)]
                #[schema(value_type = Option<$ty>)]
                pub $field: crate::Patch<$ty>,
            )*
        }
    };
    ($(#[$meta:meta])* $name:ident { $($fields:tt)* }) => {
        update! { @struct $(#[$meta])* $name { $($fields)* } }
    };
}
