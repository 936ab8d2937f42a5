//! What an agent sees of a file: numbered lines under a header, cut to the agent's limit.

use std::fmt::Write as _;

use crate::{
    agent::defaults::FileLimits,
    orm::{agents::AgentRow, file_agents::FileAgentRow},
    schema::{Block, BlockId, FileBlock},
};

/// What stands at the end of a text that was cut.
const CUT: &str = "...[TRUNCATED]\nThis is not the whole file. Use your file tools to look at other parts of it.";

/// How the text of a file is divided into lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Indentation means something.
    Code,
    /// Prose: a line of the view is a sentence.
    Prose,
    /// Everything else.
    Lines,
}

impl Kind {
    fn of(file_type: Option<&str>) -> Self {
        match file_type.unwrap_or_default() {
            "text/markdown" => Self::Prose,
            "text/x-python" | "text/javascript" | "text/x-typescript" | "text/x-java-source" | "text/x-c++"
            | "text/x-c" | "text/x-csharp" | "text/x-php" | "text/x-ruby" | "text/x-go" | "text/x-rust"
            | "text/x-swift" | "text/x-kotlin" | "text/x-scala" | "text/x-r" | "text/x-objective-c" | "text/html"
            | "text/x-vue" | "text/x-jsx" | "text/x-tsx" | "text/x-shellscript" | "text/x-powershell"
            | "text/x-batch" | "text/x-dockerfile" | "text/x-sql" => Self::Code,
            _ => Self::Lines,
        }
    }

    const fn unit(self) -> &'static str {
        match self {
            Self::Prose => "sentences",
            Self::Code | Self::Lines => "lines",
        }
    }
}

/// The lines of a file as they are counted: blank ones are none.
pub(crate) fn lines(text: &str, file_type: Option<&str>) -> Vec<String> {
    fn kept<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<String> {
        lines.filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }
    match Kind::of(file_type) {
        Kind::Code => kept(text.lines().map(str::trim_end)),
        Kind::Lines => kept(text.lines().map(str::trim)),
        Kind::Prose => sentences(text),
    }
}

fn sentences(text: &str) -> Vec<String> {
    let mut sentences = Vec::new();
    let mut sentence = String::new();
    for word in text.split_whitespace() {
        let ends = sentence.ends_with(['.', '!', '?']);
        if ends && word.starts_with(char::is_uppercase) {
            sentences.push(std::mem::take(&mut sentence));
        }
        if !sentence.is_empty() {
            sentence.push(' ');
        }
        sentence.push_str(word);
    }
    if !sentence.is_empty() {
        sentences.push(sentence);
    }
    sentences
}

/// The whole file; nothing for a file without text.
pub(crate) fn whole(text: &str, file_type: Option<&str>) -> String {
    let lines = lines(text, file_type);
    if lines.is_empty() {
        return String::new();
    }
    let header = format!("[Viewing file start (out of {} {})]", lines.len(), Kind::of(file_type).unit());
    numbered(header, lines.iter().zip(1..))
}

fn numbered<'a>(header: String, lines: impl Iterator<Item = (&'a String, usize)>) -> String {
    let mut text = header;
    for (line, number) in lines {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n{number}: {line}");
    }
    text
}

/// How many characters of a file the agent sees.
pub(crate) fn char_limit(agent: &AgentRow) -> i64 {
    FileLimits::of(agent).per_file_view_window_char_limit
}

/// The text, or so much of its beginning as fits into the limit together with a note that there is more.
pub(crate) fn cut(mut text: String, limit: i64) -> String {
    let limit = usize::try_from(limit).unwrap_or(0);
    if text.len() <= limit || text.chars().count() <= limit {
        return text;
    }
    // A limit too small for the note has room for text alone.
    let note = if CUT.len() <= limit { CUT } else { "" };
    let end = text.char_indices().nth(limit.saturating_sub(note.len())).map_or(text.len(), |(at, _)| at);
    text.truncate(end);
    text + note
}

/// The files of an agent in the form of blocks.
pub(crate) fn blocks(rows: Vec<FileAgentRow>, limit: i64) -> Vec<FileBlock> {
    rows.into_iter().map(|row| block(row, limit)).collect()
}

fn block(row: FileAgentRow, limit: i64) -> FileBlock {
    let value = row.visible_content.filter(|_| row.is_open).map_or_else(String::new, |text| cut(text, limit));
    FileBlock {
        block: Block {
            value,
            limit,
            project_id: None,
            template_name: None,
            is_template: false,
            template_id: None,
            base_template_id: None,
            deployment_id: None,
            entity_id: None,
            preserve_on_migration: false,
            label: row.file_name,
            read_only: true,
            description: None,
            metadata: serde_json::Map::new(),
            hidden: None,
            // The same at each reading, as long as the agent has the file.
            id: BlockId::from_uuid(row.id.uuid()),
            created_by_id: None,
            last_updated_by_id: None,
            tags: Vec::new(),
        },
        file_id: row.file_id,
        source_id: row.source_id,
        is_open: row.is_open,
        last_accessed_at: Some(row.last_accessed_at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_numbered_and_blank_ones_do_not_count() {
        assert_eq!(
            whole("  one \r\n\n\ttwo\n   \n", Some("text/plain")),
            "[Viewing file start (out of 2 lines)]\n1: one\n2: two"
        );
        assert_eq!(whole(" \n\n", None), "");
    }

    #[test]
    fn code_keeps_its_indentation() {
        assert_eq!(
            whole("def f():\n    return 1  \n", Some("text/x-python")),
            "[Viewing file start (out of 2 lines)]\n1: def f():\n2:     return 1"
        );
    }

    #[test]
    fn prose_is_divided_into_sentences() {
        assert_eq!(
            whole("# Title\nIt is 3.5 m. long. Really?\nYes! no.", Some("text/markdown")),
            "[Viewing file start (out of 3 sentences)]\n1: # Title It is 3.5 m. long.\n2: Really?\n3: Yes! no."
        );
        assert!(whole("a. B", Some("text/x-markdown")).contains("out of 1 lines"));
    }

    #[test]
    fn a_cut_text_is_exactly_as_long_as_the_limit() {
        let text = "ä".repeat(500);
        for limit in [0, 10, 100, 120, 499] {
            let cut = cut(text.clone(), limit);
            assert_eq!(i64::try_from(cut.chars().count()).unwrap(), limit);
            assert_eq!(cut.contains("...[TRUNCATED]\n"), limit >= 100, "{limit}");
        }
        assert_eq!(cut(text.clone(), 500), text);
    }
}
