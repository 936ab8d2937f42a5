//! `memory_apply_patch`: changes to blocks written as a patch.
//!
//! A patch either changes the one block that the call names, or it has headers (`*** Update Block: notes`)
//! and changes many. Its operations are carried out in the order written, each on the result of those before;
//! if one fails, none is done.

use super::{BlockEdit, Edited, MemoryBlock, MemoryError, Result, editable, set_value, text, unused};

const ADD: &str = "*** Add Block:";
const DELETE: &str = "*** Delete Block:";
const UPDATE: &str = "*** Update Block:";
const MOVE: &str = "*** Move to:";

/// How many of the lines that were looked for an error shows.
const SHOWN_LINES: usize = 4;

/// One operation of a patch with headers.
#[derive(Debug)]
enum Operation<'a> {
    Add { label: &'a str, description: &'a str, lines: Vec<&'a str> },
    Delete { label: &'a str },
    Update { label: &'a str, lines: Vec<&'a str> },
    Move { label: &'a str, to: &'a str },
}

/// A line of a hunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line<'a> {
    Context(&'a str),
    Removed(&'a str),
    Added(&'a str),
}

/// Applies `patch` to `blocks`; without headers it is for the block `label`.
pub(super) fn apply(blocks: &[MemoryBlock], label: &str, patch: &str) -> Result {
    text::refuse_line_numbers("patch", patch)?;
    // A numbered line hides behind the sign of an added one.
    let unsigned: Vec<&str> = patch.lines().filter_map(|line| line.strip_prefix(['+', '-'])).collect();
    text::refuse_line_numbers("patch", &unsigned.join("\n"))?;
    if !patch.lines().any(|line| [ADD, DELETE, UPDATE, MOVE].iter().any(|header| line.starts_with(header))) {
        let value = apply_hunks(&target(blocks, label)?.value, &patch.lines().collect::<Vec<_>>())?;
        return Ok(set_value(label, value));
    }
    apply_operations(blocks, parse(patch)?)
}

fn apply_operations(blocks: &[MemoryBlock], operations: Vec<Operation<'_>>) -> Result {
    if operations.is_empty() {
        return Err(MemoryError(format!(
            "No operations found. Begin each operation with a line such as `{UPDATE} <label>`."
        )));
    }
    let mut blocks = blocks.to_vec();
    let mut edits = Vec::new();
    let mut report = String::from("The whole patch has been applied. Operations completed:");
    for operation in operations {
        match operation {
            Operation::Add { label, description, lines } => {
                unused(&blocks, label)?;
                let value = lines.join("\n").trim_end_matches('\n').to_owned();
                blocks.push(MemoryBlock { label: label.to_owned(), value: value.clone(), read_only: false });
                let (label, description) = (label.to_owned(), description.to_owned());
                report += &format!("\n- Created memory block '{label}'");
                edits.push(BlockEdit::Create { label, description, value });
            }
            Operation::Delete { label } => {
                target(&blocks, label)?;
                blocks.retain(|block| block.label != label);
                report += &format!("\n- Deleted memory block '{label}'");
                edits.push(BlockEdit::Detach { label: label.to_owned() });
            }
            Operation::Update { label, lines } => {
                let value = apply_hunks(&target(&blocks, label)?.value, &lines)?;
                if let Some(block) = blocks.iter_mut().find(|block| block.label == label) {
                    block.value.clone_from(&value);
                }
                report += &format!("\n- Updated memory block '{label}'");
                edits.push(BlockEdit::SetValue { label: label.to_owned(), value });
            }
            Operation::Move { label, to } => {
                target(&blocks, label)?;
                if label != to {
                    unused(&blocks, to)?;
                }
                if let Some(block) = blocks.iter_mut().find(|block| block.label == label) {
                    to.clone_into(&mut block.label);
                }
                report += &format!("\n- Renamed memory block '{label}' to '{to}'");
                edits.push(BlockEdit::Rename { label: label.to_owned(), to: to.to_owned() });
            }
        }
    }
    Ok(Edited { edits, returns: Some(report) })
}

/// The block that a patch names, if it exists and may be changed.
fn target<'a>(blocks: &'a [MemoryBlock], label: &str) -> Result<&'a MemoryBlock> {
    if !blocks.iter().any(|block| block.label == label) {
        return Err(MemoryError(format!("Error: Memory block '{label}' does not exist")));
    }
    editable(blocks, label)
}

/// Reads the operations of a patch with headers.
fn parse(patch: &str) -> Result<Vec<Operation<'_>>> {
    let mut operations: Vec<Operation<'_>> = Vec::new();
    for line in patch.lines() {
        let header = |header: &'static str| line.strip_prefix(header).map(|label| named(header, label));
        if let Some(label) = header(ADD) {
            operations.push(Operation::Add { label: label?, description: "", lines: Vec::new() });
        } else if let Some(label) = header(DELETE) {
            operations.push(Operation::Delete { label: label? });
        } else if let Some(label) = header(UPDATE) {
            operations.push(Operation::Update { label: label?, lines: Vec::new() });
        } else if let Some(to) = header(MOVE) {
            let to = to?;
            let (label, updates) = match operations.last() {
                Some(Operation::Update { label, .. }) => (*label, true),
                Some(Operation::Add { label, .. } | Operation::Delete { label }) => (*label, false),
                Some(Operation::Move { to, .. }) => (*to, false),
                None => {
                    return Err(MemoryError(format!(
                        "{MOVE} must follow the header of the block to rename, such as `{UPDATE} <label>`"
                    )));
                }
            };
            if updates && matches!(operations.last(), Some(Operation::Update { lines, .. }) if hunks(lines).is_empty())
            {
                operations.pop();
            }
            operations.push(Operation::Move { label, to });
            if updates {
                // The hunks may also stand behind the new name.
                operations.push(Operation::Update { label: to, lines: Vec::new() });
            }
        } else {
            match operations.last_mut() {
                Some(Operation::Add { description, lines, .. }) => match line.strip_prefix("Description:") {
                    Some(text) if lines.is_empty() => *description = text.trim(),
                    _ if line.is_empty() => lines.push(""),
                    _ => lines.extend(line.strip_prefix('+')),
                },
                Some(Operation::Update { lines, .. }) => lines.push(line),
                Some(Operation::Delete { .. } | Operation::Move { .. }) | None => {}
            }
        }
    }
    // The place for hunks behind a new name stayed empty.
    let mut after_move = false;
    operations.retain(|operation| {
        let empty = matches!(operation, Operation::Update { lines, .. } if hunks(lines).is_empty());
        let keep = !(after_move && empty);
        after_move = matches!(operation, Operation::Move { .. });
        keep
    });
    Ok(operations)
}

