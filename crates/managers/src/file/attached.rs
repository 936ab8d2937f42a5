//! The files that one agent has: which are open, and which are closed to make room for others.

use std::{cmp::Reverse, collections::HashSet};

use super::view;
use crate::{
    agent::defaults::FileLimits,
    error::Result,
    orm::{Conn, agents::AgentRow, file_agents, file_agents::FileAgentRow, files},
    schema::{AgentId, FileAgentId, FileId, FileMetadata, Timestamp},
};

/// The files of an agent, and what has changed of them.
#[derive(Debug)]
pub(crate) struct OpenFiles {
    agent_id: AgentId,
    max_open: usize,
    rows: Vec<FileAgentRow>,
    changed: HashSet<FileAgentId>,
}

impl OpenFiles {
    /// Those of this agent. Lock its row first.
    pub(crate) fn of(conn: &mut Conn, agent: &AgentRow) -> Result<Self> {
        let rows = file_agents::attached_to(conn, agent.id)?;
        Ok(Self::new(agent.id, FileLimits::of(agent).max_files_open, rows))
    }

    fn new(agent_id: AgentId, max_open: i64, rows: Vec<FileAgentRow>) -> Self {
        Self { agent_id, max_open: usize::try_from(max_open).unwrap_or(0), rows, changed: HashSet::new() }
    }

    /// Writes what has changed.
    pub(crate) fn store(self, conn: &mut Conn) -> Result<()> {
        let changed: Vec<_> = self.rows.into_iter().filter(|row| self.changed.contains(&row.id)).collect();
        Ok(file_agents::put(conn, &changed)?)
    }

    /// Whether the agent has the file.
    pub(crate) fn has(&self, file: FileId) -> bool {
        self.rows.iter().any(|row| row.file_id == file)
    }

    /// Gives the agent these files. The first of them are opened; where they leave room, what was looked at last
    /// stays open; all else is closed. The names of what is closed are returned, new files that did not fit
    /// included. Returns also which files are to be shown, with [`Self::show`].
    pub(crate) fn add(&mut self, files: &[FileMetadata]) -> (Vec<String>, Vec<FileId>) {
        let now = Timestamp::now();
        let mut closed = Vec::new();
        let mut opened = Vec::new();
        let mut names = HashSet::new();
        let mut added = HashSet::new();
        for file in files {
            let name = name(file);
            let taken = self.rows.iter().any(|row| row.file_name == name && row.file_id != file.id);
            if taken || !names.insert(name.clone()) {
                continue;
            }
            let is_open = opened.len() < self.max_open;
            let row = self.entry(file, name, now);
            (row.is_open, row.visible_content, row.last_accessed_at) = (is_open, None, now);
            (row.start_line, row.end_line) = (None, None);
            let (id, name) = (row.id, row.file_name.clone());
            if is_open {
                opened.push(file.id)
            } else {
                closed.push(name)
            }
            added.insert(file.id);
            self.changed.insert(id);
        }
        let room = self.max_open.saturating_sub(opened.len());
        let mut others = self.close_oldest(|row| !added.contains(&row.file_id), room);
        others.extend(closed);
        (others, opened)
    }

    /// Sets what is seen of an open file.
    pub(crate) fn show(&mut self, file: FileId, text: String) {
        if let Some(row) = self.rows.iter_mut().find(|row| row.file_id == file) {
            row.visible_content = Some(text);
            self.changed.insert(row.id);
        }
    }

    /// Opens a file that the agent has, as a whole. The names of those that are closed to make room are returned.
    pub(crate) fn open(&mut self, file: FileId, text: String) -> Vec<String> {
        let room = self.max_open.saturating_sub(1);
        let closed = self.close_oldest(|row| row.file_id != file, room);
        if let Some(row) = self.rows.iter_mut().find(|row| row.file_id == file) {
            (row.is_open, row.visible_content, row.last_accessed_at) = (true, Some(text), Timestamp::now());
            (row.start_line, row.end_line) = (None, None);
            self.changed.insert(row.id);
        }
        closed
    }

    /// Closes a file. False when the agent does not have it.
    pub(crate) fn close(&mut self, file: FileId) -> bool {
        let Some(row) = self.rows.iter_mut().find(|row| row.file_id == file) else { return false };
        if row.is_open {
            (row.is_open, row.last_accessed_at) = (false, Timestamp::now());
            self.changed.insert(row.id);
        }
        true
    }

    /// Closes all, and returns the names of those that were open.
    pub(crate) fn close_all(&mut self) -> Vec<String> {
        self.close_oldest(|_| true, 0)
    }

    fn entry(&mut self, file: &FileMetadata, file_name: String, now: Timestamp) -> &mut FileAgentRow {
        let at = self.rows.iter().position(|row| row.file_id == file.id).unwrap_or_else(|| {
            self.rows.push(FileAgentRow {
                id: FileAgentId::random(),
                agent_id: self.agent_id,
                file_id: file.id,
                source_id: file.source_id,
                file_name: String::new(),
                is_open: false,
                visible_content: None,
                last_accessed_at: now,
                start_line: None,
                end_line: None,
            });
            self.rows.len() - 1
        });
        #[allow(clippy::indexing_slicing, reason = "the position of a row that was found or just added")]
        let row = &mut self.rows[at];
        row.file_name = file_name;
        row
    }

