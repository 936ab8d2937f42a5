//! The schema of a function in TypeScript: which function, what its types and its JSDoc say.

use serde_json::{Map, Value};
use tree_sitter::Node;

use crate::{
    FunctionSchema, Language, SchemaError, function, members, object,
    syntax::{Source, children, line},
};

/// How deep types may be nested.
const DEEPEST: usize = 32;

pub(crate) fn json_schema(text: &str, name: Option<&str>) -> Result<FunctionSchema, SchemaError> {
    let source = Source::parse_valid(Language::TypeScript, text)?;
    let found = exported(&source, name)?;
    let doc = found.doc(&source);
    let mut properties = Map::new();
    let mut required = Vec::new();
    for parameter in found.parameters() {
        if let Some(parameter) = read_parameter(&source, parameter, found.name)? {
            let mut schema = parameter.schema;
            if let Some((_, text)) = doc.parameters.iter().find(|(name, _)| name == parameter.name) {
                schema.insert("description".to_owned(), text.as_str().into());
            }
            properties.insert(parameter.name.to_owned(), schema.into());
            if !parameter.optional {
                required.push(parameter.name.to_owned());
            }
        }
    }
    let description = if doc.text.is_empty() { format!("TypeScript function {}", found.name) } else { doc.text };
    Ok(function(found.name, &description, object(properties, required)))
}

/// Whether the module binds this name at its top level.
pub(crate) fn defines(text: &str, name: &str) -> Result<bool, SchemaError> {
    let source = Source::parse(Language::TypeScript, text)?;
    let mut open = vec![source.root()];
    while let Some(node) = open.pop() {
        match node.kind() {
            "program"
            | "export_statement"
            | "lexical_declaration"
            | "variable_declaration"
            | "import_statement"
            | "import_clause"
            | "named_imports"
            | "export_clause"
            | "ERROR" => open.extend(children(node)),
            "identifier" if source.text(node) == name => return Ok(true),
            _ => {
                let bound = node.child_by_field_name("alias").or_else(|| node.child_by_field_name("name"));
                if bound.is_some_and(|bound| source.text(bound) == name) {
                    return Ok(true);
                }
            }
        }
    }
    Ok(false)
}

/// A function that the module exports.
#[derive(Clone, Copy)]
struct Exported<'s, 't> {
    name: &'t str,
    /// The statement that exports it.
    statement: Node<'s>,
    /// What has its parameters.
    function: Node<'s>,
    is_declared: bool,
    is_async: bool,
}

/// The exported function of this name, or the first: of those declared with `function`, then those declared with
/// `async function`, then those that are the value of a constant.
fn exported<'s, 't>(source: &'s Source<'t>, name: Option<&str>) -> Result<Exported<'s, 't>, SchemaError> {
    let statements = children(source.root()).into_iter().filter(|node| node.kind() == "export_statement");
    let mut found: Vec<Exported<'s, 't>> = statements.flat_map(|statement| functions(source, statement)).collect();
    found.sort_by_key(|function| (!function.is_declared, function.is_async && function.is_declared));
    found.into_iter().find(|function| name.is_none_or(|name| name == function.name)).ok_or_else(|| {
        let problem = match name {
            Some(name) => format!("No exported function '{name}' found in TypeScript source code"),
            None => "No exported function found in TypeScript source code".to_owned(),
        };
        SchemaError::new(problem, None, "Write 'export function' before the function that is the tool.")
    })
}

fn functions<'s, 't>(source: &'s Source<'t>, statement: Node<'s>) -> Vec<Exported<'s, 't>> {
    let Some(declaration) = statement.child_by_field_name("declaration") else { return Vec::new() };
    let is_async = |node: Node<'_>| {
        let mut cursor = node.walk();
        node.children(&mut cursor).any(|child| child.kind() == "async")
    };
    let named = |name: Node<'s>, function: Node<'s>, is_declared| Exported {
        name: source.text(name),
        statement,
        function,
        is_declared,
        is_async: is_async(function),
    };
    match declaration.kind() {
        "function_declaration" | "function_signature" => {
            declaration.child_by_field_name("name").map(|name| named(name, declaration, true)).into_iter().collect()
        }
        "lexical_declaration" | "variable_declaration" => {
            let constants = children(declaration).into_iter().filter_map(|declarator| {
                let value = declarator.child_by_field_name("value")?;
                let is_function = matches!(value.kind(), "arrow_function" | "function_expression");
                is_function.then_some(named(declarator.child_by_field_name("name")?, value, false))
            });
            constants.collect()
        }
        _ => Vec::new(),
    }
}

