//! The skills that a model is told of: instructions that it may read when it has use for them.
//!
//! They are the agent's, which it has as blocks, and those that a client offers with its request. They are told in that
//! request alone and never stored, so the system message stays what it is.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use muisti_orm::{Conn, blocks, histories::HistoryId, schema::ClientSkill};

use crate::{Result, conversation::shown_blocks};

/// What the labels of blocks begin with that are skills.
const LABELS: &str = "skills/";
/// The file of a skill, in the directory of its name.
const FILE: &str = "SKILL.md";

/// A skill, as the model is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Skill {
    name: String,
    description: String,
    location: String,
}

impl Skill {
    /// The skill that a block with this label is, if it is one: `skills/<name>` or `skills/<name>/SKILL`.
    fn of_block(label: &str, description: Option<String>) -> Option<Self> {
        let label = label.strip_prefix(LABELS)?;
        let name = label.strip_suffix("/SKILL").unwrap_or(label);
        let is_name = !name.is_empty() && !name.contains('/');
        is_name.then(|| Self {
            name: name.to_owned(),
            description: description.unwrap_or_default(),
            location: location_of(name),
        })
    }

    fn of_client(skill: &ClientSkill) -> Self {
        let location = Some(skill.location.trim()).filter(|location| !location.is_empty());
        Self {
            name: skill.name.clone(),
            description: skill.description.clone(),
            location: location.map_or_else(|| location_of(&skill.name), str::to_owned),
        }
    }

    /// The directory that the skill is in among others, and the path of its file from there.
    fn place(&self) -> (&str, &str) {
        let own = format!("/{}/{FILE}", self.name);
        let root = match self.location.strip_suffix(&own) {
            Some(root) => root,
            None => self.location.rsplit_once('/').map_or("", |(directory, _)| directory),
        };
        let path = self.location.get(root.len()..).unwrap_or_default().trim_start_matches('/');
        match root {
            "" if self.location.starts_with('/') => ("/", path),
            "" => (".", path),
            root => (root, path),
        }
    }
}

/// Where a skill is whose location nobody has said.
fn location_of(name: &str) -> String {
    format!("${{MEMORY_DIR}}/skills/{name}/{FILE}")
}

/// The skills that the agent has in a history.
pub(super) fn read(conn: &mut Conn, history: HistoryId) -> Result<Vec<Skill>> {
    // Most agents have none, and then their blocks need not be read.
    if !blocks::any_labelled(conn, history.agent_id, LABELS)? {
        return Ok(Vec::new());
    }
    let blocks = shown_blocks(conn, history.agent_id, history.conversation_id)?;
    Ok(blocks.into_iter().filter_map(|block| Skill::of_block(&block.label, block.description)).collect())
}

/// What the model is told of the agent's skills and the client's; none if there are none. Of two with one name the
/// agent's counts, or else the first.
pub(super) fn section(own: &[Skill], client: &[ClientSkill]) -> Option<String> {
    let mut names = HashSet::new();
    let mut roots: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for skill in own.iter().cloned().chain(client.iter().map(Skill::of_client)) {
        let (root, path) = skill.place();
        let line = match skill.description.trim().lines().next() {
            Some(use_of) => format!("{path} ({})", use_of.trim_end()),
            None => path.to_owned(),
        };
        if names.insert(skill.name.clone()) {
            roots.entry(root.to_owned()).or_default().insert(line);
        }
    }
    let trees: Vec<String> = roots.iter().map(|(root, files)| tree(root, files)).collect();
    (!trees.is_empty()).then(|| format!("<available_skills>\n{}\n</available_skills>", trees.join("\n\n")))
}

fn tree(root: &str, files: &BTreeSet<String>) -> String {
    let mut tree = root.to_owned();
    for (index, file) in files.iter().enumerate() {
        let branch = if index + 1 == files.len() { "└── " } else { "├── " };
        tree.push('\n');
        tree.push_str(branch);
        tree.push_str(file);
    }
    tree
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(name: &str, description: &str, location: &str) -> ClientSkill {
        ClientSkill { name: name.to_owned(), description: description.to_owned(), location: location.to_owned() }
    }

    fn skills(blocks: &[(&str, &str)]) -> Vec<Skill> {
        blocks.iter().filter_map(|(label, use_of)| Skill::of_block(label, Some((*use_of).to_owned()))).collect()
    }

    #[test]
    fn without_skills_there_is_no_section() {
        assert_eq!(section(&[], &[]), None);
        assert_eq!(skills(&[("human", "x"), ("skills/", "x"), ("skills/pdf/forms", "x"), ("my/skills/pdf", "x")]), []);
    }

    #[test]
    fn skills_are_a_tree_for_each_directory_they_are_in() {
        let own = skills(&[("skills/web", "Reads pages.\nAll of them."), ("skills/pdf/SKILL", " Fills in forms. ")]);
        let client = [
            client("git", "Commits.", "/home/me/.skills/git/SKILL.md"),
            client("diff", "", "/home/me/.skills/diff/SKILL.md"),
            client("notes", "Takes notes.", "/srv/notes.md"),
            client("bare", "Is here.", "bare.md"),
            client("nowhere", "Has no place.", " "),
        ];
        let expected = "<available_skills>\n\
            ${MEMORY_DIR}/skills\n├── nowhere/SKILL.md (Has no place.)\n├── pdf/SKILL.md (Fills in forms.)\n\
            └── web/SKILL.md (Reads pages.)\n\n\
            .\n└── bare.md (Is here.)\n\n\
            /home/me/.skills\n├── diff/SKILL.md\n└── git/SKILL.md (Commits.)\n\n\
            /srv\n└── notes.md (Takes notes.)\n\
            </available_skills>";
        assert_eq!(section(&own, &client).unwrap(), expected);
    }

    #[test]
    fn of_two_skills_with_one_name_the_agents_counts() {
        let own = skills(&[("skills/pdf", "The agent's."), ("skills/pdf/SKILL", "Once more.")]);
        let client = [
            client("pdf", "The client's.", "/else/pdf/SKILL.md"),
            client("x", "First.", "/x"),
            client("x", "Second.", "/x"),
        ];
        let section = section(&own, &client).unwrap();
        assert_eq!(section.matches(" (").count(), 2, "{section}");
        assert!(section.contains("pdf/SKILL.md (The agent's.)") && section.contains("/\n└── x (First.)"), "{section}");
    }
}
