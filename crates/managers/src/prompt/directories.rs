//! Folders and their files as the model sees them.

use super::PromptInput;
use crate::schema::{AgentType, FileBlock, Source};

/// The section with the folders, if the agent has any.
pub(super) fn render(input: &PromptInput<'_>) -> Option<String> {
    if input.folders.is_empty() {
        return None;
    }
    let nested = matches!(input.agent_type, AgentType::ReactAgent | AgentType::WorkflowAgent);
    let mut text = String::from("<directories>\n");
    if let Some(max) = input.max_files_open {
        let open = input.files.iter().filter(|file| is_open(file)).count();
        text += &format!("<file_limits>\n- current_files_open={open}\n- max_files_open={max}\n</file_limits>\n");
    }
    for folder in input.folders {
        push_folder(&mut text, folder);
        for file in input.files.iter().filter(|file| file.source_id == folder.id) {
            if nested { push_nested(&mut text, file) } else { push_file(&mut text, file) }
        }
        text += "</directory>\n";
    }
    Some(text + "</directories>")
}

/// Whether the model sees anything of the file.
const fn is_open(file: &FileBlock) -> bool {
    !file.block.value.is_empty()
}

const fn status(file: &FileBlock) -> &'static str {
    if is_open(file) { "open" } else { "closed" }
}

fn push_folder(text: &mut String, folder: &Source) {
    *text += &format!("<directory name=\"{}\">\n", folder.name);
    for (tag, words) in [("description", &folder.description), ("instructions", &folder.instructions)] {
        if let Some(words) = words.as_deref().filter(|words| !words.is_empty()) {
            *text += &format!("<{tag}>{words}</{tag}>\n");
        }
    }
}

fn push_file(text: &mut String, file: &FileBlock) {
    *text += &format!("<file status=\"{}\" name=\"{}\">\n", status(file), file.block.label);
    push_metadata(text, file);
    if is_open(file) {
        push_value(text, file);
    }
    *text += "</file>\n";
}

/// The layout for the types of agents that know no blocks: the file's name is an element of its own.
fn push_nested(text: &mut String, file: &FileBlock) {
    let label = &file.block.label;
    let description = file.block.description.as_deref().unwrap_or_default();
    *text += &format!("<file status=\"{}\">\n<{label}>\n", status(file));
    *text += &format!("<description>\n{description}\n</description>\n");
    push_metadata(text, file);
    push_value(text, file);
    *text += &format!("</{label}>\n</file>\n");
}

fn push_metadata(text: &mut String, file: &FileBlock) {
    *text += "<metadata>\n";
    if file.block.read_only {
        *text += "- read_only=true\n";
    }
    let chars = file.block.value.chars().count();
    *text += &format!("- chars_current={chars}\n- chars_limit={}\n</metadata>\n", file.block.limit);
}

fn push_value(text: &mut String, file: &FileBlock) {
    *text += &format!("<value>\n{}\n</value>\n", file.block.value);
}
