//! The tools for speaking, for remembering and for recalling.

use serde_json::json;

use super::{OPTIONAL, REQUIRED, integer, list, one_of, parallel, string, strings, tool};
use crate::{schema::ToolType, tool::base::BaseTool};

const LABEL: &str = "The label of the memory block to edit.";

pub(super) fn core() -> Vec<BaseTool> {
    let kind = ToolType::LettaCore;
    vec![
        tool(
            "send_message",
            kind,
            "Sends a message to the user. This is the only way to say something that the user can read.",
            vec![("message", REQUIRED, string("What the user will read. Any language and any Unicode character."))],
        ),
        parallel(tool(
            "conversation_search",
            kind,
            "Searches your past messages, also those that you no longer see, by their words and by their meaning.\n\n\
             Use it when the user refers to something said earlier, or before you say that you do not know something \
             that you may have been told. Do not use it for what is in front of you.\n\n\
             Leave out the query to list messages by time or role alone, newest first. Dates are ISO 8601, \
             YYYY-MM-DD or YYYY-MM-DDTHH:MM, in your timezone; both ends are included, and an end date without a \
             time covers that whole day.\n\n\
             Examples:\n\
             - What was said about the holiday: query \"holiday plans\"\n\
             - What the user wrote about it in March: query \"holiday plans\", roles [\"user\"], start_date \
             \"2025-03-01\", end_date \"2025-03-31\"\n\
             - All of one afternoon: start_date \"2025-03-08T12:00\", end_date \"2025-03-08T18:00\", limit 20",
            vec![
                (
                    "query",
                    OPTIONAL,
                    string(
                        "What to look for, in words that the messages would use. Left out, only the other arguments \
                         narrow the search.",
                    ),
                ),
                (
                    "roles",
                    OPTIONAL,
                    list(
                        &json!({"type": "string", "enum": ["assistant", "user", "tool"]}),
                        "Whose messages to search. Left out, all of them.",
                    ),
                ),
                ("limit", OPTIONAL, integer("How many messages to return at most. Left out, 5.")),
                (
                    "start_date",
                    OPTIONAL,
                    string("Only messages from this time on, such as 2025-03-01 or 2025-03-01T09:30."),
                ),
                (
                    "end_date",
                    OPTIONAL,
                    string("Only messages up to this time. A date alone means until the end of that day."),
                ),
            ],
        )),
        tool(
            "archival_memory_insert",
            kind,
            "Stores a text in your archival memory, where it stays for good and can be found by its meaning.\n\n\
             Use it for what is worth keeping but does not need to be in front of you all the time: facts, events, \
             summaries, documents. Store one subject at a time, and write it so that it can be understood by \
             itself: with names instead of pronouns, and with dates.\n\n\
             Example: content \"Ada moved from Turku to Oulu on 2025-03-01 to work at the university.\", tags \
             [\"ada\", \"moves\"]",
            vec![
                ("content", REQUIRED, string("The text to store, complete in itself.")),
                (
                    "tags",
                    OPTIONAL,
                    strings(
                        "Short words by which to narrow later searches. Use the same word for the same thing every \
                         time.",
                    ),
                ),
            ],
        ),
        parallel(tool(
            "archival_memory_search",
            kind,
            "Searches your archival memory by meaning.\n\n\
             Use it when you need something that you have stored there. Ask in a phrase or a sentence, which finds \
             more than a single word. Narrow the search with tags or times when it returns too much.\n\n\
             Examples:\n\
             - query \"where does Ada live\"\n\
             - query \"decisions about the budget\", tags [\"project-x\"], start_datetime \"2025-01-01\", top_k 10",
            vec![
                ("query", REQUIRED, string("What to look for.")),
                ("tags", OPTIONAL, strings("Only passages with these tags.")),
                (
                    "tag_match_mode",
                    OPTIONAL,
                    one_of(
                        &["any", "all"],
                        "Whether a passage must have any of the tags or all of them. Left out, any.",
                    ),
                ),
                ("top_k", OPTIONAL, integer("How many passages to return at most. Left out, 5.")),
                (
                    "start_datetime",
                    OPTIONAL,
                    string("Only passages stored from this time on, ISO 8601, such as 2025-03-01 or 2025-03-01T09:30."),
                ),
                (
                    "end_datetime",
                    OPTIONAL,
                    string(
                        "Only passages stored up to this time, ISO 8601. A date alone means until the end of that day.",
                    ),
                ),
            ],
        )),
    ]
}

