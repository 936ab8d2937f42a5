//! What a request makes of a tool.

use muisti_sandbox::{FunctionSchema, Language, defines, json_schema, json_schema_with_arguments};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{
    ToolOrigin,
    source::{self, no_schema},
};
use crate::{
    error::{Error, Result},
    schema::{Patch, Tool, ToolCreate, ToolType, ToolUpdate},
};

/// How much of source that does not fit an error shows, in characters.
const SHOWN: usize = 300;

/// The tool with what the request says over it.
pub(super) fn merged(mut tool: Tool, request: ToolCreate, schema: FunctionSchema, origin: ToolOrigin) -> Tool {
    tool.description = request.description.or_else(|| description(&schema));
    tool.source_type = Some(request.source_type.unwrap_or_else(|| "python".to_owned()));
    tool.source_code = Some(request.source_code);
    tool.json_schema = Some(schema);
    tool.tags = request.tags.unwrap_or(tool.tags);
    tool.args_json_schema = request.args_json_schema.or(tool.args_json_schema);
    tool.return_char_limit = request.return_char_limit.unwrap_or(tool.return_char_limit);
    tool.pip_requirements = request.pip_requirements.or(tool.pip_requirements);
    tool.npm_requirements = request.npm_requirements.or(tool.npm_requirements);
    tool.default_requires_approval = request.default_requires_approval.or(tool.default_requires_approval);
    tool.enable_parallel_execution = request.enable_parallel_execution.or(tool.enable_parallel_execution);
    tool.project_id = origin.project_id.or(tool.project_id);
    let hash = hash(&tool);
    let metadata = tool.metadata_.get_or_insert_default();
    metadata.insert("tool_hash".to_owned(), hash.into());
    place(metadata, origin.on_modal);
    tool
}

/// The tool after an update.
pub(super) fn changed(mut tool: Tool, update: ToolUpdate, on_modal: bool) -> Result<Tool> {
    let (code, schema, arguments) =
        (update.source_code.value(), update.json_schema.value(), update.args_json_schema.value());
    let redefined = (code.is_some() && code != tool.source_code)
        || (schema.is_some() && schema != tool.json_schema)
        || (arguments.is_some() && arguments != tool.args_json_schema);
    if tool.tool_type != ToolType::Custom && redefined {
        return Err(Error::BadRequest(format!(
            "'{}' is a tool of the type {}: what it does is not the user's to define, so that source_code, json_schema \
             and args_json_schema cannot be changed. Make a tool of your own with POST /v1/tools/.",
            tool.name, tool.tool_type
        )));
    }
    let source_type = update.source_type.value();
    if redefined {
        let old = tool.clone();
        tool.source_type = source_type.or(tool.source_type);
        redefine(&mut tool, code, schema, arguments)?;
        // A description that was the schema's own stays so.
        if old.description == old.json_schema.as_ref().and_then(description) && tool.json_schema != old.json_schema {
            tool.description = tool.json_schema.as_ref().and_then(description);
        }
    } else {
        tool.source_type = source_type.or(tool.source_type);
    }
    set_some(&mut tool.description, update.description);
    set(&mut tool.tags, update.tags);
    set(&mut tool.return_char_limit, update.return_char_limit);
    set_some(&mut tool.pip_requirements, update.pip_requirements);
    set_some(&mut tool.npm_requirements, update.npm_requirements);
    set_some(&mut tool.default_requires_approval, update.default_requires_approval);
    set_some(&mut tool.enable_parallel_execution, update.enable_parallel_execution);
    if let Some(mut metadata) = update.metadata_.value() {
        place(&mut metadata, on_modal);
        tool.metadata_ = Some(metadata);
    } else if on_modal {
        place(tool.metadata_.get_or_insert_default(), true);
    }
    if redefined {
        let hash = hash(&tool);
        tool.metadata_.get_or_insert_default().insert("tool_hash".to_owned(), hash.into());
    }
    Ok(tool)
}

