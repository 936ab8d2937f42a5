//! The schema of a function in Python: which function, and what its signature and its docstring say.

mod annotation;
mod literal;
mod model;

use serde_json::Map;
use tree_sitter::Node;

use crate::{
    FunctionSchema, Language, SchemaError,
    docstring::{self, Docstring},
    function, object,
    syntax::{Source, children, fields, line},
};
use annotation::{Annotations, Place};

/// Arguments that the runner gives, which the model must not be told of.
const GIVEN_BY_THE_RUNNER: [&str; 4] = ["self", "agent_state", "agent_id", "client"];

/// How deep a function may stand within `if`, `try` and the like.
const DEEPEST: usize = 16;

pub(crate) fn json_schema(text: &str, name: Option<&str>) -> Result<FunctionSchema, SchemaError> {
    let source = Source::parse_valid(Language::Python, text)?;
    let definition = Definition::find(&source, name)?;
    let docstring = definition.docstring().ok_or_else(|| {
        SchemaError::new(
            format!("Function {} missing docstring", definition.name),
            Some(line(definition.node)),
            "Say in one what the function does, and describe each parameter under 'Args:'.",
        )
    })?;
    let docstring = Docstring::parse(&docstring);
    let annotations = Annotations::new(&source);
    let mut properties = Map::new();
    let mut required = Vec::new();
    for parameter in definition.parameters() {
        let (mut schema, optional) = definition.argument(&parameter, &docstring, &annotations)?;
        let text = docstring.argument(parameter.name).unwrap_or_default();
        schema.insert("description".to_owned(), text.into());
        properties.insert(parameter.name.to_owned(), schema.into());
        if !optional {
            required.push(parameter.name.to_owned());
        }
    }
    Ok(function(definition.name, &docstring.description, object(properties, required)))
}

/// The name of the function that is the tool, unless another is given, and all that its docstring says.
pub(crate) fn introduction(text: &str, name: Option<&str>) -> Result<(String, String), SchemaError> {
    let source = Source::parse_valid(Language::Python, text)?;
    let definition = match Definition::find(&source, name) {
        // The name need not be that of a function: a tool can have been renamed.
        Err(_) if name.is_some() => Definition::find(&source, None)?,
        found => found?,
    };
    let name = name.unwrap_or(definition.name);
    let docstring = definition.docstring().map(|text| docstring::clean(&text)).filter(|text| !text.is_empty());
    Ok((name.to_owned(), docstring.unwrap_or_else(|| format!("The {name} tool"))))
}

/// Whether the module binds this name: as a function, a class, by an assignment or an import.
pub(crate) fn defines(text: &str, name: &str) -> Result<bool, SchemaError> {
    let source = Source::parse(Language::Python, text)?;
    Ok(statements(&source).into_iter().any(|node| match node.kind() {
        "function_definition" | "class_definition" => field_text(&source, node, "name") == Some(name),
        "expression_statement" => children(node)
            .into_iter()
            .filter(|child| child.kind() == "assignment")
            .any(|assignment| field_text(&source, assignment, "left") == Some(name)),
        "import_statement" | "import_from_statement" => {
            fields(node, "name").into_iter().any(|import| imported_as(&source, import) == name)
        }
        _ => false,
    }))
}

/// The name that an import binds.
fn imported_as<'t>(source: &Source<'t>, import: Node<'_>) -> &'t str {
    import.child_by_field_name("alias").map_or_else(|| source.text(import), |alias| source.text(alias))
}

fn field_text<'t>(source: &Source<'t>, node: Node<'_>, field: &str) -> Option<&'t str> {
    node.child_by_field_name(field).map(|child| source.text(child))
}