    /// Closes so many of the open files of this kind, oldest access first, that `room` of them stay.
    fn close_oldest(&mut self, among: impl Fn(&FileAgentRow) -> bool, room: usize) -> Vec<String> {
        let mut open: Vec<&mut FileAgentRow> = self.rows.iter_mut().filter(|row| row.is_open && among(row)).collect();
        open.sort_by_key(|row| Reverse((row.last_accessed_at, row.id)));
        let mut closed = Vec::new();
        for row in open.into_iter().skip(room).rev() {
            (row.is_open, row.visible_content) = (false, None);
            self.changed.insert(row.id);
            closed.push(row.file_name.clone());
        }
        closed
    }
}

/// Gives the agent these files, the first of them open.
pub(crate) fn add(conn: &mut Conn, agent: &AgentRow, files: &[FileMetadata]) -> Result<()> {
    if files.is_empty() {
        return Ok(());
    }
    let mut open = OpenFiles::of(conn, agent)?;
    let (_, opened) = open.add(files);
    let mut texts = files::contents(conn, &opened)?;
    for file in files.iter().filter(|file| opened.contains(&file.id)) {
        let text = texts.remove(&file.id).unwrap_or_default();
        open.show(file.id, view::whole(&text, file.file_type.as_deref()));
    }
    open.store(conn)
}

fn name(file: &FileMetadata) -> String {
    file.file_name.clone().or_else(|| file.original_file_name.clone()).unwrap_or_else(|| file.id.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::SourceId;

    fn file(name: &str) -> FileMetadata {
        let json = json!({"id": FileId::random(), "source_id": SourceId::random(), "file_name": name});
        serde_json::from_value(json).unwrap()
    }

    fn files(names: &[&str]) -> Vec<FileMetadata> {
        names.iter().map(|name| file(name)).collect()
    }

    fn of(max: i64) -> OpenFiles {
        OpenFiles::new(AgentId::random(), max, Vec::new())
    }

    impl OpenFiles {
        fn id(&self, name: &str) -> FileId {
            self.rows.iter().find(|row| row.file_name == name).unwrap().file_id
        }

        fn open_names(&self) -> Vec<&str> {
            self.rows.iter().filter(|row| row.is_open).map(|row| row.file_name.as_str()).collect()
        }

        fn touch(&mut self, name: &str) -> Vec<String> {
            let id = self.id(name);
            // Accesses must not share a microsecond.
            std::thread::sleep(std::time::Duration::from_millis(1));
            self.open(id, String::new())
        }
    }

    #[test]
    fn new_files_are_opened_first_come_first() {
        let mut open = of(2);
        let (closed, opened) = open.add(&files(&["a", "b", "c", "a"]));
        assert_eq!(closed, ["c"]);
        assert_eq!(opened, [open.id("a"), open.id("b")]);
        assert_eq!(open.rows.len(), 3, "a name counts once");
    }

    #[test]
    fn what_was_looked_at_last_stays_open_beside_new_files() {
        let mut open = of(3);
        open.add(&files(&["a", "b", "c"]));
        for name in ["c", "a", "b"] {
            assert!(open.touch(name).is_empty());
        }
        let (closed, _) = open.add(&files(&["d"]));
        assert_eq!(closed, ["c"]);
        assert_eq!(open.open_names(), ["a", "b", "d"]);
        let (closed, _) = open.add(&files(&["e", "f", "g", "h"]));
        assert_eq!(closed, ["a", "b", "d", "h"]);
        assert_eq!(open.open_names(), ["e", "f", "g"]);
    }

    #[test]
    fn opening_one_closes_the_one_not_looked_at_for_longest() {
        let mut open = of(2);
        open.add(&files(&["a", "b", "c"]));
        open.touch("b");
        assert_eq!(open.touch("c"), ["a"]);
        assert_eq!(open.touch("c"), [] as [&str; 0], "it is open already");
        assert_eq!(open.touch("a"), ["b"]);
        assert_eq!(open.open_names(), ["a", "c"]);
    }

    #[test]
    fn a_file_can_always_be_opened_and_closed() {
        let mut open = of(0);
        open.add(&files(&["a", "b"]));
        assert!(open.open_names().is_empty());
        open.touch("a");
        assert_eq!(open.touch("b"), ["a"]);
        assert!(open.close(open.id("b")));
        assert!(open.close(open.id("b")), "closing twice is no error");
        assert!(!open.close(FileId::random()));
        open.touch("a");
        assert_eq!(open.close_all(), ["a"]);
    }

    #[test]
    fn a_file_that_is_added_again_is_opened_anew() {
        let mut open = of(5);
        let files = files(&["a"]);
        open.add(&files);
        open.close_all();
        open.add(&files);
        assert_eq!((open.rows.len(), open.open_names()), (1, vec!["a"]));
    }
}