/// What the comment before a function says.
#[derive(Default)]
struct Doc {
    text: String,
    parameters: Vec<(String, String)>,
}

impl<'s, 't> Exported<'s, 't> {
    fn parameters(&self) -> Vec<Node<'s>> {
        if let Some(list) = self.function.child_by_field_name("parameters") {
            return children(list);
        }
        // `x => …` has its one parameter bare.
        self.function.child_by_field_name("parameter").into_iter().collect()
    }

    fn doc(&self, source: &Source<'t>) -> Doc {
        let comment = self.statement.prev_sibling().filter(|node| node.kind() == "comment");
        let text = comment.map(|comment| source.text(comment)).unwrap_or_default();
        let Some(text) = text.strip_prefix("/**") else { return Doc::default() };
        let lines = text.trim_end_matches("*/").lines().map(|line| line.trim().trim_start_matches('*').trim());
        let mut doc = Doc::default();
        let mut tag: Option<&str> = None;
        for line in lines.filter(|line| !line.is_empty()) {
            if let Some(words) = line.strip_prefix('@') {
                let (name, rest) = words.split_once(char::is_whitespace).unwrap_or((words, ""));
                tag = Some(name);
                if let Some(parameter) = (name == "param").then(|| parameter_tag(rest)).flatten() {
                    doc.parameters.push(parameter);
                }
            } else if let Some(name) = tag {
                if let Some((_, text)) = doc.parameters.last_mut().filter(|_| name == "param") {
                    append(text, line);
                }
            } else {
                append(&mut doc.text, line);
            }
        }
        doc.parameters.retain(|(_, text)| !text.is_empty());
        doc
    }
}

fn append(text: &mut String, line: &str) {
    if !text.is_empty() {
        text.push(' ');
    }
    text.push_str(line);
}

/// `{type} name - text`, where all but the name may be missing.
fn parameter_tag(rest: &str) -> Option<(String, String)> {
    let rest = rest.trim();
    let rest = if rest.starts_with('{') { rest.split_once('}').map_or("", |(_, rest)| rest).trim() } else { rest };
    let (name, text) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let name = name.trim_matches(['[', ']']).split('=').next().filter(|name| !name.is_empty())?;
    Some((name.to_owned(), text.trim().trim_start_matches('-').trim().to_owned()))
}

/// A parameter as the model is told of it.
struct Parameter<'t> {
    name: &'t str,
    schema: Map<String, Value>,
    optional: bool,
}

/// The parameter that stands here; none for a `this`, which is no argument.
fn read_parameter<'t>(
    source: &Source<'t>,
    node: Node<'_>,
    function: &str,
) -> Result<Option<Parameter<'t>>, SchemaError> {
    let pattern = node.child_by_field_name("pattern").unwrap_or(node);
    let name = source.text(pattern);
    let refused = |wrong: &str, advice: String| {
        let problem = format!("Parameter '{name}' in function '{function}' {wrong}");
        Err(SchemaError::new(problem, Some(line(node)), advice))
    };
    match pattern.kind() {
        "this" => return Ok(None),
        "identifier" => {}
        "rest_pattern" => {
            return refused("takes any number of arguments", "Take one array instead, which has a name.".to_owned());
        }
        _ => return refused("has no name", "Give it one, and take it apart within the function.".to_owned()),
    }
    let default = node.child_by_field_name("value");
    let annotation = node.child_by_field_name("type").and_then(|annotation| children(annotation).into_iter().next());
    let (schema, optional) = match (annotation, default.and_then(type_of_literal)) {
        (Some(annotation), _) => map(source, annotation, DEEPEST),
        (None, Some(kind)) => (of_type(kind), true),
        (None, None) if default.is_some() => (of_type("object"), true),
        (None, None) => return refused("lacks a type annotation", format!("Write for example '{name}: string'.")),
    };
    let optional = optional || default.is_some() || node.kind() == "optional_parameter";
    Ok(Some(Parameter { name, schema, optional }))
}

