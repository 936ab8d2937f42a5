//! The tools by which an agent edits its own memory, as pure functions over its blocks.
//!
//! Nothing is read or written here: a call goes in with the blocks as they are, and out comes what is to be
//! done to them and what the agent is told. All of it is done, or, on an error, nothing.

mod patch;
mod text;

use serde_json::{Map, Value};

/// A block as the memory tools see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryBlock {
    /// Unique among the blocks of one agent.
    pub label: String,
    /// The content.
    pub value: String,
    /// Whether the agent's tools must leave it alone.
    pub read_only: bool,
}

/// One thing to do to the blocks of an agent.
///
/// Edits are carried out in the order given; a label means the block that has it by then, so what follows a
/// [`BlockEdit::Rename`] speaks of the new label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlockEdit {
    /// Replace the value of a block.
    SetValue { label: String, value: String },
    /// Make a new block and attach it to the agent.
    Create { label: String, description: String, value: String },
    /// Take a block off the agent. The block itself lives on.
    Detach { label: String },
    /// Change the label of a block, for all agents that share it.
    Rename { label: String, to: String },
    /// Replace the description of a block.
    SetDescription { label: String, description: String },
}

/// What a memory tool wants done, and what the agent is told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Edited {
    /// In the order to be carried out.
    pub edits: Vec<BlockEdit>,
    /// The return value of the call; none is null.
    pub returns: Option<String>,
}

/// Why a memory tool refuses a call: the text is the tool's answer to the agent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MemoryError(pub String);

type Result<T = Edited, E = MemoryError> = std::result::Result<T, E>;

const SHOWN: &str = "Your system prompt now shows the change.";

/// Whether a tool of this name edits memory. Two of the names are older ones for commands of `memory`.
#[must_use]
pub fn is_memory_tool(name: &str) -> bool {
    matches!(
        name,
        "core_memory_append"
            | "core_memory_replace"
            | "memory_replace"
            | "memory_str_replace"
            | "memory_insert"
            | "memory_str_insert"
            | "memory_rethink"
            | "memory_finish_edits"
            | "memory_apply_patch"
            | "memory"
    )
}

/// Runs the memory tool `name` over `blocks`. The arguments have been checked against the tool's schema; what
/// is still missing is an error.
///
/// # Errors
///
/// The sentence that the agent gets, when the call cannot be carried out.
pub fn run(name: &str, args: &Map<String, Value>, blocks: &[MemoryBlock]) -> Result {
    let text = |key: &str| args.get(key).and_then(Value::as_str);
    let needed = |key: &str| text(key).ok_or_else(|| MemoryError(format!("Argument '{key}' is required for {name}.")));
    let line = args.get("insert_line").and_then(Value::as_i64).unwrap_or(-1);
    match name {
        "core_memory_append" => core_memory_append(blocks, needed("label")?, needed("content")?),
        "core_memory_replace" => {
            core_memory_replace(blocks, needed("label")?, needed("old_content")?, needed("new_content")?)
        }
        "memory_replace" | "memory_str_replace" => {
            memory_replace(blocks, needed("label")?, needed("old_string")?, needed("new_string")?)
        }
        "memory_insert" => memory_insert(blocks, needed("label")?, ("new_string", needed("new_string")?), line),
        "memory_str_insert" => memory_insert(blocks, needed("label")?, ("insert_text", needed("insert_text")?), line),
        "memory_rethink" => memory_rethink(blocks, needed("label")?, needed("new_memory")?),
        "memory_finish_edits" => Ok(Edited::default()),
        "memory_apply_patch" => patch::apply(blocks, needed("label")?, needed("patch")?),
        "memory" => memory(blocks, args),
        _ => Err(MemoryError(format!("'{name}' is not a memory tool."))),
    }
}

/// Adds a line to the end of a block.
///
/// # Errors
///
/// The block is unknown or read-only.
pub fn core_memory_append(blocks: &[MemoryBlock], label: &str, content: &str) -> Result {
    let block = editable(blocks, label)?;
    // An empty block has no line to come after.
    let value = if block.value.is_empty() { content.to_owned() } else { format!("{}\n{content}", block.value) };
    Ok(set_value(label, value))
}

