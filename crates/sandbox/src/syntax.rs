//! Source as a syntax tree.

use std::{
    ops::ControlFlow,
    time::{Duration, Instant},
};

use tree_sitter::{Node, ParseOptions, Parser, Tree};

use crate::{Language, SchemaError};

/// The longest source that is looked at, in bytes.
const LONGEST: usize = 1 << 20;

/// How long a parser may take. Real code takes milliseconds; what takes longer is no code.
const PATIENCE: Duration = Duration::from_secs(2);

/// A text and its syntax tree.
pub(crate) struct Source<'t> {
    text: &'t str,
    tree: Tree,
}

impl<'t> Source<'t> {
    /// Parses the text. What is wrong in it stays in the tree as errors.
    pub(crate) fn parse(language: Language, text: &'t str) -> Result<Self, SchemaError> {
        if text.len() > LONGEST {
            let problem = format!("Failed to parse source code: it is {} bytes long", text.len());
            return Err(SchemaError::new(problem, None, format!("At most {LONGEST} bytes can be looked at.")));
        }
        let grammar = match language {
            Language::Python => tree_sitter_python::LANGUAGE,
            Language::TypeScript => tree_sitter_typescript::LANGUAGE_TYPESCRIPT,
        };
        let mut parser = Parser::new();
        let failed = |why: &str| SchemaError::new(format!("Failed to parse source code: {why}"), None, "");
        parser.set_language(&grammar.into()).map_err(|error| failed(&error.to_string()))?;
        let start = Instant::now();
        let mut progress = |_: &tree_sitter::ParseState| {
            if start.elapsed() > PATIENCE { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let mut read = |at: usize, _| text.as_bytes().get(at..).unwrap_or_default();
        let options = ParseOptions::new().progress_callback(&mut progress);
        let tree = parser.parse_with_options(&mut read, None, Some(options));
        let tree = tree.ok_or_else(|| failed("it took too long; the text does not look like a program"))?;
        Ok(Self { text, tree })
    }

    /// The same, for text that must be right.
    pub(crate) fn parse_valid(language: Language, text: &'t str) -> Result<Self, SchemaError> {
        let source = Self::parse(language, text)?;
        match source.first_error() {
            None => Ok(source),
            Some(node) => Err(source.syntax_error(node)),
        }
    }

    pub(crate) fn root(&self) -> Node<'_> {
        self.tree.root_node()
    }

    /// The text of a node.
    pub(crate) fn text(&self, node: Node<'_>) -> &'t str {
        self.text.get(node.byte_range()).unwrap_or_default()
    }

    /// The first place that the parser could not understand.
    fn first_error(&self) -> Option<Node<'_>> {
        if !self.root().has_error() {
            return None;
        }
        let mut cursor = self.tree.walk();
        loop {
            let node = cursor.node();
            if node.is_error() || node.is_missing() {
                return Some(node);
            }
            // Only what holds an error is searched.
            if node.has_error() && cursor.goto_first_child() {
                continue;
            }
            while !cursor.goto_next_sibling() {
                if !cursor.goto_parent() {
                    return Some(self.root());
                }
            }
        }
    }

    fn syntax_error(&self, node: Node<'_>) -> SchemaError {
        let at = beginning_of_trouble(node);
        let what = if node.is_missing() {
            format!("'{}' is missing", node.kind())
        } else {
            let text = self.text.get(at.start_byte()..node.end_byte()).unwrap_or_default();
            let line = text.trim_start().lines().next().unwrap_or_default().trim_end();
            match line.char_indices().nth(60) {
                Some((end, _)) => format!("invalid syntax near '{}…'", line.get(..end).unwrap_or_default()),
                None if line.is_empty() => "invalid syntax".to_owned(),
                None => format!("invalid syntax near '{line}'"),
            }
        };
        SchemaError::new(format!("Failed to parse source code: {what}"), Some(line(at)), "")
    }
}

/// Where to look for the cause of an error. What is never closed makes an error of the whole text, which begins with
/// statements that are right.
fn beginning_of_trouble(error: Node<'_>) -> Node<'_> {
    let mut cursor = error.walk();
    let mut trouble = None;
    for child in error.children(&mut cursor) {
        let is_whole =
            ["_statement", "_definition", "_declaration", "comment"].iter().any(|end| child.kind().ends_with(end));
        if is_whole && !child.has_error() {
            trouble = None;
        } else {
            trouble = trouble.or(Some(child));
        }
    }
    trouble.unwrap_or(error)
}

/// The line on which a node begins, counted from 1.
pub(crate) fn line(node: Node<'_>) -> usize {
    node.start_position().row.saturating_add(1)
}

/// The named children of a node, without comments.
pub(crate) fn children<'n>(node: Node<'n>) -> Vec<Node<'n>> {
    let mut cursor = node.walk();
    node.named_children(&mut cursor).filter(|child| child.kind() != "comment").collect()
}

/// All children with this field name.
pub(crate) fn fields<'n>(node: Node<'n>, name: &str) -> Vec<Node<'n>> {
    let mut cursor = node.walk();
    node.children_by_field_name(name, &mut cursor).filter(|child| child.kind() != "comment").collect()
}
