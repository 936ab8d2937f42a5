//! The form that a model's answer must have.

use serde_json::{Map, Value};

use crate::tagged::tagged_struct;

tagged_union! {
    /// The form that a model's answer must have.
    enum ResponseFormat ("ResponseFormat", by "type") {
        /// Plain text.
        Text(TextResponseFormat) = "text",
        /// JSON that matches a schema.
        JsonSchema(JsonSchemaResponseFormat) = "json_schema",
        /// Any JSON object.
        JsonObject(JsonObjectResponseFormat) = "json_object",
    }
}

tagged_struct! {
    "type" = "text", as "TextResponseFormat";
    /// The answer is plain text.
    pub struct TextResponseFormat {}
}

tagged_struct! {
    "type" = "json_schema", as "JsonSchemaResponseFormat";
    /// The answer is JSON that matches a schema.
    pub struct JsonSchemaResponseFormat {
        /// The schema with its name, as the OpenAI API takes it.
        pub json_schema: Map<String, Value>,
    }
}

tagged_struct! {
    "type" = "json_object", as "JsonObjectResponseFormat";
    /// The answer is a JSON object.
    pub struct JsonObjectResponseFormat {}
}
