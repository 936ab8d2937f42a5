//! Literals of Python.

use tree_sitter::Node;

use crate::syntax::{Source, children};

/// How deep a literal may be nested to be looked at.
const DEEPEST: usize = 16;

/// Whether the expression is a literal, as a default has to be to count as one.
pub(super) fn is_literal(node: Node<'_>) -> bool {
    is_literal_up_to(node, DEEPEST)
}

fn is_literal_up_to(node: Node<'_>, depth: usize) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return false };
    match node.kind() {
        "integer" | "float" | "true" | "false" | "none" | "ellipsis" => true,
        "string" | "concatenated_string" => !has_interpolation(node),
        "unary_operator" => {
            let inner = node.child_by_field_name("argument");
            inner.is_some_and(|inner| matches!(inner.kind(), "integer" | "float"))
        }
        "list" | "tuple" | "set" | "dictionary" | "pair" | "parenthesized_expression" => {
            children(node).into_iter().all(|child| is_literal_up_to(child, depth))
        }
        _ => false,
    }
}

fn has_interpolation(node: Node<'_>) -> bool {
    children(node).into_iter().any(|child| match child.kind() {
        "interpolation" => true,
        "string" => has_interpolation(child),
        _ => false,
    })
}

/// The value of an expression that is a text.
pub(super) fn string(source: &Source<'_>, node: Node<'_>) -> Option<String> {
    match node.kind() {
        "string" => one_string(source, node),
        "concatenated_string" => children(node).into_iter().map(|child| one_string(source, child)).collect(),
        "parenthesized_expression" => match children(node).as_slice() {
            // One step only: nobody writes more than one pair, and deep nesting is not worth a stack.
            [inner] if inner.kind() != "parenthesized_expression" => string(source, *inner),
            _ => None,
        },
        _ => None,
    }
}

fn one_string(source: &Source<'_>, node: Node<'_>) -> Option<String> {
    let parts = children(node);
    let start = parts.iter().find(|part| part.kind() == "string_start").map(|part| source.text(*part))?;
    let prefix = start.trim_end_matches(['"', '\'']).to_ascii_lowercase();
    // Neither bytes nor templates are texts, whatever they hold.
    if prefix.contains(['b', 'f', 't']) {
        return None;
    }
    let content = parts.iter().filter(|part| part.kind() == "string_content").map(|part| source.text(*part));
    let content: String = content.collect();
    Some(if prefix.contains('r') { content } else { unescaped(&content) })
}

/// The text behind the escapes. One that is not known stays as it is, as in Python.
fn unescaped(content: &str) -> String {
    let mut out = String::with_capacity(content.len());
    let mut rest = content;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        rest = escape(after, &mut out);
    }
    out.push_str(rest);
    out
}

/// Writes what the escape means that begins behind a backslash, and returns what follows it.
fn escape<'t>(after: &'t str, out: &mut String) -> &'t str {
    let mut chars = after.chars();
    let simple = match chars.next() {
        Some('n') => Some('\n'),
        Some('t') => Some('\t'),
        Some('r') => Some('\r'),
        Some('a') => Some('\u{7}'),
        Some('b') => Some('\u{8}'),
        Some('f') => Some('\u{c}'),
        Some('v') => Some('\u{b}'),
        Some(quote @ ('\\' | '\'' | '"')) => Some(quote),
        Some('\n') => return chars.as_str(),
        Some('x') => return code(after, 1, 2, 16, out),
        Some('u') => return code(after, 1, 4, 16, out),
        Some('U') => return code(after, 1, 8, 16, out),
        Some('0'..='7') => {
            let digits = after.bytes().take(3).take_while(|byte| (b'0'..=b'7').contains(byte)).count();
            return code(after, 0, digits, 8, out);
        }
        _ => None,
    };
    match simple {
        Some(c) => {
            out.push(c);
            chars.as_str()
        }
        None => {
            out.push('\\');
            after
        }
    }
}

/// The character whose code stands in `digits` digits behind `skip` characters.
fn code<'t>(after: &'t str, skip: usize, digits: usize, radix: u32, out: &mut String) -> &'t str {
    let end = skip.saturating_add(digits);
    let number = after.get(skip..end).and_then(|digits| u32::from_str_radix(digits, radix).ok());
    match number.and_then(char::from_u32) {
        Some(c) => {
            out.push(c);
            after.get(end..).unwrap_or_default()
        }
        None => {
            out.push('\\');
            after
        }
    }
}