fn named<'a>(header: &str, label: &'a str) -> Result<&'a str> {
    let label = label.trim();
    if label.is_empty() {
        return Err(MemoryError(format!("{header} must specify a non-empty label")));
    }
    Ok(label)
}

/// The value with all hunks in `lines` applied, one after the other.
fn apply_hunks(value: &str, lines: &[&str]) -> Result<String> {
    let hunks = hunks(lines);
    if hunks.is_empty() {
        return Err(MemoryError(
            "No applicable hunks found in patch. Begin removed lines with `-`, added lines with `+`, and the \
             unchanged lines around them with a space."
                .to_owned(),
        ));
    }
    hunks.iter().try_fold(value.to_owned(), |value, hunk| apply_hunk(&value, hunk))
}

/// The hunks that change something.
fn hunks<'a>(lines: &[&'a str]) -> Vec<Vec<Line<'a>>> {
    let mut hunks = vec![Vec::new()];
    for line in lines {
        if ["*** ", "--- ", "+++ "].iter().any(|header| line.starts_with(header)) {
            continue;
        }
        if line.starts_with("@@") {
            hunks.push(Vec::new());
            continue;
        }
        let line = match (line.split_at_checked(1), line.is_empty()) {
            (Some((" ", rest)), _) => Line::Context(rest),
            (Some(("-", rest)), _) => Line::Removed(rest),
            (Some(("+", rest)), _) => Line::Added(rest),
            (_, true) => Line::Context(""),
            _ => continue,
        };
        if let Some(hunk) = hunks.last_mut() {
            hunk.push(line);
        }
    }
    for hunk in &mut hunks {
        // Empty lines before the next hunk, header or the end are layout more often than content, and as
        // unchanged lines they would do nothing but narrow the search.
        while hunk.last() == Some(&Line::Context("")) {
            hunk.pop();
        }
    }
    hunks.retain(|hunk| hunk.iter().any(|line| !matches!(line, Line::Context(_))));
    hunks
}

fn apply_hunk(value: &str, hunk: &[Line<'_>]) -> Result<String> {
    let expected: Vec<&str> = hunk
        .iter()
        .filter_map(|line| match line {
            Line::Context(text) | Line::Removed(text) => Some(*text),
            Line::Added(_) => None,
        })
        .collect();
    if expected.is_empty() {
        let added = hunk.iter().filter_map(|line| if let Line::Added(text) = line { Some(*text) } else { None });
        let added = added.collect::<Vec<_>>().join("\n");
        let between = if value.is_empty() || value.ends_with('\n') { "" } else { "\n" };
        return Ok(format!("{value}{between}{added}"));
    }
    let lines: Vec<&str> = value.split('\n').collect();
    let places = |same: fn(&str, &str) -> bool| -> Vec<usize> {
        let runs = lines.windows(expected.len()).enumerate();
        runs.filter(|(_, run)| run.iter().zip(&expected).all(|(a, b)| same(a, b))).map(|(at, _)| at).collect()
    };
    let mut found = places(|a, b| a == b);
    if found.is_empty() {
        found = places(text::same_line);
    }
    let shown = || expected.iter().take(SHOWN_LINES).copied().collect::<Vec<_>>().join("\n");
    let at = match found.as_slice() {
        [at] => *at,
        [] => {
            return Err(MemoryError(format!(
                "Failed to apply patch: expected hunk context not found. These lines must stand in the block as they \
                 are, one after the other:\n{}",
                shown()
            )));
        }
        _ => {
            return Err(MemoryError(format!(
                "Failed to apply patch: hunk context matched multiple places. Take in more of the lines around the \
                 change. Looked for:\n{}",
                shown()
            )));
        }
    };
    let (before, rest) = lines.split_at_checked(at).unwrap_or_default();
    let mut rest = rest.iter().copied();
    let mut result = before.to_vec();
    for line in hunk {
        match line {
            // The block's own line, which may differ in tabs.
            Line::Context(_) => result.extend(rest.next()),
            Line::Removed(_) => drop(rest.next()),
            Line::Added(text) => result.push(text),
        }
    }
    result.extend(rest);
    Ok(result.join("\n"))
}