/// The statements of the module, in order, with those within `if`, `try`, `with` and loops; a decorated definition
/// is the definition.
fn statements<'s>(source: &'s Source<'_>) -> Vec<Node<'s>> {
    let mut found = Vec::new();
    let mut open: Vec<(Node<'_>, usize)> = vec![(source.root(), 0)];
    while let Some((node, depth)) = open.pop() {
        match node.kind() {
            "module"
            | "block"
            | "ERROR"
            | "decorated_definition"
            | "if_statement"
            | "elif_clause"
            | "else_clause"
            | "try_statement"
            | "except_clause"
            | "finally_clause"
            | "with_statement"
            | "for_statement"
            | "while_statement" => {
                if depth <= DEEPEST {
                    let depth = depth.saturating_add(1);
                    open.extend(children(node).into_iter().rev().map(|child| (child, depth)));
                }
            }
            _ => found.push(node),
        }
    }
    found
}

/// A function of the module.
struct Definition<'s, 't> {
    source: &'s Source<'t>,
    node: Node<'s>,
    name: &'t str,
}

/// A parameter that the model gives an argument for.
struct Parameter<'s, 't> {
    name: &'t str,
    node: Node<'s>,
    annotation: Option<Node<'s>>,
    default: Option<Node<'s>>,
}

impl<'s, 't> Definition<'s, 't> {
    /// The last function of the module that has this name, or the last of all.
    fn find(source: &'s Source<'t>, name: Option<&str>) -> Result<Self, SchemaError> {
        let functions = statements(source).into_iter().filter(|node| node.kind() == "function_definition");
        let named = functions.filter_map(|node| Some(Self { source, node, name: field_text(source, node, "name")? }));
        let found = named.rev().find(|definition| name.is_none_or(|name| name == definition.name));
        found.ok_or_else(|| match name {
            Some(name) => SchemaError::new(
                format!("No function '{name}' found in source code"),
                None,
                "Define it at the top level of the module.",
            ),
            None => SchemaError::new(
                "No functions found in source code",
                None,
                "Define one with 'def' at the top level of the module, not within a class or another function.",
            ),
        })
    }

    /// The text of its docstring, if there is one that says something.
    fn docstring(&self) -> Option<String> {
        let body = self.node.child_by_field_name("body")?;
        let statement = children(body).into_iter().next().filter(|node| node.kind() == "expression_statement")?;
        let text = literal::string(self.source, children(statement).into_iter().next()?)?;
        (!text.trim().is_empty()).then_some(text)
    }

    /// The parameters that can be given by name, without those that the runner gives.
    fn parameters(&self) -> Vec<Parameter<'s, 't>> {
        let Some(list) = self.node.child_by_field_name("parameters") else { return Vec::new() };
        let mut found = Vec::new();
        for node in children(list) {
            let name = match node.kind() {
                // What stands before a slash is given by position only.
                "positional_separator" => {
                    found.clear();
                    continue;
                }
                "identifier" => Some(node),
                "typed_parameter" => children(node).into_iter().next().filter(|child| child.kind() == "identifier"),
                "default_parameter" | "typed_default_parameter" => node.child_by_field_name("name"),
                _ => None,
            };
            let Some(name) = name.map(|name| self.source.text(name)) else { continue };
            if !GIVEN_BY_THE_RUNNER.contains(&name) {
                let annotation = node.child_by_field_name("type");
                found.push(Parameter { name, node, annotation, default: node.child_by_field_name("value") });
            }
        }
        found
    }

    /// The schema of a parameter without its description, and whether an argument can be left out.
    fn argument(
        &self,
        parameter: &Parameter<'_, '_>,
        docstring: &Docstring,
        annotations: &Annotations<'_, '_>,
    ) -> Result<(FunctionSchema, bool), SchemaError> {
        let (name, at) = (parameter.name, Some(line(parameter.node)));
        let what = format!("Parameter '{name}' in function '{}'", self.name);
        let annotation = parameter.annotation.ok_or_else(|| {
            SchemaError::new(
                format!("Type error in schema generation: {what} lacks a type annotation"),
                at,
                format!("Write for example '{name}: str'."),
            )
        })?;
        if docstring.argument(name).is_none() {
            return Err(SchemaError::new(
                format!("Value error in schema generation: {what} lacks a description in the docstring"),
                at,
                format!("Add a line '{name}: …' under 'Args:'."),
            ));
        }
        let place = Place { what, line: line(parameter.node) };
        let mapped = annotations.map(self.source.text(annotation), &place)?;
        let has_default = parameter.default.is_some_and(literal::is_literal);
        Ok((mapped.schema, mapped.optional || has_default))
    }
}

/// The classes of the module, in order.
fn classes<'s>(source: &'s Source<'_>) -> impl Iterator<Item = Node<'s>> {
    statements(source).into_iter().filter(|node| node.kind() == "class_definition")
}

/// Whether the module has imported `name` from `module`, or the module itself.
fn imports(source: &Source<'_>, module: &str, name: Option<&str>) -> bool {
    statements(source).into_iter().any(|node| match (node.kind(), name) {
        ("import_from_statement", Some(name)) if field_text(source, node, "module_name") == Some(module) => {
            fields(node, "name").into_iter().any(|import| imported_as(source, import) == name)
        }
        ("import_statement", None) => {
            fields(node, "name").into_iter().any(|import| imported_as(source, import) == module)
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests;