/// Replaces every occurrence of a text in a block.
///
/// # Errors
///
/// The block is unknown or read-only, or the text does not occur.
pub fn core_memory_replace(blocks: &[MemoryBlock], label: &str, old: &str, new: &str) -> Result {
    let block = editable(blocks, label)?;
    if old.is_empty() && !block.value.is_empty() {
        return Err(MemoryError(format!(
            "old_content is empty, so there is nothing to find in memory block '{label}'. Give the text to replace, \
             or add text with core_memory_append."
        )));
    }
    if !block.value.contains(old) {
        return Err(MemoryError(format!("Old content '{old}' not found in memory block '{label}'")));
    }
    Ok(set_value(label, block.value.replace(old, new)))
}

/// Replaces the one occurrence of a text in a block. Where the text does not occur as it stands, tabs and the
/// spaces that they stand for count as the same.
///
/// # Errors
///
/// The block is unknown or read-only, a text shows line numbers, or the text occurs nowhere or more than once.
pub fn memory_replace(blocks: &[MemoryBlock], label: &str, old: &str, new: &str) -> Result {
    let block = editable(blocks, label)?;
    text::refuse_line_numbers("old_string", old)?;
    text::refuse_line_numbers("new_string", new)?;
    if old.is_empty() && !block.value.is_empty() {
        return Err(MemoryError(format!(
            "No replacement was performed, because old_string is empty. Give the text of memory block '{label}' to \
             replace, or add text with memory_insert."
        )));
    }
    let places = text::find(&block.value, old);
    match places.as_slice() {
        [] => Err(MemoryError(format!(
            "No replacement was performed, old_string `{old}` did not appear verbatim in memory block '{label}'. \
             Copy the text to replace exactly as the block has it, line breaks included."
        ))),
        [place] => {
            let before = block.value.get(..place.start).unwrap_or_default();
            let after = block.value.get(place.end..).unwrap_or_default();
            Ok(set_value(label, format!("{before}{new}{after}")))
        }
        _ => Err(MemoryError(format!(
            "No replacement was performed. Multiple occurrences of old_string `{old}` in lines {:?}. Take in more of \
             the text around it, so that it occurs only once.",
            text::lines_with(&block.value, old)
        ))),
    }
}

/// Inserts a text, given with the name of its argument, after a line of a block: 0 is before all lines, -1 at
/// the end.
///
/// # Errors
///
/// The block is unknown or read-only, the text shows line numbers, or there is no such line.
pub fn memory_insert(blocks: &[MemoryBlock], label: &str, (name, new): (&str, &str), line: i64) -> Result {
    let block = editable(blocks, label)?;
    text::refuse_line_numbers(name, new)?;
    let mut lines: Vec<&str> = block.value.split('\n').collect();
    let at = match usize::try_from(line) {
        Ok(at) if at <= lines.len() => at,
        _ if line == -1 => lines.len(),
        _ => {
            return Err(MemoryError(format!(
                "Invalid `insert_line` parameter: {line}. It must be in the range [0, {}] of the lines of memory \
                 block '{label}', or -1 for the end.",
                lines.len()
            )));
        }
    };
    if block.value.is_empty() {
        lines.clear();
    }
    lines.insert(at.min(lines.len()), new);
    Ok(set_value(label, lines.join("\n")))
}

/// Replaces the whole value of a block.
///
/// # Errors
///
/// The block is unknown or read-only, or the text shows line numbers.
pub fn memory_rethink(blocks: &[MemoryBlock], label: &str, new_memory: &str) -> Result {
    editable(blocks, label)?;
    text::refuse_line_numbers("new_memory", new_memory)?;
    Ok(set_value(label, new_memory.to_owned()))
}

