//! The code that users write as tools, and what can be known of it without running it.
//!
//! From the source of a tool in Python or TypeScript comes the JSON schema by which a model is told of the function:
//! its name, what it does, its arguments. The source is parsed, never run, so that a tool is as harmless to register
//! as any other text. There is no I/O here.
//!
//! ```
//! let source = "def add(a: int, b: int = 1) -> int:\n    \"\"\"Add.\n\n    Args:\n        a: left\n        b: right\n    \"\"\"\n";
//! let schema = muisti_sandbox::json_schema(muisti_sandbox::Language::Python, source, None).unwrap();
//! assert_eq!(schema["name"], "add");
//! assert_eq!(schema["parameters"]["required"], serde_json::json!(["a"]));
//! ```

#![deny(missing_docs)]

mod arguments;
mod docstring;
mod error;
mod python;
mod syntax;
mod typescript;

use serde_json::{Map, Value};

pub use error::SchemaError;

/// The schema of a function as providers take it: `{"name", "description", "parameters"}`.
pub type FunctionSchema = Map<String, Value>;

/// A language that tools are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Python 3.
    Python,
    /// TypeScript.
    TypeScript,
}

/// The schema of a function of this source: the one of this name, or, without a name, the one that is the tool.
///
/// In Python that is the last function of the module, in TypeScript the first that is exported. Functions within
/// functions and classes do not count.
///
/// # Errors
///
/// When the source cannot be parsed, has no such function, or the function does not say enough about its arguments.
pub fn json_schema(language: Language, source: &str, name: Option<&str>) -> Result<FunctionSchema, SchemaError> {
    match language {
        Language::Python => python::json_schema(source, name),
        Language::TypeScript => typescript::json_schema(source, name),
    }
}

/// The schema of a Python function whose arguments are described by a JSON schema of type object. From the source
/// come its name, if it is not given, and what it does.
///
/// # Errors
///
/// When the source cannot be parsed or has no function, or the schema cannot be used.
pub fn json_schema_with_arguments(
    source: &str,
    name: Option<&str>,
    arguments: &Map<String, Value>,
) -> Result<FunctionSchema, SchemaError> {
    let parameters = arguments::parameters(arguments)?;
    let (name, description) = python::introduction(source, name)?;
    Ok(function(&name, &description, parameters))
}

/// Whether the source makes something of this name that can be called from outside. Source that is not quite right
/// is searched as far as it can be understood.
///
/// # Errors
///
/// When the source is too large to be looked at.
pub fn defines(language: Language, source: &str, name: &str) -> Result<bool, SchemaError> {
    match language {
        Language::Python => python::defines(source, name),
        Language::TypeScript => typescript::defines(source, name),
    }
}

fn function(name: &str, description: &str, parameters: Map<String, Value>) -> FunctionSchema {
    members([("name", name.into()), ("description", description.into()), ("parameters", parameters.into())])
}

/// A schema of type object.
fn object(properties: Map<String, Value>, required: Vec<String>) -> Map<String, Value> {
    members([("type", "object".into()), ("properties", properties.into()), ("required", required.into())])
}

/// An object of these members.
fn members<const N: usize>(members: [(&str, Value); N]) -> Map<String, Value> {
    members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}
