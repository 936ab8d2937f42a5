//! The tools for other agents, for voice, for code and the web, and for files.

use serde_json::json;

use super::{OPTIONAL, REQUIRED, boolean, integer, list, one_of, parallel, string, strings, tool};
use crate::{schema::ToolType, tool::base::BaseTool};

pub(super) fn multi_agent() -> Vec<BaseTool> {
    let kind = ToolType::LettaMultiAgentCore;
    let other = || string("The id of the agent to write to, such as agent-123e4567-e89b-42d3-8456-426614174000.");
    vec![
        tool(
            "send_message_to_agent_and_wait_for_reply",
            kind,
            "Sends a message to another agent and waits for its answer.\n\n\
             Use it when you need what the other agent says before you go on. The agent is told who is writing, so \
             you need not introduce yourself.\n\n\
             Example: message \"Which of the three drafts do you prefer, and why?\", other_agent_id \"agent-…\"",
            vec![
                ("message", REQUIRED, string("What to say to the other agent.")),
                ("other_agent_id", REQUIRED, other()),
            ],
        ),
        tool(
            "send_message_to_agents_matching_tags",
            kind,
            "Sends a message to all agents with certain tags, never to yourself, and waits for their answers.\n\n\
             Use it to ask or tell a group of agents at once. An agent gets the message if it has every tag of \
             match_all and at least one of match_some; an empty list asks for nothing. The agents are told who is \
             writing.\n\n\
             Example, all workers for sales or support: message \"Report your open tasks.\", match_all [\"worker\"], \
             match_some [\"sales\", \"support\"]",
            vec![
                ("message", REQUIRED, string("What to say to the agents.")),
                ("match_all", REQUIRED, strings("Tags that an agent must have, all of them. May be empty.")),
                ("match_some", REQUIRED, strings("Tags of which an agent must have at least one. May be empty.")),
            ],
        ),
        tool(
            "send_message_to_agent_async",
            kind,
            "Sends a message to another agent without waiting for anything: a notice, for which no answer comes \
             back.\n\n\
             Use it to hand on information or work. The agent is told who is writing. If you need an answer, use \
             send_message_to_agent_and_wait_for_reply.\n\n\
             Example: message \"The report for May is ready.\", other_agent_id \"agent-…\"",
            vec![("message", REQUIRED, string("What to tell the other agent.")), ("other_agent_id", REQUIRED, other())],
        ),
    ]
}

pub(super) fn voice() -> Vec<BaseTool> {
    let kind = ToolType::LettaVoiceSleeptimeCore;
    let chunk = json!({
        "type": "object",
        "properties": {
            "start_index": integer("The number of the first line of the chunk."),
            "end_index": integer("The number of its last line, which belongs to it."),
            "context": string("What the lines are about, in words by which they will be looked for."),
        },
        "required": ["start_index", "end_index", "context"],
    });
    vec![
        tool(
            "store_memories",
            kind,
            "Stores pieces of the transcript for good, each with a note on what it is about. Call it once, with all \
             pieces worth keeping of the part that is about to go out of sight.",
            vec![("chunks", REQUIRED, list(&chunk, "The pieces, each a run of lines about one subject."))],
        ),
        tool(
            "rethink_user_memory",
            kind,
            "Writes the block about the user anew, from beginning to end. Carry over everything that still holds. \
             May be called several times, each time improving on the last.",
            vec![("new_memory", REQUIRED, string("The complete new text of the block."))],
        ),
        tool(
            "finish_rethinking_memory",
            kind,
            "Says that the block about the user is as it should be and ends the work on it. Call it once, last.",
            vec![],
        ),
        tool(
            "search_memory",
            kind,
            "Looks in earlier conversations and stored memories for something that is not in front of you.\n\n\
             Use it only when the user clearly refers to such a thing: nothing is heard while it runs. What the user \
             said last is searched for in any case; the arguments add to that.\n\n\
             Example, a talk of yesterday about a trip: convo_keyword_queries [\"trip\", \"Lapland\"], \
             start_minutes_ago 2880, end_minutes_ago 720",
            vec![
                ("convo_keyword_queries", OPTIONAL, strings("Words or phrases to look for in past messages.")),
                ("start_minutes_ago", OPTIONAL, integer("The beginning of the time to search, in minutes before now.")),
                ("end_minutes_ago", OPTIONAL, integer("The end of the time to search, in minutes before now.")),
            ],
        ),
    ]
}

