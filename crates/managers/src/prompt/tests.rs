//! The layouts, text against text.

use serde_json::json;

use super::*;

fn block(label: &str, value: &str) -> Block {
    serde_json::from_value(json!({
        "id": "block-123e4567-e89b-42d3-8456-426614174000", "label": label, "value": value, "limit": 20000,
    }))
    .unwrap()
}

fn rules(json: serde_json::Value) -> Vec<ToolRule> {
    serde_json::from_value(json).unwrap()
}

fn input<'a>(blocks: &'a [Block], tool_rules: &'a [ToolRule]) -> PromptInput<'a> {
    PromptInput {
        agent_id: "agent-123e4567-e89b-42d3-8456-426614174000".parse().unwrap(),
        agent_type: AgentType::LettaV1Agent,
        conversation_id: None,
        system: "You are {\"kind\": \"helpful\"}.",
        blocks,
        folders: &[],
        files: &[],
        max_files_open: Some(10),
        tool_rules,
        endpoint_type: Some(ModelEndpointType::Openai),
        timezone: "UTC",
        recompiled_at: Timestamp::parse("2025-03-01T16:05:06Z").unwrap(),
        recall_count: 2,
        archival_count: 0,
    }
}

const METADATA: &str = "<memory_metadata>
- AGENT_ID: agent-123e4567-e89b-42d3-8456-426614174000
- CONVERSATION_ID: default
- System prompt last recompiled: 2025-03-01 04:05:06 PM UTC+0000
- 2 earlier messages between you and the user are kept in recall memory
</memory_metadata>";

#[test]
fn blocks_rules_and_metadata_follow_the_system_prompt() {
    let mut human = block("human", "username: sära");
    human.read_only = true;
    let mut persona = block("system/persona", "");
    persona.description = Some("who you are".to_owned());
    let rules = rules(json!([
        {"type": "exit_loop", "tool_name": "send_message"},
        {"type": "requires_approval", "tool_name": "pay"},
        {"type": "max_count_per_step", "tool_name": "search", "max_count_limit": 2},
    ]));
    let expected = format!(
        "You are {{\"kind\": \"helpful\"}}.

<memory_blocks>
These memory blocks are in your core memory, and always in front of you:

<human>
<description>

</description>
<metadata>
- read_only=true
- chars_current=14
- chars_limit=20000
</metadata>
<value>
username: sära
</value>
</human>

<system/persona>
<description>
who you are
</description>
<metadata>
- chars_current=0
- chars_limit=20000
</metadata>
<value>

</value>
</system/persona>

</memory_blocks>

<tool_usage_rules>
These rules limit which tools you may call when, and must be followed. One response may hold several tool calls.

<tool_rule>
search may be called at most 2 times in one response.
</tool_rule>
<tool_rule>
send_message ends your response when it is called.
</tool_rule>
</tool_usage_rules>

{METADATA}"
    );
    assert_eq!(compile(&input(&[human, persona], &rules)), expected);
}

#[test]
fn an_agent_without_blocks_and_rules_sees_only_the_metadata() {
    assert_eq!(compile(&input(&[], &[])), format!("You are {{\"kind\": \"helpful\"}}.\n\n{METADATA}"));
}

#[test]
fn the_memory_goes_wherever_the_system_prompt_places_it() {
    let input = PromptInput { system: "A {CORE_MEMORY} B {other} {CORE_MEMORY}", ..input(&[], &[]) };
    assert_eq!(compile(&input), format!("A {METADATA} B {{other}} {METADATA}"));
}

#[test]
fn anthropic_models_see_line_numbers() {
    let blocks = [block("human", "one\n\ntwo"), block("empty", "")];
    let mut input = input(&blocks, &[]);
    input.endpoint_type = Some(ModelEndpointType::Anthropic);
    let text = compile(&input);
    let value =
        format!("<warning>\n{LINE_NUMBER_BANNER}\n</warning>\n<value>\n1→ one\n2→ \n3→ two\n</value>\n</human>\n");
    assert!(text.contains(&value), "{text}");
    assert!(text.contains("</warning>\n<value>\n</value>\n</empty>\n\n</memory_blocks>"), "{text}");
    assert!(LINE_NUMBER_BANNER.starts_with("# NOTE:"));

    input.agent_type = AgentType::MemgptAgent;
    assert!(!compile(&input).contains('→'));
    input.agent_type = AgentType::SleeptimeAgent;
    input.endpoint_type = None;
    assert!(!compile(&input).contains('→'));
}

#[test]
fn agents_without_memory_see_no_blocks() {
    let blocks = [block("human", "x")];
    for agent_type in [AgentType::ReactAgent, AgentType::WorkflowAgent] {
        assert!(!compile(&PromptInput { agent_type, ..input(&blocks, &[]) }).contains("memory_blocks"));
    }
}