fn type_of_literal(value: Node<'_>) -> Option<&'static str> {
    match value.kind() {
        "string" | "template_string" => Some("string"),
        "number" | "unary_expression" => Some("number"),
        "true" | "false" => Some("boolean"),
        _ => None,
    }
}

fn of_type(kind: &str) -> Map<String, Value> {
    members([("type", kind.into())])
}

/// The schema of a type, and whether a value may be missing. A type that JSON cannot describe is any object.
fn map(source: &Source<'_>, node: Node<'_>, depth: usize) -> (Map<String, Value>, bool) {
    let anything = (of_type("object"), false);
    let Some(depth) = depth.checked_sub(1) else { return anything };
    let inner = children(node);
    let array = |item: Node<'_>| members([("type", "array".into()), ("items", map(source, item, depth).0.into())]);
    match (node.kind(), inner.as_slice()) {
        ("predefined_type", _) => {
            let kind = match source.text(node) {
                kind @ ("string" | "number" | "boolean") => kind,
                "any" => "string",
                "void" => "null",
                _ => "object",
            };
            (of_type(kind), false)
        }
        ("literal_type", [value]) => match value.kind() {
            "null" | "undefined" => (of_type("null"), false),
            _ => (one_of(source, &[node]).unwrap_or_else(|| of_type("object")), false),
        },
        ("parenthesized_type", [inner]) => map(source, *inner, depth),
        ("readonly_type", [inner]) => map(source, *inner, depth),
        ("array_type", [item]) => (array(*item), false),
        ("union_type", _) => union(source, node, depth),
        ("generic_type", [name, arguments]) => match (source.text(*name), children(*arguments).as_slice()) {
            ("Array" | "ReadonlyArray", [item]) => (array(*item), false),
            ("Record", [_, value]) => {
                let values = map(source, *value, depth).0;
                (members([("type", "object".into()), ("additionalProperties", values.into())]), false)
            }
            _ => anything,
        },
        _ => anything,
    }
}

/// A union of literals is a choice; null and undefined make a value optional; all other unions are texts.
fn union(source: &Source<'_>, node: Node<'_>, depth: usize) -> (Map<String, Value>, bool) {
    let mut real = Vec::new();
    let mut open = vec![node];
    while let Some(node) = open.pop() {
        match node.kind() {
            "union_type" => open.extend(children(node)),
            _ => real.push(node),
        }
    }
    real.reverse();
    let all = real.len();
    real.retain(|node| !matches!(source.text(*node), "null" | "undefined"));
    let optional = real.len() < all;
    let schema = match real.as_slice() {
        [] => of_type("null"),
        [only] => map(source, *only, depth).0,
        several => one_of(source, several).unwrap_or_else(|| of_type("string")),
    };
    (schema, optional)
}

/// The choice between these, if all are literals.
fn one_of(source: &Source<'_>, nodes: &[Node<'_>]) -> Option<Map<String, Value>> {
    let mut kinds: Vec<&str> = Vec::new();
    let mut values: Vec<Value> = Vec::new();
    for node in nodes {
        let literal = children(*node).into_iter().next().filter(|_| node.kind() == "literal_type")?;
        let text = source.text(literal);
        let kind = type_of_literal(literal)?;
        let value = match kind {
            "string" => text.get(1..text.len().saturating_sub(1))?.into(),
            _ => serde_json::from_str(&text.replace('_', "")).ok()?,
        };
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
        values.push(value);
    }
    let kind: Value = match kinds.as_slice() {
        [kind] => (*kind).into(),
        kinds => kinds.into(),
    };
    Some(members([("type", kind), ("enum", values.into())]))
}

#[cfg(test)]
mod tests;
