//! The styles of docstrings.

use super::{dedent, indent, section};

/// What a style finds in a docstring.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    /// How many lines there are before the first entry.
    pub(super) head: usize,
    /// The arguments, as `(name, text)`.
    pub(super) arguments: Vec<(String, String)>,
    /// How many entries there are, those for other things than arguments included.
    entries: usize,
}

/// The lines as the style reads them that finds the most entries; among equals the first of reST, Google, NumPy and
/// Epydoc.
pub(super) fn best(lines: &[&str]) -> Parsed {
    let mut best = Parsed { head: lines.len(), ..Parsed::default() };
    for parsed in [tagged(lines, ':'), google(lines), numpy(lines), tagged(lines, '@')].into_iter().flatten() {
        if parsed.entries > best.entries {
            best = parsed;
        }
    }
    best
}

/// `:param name: text`, or with another mark, as in `@param name: text`.
fn tagged(lines: &[&str], mark: char) -> Option<Parsed> {
    let is_entry = |line: &str| line.starts_with(mark);
    let head = lines.iter().position(|line| is_entry(line))?;
    let mut parsed = Parsed { head, ..Parsed::default() };
    let mut rest = lines.get(head..)?;
    while let Some((first, after)) = rest.split_first() {
        let end = after.iter().position(|line| is_entry(line)).unwrap_or(after.len());
        let (more, next) = after.split_at_checked(end)?;
        rest = next;
        // A line with the mark that is no entry: it is not this style.
        let (tag, text) = first.strip_prefix(mark)?.split_once(':')?;
        let mut words = tag.split_whitespace();
        let is_argument = matches!(words.next()?, "param" | "parameter" | "arg" | "argument" | "key" | "keyword");
        if let (true, Some(name)) = (is_argument, words.last()) {
            parsed.arguments.push((name.to_owned(), joined(text, more)));
        }
        parsed.entries = parsed.entries.saturating_add(1);
    }
    Some(parsed)
}

/// The sections of Google's style, and whether each holds arguments, other entries, or one text.
fn google_title(line: &str) -> Option<Title> {
    match line.trim_end().strip_suffix(':')? {
        "Args" | "Arguments" | "Parameters" | "Params" => Some(Title::Arguments),
        "Raises" | "Exceptions" | "Except" | "Attributes" => Some(Title::Entries),
        "Returns" | "Yields" | "Example" | "Examples" => Some(Title::Text),
        _ => None,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Title {
    Arguments,
    Entries,
    Text,
}

/// Sections that begin with a title and a colon, with indented entries of the form `name (type): text`.
fn google(lines: &[&str]) -> Option<Parsed> {
    let head = lines.iter().position(|line| google_title(line).is_some())?;
    let mut parsed = Parsed { head, ..Parsed::default() };
    let mut rest = lines.get(head..)?;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        let Some(title) = google_title(first) else { continue };
        let body = section(after);
        rest = after.get(body.len()..)?;
        let entries = entries(body);
        parsed.entries = parsed.entries.saturating_add(match title {
            Title::Text => usize::from(!entries.is_empty()),
            Title::Arguments | Title::Entries => entries.len(),
        });
        if title == Title::Arguments {
            for (first, more) in entries {
                let (name, text) = first.split_once(':')?;
                // The type is for people; the annotation counts.
                let name = name.split_once('(').map_or(name, |(name, _)| name).trim().trim_start_matches('*');
                parsed.arguments.push((name.to_owned(), joined(text, more)));
            }
        }
    }
    Some(parsed)
}

/// Entries of a section: each line that is indented as far as the first one begins one, deeper lines go on with it.
fn entries<'l>(body: &'l [&'l str]) -> Vec<(&'l str, &'l [&'l str])> {
    let Some(margin) = body.iter().find_map(|line| indent(line)) else { return Vec::new() };
    let begins = |line: &&str| indent(line).is_some_and(|indent| indent <= margin);
    let mut found = Vec::new();
    let mut rest = body.iter().position(&begins).and_then(|at| body.get(at..)).unwrap_or_default();
    while let Some((first, after)) = rest.split_first() {
        let end = after.iter().position(&begins).unwrap_or(after.len());
        let Some((more, next)) = after.split_at_checked(end) else { break };
        found.push((first.trim(), more));
        rest = next;
    }
    found
}

/// Sections whose title is underlined, with entries of the form `name : type` and indented text.
fn numpy(lines: &[&str]) -> Option<Parsed> {
    let is_title = |pair: &[&str]| match pair {
        [title, line] => indent(title) == Some(0) && line.len() >= 3 && line.trim_end().chars().all(|c| c == '-'),
        _ => false,
    };
    let head = lines.windows(2).position(is_title)?;
    let mut parsed = Parsed { head, ..Parsed::default() };
    let mut rest = lines.get(head..)?;
    while let Some((title, after)) = rest.split_first() {
        let body = after.get(1..).unwrap_or_default();
        let end = body.windows(2).position(is_title).unwrap_or(body.len());
        let (body, next) = body.split_at_checked(end)?;
        rest = next;
        match title.trim_end() {
            "Parameters" | "Params" | "Arguments" | "Args" | "Other Parameters" => {
                let entries = entries(body);
                parsed.entries = parsed.entries.saturating_add(entries.len());
                for (first, more) in entries {
                    let name = first.split_once(':').map_or(first, |(name, _)| name).trim();
                    parsed.arguments.push((name.to_owned(), joined("", more)));
                }
            }
            "Returns" | "Yields" | "Raises" | "Attributes" | "Examples" | "Notes" | "See Also" | "References" => {
                parsed.entries = parsed.entries.saturating_add(1);
            }
            _ => {}
        }
    }
    Some(parsed)
}

/// The text of an entry: what stands behind its name, and the lines that go on with it.
fn joined(first: &str, more: &[&str]) -> String {
    let more = dedent(more);
    format!("{}\n{more}", first.trim()).trim().to_owned()
}