pub(super) fn memory() -> Vec<BaseTool> {
    let kind = ToolType::LettaMemoryCore;
    vec![
        tool(
            "core_memory_append",
            kind,
            "Adds a line to the end of a memory block.\n\n\
             Use it to note something new. To correct what is there already, use a tool that replaces.\n\n\
             Example: label \"human\", content \"Has a dog named Musti.\"",
            vec![
                ("label", REQUIRED, string(LABEL)),
                ("content", REQUIRED, string("The text to add. It begins on a new line.")),
            ],
        ),
        tool(
            "core_memory_replace",
            kind,
            "Replaces a text in a memory block wherever it occurs in it.\n\n\
             Use it to correct or remove something. The old text must be written exactly as the block has it.\n\n\
             Examples:\n\
             - Correct: label \"human\", old_content \"Lives in Turku.\", new_content \"Lives in Oulu.\"\n\
             - Remove: label \"human\", old_content \"Lives in Turku.\", new_content \"\"",
            vec![
                ("label", REQUIRED, string(LABEL)),
                ("old_content", REQUIRED, string("The text to replace, exactly as it stands in the block.")),
                ("new_content", REQUIRED, string("What to put in its place. Empty to remove it.")),
            ],
        ),
        tool(
            "memory",
            kind,
            "Manages your memory blocks: changes what is in them, and makes, renames and deletes them. A block is \
             addressed by a path, which is /memories/ and its label.\n\n\
             Commands and what they need:\n\
             - create: path, description, and file_text for the content. A new block.\n\
             - str_replace: path, old_string, new_string. Replaces a text that occurs exactly once.\n\
             - insert: path, insert_text, insert_line. Inserts lines after a line; 0 is the start, left out is the end.\n\
             - delete: path. Takes the block out of your memory.\n\
             - rename: old_path and new_path to change the label, or path and description to change the \
             description.\n\n\
             Examples:\n\
             - command \"create\", path \"/memories/projects\", description \"What we are working on\", file_text \
             \"Garden: planned for May\"\n\
             - command \"str_replace\", path \"/memories/projects\", old_string \"planned for May\", new_string \
             \"begun on 2025-05-03\"\n\
             - command \"insert\", path \"/memories/projects\", insert_line 0, insert_text \"Two projects are open.\"\n\
             - command \"rename\", old_path \"/memories/projects\", new_path \"/memories/plans\"",
            vec![
                ("command", REQUIRED, one_of(&["create", "str_replace", "insert", "delete", "rename"], "What to do.")),
                (
                    "path",
                    OPTIONAL,
                    string(
                        "The block: create, str_replace, insert, delete, and rename when it changes the description.",
                    ),
                ),
                ("file_text", OPTIONAL, string("The content of the new block: create.")),
                ("description", OPTIONAL, string("What belongs in the block and what it is for: create, rename.")),
                (
                    "old_string",
                    OPTIONAL,
                    string("The text to replace, exactly as it stands in the block: str_replace."),
                ),
                ("new_string", OPTIONAL, string("What to put in its place, empty to remove it: str_replace.")),
                ("insert_line", OPTIONAL, integer("The line after which to insert, 0 for the start: insert.")),
                ("insert_text", OPTIONAL, string("The text to insert: insert.")),
                ("old_path", OPTIONAL, string("The block to rename: rename.")),
                ("new_path", OPTIONAL, string("Its new path: rename.")),
            ],
        ),
        tool(
            "memory_apply_patch",
            kind,
            "Changes memory blocks by a patch: for several changes at once, in one block or in many. Either all of \
             the patch is applied or none of it.\n\n\
             In a patch, a line that begins with - is removed, one that begins with + is added, and one that begins \
             with a space stays and shows where the change is. @@ on a line of its own begins the next change. The \
             lines that stay and those removed must stand together at exactly one place of the block, each line as a \
             whole. Lines that are only added go to the end.\n\n\
             To change more than one block, put a header before the changes of each:\n\
             - *** Update Block: <label>, then the changes\n\
             - *** Add Block: <label>, then a line Description: <what it is for>, then the content with + before each line\n\
             - *** Delete Block: <label>\n\
             - *** Move to: <new label>, after the header of the block to rename\n\n\
             Example for one block: label \"human\", patch \" Name: Ada\\n-City: Turku\\n+City: Oulu\"\n\
             Example for many: label \"human\", patch \"*** Update Block: human\\n-City: Turku\\n+City: Oulu\\n*** Add \
             Block: moves\\nDescription: Where Ada lived\\n+Turku until 2025\"",
            vec![
                ("label", REQUIRED, string("The label of the block to change, when the patch has no headers.")),
                ("patch", REQUIRED, string("The patch, without line numbers.")),
            ],
        ),
    ]
}

