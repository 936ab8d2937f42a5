//! From annotations to schemas.

use std::cell::{Cell, RefCell};

use serde_json::{Map, Value};
use tree_sitter::Node;

use super::{literal, model::Models};
use crate::{
    Language, SchemaError, members,
    syntax::{Source, children, fields},
};

/// How deep types may be nested.
const DEEPEST: usize = 32;

/// How many types one schema may be made of. Models are written out wherever they are used, so a few lines of source
/// could otherwise become gigabytes.
const MOST: usize = 5000;

/// Where a type stands, for errors.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// `Parameter 'a' in function 'f'`
    pub(super) what: String,
    /// The line, from 1.
    pub(super) line: usize,
}

impl Place {
    /// An error about the type that stands here.
    pub(super) fn error(&self, wrong: &str, advice: impl Into<String>) -> SchemaError {
        let problem = format!("Value error in schema generation: {} {wrong}", self.what);
        SchemaError::new(problem, Some(self.line), advice)
    }
}

/// What an annotation means.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mapped {
    /// The schema of a value.
    pub(super) schema: Map<String, Value>,
    /// Whether there may be no value.
    pub(super) optional: bool,
}

impl Mapped {
    fn of(schema: Map<String, Value>) -> Self {
        Self { schema, optional: false }
    }

    fn kind(kind: &str) -> Self {
        Self::of(members([("type", kind.into())]))
    }
}

/// The annotations of a module.
pub(super) struct Annotations<'s, 't> {
    pub(super) models: Models<'s, 't>,
    /// The models that are being written out now, outermost first.
    pub(super) open: RefCell<Vec<String>>,
    mapped: Cell<usize>,
}

impl<'s, 't> Annotations<'s, 't> {
    pub(super) fn new(source: &'s Source<'t>) -> Self {
        Self { models: Models::of(source), open: RefCell::default(), mapped: Cell::new(0) }
    }

    /// The schema of an annotation.
    pub(super) fn map(&self, annotation: &str, at: &Place) -> Result<Mapped, SchemaError> {
        self.quoted(annotation, at, DEEPEST)
    }

    /// The schema of an annotation that stands in a text of its own.
    fn quoted(&self, annotation: &str, at: &Place, depth: usize) -> Result<Mapped, SchemaError> {
        // In parentheses an annotation is an expression, however many lines it has.
        let text = format!("({annotation})");
        let unreadable = |_| at.error(&format!("has a type that cannot be read: '{annotation}'"), "");
        let source = Source::parse_valid(Language::Python, &text).map_err(unreadable)?;
        let expression = children(source.root()).into_iter().next();
        match expression.and_then(|statement| children(statement).into_iter().next()) {
            Some(node) => Type { source: &source, annotations: self, at }.map(node, depth),
            None => Err(at.error("has an empty type", "Write for example 'str'.")),
        }
    }
}

/// A place in the tree of an annotation.
struct Type<'a, 's, 't> {
    source: &'a Source<'a>,
    annotations: &'a Annotations<'s, 't>,
    at: &'a Place,
}