pub(super) fn builtin() -> Vec<BaseTool> {
    let kind = ToolType::LettaBuiltin;
    vec![
        parallel(tool(
            "run_code",
            kind,
            "Runs a piece of code in an isolated environment and returns what it printed and its last value.\n\n\
             Use it to calculate, to work on data, or to try something out. Every run starts afresh: nothing of an \
             earlier run is left. In Python your own tools can be called as functions.\n\n\
             Example: language \"python\", code \"print(sum(n * n for n in range(10)))\"",
            vec![
                ("code", REQUIRED, string("The code to run, complete in itself.")),
                (
                    "language",
                    REQUIRED,
                    one_of(&["python", "js", "ts", "r", "java"], "The language that the code is in."),
                ),
            ],
        )),
        tool(
            "run_code_with_tools",
            kind,
            "Runs Python code that may call any of your tools as a function of the same name.\n\n\
             Use it when a task takes many tool calls, or when the result of one call is to be worked on before the \
             next: a loop over many things in one go, instead of one call after another.\n\n\
             Example: code \"for city in ['Turku', 'Oulu']:\\n    print(city, web_search(query=f'weather in \
             {city}'))\"",
            vec![("code", REQUIRED, string("The Python code to run."))],
        ),
        parallel(tool(
            "web_search",
            kind,
            "Searches the web and returns pages with their titles, addresses, summaries and highlights.\n\n\
             Use it for what is recent, or what you cannot know by yourself. Full texts are large: ask for them only \
             when summaries will not do, or read a single page with fetch_webpage.\n\n\
             Examples:\n\
             - query \"changes in EU battery regulation 2025\"\n\
             - query \"protein folding with language models\", category \"research paper\", num_results 5, \
             start_published_date \"2025-01-01\"\n\
             - query \"release notes\", include_domains [\"postgresql.org\"]",
            vec![
                ("query", REQUIRED, string("What to search for.")),
                ("num_results", OPTIONAL, integer("How many pages to return, 1 to 100. Left out, 10.")),
                (
                    "category",
                    OPTIONAL,
                    one_of(
                        &[
                            "company",
                            "research paper",
                            "news",
                            "pdf",
                            "github",
                            "tweet",
                            "personal site",
                            "linkedin profile",
                            "financial report",
                        ],
                        "Only pages of this kind.",
                    ),
                ),
                (
                    "include_text",
                    OPTIONAL,
                    boolean("Whether to return the full text of the pages. Left out, it is not."),
                ),
                ("include_domains", OPTIONAL, strings("Only pages of these domains, such as wikipedia.org.")),
                ("exclude_domains", OPTIONAL, strings("No pages of these domains.")),
                ("start_published_date", OPTIONAL, string("Only pages published from this date on, ISO 8601.")),
                ("end_published_date", OPTIONAL, string("Only pages published up to this date, ISO 8601.")),
                ("user_location", OPTIONAL, string("The country to search from, as two letters, such as FI.")),
            ],
        )),
        parallel(tool(
            "fetch_webpage",
            kind,
            "Reads a web page and returns its text as Markdown.\n\n\
             Use it when you have an address, from the user or from web_search, and need what the page says.\n\n\
             Example: url \"https://example.org/article\"",
            vec![("url", REQUIRED, string("The address, beginning with http:// or https://."))],
        )),
    ]
}

pub(super) fn files() -> Vec<BaseTool> {
    let kind = ToolType::LettaFilesCore;
    let request = json!({
        "type": "object",
        "properties": {
            "file_name": string("The file, with its directory, as the list of files has it."),
            "offset": integer("How many lines to skip. Left out, none."),
            "length": integer("How many lines to show. Left out, up to the end."),
        },
        "required": ["file_name"],
    });
    vec![
        tool(
            "open_files",
            kind,
            "Opens one or more files, or parts of them, so that their content is in front of you. Only a limited \
             number of files can be open; opening more closes those that were looked at longest ago.\n\n\
             Use it to read a file. To find out which file to read, search first.\n\n\
             Examples:\n\
             - file_requests [{\"file_name\": \"docs/plan.md\"}]\n\
             - Lines 101 to 150 alone, with all else closed: file_requests [{\"file_name\": \"docs/log.txt\", \
             \"offset\": 100, \"length\": 50}], close_all_others true",
            vec![
                ("file_requests", REQUIRED, list(&request, "The files to open.")),
                ("close_all_others", OPTIONAL, boolean("Whether to close all other files. Left out, they stay open.")),
            ],
        ),
        parallel(tool(
            "grep_files",
            kind,
            "Searches your files for lines that match a regular expression.\n\n\
             Use it for exact words, names or patterns. For a question about what files say, use \
             semantic_search_files. Results come a page at a time; offset leads to the next.\n\n\
             Examples:\n\
             - pattern \"TODO|FIXME\"\n\
             - pattern \"def \\\\w+_total\", include \"*.py\", context_lines 3",
            vec![
                ("pattern", REQUIRED, string("The regular expression.")),
                ("include", OPTIONAL, string("Only files whose name matches this pattern, such as *.md.")),
                (
                    "context_lines",
                    OPTIONAL,
                    integer("How many lines to show before and after each match. Left out, 1."),
                ),
                ("offset", OPTIONAL, integer("How many matches to skip, to see the next page. Left out, none.")),
            ],
        )),
        parallel(tool(
            "semantic_search_files",
            kind,
            "Searches your files by meaning and returns the passages that fit best.\n\n\
             Use it for a question or a subject, when you do not know the words that the file uses.\n\n\
             Example: query \"how are refunds handled\", limit 3",
            vec![
                ("query", REQUIRED, string("What to look for, in a phrase or a sentence.")),
                ("limit", OPTIONAL, integer("How many passages to return at most. Left out, 5.")),
            ],
        )),
    ]
}