/// Gives the tool new source, a new schema, or both.
fn redefine(
    tool: &mut Tool,
    code: Option<String>,
    schema: Option<FunctionSchema>,
    arguments: Option<Map<String, Value>>,
) -> Result<()> {
    let language = source::language(tool.source_type.as_deref());
    let new_code = code.as_deref();
    let schema = match (schema, &arguments) {
        (Some(schema), _) => Some(schema),
        (None, Some(arguments)) => {
            let text = new_code.or(tool.source_code.as_deref()).unwrap_or_default();
            Some(json_schema_with_arguments(text, Some(&tool.name), arguments).map_err(no_schema)?)
        }
        (None, None) => match (new_code, origin(tool)) {
            (Some(text), Some(origin)) if defines_name(language, text, &tool.name)? => {
                Some(origin.derive(text, &tool.name).map_err(no_schema)?)
            }
            _ => None,
        },
    };
    let name = schema.as_ref().map_or_else(|| Ok(tool.name.clone()), source::name)?;
    if let Some(text) = new_code
        && !defines_name(language, text, &name)?
    {
        let shown: String = text.chars().take(SHOWN).collect();
        return Err(Error::BadRequest(format!(
            "Tool name '{}' does not match the name in the JSON schema '{name}' or in the source code `{shown}`. The \
             source must define a function '{name}'.",
            tool.name
        )));
    }
    tool.name = name;
    tool.json_schema = schema.or_else(|| tool.json_schema.take());
    tool.source_code = code.or_else(|| tool.source_code.take());
    tool.args_json_schema = arguments.or_else(|| tool.args_json_schema.take());
    Ok(())
}

fn defines_name(language: Option<Language>, code: &str, name: &str) -> Result<bool> {
    // What a language does that is not known here cannot be checked.
    language.map_or(Ok(true), |language| defines(language, code, name).map_err(no_schema))
}

/// Where a schema came from that was derived.
enum Origin {
    Source(Language),
    Arguments(Map<String, Value>),
}

impl Origin {
    fn derive(&self, code: &str, name: &str) -> std::result::Result<FunctionSchema, muisti_sandbox::SchemaError> {
        match self {
            Self::Source(language) => json_schema(*language, code, Some(name)),
            Self::Arguments(arguments) => json_schema_with_arguments(code, Some(name), arguments),
        }
    }
}

/// Where the stored schema comes from: what would be derived now is the same, or somebody wrote it.
fn origin(tool: &Tool) -> Option<Origin> {
    let (schema, code) = (tool.json_schema.as_ref()?, tool.source_code.as_deref()?);
    let language = source::language(tool.source_type.as_deref())?;
    let arguments = tool.args_json_schema.clone().filter(|arguments| !arguments.is_empty());
    let origins = [arguments.map(Origin::Arguments), Some(Origin::Source(language))];
    origins.into_iter().flatten().find(|origin| origin.derive(code, &tool.name).is_ok_and(|derived| derived == *schema))
}

fn description(schema: &FunctionSchema) -> Option<String> {
    schema.get("description").and_then(Value::as_str).map(str::to_owned)
}

/// Writes or removes the server's own note of where the tool runs.
fn place(metadata: &mut Map<String, Value>, on_modal: bool) {
    if on_modal {
        metadata.insert("sandbox".to_owned(), "modal".into());
    } else if metadata.get("sandbox").is_some_and(|sandbox| sandbox == "modal") {
        metadata.shift_remove("sandbox");
    }
}

/// Twelve hex digits that change whenever what is run does.
fn hash(tool: &Tool) -> String {
    let requirement = |name: &str, version: Option<&String>| match version {
        Some(version) => format!("{name}=={version}"),
        None => name.to_owned(),
    };
    let pip = tool.pip_requirements.iter().flatten().map(|wanted| requirement(&wanted.name, wanted.version.as_ref()));
    let npm = tool.npm_requirements.iter().flatten().map(|wanted| requirement(&wanted.name, wanted.version.as_ref()));
    let dependencies: Vec<String> = pip.chain(npm).collect();
    let (code, kind) =
        (tool.source_code.as_deref().unwrap_or_default(), tool.source_type.as_deref().unwrap_or_default());
    let digest = Sha256::digest(format!("{code}|{kind}|{}", dependencies.join(",")));
    digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

fn set<T>(field: &mut T, patch: Patch<T>) {
    if let Some(value) = patch.value() {
        *field = value;
    }
}

fn set_some<T>(field: &mut Option<T>, patch: Patch<T>) {
    if let Some(value) = patch.value() {
        *field = Some(value);
    }
}