#[test]
fn the_metadata_names_the_conversation_and_counts_what_is_out_of_sight() {
    let conversation: ConversationId = "conv-123e4567-e89b-42d3-8456-426614174000".parse().unwrap();
    let input = PromptInput {
        conversation_id: Some(conversation),
        recall_count: -1,
        archival_count: 3,
        timezone: "Europe/Helsinki",
        ..input(&[], &[])
    };
    let text = compile(&input);
    assert!(text.contains("- CONVERSATION_ID: conv-123e4567-e89b-42d3-8456-426614174000\n"), "{text}");
    assert!(text.contains("System prompt last recompiled: 2025-03-01 06:05:06 PM EET+0200\n"), "{text}");
    assert!(text.contains("\n- 0 earlier messages "), "{text}");
    assert!(text.contains("\n- 3 memories are stored in archival memory, which your tools can search\n"), "{text}");
}

#[test]
fn each_kind_of_rule_that_binds_the_model_has_words_in_its_place() {
    let rules = rules(json!([
        {"type": "required_before_exit", "tool_name": "g"},
        {"type": "exit_loop", "tool_name": "f"},
        {"type": "parent_last_tool", "tool_name": "e", "children": ["x", "y"]},
        {"type": "max_count_per_step", "tool_name": "d", "max_count_limit": 1},
        {"type": "conditional", "tool_name": "c", "child_output_mapping": {"true": "x"}},
        {"type": "constrain_child_tools", "tool_name": "b", "children": ["x", "y"]},
        {"type": "run_first", "tool_name": "z"},
        {"type": "continue_loop", "tool_name": "a"},
    ]));
    let text = compile(&input(&[], &rules));
    let lines = text.lines().collect::<Vec<_>>();
    let shown: Vec<&str> = lines.windows(2).filter(|pair| pair[0] == "<tool_rule>").map(|pair| pair[1]).collect();
    assert_eq!(
        shown,
        [
            "a does not end your response: after it you must go on.",
            "d may be called at most 1 time in one response.",
            "c decides by what it returns which tool you must call next.",
            "b must be followed by a call of one of these tools: x, y.",
            "e must come right before any call of these tools: x, y.",
            "f ends your response when it is called.",
            "g must be called before you end your response.",
        ]
    );
    assert_eq!(render_rule(&rules[6]), None);
}

#[test]
fn equal_inputs_make_equal_texts() {
    let blocks = [block("human", "x")];
    assert_eq!(compile(&input(&blocks, &[])), compile(&input(&blocks, &[])));
}

fn folder(name: &str) -> Source {
    serde_json::from_value(json!({
        "id": "source-123e4567-e89b-42d3-8456-426614174000", "name": name,
        "embedding_config": {"embedding_endpoint_type": "openai", "embedding_model": "m", "embedding_dim": 8},
    }))
    .unwrap()
}

fn file(label: &str, value: &str) -> FileBlock {
    serde_json::from_value(json!({
        "id": "block-123e4567-e89b-42d3-8456-426614174000", "label": label, "value": value, "limit": 25000,
        "read_only": true, "file_id": "file-123e4567-e89b-42d3-8456-426614174000",
        "source_id": "source-123e4567-e89b-42d3-8456-426614174000", "is_open": !value.is_empty(),
    }))
    .unwrap()
}

#[test]
fn folders_show_their_files_and_what_is_open_of_them() {
    let mut docs = folder("test_source");
    docs.instructions = Some("Read me.".to_owned());
    let folders = [docs];
    let files =
        [file("test_source/test.txt", "[Viewing file start (out of 1 lines)]\n1: test"), file("test_source/b.txt", "")];
    let rules = rules(json!([{"type": "exit_loop", "tool_name": "send_message"}]));
    let text = compile(&PromptInput { folders: &folders, files: &files, ..input(&[], &rules) });
    let expected = "</tool_usage_rules>

<directories>
<file_limits>
- current_files_open=1
- max_files_open=10
</file_limits>
<directory name=\"test_source\">
<instructions>Read me.</instructions>
<file status=\"open\" name=\"test_source/test.txt\">
<metadata>
- read_only=true
- chars_current=45
- chars_limit=25000
</metadata>
<value>
[Viewing file start (out of 1 lines)]
1: test
</value>
</file>
<file status=\"closed\" name=\"test_source/b.txt\">
<metadata>
- read_only=true
- chars_current=0
- chars_limit=25000
</metadata>
</file>
</directory>
</directories>

<memory_metadata>";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn agents_without_blocks_see_a_file_s_name_as_an_element() {
    let (folders, files) = ([folder("docs")], [file("docs/a.txt", "")]);
    let agent_type = AgentType::WorkflowAgent;
    let input = PromptInput { agent_type, folders: &folders, files: &files, max_files_open: None, ..input(&[], &[]) };
    let text = compile(&input);
    let expected = "<directories>
<directory name=\"docs\">
<file status=\"closed\">
<docs/a.txt>
<description>

</description>
<metadata>
- read_only=true
- chars_current=0
- chars_limit=25000
</metadata>
<value>

</value>
</docs/a.txt>
</file>
</directory>
</directories>";
    assert!(text.contains(expected), "{text}");
}
