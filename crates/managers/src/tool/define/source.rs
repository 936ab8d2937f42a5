//! The schema of a tool, as a request and its source give it.

use muisti_sandbox::{FunctionSchema, Language, SchemaError, defines, json_schema, json_schema_with_arguments};
use serde_json::Value;

use crate::{
    error::{Error, FieldError, Result},
    schema::ToolCreate,
};

/// The longest name that every model provider takes, in characters.
const LONGEST_NAME: usize = 64;

/// The language that a `source_type` names. Older servers have stored `json` for Python.
pub(super) fn language(source_type: Option<&str>) -> Option<Language> {
    match source_type {
        None | Some("python" | "json") => Some(Language::Python),
        Some("typescript") => Some(Language::TypeScript),
        Some(_) => None,
    }
}

fn known_language(source_type: Option<&str>) -> Result<Language> {
    language(source_type).ok_or_else(|| {
        Error::BadRequest(format!(
            "Unknown tool source type: {}. It is 'python' or 'typescript'.",
            source_type.unwrap_or_default()
        ))
    })
}

/// The answer to source of which no tool can be made.
pub(super) fn no_schema(error: SchemaError) -> Error {
    Error::BadRequest(format!("Failed to derive json schema: Schema generation failed: {error}"))
}

/// The schema of a tool that is to be made.
pub(in crate::tool) fn schema(request: &ToolCreate) -> Result<FunctionSchema> {
    let (code, source_type) = (request.source_code.as_str(), request.source_type.as_deref());
    if let Some(schema) = &request.json_schema {
        let name = name(schema)?;
        if let Some(language) = language(source_type)
            && !defines(language, code, &name).map_err(no_schema)?
        {
            return Err(Error::BadRequest(format!(
                "The source_code defines no function '{name}', which is the name in the json_schema. Use the same name \
                 in both."
            )));
        }
        return Ok(schema.clone());
    }
    match known_language(source_type)? {
        Language::TypeScript => Err(Error::Unprocessable(vec![FieldError::body(
            "json_schema",
            "TypeScript tools require an explicit json_schema. POST /v1/tools/generate-schema makes one of the source.",
        )])),
        Language::Python => match &request.args_json_schema {
            Some(arguments) => json_schema_with_arguments(code, None, arguments).map_err(no_schema),
            None => json_schema(Language::Python, code, None).map_err(no_schema),
        },
    }
}

/// The schema of the function in this source.
pub(super) fn derived(code: &str, source_type: Option<&str>) -> Result<FunctionSchema> {
    let schema = json_schema(known_language(source_type)?, code, None);
    schema.map_err(|error| Error::BadRequest(format!("Schema generation failed: {error}")))
}

/// The name in a schema, if it is one that models can call.
pub(super) fn name(schema: &FunctionSchema) -> Result<String> {
    let name = schema.get("name").and_then(Value::as_str).unwrap_or_default();
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let goes_on_well = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    if starts_well && goes_on_well && name.len() <= LONGEST_NAME {
        return Ok(name.to_owned());
    }
    let rule =
        format!("it begins with a letter or '_', holds letters, digits, '_' and '-', and has at most {LONGEST_NAME}");
    Err(Error::BadRequest(match schema.get("name") {
        None => format!("The json_schema has no 'name'. Add the name of the function: {rule}."),
        Some(name) => format!("The json_schema has the name {name}, which is no name of a function: {rule}."),
    }))
}