impl Type<'_, '_, '_> {
    fn text(&self, node: Node<'_>) -> &str {
        self.source.text(node)
    }

    fn error(&self, node: Node<'_>, advice: &str) -> SchemaError {
        self.at.error(&format!("has the type '{}', which has no JSON schema", self.text(node)), advice)
    }

    fn map(&self, node: Node<'_>, depth: usize) -> Result<Mapped, SchemaError> {
        let mapped = self.annotations.mapped.get().saturating_add(1);
        self.annotations.mapped.set(mapped);
        let depth = depth.checked_sub(1).filter(|_| mapped <= MOST);
        let depth = depth.ok_or_else(|| {
            let advice = format!("At most {DEEPEST} types can be nested, and {MOST} make one schema.");
            self.at.error("has a type that is too large", advice)
        })?;
        match node.kind() {
            "parenthesized_expression" => match children(node).as_slice() {
                [inner] => self.map(*inner, depth),
                _ => Err(self.error(node, "")),
            },
            "string" | "concatenated_string" => {
                let text = literal::string(self.source, node).ok_or_else(|| self.error(node, ""))?;
                self.annotations.quoted(&text, self.at, depth)
            }
            "identifier" | "attribute" => self.name(node),
            "subscript" => self.generic(node, depth),
            "binary_operator" => self.union(alternatives(node), depth),
            _ => Err(self.error(node, "")),
        }
    }

    /// The name of a type as it is without its module, if it is one of Python's own.
    fn plain_name(&self, node: Node<'_>) -> Option<&str> {
        if node.kind() == "attribute" {
            let module = node.child_by_field_name("object").map(|module| self.text(module));
            let typing = matches!(module, Some("typing" | "typing_extensions" | "t" | "builtins"));
            return node.child_by_field_name("attribute").filter(|_| typing).map(|name| self.text(name));
        }
        (node.kind() == "identifier").then(|| self.text(node))
    }

    fn name(&self, node: Node<'_>) -> Result<Mapped, SchemaError> {
        let Some(name) = self.plain_name(node) else { return Err(self.error(node, "")) };
        if let Some(schema) = self.annotations.model(name, self.at)? {
            return Ok(Mapped::of(schema));
        }
        Ok(match name {
            "str" => Mapped::kind("string"),
            "int" => Mapped::kind("integer"),
            "float" => Mapped::kind("number"),
            "bool" => Mapped::kind("boolean"),
            "dict" | "Dict" => Mapped::kind("object"),
            "list" | "List" => array(&Mapped::kind("string").schema),
            "Any" => Mapped::of(Map::new()),
            "tuple" | "Tuple" => return Err(self.error(node, "Say what it holds, as in 'tuple[str, int]'.")),
            "set" | "Set" | "frozenset" | "Sequence" | "Iterable" => {
                return Err(self.error(node, "Use a list, as in 'list[str]'."));
            }
            "bytes" | "datetime" | "date" | "time" | "Decimal" | "UUID" | "Path" => {
                return Err(self.error(node, "JSON has no such values. Use 'str' and convert it in the function."));
            }
            "Optional" | "Union" | "Literal" => {
                return Err(self.error(node, &format!("Say of what, as in '{name}[…]'.")));
            }
            _ => {
                let advice = "Known are str, int, float, bool, list, dict, tuple, Optional, Union, Literal, Any and the \
                              pydantic models of the same source ('from pydantic import BaseModel').";
                return Err(self.error(node, advice));
            }
        })
    }

    fn generic(&self, node: Node<'_>, depth: usize) -> Result<Mapped, SchemaError> {
        let base = node.child_by_field_name("value").and_then(|base| self.plain_name(base));
        let arguments = fields(node, "subscript");
        match (base, arguments.as_slice()) {
            (Some("Optional"), [inner]) => Ok(Mapped { optional: true, ..self.map(*inner, depth)? }),
            (Some("Union"), [_, ..]) => self.union(arguments, depth),
            (Some("Annotated"), [inner, _, ..]) => self.map(*inner, depth),
            (Some("list" | "List"), [inner]) => Ok(array(&self.map(*inner, depth)?.schema)),
            (Some("dict" | "Dict"), [key, value]) => {
                if self.map(*key, depth)? != Mapped::kind("string") {
                    return Err(self.error(node, "The keys of a JSON object are texts: use 'dict[str, …]'."));
                }
                let value = self.map(*value, depth)?.schema;
                let mut mapped = Mapped::kind("object");
                if !value.is_empty() {
                    mapped.schema.insert("additionalProperties".to_owned(), value.into());
                }
                Ok(mapped)
            }
            (Some("tuple" | "Tuple"), [inner, rest]) if rest.kind() == "ellipsis" => {
                Ok(array(&self.map(*inner, depth)?.schema))
            }
            (Some("tuple" | "Tuple"), [_, ..]) => {
                let items: Vec<Value> = self.map_all(&arguments, depth)?.into_iter().map(Value::from).collect();
                let count = items.len();
                Ok(Mapped::of(members([
                    ("type", "array".into()),
                    ("prefixItems", items.into()),
                    ("minItems", count.into()),
                    ("maxItems", count.into()),
                ])))
            }
            (Some("Literal"), [_, ..]) => self.literal(node, &arguments),
            _ => Err(self.error(node, "")),
        }
    }

    fn map_all(&self, nodes: &[Node<'_>], depth: usize) -> Result<Vec<Map<String, Value>>, SchemaError> {
        nodes.iter().map(|node| Ok(self.map(*node, depth)?.schema)).collect()
    }

    /// One of several types. Without None, which makes a value optional, one type is itself.
    fn union(&self, nodes: Vec<Node<'_>>, depth: usize) -> Result<Mapped, SchemaError> {
        let mut optional = false;
        let mut schemas: Vec<Map<String, Value>> = Vec::new();
        for node in nodes {
            if node.kind() == "none" {
                optional = true;
                continue;
            }
            let mapped = self.map(node, depth)?;
            optional |= mapped.optional;
            if !schemas.contains(&mapped.schema) {
                schemas.push(mapped.schema);
            }
        }
        let schema = match (schemas.len(), schemas.iter().any(Map::is_empty)) {
            (0, _) => return Err(self.at.error("has the type 'None', which has no values to choose from", "")),
            // Anything, or something else, is anything.
            (_, true) => Map::new(),
            (1, _) => schemas.pop().unwrap_or_default(),
            _ => members([("anyOf", schemas.into_iter().map(Value::from).collect::<Vec<_>>().into())]),
        };
        Ok(Mapped { schema, optional })
    }

    fn literal(&self, node: Node<'_>, values: &[Node<'_>]) -> Result<Mapped, SchemaError> {
        let mut optional = false;
        let mut kinds: Vec<&str> = Vec::new();
        let mut found: Vec<Value> = Vec::new();
        for value in values {
            let text = self.text(*value).replace(['_', ' '], "");
            let (kind, value): (&str, Value) = match value.kind() {
                "string" | "concatenated_string" => {
                    let text = literal::string(self.source, *value).ok_or_else(|| self.error(node, ""))?;
                    ("string", text.into())
                }
                "integer" | "unary_operator" => {
                    let number: i64 = text.parse().map_err(|_| self.error(node, "Write whole numbers in digits."))?;
                    ("integer", number.into())
                }
                "true" | "false" => ("boolean", (value.kind() == "true").into()),
                "none" => {
                    optional = true;
                    continue;
                }
                _ => return Err(self.error(node, "Use texts, whole numbers, True and False.")),
            };
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
            if !found.contains(&value) {
                found.push(value);
            }
        }
        let kind: Value = match kinds.as_slice() {
            [] => return Err(self.error(node, "It has no values to choose from.")),
            [kind] => (*kind).into(),
            kinds => kinds.into(),
        };
        Ok(Mapped { schema: members([("type", kind), ("enum", found.into())]), optional })
    }
}

fn array(items: &Map<String, Value>) -> Mapped {
    Mapped::of(members([("type", "array".into()), ("items", items.clone().into())]))
}

/// The types of `a | b | c`, in order.
fn alternatives(node: Node<'_>) -> Vec<Node<'_>> {
    let mut found = Vec::new();
    let mut node = node;
    while node.kind() == "binary_operator" {
        let is_union = node.child_by_field_name("operator").is_some_and(|operator| operator.kind() == "|");
        let (Some(left), Some(right), true) =
            (node.child_by_field_name("left"), node.child_by_field_name("right"), is_union)
        else {
            break;
        };
        found.push(right);
        node = left;
    }
    found.push(node);
    found.reverse();
    found
}