pub(super) fn sleeptime() -> Vec<BaseTool> {
    let kind = ToolType::LettaSleeptimeCore;
    vec![
        tool(
            "memory_replace",
            kind,
            "Replaces one piece of text in a memory block and leaves the rest as it is.\n\n\
             Use it to correct or remove something. The old text must occur exactly once and be written exactly as \
             the block has it, line breaks included; if it occurs more often, take in more of the text around it. \
             Never write line numbers: they are only for display.\n\n\
             Examples:\n\
             - Correct: label \"human\", old_string \"City: Turku\", new_string \"City: Oulu\"\n\
             - Remove: label \"human\", old_string \"\\nCity: Turku\", new_string \"\"",
            vec![
                ("label", REQUIRED, string(LABEL)),
                ("old_string", REQUIRED, string("The text to replace, exactly as it stands in the block.")),
                ("new_string", REQUIRED, string("What to put in its place. Empty to remove it.")),
            ],
        ),
        tool(
            "memory_insert",
            kind,
            "Inserts text into a memory block, as new lines at a place that you choose.\n\n\
             Use it to add something new. To change what is there already, use memory_replace.\n\n\
             Examples:\n\
             - At the end: label \"human\", new_string \"Likes tea.\"\n\
             - At the start: label \"human\", new_string \"Name: Ada\", insert_line 0\n\
             - After the third line: label \"human\", new_string \"Plays chess.\", insert_line 3",
            vec![
                ("label", REQUIRED, string(LABEL)),
                ("new_string", REQUIRED, string("The text to insert, without line numbers.")),
                (
                    "insert_line",
                    OPTIONAL,
                    integer(
                        "The number of the line after which to insert. 0 is before the first line, -1 at the end. \
                         Left out, -1.",
                    ),
                ),
            ],
        ),
        tool(
            "memory_rethink",
            kind,
            "Writes a memory block anew, from beginning to end.\n\n\
             Use it to bring order into a block: to merge what is said twice, resolve contradictions, regroup. What \
             you leave out is gone, so carry over everything that still holds. For a small change use memory_replace \
             or memory_insert.\n\n\
             Example: label \"human\", new_memory \"Name: Ada\\nLives in Oulu since March 2025.\\nLikes tea and \
             chess.\"",
            vec![
                ("label", REQUIRED, string(LABEL)),
                ("new_memory", REQUIRED, string("The complete new text of the block, without line numbers.")),
            ],
        ),
        tool(
            "memory_finish_edits",
            kind,
            "Says that your memory is as it should be and ends your work on it. Call it after the last edit, or at \
             once when there is nothing to save.",
            vec![],
        ),
    ]
}
