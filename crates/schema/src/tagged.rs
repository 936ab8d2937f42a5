//! A macro for structs that have a constant member on the wire: `"type": "text"`, `"message_type": "ping"`.
//!
//! In Rust the constant is the type itself, so nobody has to fill it in; on the wire and in the OpenAPI document it
//! is a member of the object, whether the object stands alone or in a union.

use utoipa::openapi::{ObjectBuilder, RefOr, Schema, schema::Type};

/// What `ToSchema::schemas` collects.
pub(crate) type Components = Vec<(String, RefOr<Schema>)>;

/// The properties of one object schema followed by those of another, whose title and description it keeps.
pub(crate) fn merged(first: RefOr<Schema>, second: RefOr<Schema>) -> RefOr<Schema> {
    match (first, second) {
        (RefOr::T(Schema::Object(mut first)), RefOr::T(Schema::Object(mut second))) => {
            first.properties.append(&mut second.properties);
            first.required.append(&mut second.required);
            second.properties = first.properties;
            second.required = first.required;
            RefOr::T(Schema::Object(second))
        }
        (_, second) => second,
    }
}

/// Puts right how the derive writes a member that is spelled out in place and described too: as both what it is and an
/// object, which nothing can be.
pub(crate) fn untangled(schema: RefOr<Schema>) -> RefOr<Schema> {
    let RefOr::T(Schema::Object(mut object)) = schema else { return schema };
    for member in object.properties.values_mut() {
        let RefOr::T(Schema::AllOf(all)) = member else { continue };
        let [RefOr::T(value), RefOr::T(Schema::Object(notes))] = all.items.as_mut_slice() else { continue };
        match value {
            Schema::Object(value) => {
                value.description = notes.description.take();
                value.deprecated = notes.deprecated.take();
            }
            Schema::OneOf(value) => value.description = notes.description.take(),
            _ => continue,
        }
        *member = RefOr::T(value.clone());
    }
    RefOr::T(Schema::Object(object))
}

/// An object schema with nothing but the constant member, which may be left out unless the contract says `always`.
pub(crate) fn constant(tag: &str, value: &str, always: &[&str]) -> RefOr<Schema> {
    let member = ObjectBuilder::new().schema_type(Type::String).enum_values(Some([value])).default(Some(value.into()));
    let object = ObjectBuilder::new().property(tag, member);
    if always.is_empty() { object.into() } else { object.required(tag).into() }
}

/// Declares a struct with a constant member and, if told so, the members of another struct.
///
/// `"type" = "text", as "TextContent";` gives the member and the component's name in the OpenAPI document;
/// `base: MessageBase` adds a field `base` whose members stand flat among the others. What would be
/// `#[schema(inline)]` over a field is written `[inline]` after its type; `always` before the tag declares the constant
/// as required. Derives `Debug`, `Clone`, `PartialEq`, `Serialize` and `Deserialize`.
macro_rules! tagged_struct {
    (
        $($always:ident)? $tag:literal = $value:literal, as $component:literal $(, base: $base:ty)?;
        $(#[$meta:meta])*
        pub struct $name:ident {
            $($(#[$field_meta:meta])* pub $field:ident: $ty:ty $([$($schema:tt)*])?,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(tag = $tag, rename = $value)]
        pub struct $name {
            $(
                /// What all messages have.
                #[serde(flatten)]
                pub base: $base,
            )?
            $($(#[$field_meta])* pub $field: $ty,)*
        }

        const _: () = {
            $(#[$meta])*
            #[derive(PartialEq, utoipa::ToSchema)]
            #[allow(dead_code)]
            struct Own {
                $($(#[$field_meta])* $(#[schema($($schema)*)])? $field: $ty,)*
            }

            impl utoipa::PartialSchema for $name {
                fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                    let schema = $crate::tagged::constant($tag, $value, &[$(stringify!($always))?]);
                    $(let schema = $crate::tagged::merged(schema, <$base as utoipa::PartialSchema>::schema());)?
                    let schema = $crate::tagged::merged(schema, <Own as utoipa::PartialSchema>::schema());
                    $crate::tagged::untangled(schema)
                }
            }

            impl utoipa::ToSchema for $name {
                fn name() -> std::borrow::Cow<'static, str> {
                    $component.into()
                }

                fn schemas(components: &mut $crate::tagged::Components) {
                    $(<$base as utoipa::ToSchema>::schemas(components);)?
                    <Own as utoipa::ToSchema>::schemas(components);
                }
            }
        };
    };
}

pub(crate) use tagged_struct;
