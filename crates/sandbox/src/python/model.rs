//! Pydantic models of the same source as types of arguments.

use std::collections::HashMap;

use serde_json::{Map, Value};
use tree_sitter::Node;

use super::{
    annotation::{Annotations, Place},
    classes, field_text, imports, literal,
};
use crate::{
    SchemaError, object,
    syntax::{Source, children, line},
};

/// The models of a module by name.
pub(super) struct Models<'s, 't> {
    source: &'s Source<'t>,
    classes: HashMap<&'t str, Node<'s>>,
}

/// A field of a model.
struct Field<'s, 't> {
    name: &'t str,
    annotation: &'t str,
    node: Node<'s>,
    description: Option<String>,
    has_default: bool,
}

impl<'s, 't> Models<'s, 't> {
    /// The classes that inherit from pydantic's `BaseModel`, which the source must have imported, or from another
    /// model that stands before them.
    pub(super) fn of(source: &'s Source<'t>) -> Self {
        let by_name = imports(source, "pydantic", Some("BaseModel"));
        let by_module = imports(source, "pydantic", None);
        let mut models = Self { source, classes: HashMap::new() };
        for class in classes(source) {
            let is_model = models.bases(class).any(|base| {
                (base == "BaseModel" && by_name)
                    || (base == "pydantic.BaseModel" && by_module)
                    || models.classes.contains_key(base)
            });
            if let (Some(name), true) = (field_text(source, class, "name"), is_model) {
                models.classes.insert(name, class);
            }
        }
        models
    }

    fn bases(&self, class: Node<'s>) -> impl Iterator<Item = &'t str> {
        let list = class.child_by_field_name("superclasses");
        list.map(children).unwrap_or_default().into_iter().map(|base| self.source.text(base))
    }

    /// The fields of a model, those of its bases first.
    fn fields(&self, class: Node<'s>, depth: usize) -> Vec<Field<'s, 't>> {
        let mut found: Vec<Field<'s, 't>> = Vec::new();
        if let Some(depth) = depth.checked_sub(1) {
            let bases = self.bases(class).filter_map(|base| self.classes.get(base));
            for field in bases.flat_map(|base| self.fields(*base, depth)) {
                replace(&mut found, field);
            }
        }
        let body = class.child_by_field_name("body").map(children).unwrap_or_default();
        let statements = body.into_iter().filter(|node| node.kind() == "expression_statement");
        for field in statements.flat_map(children).filter_map(|assignment| self.field(assignment)) {
            replace(&mut found, field);
        }
        found
    }

    /// The field that an annotated assignment declares.
    fn field(&self, assignment: Node<'s>) -> Option<Field<'s, 't>> {
        let name = field_text(self.source, assignment, "left").filter(|_| assignment.kind() == "assignment")?;
        let annotation = field_text(self.source, assignment, "type")?;
        if name.starts_with('_') || annotation.contains("ClassVar") {
            return None;
        }
        let mut field = Field { name, annotation, node: assignment, description: None, has_default: false };
        let value = assignment.child_by_field_name("right");
        match value.filter(|value| self.is_field_call(*value)) {
            None => field.has_default = value.is_some_and(|value| value.kind() != "ellipsis"),
            Some(call) => self.read_call(call, &mut field),
        }
        Some(field)
    }

    fn is_field_call(&self, value: Node<'_>) -> bool {
        value.kind() == "call" && matches!(field_text(self.source, value, "function"), Some("Field" | "pydantic.Field"))
    }

    /// Takes what `Field(…)` says.
    fn read_call(&self, call: Node<'_>, field: &mut Field<'_, '_>) {
        let arguments = call.child_by_field_name("arguments").map(children).unwrap_or_default();
        for (position, argument) in arguments.into_iter().enumerate() {
            if argument.kind() != "keyword_argument" {
                field.has_default |= position == 0 && argument.kind() != "ellipsis";
                continue;
            }
            let Some(value) = argument.child_by_field_name("value") else { continue };
            match field_text(self.source, argument, "name") {
                Some("description") => field.description = literal::string(self.source, value),
                Some("default") => field.has_default = value.kind() != "ellipsis",
                Some("default_factory") => field.has_default = true,
                _ => {}
            }
        }
    }
}

fn replace<'s, 't>(fields: &mut Vec<Field<'s, 't>>, field: Field<'s, 't>) {
    match fields.iter_mut().find(|other| other.name == field.name) {
        Some(other) => *other = field,
        None => fields.push(field),
    }
}

/// How many models may inherit from each other.
const LONGEST_LINE: usize = 16;

impl Annotations<'_, '_> {
    /// The schema of the model of this name, if there is one.
    pub(super) fn model(&self, name: &str, at: &Place) -> Result<Option<Map<String, Value>>, SchemaError> {
        let Some(class) = self.models.classes.get(name) else { return Ok(None) };
        if self.open.borrow().iter().any(|open| open == name) {
            let advice = "Arguments have a fixed depth: describe one level, or take a dict.";
            return Err(at.error(&format!("has the model '{name}' within itself"), advice));
        }
        self.open.borrow_mut().push(name.to_owned());
        let mut properties = Map::new();
        let mut required = Vec::new();
        for field in self.models.fields(*class, LONGEST_LINE) {
            let place = Place { what: format!("Field '{}' of model '{name}'", field.name), line: line(field.node) };
            let description = field.description.ok_or_else(|| {
                let advice = format!("Write '{}: {} = Field(…, description=\"…\")'.", field.name, field.annotation);
                place.error("lacks a description", advice)
            })?;
            let mut schema = self.map(field.annotation, &place)?.schema;
            schema.insert("description".to_owned(), description.into());
            properties.insert(field.name.to_owned(), schema.into());
            if !field.has_default {
                required.push(field.name.to_owned());
            }
        }
        self.open.borrow_mut().pop();
        Ok(Some(object(properties, required)))
    }
}