/// The tool `memory`, whose first argument is a command.
fn memory(blocks: &[MemoryBlock], args: &Map<String, Value>) -> Result {
    let text = |key: &str| args.get(key).and_then(Value::as_str);
    let command = text("command").ok_or_else(|| MemoryError("Error: command is required".to_owned()))?;
    let needed =
        |key: &str| text(key).ok_or_else(|| MemoryError(format!("Error: {key} is required for {command} command")));
    let label_of = |key: &str| {
        let path = needed(key)?;
        let label = path.strip_prefix("/memories/").unwrap_or(path);
        let label = label.strip_prefix('/').unwrap_or(label);
        if label.is_empty() {
            return Err(MemoryError(format!("Error: {key} must name a memory block, such as /memories/human")));
        }
        Ok(label)
    };
    match command {
        "create" => {
            let (label, description) = (label_of("path")?, needed("description")?);
            let value = text("file_text").unwrap_or_default();
            unused(blocks, label)?;
            text::refuse_line_numbers("file_text", value)?;
            Ok(Edited {
                edits: vec![BlockEdit::Create {
                    label: label.to_owned(),
                    description: description.to_owned(),
                    value: value.to_owned(),
                }],
                returns: Some(format!("Successfully created memory block '{label}'. {SHOWN}")),
            })
        }
        "str_replace" => memory_replace(blocks, label_of("path")?, needed("old_string")?, needed("new_string")?),
        "insert" => {
            let line = args.get("insert_line").and_then(Value::as_i64).unwrap_or(-1);
            memory_insert(blocks, label_of("path")?, ("insert_text", needed("insert_text")?), line)
        }
        "delete" => {
            let label = label_of("path")?;
            editable(blocks, label)?;
            Ok(Edited {
                edits: vec![BlockEdit::Detach { label: label.to_owned() }],
                returns: Some(format!("Successfully deleted memory block '{label}'. {SHOWN}")),
            })
        }
        "rename" if text("path").is_some() && text("old_path").is_none() => {
            let (label, description) = (label_of("path")?, needed("description")?);
            editable(blocks, label)?;
            Ok(Edited {
                edits: vec![BlockEdit::SetDescription { label: label.to_owned(), description: description.to_owned() }],
                returns: Some(format!("Successfully updated description of memory block '{label}'. {SHOWN}")),
            })
        }
        "rename" => {
            let (old, new) = (label_of("old_path")?, label_of("new_path")?);
            editable(blocks, old)?;
            if old != new {
                unused(blocks, new)?;
            }
            Ok(Edited {
                edits: vec![BlockEdit::Rename { label: old.to_owned(), to: new.to_owned() }],
                returns: Some(format!("Successfully renamed memory block '{old}' to '{new}'. {SHOWN}")),
            })
        }
        _ => Err(MemoryError(format!(
            "Error: Unknown command '{command}'. Supported commands: create, str_replace, insert, delete, rename"
        ))),
    }
}

/// The block with this label, if the agent's tools may change it.
fn editable<'a>(blocks: &'a [MemoryBlock], label: &str) -> Result<&'a MemoryBlock> {
    let Some(block) = blocks.iter().find(|block| block.label == label) else {
        let labels: Vec<&str> = blocks.iter().map(|block| block.label.as_str()).collect();
        return Err(MemoryError(format!(
            "Block field {label} does not exist (available sections = {})",
            labels.join(", ")
        )));
    };
    if block.read_only {
        return Err(MemoryError("Error This block is read-only and cannot be edited.".to_owned()));
    }
    Ok(block)
}

fn unused(blocks: &[MemoryBlock], label: &str) -> Result<()> {
    if blocks.iter().any(|block| block.label == label) {
        return Err(MemoryError(format!("Error: Memory block '{label}' already exists")));
    }
    Ok(())
}

/// The edit that sets a value, with the value as what the agent is told.
fn set_value(label: &str, value: String) -> Edited {
    Edited { edits: vec![BlockEdit::SetValue { label: label.to_owned(), value: value.clone() }], returns: Some(value) }
}

#[cfg(test)]
mod tests;
